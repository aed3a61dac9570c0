package plan

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"cooper"
	"cooper/internal/inventory"
	"cooper/internal/parquetrows/rowstest"
	"cooper/internal/seal"
)

func action(i int, size int64) cooper.Action {
	return cooper.Action{Verb: "fetch", Version: cooper.Version{
		Identity: cooper.Identity{Key: fmt.Sprintf("k/%08d", i), VersionID: "null", ETag: "d41d8cd98f00b204e9800998ecf8427e", Size: size, LastModified: 1700000000123},
		Latest:   true, StorageClass: "STANDARD",
	}, Args: map[string]string{"to": "mirror"}}
}

func create(t testing.TB, lim Limits) (*Writer, string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "plan", "p-20261120T010000Z-4f1c")
	w, err := Create(dir, filepath.Base(dir), lim)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Abort)
	return w, dir
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func all(t testing.TB, p *Plan) []cooper.Action {
	t.Helper()
	var got []cooper.Action
	it := p.Actions(context.Background())
	for {
		a, err := it.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		must(t, err)
		got = append(got, *a)
	}
	must(t, it.Close())
	return got
}

// TestRoundTrip: what was added comes back in order, whatever the text, in
// shards that end only where they may, and whole headers.
func TestRoundTrip(t *testing.T) {
	text := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"", "null", `"`, `\`, "<&>", "\x00", "\u2028", "é", "a/b/../c", "{}"}))
	rapid.Check(t, func(rt *rapid.T) {
		w, dir := create(t, Limits{Actions: rapid.IntRange(1, 5).Draw(rt, "limit"), Bytes: 100})
		var want []cooper.Action
		var cuts []bool
		phases := rapid.IntRange(0, 3).Draw(rt, "phases")
		firstOf := map[int]bool{}
		for p := range phases {
			must(t, w.Phase(fmt.Sprint("phase ", p)))
			firstOf[len(want)] = true
			for range rapid.IntRange(0, 30).Draw(rt, "actions") {
				a := cooper.Action{Verb: text.Draw(rt, "verb"), Version: cooper.Version{
					Identity: cooper.Identity{Key: text.Draw(rt, "key"), VersionID: text.Draw(rt, "vid"), ETag: text.Draw(rt, "etag"),
						Size: rapid.Int64Range(0, 60).Draw(rt, "size"), LastModified: cooper.Instant(rapid.Int64Range(-1e12, 4e12).Draw(rt, "lm"))},
					Latest: rapid.Bool().Draw(rt, "latest"), DeleteMarker: rapid.Bool().Draw(rt, "dm"),
					StorageClass: text.Draw(rt, "class"), Tier: text.Draw(rt, "tier"), Encryption: text.Draw(rt, "enc"), Checksum: text.Draw(rt, "sum"),
				}, Args: rapid.MapOfN(text, text, 0, 3).Draw(rt, "args")}
				if len(a.Args) == 0 {
					a.Args = nil
				}
				cut := rapid.Bool().Draw(rt, "cut")
				must(t, w.Add(a, cut))
				a.ID = int64(len(want))
				want, cuts = append(want, a), append(cuts, cut)
			}
		}
		h, err := w.Finish(Header{Mission: "backup", Snapshot: &inventory.Meta{ID: "s-1", TakenAt: 1234}, Policy: []byte(`{"match": "<a>"}`), Share: Share{Limit: 0.1}})
		must(t, err)
		p, err := Open(dir)
		must(t, err)
		must(t, p.Verify(context.Background()))
		if p.Header().Digest != h.Digest || h.Digest == "" {
			rt.Errorf("digest %q, read %q", h.Digest, p.Header().Digest)
		}
		if d := cmp.Diff(want, all(t, p)); d != "" {
			rt.Fatalf("actions differ: %s", d)
		}
		i := 0
		for n := range p.Shards() {
			as, err := p.Shard(context.Background(), n)
			must(t, err)
			if len(as) == 0 || as[0].ID != int64(i) {
				rt.Fatalf("shard %d begins with %v, not %d", n, as, i)
			}
			if !firstOf[i] && !cuts[i] {
				rt.Errorf("shard %d was cut before action %d, which forbade it", n, i)
			}
			for j := i + 1; j < i+len(as); j++ {
				if firstOf[j] {
					rt.Errorf("shard %d spans two phases", n)
				}
			}
			i += len(as)
		}
		must(t, os.RemoveAll(filepath.Dir(dir)))
	})
}

func TestShardsEndAtTheFirstAllowedCut(t *testing.T) {
	w, dir := create(t, Limits{Actions: 3, Bytes: 1000})
	w.Transfers("fetch")
	must(t, w.Phase("fetch"))
	add := func(verb string, size int64, cut bool) {
		a := action(0, size)
		a.Verb = verb
		must(t, w.Add(a, cut))
	}
	add("fetch", 1, true)
	add("fetch", 1, true)
	add("fetch", 1, true)
	add("fetch", 1, false) // stays, though the shard is full
	add("fetch", 999, true)
	add("retire", 5000, true) // moves no bytes
	add("fetch", 1, true)
	add("fetch", 7000, true)
	add("fetch", 6, true)
	must(t, w.Phase("nothing"))
	must(t, w.Phase("last"))
	add("fetch", 2, false) // a phase always begins a shard
	h, err := w.Finish(Header{})
	must(t, err)
	p, err := Open(dir)
	must(t, err)
	var sizes []int
	for n := range p.Shards() {
		as, err := p.Shard(context.Background(), n)
		must(t, err)
		sizes = append(sizes, len(as))
	}
	if d := cmp.Diff([]int{4, 3, 1, 1, 1}, sizes); d != "" {
		t.Error(d)
	}
	want := []Phase{{Name: "fetch", First: 0, Shards: 4, Count: 9, Bytes: 1 + 1 + 1 + 1 + 999 + 5000 + 1 + 7000 + 6}, {Name: "nothing", First: 4}, {Name: "last", First: 4, Shards: 1, Count: 1, Bytes: 2}}
	if d := cmp.Diff(want, h.Phases); d != "" {
		t.Error(d)
	}
	if h.Totals["retire"] != (Tally{1, 5000}) || h.Totals["fetch"].Count != 9 {
		t.Errorf("totals: %v", h.Totals)
	}
	if len(h.Largest) != 9 || h.Largest[0].Version.Size != 7000 || h.Largest[1].Version.Size != 999 {
		t.Errorf("largest: %v", h.Largest)
	}
	if p.PhaseOf(3) != "fetch" || p.PhaseOf(4) != "last" || p.PhaseOf(5) != "" || p.PhaseOf(-1) != "" {
		t.Error("PhaseOf is wrong")
	}
}

func TestShardEndsOnceItsBytesAreReached(t *testing.T) {
	w, _ := create(t, Limits{Bytes: 10})
	must(t, w.Phase("a"))
	for _, size := range []int64{4, 6, 9, 0, 1, 1} {
		must(t, w.Add(action(0, size), true))
	}
	h, err := w.Finish(Header{})
	must(t, err)
	if h.Phases[0].Shards != 3 { // 4+6, 9+0+1, 1
		t.Errorf("%d shards", h.Phases[0].Shards)
	}
}

func TestEmptyPlan(t *testing.T) {
	w, dir := create(t, Limits{})
	_, err := w.Finish(Header{Mission: "backup"})
	must(t, err)
	p, err := Open(dir)
	must(t, err)
	must(t, p.Verify(context.Background()))
	if p.Shards() != 0 || len(all(t, p)) != 0 {
		t.Error("not empty")
	}
	if _, err := p.Shard(context.Background(), 0); cooper.KindOf(err) != cooper.KindInvalid {
		t.Errorf("shard 0: %v", err)
	}
}

func TestPlanAppearsWholeOrNotAtAll(t *testing.T) {
	w, dir := create(t, Limits{})
	must(t, w.Phase("a"))
	must(t, w.Add(action(1, 1), true))
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Error("there before Finish")
	}
	w.Abort()
	if left, _ := os.ReadDir(filepath.Dir(dir)); len(left) != 0 {
		t.Errorf("Abort left %v", left)
	}
	if _, err := w.Finish(Header{}); err == nil {
		t.Error("Finish after Abort")
	}

	w, dir = create(t, Limits{})
	_, err := w.Finish(Header{})
	must(t, err)
	w.Abort()
	if _, err := Open(dir); err != nil {
		t.Errorf("Abort after Finish: %v", err)
	}
	if _, err := Create(dir, "p", Limits{}); cooper.KindOf(err) != cooper.KindConflict {
		t.Errorf("a second of the same name: %v", err)
	}
}

func TestMisuse(t *testing.T) {
	w, _ := create(t, Limits{})
	if err := w.Add(action(1, 1), true); err == nil {
		t.Error("an action before any phase")
	}
	must(t, w.Phase("a"))
	if w.Phase("a") == nil || w.Phase("") == nil {
		t.Error("phase names")
	}
	bad := action(1, 1)
	bad.Version.Key = "\xff"
	if err := w.Add(bad, true); cooper.KindOf(err) != cooper.KindInvalid {
		t.Errorf("key: %v", err)
	}
	bad = action(1, 1)
	bad.Args["x"] = "\xff"
	if err := w.Add(bad, true); cooper.KindOf(err) != cooper.KindInvalid {
		t.Errorf("args: %v", err)
	}
	if _, err := w.Finish(Header{Policy: []byte(`{`)}); cooper.KindOf(err) != cooper.KindInvalid {
		t.Errorf("policy: %v", err)
	}
	// A time that JSON cannot give back must not become a plan.
	w, dir := create(t, Limits{})
	if _, err := w.Finish(Header{Created: 1 << 60}); cooper.KindOf(err) != cooper.KindInvalid {
		t.Errorf("created: %v", err)
	}
	if _, err := os.Stat(dir); err == nil {
		t.Error("an unreadable plan appeared")
	}
}

// TestManyFiles crosses from one file to the next.
func TestManyFiles(t *testing.T) {
	w, dir := create(t, Limits{Actions: 2})
	must(t, w.Phase("a"))
	const n = 2*2*shardsAFile + 3
	for i := range n {
		must(t, w.Add(action(i, 1), true))
	}
	h, err := w.Finish(Header{})
	must(t, err)
	if len(h.Files) != 3 || h.Files[2].First != 512 || h.Files[2].Shards != 2 {
		t.Errorf("files: %v", h.Files)
	}
	p, err := Open(dir)
	must(t, err)
	for i, a := range all(t, p) {
		if a.ID != int64(i) || a.Version.Key != fmt.Sprintf("k/%08d", i) {
			t.Fatalf("action %d is %v", i, a)
		}
	}
	as, err := p.Shard(context.Background(), 300)
	if err != nil || len(as) != 2 || as[0].ID != 600 {
		t.Errorf("shard 300: %v, %v", as, err)
	}
}

func TestCancelled(t *testing.T) {
	w, dir := create(t, Limits{})
	must(t, w.Phase("a"))
	must(t, w.Add(action(1, 1), true))
	_, err := w.Finish(Header{})
	must(t, err)
	p, err := Open(dir)
	must(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := p.Verify(ctx); cooper.KindOf(err) != cooper.KindInterrupted {
		t.Errorf("Verify: %v", err)
	}
	if _, err := p.Shard(ctx, 0); cooper.KindOf(err) != cooper.KindInterrupted {
		t.Errorf("Shard: %v", err)
	}
}

// small writes a plan of a few shards and gives its directory.
func small(t testing.TB) string {
	w, dir := create(t, Limits{Actions: 10})
	must(t, w.Phase("a"))
	for i := range 40 {
		must(t, w.Add(action(i, int64(i)), true))
	}
	_, err := w.Finish(Header{Mission: "backup"})
	must(t, err)
	return dir
}

func TestChangedHeaderIsRefused(t *testing.T) {
	name := filepath.Join(small(t), headerName)
	good, err := os.ReadFile(name)
	must(t, err)
	for what, change := range map[string][2]string{
		"another mission": {`"backup"`, `"rollback"`},
		"a field more":    {`"mission"`, `"extra": 1, "mission"`},
		"newer format":    {`"format": 2`, `"format": 3`},
		"older format":    {`"format": 2`, `"format": 1`},
		"no JSON":         {`{`, `[`},
		"another digest":  {`"digest": "`, `"digest": "0`},
	} {
		bad := []byte(strings.Replace(string(good), change[0], change[1], 1))
		if string(bad) == string(good) {
			t.Errorf("%s: nothing is changed", what)
		}
		must(t, os.WriteFile(name, bad, 0o600))
		if _, err := Open(filepath.Dir(name)); cooper.KindOf(err) != cooper.KindInvalid {
			t.Errorf("%s: %v", what, err)
		}
		// Who seals it anew changes nothing about it.
		body, _, _ := strings.Cut(string(bad), ",\n \"seal\"")
		if bad, err = seal.Document([]byte(body + "}")); err != nil {
			continue
		}
		must(t, os.WriteFile(name, bad, 0o600))
		if _, err := Open(filepath.Dir(name)); cooper.KindOf(err) != cooper.KindInvalid {
			t.Errorf("%s, sealed anew: %v", what, err)
		}
	}
	must(t, os.Remove(name))
	if _, err := Open(filepath.Dir(name)); cooper.KindOf(err) != cooper.KindUsage {
		t.Errorf("no header: %v", err)
	}
}

// TestDamagedFiles: whatever happens to a file of actions, Verify and Check see it, and
// reading without them gives an error or what was written.
func TestDamagedFiles(t *testing.T) {
	dir := small(t)
	p, err := Open(dir)
	must(t, err)
	name := filepath.Join(dir, p.Header().Files[0].Name)
	good, err := os.ReadFile(name)
	must(t, err)
	ctx := context.Background()
	want := make([][]cooper.Action, p.Shards())
	for n := range want {
		want[n], err = p.Shard(ctx, n)
		must(t, err)
	}
	try := func(what string, b []byte) {
		must(t, os.WriteFile(name, b, 0o600))
		if err := p.Verify(ctx); cooper.KindOf(err) != cooper.KindInvalid {
			t.Errorf("%s: Verify gave %v", what, err)
		}
		if err := p.Check(ctx); cooper.KindOf(err) != cooper.KindInvalid {
			t.Errorf("%s: Check gave %v", what, err)
		}
		for n := range p.Shards() {
			got, err := p.Shard(ctx, n)
			if err == nil && !reflect.DeepEqual(got, want[n]) || err != nil && cooper.KindOf(err) != cooper.KindInvalid {
				t.Errorf("%s: Shard gave %v, %v", what, got, err)
			}
		}
	}
	rnd := rand.New(rand.NewPCG(1, 2))
	for i := range 400 {
		bad := append([]byte(nil), good...)
		for range 1 + i%3 {
			bad[rnd.IntN(len(bad))] ^= byte(1 + rnd.IntN(255))
		}
		try(fmt.Sprint("flip ", i), bad)
	}
	for range 50 {
		n := rnd.IntN(len(good))
		try(fmt.Sprint("cut at ", n), good[:n])
	}
	must(t, os.Remove(name))
	if err := p.Verify(ctx); cooper.KindOf(err) != cooper.KindInvalid {
		t.Errorf("missing: %v", err)
	}
}

func FuzzOpen(f *testing.F) {
	dir := small(f)
	b, err := os.ReadFile(filepath.Join(dir, headerName))
	must(f, err)
	f.Add(b)
	f.Add([]byte(`{"format":1}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := decodeHeader("x", b)
		if err != nil && cooper.KindOf(err) != cooper.KindInvalid {
			t.Errorf("%v", err)
		}
		if err == nil {
			if d, _ := digest(h); d != h.Digest {
				t.Error("accepted another digest")
			}
		}
	})
}

func BenchmarkWrite(b *testing.B) {
	w, _ := create(b, Limits{})
	must(b, w.Phase("a"))
	a := action(0, 1<<16)
	a.Args = map[string]string{"to": "history", "reason": "older", "superseded": "1700000000000"}
	keys := make([]string, 4096)
	for i := range keys {
		keys[i] = fmt.Sprintf("sub-%03d/ses-01/chunks.zarr/0/%d/%d/%d", i/500, i%7, i%13, i)
	}
	rnd := rand.New(rand.NewPCG(1, 2))
	vids := make([]string, 4096)
	for i := range vids {
		vids[i] = fmt.Sprintf("%016x%016x", rnd.Uint64(), rnd.Uint64())
	}
	i := 0
	for b.Loop() {
		a.Version.Key, a.Version.VersionID, a.Version.ETag = keys[i%4096], vids[i%4096], vids[i*7%4096]
		must(b, w.Add(a, true))
		i++
	}
	_, err := w.Finish(Header{})
	must(b, err)
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "actions/s")
	must(b, os.RemoveAll(w.dir))
}

