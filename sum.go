package cooper

import "math"

// MaxBytes is what a sum of sizes stays at where it would grow beyond: it then means "at
// least", and is shown with ≥.
const MaxBytes = math.MaxInt64

// AddBytes adds sizes, or differences of them, in bytes. What an inventory says of them is
// not to be trusted to have a sum that fits.
func AddBytes(a, b int64) int64 {
	sum := a + b
	switch {
	case a > 0 && b > 0 && sum < 0:
		return MaxBytes
	case a < 0 && b < 0 && sum >= 0:
		return -MaxBytes
	}
	return sum
}
