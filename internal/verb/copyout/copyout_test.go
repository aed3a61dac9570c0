package copyout

import (
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"cooper"
	"cooper/internal/apply"
	"cooper/internal/ledger"
	"cooper/internal/permit"
	"cooper/internal/plan"
	"cooper/internal/tree"
	"cooper/internal/tree/catalog"
	"cooper/internal/treeop"
)

const stamp = cooper.Instant(1700000000123)

func identity(key, content string) cooper.Identity {
	sum := md5.Sum([]byte(content))
	return cooper.Identity{Key: key, VersionID: "v1", ETag: hex.EncodeToString(sum[:]), Size: int64(len(content)), LastModified: stamp}
}

// source is a tree whose mirror has the files given, by key.
func source(t *testing.T, files map[string]string) *tree.Tree {
	t.Helper()
	ctx := t.Context()
	tr, err := tree.Open(filepath.Join(t.TempDir(), "tree"), tree.Options{Create: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tr.Close() })
	ctx, unlock, err := tr.Lock(ctx, tree.Holder{Run: "r-0"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := unlock(); err != nil {
			t.Error(err)
		}
	}()
	p := permit.Issue("r-0")
	if _, err := tr.Recover(ctx, p, false); err != nil {
		t.Fatal(err)
	}
	if err := tr.Begin(ctx, p, tree.Run{Plan: "p-0", Shards: 1}); err != nil {
		t.Fatal(err)
	}
	b := tree.Batch{Plan: "p-0"}
	for _, key := range slices.Sorted(maps.Keys(files)) {
		id := identity(key, files[key])
		st, err := tr.Staging().Create(id)
		if err == nil {
			_, err = io.WriteString(st, files[key])
		}
		if err == nil {
			err = st.Done(stamp)
		}
		if err != nil {
			t.Fatal(err)
		}
		row := catalog.Row{Identity: id, Place: catalog.Mirror, Check: cooper.Verified, Method: "md5"}
		b.Changes = append(b.Changes, tree.Change{Op: tree.Place, New: row, Outcome: len(b.Outcomes)})
		b.Outcomes = append(b.Outcomes, cooper.Outcome{Identity: id, Status: cooper.Done})
	}
	outs, err := tr.Commit(ctx, p, b)
	if err == nil {
		err = tr.Settled("p-0", 0)
	}
	if err == nil {
		err = tr.End(ctx, p, tree.Ending{Plan: "p-0", Finished: true})
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range outs {
		if o.Status != cooper.Done {
			t.Fatalf("%+v", o)
		}
	}
	return tr
}

// copies is a plan in memory that copies keys, each shard one string of keys
// apart by spaces.
type copies struct {
	header plan.Header
	shards [][]cooper.Action
}

func copiesOf(target plan.Target, files map[string]string, replace bool, shards ...string) *copies {
	c := &copies{header: plan.Header{ID: "p-1", Mission: "restore", Target: target, Phases: []plan.Phase{{Name: "copy", Shards: len(shards)}}, Totals: map[string]plan.Tally{}}}
	id := int64(0)
	for _, keys := range shards {
		var as []cooper.Action
		for _, key := range strings.Fields(keys) {
			ident := identity(key, files[key])
			row := catalog.Row{Identity: ident, Place: catalog.Mirror, Check: cooper.Verified, Method: "md5"}
			v := cooper.Version{Identity: ident}
			as = append(as, cooper.Action{ID: id, Verb: treeop.CopyOut, Version: v, Args: treeop.Args{Replace: replace, Was: treeop.FactsOf(&row, &v)}.Encode()})
			c.header.Totals[treeop.CopyOut] = c.header.Totals[treeop.CopyOut].Add(ident.Size)
			id++
		}
		c.shards = append(c.shards, as)
	}
	return c
}

func (c *copies) Header() plan.Header          { return c.header }
func (c *copies) Verify(context.Context) error { return nil }
func (c *copies) Shard(_ context.Context, n int) ([]cooper.Action, error) {
	return c.shards[n], nil
}

// outcomes is a ledger in memory.
type outcomes struct{ by map[string]cooper.Outcome }

func (o *outcomes) WriteOutcomes(_ context.Context, _ string, _ int, _, _ string, outs []cooper.Outcome) error {
	for _, out := range outs {
		o.by[out.Key] = out
	}
	return nil
}

func (o *outcomes) WriteRun(context.Context, ledger.RunFact) error { return nil }

type target interface {
	apply.Target
	apply.Verb
}

// restore applies the plan and gives the outcomes by key.
func restore(t *testing.T, c *copies, to target) (map[string]cooper.Outcome, error) {
	t.Helper()
	o := &outcomes{by: map[string]cooper.Outcome{}}
	_, err := apply.Run(t.Context(), apply.Job{
		Run: "r-1", Plan: c, Verbs: map[string]apply.Verb{treeop.CopyOut: to}, Target: to, Facts: o, Workers: 4, Clock: time.Now,
	})
	return o.by, err
}

func toDirectory(t *testing.T, tr *tree.Tree, path string) *Directory {
	t.Helper()
	d, err := ToDirectory(tr, path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

func inDirectory(path string) plan.Target { return plan.Target{Kind: "directory", Path: path} }

// listing gives all files below dir with their content, links as "-> target".
func listing(t *testing.T, dir string) map[string]string {
	t.Helper()
	m := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		rel, _ := filepath.Rel(dir, path)
		if e.Type()&fs.ModeSymlink != 0 {
			to, err := os.Readlink(path)
			m[rel] = "-> " + to
			return err
		}
		b, err := os.ReadFile(path)
		m[rel] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

var hard = map[string]string{
	"plain.txt": "one", "d/e/f": "two", "a": "file and directory", "a-b": "between", "a/b": "below", "a/b/c": "further below",
	"../up": "out", "/lead": "leading", "x//y": "double", "dir/": "", "per%41cent": "escape", "n\x00ul": "nul",
}

func TestDirectory(t *testing.T) {
	tr := source(t, hard)
	dest := filepath.Join(t.TempDir(), "new", "dest")
	c := copiesOf(inDirectory(dest), hard, false, "../up /lead a", "a-b a/b a/b/c d/e/f", "dir/ n\x00ul per%41cent plain.txt x//y")
	outs, err := restore(t, c, toDirectory(t, tr, dest))
	if err != nil {
		t.Fatal(err)
	}
	for key, o := range outs {
		if o.Status != cooper.Done || o.Check != cooper.Verified || o.Bytes != int64(len(hard[key])) {
			t.Errorf("%q: %+v", key, o)
		}
	}
	// The destination is what a mirror is.
	want := listing(t, filepath.Join(tr.Dir(), "mirror"))
	got := listing(t, dest)
	if !maps.Equal(got, want) || len(got) != len(hard) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	info, err := os.Stat(filepath.Join(dest, "plain.txt"))
	if err != nil || info.ModTime().UnixMilli() != int64(stamp) {
		t.Errorf("%v, %v", info.ModTime(), err)
	}
	// Again: nothing is copied, nothing changes.
	outs, err = restore(t, c, toDirectory(t, tr, dest))
	if err != nil {
		t.Fatal(err)
	}
	for key, o := range outs {
		if o.Status != cooper.Done || o.Bytes != 0 || o.Method != alreadyThere {
			t.Errorf("again: %q: %+v", key, o)
		}
	}
	if again := listing(t, dest); !maps.Equal(again, want) {
		t.Errorf("again: %q", again)
	}
}

func TestDirectoryWithOtherFiles(t *testing.T) {
	files := map[string]string{"same": "content", "late": "content", "other": "content", "size": "content", "under/way": "content", "link": "content", "far/away": "content", "twin": "content"}
	keys := "far/away late link other same size twin under/way"
	outside := t.TempDir()
	prepare := func(t *testing.T) string {
		dest := t.TempDir()
		write(t, filepath.Join(dest, "same"), "content")
		if err := os.Chtimes(filepath.Join(dest, "same"), stamp.Time(), stamp.Time()); err != nil {
			t.Fatal(err)
		}
		// Another version of the same second and size.
		write(t, filepath.Join(dest, "twin"), "CONTENT")
		if err := os.Chtimes(filepath.Join(dest, "twin"), stamp.Time(), stamp.Time()); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dest, "late"), "content")
		write(t, filepath.Join(dest, "other"), "CONTENT")
		write(t, filepath.Join(dest, "size"), "long content")
		write(t, filepath.Join(dest, "under"), "somebody's file")
		if err := errors.Join(os.Symlink(filepath.Join(outside, "victim"), filepath.Join(dest, "link")), os.Symlink(outside, filepath.Join(dest, "far"))); err != nil {
			t.Fatal(err)
		}
		return dest
	}
	tr := source(t, files)
	for _, replace := range []bool{false, true} {
		dest := prepare(t)
		before := listing(t, dest)
		outs, err := restore(t, copiesOf(inDirectory(dest), files, replace, keys), toDirectory(t, tr, dest))
		if err != nil {
			t.Fatal(err)
		}
		var right, wrong []string
		for _, key := range strings.Fields(keys) {
			switch o := outs[key]; {
			case o.Status == cooper.Done:
				right = append(right, key)
			case o.Status == cooper.Failed && o.Kind == cooper.KindConflict:
				wrong = append(wrong, key)
			default:
				t.Errorf("%s: %+v", key, o)
			}
		}
		wantRight, wantWrong := "late same", "far/away link other size twin under/way"
		want := maps.Clone(before)
		if replace {
			wantRight, wantWrong = "late other same size twin", "far/away link under/way"
			want["other"], want["size"], want["twin"] = "content", "content", "content"
		}
		if strings.Join(right, " ") != wantRight || strings.Join(wrong, " ") != wantWrong {
			t.Errorf("replace %v: right %v, in the way %v", replace, right, wrong)
		}
		if got := listing(t, dest); !maps.Equal(got, want) {
			t.Errorf("replace %v: %q", replace, got)
		}
		info, err := os.Stat(filepath.Join(dest, "late"))
		if err != nil || info.ModTime().UnixMilli() != int64(stamp) {
			t.Errorf("the time of what was right was not mended: %v, %v", info.ModTime(), err)
		}
		if len(listing(t, outside)) > 0 {
			t.Errorf("written outside of the destination: %q", listing(t, outside))
		}
	}
}

func TestDamagedBytesAreNotCopied(t *testing.T) {
	files := map[string]string{"k": "content"}
	tr := source(t, files)
	damage(t, tr, "k")
	dest := t.TempDir()
	outs, err := restore(t, copiesOf(inDirectory(dest), files, false, "k"), toDirectory(t, tr, dest))
	if o := outs["k"]; err != nil || o.Status != cooper.Failed || o.Kind != cooper.KindCorrupt || len(listing(t, dest)) > 0 {
		t.Errorf("%v, %+v, %q", err, o, listing(t, dest))
	}
	// Nor do they pass for right because they are there already.
	b, err := os.ReadFile(filepath.Join(tr.Dir(), "mirror", "k"))
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dest, "k"), string(b))
	outs, err = restore(t, copiesOf(inDirectory(dest), files, false, "k"), toDirectory(t, tr, dest))
	if o := outs["k"]; err != nil || o.Status != cooper.Failed || o.Kind != cooper.KindCorrupt {
		t.Errorf("%v, %+v", err, o)
	}
}

func TestInterruptedRestoreLeavesNoPieces(t *testing.T) {
	tr := source(t, hard)
	dest := t.TempDir()
	d := toDirectory(t, tr, dest)
	c := copiesOf(inDirectory(dest), hard, false, "plain.txt d/e/f")
	if err := d.Begin(t.Context(), permit.Issue("r-1"), c.header); err != nil {
		t.Fatal(err)
	}
	if o := d.Do(t.Context(), &c.shards[0][0]); o.Status != cooper.Done {
		t.Fatalf("%+v", o)
	}
	// While it is under way nobody else restores there.
	other := toDirectory(t, tr, dest)
	if err := other.Begin(t.Context(), permit.Issue("r-2"), c.header); cooper.KindOf(err) != cooper.KindLocked {
		t.Errorf("a second restore: %v", err)
	}
	if got := listing(t, dest); len(got) != 2 { // the copy and the lock
		t.Errorf("%q", got)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if got := listing(t, dest); len(got) > 0 {
		t.Errorf("left behind: %q", got)
	}
	// What a crash leaves goes with the next restore.
	write(t, filepath.Join(dest, scratch, "17"), "half")
	if _, err := restore(t, c, toDirectory(t, tr, dest)); err != nil {
		t.Fatal(err)
	}
	if got := listing(t, dest); len(got) != 2 || got["plain.txt"] != "one" {
		t.Errorf("%q", got)
	}
}

func TestTheTreeIsNoDestination(t *testing.T) {
	files := map[string]string{"tree/mirror/evil": "x"}
	tr := source(t, files)
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(tr.Dir(), link); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{tr.Dir(), filepath.Join(tr.Dir(), "mirror", "sub"), filepath.Join(link, "sub")} {
		if _, err := ToDirectory(tr, path); cooper.KindOf(err) != cooper.KindRefused {
			t.Errorf("%s: %v", path, err)
		}
	}
	// Nor is what lies above it where a key would lead into it.
	above := filepath.Dir(tr.Dir())
	before := listing(t, above)
	outs, err := restore(t, copiesOf(inDirectory(above), files, true, "tree/mirror/evil"), toDirectory(t, tr, above))
	if err != nil || outs["tree/mirror/evil"].Kind != cooper.KindConflict || !maps.Equal(listing(t, above), before) {
		t.Errorf("%v, %+v", err, outs)
	}
}

func TestWrongTarget(t *testing.T) {
	tr := source(t, map[string]string{"k": "v"})
	d := toDirectory(t, tr, "/tmp/there")
	for _, h := range []plan.Target{{Kind: "directory", Path: "/tmp/elsewhere"}, {Kind: "tree", Path: "/tmp/there"}} {
		if err := d.Check(plan.Header{Target: h}); cooper.KindOf(err) != cooper.KindRefused {
			t.Errorf("%+v: %v", h, err)
		}
	}
	if err := ToBucket(tr, nil, nil, "").Check(plan.Header{Target: inDirectory("/tmp/there")}); cooper.KindOf(err) != cooper.KindRefused {
		t.Error(err)
	}
}

// What nobody compared is damaged if its ETag looks like an MD5 and differs; what
// the catalog calls corrupt is, unless the bytes are proven.
func TestDamaged(t *testing.T) {
	right, other := identity("k", "content").ETag, strings.Repeat("ab", 16)
	row := func(etag string, check cooper.Check, method string) catalog.Row {
		id := identity("k", "content")
		id.ETag = etag
		return catalog.Row{Identity: id, Place: catalog.Mirror, Check: check, Method: method}
	}
	hashed := row(other, cooper.Corrupt, "does not match sha256")
	sum := sha256.Sum256([]byte("content"))
	hashed.Hash = sum[:]
	for name, c := range map[string]struct {
		row     catalog.Row
		damaged bool
	}{
		"adopted, right":                    {row(right, cooper.Unverified, catalog.Adopted), false},
		"adopted, wrong":                    {row(other, cooper.Unverified, catalog.Adopted), true},
		"adopted, parts of unknown sizes":   {row(other+"-3", cooper.Unverified, catalog.Adopted), false},
		"known to be corrupt":               {row(other, cooper.Corrupt, catalog.Adopted+": does not match its ETag as an MD5"), true},
		"known to be corrupt, no MD5":       {row(other+"-3", cooper.Corrupt, "the disk cannot read it"), true},
		"known to be corrupt, now right":    {row(right, cooper.Corrupt, "the disk cannot read it"), false},
		"encrypted, and never been hashed":  {row(other, cooper.Unverifiable, "sse-kms: the ETag is no MD5"), false},
		"corrupt, though as it was fetched": {hashed, true},
	} {
		t.Run(name, func(t *testing.T) {
			for _, allowed := range []bool{false, true} {
				v := cooper.Version{Identity: c.row.Identity}
				a := cooper.Action{Verb: treeop.CopyOut, Version: v, Args: treeop.Args{Damaged: allowed, Was: treeop.FactsOf(&c.row, &v)}.Encode()}
				copies := &copies{shards: [][]cooper.Action{{a}}}
				copies.header = copiesOf(plan.Target{}, nil, false).header
				copies.header.Phases[0].Shards = 1
				copies.header.Totals[treeop.CopyOut] = plan.Tally{}.Add(v.Size)
				tr := source(t, map[string]string{"k": "content"})
				b, dir := &objects{by: map[string]object{}}, t.TempDir()
				for range 2 { // the second time they are there already
					for to, target := range map[plan.Target]target{inBucket: ToBucket(tr, b, b, ""), inDirectory(dir): toDirectory(t, tr, dir)} {
						copies.header.Target = to
						outs, err := restore(t, copies, target)
						if err != nil {
							t.Fatal(err)
						}
						if o := outs["k"]; (o.Status == cooper.Failed) != c.damaged || (o.Kind == cooper.KindCorrupt) != c.damaged || (o.Check == cooper.Corrupt) != c.damaged {
							t.Errorf("allowed %v: %s: %+v", allowed, to.Kind, o)
						}
					}
				}
				_, there := listing(t, dir)["k"]
				if want := allowed || !c.damaged; there != want || (b.by["k"].content == "content") != want {
					t.Errorf("allowed %v: copied: %v, %v", allowed, listing(t, dir), b.by)
				}
			}
		})
	}
}
