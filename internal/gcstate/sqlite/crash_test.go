package sqlite

import (
	"bufio"
	"bytes"
	"context"
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"cooper"
	"cooper/internal/gcstate"
)

// A child process changes and tells until it is killed. What it has told it appends to a file, as the ledger would
// keep it: a line a batch, under its number, unless it is there.
const childPath = "GCSTATE_CHILD"

type line struct {
	Number      int
	Transitions []gcstate.Transition
}

func childFromEnv() (func(), bool) {
	dir := os.Getenv(childPath)
	return func() {
		if err := live(dir); err != nil {
			fmt.Println(err)
		}
	}, dir != ""
}

const lives = 40 // handles

func live(dir string) error {
	s, err := Open(ctx, filepath.Join(dir, "state.db"), options())
	if err != nil {
		return err
	}
	var handles []gcstate.Handle
	for i := range lives {
		handles = append(handles, gcstate.Handle{Scope: "s/db", Kind: "blob", ID: fmt.Sprint(i)})
	}
	rnd := rand.New(rand.NewPCG(uint64(os.Getpid()), 1))
	for {
		all, err := s.Get(ctx, handles)
		if err != nil {
			return err
		}
		var changes []gcstate.Change
		for _, r := range all {
			if next := gcstate.Statuses[rnd.IntN(len(gcstate.Statuses))]; next != r.Status {
				changes = append(changes, gcstate.Change{Handle: r.Handle, From: r.Status, Since: r.Since, To: next, At: 1})
			}
		}
		results, err := s.Change(ctx, changes)
		if err != nil {
			return err
		}
		for _, r := range results {
			if r.Changed { // it has returned: it stays
				fmt.Println(r.Now.ID, int64(r.Now.Since), r.Now.Status)
			}
		}
		if err := tell(s, dir); err != nil {
			return err
		}
	}
}

func tell(s gcstate.State, dir string) error {
	b, err := s.Untold(ctx)
	if err != nil || b.Number == 0 {
		return err
	}
	name := filepath.Join(dir, fmt.Sprintf("told-%06d", b.Number))
	var text bytes.Buffer
	if err := gob.NewEncoder(&text).Encode(line{b.Number, b.Transitions}); err != nil {
		return err
	}
	if _, err := os.Stat(name); errors.Is(err, os.ErrNotExist) {
		if err := os.WriteFile(name+".tmp", text.Bytes(), 0o600); err != nil {
			return err
		}
		if err := os.Rename(name+".tmp", name); err != nil {
			return err
		}
	} else if err != nil {
		return err
	}
	return s.Told(ctx, b.Number)
}

// TestKilled: whenever a process is killed, what it was told to be done is there, nothing is half done, and
// each change is told exactly once.
func TestKilled(t *testing.T) {
	dir := t.TempDir()
	rnd := rand.New(rand.NewPCG(7, 8))
	rounds := 25
	if testing.Short() {
		rounds = 6
	}
	said := map[string]gcstate.Record{} // the last that a process has heard of each handle
	for range rounds {
		c := exec.Command(os.Args[0], "-test.run=XXX")
		c.Env = append(os.Environ(), childPath+"="+dir)
		out, err := c.StdoutPipe()
		must(t, err)
		must(t, c.Start())
		in := bufio.NewReader(out)
		for n := rnd.IntN(300); ; n-- {
			if n == 0 {
				must(t, c.Process.Kill())
			}
			text, err := in.ReadString('\n')
			if errors.Is(err, io.EOF) || errors.Is(err, os.ErrClosed) {
				break
			}
			must(t, err)
			var r gcstate.Record
			if _, err := fmt.Sscan(text, &r.ID, &r.Since, &r.Status); err != nil {
				t.Fatalf("%q: %v", text, err)
			}
			said[r.ID] = r
		}
		_ = c.Wait() // it was killed
		check(t, dir, said)
	}
}

