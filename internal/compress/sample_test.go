package compress

import (
	"context"
	"fmt"
	"math"
	"reflect"
	"slices"
	"testing"

	"cooper"
	"cooper/internal/bucketop"
	"cooper/internal/inventory/invtest"
	"cooper/internal/plan"
)

// sampledPlan draws a sample of rows.
func sampledPlan(t testing.TB, s *invtest.Snapshot, p Policy, id string, objects int, bytes int64) *recorder {
	t.Helper()
	p.Sampling = &Sampling{Objects: objects, Bytes: bytes, Try: []string{"zstd:3", "zstd:9"}}
	in := Inputs{Snapshot: s, Policy: p, Prices: prices(t), ID: id, Now: now}
	var r recorder
	if _, err := Sample(context.Background(), in, &r); err != nil {
		t.Fatal(err)
	}
	if p.Sampling.Strata != nil {
		t.Error("what was handed in was changed")
	}
	return &r
}

// bucketful is a bucket with text that is large and much, media, and rare things.
func bucketful(n int) *invtest.Snapshot {
	var rows []cooper.Version
	for i := range n {
		name, size := fmt.Sprintf("s/%06d.csv", i), int64(2000+37*(i%2000))
		switch {
		case i%10 == 7:
			name, size = fmt.Sprintf("s/%06d.jpg", i), int64(100_000+i%50_000)
		case i%500 == 3:
			name, size = fmt.Sprintf("s/%06d.JSON", i), 9_000_000
		}
		rows = append(rows, current(name, "1", sized(size)))
	}
	return snapOf(rows...)
}

func TestASample(t *testing.T) {
	s := bucketful(5000)
	s.Rows = append(s.Rows, current("x.zst", "1"), current("rare.weird", "1", sized(600)))
	one, again, other := sampledPlan(t, s, usual(), "p-1", 200, 1<<30), sampledPlan(t, s, usual(), "p-1", 200, 1<<30), sampledPlan(t, s, usual(), "p-2", 200, 1<<30)
	if len(one.Actions) != 200 || !reflect.DeepEqual(one.Actions, again.Actions) || reflect.DeepEqual(one.Actions, other.Actions) {
		t.Errorf("%d objects; the same again: %v; another for another plan: %v", len(one.Actions), reflect.DeepEqual(one.Actions, again.Actions), !reflect.DeepEqual(one.Actions, other.Actions))
	}
	kinds := map[string]int{}
	for i, a := range one.Actions {
		args, err := bucketop.DecodeMeasure(a.Args)
		if err != nil || len(args.Try) != 2 || a.Verb != bucketop.Measure {
			t.Fatalf("%+v: %v", a, err)
		}
		kinds[extension(a.Version.Key)]++
		if i > 0 && one.Actions[i-1].Version.Key >= a.Version.Key {
			t.Fatal("not in order of keys")
		}
	}
	if kinds["json"] != 10 || kinds["jpg"] < 30 || kinds["csv"] < 120 || kinds["weird"] != 1 || kinds["zst"] != 0 {
		t.Errorf("sampled %v", kinds)
	}
	h := one.Head
	p, err := PolicyOf(&h)
	if err != nil {
		t.Fatal(err)
	}
	var all plan.Tally
	month := 0.0
	for _, x := range p.Sampling.Strata {
		all = plan.Tally{Count: all.Count + x.Count, Bytes: all.Bytes + x.Bytes}
		month += x.MonthUSD
	}
	whole, err := planned(t, s, usual())
	if err != nil || !reflect.DeepEqual(whole.Head.Reasons[ReasonPlain], all) || p.Sampling.Whole.Requests["PUT"] != whole.Head.Estimate.Requests["PUT"] {
		t.Errorf("drawn from %+v, the plan has %+v (%v)", all, whole.Head.Reasons, err)
	}
	if rate, _ := prices(t).Rate("STANDARD", ""); math.Abs(month-rate.Months(all.Count, all.Bytes)) > 1e-9 {
		t.Errorf("a month costs %v", month)
	}
	if h.Mission != MissionEstimate || h.Skipped[SkippedCompressed].Count != 1 || h.Estimate.Requests["GET"] != 200 || h.Estimate.Requests["PUT"] != 0 {
		t.Errorf("skipped %v, estimated %+v", h.Skipped, h.Estimate)
	}
}

