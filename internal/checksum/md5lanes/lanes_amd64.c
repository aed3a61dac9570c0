//go:build cgo

#include "lanes_amd64.h"

#include <immintrin.h>

// 2^32 times the sines of 1 to 64, without their signs.
static const uint32_t sines[64] = {
	0xd76aa478, 0xe8c7b756, 0x242070db, 0xc1bdceee, 0xf57c0faf, 0x4787c62a, 0xa8304613, 0xfd469501,
	0x698098d8, 0x8b44f7af, 0xffff5bb1, 0x895cd7be, 0x6b901122, 0xfd987193, 0xa679438e, 0x49b40821,
	0xf61e2562, 0xc040b340, 0x265e5a51, 0xe9b6c7aa, 0xd62f105d, 0x02441453, 0xd8a1e681, 0xe7d3fbc8,
	0x21e1cde6, 0xc33707d6, 0xf4d50d87, 0x455a14ed, 0xa9e3e905, 0xfcefa3f8, 0x676f02d9, 0x8d2a4c8a,
	0xfffa3942, 0x8771f681, 0x6d9d6122, 0xfde5380c, 0xa4beea44, 0x4bdecfa9, 0xf6bb4b60, 0xbebfbc70,
	0x289b7ec6, 0xeaa127fa, 0xd4ef3085, 0x04881d05, 0xd9d4d039, 0xe6db99e5, 0x1fa27cf8, 0xc4ac5665,
	0xf4292244, 0x432aff97, 0xab9423a7, 0xfc93a039, 0x655b59c3, 0x8f0ccc92, 0xffeff47d, 0x85845dd1,
	0x6fa87e4f, 0xfe2ce6e0, 0xa3014314, 0x4e0811a1, 0xf7537e82, 0xbd3af235, 0x2ad7d2bb, 0xeb86d391,
};

int md5lanes_cpu_has(void) {
	__builtin_cpu_init();
	if (__builtin_cpu_supports("avx512f")) return 2;
	return __builtin_cpu_supports("avx2") ? 1 : 0;
}

#define AVX512 __attribute__((target("avx512f")))
#define AVX2 __attribute__((target("avx2")))

#define NAME rounds_16
#define TARGET AVX512
#define V __m512i
#define SET1 _mm512_set1_epi32
#define ADD _mm512_add_epi32
#define ROL _mm512_rol_epi32
#define F(x, y, z) _mm512_ternarylogic_epi32(x, y, z, 0xca)
#define G(x, y, z) _mm512_ternarylogic_epi32(x, y, z, 0xe4)
#define H(x, y, z) _mm512_ternarylogic_epi32(x, y, z, 0x96)
#define I(x, y, z) _mm512_ternarylogic_epi32(x, y, z, 0x39)
#include "rounds_amd64.h"

#define NAME rounds_8
#define TARGET AVX2
#define V __m256i
#define SET1 _mm256_set1_epi32
#define ADD _mm256_add_epi32
#define ROL(x, n) _mm256_or_si256(_mm256_slli_epi32(x, n), _mm256_srli_epi32(x, 32 - (n)))
#define F(x, y, z) _mm256_xor_si256(z, _mm256_and_si256(x, _mm256_xor_si256(y, z)))
#define G(x, y, z) _mm256_xor_si256(y, _mm256_and_si256(z, _mm256_xor_si256(x, y)))
#define H(x, y, z) _mm256_xor_si256(_mm256_xor_si256(x, y), z)
#define I(x, y, z) _mm256_xor_si256(y, _mm256_or_si256(x, _mm256_xor_si256(z, _mm256_set1_epi32(-1))))
#include "rounds_amd64.h"

