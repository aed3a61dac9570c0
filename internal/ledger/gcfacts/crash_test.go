package gcfacts

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var errDead = errors.New("the process is dead")

// some writes three tables, and four links; fill takes long where it is done a thousand times.
func some(w *Writer, object string) error {
	var errs []error
	for range 4 {
		errs = append(errs, w.Link("posts", object, Target{ID: "1"}))
	}
	return errors.Join(append(errs, w.Malformed(Malformed{Association: "posts"}), w.Range(Range{What: OfAssociation, Name: "posts"}))...)
}

// life is a process that scans, ends the scan and drops the one before; attempt tells what it
// wrote from what others have written.
func life(s *Store, attempt int) error {
	for shard := range 2 {
		w, err := s.Shard(ctx, scan2, shard)
		if err != nil {
			if done, herr := there(filepath.Join(s.scanDir(scan2), scanName)); herr == nil && done {
				break // the one before had come so far
			}
			return err
		}
		if err = some(w, fmt.Sprint(attempt)); err == nil {
			err = w.Commit(ctx)
		}
		derr := w.Discard() // closes what is open, in a dead process as well
		if err != nil {
			return err
		}
		if derr != nil {
			return derr
		}
	}
	if err := s.Finish(ctx, Scan{ID: scan2, Shards: 2, Complete: true}); err != nil {
		return err
	}
	if err := s.Acknowledge(ctx, "r-1", []Acknowledgement{{What: Value}}); err != nil {
		return err
	}
	if err := detected(s, attempt); err != nil {
		return err
	}
	return s.Drop(ctx, scan1)
}

// detected finds, tells and lets a person speak, once each.
func detected(s *Store, attempt int) error {
	f, err := s.Detection(ctx, detection1)
	if err != nil {
		return err
	}
	err = errors.Join(f.Candidate(Candidate{ID: fmt.Sprint(attempt)}), f.Kept(Kept{ID: fmt.Sprint(attempt)}))
	if err == nil {
		err = f.Commit(ctx, Detection{ID: detection1, Run: fmt.Sprint(attempt)})
	}
	if err = errors.Join(err, f.Discard()); err != nil {
		return err
	}
	if err := s.Tell(ctx, batch(1)); err != nil {
		return err
	}
	if err := s.Ask(ctx, asking(1, Asked{Handle: fmt.Sprint(attempt)})); err != nil {
		return err
	}
	if n, err := s.Words(); err != nil || n > 0 {
		return err
	}
	return s.KeepByHand(ctx, []KeptByHand{{ID: "1", Keep: true, Made: 1}})
}

// whole wants each shard that is seen to be whole, of one attempt, and a scan that has ended to have all.
func whole(t *testing.T, s *Store) {
	t.Helper()
	shards := map[string]map[string]int{}
	for _, l := range linksSeen(t, s) {
		f := strings.Fields(l)
		of := f[0] + " " + f[1]
		if shards[of] == nil {
			shards[of] = map[string]int{}
		}
		if f[2] == "posts" {
			shards[of][f[3]]++
		}
	}
	for of, attempts := range shards {
		if len(attempts) != 1 {
			t.Fatalf("shard %s: %v", of, attempts)
		}
	}
	for _, table := range slices.Concat([]string{Links, Ranges, Acknowledged, Detections, Transitions, Askeds, KeptsByHand, LinksByHand}, ListTables) {
		there, gone, err := s.Files(table)
		must(t, err)
		must(t, Verify(ctx, append(there, gone...)))
	}
	found, err := s.Detections(ctx)
	must(t, err)
	for _, d := range found {
		for _, list := range []string{Candidates, Kepts} {
			row := rowsOf[keptColumns](t, filepath.Join(s.detectionDir(d.ID), list+suffix))
			if len(row) != 1 || fmt.Sprint(row[0].IDNumber) != d.Run {
				t.Fatalf("%s of %s: %v", list, d.Run, row)
			}
		}
	}
	ended, err := s.Scans(ctx)
	must(t, err)
	if slices.ContainsFunc(ended, func(c Scan) bool { return c.ID == scan1 }) && len(shards) < 2 {
		t.Fatalf("an older scan has lost its links: %v", shards)
	}
}

// inMemory gives a directory where a sync takes no time, if there is one: a killed process needs none.
func inMemory(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "gcfacts-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { must(t, os.RemoveAll(dir)) })
	return dir
}

