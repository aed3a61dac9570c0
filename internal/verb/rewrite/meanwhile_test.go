package rewrite

import (
	"bytes"
	"strings"
	"testing"

	"cooper"
	"cooper/internal/bucketop"
	"cooper/internal/codec/codectest"
	"cooper/internal/store/mem"
	"cooper/internal/verb/verbtest"
)

// A newer upload wins, whenever it comes.
func TestNewerUpload(t *testing.T) {
	for _, mode := range []bucketop.Mode{bucketop.Suffix, bucketop.InPlace} {
		for _, versioning := range []string{"Enabled", "Suspended", ""} {
			for _, fresh := range [][]byte{codectest.CSV(5, 10_000), csv, encode(t, zstd3, csv, 1)} {
				for _, at := range []string{"GetObject", "PutObject"} {
					w := newWorld(t, versioning)
					r := rewriting(versioning)
					r.Mode = mode
					v := w.put("a/b", csv)
					w.Before = func(op string) {
						if op == at {
							w.Before = nil
							w.Server.Put(lab, "a/b", fresh, mem.PutOptions{})
						}
					}
					o := w.do(w.verb(r), v)
					if mode == bucketop.InPlace && !bytes.Equal(fresh, csv) && (o.Status != cooper.Failed || o.Kind != cooper.KindChanged) {
						t.Errorf("%s, %q, at %s: %+v", mode, versioning, at, o)
					}
					kept := false
					for _, is := range w.Server.Versions(lab) {
						if mode == bucketop.Suffix && at == "GetObject" && is.Key != "a/b" {
							t.Errorf("%q: a replacement of what is not current was stored: %+v", versioning, o)
						}
						kept = kept || is.Key == "a/b" && bytes.Equal(w.Body("a/b", is.VersionID), fresh)
					}
					if !kept && !bytes.Equal(fresh, csv) || mode == bucketop.Suffix && !bytes.Equal(w.Body("a/b", ""), fresh) {
						t.Errorf("%s, %q, at %s: a newer upload is lost", mode, versioning, at)
					}
				}
			}
		}
	}
}

// An answer that got lost is found out.
func TestLostAnswer(t *testing.T) {
	for _, mode := range []bucketop.Mode{bucketop.Suffix, bucketop.InPlace} {
		for _, versioning := range []string{"Enabled", "Suspended", ""} {
			w := newWorld(t, versioning)
			r := rewriting(versioning)
			r.Mode = mode
			v := w.put("a/b", csv)
			lost := 0
			w.Harm = func(request string) string {
				if !strings.HasPrefix(request, "PutObject ") || lost > 0 {
					return ""
				}
				lost++
				return verbtest.Lost
			}
			w.rewritten(t, w.do(w.verb(r), v), v, zstd3, csv)
			want := 2
			if mode == bucketop.InPlace && versioning != "Enabled" {
				want = 1
			}
			if n := len(w.Server.Versions(lab)); n != want || lost != 1 {
				t.Errorf("%s, %q: %d versions", mode, versioning, n)
			}
		}
	}
}

// While versioning is suspended a write would take the place of a null version
// that nobody sees: it is looked for.
func TestNullVersionBehind(t *testing.T) {
	for _, mode := range []bucketop.Mode{bucketop.Suffix, bucketop.InPlace} {
		w := newWorld(t, "Suspended")
		r := rewriting("Suspended")
		r.Mode = mode
		target := r.Replacement("a/b")
		w.put(target, []byte("old, and null"))
		w.Server.SetVersioning(lab, "Enabled")
		v := w.put("a/b", csv)
		if mode == bucketop.Suffix {
			w.Server.Delete(lab, target) // a marker: nothing is there, as conditions see it
		}
		w.Server.SetVersioning(lab, "Suspended")
		o := w.do(w.verb(r), v)
		if o.Status != cooper.Failed || o.Kind != cooper.KindConflict {
			t.Errorf("%s: %+v", mode, o)
		}
		if string(w.Body(target, cooper.NullVersion)) != "old, and null" {
			t.Errorf("%s: a null version is lost", mode)
		}
	}
}

// TestOtherTime: a store may tell one time by listing and another by GET; what its
// listing dates anew is another version, though its bytes are the same.
func TestOtherTime(t *testing.T) {
	for _, versioning := range []string{"", "Suspended"} {
		for _, mode := range []bucketop.Mode{bucketop.Suffix, bucketop.InPlace} {
			for _, anew := range []bool{false, true} {
				w := newWorld(t, versioning)
				w.Server.SetQuirks(mem.ListOtherTime)
				v := w.put("a/b", csv)
				v.LastModified -= 37_000 // as listed
				if anew {
					w.put("a/b", csv)
				}
				r := rewriting(versioning)
				r.Mode = mode
				if mode == bucketop.InPlace {
					r.Originals = bucketop.RemoveOriginals
				}
				o := w.do(w.verb(r), v)
				switch {
				case !anew && (o.Status != cooper.Done || o.Content.State != cooper.Rewritten):
					t.Errorf("%q, %s: %+v", versioning, mode, o)
				case anew && (o.Kind != cooper.KindChanged || !strings.Contains(o.Message, v.LastModified.String()) || strings.Contains(o.Remedy, "next inventory")):
					t.Errorf("%q, %s, written anew: %+v", versioning, mode, o)
				}
			}
		}
	}
}
