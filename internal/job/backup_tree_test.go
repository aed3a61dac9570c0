package job

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"cooper"
	"cooper/internal/backup"
	"cooper/internal/tree"
	"cooper/internal/tree/adopt"
	"cooper/internal/tree/adopt/adopttest"
	"cooper/internal/tree/audit"
	"cooper/internal/tree/rebuild"
)

func TestRestore(t *testing.T) {
	w, first := backedUp(t)
	s := &Restore{Dir: w.path("tree"), Snapshot: first, To: w.path("out")}
	r, err := s.Run(t.Context(), w.Env)
	r = w.went(r, err, backup.MissionRestore)
	w.same("what was restored", w.files("out"), "a: a 1", "b: b 1", "c: c 1")
	w.same("facts", w.facts(r.Plan.ID), "copyout done a", "copyout done b", "copyout done c")

	// What is in the way is a failure, and the mission knows the next step.
	s.Snapshot, s.Keys = "", []string{"a"}
	r, err = s.Run(t.Context(), w.Env)
	if !errors.Is(err, ErrSomeFailed) || r.Applied.Count(cooper.Failed) != 1 || !strings.Contains(r.Words.Next[cooper.KindConflict], "--replace") {
		t.Errorf("%v, %+v", err, r)
	}
	// So is what is not there.
	s.Keys, s.Replace = []string{"a", "nowhere"}, true
	r, err = s.Run(t.Context(), w.Env)
	if !errors.Is(err, ErrSomeFailed) || r.Applied.Count(cooper.Done) != 1 || !w.heard("asked for by name: 2; found: 1") {
		t.Errorf("%v, %+v", err, r)
	}
	w.same("what was restored", w.files("out"), "a: a 2", "b: b 1", "c: c 1")
}

// TestRestoreTakenUpAgain: what a restore lacks is told by whoever goes on with its plan.
func TestRestoreTakenUpAgain(t *testing.T) {
	w, _ := backedUp(t)
	for name, s := range map[string]*Restore{
		"a key":      {Keys: []string{"a", "nowhere"}},
		"a version":  {Version: "nosuch"},
		"everything": {Prefix: "none/"},
	} {
		s.Dir, s.To, s.PlanOnly = w.path("tree"), w.path("out"), true
		r, err := s.Run(t.Context(), w.Env)
		w.ok(err)
		r, err = Apply(t.Context(), w.Env, r.Plan.ID, Options{})
		if !errors.Is(err, ErrSomeFailed) || r.Applied == nil || !r.Applied.Finished {
			t.Errorf("%s: %v, %+v", name, err, r.Applied)
		}
	}
}

func TestRestoreToABucket(t *testing.T) {
	w, _ := backedUp(t)
	w.store.CreateBucket("other", "")
	s := &Restore{Dir: w.path("tree"), To: "s3://lab/back/"}
	_, err := s.Run(t.Context(), w.Env)
	w.refused(err, cooper.KindRefused) // its own bucket
	s.To, s.PlanOnly = "s3://other/back/", true
	r, err := s.Run(t.Context(), w.Env)
	w.ok(err)
	r, err = Apply(t.Context(), w.Env, r.Plan.ID, Options{})
	w.went(r, err, backup.MissionRestore)
	var keys []string
	for _, v := range w.store.Versions("other") {
		body, _ := w.store.Body("other", v.Key, v.VersionID)
		keys = append(keys, v.Key+": "+string(body))
	}
	w.same("the bucket", keys, "back/a: a 2", "back/c: c 1")
}

func TestRollback(t *testing.T) {
	w, first := backedUp(t)
	b := &Rollback{Dir: w.path("tree"), To: first}
	r, err := b.Run(t.Context(), w.Env)
	r = w.went(r, err, backup.MissionRollback)
	w.mirror("a: a 1", "b: b 1", "c: c 1")
	w.same("facts", w.facts(r.Plan.ID), "promote done a", "promote done b", "retire done a")
	// Tonight's backup does not undo it.
	_, err = w.backup().Run(t.Context(), w.Env)
	w.refused(err, cooper.KindRefused)
	forward := w.backup()
	forward.Policy.Forward = true
	r, err = forward.Run(t.Context(), w.Env)
	w.went(r, err, backup.Mission)
	w.mirror("a: a 2", "c: c 1")
}