func TestTheBoundsOfASample(t *testing.T) {
	s := bucketful(5000)
	r := sampledPlan(t, s, usual(), "p-1", 1000, 20<<20)
	var read int64
	for _, a := range r.Actions {
		read += min(a.Version.Size, MeasuredMost)
	}
	if read > 20<<20 || read < 15<<20 || r.Head.Estimate.Bytes != read {
		t.Errorf("%d objects, %d bytes, %d estimated", len(r.Actions), read, r.Head.Estimate.Bytes)
	}
	if r := sampledPlan(t, s, usual(), "p-1", 1, 1); len(r.Actions) != 1 {
		t.Errorf("%d objects", len(r.Actions))
	}
	if r := sampledPlan(t, snapOf(current("a", "1"), current("b", "1")), usual(), "p-1", 1000, 1<<30); r.names() != "(a@1), (b@1)" {
		t.Errorf("of two: %s", r.names())
	}
	if r := sampledPlan(t, snapOf(), usual(), "p-1", 1000, 1<<30); len(r.Actions) != 0 {
		t.Error("of nothing")
	}
	for _, bad := range []Sampling{{Objects: 0, Bytes: 1, Try: []string{"zstd:3"}}, {Objects: 1, Bytes: 0, Try: []string{"zstd:3"}}, {Objects: 1, Bytes: 1}, {Objects: 1, Bytes: 1, Try: []string{"lz4"}}} {
		p := usual(func(p *Policy) { p.Sampling = &bad })
		var r recorder
		if _, err := Sample(context.Background(), Inputs{Snapshot: s, Policy: p, Prices: prices(t), Now: now}, &r); cooper.KindOf(err) != cooper.KindUsage {
			t.Errorf("%+v: %v", bad, err)
		}
	}
}

// TestMemoryOfASample: what is held does not grow with the kinds there are.
func TestMemoryOfASample(t *testing.T) {
	p := usual(func(p *Policy) { p.Sampling = &Sampling{Objects: 100, Bytes: 1 << 30, Try: []string{"zstd:3"}} })
	in := Inputs{Policy: p, Prices: prices(t), ID: "p-1", Now: now}
	s := newSampler(&in)
	for i := range 200_000 {
		v := current(fmt.Sprintf("%d.x%d", i, i%1000), "1", sized(1<<(9+i%20)))
		if err := s.add(cooper.Action{Version: v}); err != nil {
			t.Fatal(err)
		}
		if most := keptMost*(100+len(s.strata)) + 1; s.kept > most {
			t.Fatalf("%d objects are held, %d strata", s.kept, len(s.strata))
		}
	}
	if len(s.strata) > (mostExtensions+1)*20 {
		t.Errorf("%d strata", len(s.strata))
	}
	kept := 0
	for _, st := range s.strata {
		kept += len(st.sample)
	}
	if kept != s.kept || len(s.chosen()) != 100 {
		t.Errorf("%d kept, %d counted, %d chosen", kept, s.kept, len(s.chosen()))
	}
}

func TestNamesOfKinds(t *testing.T) {
	for want, k := range map[string]kind{
		".csv, from 4 KiB":                      {Extension: "csv", Class: "STANDARD", Size: 6},
		"no extension, STANDARD_IA, from 256 B": {Class: "STANDARD_IA", Size: 4},
		"others, from 1 GiB":                    {Extension: "*", Size: 15},
	} {
		if k.String() != want {
			t.Errorf("%q, want %q", k, want)
		}
	}
	for key, want := range map[string]string{"a/b.CSV": "csv", "a.b/c": "", "a.": "", "a.verylongextension": "", "x.tar.gz": "gz", ".hidden": "hidden"} {
		if got := extension(key); got != want {
			t.Errorf("%s: %q", key, got)
		}
	}
	for n, want := range map[int64]int{0: 0, 1: 0, 3: 0, 4: 1, 1024: 5, 4095: 5, 4096: 6, 5 << 40: 21} {
		if got := sizeClass(n); got != want {
			t.Errorf("%d: %d", n, got)
		}
	}
}

// TestSamplesAreFair: of each stratum those are kept that were drawn lowest of
// all there were, also where room for it was made and taken away meanwhile.
func TestSamplesAreFair(t *testing.T) {
	p := usual(func(p *Policy) { p.Sampling = &Sampling{Objects: 50, Bytes: 1 << 30, Try: []string{"zstd:3"}} })
	in := Inputs{Policy: p, Prices: prices(t), ID: "p-1", Now: now}
	s := newSampler(&in)
	drawn := map[kind][]uint64{}
	for i := range 60_000 {
		ext, size := "few", int64(50_000) // at first; then most; and there is more again
		if i%500 != 0 && i/10_000%2 == 0 {
			ext, size = string(rune('a'+i%4+i/10_000*2)), 1<<(8+i/8%8)
		}
		v := current(fmt.Sprintf("%d.%s", i, ext), "1", sized(size))
		if err := s.add(cooper.Action{Version: v}); err != nil {
			t.Fatal(err)
		}
		k := kind{Extension: ext, Class: "STANDARD", Size: sizeClass(size)}
		drawn[k] = append(drawn[k], mix(hash(v.Key, v.VersionID)^s.seed))
	}
	for k, all := range drawn {
		slices.Sort(all)
		st := s.strata[k]
		if len(st.sample) == 0 || st.Count != int64(len(all)) {
			t.Fatalf("%v: %d of %d are held", k, len(st.sample), len(all))
		}
		for i, x := range st.sample {
			if x.draw != all[i] {
				t.Fatalf("%v: number %d of the sample was not drawn as the %d lowest before it", k, i, i)
			}
		}
	}
}
