package main

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"io/fs"
	"maps"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cooper"
	"cooper/internal/inventory"
	"cooper/internal/inventory/s3report"
	"cooper/internal/store/mem"
)

// What is made by hand must be what the program itself would have made: else
// its unchanged run, measured on such a tree, is another's.
func TestTreeByHandIsWhatS3invsyncMakes(t *testing.T) {
	path, err := exec.LookPath("../build/tools/bin/s3invsync")
	if err != nil {
		t.Skip("s3invsync is not installed: scripts/peers installs it")
	}
	store := mem.New(mem.Options{Clock: func() time.Time { return noon }})
	store.CreateBucket(bucketName, "Enabled")
	store.CreateBucket(reportBucket, "")
	server := httptest.NewServer(store)
	defer server.Close()
	what := bed{objects: 60, perDir: 7}
	from := mirrorOf(t, store, what)

	dir := t.TempDir()
	p := invsyncProgram(path)
	s := &setup{dir: dir}
	run := func(tree string) {
		t.Helper()
		j := job{url: server.URL, report: "s3://" + reportBucket + "/bench/cooper/", tree: tree}
		cmd := exec.Command(p.path, p.args(j)...)
		cmd.Env = append(s.environment(server.URL), p.env(j)...)
		if _, err := measured(cmd); err != nil {
			t.Fatal(err)
		}
	}
	theirs, ours := filepath.Join(dir, "theirs"), filepath.Join(dir, "ours")
	run(theirs)
	if err := p.byHand(t.Context(), from, ours); err != nil {
		t.Fatal(err)
	}
	want := contents(t, theirs)
	if n := len(want); n < what.objects+what.objects/what.perDir {
		t.Fatalf("s3invsync made %d files", n)
	}
	if got := contents(t, ours); !maps.Equal(got, want) {
		t.Errorf("by hand:\n%v\ns3invsync:\n%v", got, want)
	}
	store.ResetCounts()
	run(ours)
	// The manifest, its checksum, and the report's only file twice.
	if n := store.Counts()["GetObject"]; n != 4 {
		t.Errorf("s3invsync made %d GETs into the tree made by hand", n)
	}
	n, err := p.files(ours)
	if err != nil {
		t.Fatal(err)
	}
	if n[latest] != what.objects || n[older] != 0 {
		t.Errorf("files: %v", n)
	}
}

// mirrorOf fills the store, puts a report into its other bucket, and makes what
// Cooper's first backup makes of it: mirror and snapshot.
func mirrorOf(t *testing.T, store *mem.Server, what bed) *cooperTree {
	t.Helper()
	dir := t.TempDir()
	var rows inMemory
	for i := range what.objects {
		key := what.key(i)
		body := []byte(key)
		sum := md5.Sum(body)
		v := cooper.Version{Latest: true, StorageClass: "STANDARD"}
		v.Key, v.VersionID, v.ETag = key, store.Put(bucketName, key, body, mem.PutOptions{}), hex.EncodeToString(sum[:])
		v.Size, v.LastModified = int64(len(body)), cooper.Instant(noon.UnixMilli())
		rows = append(rows, v)
		write(t, filepath.Join(dir, "mirror", key), body)
	}
	snap := filepath.Join(dir, "snapshot")
	if _, err := inventory.Build(t.Context(), snap, rows, inventory.BuildOptions{TempDir: t.TempDir()}); err != nil {
		t.Fatal(err)
	}
	opened, err := inventory.Open(snap)
	if err != nil {
		t.Fatal(err)
	}
	it := opened.Versions(t.Context(), inventory.IterOptions{})
	defer it.Close()
	reports := t.TempDir()
	opt := s3report.WriteOptions{SourceBucket: bucketName, ConfigID: "cooper", Format: "CSV", TakenAt: rows.Meta().TakenAt, DestinationBucket: reportBucket, TempDir: t.TempDir()}
	if _, err := s3report.WriteDir(t.Context(), reports, opt, it); err != nil {
		t.Fatal(err)
	}
	for name, body := range contents(t, reports) {
		store.Put(reportBucket, name, []byte(body), mem.PutOptions{})
	}
	return &cooperTree{dir, snap}
}

