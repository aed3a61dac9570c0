package compress

import (
	"context"
	"maps"
	"reflect"
	"strings"
	"testing"
	"time"

	"cooper"
	"cooper/internal/bucketop"
	"cooper/internal/codec"
	"cooper/internal/inventory/invtest"
	"cooper/internal/price"
)

func TestWhatIsChosen(t *testing.T) {
	both := []cooper.Version{current("a", "2"), current("a", "1", older)}
	null := []cooper.Version{current("a", "null")}
	behindNull := []cooper.Version{current("a", "2"), current("a", "null", older)}
	fact := func(v cooper.Version, told Told) func(*Inputs) {
		return knowing(Fact{"Z", "1", "e1", 1000, ToldLeft}, Fact{v.Key, v.VersionID, v.ETag, v.Size, told}, Fact{"z", "1", "e1", 1000, ToldHeld})
	}
	covered := func(err error) func(*Inputs) {
		return func(in *Inputs) { in.Covered = func(string) error { return err } }
	}
	for name, c := range map[string]struct {
		rows   []cooper.Version
		policy Policy
		change func(*Inputs)
		want   string
		skips  string
	}{
		"a current version":                     {[]cooper.Version{current("a", "1")}, usual(), nil, "a@1", ""},
		"older ones would come back":            {both, usual(), nil, "", "1 not current, 1 older behind"},
		"not where the original stays":          {both, usual(keep), nil, "a@2", "1 not current"},
		"nor in place":                          {both, usual(inPlace), nil, "a@2", "1 not current"},
		"a delete marker behind counts, too":    {[]cooper.Version{current("a", "2"), current("a", "1", older, marker)}, usual(), nil, "", "1 not current, 1 older behind"},
		"deleted":                               {[]cooper.Version{current("a", "2", marker), current("a", "1", older)}, usual(), nil, "", "1 delete marker, 1 not current"},
		"no latest, or two":                     {[]cooper.Version{current("a", "1", older), current("b", "1"), current("b", "2"), current("c", "1")}, usual(), nil, "c@1", "2 ambiguous, 1 not current"},
		"an id that is there twice":             {[]cooper.Version{current("a", "1"), current("a", "1", older)}, usual(inPlace), nil, "", "2 ambiguous"},
		"empty and small":                       {[]cooper.Version{current("a", "1", sized(0)), current("b", "1", sized(511)), current("c", "1", sized(512))}, usual(), nil, "c@1", "1 empty, 1 small"},
		"archived":                              {[]cooper.Version{current("a", "1", class("DEEP_ARCHIVE")), current("b", "1", class("GLACIER_IR"))}, usual(), nil, "b@1", "1 archived"},
		"with a customer's key":                 {[]cooper.Version{current("a", "1", func(v *cooper.Version) { v.Encryption = "SSE-C" })}, usual(), nil, "", "1 SSE-C"},
		"compressed by its name is measured":    {[]cooper.Version{current("a.zst", "1", sized(10)), current("a.ZST", "1"), current("a.gz", "1")}, usual(), nil, "a.ZST@1, a.gz@1, (a.zst@1)", ""},
		"but not if it is known":                {[]cooper.Version{current("a.zst", "1")}, usual(), fact(current("a.zst", "1"), ToldHeld), "", ""},
		"unless it is another version":          {[]cooper.Version{current("a.zst", "2")}, usual(), fact(current("a.zst", "1"), ToldHeld), "(a.zst@2)", ""},
		"in place before":                       {[]cooper.Version{current("a", "1")}, usual(inPlace), fact(current("a", "1"), ToldHeld), "", ""},
		"not worth it":                          {[]cooper.Version{current("a", "1")}, usual(), fact(current("a", "1"), ToldLeft), "", "1 remembered"},
		"try again":                             {[]cooper.Version{current("a", "1")}, usual(func(p *Policy) { p.Again = true }), fact(current("a", "1"), ToldLeft), "a@1", ""},
		"other bytes under the null id":         {null, usual(never), fact(current("a", "null", func(v *cooper.Version) { v.ETag = "x" }), ToldLeft), "a@null by etag", ""},
		"replaced, and the original kept":       {[]cooper.Version{current("a", "1")}, usual(keep), fact(current("a", "1"), ToldReplaced), "", ""},
		"replaced, and the original to go":      {[]cooper.Version{current("a", "1")}, usual(), fact(current("a", "1"), ToldReplaced), "a@1", ""},
		"a long key":                            {[]cooper.Version{current(strings.Repeat("k", 1021), "1"), current(strings.Repeat("k", 1020), "1")}, usual(), nil, strings.Repeat("k", 1020) + "@1", "1 long key"},
		"which is none in place":                {[]cooper.Version{current(strings.Repeat("k", 1024), "1")}, usual(inPlace), nil, strings.Repeat("k", 1024) + "@1", ""},
		"filtered":                              {[]cooper.Version{current("a.csv", "1"), current("b.txt", "1")}, usual(func(p *Policy) { p.Match = `\.csv$` }), nil, "a.csv@1", "1 filtered"},
		"only below the prefix":                 {[]cooper.Version{current("a", "1"), current("a/b", "1"), current("ab", "1")}, usual(func(p *Policy) { p.Prefix = "a/" }), nil, "a/b@1", ""},
		"protected":                             {[]cooper.Version{current("s/keys/k", "1"), current("s/keysx", "1")}, usual(func(p *Policy) { p.Protect = []string{"*/keys/"} }), nil, "s/keysx@1", "1 protected"},
		"the replacement is protected":          {[]cooper.Version{current("a", "1")}, usual(func(p *Policy) { p.Protect = []string{"a.zst"} }), nil, "", "1 protected"},
		"probes":                                {[]cooper.Version{current("p/.cooper-probe-r-1", "1")}, usual(), nil, "", "1 probe"},
		"rejected rows":                         {[]cooper.Version{current("a", "1"), current("r", "1")}, usual(), nil, "a@1", "1 rejected"},
		"null while enabled":                    {null, usual(), nil, "a@null by look", ""},
		"null while suspended":                  {null, usual(suspended), nil, "a@null by etag", ""},
		"null, never versioned":                 {null, usual(never), nil, "a@null by etag", ""},
		"after a look alone":                    {null, usual(never, unguarded), nil, "a@null by look", ""},
		"null, kept":                            {null, usual(never, keep), nil, "a@null", ""},
		"null without an ETag":                  {[]cooper.Version{current("a", "null", func(v *cooper.Version) { v.ETag = "" })}, usual(never), nil, "", "1 overwritable"},
		"null in place while enabled":           {null, usual(inPlace), nil, "a@null by look", ""},
		"null in place, never versioned":        {null, usual(inPlace, never), nil, "a@null by etag", ""},
		"in place no look is enough":            {null, usual(inPlace, never, unguarded), nil, "a@null by etag", ""},
		"in place while suspended":              {[]cooper.Version{current("a", "1")}, usual(inPlace, suspended), nil, "a@1 by etag", ""},
		"in place over an older null version":   {behindNull, usual(inPlace, suspended), nil, "", "1 not current, 1 overwrites"},
		"which is safe while enabled":           {behindNull, usual(inPlace), nil, "a@2", "1 not current"},
		"a key is known":                        {[]cooper.Version{current("a", "1"), current("b.zst", "1")}, usual(encrypted), covered(nil), "a@1, (b.zst@1)", ""},
		"no key is known":                       {[]cooper.Version{current("a", "1"), current("b.zst", "1")}, usual(encrypted), covered(&cooper.Error{Kind: cooper.KindMissing}), "", "2 no key"},
		"nothing is declared":                   {[]cooper.Version{current("a", "1")}, usual(encrypted), covered(&cooper.Error{Kind: cooper.KindInvalid}), "", "1 undeclared"},
		"without encryption nobody asks":        {[]cooper.Version{current("a", "1")}, usual(), covered(&cooper.Error{Kind: cooper.KindMissing}), "a@1", ""},
		"a report of current versions, by name": {[]cooper.Version{current("a", "")}, usual(never), nil, "a@ by etag", ""},
	} {
		s := snapOf(c.rows...)
		s.Rejected = []string{"Q", "r", "z"}
		var more []func(*Inputs)
		if c.change != nil {
			more = append(more, c.change)
		}
		r, err := planned(t, s, c.policy, more...)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got, skips := r.names(), r.Skipped(); got != c.want || skips != c.skips {
			t.Errorf("%s: %q, skipped %q; want %q, %q", name, got, skips, c.want, c.skips)
		}
		below := 0
		for _, v := range c.rows {
			if cooper.HasPrefix(v.Key, c.policy.Prefix) {
				below++
			}
		}
		if got := r.Accounted(); got != int64(below) {
			t.Errorf("%s: %d versions are accounted for, there are %d", name, got, below)
		}
	}
}

