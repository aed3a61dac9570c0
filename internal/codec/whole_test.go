package codec

import (
	"bytes"
	"testing"

	"pgregory.net/rapid"

	"cooper"
	"cooper/internal/codec/cfb8"
	"cooper/internal/codec/codectest"
)

// In memory and as a stream, the same bytes come out.
func TestAppendIsEncode(t *testing.T) {
	var scratch []byte
	var shared cfb8.Encryptor
	rapid.Check(t, func(rt *rapid.T) {
		size := rapid.OneOf(rapid.IntRange(0, 3000), rapid.IntRange(256<<10-2, 256<<10+2), rapid.Just(512<<10), rapid.IntRange(0, 800<<10)).Draw(rt, "size")
		plain := codectest.CSV(rapid.Uint64Range(0, 9).Draw(rt, "seed"), size)
		if rapid.Bool().Draw(rt, "noise") {
			plain = codectest.Noise(1, size)
		}
		c := rapid.SampledFrom([]Chain{{}, zstd3, encrypted, both, {Compress: Compression{Zstd, 1}}}).Draw(rt, "chain")
		want, sums := encode(t, c, plain, testKey(1))
		random := bytes.NewReader([]byte("0123456789abcdef"))
		got, err := c.Append([]byte("before"), plain, EncodeOptions{Key: testKey(1), Random: random, Encryptor: &shared})
		if err != nil || !bytes.Equal(got, append([]byte("before"), want...)) {
			rt.Fatalf("%d bytes in memory, %d as a stream: %v", len(got), len(want), err)
		}
		if len(want) > c.Bound(size) {
			rt.Fatalf("%d bytes, and no more than %d were promised", len(want), c.Bound(size))
		}
		had := SumsOf(plain)
		had.StoredSize = int64(len(want))
		if had != sums {
			rt.Fatalf("%+v in memory, %+v as a stream", had, sums)
		}
		if scratch, err = c.ProveSame(want, plain, scratch, testKey(1)); err != nil {
			rt.Fatal(err)
		}
	})
}

// What is not exactly the content is no proof, nor is it a panic.
func TestProveSameRefuses(t *testing.T) {
	plain := codectest.CSV(1, 5000)
	for _, c := range []Chain{{}, zstd3, encrypted, both} {
		stored, _ := encode(t, c, plain, testKey(1))
		var scratch []byte
		refused := func(what string, stored, plain []byte, key *Key) {
			t.Helper()
			var err error
			scratch, err = c.ProveSame(stored, plain, scratch, key)
			if k := cooper.KindOf(err); k != cooper.KindInvalid && k != cooper.KindCorrupt {
				t.Errorf("%s, %s: %v", c, what, err)
			}
		}
		for n := range len(stored) {
			refused("cut", stored[:n], plain, testKey(1))
		}
		refused("shorter content", stored, plain[:4999], testKey(1))
		refused("longer content", stored, append(bytes.Clone(plain), 'x'), testKey(1))
		refused("followed by more", append(bytes.Clone(stored), 0), plain, testKey(1))
		refused("twice", append(bytes.Clone(stored), stored...), plain, testKey(1))
		if c.Encrypt != Clear {
			refused("another key", stored, plain, testKey(2))
		}
		for i := range stored {
			bad := bytes.Clone(stored)
			bad[i] ^= 0x10
			if _, err := c.ProveSame(bad, plain, nil, testKey(1)); err == nil {
				back, _, err := decode(c, bytes.NewReader(bad), DecodeOptions{Key: testKey(1)})
				if err != nil || !bytes.Equal(back, plain) {
					t.Fatalf("%s: a changed byte %d passes for proven", c, i)
				}
			}
		}
	}
}

func TestWholeWrongUse(t *testing.T) {
	for _, c := range []Chain{{Compress: Compression{Method: Gzip}}, both} {
		if _, err := c.Append(nil, []byte("x"), EncodeOptions{}); cooper.KindOf(err) != cooper.KindUsage {
			t.Errorf("%s: %v", c, err)
		}
		if _, err := c.ProveSame([]byte("x"), []byte("x"), nil, nil); cooper.KindOf(err) != cooper.KindUsage {
			t.Errorf("%s: %v", c, err)
		}
	}
}

// BenchmarkWhole is BenchmarkObject for what is held in memory.
func BenchmarkWhole(b *testing.B) {
	const size = 50_000
	for _, c := range []struct {
		name string
		to   Chain
	}{{"plain", zstd3}, {"encrypted", both}} {
		b.Run(c.name, func(b *testing.B) {
			var docs [][]byte
			for seed := range uint64(64) {
				docs = append(docs, codectest.CSV(seed, size))
			}
			var shared cfb8.Encryptor
			b.SetBytes(size)
			b.SetParallelism(16)
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				var out, scratch []byte
				for i := 0; pb.Next(); i++ {
					doc := docs[i%len(docs)]
					SumsOf(doc)
					var err error
					if out, err = c.to.Append(out[:0], doc, EncodeOptions{Key: testKey(1), Encryptor: &shared}); err != nil {
						b.Error(err)
					}
					if scratch, err = c.to.ProveSame(out, doc, scratch, testKey(1)); err != nil {
						b.Error(err)
					}
				}
			})
		})
	}
}
