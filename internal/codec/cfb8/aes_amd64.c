//go:build cgo

#include "aes_amd64.h"

#include <immintrin.h>
#include <string.h>

#define AESNI __attribute__((target("aes,sse4.1")))
#define VAES __attribute__((target("aes,avx512f,vaes")))
#define INLINE static inline __attribute__((always_inline))

int cfb8_cpu_has(void) {
	__builtin_cpu_init();
	if (!__builtin_cpu_supports("aes") || !__builtin_cpu_supports("sse4.1")) return 0;
	return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("vaes") ? 2 : 1;
}

AESNI INLINE __m128i mix(__m128i k, __m128i t) {
	k = _mm_xor_si128(k, _mm_slli_si128(k, 4));
	k = _mm_xor_si128(k, _mm_slli_si128(k, 8));
	return _mm_xor_si128(k, t);
}

// The key schedule of FIPS 197 for 256 bits: even round keys take the rotated word and a constant, odd ones the
// plain word.
AESNI void cfb8_expand_key(const uint8_t *key, uint8_t *round_keys) {
	__m128i a = _mm_loadu_si128((const __m128i *)key);
	__m128i b = _mm_loadu_si128((const __m128i *)(key + 16));
	__m128i *out = (__m128i *)round_keys;
	_mm_storeu_si128(out, a);
	_mm_storeu_si128(out + 1, b);
#define EVEN(i, c) a = mix(a, _mm_shuffle_epi32(_mm_aeskeygenassist_si128(b, c), 0xff)); _mm_storeu_si128(out + i, a)
#define ODD(i) b = mix(b, _mm_shuffle_epi32(_mm_aeskeygenassist_si128(a, 0), 0xaa)); _mm_storeu_si128(out + i, b)
	EVEN(2, 0x01); ODD(3);
	EVEN(4, 0x02); ODD(5);
	EVEN(6, 0x04); ODD(7);
	EVEN(8, 0x08); ODD(9);
	EVEN(10, 0x10); ODD(11);
	EVEN(12, 0x20); ODD(13);
	EVEN(14, 0x40);
#undef EVEN
#undef ODD
}

AESNI INLINE __m128i round_key(const uint8_t *rk, int i) { return _mm_loadu_si128((const __m128i *)rk + i); }

// decrypt_8 decrypts 8 bytes at a time, as long as there are 8, and tells how many bytes it did.
AESNI static size_t decrypt_8(const uint8_t *rk, const uint8_t *window, uint8_t *dst, size_t n) {
	size_t i = 0;
	for (; i + 8 <= n; i += 8) {
		__m128i b[8], k = round_key(rk, 0);
#pragma GCC unroll 8
		for (int j = 0; j < 8; j++) b[j] = _mm_xor_si128(_mm_loadu_si128((const __m128i *)(window + i + j)), k);
#pragma GCC unroll 13
		for (int r = 1; r < ROUNDS - 1; r++) {
			k = round_key(rk, r);
#pragma GCC unroll 8
			for (int j = 0; j < 8; j++) b[j] = _mm_aesenc_si128(b[j], k);
		}
		k = round_key(rk, ROUNDS - 1);
#pragma GCC unroll 8
		for (int j = 0; j < 8; j++)
			dst[i + j] = window[i + j + 16] ^ (uint8_t)_mm_cvtsi128_si32(_mm_aesenclast_si128(b[j], k));
	}
	return i;
}