// check opens what a killed process has left, in a copy, and tells the rest of it there.
func check(t *testing.T, from string, said map[string]gcstate.Record) {
	t.Helper()
	dir := t.TempDir()
	must(t, os.CopyFS(filepath.Join(dir, "x"), os.DirFS(from)))
	dir = filepath.Join(dir, "x")
	s := open(t, filepath.Join(dir, "state.db"))
	defer func() { must(t, s.Close()) }()
	now := map[string]gcstate.Record{}
	must(t, s.Walk(ctx, "s/db", nil, func(r *gcstate.Record) error {
		now[r.ID] = *r
		return nil
	}))
	for id, r := range said {
		if is := now[id]; is.Since < r.Since || is.Since == r.Since && is.Status != r.Status {
			t.Fatalf("%s was changed to %s at %d, and is %s since %d", id, r.Status, r.Since, is.Status, is.Since)
		}
	}
	must(t, tell(s, dir)) // the batch that was being told
	must(t, tell(s, dir)) // and the rest
	replayed := map[string]gcstate.Record{}
	ids := map[string]bool{}
	names, err := filepath.Glob(filepath.Join(dir, "told-*[0-9]"))
	must(t, err)
	for i, name := range names {
		text, err := os.ReadFile(name)
		must(t, err)
		var l line
		must(t, gob.NewDecoder(bytes.NewReader(text)).Decode(&l))
		if l.Number != i+1 {
			t.Fatalf("%s is batch %d", name, l.Number)
		}
		for _, tr := range l.Transitions {
			before, ok := replayed[tr.Handle.ID]
			if !ok {
				before.Status = gcstate.Available
			}
			if ids[tr.ID] || tr.From != before.Status || tr.FromSince != before.Since || tr.Since <= tr.FromSince {
				t.Fatalf("%+v after %+v", tr, before)
			}
			ids[tr.ID] = true
			replayed[tr.Handle.ID] = gcstate.Record{Status: tr.To, Since: tr.Since}
		}
	}
	for id, r := range now {
		if p := replayed[id]; p.Status != r.Status || p.Since != r.Since {
			t.Fatalf("%s is %s since %d, and %+v was told", id, r.Status, r.Since, p)
		}
	}
	if len(replayed) != len(now) {
		t.Fatalf("%d handles were told, %d changed", len(replayed), len(now))
	}
}

// some fills a state with records of all statuses and untold changes.
func some(t *testing.T, s gcstate.State, n int) map[gcstate.Handle]gcstate.Record {
	t.Helper()
	var changes []gcstate.Change
	for i := range n {
		changes = append(changes, gcstate.Change{Handle: gcstate.Handle{Scope: "s/db", Kind: "blob", ID: fmt.Sprint(i)}, From: gcstate.Available, To: gcstate.Statuses[1+i%5], At: cooper.Instant(5 + i), Reason: "no link", Run: "r-1"})
	}
	results, err := s.Change(ctx, changes)
	must(t, err)
	all := map[gcstate.Handle]gcstate.Record{}
	for _, r := range results {
		all[r.Now.Handle] = r.Now
	}
	return all
}

// TestLost: without its file there is an empty state under another name, and without its journal one that was whole.
func TestLost(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	s := open(t, path)
	all := some(t, s, 100)
	before, err := s.Info(ctx)
	must(t, err)
	must(t, s.Close())
	must(t, os.Remove(path))
	s = open(t, path)
	after, err := s.Info(ctx)
	must(t, err)
	if after.ID == before.ID || len(after.Records) != 0 {
		t.Errorf("%+v", after)
	}
	for h := range all {
		r, err := s.Get(ctx, []gcstate.Handle{h})
		must(t, err)
		if r[0] != never(h) {
			t.Errorf("%+v", r)
		}
	}
	must(t, s.Close())
	must(t, os.Truncate(path, 0))
	s = open(t, path)
	must(t, s.Close())
}

