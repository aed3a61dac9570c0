package cfb8

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"testing"
)

const benchSize = 50_000

var pathNames = map[path]string{portable: "portable", aesni: "aesni", vaes: "vaes"}

func BenchmarkDecrypt(b *testing.B) {
	for _, p := range paths() {
		b.Run(pathNames[p], func(b *testing.B) {
			stored, buf := make([]byte, IVSize+benchSize), make([]byte, 32<<10)
			b.SetBytes(benchSize)
			for b.Loop() {
				r := newReader(bytes.NewReader(stored), new(Key), p)
				for err := error(nil); err == nil; {
					_, err = r.Read(buf)
				}
				r.Close()
			}
		})
	}
}

func BenchmarkEncrypt(b *testing.B) {
	for _, p := range paths()[:min(2, len(paths()))] {
		b.Run(pathNames[p], func(b *testing.B) {
			var e Encryptor
			b.SetBytes(benchSize)
			plain, buf := make([]byte, benchSize), make([]byte, 32<<10)
			for b.Loop() {
				drain(e.reader(bytes.NewReader(plain), new(Key), [16]byte{}, p), buf)
			}
		})
	}
}

func drain(r io.Reader, buf []byte) {
	for err := error(nil); err == nil; {
		_, err = r.Read(buf)
	}
}

// BenchmarkEncryptTogether is of 32 streams that hash, and then encrypt a
// quarter as much, as in compressing: all with one Encryptor, or each with its
// own.
func BenchmarkEncryptTogether(b *testing.B) {
	var one Encryptor
	for _, shared := range []bool{false, true} {
		b.Run(fmt.Sprintf("shared=%v", shared), func(b *testing.B) {
			b.SetBytes(benchSize / 4)
			b.SetParallelism(16)
			b.RunParallel(func(pb *testing.PB) {
				plain, buf, own := make([]byte, benchSize), make([]byte, 32<<10), &Encryptor{}
				if shared {
					own = &one
				}
				for pb.Next() {
					sha256.Sum256(plain)
					drain(own.Reader(bytes.NewReader(plain[:benchSize/4]), new(Key), [16]byte{}), buf)
				}
			})
		})
	}
}
