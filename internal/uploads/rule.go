package uploads

import (
	"fmt"
	"math"

	"cooper"
)

// Rule is what a lifecycle rule is that does as a policy says, as nearly as one can.
// As JSON it is what the AWS command line takes.
type Rule struct {
	Rules []LifecycleRule
}

// LifecycleRule is one of a bucket's.
type LifecycleRule struct {
	ID, Status                     string
	Filter                         struct{ Prefix string }
	AbortIncompleteMultipartUpload struct{ DaysAfterInitiation int }
}

// RuleOf makes the rule of a policy, and says how it differs from what a plan does.
// A rule knows no exceptions: protected prefixes are refused.
func RuleOf(p Policy) (Rule, []string, error) {
	if err := p.Check(); err != nil {
		return Rule{}, nil, err
	}
	if len(p.Protect) > 0 {
		return Rule{}, nil, usageOfProtect()
	}
	days := int(math.Ceil(p.OlderThan / LeastAge.Seconds()))
	r := LifecycleRule{ID: fmt.Sprintf("abort-unfinished-uploads-%dd", days), Status: "Enabled"}
	r.Filter.Prefix, r.AbortIncompleteMultipartUpload.DaysAfterInitiation = p.Prefix, days
	differs := []string{
		"it has not been applied: putting a lifecycle configuration replaces all rules of a bucket, so put this one beside those that are there",
		fmt.Sprintf("it counts %d days from when an upload was begun, up to the next midnight UTC, and does not mind whether parts still come", days),
		"it goes on with every upload to come, asks nobody, leaves no facts, and spares none of cooper's own",
	}
	return Rule{Rules: []LifecycleRule{r}}, differs, nil
}

func usageOfProtect() error {
	return &cooper.Error{Kind: cooper.KindUsage, Where: "--protect", Message: "a lifecycle rule knows no exceptions",
		Remedy: "Leave --protect out and give a --prefix that holds nothing protected, or abort by plan."}
}
