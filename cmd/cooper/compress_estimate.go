package main

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"slices"
	"time"

	"cooper/internal/compress"
	"cooper/internal/plan"
	"cooper/internal/query"
	"cooper/internal/query/duckdb"
	"cooper/internal/term"
	"cooper/internal/words"
	"cooper/internal/workspace"
)

// alsoTried are levels that an estimate compares with the one that is asked for.
var alsoTried = []string{"zstd:1", "zstd:3", "zstd:9"}

// estimate plans a sample, tries it out, and tells what the whole would come to.
func (a *app) estimate(ctx context.Context, arg string, f *compressFlags) (err error) {
	policy, err := f.checked(arg)
	if err != nil {
		return err
	}
	bytes, ok := parseBytes(f.sampleBytes)
	if !ok {
		return usage("--sample-bytes is not a size", "Give it like 1GiB.")
	}
	sampling := compress.Sampling{Objects: f.sample, Bytes: bytes, Try: []string{policy.Rewriting.Codec.Compress.String()}}
	for _, x := range alsoTried {
		if !slices.Contains(sampling.Try, x) {
			sampling.Try = append(sampling.Try, x)
		}
	}
	policy.Sampling = &sampling
	keys, err := f.secret.open(ctx, a)
	if err != nil {
		return err
	}
	ws, err := a.openWorkspace()
	if err != nil {
		return err
	}
	defer finally(&err, ws.Close)
	h, err := a.compressPlan(ctx, ws, f, policy, keys, func(ctx context.Context, in compress.Inputs, w *plan.Writer) (plan.Header, error) {
		return compress.Sample(ctx, in, w)
	}, sampleShards)
	if err != nil {
		return err
	}
	if f.planOnly {
		return a.planned(ran{Plan: &h})
	}
	if !a.json {
		if err := a.showBrief(h); err != nil {
			return err
		}
	}
	return a.applyCompress(ctx, ws, h, &f.apply, keys)
}

// evaluate tells what the facts about a plan's sample mean for the whole.
func (a *app) evaluate(ctx context.Context, ws *workspace.Workspace, p *plan.Plan) (_ *compress.Result, err error) {
	db, err := duckdb.Open(duckdb.Options{Memory: 256 << 20})
	if err != nil {
		return nil, err
	}
	defer finally(&err, db.Close)
	if err := db.Views(ctx, query.Sources{Workspace: ws.Dir()}); err != nil {
		return nil, err
	}
	h := p.Header()
	facts, failed, pace, err := compress.Gather(ctx, db, &h, p.Actions(ctx))
	if err != nil {
		return nil, err
	}
	pace.Cores = runtime.GOMAXPROCS(0)
	r, err := compress.Evaluate(&h, facts, failed, pace)
	return &r, err
}

// showEstimateOf tells a person; a program has been told with the summary.
func (a *app) showEstimateOf(r *compress.Result) error {
	if a.json || r == nil {
		return nil
	}
	if r.Chosen.Count == 0 {
		a.say("\nThere is nothing to compress.")
		return nil
	}
	a.say("\n%s  %s in %s, by a sample of %s", a.stdout.Style(term.Bold, "What compressing would come to"),
		words.Bytes(r.Chosen.Bytes), words.Plural(r.Chosen.Count, "object"), words.Plural(r.Sample.Count, "object"))
	t := term.NewTable(a.stdout, "", "RATIO>", "AFTER>", "95 %", "LEFT>", "SAVES>", "PAYS IN>", "TAKES>")
	for i := range r.Codecs {
		o := &r.Codecs[i]
		t.Row(o.Codec, fmt.Sprintf("%.2f", o.Ratio.Value), words.Bytes(int64(o.After.Value)),
			fmt.Sprintf("%s to %s", words.Bytes(int64(o.After.Low)), words.Bytes(int64(o.After.High))),
			percent(o.Left.Bytes, r.Chosen.Bytes), dollars(o.SavesUSD), paysAfter(o.BreakEven), words.Duration(time.Duration(o.Seconds*float64(time.Second))))
	}
	if err := t.Flush("  "); err != nil {
		return err
	}
	a.say("  %s", a.stdout.Wrap("LEFT is the share that stays as it is; SAVES is a month, of the "+dollars(r.MonthUSD)+" that keeping it costs now.", 2))
	a.say("  Once: %s", a.stdout.Wrap(onceCosts(r), 8))
	a.say("  %s", a.stdout.Style(term.Faint, "Assumed:"))
	for _, x := range r.Assumed {
		a.say("  %s", a.stdout.Style(term.Faint, "- "+a.stdout.Wrap(x, 4)))
	}
	return nil
}

// onceCosts names what has to be paid once.
func onceCosts(r *compress.Result) string {
	text := dollars(r.RequestsUSD) + " for " + requestsOf(r.Requests)
	if r.OnceUSD > r.RequestsUSD {
		text = dollars(r.OnceUSD) + " in all; " + text
	}
	for _, x := range []struct {
		usd  float64
		what string
	}{{r.KMSUSD, "of it to KMS"}, {r.RetrievalUSD, "to read from the storage classes"}, {r.EarlyUSD, "as originals go before their storage class lets them"}} {
		if x.usd > 0 {
			text += ", " + dollars(x.usd) + " " + x.what
		}
	}
	return text
}

// paysAfter is a break-even in words.
func paysAfter(months *float64) string {
	switch {
	case months == nil:
		return "never"
	case *months < 1./30:
		return "a day"
	case *months < 2:
		return fmt.Sprintf("%.0f days", math.Ceil(*months*365/12))
	case *months < 24:
		return fmt.Sprintf("%.0f months", math.Ceil(*months))
	case *months > 12*50:
		return ">50 years"
	}
	return fmt.Sprintf("%.1f years", *months/12)
}

// percent of a whole.
func percent(part, whole int64) string {
	if whole == 0 {
		return "0 %"
	}
	return fmt.Sprintf("%.0f %%", 100*float64(part)/float64(whole))
}