// words_16 makes of a block of each of 16 lanes its 16 words, each of all lanes.
AVX512 static inline void words_16(md5lanes *l, size_t at, __m512i m[16]) {
	__m512i r[16], t[16];
#pragma GCC unroll 16
	for (int i = 0; i < 16; i++) r[i] = _mm512_loadu_si512(l->text[i] + at);
#pragma GCC unroll 8
	for (int i = 0; i < 16; i += 2) {
		t[i] = _mm512_unpacklo_epi32(r[i], r[i + 1]);
		t[i + 1] = _mm512_unpackhi_epi32(r[i], r[i + 1]);
	}
	// r[4g + k] holds, in its quarters, the words k, 4+k, 8+k and 12+k of the lanes 4g to 4g+3.
#pragma GCC unroll 4
	for (int i = 0; i < 16; i += 4) {
		r[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
		r[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
		r[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
		r[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
	}
#pragma GCC unroll 4
	for (int k = 0; k < 4; k++) {
		__m512i low = _mm512_shuffle_i32x4(r[k], r[4 + k], 0x44), high = _mm512_shuffle_i32x4(r[k], r[4 + k], 0xee);
		__m512i low2 = _mm512_shuffle_i32x4(r[8 + k], r[12 + k], 0x44), high2 = _mm512_shuffle_i32x4(r[8 + k], r[12 + k], 0xee);
		m[k] = _mm512_shuffle_i32x4(low, low2, 0x88);
		m[4 + k] = _mm512_shuffle_i32x4(low, low2, 0xdd);
		m[8 + k] = _mm512_shuffle_i32x4(high, high2, 0x88);
		m[12 + k] = _mm512_shuffle_i32x4(high, high2, 0xdd);
	}
}

AVX512 static void blocks_16(md5lanes *l, size_t n) {
	__m512i s[4], m[16];
	for (int i = 0; i < 4; i++) s[i] = _mm512_loadu_si512(l->state[i]);
	for (size_t at = 0; at < n; at += 64) {
		words_16(l, at, m);
		rounds_16(s, m);
	}
	for (int i = 0; i < 4; i++) _mm512_storeu_si512(l->state[i], s[i]);
}

// words_8 does the same for half a block of each of 8 lanes.
AVX2 static inline void words_8(md5lanes *l, int first, size_t at, __m256i m[8]) {
	__m256i r[8], t[8];
#pragma GCC unroll 8
	for (int i = 0; i < 8; i++) r[i] = _mm256_loadu_si256((const __m256i *)(l->text[first + i] + at));
#pragma GCC unroll 4
	for (int i = 0; i < 8; i += 2) {
		t[i] = _mm256_unpacklo_epi32(r[i], r[i + 1]);
		t[i + 1] = _mm256_unpackhi_epi32(r[i], r[i + 1]);
	}
#pragma GCC unroll 2
	for (int i = 0; i < 8; i += 4) {
		r[i] = _mm256_unpacklo_epi64(t[i], t[i + 2]);
		r[i + 1] = _mm256_unpackhi_epi64(t[i], t[i + 2]);
		r[i + 2] = _mm256_unpacklo_epi64(t[i + 1], t[i + 3]);
		r[i + 3] = _mm256_unpackhi_epi64(t[i + 1], t[i + 3]);
	}
#pragma GCC unroll 4
	for (int k = 0; k < 4; k++) {
		m[k] = _mm256_permute2x128_si256(r[k], r[4 + k], 0x20);
		m[4 + k] = _mm256_permute2x128_si256(r[k], r[4 + k], 0x31);
	}
}

AVX2 static void blocks_8(md5lanes *l, int first, size_t n) {
	__m256i s[4], m[16];
	for (int i = 0; i < 4; i++) s[i] = _mm256_loadu_si256((const __m256i *)(l->state[i] + first));
	for (size_t at = 0; at < n; at += 64) {
		words_8(l, first, at, m);
		words_8(l, first, at + 32, m + 8);
		rounds_8(s, m);
	}
	for (int i = 0; i < 4; i++) _mm256_storeu_si256((__m256i *)(l->state[i] + first), s[i]);
}

void md5lanes_blocks(md5lanes *l, int count, size_t n, int level) {
	if (level >= 2) {
		blocks_16(l, n);
		return;
	}
	for (int first = 0; first < count; first += 8) blocks_8(l, first, n);
}
