// MD5 of several contents at once. accel_amd64.go calls it; names are prefixed because a binary has one space for all
// names of C.

#include <stddef.h>
#include <stdint.h>

enum { LANES = 16, STEP = 2048 };

// md5lanes is what md5lanes_blocks works on; lanes in Go is laid out the same.
typedef struct {
	uint32_t state[4][LANES];
	uint8_t text[LANES][STEP];
} md5lanes;

// md5lanes_cpu_has tells which instructions there are: 0 none that help, 1 AVX2, 2 AVX-512.
int md5lanes_cpu_has(void);

// md5lanes_blocks takes the first n bytes, whole blocks of 64, of the text of each lane into its state: of the first
// `count` lanes at least. It uses instructions of at most `level` of md5lanes_cpu_has, which is not 0.
void md5lanes_blocks(md5lanes *l, int count, size_t n, int level);
