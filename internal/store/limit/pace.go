package limit

import "time"

// How the rate moves. A cut of a fifth and a rise of 3 % of that level a second
// keep the mean near nine tenths of what the store allows.
const (
	cutTo      = 0.8
	rise       = 0.03
	slowest    = 1.0  // requests per second; waiting longer is left to retries
	firstGuess = 10.0 // when the first answer ever is a refusal

	// window is over what successes are counted, and the least time between
	// two cuts: stores count by the second, and all that is refused within
	// one is one message.
	window = time.Second
	// calm is after how long without a refusal the rise becomes exponential:
	// the store has made room.
	calm = 15 * time.Second
	// catchUp is how much unused time can be made up for.
	catchUp = 20 * time.Millisecond
)

// pace is the arithmetic of a Limiter, without clock or locks.
type pace struct {
	rate float64   // requests per second; 0: no limit
	next time.Time // when the next request may go

	opened  time.Time // when the present window began
	count   float64   // successes in it
	last    float64   // successes per second in the window before
	refused bool      // something was refused in the present window

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
	p.turn(now)
	p.count++
}

func (p *pace) throttle(begun, now time.Time) {
	if p.refusedSince.IsZero() {
		p.refusedSince = now
	}
	p.turn(now)
	p.refused = true
	// What was sent before the last cut says nothing about the rate since.
	if !p.cutAt.IsZero() && (begun.Before(p.cutAt) || now.Sub(p.cutAt) < window) {
		return
	}
	if !p.limited() {
		p.rate = max(p.last, p.seen(now), firstGuess)
		p.next = now
	}
	p.rate = max(slowest, p.rate*cutTo)
	p.cutAt, p.cutRate = now, p.rate
}

// seen is the rate of successes in the present window; in its beginning it
// guesses low.
func (p *pace) seen(now time.Time) float64 {
	return p.count / max(now.Sub(p.opened), window/5).Seconds()
}

// turn ends the window when it is over, and raises the rate if nothing was
// refused in it and the rate was what held requests back.
func (p *pace) turn(now time.Time) {
	if p.opened.IsZero() {
		p.opened = now
		return
	}
	d := now.Sub(p.opened)
	if d < window {
		return
	}
	p.last = p.count / d.Seconds()
	if p.limited() && !p.refused && p.last >= p.rate/2 {
		level := p.cutRate
		if now.Sub(p.cutAt) > calm {
			level = p.rate
		}
		p.rate += max(slowest, rise*level)
	}
	p.opened, p.count, p.refused = now, 0, false
}
