package compress

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"

	"cooper"
	"cooper/internal/plan"
	"cooper/internal/price"
)

// headerOf is that of a sample's plan.
func headerOf(t testing.TB, p Policy, s Sampling) *plan.Header {
	t.Helper()
	s.Prices = prices(t)
	p.Sampling = &s
	b, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	return &plan.Header{ID: "p-1", Mission: MissionEstimate, Policy: b}
}

func tried(v cooper.Version, share float64, seconds float64) Measured {
	return Measured{Version: v, Trials: []cooper.Trial{{Codec: "zstd:3", Stored: int64(share * float64(v.Size)), Nanos: int64(seconds * 1e9)}}}
}

func near(a, b float64) bool { return math.Abs(a-b) <= 1e-6*max(math.Abs(a), math.Abs(b), 1e-9) }

// TestArithmetic goes through an estimate by hand.
func TestArithmetic(t *testing.T) {
	const gb = 1 << 30
	h := headerOf(t, usual(), Sampling{
		Try:   []string{"zstd:3"},
		Whole: plan.Estimate{Requests: map[string]int64{price.Get: 1e6, price.Put: 1e6, price.KMS: 1e6}},
		Strata: []Stratum{
			{kind{"csv", "STANDARD", "", 5}, plan.Tally{Count: 100, Bytes: 10 * gb}, 0.23},
			{kind{"jpg", "STANDARD", "", 5}, plan.Tally{Count: 10, Bytes: 5 * gb}, 0.115},
			{kind{"bin", "STANDARD", "", 5}, plan.Tally{Count: 1, Bytes: 2 * gb}, 0.046}, // nothing was measured of it
		},
		EarlyUSD: 0.5, RetrievalUSD: 0.25,
	})
	facts := []Measured{
		tried(current("a.csv", "1", sized(1250)), 0.2, 1e-5), tried(current("b.csv", "1", sized(2000)), 0.3, 2e-5), tried(current("c.csv", "1", sized(2000)), 0.25, 2e-5),
		tried(current("a.jpg", "1", sized(1250)), 0.99, 1e-5), // saves too little
		{Version: current("b.jpg", "1", sized(3000))},         // was not even tried
	}
	r, err := Evaluate(h, facts, 1, Pace{Objects: 5, Bytes: 9500, Seconds: 2, Cores: 2})
	if err != nil {
		t.Fatal(err)
	}
	o := r.Codecs[0]
	csv, all := (250.+600+500)/5250, (250.+600+500+1250+3000)/9500
	after := 10*gb*csv + 5*gb + 2*gb*all
	if !near(o.After.Value, after) || !near(o.Ratio.Value, 17*gb/after) {
		t.Errorf("afterwards %v bytes, want %v; ratio %v", o.After.Value, after, o.Ratio.Value)
	}
	// Of csv a residual for each object; jpg has none; bin goes by what all have in common.
	squares := math.Pow(250-1250*csv, 2) + math.Pow(600-2000*csv, 2) + math.Pow(500-2000*csv, 2)
	spread := (math.Pow(0.2-csv, 2) + math.Pow(0.3-csv, 2) + math.Pow(0.25-csv, 2)) / 3
	sigma := math.Sqrt(100*97./3*squares/2 + 1*(1-0)/1.*spread*4*gb*gb)
	if margin := o.After.High - o.After.Value; !near(margin, student(3)*sigma) || !near(o.Ratio.Low, 17*gb/o.After.High) {
		t.Errorf("give or take %v, want %v", margin, student(3)*sigma)
	}
	if o.Left.Count != 10 || o.Left.Bytes != 5*gb+int64(math.Round(2*gb*4250./9500)) {
		t.Errorf("left %+v", o.Left)
	}
	month := 0.23*csv + 0.115 + 0.046*all
	once := 0.4 + 5 + 3 + 0.5 + 0.25
	if !near(r.MonthUSD, 0.391) || !near(o.MonthUSD, month) || !near(o.SavesUSD, 0.391-month) || !near(r.OnceUSD, once) || !near(r.KMSUSD, 3) || o.BreakEven == nil || !near(*o.BreakEven, once/(0.391-month)) {
		t.Errorf("a month %v, afterwards %v, once %v, break-even %v", r.MonthUSD, o.MonthUSD, r.OnceUSD, o.BreakEven)
	}
	core := 10*gb*5e-5/5250 + 5*gb*1e-5/4250 + 2*gb*6e-5/9500
	if !near(o.CoreSeconds, core) {
		t.Errorf("%v seconds of a core, want %v", o.CoreSeconds, core)
	}
	// Two seconds for 9,500 bytes: what the store answers takes longest.
	if want := (2 - 6e-5/2) * (17*gb + after - float64(o.Left.Bytes)) / 9500; !near(o.Seconds, want) {
		t.Errorf("%v seconds, want %v", o.Seconds, want)
	}
	if r.Chosen.Count != 111 || r.Sample.Count != 5 || r.Failed != 1 || !strings.Contains(strings.Join(r.Assumed, "\n"), "1 objects of 2147483648 bytes are of kinds") {
		t.Errorf("%+v", r)
	}
}

