package codec_test

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"cooper/internal/codec"
	"cooper/internal/codec/sniff"
)

// An encrypted object becomes one that is compressed and encrypted, in one
// stream, after its first bytes have shown that the key is right; and what came
// of it is proven while it goes out.
func Example() {
	key := (*codec.Key)([]byte("0123456789abcdefghijklmnopqrstuv"))
	from := codec.Chain{Encrypt: codec.AES256CFB8}
	to := codec.Chain{Compress: codec.Compression{Method: codec.Zstd, Level: 3}, Encrypt: codec.AES256CFB8}
	expect, err := sniff.Declare("csv:timestamp,x,y,z")
	check(err)

	object := strings.NewReader("timestamp,x,y,z\n" + strings.Repeat("1700000000000,0,0,9.81\n", 1000))
	before, err := from.Encode(object, codec.EncodeOptions{Size: -1, Key: key})
	check(err)
	plain, err := from.Decode(before, codec.DecodeOptions{Key: key, Expect: expect})
	check(err)
	after, err := to.Encode(plain, codec.EncodeOptions{Size: -1, Key: key})
	check(err)
	proof, err := to.Prove(codec.DecodeOptions{Key: key})
	check(err)
	var sent bytes.Buffer
	_, err = io.Copy(io.MultiWriter(&sent, proof), after)
	check(err)

	proven, err := proof.Close()
	check(err)
	sums, err := after.Sums()
	check(err)
	fmt.Println(to, sums.PlainSize, sums.Looks.Name, proven.SamePlain(sums), sums.StoredSize == int64(sent.Len()))
	// Output: zstd:3+aes256-cfb8 23016 text true true
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
