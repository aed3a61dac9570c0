package rewrite

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cooper"
)

func FuzzParseOrigin(f *testing.F) {
	full := Origin{
		Version: cooper.Identity{ETag: "d41d8cd98f00b204e9800998ecf8427e-3", VersionID: "a;b=c %+é\n", Size: 5 << 40, LastModified: 1_700_000_000_123},
		Codec:   both, PlainSize: 5<<40 - 16, SHA256: bytes.Repeat([]byte{0xab}, 32), SHA1: bytes.Repeat([]byte{1}, 20),
		Was: map[string]string{rcloneMD5: "1B2M2Y8AsgTpgAmY7PhCfg==", s3cmdAttrs: "d41d8cd98f00b204e9800998ecf8427e"},
	}
	f.Add(full.String())
	f.Add(Origin{Codec: zstd3}.String())
	for _, s := range []string{"", "1", "1;", "2;plain=1", "1;plain=x", "1;sha256=zz", "1;codec=lzma", "1;modified=noon", "1;etag=%zz", "1;later=yes", "1;was.md5chksum=%3D", "1;was.\n=1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		o, err := ParseOrigin(s)
		if err != nil {
			if cooper.KindOf(err) != cooper.KindInvalid {
				t.Errorf("%v", err)
			}
			return
		}
		again, err := ParseOrigin(o.String())
		if err != nil || o.String() != again.String() {
			t.Errorf("%q becomes %q: %v", s, again, err)
		}
		for _, c := range []byte(o.String()) {
			if c < ' ' || c > '~' {
				t.Errorf("%q cannot stand in a header", o)
			}
		}
	})
}

func TestOrigin(t *testing.T) {
	v := cooper.Identity{Key: "a/b", VersionID: "v", ETag: "e", Size: 3, LastModified: 5000}
	null := v
	null.VersionID = cooper.NullVersion
	for _, id := range []cooper.Identity{v, null} {
		o := Origin{Version: id, Codec: zstd3, PlainSize: 3, Was: map[string]string{s3cmdAttrs: "5;=%"}}
		id.Key = ""
		got, err := ParseOrigin(o.String())
		o.Version.Key = ""
		if d := cmp.Diff(o, got); d != "" || err != nil {
			t.Error(err, d)
		}
		for name, change := range map[string]func(i *cooper.Identity){
			"etag": func(i *cooper.Identity) { i.ETag = "x" }, "size": func(i *cooper.Identity) { i.Size++ },
			"version": func(i *cooper.Identity) { i.VersionID = "w" },
			"time":    func(i *cooper.Identity) { i.LastModified += 1000 },
		} {
			other := id
			change(&other)
			// An id that a store gave names one version, whatever its time.
			if of := got.Of(other); of != (name == "time" && id.VersionID == "v") {
				t.Errorf("%s, of another %s: %v", id.VersionID, name, of)
			}
		}
		if !got.Of(id) {
			t.Errorf("%s is not its own origin", id.VersionID)
		}
	}
	if s := (Origin{Version: v, Codec: both, SHA256: make([]byte, 32), SHA1: make([]byte, 20)}).String(); len(s) > 400 || strings.Contains(s, " ") {
		t.Errorf("%d bytes: %s", len(s), s)
	}
}
