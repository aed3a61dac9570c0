package journal

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// known are the actions of which the journal of a plan, opened anew, knows what
// came.
func known(t *testing.T, d Dir, id string) (ids []int64) {
	t.Helper()
	p, err := d.Open(id, target)
	check(t, err)
	proven, err := p.Proven()
	check(t, err)
	for id, o := range proven {
		want := outcomes(id)[0]
		if o.Action != id || o.Identity != want.Identity || o.Content == nil || fmt.Sprint(*o.Content) != fmt.Sprint(*want.Content) {
			t.Errorf("%d: %+v", id, o)
		}
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

func note(t *testing.T, p *Plan, shard int, ids ...int64) {
	t.Helper()
	for _, o := range outcomes(ids...) {
		check(t, p.Note(shard, &o))
	}
}

// TestNotes: what is noted is known, also of a process that ended without a word,
// until the shard is done.
func TestNotes(t *testing.T) {
	dir := t.TempDir()
	d := At(dir)
	p, err := d.Open("p-1", target)
	check(t, err)
	var wg sync.WaitGroup
	for i := range int64(4) {
		wg.Go(func() {
			for j := range int64(50) {
				if err := p.Note(int(i)%2, &outcomes(i*50 + j)[0]); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if got := known(t, d, "p-1"); len(got) != 200 || got[199] != 199 {
		t.Errorf("known: %v", got)
	}
	// A second attempt adds to them.
	again, err := d.Open("p-1", target)
	check(t, err)
	_, err = again.Proven()
	check(t, err)
	note(t, again, 1, 200)
	check(t, again.Write("r-2", 0, outcomes(0)))
	if len(again.notes.files) != 1 {
		t.Errorf("%d files are open", len(again.notes.files))
	}
	check(t, again.Close())
	check(t, again.Close())
	check(t, p.Close())
	check(t, d.Settle("p-1", 0))
	if got := known(t, d, "p-1"); len(got) != 101 || got[0] != 50 || got[100] != 200 {
		t.Errorf("known: %v", got)
	}
	check(t, d.Settle("p-1", 1))
	if got := known(t, d, "p-1"); len(got) != 0 {
		t.Errorf("known: %v", got)
	}
	if left, err := filepath.Glob(filepath.Join(dir, "p-1", "proving-*")); err != nil || len(left) > 0 {
		t.Errorf("%v, %v", left, err)
	}
}

// TestGarbledNotes: a line that was cut off or garbled, or is of another shard or
// plan, does not count, nor does what is behind it; and what is noted then does.
func TestGarbledNotes(t *testing.T) {
	dir := t.TempDir()
	d := At(dir)
	p, err := d.Open("p-1", target)
	check(t, err)
	note(t, p, 7, 1, 2, 3)
	note(t, p, 8, 4)
	check(t, p.Close())
	name := filepath.Join(dir, "p-1", shardName(provingPrefix, 7))
	whole, err := os.ReadFile(name)
	check(t, err)
	lines := strings.SplitAfter(string(whole), "\n")[:3]
	foreign, err := os.ReadFile(filepath.Join(dir, "p-1", shardName(provingPrefix, 8)))
	check(t, err)
	check(t, os.Remove(filepath.Join(dir, "p-1", shardName(provingPrefix, 8))))
	for text, want := range map[string][]int64{
		string(whole):            {1, 2, 3},
		"":                       nil,
		lines[0] + lines[1][:20]: {1},
		lines[0] + strings.TrimSuffix(lines[1], "\n"):               {1},
		lines[0] + "\n" + lines[2]:                                  {1},
		lines[0] + lines[1][:30] + "X" + lines[1][31:] + lines[2]:   {1},
		lines[0] + strings.Repeat("\x00", len(lines[1])) + lines[2]: {1},
		lines[0] + string(foreign) + lines[2]:                       {1},
		strings.Repeat("x", 3*longestNote) + "\n" + lines[2]:        nil,
		lines[2] + lines[2] + lines[0]:                              {1, 3},
	} {
		check(t, os.WriteFile(name, []byte(text), 0o600))
		if got := known(t, d, "p-1"); !slices.Equal(got, want) {
			t.Errorf("%.300q: known are %v, want %v", text, got, want)
		}
		p, err := d.Open("p-1", target)
		check(t, err)
		note(t, p, 7, 9)
		check(t, p.Close())
		if got := known(t, d, "p-1"); !slices.Equal(got, append(slices.Clone(want), 9)) {
			t.Errorf("%.300q: known then are %v", text, got)
		}
	}
	// Of a shard that is done, which a crash has left.
	check(t, d.Settle("p-1", 7))
	check(t, os.WriteFile(name, whole, 0o600))
	if got := known(t, d, "p-1"); len(got) != 0 {
		t.Errorf("known: %v", got)
	}
	if _, err := os.Stat(name); !os.IsNotExist(err) {
		t.Errorf("it is still there: %v", err)
	}
}

// BenchmarkNote is what the hot path pays for an object.
func BenchmarkNote(b *testing.B) {
	p, err := At(b.TempDir()).Open("p-1", target)
	if err != nil {
		b.Fatal(err)
	}
	defer p.Close()
	o := outcomes(1)[0]
	o.Content.SHA256, o.Content.SHA1 = make([]byte, 32), make([]byte, 20)
	b.ReportAllocs()
	for b.Loop() {
		if err := p.Note(0, &o); err != nil {
			b.Fatal(err)
		}
	}
}

// TestMoving: from the proof of a shard on until its end is known, something of its plan may be on its way.
func TestMoving(t *testing.T) {
	d := At(filepath.Join(t.TempDir(), "none yet"))
	moving := func(want bool) {
		t.Helper()
		if got, err := d.Moving("p-1"); got != want || err != nil {
			t.Errorf("%v, %v", got, err)
		}
	}
	moving(false)
	d = At(t.TempDir())
	moving(false)
	p, err := d.Open("p-1", target)
	check(t, err)
	note(t, p, 0, 1)
	moving(false)
	check(t, p.Prove("r-1", 0, outcomes(1)))
	moving(true)
	check(t, p.Write("r-1", 0, outcomes(1)))
	moving(true)
	check(t, d.Settle("p-1", 0))
	moving(false)
}
