package abort

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	"cooper/internal/store"
	"cooper/internal/store/mem"
)

// TestCrashes dies after, and before, every request, with somebody sending parts,
// aborting and beginning all the while, and goes on. Nothing to which a part has come may
// go, nothing that the plan does not have; and in the end what was planned is gone.
func TestCrashes(t *testing.T) {
	seeds := 6
	if testing.Short() {
		seeds = 2
	}
	crashes := 0
	for seed := range seeds {
		for at, more := 1, true; more; at++ {
			more = false
			for _, deaf := range []bool{false, true} {
				if crash(t, uint64(seed), at, deaf) {
					crashes++
					more = true
				}
			}
			if t.Failed() {
				t.Fatalf("seed %d, request %d", seed, at)
			}
		}
	}
	if t.Logf("%d crashes", crashes); crashes < 20*seeds {
		t.Error("too few crashes to tell anything")
	}
}

// crash does it once; false if the run was over before.
func crash(t *testing.T, seed uint64, at int, deaf bool) bool {
	w := newWorld(t, mem.Options{PageSize: 3})
	start, r := rand.New(rand.NewPCG(seed, 0)), rand.New(rand.NewPCG(seed, uint64(at)))
	var planned []store.Upload
	for range 3 + start.IntN(5) {
		planned = append(planned, w.begin(fmt.Sprintf("p/%d", start.IntN(3)), long, make([]string, start.IntN(3))...))
	}
	other := w.begin("q", long)
	actions := w.actions()
	young := w.begin("p/1", w.Now())
	touched := map[name]bool{} // by somebody else, while it was there
	w.Before = func(string) {
		u := planned[r.IntN(len(planned))]
		n := name{u.Key, u.UploadID}
		switch r.IntN(12) {
		case 0:
			if w.send("PUT", u.Key, "partNumber=9&uploadId="+u.UploadID, "new") == 200 {
				touched[n] = true
			}
		case 1:
			w.send("DELETE", u.Key, "uploadId="+u.UploadID, "")
			delete(touched, n)
		}
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	w.Cancel, w.CrashAt, w.Deaf = cancel, at, deaf
	dir := t.TempDir()
	_, err := w.commit(ctx, w.target(dir), actions)
	died := false
	w.Alone(func() { died = w.Dead })
	if died != (err != nil) {
		t.Errorf("died: %v, but: %v", died, err)
	}
	if died {
		w.Alone(func() { w.Dead, w.CrashAt = false, 0 })
		if _, err := w.commit(context.Background(), w.target(dir), actions); err != nil {
			t.Errorf("going on: %v", err)
		}
	}
	left := w.there()
	for _, u := range planned {
		n := name{u.Key, u.UploadID}
		// A part that comes between the look at the parts and the abort goes with it: no
		// store can be told to mind. Before that look, it keeps its upload.
		if left[n] && !touched[n] {
			t.Errorf("%v is still there", n)
		}
	}
	if !left[name{young.Key, young.UploadID}] || !left[name{other.Key, other.UploadID}] {
		t.Error("what was not planned has gone")
	}
	return died
}

// TestPartsThatCome: a part that has come when the parts are looked at keeps its upload,
// whenever that was before.
func TestPartsThatCome(t *testing.T) {
	for before := 1; ; before++ {
		w := newWorld(t, mem.Options{})
		u := w.begin("p/a", long, "one")
		actions := w.actions()
		n, looks := 0, 0
		w.Before = func(op string) {
			if n++; n == before && looks == 0 {
				w.part(u, 2, "two")
			}
			if op == "ListParts" {
				looks++
			}
		}
		outs, err := w.commit(context.Background(), w.target(t.TempDir()), actions)
		if err != nil {
			t.Fatal(err)
		}
		if came := before <= 5; came != w.there()[name{u.Key, u.UploadID}] {
			t.Errorf("before request %d: %+v", before, outs)
		}
		if before > 6 {
			return
		}
	}
}
