package rewrite

import (
	"strings"
	"testing"

	"cooper"
	"cooper/internal/codec"
	"cooper/internal/codec/codectest"
	"cooper/internal/verb/verbtest"
)

// A key that is wrong or missing, and what is not as was declared, is found
// before anything is written.
func TestKeysAreNotGuessed(t *testing.T) {
	for _, c := range []struct {
		name, key string
		body      []byte
		kind      cooper.Kind
		message   string
	}{
		{"another key", "a/b", encode(t, encrypted, csv, 7), cooper.KindInvalid, "a wrong key"},
		{"not encrypted", "a/b", csv, cooper.KindInvalid, "not encrypted, where encryption was declared"},
		{"not encrypted, and compressed", "a/b", encode(t, zstd3, csv, 1), cooper.KindInvalid, "not encrypted as was declared"},
		{"another key, of a longer one", "a/b", encode(t, encrypted, codectest.CSV(1, 600<<10), 7), cooper.KindInvalid, "a wrong key"},
		{"short", "a/b", []byte("0123456789"), cooper.KindInvalid, "shorter than"},
		{"too short to tell", "a/b", encode(t, encrypted, csv[:8], 1), cooper.KindInvalid, "too short"},
		{"no key", "unknown/b", encode(t, encrypted, csv, 1), cooper.KindMissing, "no key"},
	} {
		w := newWorld(t, "Enabled")
		r := rewriting("Enabled")
		r.Codec = both
		o := w.do(w.verb(r), w.put(c.key, c.body))
		if o.Status != cooper.Failed || o.Kind != c.kind || !strings.Contains(o.Message, c.message) || !strings.Contains(o.Message, c.key) {
			t.Errorf("%s: %+v", c.name, o)
		}
		if len(w.Server.Versions(lab)) != 1 || strings.Contains(o.Message, string(verbtest.Keys(1).Key()[:])) {
			t.Errorf("%s: something was written", c.name)
		}
	}
	w := newWorld(t, "Enabled")
	r := rewriting("Enabled")
	r.Codec = both
	unchecked := func(o *Options) { o.Keys = noExpectation{} }
	if o := w.do(w.verb(r, unchecked), w.put("a/b", encode(t, encrypted, csv, 1))); o.Kind != cooper.KindInvalid {
		t.Errorf("nothing is expected of the content: %+v", o)
	}
}

type noExpectation struct{}

func (noExpectation) For(string) (codec.Secret, error) {
	return codec.Secret{Cipher: codec.AES256CFB8, Key: verbtest.Keys(1).Key()}, nil
}
