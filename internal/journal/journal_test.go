package journal

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"cooper"
	"cooper/internal/permit"
	"cooper/internal/plan"
	"cooper/internal/tree/safefs/memfs"
)

const target = "s3://lab/p/"

func outcomes(ids ...int64) (outs []cooper.Outcome) {
	for _, id := range ids {
		outs = append(outs, cooper.Outcome{
			Action: id, Status: cooper.Done, At: 1500, Hash: []byte{0, 255},
			Identity: cooper.Identity{Key: "a\x00<ü\u2028", VersionID: "v", LastModified: 1234567},
			Content:  &cooper.Content{State: cooper.Rewritten, PlainSize: -1, SHA256: []byte{1}, Stored: cooper.Identity{Key: "b", Size: 7}, Trials: []cooper.Trial{{Codec: "c", Nanos: 3}}},
		})
	}
	return outs
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestRoundTrip, on a real disk.
func TestRoundTrip(t *testing.T) {
	d := At(t.TempDir())
	p, err := d.Open("p-1", target)
	check(t, err)
	h := plan.Header{Phases: []plan.Phase{{First: 0, Shards: 1}, {First: 1, Shards: 1}}}
	want := outcomes(1, 2)
	check(t, p.Prove("r-1", 0, want))
	check(t, p.Write("r-1", 0, want))
	check(t, p.Prove("r-1", 1, outcomes(3)))
	found, err := d.Unsettled()
	check(t, err)
	if len(found) != 1 || found[0].Run != "r-1" || found[0].Plan != "p-1" || found[0].N != 0 || found[0].Target != target || len(found[0].Outcomes) != 2 {
		t.Fatalf("%+v", found)
	}
	for i := range want { // pointers aside
		got := found[0].Outcomes[i]
		if fmt.Sprint(*got.Content) != fmt.Sprint(*want[i].Content) {
			t.Errorf("%+v", got.Content)
		}
		got.Content = want[i].Content
		if fmt.Sprint(got) != fmt.Sprint(want[i]) {
			t.Errorf("%+v", got)
		}
	}
	check(t, d.Settle("p-1", 0))
	check(t, d.Settle("p-1", 0)) // after a crash in between
	p, err = d.Open("p-1", target)
	check(t, err)
	if !p.Done(0) || p.Done(1) || p.Complete(h) {
		t.Errorf("done: %v", p.done)
	}
	proven, err := p.Proven()
	check(t, err)
	if len(proven) != 1 || proven[3].Status != cooper.Done {
		t.Errorf("proven: %v", proven)
	}
	check(t, d.Settle("p-1", 1))
	p, err = d.Open("p-1", target)
	check(t, err)
	if proven, err := p.Proven(); err != nil || len(proven) != 0 || !p.Complete(h) {
		t.Errorf("%v, %v, %v", proven, p.done, err)
	}
	other, err := d.Open("p-2", target)
	check(t, err)
	if other.Done(0) {
		t.Error("another plan's shard counts as done")
	}
}

// TestGarbledLines: what a crash leaves of a line is no number of a shard, and
// no part of the next one.
func TestGarbledLines(t *testing.T) {
	dir := t.TempDir()
	d := At(dir)
	_, err := d.Open("p-1", target)
	check(t, err)
	for _, left := range []string{"1", "12\n", "\x00\x00\x00", strings.TrimSuffix(doneText("p-1", 12), "\n"), doneText("p-1", 1)[:3]} {
		check(t, os.WriteFile(filepath.Join(dir, "p-1", "done"), []byte(doneText("p-1", 3)+left), 0o600))
		check(t, d.Settle("p-1", 112))
		p, err := d.Open("p-1", target)
		check(t, err)
		if !p.Done(3) || !p.Done(112) || len(p.done) > 2 && !p.Done(12) || p.Done(1) || p.Done(7) {
			t.Errorf("%q: %v", left, p.done)
		}
	}
}

// TestDamage: files that make no sense are told with their names.
func TestDamage(t *testing.T) {
	dir := t.TempDir()
	d := At(dir)
	p, err := d.Open("p-1", target)
	check(t, err)
	for _, damaged := range []string{
		"", "{}", `{"format":9,"run":"r","plan":"p-1","shard":4}`, `{"format":2,"run":"r","plan":"p-2","shard":4}`, `{"format":2,"run":"r","plan":"p-1","shard":5}`,
		`{"format":2,"run":"r","plan":"p-1","shard":4,"count":1}`, `{"format":2,"run":"r","plan":"p-1","shard":4,"count":1}` + "\n{",
	} {
		for _, prefix := range []string{shardPrefix, provenPrefix} {
			name := filepath.Join(dir, "p-1", shardName(prefix, 4))
			check(t, os.WriteFile(name, []byte(damaged), 0o600))
			_, err := d.Unsettled()
			if prefix == provenPrefix {
				_, err = p.Proven()
			}
			if cooper.KindOf(err) != cooper.KindInvalid || !strings.Contains(err.Error(), shardName(prefix, 4)) {
				t.Errorf("%s, %q: %v", prefix, damaged, err)
			}
			check(t, os.Remove(name))
		}
	}
	if _, err := At(filepath.Join(dir, "nowhere")).Unsettled(); cooper.KindOf(err) != cooper.KindInternal {
		t.Errorf("no directory: %v", err)
	}
}

func TestUploads(t *testing.T) {
	dir := t.TempDir()
	d := At(dir)
	p, err := d.Open("p-1", target)
	check(t, err)
	other, err := d.Open("p-2", target)
	check(t, err)
	for i := range 4 {
		check(t, p.NoteUpload(Upload{Key: fmt.Sprint("k\n", i), UploadID: fmt.Sprint("u", i)}))
	}
	check(t, other.NoteUpload(Upload{Key: "x", UploadID: "y"}))
	check(t, p.UploadsOver(func(key string) bool { return key == "k\n1" || key == "k\n2" }))
	check(t, p.NoteUpload(Upload{Key: "late", UploadID: "u9"}))
	name := filepath.Join(dir, "p-1", uploadsName)
	b, err := os.ReadFile(name)
	check(t, err)
	check(t, os.WriteFile(name, append(b, `{"key":"cut","upl`...), 0o600))

	var got []string
	no := errors.New("no")
	if err := d.LeftUploads(func(u Upload) error { return no }); !errors.Is(err, no) {
		t.Errorf("it could not be discarded, but: %v", err)
	}
	take := func(u Upload) error { got = append(got, u.Key+" "+u.UploadID); return nil }
	check(t, d.LeftUploads(take))
	if want := []string{"k\n0 u0", "k\n3 u3", "late u9", "x y"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	got = nil
	check(t, d.LeftUploads(take))
	if len(got) > 0 {
		t.Errorf("again: %q", got)
	}
}

// TestUploadsDoNotPileUp: the file has what is open, not what ever was.
func TestUploadsDoNotPileUp(t *testing.T) {
	dir := t.TempDir()
	p, err := At(dir).Open("p-1", target)
	check(t, err)
	for i := range 50 {
		check(t, p.NoteUpload(Upload{Key: fmt.Sprint(i), UploadID: fmt.Sprint("u", i)}))
		check(t, p.UploadsOver(func(string) bool { return true }))
	}
	if b, err := os.ReadFile(filepath.Join(dir, "p-1", uploadsName)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%q, %v", b, err)
	}
}

var errDead = errors.New("the process is dead")

// life is what survives of a bucket's journal, and what it is about.
type life struct {
	disk  *memfs.FS
	facts map[int][]string // the runs that wrote facts about a shard
	noted map[string]bool  // uploads whose noting has ended
	over  map[string]bool  // uploads that have ended
	runs  int
	// proven are actions that were noted; a forgetful disk has lost its power.
	proven    map[int64]bool
	forgetful bool
}

// run goes through the shards of a plan as apply does.
func (l *life) run(shards int) error {
	l.runs++
	run := fmt.Sprint("r-", l.runs)
	k := Keeping{Dir: In(l.disk)}
	owed, err := k.Recover(context.Background(), permit.Permit{}, false)
	if err != nil {
		return err
	}
	for _, s := range owed {
		l.fact(s.Shard, s.Run)
		if err := k.Settled(context.Background(), s.Plan, s.Shard); err != nil {
			return err
		}
	}
	if k.Plan, err = k.Dir.Open("p-1", target); err != nil {
		return err
	}
	left := map[string]bool{}
	if err := k.Dir.LeftUploads(func(u Upload) error { left[u.UploadID] = true; return nil }); err != nil {
		return err
	}
	for id := range l.noted {
		if !l.over[id] && !left[id] {
			return fmt.Errorf("upload %s is forgotten", id)
		}
		l.over[id] = true
	}
	proven, err := k.Plan.Proven()
	if err != nil {
		return err
	}
	for id := range l.proven {
		if _, ok := proven[id]; !ok && !l.forgetful && !k.Done(int(id)) {
			return fmt.Errorf("what was proven of %d is forgotten", id)
		}
	}
	for n := range shards {
		if k.Done(n) {
			continue
		}
		u := Upload{Key: fmt.Sprint("k", n), UploadID: fmt.Sprint(run, "-", n)}
		if err := k.Plan.NoteUpload(u); err != nil {
			return err
		}
		l.noted[u.UploadID] = true
		outs := outcomes(int64(n))
		if err := k.Plan.Note(n, &outs[0]); err != nil {
			return err
		}
		l.proven[int64(n)] = true
		if err := k.Plan.Prove(run, n, outs); err != nil {
			return err
		}
		l.over[u.UploadID] = true
		if err := k.Plan.UploadsOver(func(key string) bool { return key == u.Key }); err != nil {
			return err
		}
		if err := k.Plan.Write(run, n, outs); err != nil {
			return err
		}
		l.fact(n, run)
		if err := k.Settled(context.Background(), "p-1", n); err != nil {
			return err
		}
	}
	return nil
}

// fact is a ledger that forgets nothing, and takes facts once.
func (l *life) fact(n int, run string) {
	if !slices.Contains(l.facts[n], run) {
		l.facts[n] = append(l.facts[n], run)
	}
}

// TestCrashAtEveryOperation: each shard has facts of one run in the end, and no
// upload is forgotten, whatever the machine made of what was not synced.
func TestCrashAtEveryOperation(t *testing.T) {
	const shards = 3
	for seed := range uint64(12) {
		for at, died := 1, true; died; at++ {
			r := rand.New(rand.NewPCG(seed, uint64(at)))
			l := &life{disk: memfs.New(), facts: map[int][]string{}, noted: map[string]bool{}, over: map[string]bool{}, proven: map[int64]bool{}}
			died = false
			for next := at; ; next = 1 + r.IntN(60) {
				n, dead := 0, false
				l.disk.Before = func(string, ...string) error {
					n++
					if dead = dead || n == next; dead {
						return errDead
					}
					return nil
				}
				l.disk.Read = func(string, ...string) error {
					if dead {
						return errDead
					}
					return nil
				}
				err := l.run(shards)
				if !dead && err != nil {
					t.Fatalf("seed %d, operation %d: %v", seed, at, err)
				}
				if !dead {
					break
				}
				died = true
				if r.IntN(2) == 0 {
					l.disk = l.disk.Kill()
				} else {
					l.disk, l.forgetful = l.disk.Crash(r), true
				}
			}
			for n := range shards {
				if len(l.facts[n]) != 1 {
					t.Fatalf("seed %d, operation %d: shard %d has facts of %v", seed, at, n, l.facts[n])
				}
			}
		}
	}
}
