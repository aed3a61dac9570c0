package archive

import (
	"context"
	"strings"
	"testing"

	"cooper/internal/verb/verbtest"

	"cooper"
	"cooper/internal/bucketop/bucketoptest"
	"cooper/internal/gcop"
	"cooper/internal/gcstate"
	"cooper/internal/store/mem"
)

// left makes handles that a run has left ARCHIVING, of which the owner says what column is.
func (w *world) left(column gcstate.Status, ids ...string) (hs []gcop.Holder) {
	for _, id := range ids {
		w.state.Records[verbtest.Handle(id)] = gcstate.Record{Handle: verbtest.Handle(id), Status: gcstate.Archiving, Since: lately, Before: gcstate.Unlinked, Reason: "archived by p-0"}
		w.owner.Statuses[verbtest.Handle(id)] = column
		hs = append(hs, gcop.Holder{ID: id, Status: string(gcstate.Archiving), Since: lately})
	}
	return hs
}

// givesBack adds an object to the plan whose handles are given back, with all the versions that it has.
func (w *world) givesBack(key string, hs ...gcop.Holder) {
	w.t.Helper()
	if len(w.plan.Head.Phases) == 0 {
		verbtest.Must(w.t, w.plan.Phase(gcop.GiveBack))
	}
	all := w.versionsOf(lab, key)
	for i, v := range all {
		g := gcop.GivenBack{Bucket: lab, Reason: "linked since"}
		if i == 0 {
			g.Versions, g.Handles = len(all), hs
		}
		action, err := g.Action(v)
		verbtest.Must(w.t, err)
		verbtest.Must(w.t, w.plan.Add(action, i == 0))
	}
}

// TestGiveBack: what a run has left ARCHIVING is given back where its bytes are seen in their place, and nobody is moving them.
func TestGiveBack(t *testing.T) {
	const stays = "1 ARCHIVING/ARCHIVING"
	for name, c := range map[string]struct {
		column            gcstate.Status
		linked            bool
		happens           func(w *world)
		outcome, statuses string
	}{
		"closed":                      {outcome: "done done", statuses: waits},
		"closed, and linked":          {linked: true, outcome: "done done", statuses: linked},
		"never closed":                {column: gcstate.Unlinked, outcome: "done done", statuses: waits},
		"never closed, and linked":    {column: gcstate.Unlinked, linked: true, outcome: "done done", statuses: linked},
		"AVAILABLE by its owner":      {column: gcstate.Available, outcome: "done done", statuses: linked},
		"AVAILABLE, and linked":       {column: gcstate.Available, linked: true, outcome: "done done", statuses: linked},
		"its row is gone":             {column: "-", outcome: "done done", statuses: "1 UNLINKED/-"},
		"ARCHIVED by its owner":       {column: gcstate.Archived, outcome: "conflict conflict", statuses: "1 ARCHIVING/ARCHIVED"},
		"another plan is moving":      {happens: func(w *world) { w.moving = []string{"p-0"} }, outcome: "changed changed", statuses: stays},
		"this plan is moving":         {happens: func(w *world) { w.moving = []string{"p-2"} }, outcome: "done done", statuses: waits},
		"an older version has gone":   {happens: func(w *world) { w.Server.DeleteVersion(lab, "a", w.versionsOf(lab, "a")[0].VersionID) }, outcome: "missing missing", statuses: stays},
		"the newest version has gone": {happens: func(w *world) { w.Server.DeleteVersion(lab, "a", w.Latest("a").VersionID) }, outcome: "missing missing", statuses: stays},
		"the store says nothing":      {happens: func(w *world) { w.Server.Deny(lab, "a") }, outcome: "denied denied", statuses: stays},
		"it was written again":        {happens: func(w *world) { w.Server.Put(lab, "a", []byte("3"), mem.PutOptions{}) }, outcome: "done done", statuses: waits},
		"it was fenced anew":          {happens: func(w *world) { w.changed(gcstate.Archiving, 9) }, outcome: "changed changed", statuses: stays},
		"it has arrived":              {happens: func(w *world) { w.changed(gcstate.Archived, 9) }, outcome: "changed changed", statuses: "1 ARCHIVED/ARCHIVING"},
		"it was given back":           {happens: func(w *world) { w.changed(gcstate.Unlinked, 9) }, outcome: "changed changed", statuses: "1 UNLINKED/ARCHIVING"},
		"a person has said a word":    {happens: func(w *world) { w.before("HeadObject", func() { w.words++ }) }, outcome: "changed changed", statuses: stays}, // as the store is probed
		"changed as it is given back": {happens: func(w *world) { w.when("set", func() { w.changed(gcstate.Archived, 9) }) }, outcome: "changed changed", statuses: "1 ARCHIVED/UNLINKED"},
		"AVAILABLE as it is given back": {happens: func(w *world) {
			w.when("set", func() { w.owner.Statuses[verbtest.Handle("1")] = gcstate.Available })
		}, outcome: "done done", statuses: linked},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, "Enabled", "", mem.Options{})
			w.Server.Put(lab, "a", []byte("1"), mem.PutOptions{})
			w.Server.Put(lab, "a", []byte("2"), mem.PutOptions{})
			if c.column == "" {
				c.column = gcstate.Archiving
			}
			hs := w.left(c.column, "1")
			hs[0].Linked = c.linked
			if c.column == "-" {
				w.owner.Statuses[verbtest.Handle("1")] = ""
				c.statuses = strings.TrimSuffix(c.statuses, "-")
			}
			w.givesBack("a", hs...)
			w.planned()
			if c.happens != nil {
				c.happens(w)
			}
			outs := w.must()
			if got := bucketoptest.Statuses(outs); got != c.outcome {
				t.Errorf("%s: %+v", got, outs)
			}
			verbtest.Want(t, "statuses", w.owner.Tells(), c.statuses)
			verbtest.Want(t, "archived", w.objects(depot), "")
		})
	}
}

