package progress

import (
	"math"
	"time"
)

// window is how far back the smoothed rates look: long enough that one large
// object does not make the ETA jump, short enough to follow a slow-down.
const window = 10 * time.Second

// smoothed holds exponentially weighted rates per second.
type smoothed struct {
	at                             time.Time
	lastObjects, lastBytes, lastMv int64
	objects, bytes, moved          float64
	fed                            float64 // weight of what was seen so far, up to 1
}

// feed takes the counters at a moment. Moments closer than a tenth of a second
// are left to the next call: their rates would be noise.
func (r *smoothed) feed(now time.Time, objects, bytes, moved int64) {
	dt := now.Sub(r.at)
	if dt < 100*time.Millisecond {
		return
	}
	keep := math.Exp(-dt.Seconds() / window.Seconds())
	// The beginning counts for nothing rather than for a rate of zero.
	weight := 1 - keep
	r.fed = r.fed*keep + weight
	mix := func(old float64, delta int64) float64 {
		return old + (float64(delta)/dt.Seconds()-old)*weight/r.fed
	}
	r.objects = mix(r.objects, objects-r.lastObjects)
	r.bytes = mix(r.bytes, bytes-r.lastBytes)
	r.moved = mix(r.moved, moved-r.lastMv)
	r.at, r.lastObjects, r.lastBytes, r.lastMv = now, objects, bytes, moved
}

// eta is the longer of what the objects and what the bytes left over ask for:
// small objects are bound by their number, large ones by their bytes.
func (r *smoothed) eta(objects, bytes int64) time.Duration {
	if objects <= 0 {
		return 0
	}
	if r.objects <= 0 {
		return -1
	}
	seconds := float64(objects) / r.objects
	if bytes > 0 && r.bytes > 0 {
		seconds = max(seconds, float64(bytes)/r.bytes)
	}
	const forever = 1000 * 24 * time.Hour
	if seconds > forever.Seconds() {
		return forever
	}
	return time.Duration(seconds * float64(time.Second))
}
