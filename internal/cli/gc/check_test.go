package gc

import (
	"testing"

	"cooper/internal/gc"
)

// TestCost: what is not known is not told as nothing.
func TestCost(t *testing.T) {
	for want, c := range map[string]gc.Cost{
		"about 3,478 rows in 0.1s at the rate that is allowed":                                                                           {Rows: 3478, Seconds: 0.07},
		"14 tables of which the database does not tell the size":                                                                         {Unknown: 14},
		"about 1 row in 0.0s at the rate that is allowed, and 1 table of which the database does not tell the size, and up to 2 objects": {Rows: 1, Unknown: 1, Objects: 2},
		"at least 100,000 rows in 2.0s at the rate that is allowed":                                                                      {Rows: 100_000, Seconds: 2, AtLeast: true},
		"about 0 rows in 0.0s at the rate that is allowed":                                                                               {},
	} {
		if got := costOf(&c); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
