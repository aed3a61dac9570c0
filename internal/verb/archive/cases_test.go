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
	"cooper/internal/store"
	"cooper/internal/store/mem"
)

// when does something at one step at the owner's, once.
func (w *world) when(step string, it func()) {
	w.owner.At = func(s string) {
		if s == step {
			w.owner.At = nil
			it()
		}
	}
}

// before does something before the first request of a kind.
func (w *world) before(op string, it func()) {
	w.Before = func(o string) {
		if o == op {
			w.Before = nil
			it()
		}
	}
}

const (
	stays  = "a=1!"
	waits  = "1 UNLINKED/UNLINKED"
	linked = "1 AVAILABLE/AVAILABLE"
	moved  = "1 ARCHIVED/ARCHIVED"
)

// TestCases: an object of one handle, something happens, and what comes of it.
func TestCases(t *testing.T) {
	available := func(w *world) { w.owner.Statuses[verbtest.Handle("1")] = gcstate.Available }
	for name, c := range map[string]struct {
		versioning, archive string
		happens             func(w *world)
		outcome, statuses   string
		left, archived      string
	}{
		"nothing":                 {outcome: "done", statuses: moved, archived: "lab/a=1 in STANDARD_IA!"},
		"linked before the fence": {happens: func(w *world) { w.when("close", func() { available(w) }) }, outcome: "conflict", statuses: linked, left: stays},
		"set back while it waits": {happens: func(w *world) {
			w.when("settle", func() { available(w); w.owner.sights["1"] = Sight{Why: "link", Linked: true} })
		}, outcome: "conflict", statuses: linked, left: stays},
		"linked as the look sees":     {happens: func(w *world) { w.when("look", func() { w.owner.sights["1"] = Sight{Why: "link", Linked: true} }) }, outcome: "conflict", statuses: linked, left: stays},
		"held as the look sees":       {happens: func(w *world) { w.owner.sights["1"] = Sight{Why: "a hold"} }, outcome: "conflict", statuses: waits, left: stays},
		"asked for":                   {happens: func(w *world) { w.held["1"] = "it was asked for" }, outcome: "conflict", statuses: waits, left: stays},
		"set back while it is copied": {happens: func(w *world) { w.before("CopyObject", func() { available(w) }) }, outcome: "conflict", statuses: linked, left: stays, archived: "lab/a=1 in STANDARD_IA!"},
		"set back as it is to go":     {happens: func(w *world) { w.when("set", func() { available(w) }) }, outcome: "conflict", statuses: linked, left: stays, archived: "lab/a=1 in STANDARD_IA!"},
		"UNLINKED as it is to go": {happens: func(w *world) { w.when("set", func() { w.owner.Statuses[verbtest.Handle("1")] = gcstate.Unlinked }) }, outcome: "conflict", statuses: waits, left: stays,
			archived: "lab/a=1 in STANDARD_IA!"},
		"its row goes as it is to go": {happens: func(w *world) { w.when("set", func() { w.owner.Statuses[verbtest.Handle("1")] = "" }) }, outcome: "conflict", statuses: "1 UNLINKED/", left: stays, archived: "lab/a=1 in STANDARD_IA!"},
		"set back at the last moment": {happens: func(w *world) {
			w.before("CopyObject", func() { w.before("DeleteObjects", func() { available(w) }) })
		}, outcome: "done", statuses: "1 ARCHIVED/AVAILABLE", archived: "lab/a=1 in STANDARD_IA!"}, // which is told
		"another status there":     {happens: func(w *world) { w.owner.Statuses[verbtest.Handle("1")] = "strange" }, outcome: "conflict", statuses: "1 UNLINKED/strange", left: stays},
		"no row any more":          {happens: func(w *world) { w.owner.Statuses[verbtest.Handle("1")] = "" }, outcome: "conflict", statuses: "1 UNLINKED/", left: stays},
		"a transaction that lasts": {happens: func(w *world) { w.owner.settle = &cooper.Error{Kind: cooper.KindTimeout} }, outcome: "timeout", statuses: waits, left: stays},
		"changed in the state": {happens: func(w *world) {
			w.state.Records[verbtest.Handle("1")] = gcstate.Record{Handle: verbtest.Handle("1"), Status: gcstate.Unlinked, Since: 9}
		}, outcome: "changed", statuses: waits, left: stays},
		"something in the way": {happens: func(w *world) { w.Server.Put(depot, "lab/a", []byte("1"), mem.PutOptions{}) }, outcome: "conflict", statuses: waits, left: stays, archived: "lab/a=1!"},
		"something comes in the way": {happens: func(w *world) {
			w.before("CopyObject", func() { w.Server.Put(depot, "lab/a", []byte("x"), mem.PutOptions{}) })
		}, outcome: "conflict", statuses: waits, left: stays, archived: "lab/a=x!"},
		"written again before": {versioning: "Enabled", happens: func(w *world) { w.Server.Put(lab, "a", []byte("2"), mem.PutOptions{}) }, outcome: "changed", statuses: waits, left: "a=2! a=1", archived: "lab/a=1 in STANDARD_IA!"},
		"overwritten before":   {happens: func(w *world) { w.Server.Put(lab, "a", []byte("2"), mem.PutOptions{}) }, outcome: "changed", statuses: waits, left: "a=2!"},
		"written again while it is copied": {versioning: "Enabled", happens: func(w *world) {
			w.before("CopyObject", func() { w.Server.Put(lab, "a", []byte("2"), mem.PutOptions{}) })
		}, outcome: "changed", statuses: waits, left: "a=2! a=1", archived: "lab/a=1 in STANDARD_IA!"},
		"overwritten while it goes": {happens: func(w *world) {
			w.before("CopyObject", func() {
				w.before("DeleteObjects", func() { w.Server.Put(lab, "a", []byte("2"), mem.PutOptions{}) })
			})
		}, outcome: "changed", statuses: waits, left: "a=2!", archived: "lab/a=1 in STANDARD_IA!"},
		"deleted before": {versioning: "Enabled", happens: func(w *world) { w.Server.Delete(lab, "a") }, outcome: "changed", statuses: waits, left: "a deleted! a=1", archived: "lab/a=1 in STANDARD_IA!"},
		"locked": {versioning: "Enabled", happens: func(w *world) {
			w.Server.EnableLock(lab)
			w.Server.Protect(lab, "a", w.Latest("a").VersionID, store.Lock{LegalHold: true})
		}, outcome: "conflict", statuses: waits, left: stays},
		"tags are lost": {happens: func(w *world) {
			w.Server.SetTags(lab, "a", "null", map[string]string{"k": "v"})
			w.Server.SetQuirks(mem.CopyLosesTags)
		}, outcome: "conflict", statuses: waits, left: stays, archived: "lab/a=1 in STANDARD_IA!"},
		"no checksums":      {happens: func(w *world) { w.Server.SetQuirks(mem.ChecksumsIgnored) }, outcome: "done", statuses: moved, archived: "lab/a=1 in STANDARD_IA!"},
		"no condition":      {happens: func(w *world) { w.Server.SetQuirks(mem.CopyNoneIgnored, mem.CopyMatchIgnored) }, outcome: "done", statuses: moved, archived: "lab/a=1 in STANDARD_IA!"},
		"nothing is copied": {happens: func(w *world) { w.Server.SetQuirks(mem.CopyUnknown) }, outcome: "invalid", statuses: waits, left: stays},
		"denied":            {happens: func(w *world) { w.Server.Deny(lab, "a") }, outcome: "denied", statuses: waits, left: stays},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, c.versioning, c.archive, mem.Options{})
			w.Server.Put(lab, "a", []byte("1"), mem.PutOptions{})
			w.archives("a", w.unlinked("1")...)
			w.planned()
			if c.happens != nil {
				c.happens(w)
			}
			outs := w.must()
			if got := bucketoptest.Statuses(outs); got != c.outcome {
				t.Errorf("%s: %+v", got, outs)
			}
			verbtest.Want(t, "left", w.objects(lab), c.left)
			verbtest.Want(t, "archived", w.objects(depot), c.archived)
			verbtest.Want(t, "statuses", w.owner.Tells(), c.statuses)
		})
	}
}

