package adopt_test

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"cooper"
	"cooper/internal/tree"
	"cooper/internal/tree/adopt"
	"cooper/internal/tree/adopt/adopttest"
	"cooper/internal/tree/catalog"
	"cooper/internal/tree/keypath"
	"cooper/internal/tree/safefs"
	"cooper/internal/tree/safefs/memfs"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	noon    = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	written = time.Date(2024, 3, 1, 8, 0, 0, 0, time.UTC)
)

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func etag(content string) string {
	sum := md5.Sum([]byte(content))
	return hex.EncodeToString(sum[:])
}

func latest(key, id, content string) adopttest.Version {
	return adopttest.Version{Key: key, ID: adopttest.ID(id), ETag: etag(content), Content: content, Time: written, Latest: true}
}

func older(key, id, content string) adopttest.Version {
	v := latest(key, id, content)
	v.Latest = false
	return v
}

// run adopts and gives the result, and what was left out.
func run(t *testing.T, dir string, look bool) (adopt.Result, []string, error) {
	t.Helper()
	left := []string{}
	res, err := adopt.Run(t.Context(), dir, adopt.Options{Look: look, Tree: tree.Options{Clock: func() time.Time { return noon }},
		Left: func(l adopt.Left) error {
			left = append(left, string(l.Reason)+" "+l.Path)
			return nil
		}})
	slices.Sort(left)
	return res, left, err
}

// rows are those of a catalog, which must be in order.
func rows(t *testing.T, dir string) []string {
	t.Helper()
	tr, err := tree.Open(dir, tree.Options{})
	check(t, err)
	defer tr.Close()
	it := tr.Catalog().Rows(t.Context(), "")
	out := []string{}
	var before cooper.Identity
	for {
		r, err := it.Next()
		if errors.Is(err, io.EOF) {
			check(t, it.Close())
			return out
		}
		check(t, err)
		if len(out) > 0 && before.Compare(r.Identity) >= 0 {
			t.Errorf("%+v comes after %+v", r.Identity, before)
		}
		before = r.Identity
		if r.Check != cooper.Unverified || r.Method != catalog.Adopted || r.FirstSeen != 0 || len(r.Shown) != 0 ||
			r.Place == catalog.History && (r.Superseded != cooper.InstantOf(noon) || r.Reason != catalog.Older) {
			t.Errorf("%+v", r)
		}
		info, path, err := tr.StatRow(r)
		if err != nil || info.Size != r.Size || !info.ModifiedAt(r.LastModified) {
			t.Errorf("%s: %+v, %v", r.Key, info, err)
		}
		out = append(out, fmt.Sprintf("%s %q %s -> %s", r.Key, r.VersionID, r.Place, path))
	}
}

// disk is every file of dir with bytes and time, and every directory, but for
// .cooper.
func disk(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	check(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case path == filepath.Join(dir, ".cooper"):
			return fs.SkipDir
		}
		rel, _ := filepath.Rel(dir, path)
		info, err := d.Info()
		if err != nil || !info.Mode().IsRegular() {
			files[rel] = d.Type().String()
			return err
		}
		b, err := os.ReadFile(path)
		files[rel] = info.ModTime().UTC().String() + " " + string(b)
		return err
	}))
	return files
}

func TestABackupBecomesATree(t *testing.T) {
	dir := t.TempDir()
	long := strings.Repeat("n", 250)
	check(t, adopttest.Write(dir, []adopttest.Version{
		latest("a", "v2", "two"), older("a", "v1", "one"), older("a", ".dot.", "zero"), older("a", "null", "none"),
		latest("a-b", "v3", "three"), latest("a.old/b", "v4", "four"), latest("d/x", "null", "five"), latest("d/"+long, "v5", "six"),
		older("d/gone", "v6", "seven"), latest("odd\nname %41", "v7", "eight"), latest("d/e/f", "v8", ""),
		{Key: "no-id", ETag: etag("nine"), Content: "nine", Time: written.Add(1500 * time.Microsecond), Latest: true},
	}))
	before := disk(t, dir)
	want := []string{
		`a "v2" mirror -> a`, `a ".dot." history -> a.old..dot..` + etag("zero"), `a "v1" history -> a.old.v1.` + etag("one"), `a "" history -> a.old.null.` + etag("none"),
		`a-b "v3" mirror -> a-b`, `a.old/b "v4" mirror -> a.old/b`, `d/e/f "v8" mirror -> d/e/f`, `d/gone "v6" history -> d/gone.old.v6.` + etag("seven"),
		`d/` + long + ` "v5" mirror -> d/` + long, `d/x "null" mirror -> d/x`, `no-id "" mirror -> no-id`, "odd\nname %41 \"v7\" mirror -> odd\nname %41",
	}

	look, left, err := run(t, dir, true)
	check(t, err)
	if _, err := os.Lstat(filepath.Join(dir, ".cooper")); err == nil {
		t.Error("looking wrote something")
	}
	res, left2, err := run(t, dir, false)
	check(t, err)
	if d := cmp.Diff(look, res); d != "" || len(left)+len(left2) > 0 {
		t.Errorf("left out: %v, %v; %s", left, left2, d)
	}
	if res.Latest != (adopt.Tally{Count: 8, Bytes: 3 + 5 + 4 + 4 + 3 + 5 + 0 + 4}) || res.Older.Count != 4 || res.Finished != cooper.InstantOf(time.Date(2026, 11, 1, 11, 0, 0, 5e8, time.UTC)) {
		t.Errorf("%+v", res)
	}
	got := rows(t, dir)
	slices.Sort(got)
	slices.Sort(want)
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(before, disk(t, dir)); d != "" {
		t.Errorf("the backup changed: %s", d)
	}
	if _, _, err := run(t, dir, false); cooper.KindOf(err) != cooper.KindRefused {
		t.Errorf("a second time: %v", err)
	}
}

