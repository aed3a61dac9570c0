// CFB8 with the AES instructions of amd64. accel_amd64.go calls it; names are prefixed because a binary has one space
// for all names of C.

#include <stddef.h>
#include <stdint.h>

enum { LANES = 8, STEP = 2048, ROUNDS = 15 };

// cfb8_lanes is what cfb8_encrypt_lanes works on; lanes in Go is laid out the same.
typedef struct {
	uint8_t keys[LANES][ROUNDS * 16];
	uint8_t registers[LANES][16];
	uint8_t text[LANES][STEP];
} cfb8_lanes;

// cfb8_cpu_has tells which instructions there are: 0 none that help, 1 AES-NI, 2 VAES on 512 bits as well.
int cfb8_cpu_has(void);

// cfb8_expand_key makes the 15 round keys of AES-256.
void cfb8_expand_key(const uint8_t *key, uint8_t *round_keys);

// cfb8_decrypt decrypts n bytes to dst. window holds the 16 bytes of ciphertext (or the IV) before them and then the
// n bytes themselves, and does not overlap dst. It uses instructions of at most `level` of cfb8_cpu_has.
void cfb8_decrypt(const uint8_t *round_keys, const uint8_t *window, uint8_t *dst, size_t n, int level);

// cfb8_encrypt_lanes encrypts the first n bytes of the text of each lane in place: of the first alone if count is 1,
// else of all.
void cfb8_encrypt_lanes(cfb8_lanes *l, int count, size_t n);
