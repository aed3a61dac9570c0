package replace

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"

	"cooper"
	"cooper/internal/bucketop"
	"cooper/internal/permit"
	"cooper/internal/store"
	"cooper/internal/store/mem"
	"cooper/internal/verb/verbtest"
)

// disturbed is a world in which somebody else writes, and what may be expected
// of it.
type disturbed struct {
	*world
	r     *rand.Rand
	keys  int    // how many there may be
	state string // the bucket's versioning at this moment
	// latest is what the last upload of a key held; nothing once it was deleted.
	latest map[string]string
	// lost are contents of which an instance was destroyed by somebody else.
	lost map[string]bool
	// theirs are uploads of others beside the originals, as they are stored.
	theirs map[string]string
	// touched: somebody has written or deleted beside the original, or deleted it.
	touched map[string]bool
	ever    map[string]bool // all contents there ever were
}

func newDisturbed(t testing.TB, versioning string, rw bucketop.Rewriting, seed, more uint64, keys int) *disturbed {
	w := newWorld(t, versioning, rw, mem.Options{PageSize: 3})
	d := &disturbed{
		world: w, keys: keys, r: rand.New(rand.NewPCG(seed, 0)),
		latest: map[string]string{}, lost: map[string]bool{}, theirs: map[string]string{}, touched: map[string]bool{}, ever: map[string]bool{},
	}
	for _, state := range verbtest.States(versioning) {
		w.Server.SetVersioning("lab", state)
		d.state = state
		for range keys/2 + d.r.IntN(3) {
			d.upload(d.key())
		}
		if d.r.IntN(3) == 0 {
			d.meddle()
		}
	}
	d.r = rand.New(rand.NewPCG(seed, more))
	return d
}

func (d *disturbed) key() string { return fmt.Sprintf("p/%d", d.r.IntN(d.keys)) }

// destroys notes that what is current at key is about to be overwritten or
// deleted for good.
func (d *disturbed) destroys(key string) {
	for _, v := range d.Server.Versions("lab") {
		// In a suspended bucket a null version goes, wherever it stands.
		if v.Key != key || v.VersionID != cooper.NullVersion || d.state == enabled {
			continue
		}
		if body, ok := d.Server.Body("lab", key, v.VersionID); ok {
			d.lost[plainOf(body)] = true
		}
	}
}

func (d *disturbed) upload(key string) {
	content := fmt.Sprint("new ", d.r.Uint64())
	if old := d.latest[key]; old != "" && d.r.IntN(5) == 0 {
		content = old // the same bytes again
	}
	d.destroys(key)
	d.put(key, content)
	d.latest[key], d.ever[content] = content, true
}

// meddle does something to a bucket that somebody may do.
func (d *disturbed) meddle() {
	key := d.key()
	switch beside := key + suffix; d.r.IntN(8) {
	case 0, 1, 2, 3:
		d.upload(key)
	case 4:
		d.destroys(key)
		d.Server.Delete("lab", key)
		if d.rw.Mode == bucketop.InPlace {
			delete(d.latest, key)
		}
		d.touched[key] = true
	case 5, 6:
		d.destroys(beside)
		content := compressed(fmt.Sprint("theirs ", d.r.Uint64()))
		if mine := d.latest[key]; mine != "" && d.r.IntN(2) == 0 {
			content = compressed(mine) // as an older application would
		}
		d.put(beside, content)
		d.theirs[beside], d.touched[key], d.ever[plainOf([]byte(content))] = content, true, true
	case 7:
		d.destroys(beside)
		d.Server.Delete("lab", beside)
		delete(d.theirs, beside)
		d.touched[key] = true
	}
}

// sound tells what is wrong with the bucket, whatever the moment; nothing if
// nothing is.
func (d *disturbed) sound() string {
	there := map[string]bool{}
	for _, v := range d.Server.Versions("lab") {
		if body, ok := d.Server.Body("lab", v.Key, v.VersionID); ok {
			there[plainOf(body)] = true
		}
	}
	for content := range d.ever {
		if !there[content] && !d.lost[content] {
			return fmt.Sprintf("%q is nowhere", content)
		}
	}
	for beside, content := range d.theirs {
		if now, _ := d.Server.Body("lab", beside, ""); string(now) != content {
			return fmt.Sprintf("%s shows %q, but somebody else wrote %q there", beside, now, content)
		}
	}
	for key, want := range d.latest {
		now, ok := d.current(key)
		if ok && now == want || d.touched[key] && (!ok || now == want) {
			continue
		}
		if beside, _ := d.current(key + suffix); d.rw.Mode == bucketop.Suffix && !ok && beside == want {
			continue
		}
		return fmt.Sprintf("%s shows %q, %v, but the last upload was %q", key, now, ok, want)
	}
	return ""
}

// undone tells of a key that could be compressed and is not.
func (d *disturbed) undone() string {
	for _, a := range d.plan() {
		beside, ok := d.Server.Body("lab", a.Version.Key+suffix, "")
		original, _ := d.Server.Body("lab", a.Version.Key, "")
		switch {
		case d.rw.Mode == bucketop.Suffix && ok && plainOf(beside) != plainOf(original): // something else is there
		case d.rw.Mode == bucketop.Suffix && d.versioning == "Suspended" && d.hidesNull(a.Version.Key+suffix):
		default:
			return a.Version.Key + " could be compressed"
		}
	}
	return ""
}

// hidesNull tells whether a key has a null version that is not current.
func (d *disturbed) hidesNull(key string) bool {
	for _, v := range d.Server.Versions("lab") {
		if v.Key == key && v.VersionID == cooper.NullVersion && !v.Latest {
			return true
		}
	}
	return false
}