func TestWhatAPlanSays(t *testing.T) {
	s := snapOf(current("a", "null", kms), current("b", "null", sized(40<<20)), current("c", "null", class("STANDARD_IA"), func(v *cooper.Version) { v.LastModified = now - 1000 }), current("d.zst", "null", kms))
	r, err := planned(t, s, usual(suspended), func(in *Inputs) { in.Bucket.Grants = true })
	if err != nil {
		t.Fatal(err)
	}
	h := r.Head
	want := map[string]int64{
		price.Get:    4 + 3 + 3,       // an ACL and tags for each that is written
		price.Put:    3 + (2 + 3) + 2, // parts of b, and the probes
		price.List:   1 + 3,           // a look at all, and one before each write while versioning is suspended
		price.Delete: 1 + 1,
		price.KMS:    2 + 1,
	}
	if !maps.Equal(h.Estimate.Requests, want) || h.Estimate.Bytes != 3000+40<<20 || h.Estimate.USD <= 0 || h.Estimate.Seconds <= 0 {
		t.Errorf("estimate %+v, want %v", h.Estimate, want)
	}
	if h.Target.Path != "s3://lab/" || h.Target.Kind != bucketop.TargetKind || h.Source != "" || h.Reasons[ReasonPlain].Count != 3 || h.Reasons[ReasonCompressed].Count != 1 || h.Share.Exceeded() {
		t.Errorf("%+v", h)
	}
	all := strings.Join(h.Warnings, "\n")
	expected, err := planned(t, s, usual(suspended), func(in *Inputs) { in.Share = 0.5 })
	if err != nil || expected.Head.Estimate.Bytes-h.Estimate.Bytes != (2000+40<<20)/2 || strings.Contains(strings.Join(expected.Head.Warnings, ""), "not known beforehand") {
		t.Errorf("with a share expected: %+v, %v", expected.Head, err)
	}
	for _, want := range []string{"read KEY.zst by its name", "not known beforehand", "1 objects (1000 bytes) in the class STANDARD_IA are charged for 30 days", "are charged as 131072 bytes each", "a probe must see"} {
		if !strings.Contains(all, want) {
			t.Errorf("no warning of %q:\n%s", want, all)
		}
	}
	if got, err := PolicyOf(&h); err != nil || !reflect.DeepEqual(got, usual(suspended)) || reflect.DeepEqual(got, usual()) {
		t.Error("policies are not told apart")
	}
	if got, err := bucketop.RewritingOf(h.Policy); err != nil || got != usual(suspended).Rewriting {
		t.Errorf("%+v, %v", got, err)
	}
}

