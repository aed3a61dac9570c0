package cooper

import (
	"math"
	"testing"
)

func TestAddBytes(t *testing.T) {
	for _, c := range [][3]int64{{1, 2, 3}, {math.MaxInt64, 0, math.MaxInt64}, {math.MaxInt64 - 1, 1, math.MaxInt64}, {math.MaxInt64, 1, MaxBytes}, {math.MaxInt64, math.MaxInt64, MaxBytes}, {0, 0, 0}, {-1, -MaxBytes, math.MinInt64}, {-2, -MaxBytes, -MaxBytes}, {-5, 3, -2}} {
		if got := AddBytes(c[0], c[1]); got != c[2] {
			t.Errorf("%d + %d is %d, want %d", c[0], c[1], got, c[2])
		}
		if got := AddBytes(c[1], c[0]); got != c[2] {
			t.Errorf("%d + %d is %d, want %d", c[1], c[0], got, c[2])
		}
	}
}