// TestWhatIsLeftOut: nothing hostile ends an adoption, or gets into the catalog.
func TestWhatIsLeftOut(t *testing.T) {
	if os.Getuid() == 0 {
		t.Log("as root, no directory is closed")
	}
	dir := t.TempDir()
	at := func(p string) string { return filepath.Join(dir, p) }
	check(t, adopttest.Write(dir, []adopttest.Version{latest("ok", "v", "1"), latest("bad/json", "v", "2"), older("bad/json", "w", "3"), latest("cut/json", "v", "2"),
		latest("gone/x", "v", "4"), latest("gone/y", "v", "5"), latest("twice", "v", "6"), older("twice", "v", "6"), latest("k.old..v.e", "v", "7"), latest("closed/x", "v", "8")}))
	check(t, os.WriteFile(at("bad/.s3invsync.versions.json"), []byte(`{"json": {"version_id": "v", "etag": 5}}`), 0o600))
	check(t, os.WriteFile(at("cut/.s3invsync.versions.json"), []byte(`{"json": {"version_id": "v", "etag": "x"}, "js`), 0o600))
	check(t, os.Remove(at("gone/x")))
	for p, content := range map[string]string{"notes.txt": "mine", ".s3invsync.download.Xy1": "cut sh", "ok2.old.null-7.e": "names a time it has not", "bad\xffname": "", ".cooperation": "",
		"sub/.%a": "", "x.old.v.e/below": "", "mirror/a": "sidecar's", "history/2026-01-01/a%@v": "sidecar's"} {
		check(t, os.MkdirAll(filepath.Dir(at(p)), 0o755))
		check(t, os.WriteFile(at(p), []byte(content), 0o600))
	}
	check(t, os.Symlink("/etc", at("link")))
	check(t, os.Symlink("/etc/passwd", at("gone/file")))
	check(t, os.Chmod(at("closed"), 0))
	t.Cleanup(func() { check(t, os.Chmod(at("closed"), 0o755)) })
	_, left, err := run(t, dir, false)
	check(t, err)
	want := []string{"absent gone/x", "broken bad/.s3invsync.versions.json", "broken cut/.s3invsync.versions.json", "no-file gone/file", "no-file link", "odd-name bad\xffname",
		"odd-name k.old..v.e", "odd-name ok2.old.null-7.e", "odd-name sub/.%a", "odd-name x.old.v.e/", "temporary .s3invsync.download.Xy1", "twice twice.old.v." + etag("6"),
		"unlisted .cooperation", "unlisted bad/json", "unlisted cut/json", "unlisted history/2026-01-01/a%@v", "unlisted mirror/a", "unlisted notes.txt"}
	wantRows := []string{`bad/json "w" history -> bad/json.old.w.` + etag("3"), `gone/y "v" mirror -> gone/y`, `ok "v" mirror -> ok`, `twice "v" mirror -> twice`}
	if os.Getuid() == 0 {
		wantRows = append([]string{`closed/x "v" mirror -> closed/x`}, wantRows...)
		slices.Sort(wantRows)
	} else {
		want = append(want, "unreadable closed/")
		slices.Sort(want)
	}
	if d := cmp.Diff(want, left); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(wantRows, rows(t, dir)); d != "" {
		t.Error(d)
	}
}

