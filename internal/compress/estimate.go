package compress

import (
	"fmt"
	"math"

	"cooper"
	"cooper/internal/bucketop"
	"cooper/internal/codec"
	"cooper/internal/plan"
	"cooper/internal/price"
)

// Measured is what a sampled object came to; without trials, it is not worth it
// whatever the codec.
type Measured struct {
	Version cooper.Version
	Trials  []cooper.Trial
}

// Pace is how fast a sample was measured.
type Pace struct {
	Objects int64
	Bytes   int64   // read
	Seconds float64 // of everything
	Cores   int     // at work, and for the whole, too
}

// Interval is an estimate, and where the truth lies with a probability of 95 %.
type Interval struct {
	Value float64 `json:"value"`
	Low   float64 `json:"low"`
	High  float64 `json:"high"`
}

// Result is what compressing would come to.
type Result struct {
	Plan     string         `json:"plan"`
	Target   string         `json:"target"`
	Snapshot string         `json:"snapshot"`
	TakenAt  cooper.Instant `json:"taken_at"`
	// Chosen is what would be read to be compressed; Sample what was read of it,
	// and Failed how many of the sample could not be.
	Chosen plan.Tally `json:"chosen"`
	Sample plan.Tally `json:"sample"`
	Failed int64      `json:"failed"`
	// Codecs has the one that was asked for first.
	Codecs []Outlook `json:"codecs"`
	// Requests and what they cost once, in dollars; KMSUSD is the part of it for
	// requests to KMS.
	Requests     map[string]int64 `json:"requests"`
	RequestsUSD  float64          `json:"requests_usd"`
	KMSUSD       float64          `json:"kms_usd"`
	EarlyUSD     float64          `json:"early_usd"`
	RetrievalUSD float64          `json:"retrieval_usd"`
	OnceUSD      float64          `json:"once_usd"` // all of these
	MonthUSD     float64          `json:"month_usd"`
	Prices       string           `json:"prices"`
	Assumed      []string         `json:"assumed"`
}

// Outlook is what one codec would come to.
type Outlook struct {
	Codec string   `json:"codec"`
	Ratio Interval `json:"ratio"` // how many times smaller everything chosen gets
	After Interval `json:"after"` // bytes
	// Left are objects that would be read, and left as they are.
	Left     plan.Tally `json:"left"`
	MonthUSD float64    `json:"month_usd"` // afterwards
	SavesUSD float64    `json:"saves_usd"` // a month
	// BreakEven is after how many months what it costs once is saved; nil: never.
	BreakEven *float64 `json:"break_even_months,omitempty"`
	// Seconds is how long it takes; CoreSeconds how long one core would take to
	// encode and to prove.
	Seconds     float64 `json:"seconds"`
	CoreSeconds float64 `json:"core_seconds"`
}

// writesASecond is what S3 takes for each prefix before it splits it.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/optimizing-performance.html
const writesASecond = 3500

// Evaluate tells from the facts about a sample what the whole would come to. h
// is the sample's plan. Each stratum is taken for what its sampled objects are;
// one without any for what all of them are. KindInvalid if the plan is none of
// Sample's, or nothing could be measured though there is something to compress.
func Evaluate(h *plan.Header, facts []Measured, failed int64, pace Pace) (Result, error) {
	policy, err := PolicyOf(h)
	if err != nil {
		return Result{}, err
	}
	s := policy.Sampling
	if s == nil || s.Prices == nil {
		return Result{}, &cooper.Error{Kind: cooper.KindInvalid, Where: "plan " + h.ID, Message: "it samples nothing"}
	}
	prices := s.Prices
	r := Result{Plan: h.ID, Target: h.Target.Path, Failed: failed, Requests: s.Whole.Requests, RequestsUSD: prices.Cost(s.Whole.Requests, 0),
		KMSUSD:   prices.Cost(map[string]int64{price.KMS: s.Whole.Requests[price.KMS]}, 0),
		EarlyUSD: s.EarlyUSD, RetrievalUSD: s.RetrievalUSD, Prices: prices.Name()}
	if h.Snapshot != nil {
		r.Snapshot, r.TakenAt = h.Snapshot.ID, h.Snapshot.TakenAt
	}
	r.OnceUSD = r.RequestsUSD + r.EarlyUSD + r.RetrievalUSD
	for _, st := range s.Strata {
		r.Chosen = r.Chosen.Plus(st.Tally)
		r.MonthUSD += st.MonthUSD
	}
	for i := range facts {
		r.Sample = r.Sample.Add(facts[i].Version.Size)
	}
	if r.Chosen.Count > 0 && len(facts) == 0 {
		return r, &cooper.Error{Kind: cooper.KindInvalid, Where: "plan " + h.ID, Message: fmt.Sprintf("none of the sampled objects could be measured: %d failed", failed),
			Remedy: fmt.Sprintf(`See why: cooper ledger sql "SELECT key, kind, message FROM outcome WHERE plan = '%s' AND status = 'failed'"`, h.ID)}
	}
	groups := grouped(s, facts)
	for _, name := range s.Try {
		want, err := codec.ParseCompression(name)
		if err != nil {
			return r, err
		}
		o := outlook(&policy, groups, want, prices)
		o.Codec = name
		if o.SavesUSD = r.MonthUSD - o.MonthUSD; o.SavesUSD > 0 {
			months := r.OnceUSD / o.SavesUSD
			o.BreakEven = &months
		}
		o.Ratio = ratio(r.Chosen.Bytes, o.After)
		o.Seconds = seconds(&r, &o, facts, pace)
		r.Codecs = append(r.Codecs, o)
	}
	r.Assumed = assumed(&policy, &r, groups, pace, prices)
	return r, nil
}