// decrypt_32 does the same for 32 bytes at a time, four blocks to an instruction. Block k of the group at g holds, in
// its four lanes, the windows of the bytes g+k, g+k+4, g+k+8 and g+k+12: the first byte of each lane, shifted into its
// place and joined with those of its three neighbours, makes four keystream bytes in order.
VAES static size_t decrypt_32(const uint8_t *rk, const uint8_t *window, uint8_t *dst, size_t n) {
	const __m512i spread = _mm512_set_epi32(6, 5, 4, 3, 5, 4, 3, 2, 4, 3, 2, 1, 3, 2, 1, 0);
	const __m512i gather = _mm512_set_epi32(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 12, 8, 4, 0);
	const __m512i low = _mm512_set1_epi32(0xff);
	__m512i keys[ROUNDS];
#pragma GCC unroll 15
	for (int r = 0; r < ROUNDS; r++) keys[r] = _mm512_broadcast_i32x4(round_key(rk, r));
	size_t i = 0;
	// A block's load takes 32 bytes of the window and uses 28: the last one ends 3 bytes behind the group.
	for (; i + 32 + 3 <= n; i += 32) {
		__m512i b[8];
#pragma GCC unroll 8
		for (int j = 0; j < 8; j++) {
			const uint8_t *from = window + i + 16 * (j / 4) + j % 4;
			__m512i w = _mm512_castsi256_si512(_mm256_loadu_si256((const __m256i *)from));
			b[j] = _mm512_xor_si512(_mm512_permutexvar_epi32(spread, w), keys[0]);
		}
#pragma GCC unroll 13
		for (int r = 1; r < ROUNDS - 1; r++)
#pragma GCC unroll 8
			for (int j = 0; j < 8; j++) b[j] = _mm512_aesenc_epi128(b[j], keys[r]);
#pragma GCC unroll 8
		for (int j = 0; j < 8; j++)
			b[j] = _mm512_and_si512(_mm512_aesenclast_epi128(b[j], keys[ROUNDS - 1]), low);
#pragma GCC unroll 2
		for (int g = 0; g < 2; g++) {
			__m512i s = _mm512_or_si512(
				_mm512_or_si512(b[4 * g], _mm512_slli_epi32(b[4 * g + 1], 8)),
				_mm512_or_si512(_mm512_slli_epi32(b[4 * g + 2], 16), _mm512_slli_epi32(b[4 * g + 3], 24)));
			__m128i stream = _mm512_castsi512_si128(_mm512_permutexvar_epi32(gather, s));
			__m128i in = _mm_loadu_si128((const __m128i *)(window + i + 16 * g + 16));
			_mm_storeu_si128((__m128i *)(dst + i + 16 * g), _mm_xor_si128(in, stream));
		}
	}
	return i;
}

// encrypt_first gives the first byte of the block's encryption.
AESNI INLINE uint8_t encrypt_first(const uint8_t *rk, const uint8_t *block) {
	__m128i b = _mm_xor_si128(_mm_loadu_si128((const __m128i *)block), round_key(rk, 0));
	for (int r = 1; r < ROUNDS - 1; r++) b = _mm_aesenc_si128(b, round_key(rk, r));
	return (uint8_t)_mm_cvtsi128_si32(_mm_aesenclast_si128(b, round_key(rk, ROUNDS - 1)));
}

AESNI void cfb8_decrypt(const uint8_t *rk, const uint8_t *window, uint8_t *dst, size_t n, int level) {
	size_t i = 0;
	if (level >= 2) i = decrypt_32(rk, window, dst, n);
	i += decrypt_8(rk, window + i, dst + i, n - i);
	for (; i < n; i++) dst[i] = window[i + 16] ^ encrypt_first(rk, window + i);
}

// A byte of ciphertext enters the register before the next block can begin, so one lane alone waits out the
// latency of every round; lanes fill each other's waiting time.
AESNI INLINE void encrypt_count(cfb8_lanes *l, int count, size_t n) {
	__m128i reg[LANES];
	const __m128i low = _mm_cvtsi32_si128(0xff);
#pragma GCC unroll 8
	for (int j = 0; j < count; j++) reg[j] = _mm_loadu_si128((const __m128i *)l->registers[j]);
	for (size_t i = 0; i < n; i++) {
		__m128i b[LANES];
#pragma GCC unroll 8
		for (int j = 0; j < count; j++) b[j] = _mm_xor_si128(reg[j], round_key(l->keys[j], 0));
#pragma GCC unroll 13
		for (int r = 1; r < ROUNDS - 1; r++)
#pragma GCC unroll 8
			for (int j = 0; j < count; j++) b[j] = _mm_aesenc_si128(b[j], round_key(l->keys[j], r));
#pragma GCC unroll 8
		for (int j = 0; j < count; j++) {
			__m128i c = _mm_aesenclast_si128(b[j], round_key(l->keys[j], ROUNDS - 1));
			c = _mm_and_si128(_mm_xor_si128(c, _mm_cvtsi32_si128(l->text[j][i])), low);
			l->text[j][i] = (uint8_t)_mm_cvtsi128_si32(c);
			reg[j] = _mm_or_si128(_mm_srli_si128(reg[j], 1), _mm_slli_si128(c, 15));
		}
	}
#pragma GCC unroll 8
	for (int j = 0; j < count; j++) _mm_storeu_si128((__m128i *)l->registers[j], reg[j]);
}

AESNI void cfb8_encrypt_lanes(cfb8_lanes *l, int count, size_t n) {
	if (count == 1)
		encrypt_count(l, 1, n);
	else
		encrypt_count(l, LANES, n);
}