func TestWhatIsNoBackupOfTheirs(t *testing.T) {
	empty, nothing, other := t.TempDir(), t.TempDir(), t.TempDir()
	check(t, adopttest.Write(nothing, nil))
	check(t, os.WriteFile(filepath.Join(other, "thesis.txt"), nil, 0o600))
	for _, dir := range []string{empty, nothing, other, filepath.Join(empty, "none")} {
		if _, _, err := run(t, dir, false); cooper.KindOf(err) != cooper.KindUsage {
			t.Errorf("%v", err)
		}
		if _, err := tree.Open(dir, tree.Options{}); err == nil {
			t.Errorf("%s is a tree now", dir)
		}
	}
	if left, err := os.ReadDir(empty); err != nil || len(left) > 0 {
		t.Errorf("%v, %v", left, err)
	}

	// Somebody's own directory of our name.
	dir := t.TempDir()
	check(t, adopttest.Write(dir, []adopttest.Version{latest("a", "v", "1"), latest(".cooper/x", "v", "2")}))
	if _, _, err := run(t, dir, false); cooper.KindOf(err) != cooper.KindRefused {
		t.Errorf("%v", err)
	}

	// A tree that lost its version file: its catalog is not written over.
	dir = t.TempDir()
	check(t, adopttest.Write(dir, []adopttest.Version{latest("a", "v", "1")}))
	_, _, err := run(t, dir, false)
	check(t, err)
	current := filepath.Join(dir, ".cooper/catalog/CURRENT.json")
	b, err := os.ReadFile(current)
	check(t, err)
	second := filepath.Join(dir, ".cooper/catalog/CURRENT.second.json")
	check(t, os.Remove(filepath.Join(dir, ".cooper/VERSION")))
	check(t, os.WriteFile(current, []byte(strings.Replace(string(b), `"generation": 1`, `"generation": 7`, 1)), 0o600))
	if _, _, err := run(t, dir, false); cooper.KindOf(err) != cooper.KindRefused {
		t.Errorf("a damaged pointer: %v", err)
	}
	check(t, os.Remove(second))
	check(t, os.WriteFile(current, []byte(`{"format":1,"generation":7,"runs":[],"observed":[]}`), 0o600))
	if _, _, err := run(t, dir, false); cooper.KindOf(err) != cooper.KindRefused {
		t.Errorf("%v", err)
	}
}

// TestTheTopOfABackup: adopted from above or below it, every key would be another.
func TestTheTopOfABackup(t *testing.T) {
	above := t.TempDir()
	top := filepath.Join(above, "by/three")
	check(t, adopttest.Write(top, []adopttest.Version{latest("d/a", "v", "1")}))
	state := filepath.Join(top, ".s3invsync.state.json")
	for _, dir := range []string{above, filepath.Join(above, "by"), filepath.Join(top, "d")} {
		for _, look := range []bool{true, false} {
			if _, _, err := run(t, dir, look); cooper.KindOf(err) != cooper.KindUsage || !strings.Contains(err.Error(), top+",") {
				t.Errorf("%s: %v", dir, err)
			}
		}
		if _, err := os.Lstat(filepath.Join(dir, ".cooper")); err == nil {
			t.Errorf("%s: something was written", dir)
		}
	}

	// One backup in another.
	outer := filepath.Join(above, ".s3invsync.state.json")
	check(t, os.WriteFile(outer, []byte("{}"), 0o600))
	if _, _, err := run(t, above, false); cooper.KindOf(err) != cooper.KindUsage || !strings.Contains(err.Error(), top+",") {
		t.Errorf("%v", err)
	}
	if res, _, err := run(t, top, true); err != nil || res.Stateless {
		t.Errorf("%+v, %v", res, err)
	}

	// What writes no such file may be the top, or not.
	check(t, os.Remove(outer))
	check(t, os.Remove(state))
	if res, _, err := run(t, top, false); err != nil || !res.Stateless || res.Latest.Count != 1 {
		t.Errorf("%+v, %v", res, err)
	}
}

var errDead = errors.New("the process is dead")