// TestRollbackAcrossAPrune: a mirror that would not be as it was takes a person's word,
// and the result tells what was left out.
func TestRollbackAcrossAPrune(t *testing.T) {
	w := prunable(t)
	p := w.prune()
	p.Yes = true
	r, err := p.Run(t.Context(), w.Env)
	w.went(r, err, backup.MissionPrune)
	tr, err := OpenTree(w.Env, p.Dir)
	w.ok(err)
	b := &Rollback{Dir: p.Dir, To: tr.State().Observed[0].ID}
	w.ok(tr.Close())
	r, err = b.Run(t.Context(), w.Env)
	w.refused(err, cooper.KindRefused)
	if r.Plan != nil {
		t.Errorf("%+v", r)
	}
	b.PlanOnly = true
	r, err = b.Run(t.Context(), w.Env)
	w.ok(err)
	r, err = Apply(t.Context(), w.Env, r.Plan.ID, Options{})
	if !errors.Is(err, ErrSomeFailed) || r.Applied == nil || !r.Applied.Finished {
		t.Fatalf("%v, %+v", err, r)
	}
	w.same("notes", r.Notes, "2 versions left out, as the tree does not have the bytes: --fetch gets them")
}

// prune is one of what was superseded more than 30 days ago; time has passed.
func (w *world) prune() *Prune {
	return &Prune{Dir: w.path("tree"), What: backup.Prune{Policy: backup.Policy{Archived: backup.ArchivedDefer, ShareLimit: 1}, OlderThan: 30 * 24 * time.Hour}}
}

// prunable is a world with a tree in whose history two versions are old enough.
func prunable(t *testing.T) *world {
	w, _ := backedUp(t)
	w.later(90 * 24 * time.Hour)
	r, err := w.backup().Run(t.Context(), w.Env)
	w.went(r, err, backup.Mission)
	if n := len(w.files("tree/history")); n != 2 {
		t.Fatalf("%d files in history", n)
	}
	return w
}

func TestPrune(t *testing.T) {
	w := prunable(t)
	p := w.prune()
	r, err := p.Run(t.Context(), w.Env)
	w.refused(err, cooper.KindRefused) // nobody is there
	if r.Plan == nil || !r.Refused(err) {
		t.Errorf("%+v", r)
	}
	w.answer = func(string) bool { return false }
	r, err = p.Run(t.Context(), w.Env)
	w.ok(err)
	if n := len(w.files("tree/history")); n != 2 || r.Plan != nil || !w.heard("1 nothing was deleted; cooper apply p-") {
		t.Errorf("after a no: %d files, %+v", n, r)
	}
	// The lock is given back while a person thinks.
	w.answer = func(string) bool {
		tr, err := tree.Open(p.Dir, tree.Options{Clock: w.clock})
		w.ok(err)
		_, unlock, err := tr.Lock(t.Context(), tree.Holder{Run: "r-1", Command: "test"})
		w.ok(errors.Join(err, unlock(), tr.Close()))
		return true
	}
	r, err = p.Run(t.Context(), w.Env)
	r = w.went(r, err, backup.MissionPrune)
	w.same("asked", w.asked, "Delete 2 versions (6 B) for good?", "Delete 2 versions (6 B) for good?")
	w.same("facts", w.facts(r.Plan.ID), "prune done a", "prune done b")
	if got := w.files("tree/history"); len(got) != 0 || !strings.HasSuffix(w.shown[len(w.shown)-1], "whole") {
		t.Errorf("in history: %v; shown: %v", got, w.shown)
	}
	r, err = p.Run(t.Context(), w.Env)
	if w.ok(err); r.Nothing != "Nothing is to be deleted." || r.Applied != nil {
		t.Errorf("%+v", r)
	}
}

