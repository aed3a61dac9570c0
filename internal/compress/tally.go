package compress

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"cooper"
	"cooper/internal/bucketop"
	"cooper/internal/plan"
	"cooper/internal/price"
)

// Assumptions about the world. They decide nothing.
const (
	objectsASecond = 800       // stored anew, many at once
	bytesASecond   = 100 << 20 // read
	looked         = 500       // objects a look covers with one request: their keys and those of their replacements
	removed        = 1000      // objects a request removes
	partSize       = 16 << 20  // of what is stored in parts, bytes
	month          = 365 * 24 * time.Hour / 12
)

// tally counts everything that goes by.
type tally struct {
	in        *Inputs
	unchanged plan.Tally
	skipped   map[string]plan.Tally
	reasons   map[string]plan.Tally
	guards    map[bucketop.Guard]int64
	parts     int64 // requests for objects that are stored in parts, at most
	decrypts  int64 // requests to KMS: for reads
	encrypts  int64 // and for writes
	early     map[string]plan.Tally
	least     map[string]plan.Tally // by storage class, what is charged as more than it holds
}

func newTally(in *Inputs) tally {
	return tally{in: in, skipped: map[string]plan.Tally{}, reasons: map[string]plan.Tally{}, guards: map[bucketop.Guard]int64{},
		early: map[string]plan.Tally{}, least: map[string]plan.Tally{}}
}

func (t *tally) skip(why string, n plan.Tally) {
	s := t.skipped[why]
	t.skipped[why] = s.Plus(n)
}

// byKMS tells whether reading a version takes a request to KMS. A listing does
// not tell how versions are encrypted: then it is as the bucket does by default.
func (in *Inputs) byKMS(v *cooper.Version) bool {
	if v.Encryption == "" {
		return in.Bucket.KMS && !in.Bucket.BucketKey
	}
	return v.Encryption == "SSE-KMS" || v.Encryption == "DSSE-KMS"
}

// count counts an object that is to be stored anew.
func (t *tally) count(v *cooper.Version, guard bucketop.Guard) {
	t.reasons[ReasonPlain] = t.reasons[ReasonPlain].Add(v.Size)
	t.guards[guard]++
	if v.Size > partSize {
		t.parts += 2 + (v.Size+partSize-1)/partSize
	}
	if t.in.byKMS(v) {
		t.decrypts++
	}
	if t.writesKMS(v) {
		t.encrypts++
	}
	if t.in.Policy.Rewriting.Originals != bucketop.RemoveOriginals {
		return
	}
	rule := t.in.Prices.Rules[v.StorageClass]
	if t.tooEarly(v, rule) > 0 {
		t.early[v.StorageClass] = t.early[v.StorageClass].Add(v.Size)
	}
	if v.Size <= rule.MinimumBytes {
		t.least[v.StorageClass] = t.least[v.StorageClass].Add(v.Size)
	}
}

// tooEarly is for how long a version is charged after it is removed.
func (t *tally) tooEarly(v *cooper.Version, rule price.Rule) time.Duration {
	if rule.MinimumDays == 0 {
		return 0
	}
	return max(0, time.Duration(rule.MinimumDays)*24*time.Hour-t.in.Now.Time().Sub(v.LastModified.Time()))
}

// writesKMS tells whether the replacement of a version takes a request to KMS,
// as far as is known: whether an object has a bucket key no inventory tells.
func (t *tally) writesKMS(v *cooper.Version) bool {
	switch sse := t.in.Policy.Rewriting.SSE; sse {
	case bucketop.SSEAES:
		return false
	case bucketop.SSEDefault:
		return t.in.Bucket.KMS && !t.in.Bucket.BucketKey
	case bucketop.SSEKeep:
		return t.in.byKMS(v)
	}
	return true // a key is named
}

// countMeasured counts an object that is only read.
func (t *tally) countMeasured(v *cooper.Version) {
	t.reasons[ReasonCompressed] = t.reasons[ReasonCompressed].Add(v.Size)
	if t.in.byKMS(v) {
		t.decrypts++
	}
}

func (t *tally) into(h *plan.Header) {
	h.Unchanged, h.Reasons, h.Skipped = t.unchanged, t.reasons, t.skipped
}