// TestTaken: the workspace was lost between any two steps; another plan takes up what is there.
func TestTaken(t *testing.T) {
	first := newWorld(t, "", "", mem.Options{})
	fill := func(w *world) {
		w.Server.Put(lab, "a", []byte("1"), mem.PutOptions{})
		w.archives("a", w.unlinked("1")...)
		w.planned()
	}
	fill(first)
	first.must()
	for at := range first.Trace {
		w := newWorld(t, "", "", mem.Options{})
		fill(w)
		ctx, cancel := context.WithCancelCause(context.Background())
		w.Cancel, w.CrashAt = cancel, at+1
		err := w.process(ctx)
		cancel(nil)
		if w.objects(lab) == "" {
			// The original has gone: the archive tells all there is to know.
			if !strings.Contains(w.objects(depot), "lab/a=1") || !strings.Contains(w.manifests(), `"handles":[{"id":"1"`) {
				t.Errorf("step %d: %s\n%s", at, w.objects(depot), w.manifests())
			}
			continue
		}
		fresh := newLike(t, w, err)
		fresh.archives("a", gcop.Holder{ID: "1", Status: string(gcstate.Available)})
		fresh.planned()
		verbtest.Want(t, "taken up", bucketoptest.Statuses(fresh.must()), "done")
		verbtest.Want(t, "statuses", fresh.owner.Tells(), moved)
		verbtest.Want(t, "archived", fresh.objects(depot), "lab/a=1 in STANDARD_IA!")
	}
}