// TestDamage: whichever byte is another, what comes out is what went in, or an error that names the
// remedy; a record that Get does not find is AVAILABLE, and Walk misses it.
func TestDamage(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	s := open(t, path)
	all := some(t, s, 300)
	must(t, s.Close())
	good, err := os.ReadFile(path)
	must(t, err)
	rnd := rand.New(rand.NewPCG(9, 10))
	flips := 600
	if testing.Short() {
		flips = 200
	}
	found := 0
	for i := range flips {
		bad := append([]byte{}, good...)
		at := rnd.IntN(len(bad))
		if i < 100 {
			at = i // the header
		}
		bad[at] ^= byte(1 << rnd.IntN(8))
		if i%50 == 49 {
			bad = bad[:at]
		}
		dir := t.TempDir()
		name := filepath.Join(dir, "state.db")
		must(t, os.WriteFile(name, bad, 0o600))
		if err := believed(name, all); err != nil {
			found++
			var e *cooper.Error
			if !errors.As(err, &e) || e.Kind != cooper.KindInvalid || e.Where != name || e.Remedy == "" {
				t.Errorf("byte %d: %v", at, err)
			}
		}
	}
	if found < flips/3 {
		t.Errorf("%d of %d were found", found, flips)
	}
}

// believed reads all of a state, whose records are all, or gives the first error.
func believed(name string, all map[gcstate.Handle]gcstate.Record) (err error) {
	opt := options()
	opt.NewID = func() string { return "new" }
	s, err := Open(ctx, name, opt)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	info, err := s.Info(ctx)
	if err != nil || info.ID == "new" {
		return err // cut down to nothing
	}
	got, err := s.Get(ctx, slices.Collect(maps.Keys(all)))
	if err != nil {
		return err
	}
	for _, r := range got {
		if r != all[r.Handle] && r != never(r.Handle) {
			return fmt.Errorf("a record came out as another: %+v", r)
		}
	}
	seen := map[gcstate.Handle]gcstate.Record{}
	if err := s.Walk(ctx, "s/db", nil, func(r *gcstate.Record) error { seen[r.Handle] = *r; return nil }); err != nil {
		return err
	}
	if !maps.Equal(seen, all) {
		return fmt.Errorf("Walk gives %d records of %d, or others", len(seen), len(all))
	}
	b, err := s.Untold(ctx)
	if err != nil {
		return err
	}
	for _, tr := range b.Transitions {
		if r := all[tr.Handle]; r.Status != tr.To || r.Since != tr.Since {
			return fmt.Errorf("a transition came out as another: %+v", tr)
		}
	}
	if len(b.Transitions) != len(all) {
		return fmt.Errorf("%d transitions of %d", len(b.Transitions), len(all))
	}
	return nil
}

// TestReplace: a damaged file is kept, and nobody who still has the old one open is passed over.
func TestReplace(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	s := open(t, path)
	all := some(t, s, 10)
	impatient := options()
	impatient.Wait = -1
	if _, _, err := Replace(ctx, path, impatient); cooper.KindOf(err) != cooper.KindLocked {
		t.Errorf("while it is open: %v", err)
	}
	must(t, s.Close())
	st, aside, err := Replace(ctx, path, options())
	must(t, err)
	if info, err := st.Info(ctx); err != nil || len(info.Records) != 0 {
		t.Errorf("%+v, %v", info, err)
	}
	other := open(t, path) // others are let in
	must(t, other.Close())
	must(t, st.Close())
	must(t, believed(aside, all))
	must(t, os.Remove(path))
	st, aside, err = Replace(ctx, path, options())
	must(t, err)
	if aside != "" {
		t.Errorf("%q", aside)
	}
	must(t, st.Close())
}

// TestWaiting: who has to wait gives up after a while, or with its context.
func TestWaiting(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	s := open(t, path)
	defer func() { must(t, s.Close()) }()
	impatient := options()
	impatient.Wait = -1
	other, err := Open(ctx, path, impatient)
	must(t, err)
	defer func() { must(t, other.Close()) }()
	one := []gcstate.Change{{Handle: gcstate.Handle{Scope: "s/db", ID: "1"}, From: gcstate.Available, To: gcstate.Unlinked, At: 1}}
	must(t, s.(*state).write(ctx, func(*tx) error {
		if _, err := other.Change(ctx, one); cooper.KindOf(err) != cooper.KindLocked {
			t.Errorf("%v", err)
		}
		c, cancel := context.WithCancel(ctx)
		done := make(chan error)
		go func() {
			_, err := s.Change(c, one)
			done <- err
		}()
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
		return nil
	}))
	if _, err := other.Change(ctx, one); err != nil {
		t.Error(err)
	}
}