// TestPruneOfATreeThatChanged: what a person has consented to is of the tree as it was.
func TestPruneOfATreeThatChanged(t *testing.T) {
	w := prunable(t)
	w.answer = func(string) bool {
		w.put("3", "c")
		r, err := w.backup().Run(t.Context(), w.Env)
		w.went(r, err, backup.Mission)
		return true
	}
	_, err := w.prune().Run(t.Context(), w.Env)
	w.refused(err, cooper.KindRefused)
	if n := len(w.files("tree/history")); n != 3 {
		t.Errorf("%d files in history", n)
	}
}

// TestPruneConfirmed: the share stop wants the digest of what was shown.
func TestPruneConfirmed(t *testing.T) {
	w := prunable(t)
	p := w.prune()
	p.What.Policy.ShareLimit, p.Yes = 0.1, true
	r, err := p.Run(t.Context(), w.Env)
	w.refused(err, cooper.KindRefused)
	if r.Plan == nil {
		t.Fatal("no plan is told of")
	}
	p.Confirm = r.Plan.Confirmation()
	r, err = p.Run(t.Context(), w.Env)
	w.went(r, err, backup.MissionPrune)
	p.Confirm = "0123456789ab"
	_, err = p.Run(t.Context(), w.Env)
	w.refused(err, cooper.KindRefused)
}

// rebuilt is a world with a tree whose catalog was lost and made again: nobody has looked
// at any of its versions.
func rebuilt(t *testing.T) *world {
	w, _ := backedUp(t)
	w.ok(os.RemoveAll(w.path("tree/.cooper/catalog")))
	var shown rebuild.Result
	b := &Rebuild{Dir: w.path("tree"), Source: Source{Snapshot: "latest"}, Foreign: func(string) error { return errors.New("foreign") },
		Show: func(r *rebuild.Result, _ bool) error { shown = *r; return nil }}
	_, err := b.Run(t.Context(), w.Env)
	w.refused(err, cooper.KindRefused) // nobody is there
	w.answer = func(string) bool { return true }
	r, err := b.Run(t.Context(), w.Env)
	w.ok(err)
	w.same("asked", w.asked, "Make this the tree's catalog?")
	if !r.Done || r.Mirror.Count != 2 || r.History.Count != 2 || shown.Mirror != r.Mirror || r.Snapshot == "" {
		t.Fatalf("%+v, shown %+v", r, shown)
	}
	return w
}

func TestRebuildAndVerify(t *testing.T) {
	w := rebuilt(t)
	v := &Verify{Dir: w.path("tree"), Content: true, Found: func(x audit.Finding) error { return errors.New(x.Detail) }}
	r, err := v.Run(t.Context(), w.Env)
	w.ok(err)
	if r.Verified != 4 || len(r.Problems) != 0 || r.Applied != nil {
		t.Errorf("%+v", r)
	}
	w.same("facts", w.facts(w.begun[len(w.begun)-1]), "verify done a", "verify done a", "verify done b", "verify done c")
}

// TestVerifyRepairs: what is missing, damaged or foreign is found, and mended; the facts
// of the look and of the repair both are in the ledger.
func TestVerifyRepairs(t *testing.T) {
	w := rebuilt(t)
	mirror := w.path("tree/mirror/")
	info, err := os.Stat(mirror + "/a")
	w.ok(err)
	w.ok(os.WriteFile(mirror+"/a", []byte("b 2"), 0o600))
	w.ok(os.Chtimes(mirror+"/a", info.ModTime(), info.ModTime()))
	w.ok(os.Remove(mirror + "/c"))
	w.ok(os.WriteFile(mirror+"/foreign", nil, 0o600))
	found := map[audit.Problem]int{}
	v := &Verify{Dir: w.path("tree"), Content: true, Found: func(x audit.Finding) error { found[x.Problem]++; return nil }}
	if r, err := v.Run(t.Context(), w.Env); !errors.Is(err, ErrSomeFailed) || len(r.Problems) != 3 {
		t.Errorf("%v, %+v", err, r)
	}
	v.Repair = true
	r, err := v.Run(t.Context(), w.Env)
	w.ok(err)
	if r.Applied.Count(cooper.Done) != 2 || r.Applied.Mission != backup.MissionRepair {
		t.Errorf("%+v", r.Applied)
	}
	if found[audit.Corrupt] != 2 || found[audit.Missing] != 2 || found[audit.Foreign] != 2 {
		t.Errorf("found %v", found)
	}
	w.mirror("a: a 2", "c: c 1")
	n := len(w.begun)
	w.same("facts of the look", w.facts(w.begun[n-2]), "verify done a", "verify failed c")
	w.same("facts of the repair", w.facts(w.begun[n-1]), "fetch done a", "fetch done c")
}