// newLike is a world with an empty state and no journal, and the buckets and the owner of another.
func newLike(t *testing.T, of *world, _ error) *world {
	w := newWorld(t, of.versioning[lab], of.versioning[depot], mem.Options{})
	of.Alone(func() { of.Dead = false })
	w.World.Server, w.owner.Statuses = of.Server, of.owner.Statuses
	if w.owner.Statuses[verbtest.Handle("1")] == gcstate.Archiving {
		w.state.Records[verbtest.Handle("1")] = gcstate.Record{Handle: verbtest.Handle("1"), Status: gcstate.Available}
	}
	return w
}

// TestMissing: what is not there changes no row, and too much of it stops.
func TestMissing(t *testing.T) {
	for gone, refused := range map[int]bool{1: false, 2: true} {
		w := newWorld(t, "", "", mem.Options{})
		w.plan.Size = 1000
		for i := range 100 {
			key := string(rune('a'+i/10)) + string(rune('a'+i%10))
			w.Server.Put(lab, key, []byte(key), mem.PutOptions{})
			w.archives(key, w.unlinked(key)...)
		}
		w.planned()
		for i := range gone {
			w.Server.DeleteVersion(lab, string(rune('a'+i))+"a", "null")
		}
		err := w.process(context.Background())
		if refused != (cooper.KindOf(err) == cooper.KindRefused) {
			t.Errorf("%d of 100: %v", gone, err)
		}
		left := strings.Count(w.objects(lab), "!")
		if !refused && left != 0 || refused && left != 98 || strings.Contains(w.owner.Tells(), "ARCHIVING") {
			t.Errorf("%d of 100: %d are left; %s", gone, left, w.owner.Tells())
		}
		if got := strings.Count(w.owner.Tells(), "UNLINKED/UNLINKED"); refused && got != 100 || !refused && got != 1 {
			t.Errorf("%d of 100: %s", gone, w.owner.Tells())
		}
	}
}

// TestStopped: who waits for transactions to end gives back what it has closed as soon as somebody wants it to stop.
func TestStopped(t *testing.T) {
	w := newWorld(t, "", "", mem.Options{})
	w.Server.Put(lab, "a", []byte("1"), mem.PutOptions{})
	w.archives("a", w.unlinked("1")...)
	w.planned()
	w.stop = make(chan struct{})
	w.fence = waiting{w.owner, func() { close(w.stop) }}
	if err := w.process(context.Background()); cooper.KindOf(err) != cooper.KindInterrupted {
		t.Error(err)
	}
	verbtest.Want(t, "statuses", w.owner.Tells(), waits)
	verbtest.Want(t, "left", w.objects(lab), stays)
}

// waiting is a fence before which a transaction does not end.
type waiting struct {
	*owner
	then func()
}

func (w waiting) Settle(ctx context.Context) error {
	w.then()
	<-ctx.Done()
	return context.Cause(ctx)
}

