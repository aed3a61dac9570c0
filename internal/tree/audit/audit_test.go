package audit_test

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"cooper"
	"cooper/internal/apply"
	"cooper/internal/permit"
	"cooper/internal/progress"
	"cooper/internal/tree"
	"cooper/internal/tree/audit"
	"cooper/internal/tree/catalog"
)

const yesterday cooper.Instant = 1_700_000_000_000

// newTree makes a tree with some files in mirror and history.
func newTree(t *testing.T, mirror, history []string) (*tree.Tree, string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "tree")
	tr, err := tree.Open(dir, tree.Options{Create: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := tr.Close(); err != nil {
			t.Error(err)
		}
	})
	ctx, unlock, err := tr.Lock(t.Context(), tree.Holder{Run: "r-1"})
	if err != nil {
		t.Fatal(err)
	}
	var b tree.Batch
	b.Plan = "p-1"
	add := func(key string, place catalog.Place) {
		sum := md5.Sum([]byte(key))
		row := catalog.Row{Place: place, Check: cooper.Verified, Method: "md5",
			Identity: cooper.Identity{Key: key, VersionID: "v", ETag: hex.EncodeToString(sum[:]), Size: int64(len(key)), LastModified: yesterday}}
		if place == catalog.History {
			row.Superseded, row.Reason = yesterday, catalog.Older
		}
		s, err := tr.Staging().Create(row.Identity)
		if err == nil {
			_, err = s.Write([]byte(key))
		}
		if err == nil {
			err = s.Done(yesterday)
		}
		if err != nil {
			t.Fatal(err)
		}
		b.Changes = append(b.Changes, tree.Change{Op: tree.Place, New: row, Outcome: len(b.Outcomes)})
		b.Outcomes = append(b.Outcomes, cooper.Outcome{Identity: row.Identity, Status: cooper.Done})
	}
	for _, k := range mirror {
		add(k, catalog.Mirror)
	}
	for _, k := range history {
		add(k, catalog.History)
	}
	err = apply.Mend("r-1", func(p permit.Permit) error {
		if _, err := tr.Recover(ctx, p, false); err != nil {
			return err
		}
		if err := tr.Begin(ctx, p, tree.Run{Plan: b.Plan, Shards: 1}); err != nil {
			return err
		}
		outs, err := tr.Commit(ctx, p, b)
		for _, o := range outs {
			if o.Status != cooper.Done {
				err = fmt.Errorf("%s: %s", o.Key, o.Message)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := unlock(); err != nil {
		t.Fatal(err)
	}
	return tr, dir
}

// look runs an audit and gives its findings as sorted lines.
func look(t *testing.T, tr *tree.Tree, opt audit.Options) (audit.Result, []string) {
	t.Helper()
	opt.Workers, opt.Progress = 4, progress.New(time.Now, nil)
	var lines []string
	res, err := audit.Run(context.Background(), tr, opt, func(f audit.Finding) error {
		key := ""
		if f.Row != nil {
			key = f.Row.Key
		}
		lines = append(lines, fmt.Sprintf("%s %s %s", f.Problem, f.Path, key))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(lines)
	return res, lines
}

func TestWhatIsSoundHasNoFindings(t *testing.T) {
	tr, _ := newTree(t, []string{"a", "a/b", "a-b", "d//e", "100%", "%41", "z/" + fmt.Sprintf("%0300d", 1)}, []string{"old", "dir/old"})
	for _, content := range []bool{false, true} {
		res, found := look(t, tr, audit.Options{Content: content})
		if len(found) > 0 || res.Files != 9 || content && res.Verified != 9 {
			t.Errorf("content %v: %+v, %v", content, res, found)
		}
	}
	if res, found := look(t, tr, audit.Options{Prefix: "a"}); len(found) > 0 || res.Files != 2 {
		t.Errorf("below a: %+v, %v", res, found)
	}
}

func TestFindings(t *testing.T) {
	tr, dir := newTree(t, []string{"gone", "longer", "redated", "rotten", "fine", "x/y"}, []string{"lost", "kept"})
	day := filepath.Join("history", yesterday.Time().Format(time.DateOnly))
	at := func(parts ...string) string { return filepath.Join(append([]string{dir}, parts...)...) }
	write := func(path, content string, mtime time.Time) {
		t.Helper()
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, mtime, mtime); err != nil {
			t.Fatal(err)
		}
	}
	for _, path := range []string{at("mirror", "gone"), at(day, "lost%@v")} {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	write(at("mirror", "longer"), "longer than it was", yesterday.Time())
	write(at("mirror", "redated"), "redated", yesterday.Time().Add(time.Hour))
	write(at("mirror", "rotten"), "rOtten", yesterday.Time())
	write(at("mirror", "x", "mine"), "mine", yesterday.Time())
	write(at(day, "mine%@v"), "mine", yesterday.Time())
	if err := os.Symlink("/etc/passwd", at("mirror", "link")); err != nil {
		t.Fatal(err)
	}
	fast := []string{
		"changed mirror/longer longer", "changed mirror/redated redated",
		"foreign " + day + "/mine%@v ", "foreign mirror/link ", "foreign mirror/x/mine ",
		"missing  gone", "missing  lost",
	}
	if res, found := look(t, tr, audit.Options{}); !slices.Equal(found, fast) || res.Problems[audit.Foreign] != 3 {
		t.Errorf("%+v\n%q", res, found)
	}
	thorough := append([]string{fast[0], fast[1], "corrupt mirror/rotten rotten"}, fast[2:]...)
	if res, found := look(t, tr, audit.Options{Content: true}); !slices.Equal(found, thorough) || res.Verified != 4 {
		t.Errorf("%+v\n%q", res, found)
	}
	if _, found := look(t, tr, audit.Options{Prefix: "x"}); !slices.Equal(found, []string{"foreign mirror/x/mine "}) {
		t.Errorf("below x: %q", found)
	}
}

// TestLookNoticesACopyThatLacksFiles: by some files of the tree, and all of the catalog.
func TestLookNoticesACopyThatLacksFiles(t *testing.T) {
	var keys []string
	for i := range 300 {
		keys = append(keys, fmt.Sprintf("k/%03d", i))
	}
	tr, dir := newTree(t, keys, []string{"old"})
	s, err := audit.Look(t.Context(), tr, 100)
	if err != nil || s.Missing+s.Changed > 0 || s.Looked < 90 || s.Looked > 110 {
		t.Errorf("whole: %+v, %v", s, err)
	}
	for i := range 30 {
		if err := os.Remove(filepath.Join(dir, "mirror", fmt.Sprintf("k/%03d", i))); err != nil {
			t.Fatal(err)
		}
	}
	if s, err := audit.Look(t.Context(), tr, 100); err != nil || s.Missing < 5 || s.Missing > 15 || len(s.Examples) != 5 {
		t.Errorf("a tenth is missing: %+v, %v", s, err)
	}
	files, err := filepath.Glob(filepath.Join(dir, ".cooper/catalog/*.parquet"))
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	if err := os.Remove(files[0]); err != nil {
		t.Fatal(err)
	}
	if _, err := audit.Look(t.Context(), tr, 100); cooper.KindOf(err) != cooper.KindCorrupt {
		t.Errorf("a file of the catalog is missing: %v", err)
	}
}

// TestWhatTheWholeCatalogKnowsIsNotForeign: whatever seemed so.
func TestWhatTheWholeCatalogKnowsIsNotForeign(t *testing.T) {
	tr, dir := newTree(t, []string{"a", "b"}, []string{"old"})
	if err := audit.Confirm(t.Context(), tr, []string{"mirror/mine", "mirror/a%="}); err != nil {
		t.Error(err)
	}
	for _, path := range []string{"mirror/a", "history/2023-11-14/old%@v"} {
		if _, err := os.Lstat(filepath.Join(dir, path)); err != nil {
			t.Fatal(err)
		}
		if err := audit.Confirm(t.Context(), tr, []string{"mirror/mine", path}); cooper.KindOf(err) != cooper.KindCorrupt {
			t.Errorf("%s: %v", path, err)
		}
	}
}
