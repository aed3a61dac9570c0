// Package words writes numbers, sizes, times and amounts as one says them to a person:
// the same in a message of a job, in a table and on a page. How a terminal shows them is
// left to term.
package words

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Count writes n with thousands separators: 1,234,567.
func Count(n int64) string {
	s := strconv.FormatInt(n, 10)
	neg := strings.HasPrefix(s, "-")
	s = strings.TrimPrefix(s, "-")
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	if neg {
		return "-" + s
	}
	return s
}

// Bytes writes n with a decimal unit and three figures: 1.24 GB.
func Bytes(n int64) string {
	if n == math.MaxInt64 {
		return "≥ 9.22 EB" // where sums end
	}
	if n > -1000 && n < 1000 {
		return strconv.FormatInt(n, 10) + " B"
	}
	f, unit := float64(n), 0
	for f >= 999.5 || f <= -999.5 {
		f /= 1000
		unit++
	}
	digits := 2
	if f >= 99.95 || f <= -99.95 {
		digits = 0
	} else if f >= 9.995 || f <= -9.995 {
		digits = 1
	}
	return strconv.FormatFloat(f, 'f', digits, 64) + " " + string(" kMGTPE"[unit]) + "B"
}

// Duration writes d with two units at most: 3d 4h, 5m 12s, 0.8s.
func Duration(d time.Duration) string {
	switch {
	case d < 0:
		return "-" + Duration(-d)
	case d < 10*time.Second:
		return fmt.Sprintf("%.1fs", d.Seconds())
	case d < time.Minute:
		return fmt.Sprintf("%.0fs", d.Seconds())
	case d < time.Hour:
		return fmt.Sprintf("%dm %02ds", int(d.Minutes()), int(d.Seconds())%60)
	case d < 24*time.Hour:
		return fmt.Sprintf("%dh %02dm", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%dd %02dh", int(d.Hours())/24, int(d.Hours())%24)
}

// Clock writes a time of day: 22:00.
func Clock(t time.Time) string { return t.Format("15:04") }

// Dollars writes an amount in US dollars: cents where they matter.
func Dollars(usd float64) string {
	switch {
	case usd == 0:
		return "$0"
	case usd < 0.01:
		return fmt.Sprintf("$%.4f", usd)
	}
	return fmt.Sprintf("$%.2f", usd)
}

// Plural writes n and the word, with an s unless n is one.
func Plural(n int64, word string) string {
	if n != 1 {
		word += "s"
	}
	return Count(n) + " " + word
}