// TestScanned: who waited for a scan goes once there was one, if nobody has opened it since.
func TestScanned(t *testing.T) {
	for _, c := range []struct {
		why, column, statuses, outcome string
		since                          cooper.Instant
		scanned                        bool
	}{
		{"a scan has been", "ARCHIVING", moved, "done", 9, true},
		{"no scan has been", "ARCHIVING", "1 ARCHIVING/ARCHIVING", "deferred", 9, false},
		{"it was opened meanwhile", "UNLINKED", "1 ARCHIVING/ARCHIVING", "deferred", 9, true},
		{"it waits anew since", "ARCHIVING", "1 ARCHIVING/ARCHIVING", "changed", 8, true},
	} {
		w := newWorld(t, "", "", mem.Options{})
		w.Server.Put(lab, "a", []byte("1"), mem.PutOptions{})
		w.state.Records[verbtest.Handle("1")] = gcstate.Record{Handle: verbtest.Handle("1"), Status: gcstate.Archiving, Since: 9, Before: gcstate.Unlinked, Reason: gcop.ReasonWaits + "p-0 (p-1)"}
		w.owner.Statuses[verbtest.Handle("1")] = gcstate.Status(c.column)
		w.owner.sights["1"] = Sight{Blind: "blobs"}
		w.archives("a", gcop.Holder{ID: "1", Status: "ARCHIVING", Since: c.since, Scanned: c.scanned})
		w.planned()
		outs := w.must()
		verbtest.Want(t, c.why, bucketoptest.Statuses(outs), c.outcome)
		verbtest.Want(t, c.why, w.owner.Tells(), c.statuses)
		if anew := w.state.Records[verbtest.Handle("1")].Since != 9; anew != (c.column == "UNLINKED") && c.outcome == "deferred" {
			t.Errorf("%s: it waits since %d", c.why, w.state.Records[verbtest.Handle("1")].Since)
		}
	}
}

// TestReopened: one that was open while it waited for a scan waits anew, wherever the run that found it so has died.
func TestReopened(t *testing.T) {
	reopened := func() *world {
		w := newWorld(t, "", "", mem.Options{})
		w.Server.Put(lab, "a", []byte("1"), mem.PutOptions{})
		w.state.Records[verbtest.Handle("1")] = gcstate.Record{Handle: verbtest.Handle("1"), Status: gcstate.Archiving, Since: 9, Before: gcstate.Unlinked, Reason: gcop.ReasonWaits + "p-0 (p-1)"}
		w.owner.Statuses[verbtest.Handle("1")] = gcstate.Unlinked
		w.owner.sights["1"] = Sight{Blind: "blobs"}
		w.archives("a", gcop.Holder{ID: "1", Status: "ARCHIVING", Since: 9, Scanned: true})
		w.planned()
		return w
	}
	undisturbed := reopened()
	undisturbed.must()
	for at := range undisturbed.Trace {
		w := reopened()
		ctx, cancel := context.WithCancelCause(context.Background())
		w.Cancel, w.CrashAt = cancel, at+1
		err := w.process(ctx)
		cancel(nil)
		died := false
		w.Alone(func() { died = w.Dead })
		if !died && err != nil {
			t.Fatal(err)
		}
		w.CrashAt = 0
		w.Restart()
		step := undisturbed.Trace[at]
		verbtest.Want(t, step, bucketoptest.Statuses(w.must()), "deferred")
		verbtest.Want(t, step, w.objects(lab), stays)
		verbtest.Want(t, step, w.owner.Tells(), "1 ARCHIVING/ARCHIVING")
	}
}

// TestStale: a plan is not carried out once what it rests on is another.
func TestStale(t *testing.T) {
	for why, change := range map[string]func(*world){
		"more was read":      func(w *world) { w.read = gcop.Reads{"p-1": {Ranges: 4}} },
		"a word":             func(w *world) { w.words++ },
		"versioning":         func(w *world) { w.versioning = map[string]string{lab: "Enabled", depot: ""} },
		"nobody to be asked": func(w *world) { w.fence = nil },
	} {
		w := newWorld(t, "", "", mem.Options{})
		w.Server.Put(lab, "a", []byte("1"), mem.PutOptions{})
		w.archives("a", w.unlinked("1")...)
		w.planned()
		change(w)
		if err := w.process(context.Background()); err == nil || w.objects(lab) != stays || w.owner.Tells() != waits {
			t.Errorf("%s: %v", why, err)
		}
	}
}
