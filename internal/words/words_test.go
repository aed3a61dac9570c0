package words

import (
	"testing"
	"time"
)

func TestBytes(t *testing.T) {
	for n, want := range map[int64]string{
		0: "0 B", 999: "999 B", 1000: "1.00 kB", 1234: "1.23 kB", 99_950: "100 kB", 999_499: "999 kB", 999_500: "1.00 MB",
		12_345_678: "12.3 MB", 1_200_000_000_000_000: "1.20 PB", -5_000: "-5.00 kB", 1<<63 - 2: "9.22 EB", 1<<63 - 1: "≥ 9.22 EB",
	} {
		if got := Bytes(n); got != want {
			t.Errorf("Bytes(%d) = %q, want %q", n, got, want)
		}
	}
}

func TestCount(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567", -1000: "-1,000", -1 << 63: "-9,223,372,036,854,775,808"} {
		if got := Count(n); got != want {
			t.Errorf("Count(%d) = %q, want %q", n, got, want)
		}
	}
}

func TestDuration(t *testing.T) {
	for d, want := range map[time.Duration]string{
		800 * time.Millisecond: "0.8s", 42 * time.Second: "42s", 5*time.Minute + 3*time.Second: "5m 03s",
		4*time.Hour + 30*time.Minute: "4h 30m", 76 * time.Hour: "3d 04h",
	} {
		if got := Duration(d); got != want {
			t.Errorf("Duration(%v) = %q, want %q", d, got, want)
		}
	}
}
