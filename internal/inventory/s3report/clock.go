package s3report

import (
	"time"

	"cooper"
)

// dayCache reads times, and remembers the day of the last one: rows that follow
// each other are often of one day.
type dayCache struct {
	text  [10]byte
	start int64 // of that day, in milliseconds since 1970
}

// instant reads RFC 3339 in UTC, 2026-11-20T01:00:00[.000]Z. What is finer than
// a millisecond is cut off; dates before 1970 and leap seconds are no times.
func (c *dayCache) instant(b []byte) (cooper.Instant, bool) {
	if len(b) < 20 || b[10] != 'T' || b[13] != ':' || b[16] != ':' || b[len(b)-1] != 'Z' {
		return 0, false
	}
	if string(b[:10]) != string(c.text[:]) {
		start, ok := startOfDay(b[:10])
		if !ok {
			return 0, false
		}
		copy(c.text[:], b)
		c.start = start
	}
	h, okH := pair(b[11:])
	m, okM := pair(b[14:])
	s, okS := pair(b[17:])
	ms, okF := fraction(b[19 : len(b)-1])
	if !okH || !okM || !okS || !okF || h > 23 || m > 59 || s > 59 {
		return 0, false
	}
	return cooper.Instant(c.start + ((h*60+m)*60+s)*1000 + ms), true
}

// fraction reads the milliseconds of ".000", or of nothing.
func fraction(b []byte) (int64, bool) {
	if len(b) == 0 {
		return 0, true
	}
	if b[0] != '.' || len(b) == 1 || len(b) > 10 {
		return 0, false
	}
	ms, unit := int64(0), int64(100)
	for _, d := range b[1:] {
		if d < '0' || d > '9' {
			return 0, false
		}
		ms += int64(d-'0') * unit
		unit /= 10
	}
	return ms, true
}

// pair reads two digits.
func pair(b []byte) (int64, bool) {
	if b[0] < '0' || b[0] > '9' || b[1] < '0' || b[1] > '9' {
		return 0, false
	}
	return int64(b[0]-'0')*10 + int64(b[1]-'0'), true
}

// startOfDay reads 2006-01-02.
func startOfDay(b []byte) (int64, bool) {
	century, okC := pair(b)
	year, okY := pair(b[2:])
	month, okM := pair(b[5:])
	day, okD := pair(b[8:])
	if !okC || !okY || !okM || !okD || b[4] != '-' || b[7] != '-' {
		return 0, false
	}
	t := time.Date(int(century*100+year), time.Month(month), int(day), 0, 0, 0, 0, time.UTC)
	// Date turns the 31st of June into the 1st of July.
	if t.Day() != int(day) || t.Month() != time.Month(month) || t.Year() < 1970 {
		return 0, false
	}
	return t.Unix() * 1000, true
}