// gathered is a stratum with what was measured of it.
type gathered struct {
	Stratum
	facts []*Measured
}

// grouped gives each stratum its facts.
func grouped(s *Sampling, facts []Measured) []gathered {
	at := map[kind]int{}
	groups := make([]gathered, len(s.Strata))
	for i, st := range s.Strata {
		groups[i].Stratum, at[st.kind] = st, i
	}
	for i := range facts {
		v := &facts[i].Version
		k := kind{extension(v.Key), v.StorageClass, v.Tier, sizeClass(v.Size)}
		if _, ok := at[k]; !ok {
			k.Extension = "*"
		}
		if g, ok := at[k]; ok {
			groups[g].facts = append(groups[g].facts, &facts[i])
		}
	}
	return groups
}

// sums are of the sampled objects of a stratum, or of all.
type sums struct {
	n, before, after         float64 // objects, bytes
	monthBefore, monthAfter  float64 // dollars
	left, leftBytes, seconds float64
}

func (s *sums) add(o sums) {
	s.n += o.n
	s.before += o.before
	s.after += o.after
	s.monthBefore += o.monthBefore
	s.monthAfter += o.monthAfter
	s.left += o.left
	s.leftBytes += o.leftBytes
	s.seconds += o.seconds
}

// outlook extrapolates from the sample, stratum by stratum.
func outlook(p *Policy, groups []gathered, want codec.Compression, prices *price.Table) Outlook {
	var all sums
	each := make([]sums, len(groups))
	became := make([][]float64, len(groups)) // bytes of each object afterwards
	for i := range groups {
		for _, f := range groups[i].facts {
			one := measured(p, f, want, prices)
			each[i].add(one)
			became[i] = append(became[i], one.after)
		}
		all.add(each[i])
	}
	spread, freedom := relativeSpread(groups, each, became)
	var o Outlook
	var after, variance, leftCount, leftBytes float64
	for i := range groups {
		g, s := &groups[i], each[i]
		if s.n == 0 {
			s = all
		}
		count, bytes := float64(g.Count), float64(g.Bytes)
		after += bytes * quotient(s.after, s.before)
		o.MonthUSD += g.MonthUSD * quotient(s.monthAfter, s.monthBefore)
		leftCount += count * quotient(s.left, s.n)
		leftBytes += bytes * quotient(s.leftBytes, s.before)
		o.CoreSeconds += bytes * quotient(s.seconds, s.before)
		variance += varianceOf(g, each[i].n, residuals(g, each[i], became[i]), spread)
	}
	margin := student(freedom) * math.Sqrt(variance)
	o.After = Interval{after, max(0, after-margin), after + margin}
	o.Left = plan.Tally{Count: int64(math.Round(leftCount)), Bytes: int64(math.Round(leftBytes))}
	return o
}

// measured is what one object comes to with a codec.
func measured(p *Policy, f *Measured, want codec.Compression, prices *price.Table) sums {
	size := float64(f.Version.Size)
	s := sums{n: 1, before: size, after: size}
	left := true
	for _, t := range f.Trials {
		chain, err := codec.ParseChain(t.Codec)
		if err != nil || chain.Compress != want {
			continue
		}
		s.seconds = float64(t.Nanos) / 1e9
		if bucketop.Saves(f.Version.Size, t.Stored, p.Rewriting.MinSaving) {
			s.after, left = float64(t.Stored), false
		}
	}
	rate, _ := prices.Rate(f.Version.StorageClass, f.Version.Tier)
	s.monthBefore = rate.Month(f.Version.Size)
	s.monthAfter = rate.Month(int64(s.after))
	switch {
	case left:
		s.left, s.leftBytes, s.monthAfter = 1, size, s.monthBefore
	case p.Rewriting.Originals == bucketop.KeepOriginals:
		s.monthAfter += s.monthBefore
	}
	return s
}

// residuals is the sum of squares of what the objects of a stratum differ by
// from its own ratio, in bytes².
func residuals(g *gathered, s sums, became []float64) (squares float64) {
	share := quotient(s.after, s.before)
	for i, f := range g.facts {
		e := became[i] - share*float64(f.Version.Size)
		squares += e * e
	}
	return squares
}

