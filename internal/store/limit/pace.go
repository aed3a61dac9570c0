package limit

import "time"

// How the rate moves. Between a cut to nine tenths of what got through and a
// rise of 3 % of that a second, the mean stays near what the store allows.
const (
	cutTo = 0.9
	rise  = 0.03
	// tolerated is the share of refusals that is taken for noise: they are
	// repeated, and cost less than going slower.
	tolerated = 0.02
	// steepest bounds one cut, for stores that let less through the more is
	// asked of them.
	steepest = 0.5
	// slowest is the least rate, in requests per second; waiting longer than
	// that between attempts is left to retries.
	slowest = 10.0

	// window is over what answers are counted; stores count by the second.
	window = time.Second
	// memory is for how many windows the best throughput is remembered. A rate
	// is not cut below it: a store that lets so much through has no reason to
	// want less, and refusals that do not depend on our rate must not drive it
	// to nothing.
	memory = 5
	// calm is after how long without a cut the rise becomes exponential: the
	// store has made room.
	calm = 15 * time.Second
	// catchUp is how much unused time can be made up for.
	catchUp = 20 * time.Millisecond
)

// pace is the arithmetic of a Limiter, without clock or locks.
type pace struct {
	rate float64   // requests per second; 0: no limit
	next time.Time // when the next request may go

	opened       time.Time // when the present window began
	passed       float64   // answers in it that were no refusals
	refused      float64
	recent       [memory]float64 // passed per second in the windows before
	turns        int
	cutAt        time.Time
	cutRate      float64
	refusedSince time.Time
}

func (p *pace) limited() bool { return p.rate > 0 }

// reserve takes the next place in line and says when it is.
func (p *pace) reserve(now time.Time) time.Time {
	if earliest := now.Add(-catchUp); p.next.Before(earliest) {
		p.next = earliest
	}
	at := p.next
	p.next = p.next.Add(time.Duration(float64(time.Second) / p.rate))
	return at
}

func (p *pace) success(now time.Time) {
	p.refusedSince = time.Time{}
	p.passed++
	p.turn(now)
}

func (p *pace) throttle(now time.Time) {
	if p.refusedSince.IsZero() {
		p.refusedSince = now
	}
	p.refused++
	p.turn(now)
}

// turn ends the window when it is over, and draws the conclusions.
func (p *pace) turn(now time.Time) {
	if p.opened.IsZero() {
		p.opened = now
	}
	d := now.Sub(p.opened)
	if d < window {
		return
	}
	through := p.passed / d.Seconds()
	p.recent[p.turns%memory] = through
	p.turns++
	switch {
	case p.refused > tolerated*(p.passed+p.refused):
		p.cut(now)
	// Only where the rate is what holds requests back does it mean anything
	// that none are refused.
	case p.limited() && through >= p.rate/2:
		level := p.cutRate
		if now.Sub(p.cutAt) > calm {
			level = p.rate
		}
		p.rate += rise * level
	}
	p.opened, p.passed, p.refused = now, 0, 0
}

func (p *pace) cut(now time.Time) {
	best := 0.0
	for _, r := range p.recent {
		best = max(best, r)
	}
	if !p.limited() {
		p.next = now
		p.rate = cutTo * best
	} else {
		p.rate = min(p.rate, max(steepest*p.rate, cutTo*best))
	}
	p.rate = max(p.rate, slowest)
	p.cutAt, p.cutRate = now, p.rate
}
