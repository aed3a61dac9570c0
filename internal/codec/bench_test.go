package codec

import (
	"bytes"
	"io"
	"testing"

	"cooper/internal/codec/cfb8"
	"cooper/internal/codec/codectest"
)

// BenchmarkObject is the work that compressing one object of 50 KB takes, all
// but the requests: decode what is stored, encode it anew, and prove that.
func BenchmarkObject(b *testing.B) {
	const size = 50_000
	for _, c := range []struct {
		name     string
		from, to Chain
	}{{"plain", Chain{}, zstd3}, {"encrypted", encrypted, both}} {
		b.Run(c.name, func(b *testing.B) {
			var docs [][]byte
			for seed := range uint64(64) {
				stored, _ := encode(b, c.from, codectest.CSV(seed, size), testKey(1))
				docs = append(docs, stored)
			}
			var shared cfb8.Encryptor
			b.SetBytes(size)
			b.SetParallelism(16)
			b.ReportAllocs()
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				var out bytes.Buffer
				buf := make([]byte, 64<<10)
				copyOf := func(w io.Writer, s *Stream) Sums {
					if _, err := io.CopyBuffer(struct{ io.Writer }{w}, struct{ io.Reader }{s}, buf); err != nil {
						b.Error(err)
					}
					sums, err := s.Sums()
					if err != nil {
						b.Error(err)
					}
					return sums
				}
				for i := 0; pb.Next(); i++ {
					out.Reset()
					plain, err := c.from.Decode(bytes.NewReader(docs[i%len(docs)]), DecodeOptions{Key: testKey(1)})
					if err != nil {
						b.Error(err)
						return
					}
					stored, err := c.to.Encode(plain, EncodeOptions{Size: size, Key: testKey(1), Encryptor: &shared})
					if err != nil {
						b.Error(err)
						return
					}
					was := copyOf(&out, stored)
					back, err := c.to.Decode(bytes.NewReader(out.Bytes()), DecodeOptions{Key: testKey(1)})
					if err != nil {
						b.Error(err)
						return
					}
					if !copyOf(io.Discard, back).SamePlain(was) {
						b.Error("not proven")
					}
					plain.Close()
				}
			})
		})
	}
}