// relativeSpread is the variance of what objects differ by from the ratio of
// their stratum, as a share of their size; with its degrees of freedom.
func relativeSpread(groups []gathered, each []sums, became [][]float64) (spread float64, freedom int) {
	for i := range groups {
		share := quotient(each[i].after, each[i].before)
		for j, f := range groups[i].facts {
			e := became[i][j]/float64(f.Version.Size) - share
			spread += e * e
		}
		freedom += max(0, len(groups[i].facts)-1)
	}
	return quotient(spread, float64(freedom)), freedom
}

// varianceOf is that of the estimate of a stratum's bytes, by its n sampled
// objects. A stratum with fewer than two is taken to vary as all do.
func varianceOf(g *gathered, n, squares, spread float64) float64 {
	count := float64(g.Count)
	mean := float64(g.Bytes) / max(count, 1)
	switch {
	case n >= count:
		return 0
	case n < 2:
		return count * (count - n) * spread * mean * mean
	}
	return count * (count - n) / n * squares / (n - 1)
}

// student is the 97.5 % quantile of Student's distribution, nearly.
func student(freedom int) float64 {
	const z = 1.959964
	if freedom < 1 {
		return 12.7 // as for 1
	}
	f := float64(freedom)
	return z + (z*z*z+z)/(4*f) + (5*math.Pow(z, 5)+16*z*z*z+3*z)/(96*f*f)
}

// ratio of bytes before to bytes after.
func ratio(before int64, after Interval) Interval {
	b := float64(before)
	r := Interval{quotient(b, after.Value), quotient(b, after.High), quotient(b, after.Low)}
	if after.Low == 0 {
		r.High = r.Value // nothing sensible can be said
	}
	return r
}

func quotient(a, b float64) float64 {
	if b == 0 {
		return 0
	}
	return a / b
}

// seconds is how long the whole takes: by the cores, by what the store answered
// while the sample was read, or by what it takes at all, whichever is longest.
func seconds(r *Result, o *Outlook, facts []Measured, pace Pace) float64 {
	anew := float64(max(0, r.Chosen.Count-o.Left.Count))
	cores := float64(max(1, pace.Cores))
	var tried float64
	for i := range facts {
		for _, t := range facts[i].Trials {
			tried += float64(t.Nanos) / 1e9
		}
	}
	// What is left of the sample's time was spent on requests; writing is
	// taken to last as long as reading.
	waited := max(pace.Seconds-tried/cores, pace.Seconds/10)
	byRequests := waited * quotient(float64(r.Chosen.Count)+anew, float64(pace.Objects))
	byBytes := waited * quotient(float64(r.Chosen.Bytes)+o.After.Value-float64(o.Left.Bytes), float64(pace.Bytes))
	return max(o.CoreSeconds/cores, byRequests, byBytes, anew/writesASecond)
}

// outside tells what reading from outside the region would cost, if that is a
// cent at least.
func outside(usd float64) string {
	if usd < 0.01 {
		return ""
	}
	return fmt.Sprintf("; reading from outside the bucket's region would cost %.2f dollars more", usd)
}

// beginnings counts the objects of which only the beginning was tried.
func beginnings(groups []gathered) (n int) {
	for i := range groups {
		for _, f := range groups[i].facts {
			if f.Version.Size > MeasuredMost && len(f.Trials) > 0 {
				n++
			}
		}
	}
	return n
}

// assumed says in words what the figures rest on.
func assumed(p *Policy, r *Result, groups []gathered, pace Pace, prices *price.Table) []string {
	var unseen plan.Tally
	for i := range groups {
		if len(groups[i].facts) == 0 {
			unseen = unseen.Plus(groups[i].Tally)
		}
	}
	list := []string{
		fmt.Sprintf("prices are those of %s, without discounts%s", prices.Name(), outside(prices.Cost(nil, r.Chosen.Bytes))),
		fmt.Sprintf("writing lasts as long as reading did: %d objects in %.1f seconds; %d cores", pace.Objects, pace.Seconds, pace.Cores),
		"requests for tags are not counted: an inventory does not tell which objects have some",
	}
	if r.Requests[price.KMS] > 0 {
		list = append(list, "each read and write of an object under KMS is a request to it: with a bucket key there are far fewer")
	}
	if p.Rewriting.Originals == bucketop.KeepOriginals {
		list = append(list, "the originals stay, and go on costing what they do")
	}
	if begun := beginnings(groups); begun > 0 {
		list = append(list, fmt.Sprintf("of %d large objects only the first %d bytes were tried: the 95 %% do not cover that the rest may be otherwise", begun, MeasuredMost))
	}
	if unseen.Count > 0 {
		list = append(list, fmt.Sprintf("%d objects of %d bytes are of kinds that no measured object is of; they are taken for what the others are", unseen.Count, unseen.Bytes))
	}
	return list
}
