package replace

import (
	"context"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"cooper/internal/bucketop"
	"cooper/internal/store/fault"
)

// TestManyAtOnce: many workers, and shards that are compressed while others are
// removed, with somebody writing all the while; killed now and then.
func TestManyAtOnce(t *testing.T) {
	for _, mode := range []bucketop.Mode{bucketop.Suffix, bucketop.InPlace} {
		for _, versioning := range []string{"Enabled", "Suspended", ""} {
			for seed := range soak(t, 2) {
				many(t, mode, versioning, seed, nil)
			}
		}
	}
}

// TestFaults: the same at a store that fails, throttles, breaks off, damages
// what it sends, does things twice and forgets to answer.
func TestFaults(t *testing.T) {
	for _, mode := range []bucketop.Mode{bucketop.Suffix, bucketop.InPlace} {
		for _, versioning := range []string{"Enabled", "Suspended", ""} {
			for seed := range soak(t, 1) {
				many(t, mode, versioning, seed, map[fault.Kind]float64{
					fault.Error: 0.04, fault.SlowDown: 0.02, fault.Drop: 0.04, fault.Cut: 0.04, fault.Flip: 0.06, fault.Twice: 0.1, fault.Lost: 0.08,
				})
			}
		}
	}
}

func many(t *testing.T, mode bucketop.Mode, versioning string, seed uint64, rates map[fault.Kind]float64) {
	t.Helper()
	d := newDisturbed(t, versioning, bucketop.Rewriting{Mode: mode}, seed, 1, 24)
	d.size, d.workers = 5, 8
	at, err := url.Parse(d.URL)
	if err != nil {
		t.Fatal(err)
	}
	proxy, err := fault.New(at, fault.Plan{Seed: seed, Rates: rates, MaxRepeat: 2})
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(proxy)
	defer web.Close()
	defer proxy.Close()
	d.URL = web.URL
	wrong := func() string {
		if w := d.sound(); w != "" {
			return w + "\n" + strings.Join(d.Trace, "\n") + "\n\n" + d.left()
		}
		return ""
	}
	d.Before = func(string) {
		if d.r.IntN(6) == 0 {
			d.meddle()
		}
		if w := wrong(); w != "" && !t.Failed() {
			t.Error(w)
		}
	}
	p := d.planOf(d.plan())
	for range 2 {
		ctx, cancel := context.WithCancelCause(context.Background())
		d.Alone(func() {
			d.Cancel, d.Deaf, d.CrashAt = cancel, d.r.IntN(2) == 0, len(d.Trace)+20+d.r.IntN(60)
		})
		_, err := d.run(ctx, p)
		cancel(nil)
		dead := false
		d.Alone(func() { dead = d.Dead })
		if !dead && err != nil {
			t.Error(err)
		}
		if !dead {
			break
		}
		d.Restart()
	}
	d.Alone(func() { d.CrashAt = 0 })
	d.must(p)
	d.Alone(func() { d.Before = nil })
	proxy.Enable(false) // who reads damaged bytes too often takes them for something else, and leaves them
	for range 2 {
		d.must(d.planOf(d.plan()))
	}
	d.Alone(func() {
		if w := wrong(); w != "" {
			t.Error(w)
		}
		if undone := d.undone(); undone != "" {
			t.Errorf("%s:\n%s", undone, d.left())
		}
	})
	if rates != nil && len(proxy.Log()) < 10 {
		t.Errorf("only %d faults", len(proxy.Log()))
	}
	if t.Failed() {
		t.Fatalf("%s, versioning %q, seed %d", mode, versioning, seed)
	}
}
