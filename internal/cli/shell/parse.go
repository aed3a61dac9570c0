package shell

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"cooper"
)

// memoryBytes is --memory in bytes.
func (s *Shell) memoryBytes() (int64, error) {
	n, ok := ParseBytes(s.memory)
	if !ok || n < 256<<20 {
		return 0, Usage(fmt.Sprintf("--memory %q is not a size of at least 256MiB", s.memory), "Give it like --memory 2GiB.")
	}
	return n, nil
}

// ParseBytes reads a number of bytes, with a unit or without: 2GiB, 1.5 MB, 512.
func ParseBytes(s string) (int64, bool) {
	units := []struct {
		suffix string
		bytes  float64
	}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40}, {"kB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12}, {"", 1}}
	for _, u := range units {
		num, ok := strings.CutSuffix(strings.TrimSpace(s), u.suffix)
		if !ok {
			continue
		}
		x, err := strconv.ParseFloat(strings.TrimSpace(num), 64)
		return int64(x * u.bytes), err == nil && x >= 0 && x*u.bytes < 1<<60
	}
	return 0, false
}

// ParseAge takes a number of hours, days, weeks or years.
func ParseAge(s string) (time.Duration, error) {
	units := map[string]time.Duration{"h": time.Hour, "d": 24 * time.Hour, "w": 7 * 24 * time.Hour, "y": 365 * 24 * time.Hour}
	if s != "" {
		unit := units[s[len(s)-1:]]
		n, err := strconv.ParseUint(s[:len(s)-1], 10, 63)
		if err == nil && n > 0 && unit > 0 && n <= uint64(math.MaxInt64/unit) {
			return time.Duration(n) * unit, nil
		}
	}
	return 0, Usage("--older-than "+cooper.Quote(s)+" is not an age", "Give it like 90d: hours (h), days (d), weeks (w) or years (y).")
}

// ParseTime takes a day (its beginning, UTC) or an instant.
func ParseTime(s string) (cooper.Instant, error) {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02T15-04Z", "2006-01-02"} {
		if t, err := time.Parse(layout, s); err == nil {
			return cooper.InstantOf(t), nil
		}
	}
	return 0, Usage(cooper.Quote(s)+" is not a time", "Give a day, 2026-03-01, or an instant, 2026-03-01T12:00:00Z.")
}

// ShareLimit reads --share-stop; without it the limit is as it was.
func ShareLimit(share string, limit float64) (float64, error) {
	if share == "" {
		return limit, nil
	}
	num, percent := strings.CutSuffix(share, "%")
	x, err := strconv.ParseFloat(num, 64)
	if err != nil {
		return limit, Usage(fmt.Sprintf("--share-stop %s is not a share", cooper.Quote(share)), "Give it like 10% or 0.1.")
	}
	if percent {
		x /= 100
	}
	return x, nil
}
