package compress

import (
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"math/bits"
	"path"
	"slices"
	"strings"
	"unicode/utf8"

	"cooper"
	"cooper/internal/bucketop"
	"cooper/internal/codec"
	"cooper/internal/plan"
	"cooper/internal/price"
)

// MeasuredMost is how many bytes of an object are tried out, at most.
const MeasuredMost = 4 << 20

// Extensions beyond this many, by first appearance, are one.
const mostExtensions = 24

// Sampling says what a sample was drawn from, and how.
type Sampling struct {
	// Objects and Bytes bound the sample: its objects, and how much of them is
	// read.
	Objects int   `json:"objects"`
	Bytes   int64 `json:"bytes"`
	// Try are the compressions to try, the one that is asked for first.
	Try []string `json:"try"`
	// Prices are what the figures below, and those that follow from them, go by.
	Prices *price.Table `json:"prices,omitempty"`
	// The rest is filled in. Whole is what compressing everything would take.
	Whole  plan.Estimate `json:"whole"`
	Strata []Stratum     `json:"strata"`
	// EarlyUSD is what storage classes charge for originals that go before their
	// time, RetrievalUSD for reading.
	EarlyUSD     float64 `json:"early_usd,omitempty"`
	RetrievalUSD float64 `json:"retrieval_usd,omitempty"`
}

// Stratum is a part of the objects whose members are like each other: of one
// extension, one storage class and tier, and sizes within a factor of four.
type Stratum struct {
	kind
	plan.Tally
	MonthUSD float64 `json:"month_usd"` // what keeping them costs now
}

// kind tells strata apart.
type kind struct {
	Extension string `json:"extension,omitempty"` // in lower case, without the dot; "*" for all that are rare
	Class     string `json:"class,omitempty"`
	Tier      string `json:"tier,omitempty"`
	Size      int    `json:"size"` // from 4^Size bytes
}

// String is a stratum's kind for readers.
func (k kind) String() string {
	name := "." + k.Extension
	switch k.Extension {
	case "":
		name = "no extension"
	case "*":
		name = "others"
	}
	if k.Class != "" && k.Class != price.Standard {
		name += ", " + price.StorageName(k.Class, k.Tier)
	}
	return name + ", from " + sizeName(k.Size)
}

// sizeName is 4^x bytes in words.
func sizeName(x int) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"}
	return fmt.Sprintf("%d %s", 1<<(2*x%10), units[2*x/10])
}

// sizeClass of n bytes is the x with 4^x <= n < 4^(x+1).
func sizeClass(n int64) int { return (bits.Len64(uint64(max(n, 1))) - 1) / 2 }

// extension of a key, in lower case; empty if it has none worth the name.
func extension(key string) string {
	ext := strings.ToLower(strings.TrimPrefix(path.Ext(key), "."))
	if len(ext) > 10 || strings.Contains(ext, "/") || !utf8.ValidString(ext) {
		return ""
	}
	return ext
}

// Sample writes a plan that reads a sample of what Plan would choose from the
// same inputs, and tries it out. Which objects are in it follows from the plan's
// id. Policy.Sampling says how large it may be.
//
// It is stratified: parts with many bytes get many samples, and each part has
// some, so that bytes are estimated well and rare kinds are seen.
func Sample(ctx context.Context, in Inputs, w plan.Sink) (plan.Header, error) {
	if err := in.check(); err != nil {
		return plan.Header{}, err
	}
	sampling := *in.Policy.Sampling
	in.Policy.Sampling = &sampling
	try, err := sampling.check()
	if err != nil {
		return plan.Header{}, err
	}
	meta := in.Snapshot.Meta()
	s := newSampler(&in)
	d, err := newDecider(&in, &meta, s.add)
	if err != nil {
		return plan.Header{}, err
	}
	if err := d.all(ctx); err != nil {
		return plan.Header{}, err
	}
	if err := w.Phase(phaseSample); err != nil {
		return plan.Header{}, err
	}
	chosen := s.chosen()
	var read, kms int64
	for i := range chosen {
		v := &chosen[i].v
		args := bucketop.MeasureArgs{Try: try, Reason: chosen[i].why}
		if err := w.Add(cooper.Action{Verb: bucketop.Measure, Version: *v, Args: args.Encode()}, true); err != nil {
			return plan.Header{}, err
		}
		read += min(v.Size, MeasuredMost)
		if in.byKMS(v) {
			kms++
		}
	}
	whole := d.estimate()
	s.into(&sampling, whole)
	sampling.Prices = in.Prices
	h, err := in.header(MissionEstimate)
	if err != nil {
		return plan.Header{}, err
	}
	if h.Decided, err = in.Policy.decided(); err != nil {
		return plan.Header{}, err
	}
	d.into(&h)
	h.Reasons = nil // those are of everything
	if len(chosen) > 0 {
		h.Warnings = []string{readers(in.Policy.Rewriting.Mode)}
	}
	h.Estimate = sampleEstimate(&in, int64(len(chosen)), read, kms)
	return w.Finish(h)
}

