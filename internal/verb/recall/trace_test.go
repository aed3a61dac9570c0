package recall

import (
	"fmt"
	"strings"
	"testing"

	"cooper/internal/verb/verbtest"
)

// TestTrace compares everything that happens, in its order, with testdata/trace.txt.
func TestTrace(t *testing.T) {
	var out strings.Builder
	for _, versioning := range []string{"Enabled", ""} {
		w := scene(t, versioning)
		for i, from := range []string{"state", "archive"} {
			if w.Trace = nil; i == 0 {
				w.wants("1", "3", "4", "6", "7", "8")
			} else {
				w.fromArchive()
			}
			outs := w.must()
			text := strings.Join(w.Trace, "\n") + "\n"
			for _, o := range outs {
				text += fmt.Sprintf("%q: %s %s %s %s\n", o.Key, o.Status, o.Kind, o.Method, o.Message)
			}
			fmt.Fprintf(&out, "# versioning %q, by the %s\n%s%s\n", versioning, from, anonymous(w, text), w.owner.Tells()+"\n")
		}
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
