package journal

import (
	"os"
	"slices"
	"strings"
	"testing"

	"cooper"
)

// TestFormat2 reads what three runs left that were killed while they compressed three
// small objects, the first of them a large one, too: in the middle of its upload,
// before the originals went, and before the facts were written. Lines had no checksums.
func TestFormat2(t *testing.T) {
	dir := t.TempDir()
	check(t, os.CopyFS(dir, os.DirFS("testdata/format-2")))
	d := At(dir)
	const uploading, proving, writing = "p-20261130T161842Z-bc56", "p-20261130T161844Z-88d5", "p-20261130T161846Z-dbbb"
	shards, err := d.Unsettled()
	check(t, err)
	if len(shards) != 2 || shards[0].Plan != proving || shards[1].Plan != writing {
		t.Fatalf("%+v", shards)
	}
	for _, s := range shards {
		for i, o := range s.Outcomes {
			if o.Action != int64(i) || o.Status != cooper.Done || o.Content == nil || o.Content.State != cooper.Rewritten || o.Size != 21000 || !strings.HasSuffix(o.Content.Stored.Key, ".zst") {
				t.Errorf("%+v %+v", o, o.Content)
			}
		}
		if len(s.Outcomes) != 3 || s.N != 0 || s.Run == "" {
			t.Errorf("%+v", s)
		}
	}
	for id, target := range map[string]string{uploading: "s3://uploads/", proving: "s3://proven/", writing: "s3://shard/"} {
		p, err := d.Open(id, target)
		check(t, err)
		if proven, err := p.Proven(); err != nil || len(proven) != 3 || p.Done(0) {
			t.Errorf("%s: %v %v", id, proven, err)
		}
		// What is left is taken up in the present form.
		check(t, p.NoteUpload(Upload{Key: "lab/new.zst", UploadID: id}))
		check(t, p.Close())
	}
	var left []string
	check(t, d.LeftUploads(func(u Upload) error { left = append(left, u.Key+" "+u.UploadID); return nil }))
	if want := []string{"lab/large.txt.zst 67a805c1-8e98-48b9-92c8-5bcee445e8d9", "lab/new.zst " + uploading, "lab/new.zst " + proving, "lab/new.zst " + writing}; !slices.Equal(left, want) {
		t.Errorf("%q", left)
	}
	for _, id := range []string{proving, writing} {
		check(t, d.Settle(id, 0))
	}
	if shards, err := d.Unsettled(); err != nil || len(shards) > 0 {
		t.Errorf("%+v, %v", shards, err)
	}
}
