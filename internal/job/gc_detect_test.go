package job

import (
	"strings"
	"testing"
	"time"

	"cooper"
	"cooper/internal/gc"
)

func (w *world) detect() *GCDetect {
	return &GCDetect{Config: w.path("cooper.yaml"), Options: Options{Jobs: 4}}
}

// transitions are all that were told, in the order of time.
func (w *world) transitions() []string {
	w.t.Helper()
	return w.rows("SELECT concat_ws(' ', id, from_status, to_status, reason) FROM gc_transition ORDER BY since, id")
}

// TestDetect: what is marked, and when nothing is.
func TestDetect(t *testing.T) {
	w := newPlatform(t)
	w.declare(platformYAML + "detect: {scans: 2, apart: 0s}\n")
	_, err := w.detect().Run(t.Context(), w.Env)
	w.refused(err, cooper.KindMissing) // no scan
	_, err = w.scan(false).Run(t.Context(), w.Env)
	w.ok(err)
	r, err := w.detect().Run(t.Context(), w.Env)
	w.ok(err)
	if r.Nothing == "" || r.Applied != nil || !strings.Contains(r.Detected.Waits, "one more") || len(r.Detected.Unknown) != 2 {
		t.Errorf("after one of two scans: %+v", r.Detected)
	}
	_, err = w.scan(false).Run(t.Context(), w.Env)
	w.ok(err)
	_, err = w.detect().Run(t.Context(), w.Env)
	w.refused(err, cooper.KindRefused) // nobody is there
	w.answer = func(string) bool { return false }
	r, err = w.detect().Run(t.Context(), w.Env)
	if w.ok(err); r.Plan != nil || !w.heard("nothing was marked; cooper apply") {
		t.Errorf("after a no: %+v, %v", r, w.told)
	}
	w.same("marked after a no", w.transitions())
	if w.list("missing"); !w.heard("missing is unknown of the bucket app: there is no inventory") {
		t.Errorf("a list of what is not known: %v", w.told)
	}

	// What is planned does not outlive what it rests on.
	d := w.detect()
	d.PlanOnly = true
	stale := func(why string) {
		t.Helper()
		_, err := Apply(t.Context(), w.Env, r.Plan.ID, Options{Jobs: 1})
		if w.refused(err, cooper.KindRefused); err == nil || !strings.Contains(cooper.RemedyOf(err), "gc detect") {
			t.Errorf("%s: %v", why, err)
		}
	}
	planned := func() {
		t.Helper()
		r, err = d.Run(t.Context(), w.Env)
		w.ok(err)
	}
	planned()
	w.declare(platformYAML + "detect: {scans: 2, apart: 0s}\nprotect: [{prefix: k/}]\n")
	stale("a prefix is protected since")
	w.declare(platformYAML + "detect: {scans: 2, apart: 0s}\n")
	_, err = w.scan(true).Run(t.Context(), w.Env) // a plan alone has read nothing
	w.ok(err)
	_, err = w.scan(false).Run(t.Context(), w.Env)
	w.ok(err)
	stale("the database was scanned since")
	planned()
	w.Clock = func() time.Time { return time.Now().Add(15 * 24 * time.Hour) }
	_, err = Apply(t.Context(), w.Env, r.Plan.ID, Options{Jobs: 1, AnyAge: true})
	if w.refused(err, cooper.KindRefused); err == nil || !strings.Contains(err.Error(), "more than 14 days old") {
		t.Errorf("an old scan: %v", err)
	}
	w.Clock = time.Now
	w.same("marked", w.transitions())

	w.answer = func(string) bool { return true }
	r, err = w.detect().Run(t.Context(), w.Env)
	w.went(r, err, gc.MissionDetect)
	w.same("asked", w.asked[len(w.asked)-1:], "Mark 1 handle as UNLINKED?")
	w.same("marked", w.transitions(), "3 AVAILABLE UNLINKED no link in 2 complete scans")
	r, err = w.detect().Run(t.Context(), w.Env)
	if w.ok(err); r.Nothing == "" {
		t.Errorf("a second look: %+v", r)
	}
	// Whatever links to it brings it back, also a scan that is not complete.
	w.sql("UPDATE posts SET file_id = 3 WHERE id = 3; ALTER TABLE files ADD note text")
	if _, err = w.detect().Run(t.Context(), w.Env); cooper.KindOf(err) != cooper.KindRefused {
		t.Errorf("other tables: %v", err)
	}
	w.sql("ALTER TABLE files DROP note")
	_, err = w.scan(false).Run(t.Context(), w.Env)
	w.ok(err)
	r, err = w.detect().Run(t.Context(), w.Env)
	w.went(r, err, gc.MissionDetect)
	w.same("asked", w.asked[len(w.asked)-1:], "Mark 1 handle as AVAILABLE again?")
	if got := w.transitions(); len(got) != 2 || !strings.HasPrefix(got[1], "3 UNLINKED AVAILABLE linked in p-") {
		t.Errorf("transitions: %v", got)
	}
	x, err := (&GCExplain{Config: w.path("cooper.yaml"), Handle: "3"}).Run(t.Context(), w.Env)
	w.ok(err)
	if x.Verdict.Is != "linked again" && x.Verdict.Is != "linked" || len(x.History) != 2 || x.Scans[0].Links != 1 || x.Scans[1].Links != 0 {
		t.Errorf("explained: %+v", x)
	}
	if _, err := (&GCExplain{Config: w.path("cooper.yaml"), Handle: ""}).Run(t.Context(), w.Env); cooper.KindOf(err) != cooper.KindUsage {
		t.Error(err)
	}
}