func TestForget(t *testing.T) {
	w, first := backedUp(t)
	var shown []string
	f := &Forget{Dir: w.path("tree"), Snapshot: "latest", Show: func(n *backup.Forgotten) error { shown = append(shown, n.Snapshot); return nil }}
	_, err := f.Run(t.Context(), w.Env)
	w.refused(err, cooper.KindRefused)
	w.answer = func(string) bool { return false }
	r, err := f.Run(t.Context(), w.Env)
	if w.ok(err); r.Done || !w.heard("1 nothing was changed") {
		t.Errorf("%+v", r)
	}
	second := r.Snapshot
	w.answer = func(string) bool { // meanwhile the tree changes
		r, err := w.backup().Run(t.Context(), w.Env)
		w.went(r, err, backup.Mission)
		return true
	}
	_, err = f.Run(t.Context(), w.Env)
	w.refused(err, cooper.KindRefused)
	w.answer = func(string) bool { return true }
	f.Snapshot = second
	r, err = f.Run(t.Context(), w.Env)
	w.ok(err)
	w.same("asked", w.asked[2:], "Forget snapshot "+second+"?")
	if !r.Done || len(shown) != 4 || shown[3] != second {
		t.Errorf("%+v, shown %v", r, shown)
	}
	tr, err := OpenTree(w.Env, f.Dir)
	w.ok(err)
	defer tr.Close()
	if o := tr.State().Observed; len(o) != 2 || o[0].ID != first || o[1].ID == second {
		t.Errorf("the tree has followed %+v", o)
	}
	w.same("facts", w.rows("SELECT concat_ws(' ', mission, status) FROM run WHERE mission = ?", backup.MissionForget), "forget finished")
}

func TestAdopt(t *testing.T) {
	w := emptyLab(t, "")
	const md5 = "0cc175b9c0f1b6a831c399e269772661" // of the letter a
	w.ok(adopttest.Write(w.path("tree"), []adopttest.Version{{Key: "k", ID: adopttest.ID("v1"), ETag: md5, Content: "a", Time: time.Date(2024, 3, 1, 8, 0, 0, 0, time.UTC), Latest: true}}))
	w.ok(os.WriteFile(w.path("tree/stray"), nil, 0o600))
	var left []string
	a := &Adopt{Dir: w.path("tree"), Left: func(l adopt.Left) error { left = append(left, l.Path); return nil }}
	a.PlanOnly = true
	r, err := a.Run(t.Context(), w.Env)
	if w.ok(err); r.Latest.Count != 1 || HasTree(a.Dir) {
		t.Errorf("%+v", r)
	}
	a.PlanOnly = false
	r, err = a.Run(t.Context(), w.Env)
	if w.ok(err); r.Latest.Count != 1 || !HasTree(a.Dir) {
		t.Errorf("%+v", r)
	}
	w.same("left", left, "stray", "stray")
	v := &Verify{Dir: a.Dir, Content: true, Found: func(audit.Finding) error { return nil }}
	if got, err := v.Run(t.Context(), w.Env); !errors.Is(err, ErrSomeFailed) || got.Verified != 1 || got.Problems[audit.Foreign] != 1 {
		t.Errorf("%v, %+v", err, got)
	}
}
