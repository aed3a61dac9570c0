package archive

import (
	"testing"

	"cooper/internal/verb/verbtest"

	"cooper/internal/bucketop/bucketoptest"
	"cooper/internal/store/mem"
)

// TestMoved: objects go with all their versions, and every handle of theirs.
func TestMoved(t *testing.T) {
	for _, versioning := range []string{"", "Enabled", "Suspended"} {
		for _, archive := range []string{"", "Enabled"} {
			w := newWorld(t, versioning, archive, mem.Options{})
			w.Server.Put(lab, "a", []byte("1"), mem.PutOptions{Metadata: map[string]string{"mine": "x"}, Tags: map[string]string{"k": "v"}, ContentType: "text/x"})
			w.Server.Put(lab, "b", []byte("2"), mem.PutOptions{})
			w.Server.Put(lab, "c", []byte("3"), mem.PutOptions{})
			w.archives("a", w.unlinked("1")...)
			w.archives("b", w.unlinked("2", "3")...)
			w.planned()
			outs := w.must()
			verbtest.Want(t, "outcomes", bucketoptest.Statuses(outs), "done done")
			verbtest.Want(t, "left", w.objects(lab), "c=3!")
			verbtest.Want(t, "archived", w.objects(depot), "lab/a=1 in STANDARD_IA! lab/b=2 in STANDARD_IA!")
			verbtest.Want(t, "statuses", w.owner.Tells(), "1 ARCHIVED/ARCHIVED, 2 ARCHIVED/ARCHIVED, 3 ARCHIVED/ARCHIVED")
		}
	}
}
