package verbtest

import (
	"strings"
	"testing"

	"cooper"
	"cooper/internal/codec"
	"cooper/internal/codec/codectest"
	"cooper/internal/codec/sniff"
)

// Keys knows one key, made of a seed, for contents as codectest makes them, wherever
// they are but below unknown/.
type Keys byte

// Key is the one.
func (k Keys) Key() *codec.Key {
	key := new(codec.Key)
	for i := range key {
		key[i] = byte(k) + byte(i)
	}
	return key
}

// For is a keyring's.
func (k Keys) For(name string) (codec.Secret, error) {
	if strings.HasPrefix(name, "unknown/") {
		return codec.Secret{}, &cooper.Error{Kind: cooper.KindMissing, Message: "no key"}
	}
	e, err := sniff.Declare("csv:" + strings.TrimSpace(codectest.Header))
	return codec.Secret{Cipher: codec.AES256CFB8, Key: k.Key(), Expect: e}, err
}

// Encode gives what a chain with the key makes of a content.
func (k Keys) Encode(t testing.TB, c codec.Chain, plain []byte) []byte {
	t.Helper()
	b, err := c.Append(nil, plain, codec.EncodeOptions{Key: k.Key()})
	if err != nil {
		t.Fatal(err)
	}
	return b
}
