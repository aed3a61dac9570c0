package bucket

import (
	"fmt"
	"math"
	"time"

	"cooper/internal/cli/shell"
	"cooper/internal/job"
	"cooper/internal/term"
	"cooper/internal/words"
)

// showEstimateOf tells a person; a program has been told with the summary.
func (a family) showEstimateOf(r *job.Estimated) error {
	if a.JSON || r == nil {
		return nil
	}
	if r.Chosen.Count == 0 {
		a.Say("\nThere is nothing to compress.")
		return nil
	}
	a.Say("\n%s  %s in %s, by a sample of %s", a.Stdout.Style(term.Bold, "What compressing would come to"),
		words.Bytes(r.Chosen.Bytes), words.Plural(r.Chosen.Count, "object"), words.Plural(r.Sample.Count, "object"))
	t := term.NewTable(a.Stdout, "", "RATIO>", "AFTER>", "95 %", "LEFT>", "SAVES>", "PAYS IN>", "TAKES>")
	for i := range r.Codecs {
		o := &r.Codecs[i]
		t.Row(o.Codec, fmt.Sprintf("%.2f", o.Ratio.Value), words.Bytes(int64(o.After.Value)),
			fmt.Sprintf("%s to %s", words.Bytes(int64(o.After.Low)), words.Bytes(int64(o.After.High))),
			percent(o.Left.Bytes, r.Chosen.Bytes), shell.Price(o.SavesUSD), paysAfter(o.BreakEven), words.Duration(time.Duration(o.Seconds*float64(time.Second))))
	}
	if err := t.Flush("  "); err != nil {
		return err
	}
	a.Say("  %s", a.Stdout.Wrap("LEFT is the share that stays as it is; SAVES is a month, of the "+shell.Price(r.MonthUSD)+" that keeping it costs now.", 2))
	a.Say("  Once: %s", a.Stdout.Wrap(onceCosts(r), 8))
	a.Say("  %s", a.Stdout.Style(term.Faint, "Assumed:"))
	for _, x := range r.Assumed {
		a.Say("  %s", a.Stdout.Style(term.Faint, "- "+a.Stdout.Wrap(x, 4)))
	}
	return nil
}

// onceCosts names what has to be paid once.
func onceCosts(r *job.Estimated) string {
	text := shell.Price(r.RequestsUSD) + " for " + shell.Requests(r.Requests)
	if r.OnceUSD > r.RequestsUSD {
		text = shell.Price(r.OnceUSD) + " in all; " + text
	}
	for _, x := range []struct {
		usd  float64
		what string
	}{{r.KMSUSD, "of it to KMS"}, {r.RetrievalUSD, "to read from the storage classes"}, {r.EarlyUSD, "as originals go before their storage class lets them"}} {
		if x.usd > 0 {
			text += ", " + shell.Price(x.usd) + " " + x.what
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
