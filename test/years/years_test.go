package years

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"
)

var (
	theSeed   = flag.Int64("years.seed", -1, "only this world")
	theTenant = flag.Int("years.tenant", -1, "only this tenant of it does anything")
	theDays   = flag.Int("years.days", days, "until this day")
	manyOf    = flag.Int("years.tenants", 20, "tenants of a world")
	worlds    = flag.Int("years.worlds", 1, "worlds")
)

// TestYears lets two years go by, for many platforms.
func TestYears(t *testing.T) {
	first, n := uint64(1), *worlds
	if s := os.Getenv("COOPER_SOAK"); s != "" {
		many, err := strconv.Atoi(s)
		if err != nil {
			t.Fatal(err)
		}
		n *= many
	}
	if *theSeed >= 0 {
		first, n = uint64(*theSeed), 1
	}
	for seed := first; seed < first+uint64(n); seed++ {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			began := time.Now()
			w := newWorld(t.TempDir(), seed, *manyOf)
			w.only, w.until = *theTenant, *theDays
			if err := w.run(); err != nil {
				t.Errorf("seed %d, day %d: %v", seed, w.day, err)
			}
			t.Logf("%+v: %d files, %d archived, %d restored, %d kills, %d busy; %v in %s", w.kind, len(w.p.files), w.archives, w.restored, w.kills, w.busy, w.counts, time.Since(began).Round(time.Second))
			for _, f := range slices.Sorted(maps.Keys(w.failures)) {
				t.Logf("  %d times %s", w.failures[f], f)
			}
			for i := range w.faults {
				f := &w.faults[i]
				t.Errorf("-years.seed %d -years.tenants %d -years.tenant %d -years.days %d: %s\n  %s", seed, w.tenants, f.tenant, f.day+1, f.text, f.trace)
				if i == 2 {
					break
				}
			}
		})
	}
}