func BenchmarkRead(b *testing.B) {
	w, dir := create(b, Limits{})
	must(b, w.Phase("a"))
	for i := range 200000 {
		must(b, w.Add(action(i, 1), true))
	}
	_, err := w.Finish(Header{})
	must(b, err)
	p, err := Open(dir)
	must(b, err)
	n := 0
	for b.Loop() {
		n += len(all(b, p))
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "actions/s")
}

// TestAbsentIsNull: SQL over a plan sees NULL where nothing is known, whatever is
// before and behind it.
func TestAbsentIsNull(t *testing.T) {
	for _, places := range rowstest.Places {
		w, dir := create(t, Limits{})
		must(t, w.Phase("fetch"))
		for i := range rowstest.Rows {
			a := cooper.Action{Verb: "fetch", Version: cooper.Version{Identity: cooper.Identity{Key: "k"}}}
			if slices.Contains(places, i) {
				a = action(i, 1)
				a.Version.Tier, a.Version.Encryption, a.Version.Checksum = "t", "e", "c"
			}
			must(t, w.Add(a, true))
		}
		_, err := w.Finish(Header{})
		must(t, err)
		rowstest.Check(t, filepath.Join(dir, "actions-00000.parquet"), places, "version_id", "etag", "last_modified", "storage_class", "tier", "encryption", "checksum", "args")
	}
}
