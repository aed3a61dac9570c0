package job

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cooper"
	"cooper/internal/gc"
	"cooper/internal/gcstate"
)

// unlinked is a platform whose handle 3 nothing links to, scanned once, which is enough here.
func unlinked(t *testing.T) *world {
	w := newPlatform(t)
	w.declare(platformYAML + "detect: {scans: 1, apart: 0s}\n")
	_, err := w.scan(false).Run(t.Context(), w.Env)
	w.ok(err)
	w.answer = func(string) bool { return true }
	return w
}

func (w *world) keep(release bool, handles ...string) error {
	_, err := (&GCKeep{Config: w.path("cooper.yaml"), Handles: handles, Release: release, Person: "ann", Reason: "audit"}).Run(w.t.Context(), w.Env)
	return err
}

func (w *world) link(unlink bool, object string) error {
	_, err := (&GCLink{Config: w.path("cooper.yaml"), Handle: "3", Object: object, Type: "print", Unlink: unlink, Person: "ann"}).Run(w.t.Context(), w.Env)
	return err
}

// marked looks, marks, and tells what was marked in all.
func (w *world) marked() []string {
	w.t.Helper()
	_, err := w.detect().Run(w.t.Context(), w.Env)
	w.ok(err)
	return w.transitions()
}

// TestWordsOfPersons: what a person keeps, or says is linked, is not marked until he takes it back.
func TestWordsOfPersons(t *testing.T) {
	w := unlinked(t)
	w.refused(w.keep(false, "3", "4711"), cooper.KindMissing)
	w.same("kept", w.rows("SELECT concat(id, keep) FROM gc_kept_by_hand"))
	w.refused(w.keep(false, ""), cooper.KindUsage)
	w.ok(w.keep(false, "3", "3"))
	w.same("marked though kept", w.marked())
	w.ok(w.link(false, "report 7"))
	w.ok(w.keep(true, "3"))
	w.same("marked though linked by hand", w.marked())
	w.ok(w.link(true, "another")) // takes nothing back
	w.same("marked though linked by hand", w.marked())
	w.ok(w.link(true, "report 7"))
	w.same("marked", w.marked(), "3 AVAILABLE UNLINKED no link in a complete scan")

	all, err := (&GCHistory{Config: w.path("cooper.yaml"), Handle: "3"}).Run(t.Context(), w.Env)
	w.ok(err)
	var said []string
	for i := range all {
		if all[i].What != "listed" {
			said = append(said, all[i].Said())
		}
		if i > 0 && all[i].At < all[i-1].At {
			t.Errorf("out of order: %+v", all)
		}
	}
	w.same("history", said, "kept by hand: audit, says ann", "linked by hand, from report 7 (print), says ann", "released by hand: audit, says ann",
		"unlinked by hand, from another (print), says ann", "unlinked by hand, from report 7 (print), says ann", "AVAILABLE to UNLINKED: no link in a complete scan")
}

// TestLinkWithRegistry: where the owner has a registry of links, none stands elsewhere.
func TestLinkWithRegistry(t *testing.T) {
	w := unlinked(t)
	w.declare(platformYAML + "registry: {table: links, handle: file_id, object: o, linked: l, unlinked: u}\n")
	w.refused(w.link(false, "report 7"), cooper.KindRefused)
	w.same("linked", w.rows("SELECT id FROM gc_linked_by_hand"))
}

// TestStateLost: a state that is lost, old or damaged is refused until it is made anew, and what was
// marked begins to be so then, never earlier.
func TestStateLost(t *testing.T) {
	w := unlinked(t)
	file := filepath.Join(w.Env.Workspace, "gc", "state.db")
	read := func() []byte {
		t.Helper()
		b, err := os.ReadFile(file)
		w.ok(err)
		return b
	}
	w.ok(w.keep(false, "3"))
	w.marked()
	empty := read()
	w.ok(w.keep(true, "3"))
	w.same("marked", w.marked(), "3 AVAILABLE UNLINKED no link in a complete scan")
	marked := read()
	since := func() cooper.Instant {
		t.Helper()
		x, err := (&GCExplain{Config: w.path("cooper.yaml"), Handle: "3"}).Run(t.Context(), w.Env)
		w.ok(err)
		if x.Status != string(gcstate.Unlinked) || !strings.Contains(x.Reason, "no link") {
			t.Errorf("explained: %+v", x)
		}
		return x.Since
	}
	refused := func(kind cooper.Kind) {
		t.Helper()
		_, err := w.detect().Run(t.Context(), w.Env)
		if w.refused(err, kind); err == nil || !strings.Contains(cooper.RemedyOf(err), "cooper gc rebuild") {
			t.Errorf("%v", err)
		}
	}
	rebuilt := func() {
		t.Helper()
		r, err := (&GCRebuild{}).Run(t.Context(), w.Env)
		w.ok(err)
		if !r.Made || r.Records[gcstate.Unlinked] != 1 || len(r.Records) != 1 {
			t.Errorf("rebuilt: %+v", r)
		}
		if now := since(); now < r.At {
			t.Errorf("UNLINKED since %s, and made anew at %s", now, r.At)
		}
	}
	first := since()

	w.ok(os.Remove(file))
	refused(cooper.KindRefused)
	rebuilt()
	if since() <= first {
		t.Error("what was made anew is due as before")
	}
	w.ok(os.WriteFile(file, marked, 0o600))
	refused(cooper.KindRefused) // one from before
	rebuilt()
	w.ok(os.WriteFile(file, empty, 0o600))
	refused(cooper.KindRefused)
	rebuilt()
	w.ok(os.WriteFile(file, []byte("no database at all, and long enough to be taken for one, it might be said"), 0o600))
	refused(cooper.KindInvalid)
	rebuilt()
	w.answer = func(string) bool { return false }
	r, err := (&GCRebuild{}).Run(t.Context(), w.Env)
	if w.ok(err); r.Made || w.asked[len(w.asked)-1] == "" {
		t.Errorf("made anew after a no: %+v", r)
	}
	at := since()
	// Nothing is left to be marked, and what links to it brings it back.
	w.answer = func(string) bool { return true }
	w.sql("UPDATE posts SET file_id = 3 WHERE id = 3")
	_, err = w.scan(false).Run(t.Context(), w.Env)
	w.ok(err)
	d, err := w.detect().Run(t.Context(), w.Env)
	w.went(d, err, gc.MissionDetect)
	all := w.transitions()
	if last := all[len(all)-1]; !strings.HasPrefix(last, "3 UNLINKED AVAILABLE") || at == 0 {
		t.Errorf("transitions: %v", all)
	}
	// What was UNLINKED once is no reason to refuse an empty state.
	w.ok(os.Remove(file))
	_, err = w.detect().Run(t.Context(), w.Env)
	w.ok(err)
}