func sampleEstimate(in *Inputs, n, read, kms int64) plan.Estimate {
	e := plan.Estimate{Requests: map[string]int64{}, Bytes: read, Prices: in.Prices.Name()}
	if n > 0 {
		e.Requests[price.Get] = n
	}
	if kms > 0 {
		e.Requests[price.KMS] = kms
	}
	e.USD = in.Prices.Cost(e.Requests, 0)
	e.Seconds = max(float64(n)/objectsASecond, float64(read)/bytesASecond)
	return e
}

// check gives the compressions to try.
func (s *Sampling) check() (try []codec.Compression, err error) {
	wrong := func(where, message, remedy string) error {
		return &cooper.Error{Kind: cooper.KindUsage, Where: where, Message: message, Remedy: remedy}
	}
	switch {
	case s.Objects < 1 || s.Objects > 100_000:
		return nil, wrong("--sample", "a sample has 1 to 100,000 objects", "Give it like --sample 1000.")
	case s.Bytes < 1:
		return nil, wrong("--sample-bytes", "nothing can be read", "Give it like --sample-bytes 1GiB.")
	case len(s.Try) == 0:
		return nil, wrong("--codec", "nothing to try", "Give it like --codec zstd:3.")
	}
	for _, name := range s.Try {
		c, err := codec.ParseCompression(name)
		if err != nil {
			return nil, err
		}
		try = append(try, c)
	}
	return try, nil
}

// sampler draws a sample in one pass. Each object has a number that follows
// from the seed and its identity; of each stratum those with the smallest are
// kept, which is a fair sample of it however many are kept in the end.
type sampler struct {
	in         *Inputs
	seed       uint64
	strata     map[kind]*stratum
	extensions map[string]bool
	kept       int
	all        plan.Tally
	early      float64
	retrieval  float64
}

type stratum struct {
	plan.Tally
	month  float64 // what they cost a month
	most   int     // how many are kept; only ever made smaller
	sample []sampled
}

type sampled struct {
	v      cooper.Version
	draw   uint64
	why    string
	rank   float64 // within its stratum, 0 to 1
	weight int64   // the bytes of its stratum
}

// keptMost is how many objects are held for each one that is wanted.
const keptMost = 8

func newSampler(in *Inputs) *sampler {
	return &sampler{in: in, seed: mix(hash(in.ID)), strata: map[kind]*stratum{}, extensions: map[string]bool{}}
}

func hash(parts ...string) uint64 {
	h := fnv.New64a()
	for _, p := range parts {
		var n [8]byte
		binary.LittleEndian.PutUint64(n[:], uint64(len(p)))
		_, _ = h.Write(n[:]) // a hash never fails
		_, _ = h.Write([]byte(p))
	}
	return h.Sum64()
}

// mix spreads the bits of a number: FNV alone leaves those of similar keys
// similar. (The finisher of SplitMix64.)
func mix(x uint64) uint64 {
	x ^= x >> 30
	x *= 0xbf58476d1ce4e5b9
	x ^= x >> 27
	x *= 0x94d049bb133111eb
	return x ^ x>>31
}

// add considers an object that Plan would choose.
func (s *sampler) add(a cooper.Action) error {
	v := a.Version
	k := kind{s.extension(v.Key), v.StorageClass, v.Tier, sizeClass(v.Size)}
	st := s.strata[k]
	if st == nil {
		st = &stratum{most: s.in.Policy.Sampling.Objects}
		s.strata[k] = st
	}
	st.Tally = st.Tally.Add(v.Size)
	s.all = s.all.Add(v.Size)
	s.price(st, &v)
	draw := mix(hash(v.Key, v.VersionID) ^ s.seed)
	at, _ := slices.BinarySearchFunc(st.sample, draw, func(x sampled, draw uint64) int { return cmp.Compare(x.draw, draw) })
	if at >= st.most {
		return nil
	}
	st.sample = slices.Insert(st.sample, at, sampled{v: v, draw: draw, why: k.String()})
	s.kept++
	s.cut(st)
	if s.kept > keptMost*(s.in.Policy.Sampling.Objects+len(s.strata)) {
		s.shrink()
	}
	return nil
}