// TestProtectionOfNothing: who protects keys/ below another prefix is told so.
func TestProtectionOfNothing(t *testing.T) {
	r, err := planned(t, snapOf(current("u/x/k", "1"), current("u/l", "1")), usual(func(p *Policy) {
		p.Prefix, p.Protect = "u/", []string{"x/", "u/x/", "*/*/k", KeyFolders}
	}))
	if err != nil {
		t.Fatal(err)
	}
	if all := strings.Join(r.Head.Warnings, "\n"); strings.Count(all, "covers nothing") != 1 || !strings.Contains(all, "--protect x/ covers nothing") {
		t.Error(all)
	}
}

func TestKMS(t *testing.T) {
	rows := []cooper.Version{current("a", "1", kms), current("b", "1", func(v *cooper.Version) { v.Encryption = "SSE-S3" })}
	for sse, want := range map[string][3]int64{ // the bucket's default: none, KMS, KMS with a bucket key
		bucketop.SSEKeep:    {2, 2, 2},
		bucketop.SSEAES:     {1, 1, 1},
		bucketop.SSEDefault: {1, 3, 1},
		"kms:alias/x":       {3, 3, 3},
	} {
		for i, b := range []Bucket{{}, {KMS: true}, {KMS: true, BucketKey: true}} {
			r, err := planned(t, snapOf(rows...), usual(func(p *Policy) { p.Rewriting.SSE = sse }), func(in *Inputs) { in.Bucket = b })
			if err != nil || r.Head.Estimate.Requests[price.KMS] != want[i] {
				t.Errorf("%s in %+v: %d requests, want %d (%v)", sse, b, r.Head.Estimate.Requests[price.KMS], want[i], err)
			}
		}
	}
	// A listing does not tell.
	for i, b := range []Bucket{{}, {KMS: true}, {KMS: true, BucketKey: true}} {
		r, err := planned(t, snapOf(current("a", "1")), usual(), func(in *Inputs) { in.Bucket = b })
		if want := []int64{0, 2, 0}[i]; err != nil || r.Head.Estimate.Requests[price.KMS] != want {
			t.Errorf("unknown in %+v: %d requests, want %d (%v)", b, r.Head.Estimate.Requests[price.KMS], want, err)
		}
	}
	r, err := planned(t, snapOf(rows...), usual(func(p *Policy) { p.Rewriting.Proof = bucketop.ReadBack }))
	if err != nil || r.Head.Estimate.Requests[price.KMS] != 3 || r.Head.Estimate.Requests[price.Get] != 6 {
		t.Errorf("read back: %v, %v", r.Head.Estimate.Requests, err)
	}
}

func TestWhatIsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		change func(s *invtest.Snapshot, in *Inputs)
		kind   cooper.Kind
	}{
		"incomplete":             {func(s *invtest.Snapshot, _ *Inputs) { s.Info.Complete = false }, cooper.KindRefused},
		"torn":                   {func(s *invtest.Snapshot, _ *Inputs) { s.Info.Torn = 1 }, cooper.KindRefused},
		"undated":                {func(s *invtest.Snapshot, _ *Inputs) { s.Info.TakenAt = 0 }, cooper.KindRefused},
		"of the future":          {func(s *invtest.Snapshot, _ *Inputs) { s.Info.TakenAt = now + cooper.Instant(time.Hour.Milliseconds()) }, cooper.KindRefused},
		"of another prefix":      {func(s *invtest.Snapshot, in *Inputs) { s.Info.Scope.Prefix, in.Policy.Prefix = "a/b/", "a/" }, cooper.KindRefused},
		"current only":           {func(s *invtest.Snapshot, _ *Inputs) { s.Info.Scope.CurrentOnly = true }, cooper.KindRefused},
		"in place under a lock":  {func(_ *invtest.Snapshot, in *Inputs) { inPlace(&in.Policy); in.Bucket.Lock = true }, cooper.KindRefused},
		"in place, encrypted":    {func(_ *invtest.Snapshot, in *Inputs) { inPlace(&in.Policy); encrypted(&in.Policy) }, cooper.KindUsage},
		"in place, kept nowhere": {func(_ *invtest.Snapshot, in *Inputs) { inPlace(&in.Policy); keep(&in.Policy); never(&in.Policy) }, cooper.KindUsage},
		"without a slash":        {func(_ *invtest.Snapshot, in *Inputs) { in.Policy.Prefix = "a" }, cooper.KindUsage},
		"no regular expression":  {func(_ *invtest.Snapshot, in *Inputs) { in.Policy.Match = "(" }, cooper.KindUsage},
		"a key of KMS that is none": {func(_ *invtest.Snapshot, in *Inputs) {
			in.Policy.Rewriting.SSE = "kms:"
		}, cooper.KindUsage},
		"no codec":             {func(_ *invtest.Snapshot, in *Inputs) { in.Policy.Rewriting.Codec.Compress = codec.Compression{} }, cooper.KindUsage},
		"gzip":                 {func(_ *invtest.Snapshot, in *Inputs) { in.Policy.Rewriting.Codec.Compress.Method = codec.Gzip }, cooper.KindUsage},
		"a mode":               {func(_ *invtest.Snapshot, in *Inputs) { in.Policy.Rewriting.Mode = "beside" }, cooper.KindUsage},
		"originals":            {func(_ *invtest.Snapshot, in *Inputs) { in.Policy.Rewriting.Originals = "" }, cooper.KindUsage},
		"a proof":              {func(_ *invtest.Snapshot, in *Inputs) { in.Policy.Rewriting.Proof = "none" }, cooper.KindUsage},
		"everything protected": {func(_ *invtest.Snapshot, in *Inputs) { in.Policy.Protect = []string{""} }, cooper.KindUsage},
		"facts out of order":   {func(_ *invtest.Snapshot, in *Inputs) { knowing(Fact{Key: "B"}, Fact{Key: "A"})(in) }, cooper.KindInternal},
	} {
		s := snapOf(current("a/b/c", "1"))
		in := Inputs{Snapshot: s, Policy: usual(), Prices: prices(t), ID: "p-1", Now: now}
		c.change(s, &in)
		var r recorder
		if _, err := Plan(context.Background(), in, &r); cooper.KindOf(err) != c.kind || len(r.Actions) > 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
}