// TestCrashWhileAdopting stops before every operation. Until there is a tree, the
// backup is as it was, but for .cooper; adopting it again makes the same tree.
func TestCrashWhileAdopting(t *testing.T) {
	prepare := func() *memfs.FS {
		m := memfs.New()
		for p, content := range map[string]string{"d/a": "one", "d/a.old.v0." + etag("zero"): "zero", "d/.s3invsync.versions.json": `{"a": {"version_id": "v1", "etag": "` + etag("one") + `"}}`, tree.TheirState: "{}"} {
			check(t, m.MkdirAll("d"))
			f, err := m.Create(p)
			check(t, err)
			_, err = f.Write([]byte(content))
			check(t, err)
			check(t, f.Close())
		}
		check(t, m.SyncAll())
		return m
	}
	adoptIt := func(m safefs.FS) error {
		_, err := adopt.Run(context.Background(), "/tree", adopt.Options{Tree: tree.Options{FS: m, Clock: func() time.Time { return noon }}})
		return err
	}
	base, total := prepare(), 0
	base.Before = func(string, ...string) error { total++; return nil }
	check(t, adoptIt(base))
	if total < 20 {
		t.Errorf("only %d operations", total)
	}
	for k := 1; k <= total; k++ {
		m, n := prepare(), 0
		before := m.Files()
		m.Before = func(string, ...string) error {
			if n++; n >= k {
				return errDead
			}
			return nil
		}
		if err := adoptIt(m); !errors.Is(err, errDead) {
			t.Fatalf("operation %d: %v", k, err)
		}
		m = m.Crash(rand.New(rand.NewPCG(uint64(k), 1)))
		after := m.Files()
		for p, content := range before {
			if after[p] != content {
				t.Fatalf("operation %d: %s is %q", k, p, after[p])
			}
		}
		tr, err := tree.Open("/tree", tree.Options{FS: m})
		if err != nil {
			check(t, adoptIt(m))
			tr, err = tree.Open("/tree", tree.Options{FS: m})
		}
		check(t, err)
		found, err := tr.Catalog().Lookup(t.Context(), "d/a")
		if err != nil || len(found) != 2 || tr.Layout() != keypath.Inline {
			t.Fatalf("operation %d: %v, %v", k, found, err)
		}
	}
}

// TestWhatIsNotOursInOurDirectory: keys of the bucket can be below .cooper, where
// s3invsync put their only copies. A tree would take them for its own.
func TestWhatIsNotOursInOurDirectory(t *testing.T) {
	for _, path := range []string{"staging/foo", "staging/0123456789012345678901234567890123456789", "journal/p-1-0.journal.tmp", "aside/x", "catalog/notes",
		"catalog/d/x", "lock", "VERSION.tmp", "probe/case", "probe/y", "held/x", "staging", "mine"} {
		dir := t.TempDir()
		check(t, adopttest.Write(dir, []adopttest.Version{latest("a", "v1", "one")}))
		name := filepath.Join(dir, ".cooper", path)
		check(t, os.MkdirAll(filepath.Dir(name), 0o755))
		check(t, os.WriteFile(name, []byte("precious"), 0o600))
		for _, look := range []bool{true, false} {
			if _, _, err := run(t, dir, look); cooper.KindOf(err) != cooper.KindRefused {
				t.Errorf("%s, look %v: %v", path, look, err)
			}
		}
		if b, err := os.ReadFile(name); err != nil || string(b) != "precious" {
			t.Errorf("%s: %q, %v", path, b, err)
		}
	}
}

func TestAnErrorOfTheCallerEndsIt(t *testing.T) {
	dir := t.TempDir()
	check(t, adopttest.Write(dir, []adopttest.Version{latest("a", "v", "1")}))
	check(t, os.WriteFile(filepath.Join(dir, "b"), nil, 0o600))
	stop := errors.New("enough")
	if _, err := adopt.Run(t.Context(), dir, adopt.Options{Left: func(adopt.Left) error { return stop }}); !errors.Is(err, stop) {
		t.Errorf("%v", err)
	}
	if _, err := tree.Open(dir, tree.Options{}); err == nil {
		t.Error("it is a tree now")
	}
}

// TestAClosedDirectoryIsLeftOut, and so is what stands on another file system.
func TestAClosedDirectoryIsLeftOut(t *testing.T) {
	for _, errno := range []error{syscall.EACCES, syscall.EXDEV} {
		m := memfs.New()
		for p, content := range map[string]string{"a": "one", ".s3invsync.versions.json": `{"a": {"etag": "e"}}`, "closed/x": "two"} {
			check(t, m.MkdirAll(filepath.Dir(p)))
			f, err := m.Create(p)
			check(t, err)
			_, err = f.Write([]byte(content))
			check(t, err)
			check(t, f.Close())
		}
		m.Read = func(op string, paths ...string) error {
			if paths[0] == "closed" {
				return safefs.Fail("cannot list", paths[0], errno)
			}
			return nil
		}
		var left []adopt.Left
		res, err := adopt.Run(t.Context(), "/tree", adopt.Options{Tree: tree.Options{FS: m}, Left: func(l adopt.Left) error {
			left = append(left, l)
			return nil
		}})
		if err != nil || res.Latest.Count != 1 || len(left) != 1 || left[0] != (adopt.Left{Reason: adopt.Unreadable, Path: "closed/"}) {
			t.Errorf("%v: %+v, %v, %v", errno, res, left, err)
		}
	}
}
