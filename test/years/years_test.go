package years

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

var (
	theSeed    = flag.Int64("years.seed", -1, "only this world")
	theTenant  = flag.Int("years.tenant", -1, "only this tenant of it does anything")
	theDays    = flag.Int("years.days", days, "until this day")
	theEvery   = flag.Int("years.every", 0, "days from one look to the next; 0: as the world has it")
	theWithout = flag.String("years.without", "", "what does not happen, with commas: "+strings.Join(happenings, ","))
	tenants    = flag.Int("years.tenants", 0, "tenants of a world")
	shrinks    = flag.Bool("years.shrink", false, "leave out what a failure does not need, which takes as many runs")
)

// happenings are what may be left out.
var happenings = []string{"kills", "stops", "meanwhile", "lies", "clocks", "bring", "columns", "pins", "malformed", "keeps", "compress"}

// run is a world, and how it goes by.
type run struct {
	seed                        uint64
	tenants, only, until, every int
	without                     []string
}

// String is what to say to go by it again.
func (r *run) String() string {
	s := fmt.Sprintf("-years.seed %d -years.tenants %d -years.every %d -years.tenant %d -years.days %d", r.seed, r.tenants, r.every, r.only, r.until)
	if len(r.without) > 0 {
		s += " -years.without " + strings.Join(r.without, ",")
	}
	return s
}

func (r *run) world(t *testing.T) *world {
	t.Helper()
	w := newWorld(t.TempDir(), r.seed, r.tenants)
	w.only, w.until = r.only, r.until
	if r.every > 0 {
		w.kind.every = r.every
	}
	for _, x := range r.without {
		w.without[x] = true
	}
	if err := w.run(); err != nil {
		t.Errorf("%s, day %d: %v", r, w.day, err)
	}
	return w
}

// of is the run that leads to a fault of this one.
func (r run) of(f *fault) run {
	r.only, r.until = f.tenant, days
	if f.day < days {
		r.until = f.day + 1
	}
	return r
}

// shrunk leaves out what a fault does not need.
func (r run) shrunk(t *testing.T) (run, *world) {
	var last *world
	fails := func(r run) bool {
		w := r.world(t)
		if len(w.faults) > 0 {
			last = w
		}
		return len(w.faults) > 0
	}
	if alone := r; !fails(alone) {
		r.only = -1
	}
	for _, x := range happenings {
		less := r
		if less.without = append(slices.Clone(r.without), x); !slices.Contains(r.without, x) && fails(less) {
			r = less
		}
	}
	return r, last
}

// TestYears lets two years go by, for many tenants.
func TestYears(t *testing.T) {
	one := run{seed: 1, tenants: 40, only: *theTenant, until: *theDays, every: 60}
	worlds := uint64(1)
	if s := os.Getenv("COOPER_SOAK"); s != "" {
		n, err := strconv.ParseUint(s, 10, 16)
		if err != nil {
			t.Fatal(err)
		}
		worlds, one.tenants, one.every = n, 200, 0
	}
	if *theSeed >= 0 {
		one.seed, one.every = uint64(*theSeed), 0
	}
	if *tenants > 0 {
		one.tenants = *tenants
	}
	if *theEvery > 0 {
		one.every = *theEvery
	}
	if *theWithout != "" {
		one.without = strings.Split(*theWithout, ",")
	}
	for seed := one.seed; seed < one.seed+worlds; seed++ {
		r := one
		r.seed = seed
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			began := time.Now()
			w := r.world(t)
			t.Logf("%+v: %d tenants, %d files, %d archived, %d restored, %d kills, %d that nothing mends; %v in %s", w.kind, w.tenants, len(w.p.files), w.archives, w.restored, w.kills, len(w.loose), w.counts, time.Since(began).Round(time.Second))
			for _, f := range slices.Sorted(maps.Keys(w.failures)) {
				t.Logf("  %d times %s", w.failures[f], f)
			}
			for i := range min(3, len(w.faults)) {
				f := &w.faults[i]
				to := r.of(f)
				t.Errorf("%s: %s\n  %s", &to, f.text, f.trace)
			}
			if len(w.faults) > 0 && *shrinks {
				least, last := r.of(&w.faults[0]).shrunk(t)
				t.Logf("the least that fails: %s", &least)
				if last != nil {
					t.Logf("%s\n  %s", last.faults[0].text, last.faults[0].trace)
				}
			}
		})
	}
}
