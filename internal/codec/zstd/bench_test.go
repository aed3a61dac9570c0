package zstd

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"testing"

	czstd "github.com/DataDog/zstd"
	kzstd "github.com/klauspost/compress/zstd"

	"cooper/internal/codec/codectest"
)

// sizes are those of the objects that this is for, in KB.
var sizes = []int{2, 20, 50, 200}

func corpus(kb int) [][]byte {
	docs := make([][]byte, 2000/kb+1)
	for i := range docs {
		docs[i] = codectest.CSV(uint64(i), kb*1000)
	}
	return docs
}

// BenchmarkEncode compares the encoders that were in question, as
// docs/decisions/zstd.md tells.
func BenchmarkEncode(b *testing.B) {
	run := func(name string, kb int, encode func(doc []byte) int64) {
		b.Run(fmt.Sprintf("%s/%dKB", name, kb), func(b *testing.B) {
			docs := corpus(kb)
			b.SetBytes(int64(kb) * 1000)
			b.ReportAllocs()
			var in, out int64
			for i := 0; b.Loop(); i++ {
				doc := docs[i%len(docs)]
				in, out = in+int64(len(doc)), out+encode(doc)
			}
			b.ReportMetric(float64(in)/float64(out), "ratio")
		})
	}
	buf := make([]byte, 64<<10)
	for _, kb := range sizes {
		for _, level := range []int{1, 2, 3, 6} {
			run(fmt.Sprintf("libzstd-%d", level), kb, func(doc []byte) (n int64) {
				e, err := NewEncoder(bytes.NewReader(doc), level, int64(len(doc)))
				if err != nil {
					b.Fatal(err)
				}
				for {
					m, err := e.Read(buf)
					n += int64(m)
					if errors.Is(err, io.EOF) {
						return n
					}
				}
			})
		}
		for _, level := range []kzstd.EncoderLevel{kzstd.SpeedFastest, kzstd.SpeedDefault} {
			w, err := kzstd.NewWriter(nil, kzstd.WithEncoderLevel(level), kzstd.WithEncoderConcurrency(1))
			if err != nil {
				b.Fatal(err)
			}
			var out []byte
			run("go-"+level.String(), kb, func(doc []byte) int64 {
				out = w.EncodeAll(doc, out[:0])
				return int64(len(out))
			})
		}
	}
}

// BenchmarkDecode is of frames of level 3.
func BenchmarkDecode(b *testing.B) {
	for _, kb := range sizes {
		var frames [][]byte
		for _, doc := range corpus(kb) {
			e, err := NewEncoder(bytes.NewReader(doc), 3, -1)
			if err != nil {
				b.Fatal(err)
			}
			f, err := io.ReadAll(e)
			if err != nil {
				b.Fatal(err)
			}
			frames = append(frames, f)
		}
		b.Run(fmt.Sprintf("%dKB", kb), func(b *testing.B) {
			b.SetBytes(int64(kb) * 1000)
			b.ReportAllocs()
			buf := make([]byte, 64<<10)
			for i := 0; b.Loop(); i++ {
				r, err := NewReader(bytes.NewReader(frames[i%len(frames)]), 0)
				if err != nil {
					b.Fatal(err)
				}
				for err == nil {
					_, err = r.Read(buf)
				}
				if !errors.Is(err, io.EOF) {
					b.Fatal(err)
				}
				r.Close()
			}
		})
	}
}

// BenchmarkDecodeC is the decoder that was not chosen, on whole frames.
func BenchmarkDecodeC(b *testing.B) {
	for _, kb := range sizes {
		doc := codectest.CSV(1, kb*1000)
		frame, err := czstd.CompressLevel(nil, doc, 3)
		if err != nil {
			b.Fatal(err)
		}
		out := make([]byte, len(doc))
		b.Run(fmt.Sprintf("%dKB", kb), func(b *testing.B) {
			b.SetBytes(int64(kb) * 1000)
			for b.Loop() {
				if _, err := czstd.Decompress(out, frame); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