// soak is how many seeds a test goes through: COOPER_SOAK multiplies them.
func soak(t *testing.T, seeds int) uint64 {
	if s := os.Getenv("COOPER_SOAK"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil {
			t.Fatal(err)
		}
		return uint64(n * seeds)
	}
	return uint64(seeds)
}

// step is how far a crash is from the next: in a long run all are tried.
func step() int {
	if os.Getenv("COOPER_SOAK") != "" {
		return 1
	}
	return 3
}

// TestCrashes dies at every request and every file operation, before and after
// it, lets the machine forget what was not synced, and goes on, with somebody
// writing to the bucket all the while. At no moment may a content be missing that
// nobody else has destroyed, or a newer upload; and in the end all is compressed.
func TestCrashes(t *testing.T) {
	crashes := 0
	for _, mode := range []bucketop.Mode{bucketop.Suffix, bucketop.InPlace} {
		for _, versioning := range []string{"Enabled", "Suspended", ""} {
			for seed := range soak(t, 2) {
				for at, more := 1+int(seed), true; more; at += step() {
					more = crash(t, mode, versioning, seed, at)
					if more {
						crashes++
					}
					if t.Failed() {
						t.Fatalf("%s, versioning %q, seed %d, event %d", mode, versioning, seed, at)
					}
				}
			}
		}
	}
	t.Logf("%d crashes", crashes)
}

// crash does it once; false if the run was over before.
func crash(t *testing.T, mode bucketop.Mode, versioning string, seed uint64, at int) bool {
	d := newDisturbed(t, versioning, bucketop.Rewriting{Mode: mode}, seed, uint64(at), 4)
	p := d.planOf(d.plan())
	if len(p.Actions) == 0 {
		return false
	}
	check := func(when string) {
		if wrong := d.sound(); wrong != "" && !t.Failed() {
			t.Errorf("%s: %s\n%s\n\n%s", when, wrong, strings.Join(d.Trace, "\n"), d.left())
		}
	}
	check("before")
	d.Before = func(string) {
		check("during")
		if d.r.IntN(3) == 0 {
			d.meddle()
			check("after meddling")
		}
	}
	died := false
	d.CrashAt, d.Deaf = at, d.r.IntN(2) == 0
	for range 1 + d.r.IntN(2) { // going on may be interrupted, too
		ctx, cancel := context.WithCancelCause(context.Background())
		d.Cancel = cancel
		_, err := d.run(ctx, p)
		cancel(nil)
		if !d.Dead && err != nil {
			t.Errorf("died: %v, but: %v\n%s", d.Dead, err, strings.Join(d.Trace, "\n"))
		}
		check("after the crash")
		if !d.Dead {
			break
		}
		died = true
		d.Restart()
		d.CrashAt = len(d.Trace) + 1 + d.r.IntN(40)
	}
	d.CrashAt = 0
	d.must(p)
	check("in the end")
	d.Before = nil
	if outs := d.Outcomes(p); len(outs) != len(p.Actions) {
		t.Errorf("%d facts about %d actions", len(outs), len(p.Actions))
	}
	for range 2 { // what changed meanwhile is for new plans
		d.must(d.planOf(d.plan()))
	}
	check("later")
	if undone := d.undone(); undone != "" {
		t.Errorf("%s:\n%s\n\n%s", undone, strings.Join(d.Trace, "\n"), d.left())
	}
	d.noProbes()
	return died
}

// noProbes: nothing is left of what the store was tried out on.
func (w *world) noProbes() {
	w.t.Helper()
	if left := w.left(); strings.Contains(left, store.ProbeName) {
		w.t.Errorf("left:\n%s", left)
	}
	b, done := w.open()
	defer done()
	err := b.Uploads(context.Background(), "", func(us []store.Upload) error {
		w.t.Errorf("unfinished uploads: %+v", us)
		return nil
	})
	if err != nil {
		w.t.Error(err)
	}
}

// TestCrashesOfProbes dies at every request and file operation of the probes, that of
// parts, too: the next run, whatever its plan, leaves nothing of them. The ways to die
// take turns, so that each event has one; in a long run it has all.
func TestCrashesOfProbes(t *testing.T) {
	for _, c := range []struct {
		versioning string
		rw         bucketop.Rewriting
	}{{"Enabled", suffixed}, {"", suffixed}, {"", inPlace}, {"Suspended", suffixed}} {
		for way := range 4 {
			at := 1 + way%step()
			for died := true; died; at += step() {
				died = crashOfProbes(t, c.versioning, c.rw, at, way)
				if t.Failed() {
					t.Fatalf("versioning %q, %s, event %d", c.versioning, c.rw.Mode, at)
				}
			}
			if at < 15 {
				t.Errorf("only %d events", at)
			}
		}
	}
}

func crashOfProbes(t *testing.T, versioning string, rw bucketop.Rewriting, at, way int) bool {
	w := newWorld(t, versioning, rw, mem.Options{})
	w.put("p/k", "1")
	first, second := w.planOf(w.plan()), w.planOf(w.plan())
	w.Runs += way % 2 // whether the machine dies, too
	w.CrashAt, w.Deaf = at, way/2 == 0
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	w.Cancel = cancel
	b, done := w.open()
	tg := w.target(b)
	err := tg.Begin(ctx, permit.Issue("r-0"), first.Head)
	if err == nil {
		err = tg.SeeParts(ctx)
	}
	done()
	died := false
	w.Alone(func() { died = w.Dead })
	if !died && err != nil {
		t.Error(err)
	}
	w.Restart()
	w.CrashAt = 0
	w.must(second)
	w.noProbes()
	return died
}