// estimate counts requests: for each object one to read and one to write, or one
// for each part; looks and removals for many at once; and the probes.
func (t *tally) estimate() plan.Estimate {
	r := &t.in.Policy.Rewriting
	anew, read := t.reasons[ReasonPlain], t.reasons[ReasonCompressed]
	n := anew.Count
	e := plan.Estimate{Requests: map[string]int64{}, Prices: t.in.Prices.Name(), Bytes: cooper.AddBytes(anew.Plus(read).Bytes, int64(t.in.Share*float64(anew.Bytes)))}
	kms := t.decrypts + t.encrypts
	add := func(class string, count int64) {
		if count > 0 {
			e.Requests[class] += count
		}
	}
	add(price.Get, n+read.Count)
	add(price.Put, n+t.parts)
	if r.Proof == bucketop.ReadBack {
		add(price.Get, n)
		kms += t.encrypts
	}
	if t.in.Bucket.Grants {
		add(price.Get, n)
	}
	if !t.in.Policy.WithoutTags { // they are asked for where an answer does not tell how many there are
		add(price.Get, n)
	}
	if r.Versioning == "Suspended" { // a look at each key, before it is written
		add(price.List, n)
	}
	if r.Originals == bucketop.RemoveOriginals {
		add(price.List, (n+looked-1)/looked)
		if r.Mode == bucketop.Suffix || r.Versioning != "" {
			add(price.Delete, (n+removed-1)/removed)
		}
	}
	if n > 0 { // the probes
		add(price.Put, 2)
		add(price.Delete, 1)
	}
	add(price.KMS, kms)
	e.USD = t.in.Prices.Cost(e.Requests, 0)
	e.Seconds = max(float64(n+read.Count)/objectsASecond, float64(e.Bytes)/bytesASecond)
	return e
}

// readers says who reads afterwards what is compressed (docs/readers.md).
func readers(m bucketop.Mode) string {
	if m == bucketop.InPlace {
		return "no S3 SDK or tool decodes Content-Encoding: zstd, data frames go by the name KEY.zst, and tools that mirror by size would write plain objects over compressed ones: docs/readers.md"
	}
	return "data frames read KEY.zst by its name; other programs have to decode it: docs/readers.md"
}

// warnings are what a person ought to know before saying yes.
func (t *tally) warnings() (ws []string) {
	say := func(format string, args ...any) { ws = append(ws, fmt.Sprintf(format, args...)) }
	r := &t.in.Policy.Rewriting
	for _, class := range slices.Sorted(maps.Keys(t.early)) {
		say("%d objects (%d bytes) in the class %s are charged for %d days although their originals go before", t.early[class].Count, t.early[class].Bytes, class, t.in.Prices.Rules[class].MinimumDays)
	}
	for _, class := range slices.Sorted(maps.Keys(t.least)) {
		say("%d objects in the class %s are charged as %d bytes each, which they do not fill: compressing them saves nothing", t.least[class].Count, class, t.in.Prices.Rules[class].MinimumBytes)
	}
	if t.reasons[ReasonPlain].Count > 0 {
		say("%s", readers(r.Mode))
	}
	if t.in.Share == 0 && t.reasons[ReasonPlain].Count > 0 {
		say("how much is written is not known beforehand: cooper compress estimate measures it")
	}
	if n := t.guards[bucketop.ByETag]; n > 0 {
		what := "remove"
		if r.Mode == bucketop.InPlace {
			what = "overwrite"
		}
		say("null versions, which an upload can overwrite at any time: %d; a probe must see the store refuse to %s what was overwritten, or nothing is touched", n, what)
	}
	if n := t.guards[bucketop.ByLook]; n > 0 && r.Versioning != "Enabled" {
		say("not airtight: the originals of %d null versions go after a look alone (--unguarded); an upload of the same key in the instant between would be lost", n)
	}
	for _, s := range []struct{ why, text string }{
		{SkippedOlder, "objects stay, as older versions would become current once the original is gone; purge --versions noncurrent first, or --mode in-place"},
		{SkippedOverwrites, "objects stay, as writing in place would destroy an older null version of them"},
		{SkippedOverwritable, "versions stay, as the inventory has no ETag of them"},
		{SkippedNoKey, "objects stay, as no key is given that they were encrypted with"},
		{SkippedUndeclared, "objects stay, as nothing is declared of their contents that a wrong key would show by; --expect declares it"},
		{SkippedAmbiguous, "versions stay, as their keys have several latest versions, or its id twice"},
		{SkippedRejected, "objects stay, as the snapshot has rows of their keys that make no sense"},
		{SkippedArchived, "objects stay, as they are archived and cannot be read"},
	} {
		if n := t.skipped[s.why].Count; n > 0 {
			say("%s: %d", s.text, n)
		}
	}
	return ws
}