// changed changes the handle 1 in the state.
func (w *world) changed(to gcstate.Status, since cooper.Instant) {
	w.state.Records[verbtest.Handle("1")] = gcstate.Record{Handle: verbtest.Handle("1"), Status: to, Since: since, Reason: "by another"}
}

// TestGiveBackCrashes dies of every step, and goes on: a handle that may be read or linked has its object, and it comes to what
// an undisturbed run comes to.
func TestGiveBackCrashes(t *testing.T) {
	scene := func() *world {
		w := newWorld(t, "Enabled", "", mem.Options{})
		w.Server.Put(lab, "a", []byte("1"), mem.PutOptions{})
		w.Server.Put(lab, "a", []byte("2"), mem.PutOptions{})
		w.Server.Put(lab, "b", []byte("1"), mem.PutOptions{})
		hs := append(w.left(gcstate.Archiving, "1"), w.left(gcstate.Unlinked, "2")...)
		hs[1].Linked = true
		w.givesBack("a", hs...)
		w.givesBack("b", w.left(gcstate.Available, "3")...)
		w.planned()
		return w
	}
	undisturbed := scene()
	undisturbed.must()
	verbtest.Want(t, "statuses", undisturbed.owner.Tells(), "1 UNLINKED/UNLINKED, 2 AVAILABLE/AVAILABLE, 3 AVAILABLE/AVAILABLE")
	for at := 1; at <= len(undisturbed.Trace); at++ {
		for _, deaf := range []bool{false, true} {
			w := scene()
			ctx, cancel := context.WithCancelCause(context.Background())
			w.Cancel, w.CrashAt, w.Deaf = cancel, at, deaf
			_ = w.process(ctx)
			cancel(nil)
			w.CrashAt = 0
			w.Restart()
			verbtest.Must(t, w.process(context.Background()))
			verbtest.Want(t, undisturbed.Trace[at-1], w.comes(), undisturbed.comes())
		}
	}
}
