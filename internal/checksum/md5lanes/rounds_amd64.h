// The compression function of MD5 (RFC 1321) on vectors, each element of which belongs to another content. Included
// once for each kind of vector, with NAME, TARGET, V (the type), SET1, ADD, ROL and the functions F, G, H and I.

TARGET static inline __attribute__((always_inline)) void NAME(V s[4], const V m[16]) {
	V a = s[0], b = s[1], c = s[2], d = s[3], t;
#define ROUND(f, i, g, shift) \
	t = ADD(ADD(a, SET1((int)sines[i])), ADD(m[(g) % 16], f(b, c, d))); \
	a = d; d = c; c = b; b = ADD(b, ROL(t, shift));
#define FOUR(f, i, g, by, s0, s1, s2, s3) \
	ROUND(f, i, g, s0) ROUND(f, i + 1, g + by, s1) ROUND(f, i + 2, g + 2 * by, s2) ROUND(f, i + 3, g + 3 * by, s3)
#define SIXTEEN(f, i, g, by, ...) \
	FOUR(f, i, g, by, __VA_ARGS__) FOUR(f, i + 4, g + 4 * by, by, __VA_ARGS__) \
	FOUR(f, i + 8, g + 8 * by, by, __VA_ARGS__) FOUR(f, i + 12, g + 12 * by, by, __VA_ARGS__)
	SIXTEEN(F, 0, 0, 1, 7, 12, 17, 22)
	SIXTEEN(G, 16, 1, 5, 5, 9, 14, 20)
	SIXTEEN(H, 32, 5, 3, 4, 11, 16, 23)
	SIXTEEN(I, 48, 0, 7, 6, 10, 15, 21)
#undef SIXTEEN
#undef FOUR
#undef ROUND
	s[0] = ADD(s[0], a);
	s[1] = ADD(s[1], b);
	s[2] = ADD(s[2], c);
	s[3] = ADD(s[3], d);
}

#undef NAME
#undef TARGET
#undef V
#undef SET1
#undef ADD
#undef ROL
#undef F
#undef G
#undef H
#undef I
