package replace

import (
	"bytes"
	"strings"
	"time"

	"cooper/internal/apply"
	"cooper/internal/codec"
	"cooper/internal/verb/rewrite"
)

// filling makes contents that shrink of words.
var filling = "\n" + strings.Repeat("2026-01-01T00:00:00Z,1,2,3\n", 8)

var chain = codec.Chain{Compress: codec.Compression{Method: codec.Zstd, Level: 1}}

// compressed is what an older application would have stored beside a word.
func compressed(word string) string {
	other := codec.Chain{Compress: codec.Compression{Method: codec.Zstd, Level: 9}}
	b, err := other.Append(nil, []byte(filled(word)), codec.EncodeOptions{})
	if err != nil {
		panic(err)
	}
	return string(b)
}

// isCompressed goes by the magic number.
func isCompressed(b []byte) bool { return bytes.HasPrefix(b, []byte("\x28\xb5\x2f\xfd")) }

// plainOf is the word that a content was made of, compressed or not.
func plainOf(b []byte) string {
	if isCompressed(b) {
		buf := make([]byte, 4096)
		n, _, err := chain.DecodeInto(buf, b, codec.DecodeOptions{})
		if err != nil {
			return "damaged: " + err.Error()
		}
		b = buf[:n]
	}
	word, _, _ := strings.Cut(string(b), "\n")
	return word
}

// verb is the one that compresses.
func (w *world) verb(b realBucket, tg *Target) apply.Verb {
	return rewrite.New(b, rewrite.Options{Rewriting: w.rw, Secure: true, Uploads: tg.NoteUpload, Clock: func() time.Time { return time.Unix(1e9, 0) }})
}