// TestCrashAtEveryOperation: what readers see is whole at any moment, and whoever goes on gives the same
// facts once, whichever operations came to pass.
func TestCrashAtEveryOperation(t *testing.T) {
	base := inMemory(t)
	for at := 1; ; at++ {
		dir := filepath.Join(base, fmt.Sprint(at), "ledger")
		s := Open(dir)
		write(t, s, scan1, 0, 1)
		must(t, s.Finish(ctx, complete))
		r := rand.New(rand.NewPCG(7, uint64(at)))
		crashed := false
		attempt := 0
		for next := at; ; next = 1 + r.IntN(200) {
			n, dead := 0, false
			s = Open(dir)
			s.before = func(string, ...string) error {
				n++
				if dead = dead || n == next; dead {
					return errDead
				}
				return nil
			}
			attempt++
			err := life(s, attempt)
			whole(t, Open(dir))
			if !dead {
				must(t, err)
				break
			}
			if !errors.Is(err, errDead) {
				t.Fatalf("operation %d: %v", at, err)
			}
			crashed = true
		}
		s = Open(dir)
		if got := linksSeen(t, s); len(got) != 2*4 {
			t.Fatalf("operation %d: %v", at, got)
		}
		for table, want := range map[string]int{Candidates: 1, Kepts: 1, Transitions: 1, Askeds: 1, KeptsByHand: 1, LinksByHand: 0} {
			if are, gone, err := s.Files(table); err != nil || len(are) != want || len(gone) > 0 {
				t.Fatalf("operation %d, %s: %v, %v, %v", at, table, are, gone, err)
			}
		}
		var left []string
		for _, pattern := range []string{"*/*/" + newPrefix + "*", Detections + "/" + newPrefix + "*", "*/*/*.tmp-*", droppedDir + "/*"} /* others the workspace removes */ {
			names, err := filepath.Glob(filepath.Join(dir, pattern))
			must(t, err)
			left = append(left, names...)
		}
		if len(left) > 0 {
			t.Fatalf("operation %d left %v", at, left)
		}
		if !crashed {
			t.Logf("%d operations", at-1)
			return
		}
	}
}

// TestNothingAppearsBeforeItIsOnTheDisk: what a rename shows has been synced, and a rename is synced
// before anything else is done; a power failure may undo all that is not.
func TestNothingAppearsBeforeItIsOnTheDisk(t *testing.T) {
	s := Open(filepath.Join(t.TempDir(), "ledger"))
	write(t, s, scan1, 0)
	dirty := map[string]bool{} // files with bytes, and directories with names, that are not on the disk
	var renamed []string
	s.before = func(op string, paths ...string) error {
		name := paths[0]
		if len(renamed) > 0 {
			if op != "sync-dir" {
				t.Errorf("%s %s before the rename in %v is on the disk", op, name, renamed)
			}
			renamed = slices.DeleteFunc(renamed, func(dir string) bool { return dir == name })
		}
		switch op {
		case "create":
			dirty[name], dirty[filepath.Dir(name)] = true, true
		case "write", "seal":
			dirty[name] = true
		case "sync", "sync-dir":
			delete(dirty, name)
		case "rename":
			for d := range dirty {
				if d == name || strings.HasPrefix(d, name+"/") {
					t.Errorf("%s appears, and %s is not on the disk", paths[1], d)
				}
			}
			renamed = []string{filepath.Dir(paths[1])}
			if from := filepath.Dir(name); from != renamed[0] {
				renamed = append(renamed, from)
			}
		}
		return nil
	}
	must(t, life(s, 1))
	if len(renamed) > 0 {
		t.Errorf("the rename in %v is not on the disk", renamed)
	}
}

// TestFilesTakenAway: a shard of which something is gone does not appear.
func TestFilesTakenAway(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "ledger")
	s := Open(dir)
	w := begin(t, s, scan1, 0)
	must(t, fill(w, "1"))
	must(t, os.RemoveAll(w.dir)) // somebody cleans up
	if err := w.Commit(ctx); err == nil || !strings.Contains(err.Error(), scan1) {
		t.Errorf("%v", err)
	}
	if has, err := s.Has(scan1, 0); has || err != nil {
		t.Error(has, err)
	}
}
