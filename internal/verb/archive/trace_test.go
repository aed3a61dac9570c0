package archive

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"cooper/internal/codec/zstd"
	"cooper/internal/manifest"
	"cooper/internal/store/mem"
	"cooper/internal/verb/verbtest"
)

// manifests are what the manifests of the archive say.
func (w *world) manifests() string {
	w.t.Helper()
	var all strings.Builder
	for _, v := range w.Server.Versions(depot) {
		if !strings.HasPrefix(v.Key, manifest.Prefix) {
			continue
		}
		body, _ := w.Server.Body(depot, v.Key, v.VersionID)
		r, err := zstd.NewReader(bytes.NewReader(body), 1<<27)
		verbtest.Must(w.t, err)
		var text bytes.Buffer
		_, err = text.ReadFrom(r)
		verbtest.Must(w.t, err)
		verbtest.Must(w.t, r.Close())
		fmt.Fprintf(&all, "%s\n%s", v.Key, text.String())
	}
	return all.String()
}

// TestTrace compares everything that happens, in its order, with testdata/trace.txt.
func TestTrace(t *testing.T) {
	var out strings.Builder
	for _, c := range []struct {
		name, versioning, archive string
		fill                      func(w *world)
	}{
		{"an object of two handles, and one of two versions", "Enabled", "Enabled", func(w *world) {
			w.Server.Put(lab, "a", []byte("1"), mem.PutOptions{Metadata: map[string]string{"own": "x"}, Tags: map[string]string{"t": "y"}})
			w.Server.Put(lab, "b", []byte("1"), mem.PutOptions{})
			w.Server.Put(lab, "b", []byte("2"), mem.PutOptions{})
			w.archives("a", w.unlinked("1", "2")...)
			w.archives("b", w.unlinked("3")...)
		}},
		{"never versioned; one is linked again, one cannot be looked up", "", "", func(w *world) {
			for _, key := range []string{"a", "b", "c"} {
				w.Server.Put(lab, key, []byte(key), mem.PutOptions{})
			}
			w.archives("a", w.unlinked("1")...)
			w.archives("b", w.unlinked("2", "3")...)
			w.archives("c", w.unlinked("4")...)
			w.owner.sights["3"] = Sight{Why: "named in a row of links", Linked: true}
			w.owner.sights["4"] = Sight{Blind: "blobs"}
		}},
		{"no handle names it", "Enabled", "", func(w *world) {
			w.fence = nil
			w.Server.Put(lab, "tmp/a", []byte("1"), mem.PutOptions{})
			w.archives("tmp/a")
		}},
	} {
		w := newWorld(t, c.versioning, c.archive, mem.Options{})
		c.fill(w)
		w.planned()
		outs := w.must()
		fmt.Fprintf(&out, "# %s\n", c.name)
		text := strings.Join(w.Trace, "\n") + "\n"
		for _, o := range outs {
			text += fmt.Sprintf("%q: %s %s %s %s\n", o.Key, o.Status, o.Kind, o.Method, o.Message)
		}
		text += w.manifests()
		out.WriteString(anonymous(w, text) + "\n")
	}
	verbtest.Golden(t, "testdata/trace.txt", out.String())
}

// anonymous gives version ids of a text short names.
func anonymous(w *world, text string) string {
	n := 0
	for _, bucket := range []string{lab, depot} {
		for _, v := range w.Server.Versions(bucket) {
			if v.VersionID != "null" {
				n++
				text = strings.ReplaceAll(text, v.VersionID, fmt.Sprint(bucket, n))
			}
		}
	}
	return text
}
