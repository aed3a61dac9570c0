package orc

import (
	"math"
	"time"
	_ "time/tzdata" // a report means the same on a machine without time zones
)

// NoTime is what a timestamp is given as that lies thousands of years away, or
// whose nanoseconds are none.
const NoTime = math.MinInt64

// maxSeconds is some 30,000 years.
const maxSeconds = 1 << 40

// clock makes milliseconds since 1970 of what a file stores: seconds since the
// beginning of 2015, in the writer's time zone, and nanoseconds.
//
// A Timestamp is a reading of a clock without a time zone. The file stores the
// instant at which clocks in the writer's zone showed it, so that it takes the
// zone to get the reading back; it is given here as if the clock had been in UTC.
// An Instant is what it is.
type clock struct {
	wall bool // gives readings of the clock in zone
	zone *time.Location
	base int64 // the beginning of 2015, in seconds since 1970

	// Between from and to, in milliseconds, the zone is offset from UTC.
	from, to, offset int64
}

func newClock(wall bool, zone string) (*clock, error) {
	c := &clock{wall: wall, zone: time.UTC}
	// Local is this machine's, of which the writer knew nothing.
	if wall && zone != "" {
		var err error
		if c.zone, err = time.LoadLocation(zone); err != nil || zone == "Local" {
			return nil, unsupported("times in the time zone %q", zone)
		}
	}
	c.base = time.Date(2015, 1, 1, 0, 0, 0, 0, c.zone).Unix()
	return c, nil
}

// milliseconds makes one of seconds and of nanoseconds as they are stored: the
// lowest three bits of these tell how many zeros were left off.
func (c *clock) milliseconds(seconds, nanos int64) int64 {
	zeros := nanos & 7
	nanos = int64(uint64(nanos) >> 3)
	if nanos >= 1e9 || seconds > maxSeconds || seconds < -maxSeconds {
		return NoTime
	}
	if zeros > 0 {
		for range zeros + 1 {
			nanos *= 10
		}
	}
	if nanos >= 1e9 {
		return NoTime
	}
	ms := (c.base+seconds)*1000 + nanos/1e6
	if ms < 0 && nanos >= 1e6 {
		ms -= 1000 // writers cut off towards 1970
	}
	if !c.wall {
		return ms
	}
	if ms < c.from || ms >= c.to {
		c.look(ms)
	}
	return ms + c.offset
}

// look finds the zone's offset at a time, and how long it lasts.
func (c *clock) look(ms int64) {
	at := time.UnixMilli(ms).In(c.zone)
	_, offset := at.Zone()
	c.offset, c.from, c.to = int64(offset)*1000, math.MinInt64, math.MaxInt64
	from, to := at.ZoneBounds()
	if !from.IsZero() {
		c.from = from.UnixMilli()
	}
	if !to.IsZero() {
		c.to = to.UnixMilli()
	}
}