func TestWhatDoesNotPay(t *testing.T) {
	one := Sampling{Try: []string{"zstd:3"}, Strata: []Stratum{{kind{"", "STANDARD_IA", "", 4}, plan.Tally{Count: 10, Bytes: 10_000}, 1}}}
	fact := []Measured{tried(current("a", "1", class("STANDARD_IA")), 0.2, 0)}
	// Both are charged as 128 KiB.
	r, err := Evaluate(headerOf(t, usual(), one), fact, 0, Pace{})
	if err != nil || r.Codecs[0].SavesUSD != 0 || r.Codecs[0].BreakEven != nil || !near(r.Codecs[0].Ratio.Value, 5) {
		t.Errorf("%+v, %v", r, err)
	}
	r, err = Evaluate(headerOf(t, usual(keep), one), fact, 0, Pace{})
	if err != nil || !near(r.Codecs[0].SavesUSD, -1) || r.Codecs[0].BreakEven != nil {
		t.Errorf("the originals stay: %+v, %v", r.Codecs, err)
	}
	if _, err := Evaluate(headerOf(t, usual(), one), nil, 10, Pace{}); cooper.KindOf(err) != cooper.KindInvalid {
		t.Errorf("nothing measured: %v", err)
	}
	if r, err := Evaluate(headerOf(t, usual(), Sampling{Try: []string{"zstd:3"}}), nil, 0, Pace{}); err != nil || r.Codecs[0].After.Value != 0 {
		t.Errorf("nothing to compress: %+v, %v", r, err)
	}
	if _, err := Evaluate(&plan.Header{Mission: Mission, Policy: json.RawMessage("{}")}, nil, 0, Pace{}); cooper.KindOf(err) != cooper.KindInvalid {
		t.Errorf("no sample: %v", err)
	}
}

// TestTheTruthIsInside draws many samples of one bucket: on average they hit the
// truth, and the intervals hold it as often as they say.
func TestTheTruthIsInside(t *testing.T) {
	s := bucketful(2500)
	share := func(v *cooper.Version) float64 {
		switch extension(v.Key) {
		case "jpg":
			return 1
		case "json":
			return 0.1 + float64(hash(v.Key)%100)/1000
		}
		return 0.2 + float64(hash(v.Key)%200)/1000 + 200/float64(v.Size)
	}
	var truth float64
	for i := range s.Rows {
		truth += float64(int64(share(&s.Rows[i]) * float64(s.Rows[i].Size)))
	}
	const draws = 200
	inside, mean := 0, 0.0
	for n := range draws {
		rec := sampledPlan(t, s, usual(), fmt.Sprint("p-", n), 150, 1<<30)
		var facts []Measured
		for _, a := range rec.Actions {
			facts = append(facts, tried(a.Version, share(&a.Version), 0))
		}
		r, err := Evaluate(&rec.Head, facts, 0, Pace{})
		if err != nil {
			t.Fatal(err)
		}
		after := r.Codecs[0].After
		mean += after.Value / draws
		if after.Low <= truth && truth <= after.High {
			inside++
		}
	}
	// 95 % of 200 is 190, give or take 3.1.
	if math.Abs(mean/truth-1) > 0.003 || inside < 180 || inside > 199 {
		t.Errorf("on average %.4f of the truth, which is inside %d times of %d", mean/truth, inside, draws)
	}
}

func TestStudent(t *testing.T) {
	for freedom, want := range map[int]float64{5: 2.571, 10: 2.228, 30: 2.042, 1000: 1.962} {
		if got := student(freedom); math.Abs(got-want) > 0.03 {
			t.Errorf("%d: %.3f, want %.3f", freedom, got, want)
		}
	}
}

func TestSamplesKnowTheirStrata(t *testing.T) {
	s := Sampling{Strata: []Stratum{{kind: kind{Extension: "csv", Class: "STANDARD", Size: 4}}, {kind: kind{Extension: "*", Class: "STANDARD", Size: 4}}}}
	groups := grouped(&s, []Measured{{Version: current("a.csv", "1")}, {Version: current("a.rare", "1")}, {Version: current("a.odd", "1", sized(500_000))}})
	if len(groups[0].facts) != 1 || len(groups[1].facts) != 1 {
		t.Errorf("%+v", groups)
	}
}

func TestVariance(t *testing.T) {
	g := &gathered{Stratum: Stratum{Tally: plan.Tally{Count: 100, Bytes: 100_000}}}
	for _, c := range []struct{ n, squares, spread, want float64 }{
		{4, 30, 9, 100 * 96 / 4. * 30 / 3},
		{100, 30, 9, 0},                      // all of them
		{1, 0, 0.01, 100 * 99 * 0.01 * 1e6},  // by what all differ by
		{0, 0, 0.01, 100 * 100 * 0.01 * 1e6}, // and likewise
	} {
		if got := varianceOf(g, c.n, c.squares, c.spread); !near(got, c.want) {
			t.Errorf("%+v: %v", c, got)
		}
	}
}
