package remove

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"cooper"
	"cooper/internal/store/mem"
	"cooper/internal/verb/verbtest"
)

// history fills a bucket by chance.
func history(w *world, r *rand.Rand, versioning string) {
	for _, state := range verbtest.States(versioning) {
		w.Server.SetVersioning("lab", state)
		for range 4 + r.IntN(8) {
			key := fmt.Sprintf("p/%d", r.IntN(4))
			if r.IntN(4) == 0 {
				w.Server.Delete("lab", key)
			} else {
				w.put(key, fmt.Sprint("old ", r.Uint64()))
			}
		}
	}
}

// current gives what a reader gets, by key; nothing for what is deleted.
func (w *world) current() map[string]string {
	now := map[string]string{}
	for _, v := range w.Server.Versions("lab") {
		if body, ok := w.Server.Body("lab", v.Key, v.VersionID); ok && v.Latest && !v.DeleteMarker {
			now[v.Key] = string(body)
		}
	}
	return now
}

// never tells that no key shows anything but what it showed before the purge,
// what was written since, or nothing.
func (w *world) never(t *testing.T, when string, before map[string]string) {
	t.Helper()
	for key, body := range w.current() {
		if body != before[key] && !strings.HasPrefix(body, "new ") {
			t.Errorf("%s: %s shows %q again, which is older than %q", when, key, body, before[key])
		}
	}
}

// TestCrashes dies after, and before, every request, with somebody writing to
// the bucket all the while, and goes on. Nothing old must ever become current,
// nothing new may be lost, and in the end what was planned is gone.
func TestCrashes(t *testing.T) {
	seeds := 12
	if testing.Short() {
		seeds = 3
	}
	crashes := 0
	for _, versioning := range []string{"Enabled", "Suspended", ""} {
		for seed := range seeds {
			for at, more := 1, true; more; at++ {
				for _, deaf := range []bool{false, true} {
					if more = crash(t, versioning, uint64(seed), at, deaf); more {
						crashes++
					}
				}
				if t.Failed() {
					t.Fatalf("versioning %q, seed %d, request %d", versioning, seed, at)
				}
			}
		}
	}
	t.Logf("%d crashes", crashes)
}

// crash does it once; false if the run was over before.
func crash(t *testing.T, versioning string, seed uint64, at int, deaf bool) bool {
	r := rand.New(rand.NewPCG(seed, uint64(at)))
	w := newWorld(t, versioning, mem.Options{PageSize: 5})
	history(w, rand.New(rand.NewPCG(seed, 0)), versioning)
	before, actions := w.current(), w.actions("p/", versioning)
	if len(actions) == 0 {
		return false
	}
	written := map[string]string{} // what the writer wrote last, by key; its own overwriting aside
	w.Before = func(string) {
		w.never(t, "during", before)
		if r.IntN(2) == 0 {
			key := fmt.Sprintf("p/%d", r.IntN(4))
			written[key] = fmt.Sprint("new ", r.Uint64())
			w.put(key, written[key])
		}
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	w.Cancel, w.CrashAt, w.Deaf = cancel, at, deaf
	dir := t.TempDir()
	_, err := w.commit(ctx, w.target(dir, versioning), actions)
	died := false
	w.Alone(func() { died = w.Dead })
	if died != (err != nil) {
		t.Errorf("died: %v, but: %v", died, err)
	}
	w.never(t, "after the crash", before)
	if died {
		w.Alone(func() { w.Dead, w.CrashAt = false, 0 }) // a request of the dead one may still be on its way
		if _, err := w.commit(context.Background(), w.target(dir, versioning), actions); err != nil {
			t.Errorf("going on: %v", err)
		}
	}
	w.never(t, "in the end", before)
	left := map[string]cooper.Version{}
	for _, v := range w.Server.Versions("lab") {
		left[v.Key+"@"+v.VersionID] = v
	}
	for i := range actions {
		v := &actions[i].Version
		if now, there := left[v.Key+"@"+v.VersionID]; there && now.ETag == v.ETag && now.LastModified == v.LastModified {
			if now.Latest || v.VersionID != cooper.NullVersion {
				t.Errorf("%s@%s is still there:\n%s", v.Key, v.VersionID, w.left())
			}
		}
	}
	now := w.current()
	for key, body := range written {
		if now[key] != body {
			t.Errorf("%s shows %q, but the last upload was %q:\n%s", key, now[key], body, strings.Join(w.Trace, "\n"))
		}
	}
	return died
}