var noon = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

func write(t *testing.T, path string, body []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, body, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(path, noon, noon); err != nil {
		t.Fatal(err)
	}
}

// contents gives all files below dir but s3invsync's account of its runs.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Name() == ".s3invsync.state.json" {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		all[filepath.ToSlash(rel)] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// inMemory is an inventory.
type inMemory []cooper.Version

func (m inMemory) Meta() inventory.Meta {
	return inventory.Meta{Source: "test", Bucket: bucketName, TakenAt: cooper.Instant(noon.UnixMilli())}
}
func (m inMemory) Parts() []inventory.Part { return []inventory.Part{m} }
func (m inMemory) Name() string            { return "test" }

func (m inMemory) Read(_ context.Context, to inventory.Sink) error {
	for i := range m {
		if err := to.Version(&m[i]); err != nil {
			return err
		}
	}
	return nil
}

func TestKindsOfFiles(t *testing.T) {
	for _, c := range []struct {
		p    *program
		path string
		want kind
	}{
		{cooperProgram(""), "mirror/a/b", latest},
		{cooperProgram(""), "history/2026-11-01/a/b", older},
		{cooperProgram(""), ".cooper/catalog/base.parquet", own},
		{invsyncProgram(""), "a/b", latest},
		{invsyncProgram(""), "a/b.old..x.y", older},
		{invsyncProgram(""), "a/.s3invsync.versions.json", own},
		{rcloneProgram(""), "latest/a", latest},
		{rcloneProgram(""), "older/2/a", older},
	} {
		if got := c.p.what(c.path); got != c.want {
			t.Errorf("%s %s: %d", c.p.name, c.path, got)
		}
	}
}

func TestTable(t *testing.T) {
	name := filepath.Join(t.TempDir(), "figures")
	tab, err := newTable(name)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range []figure{
		{Run: firstRun, Program: floorName, Round: 1, Seconds: 8, Requests: 10},
		{Run: firstRun, Program: oursName, Round: 1, Seconds: 10, CPU: 3, Peak: 20e6, Requests: 12},
		{Run: firstRun, Program: "x", Round: 1, Seconds: 40, CPU: 5, Peak: 30e6, Requests: 11},
		{Run: firstRun, Program: oursName, Round: 2, Seconds: 20},
		{Run: firstRun, Program: "x", Round: 2, Seconds: 120},
		{Run: firstRun, Program: oursName, Round: 3, Seconds: 12},
		{Run: firstRun, Program: "x", Round: 3, Seconds: 60},
		{Run: unchanged, Program: oursName, Round: 1, Seconds: 0.5},
		{Run: unchanged, Program: "x", Round: 1, Seconds: 60, Stopped: true, Files: 7},
	} {
		if err := tab.add(f); err != nil {
			t.Fatal(err)
		}
	}
	if err := tab.close(); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	tab.print(&out)
	for _, want := range []string{
		"| Cooper  | 12.0 s ", // the median of 10, 20 and 12
		"80 % of the floor's rate",
		"5 times as long as Cooper", // the median of 4, 6 and 5, not 60 over 12
		"> 60 s, stopped |",
		"> 120 times as long as Cooper",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, &out)
		}
	}
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	var last figure
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &last); err != nil || len(lines) != 9 || last.Files != 7 || !last.Stopped {
		t.Errorf("%d figures, the last %+v, %v", len(lines), last, err)
	}
}

func TestProgramsTakeTurns(t *testing.T) {
	a, b, c := &program{name: "a"}, &program{name: "b"}, &program{name: "c"}
	all := &contest{ours: a, others: []*program{b, c}}
	for round, want := range []string{"abc", "bca", "cab", "abc"} {
		got := ""
		for _, p := range all.inTurn(round) {
			got += p.name
		}
		if got != want {
			t.Errorf("round %d: %s", round, got)
		}
	}
}