// extension of a key, or * where there are too many.
func (s *sampler) extension(key string) string {
	ext := extension(key)
	if !s.extensions[ext] {
		if len(s.extensions) >= mostExtensions {
			return "*"
		}
		s.extensions[ext] = true
	}
	return ext
}

// cut drops what a stratum has too many of.
func (s *sampler) cut(st *stratum) {
	if over := len(st.sample) - st.most; over > 0 {
		clear(st.sample[st.most:])
		st.sample = st.sample[:st.most]
		s.kept -= over
	}
}

// shrink drops what is not likely to be needed, as shares stand now.
func (s *sampler) shrink() {
	for _, st := range s.strata {
		st.most = min(st.most, s.wanted(st, keptMost/2))
		s.cut(st)
	}
}

// wanted is how many objects of a stratum belong into a sample that is so many
// times as large as was asked for: most by its share of the bytes, some by that
// of the objects, and one at least.
func (s *sampler) wanted(st *stratum, times float64) int {
	byBytes := float64(st.Bytes) / float64(max(s.all.Bytes, 1))
	byCount := float64(st.Count) / float64(max(s.all.Count, 1))
	return 1 + int((0.8*byBytes+0.2*byCount)*times*float64(s.in.Policy.Sampling.Objects))
}

// chosen gives the sample in order of keys. Where not all that is wanted may be
// had, each stratum gives up the same share, but for its first; and of these
// the strata with many bytes keep theirs.
func (s *sampler) chosen() []sampled {
	var all []sampled
	times := s.times()
	for _, st := range s.strata {
		n := min(s.wanted(st, times), len(st.sample))
		for i := range st.sample[:n] {
			st.sample[i].rank = float64(i) / float64(n)
			st.sample[i].weight = st.Bytes
		}
		all = append(all, st.sample[:n]...)
	}
	slices.SortFunc(all, func(a, b sampled) int {
		return cmp.Or(cmp.Compare(a.rank, b.rank), cmp.Compare(b.weight, a.weight), a.v.Compare(&b.v))
	})
	all = all[:min(len(all), s.in.Policy.Sampling.Objects)]
	var read int64
	for i := range all {
		read += min(all[i].v.Size, MeasuredMost)
		if i > 0 && read > s.in.Policy.Sampling.Bytes {
			all = all[:i]
			break
		}
	}
	slices.SortFunc(all, func(a, b sampled) int { return a.v.Compare(&b.v) })
	return all
}

// times is by how much more is wanted of strata that have more, as others have
// less than would be their share.
func (s *sampler) times() float64 {
	for times := 1.0; ; times *= 1.1 {
		n := 0
		for _, st := range s.strata {
			n += min(s.wanted(st, times), len(st.sample))
		}
		if n >= min(s.in.Policy.Sampling.Objects, s.kept) {
			return times
		}
	}
}

// into fills in what the sample was drawn from.
func (s *sampler) into(to *Sampling, whole plan.Estimate) {
	to.Whole, to.EarlyUSD, to.RetrievalUSD = whole, s.early, s.retrieval
	to.Strata = []Stratum{}
	for k, st := range s.strata {
		to.Strata = append(to.Strata, Stratum{k, st.Tally, st.month})
	}
	slices.SortFunc(to.Strata, func(a, b Stratum) int {
		return cmp.Or(-cmp.Compare(a.Bytes, b.Bytes), strings.Compare(a.String(), b.String()))
	})
}

// price adds up what an object costs now, and what its class charges once.
func (s *sampler) price(st *stratum, v *cooper.Version) {
	rate, _ := s.in.Prices.Rate(v.StorageClass, v.Tier)
	rule := s.in.Prices.Rules[v.StorageClass]
	a := rate.Month(v.Size)
	st.month += a
	s.retrieval += rule.Retrieval * float64(v.Size) / (1 << 30)
	if s.in.Policy.Rewriting.Originals == bucketop.RemoveOriginals {
		t := tally{in: s.in}
		s.early += a * float64(t.tooEarly(v, rule)) / float64(month)
	}
}
