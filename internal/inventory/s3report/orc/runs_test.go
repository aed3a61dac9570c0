package orc

import (
	"bytes"
	"encoding/hex"
	"errors"
	"io"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// streamOf is a stream of bytes, given in hexadecimal.
func streamOf(t testing.TB, digits string) *stream {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(digits, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	m := &memory{limit: MaxMemory}
	s := newStream(bytes.NewReader(b), &tail{}, m, nil)
	s.reset(0, int64(len(b)))
	return s
}

func readInts(t testing.TB, digits string, signed, second bool, n int) ([]int64, error) {
	t.Helper()
	r := ints{signed: signed}
	r.reset(streamOf(t, digits), second)
	got := make([]int64, n)
	if err := r.read(got); err != nil {
		return nil, err
	}
	if ended, err := r.ended(); err != nil || !ended {
		t.Errorf("%s: more than %d numbers, or %v", digits, n, err)
	}
	return got, nil
}

func counted(n int, f func(i int64) int64) []int64 {
	v := make([]int64, n)
	for i := range v {
		v[i] = f(int64(i))
	}
	return v
}

// Most of these are the examples of the specification.
func TestRunsOfNumbers(t *testing.T) {
	patched := []int64{2030, 2000, 2020, 1000000, 2040, 2050, 2060, 2070, 2080, 2090, 2100, 2110, 2120, 2130, 2140, 2150, 2160, 2170, 2180, 2190}
	for name, c := range map[string]struct {
		bytes          string
		signed, second bool
		want           []int64
	}{
		"repeated":         {"61 00 07", false, false, counted(100, func(int64) int64 { return 7 })},
		"falling":          {"61 ff 64", false, false, counted(100, func(i int64) int64 { return 100 - i })},
		"literals":         {"fb 02 03 06 07 0b", false, false, []int64{2, 3, 6, 7, 11}},
		"signed literals":  {"fe 01 02", true, false, []int64{-1, 1}},
		"64 bits":          {"fe ff ff ff ff ff ff ff ff ff 01 fe ff ff ff ff ff ff ff ff 01", true, false, []int64{math.MinInt64, math.MaxInt64}},
		"short repeat":     {"0a 27 10", false, true, []int64{10000, 10000, 10000, 10000, 10000}},
		"signed repeat":    {"00 05", true, true, []int64{-3, -3, -3}},
		"eight bytes":      {"38 ff ff ff ff ff ff ff ff", true, true, []int64{math.MinInt64, math.MinInt64, math.MinInt64}},
		"direct":           {"5e 03 5c a1 ab 1e de ad be ef", false, true, []int64{23713, 43806, 57005, 48879}},
		"three bits":       {"44 03 05 30", false, true, []int64{0, 1, 2, 3}},
		"patched":          {"8e 13 2b 21 07 d0 1e 00 14 70 28 32 3c 46 50 5a 64 6e 78 82 8c 96 a0 aa b4 be fc e8", false, true, patched},
		"negative base":    {"8e 01 00 00 85 07 09", true, true, []int64{2, 4}},
		"far patch":        {"81 ff 07 e3 00" + strings.Repeat("00", 64) + "ff 00 ff 00 01 01", false, true, append(make([]int64, 511), 2)},
		"rising":           {"c6 09 02 02 22 42 42 46", false, true, []int64{2, 3, 5, 7, 11, 13, 17, 19, 23, 29}},
		"always as much":   {"c0 63 05 03", true, true, counted(100, func(i int64) int64 { return -3 - 2*i })},
		"a run of one":     {"c0 00 04 02", true, true, []int64{2}},
		"a run of two":     {"ce 01 04 01", true, true, []int64{2, 1}},
		"several runs":     {"00 05 00 07 c0 01 00 02", true, true, []int64{-3, -3, -3, -4, -4, -4, 0, 1}},
		"falling by steps": {"c6 03 14 01 12", true, true, []int64{10, 9, 8, 6}},
	} {
		got, err := readInts(t, c.bytes, c.signed, c.second, len(c.want))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestMalformedRuns(t *testing.T) {
	for name, c := range map[string]struct {
		bytes  string
		second bool
		want   error
	}{
		"nothing":                {"", true, io.EOF},
		"no step":                {"61", false, io.EOF},
		"no base":                {"61 00", false, io.EOF},
		"number without end":     {"ff ff ff ff ff ff ff ff ff ff ff ff", false, errVarint},
		"short repeat cut":       {"0a 27", true, io.EOF},
		"direct cut":             {"5e 03 5c a1", true, io.EOF},
		"patch beyond the run":   {"81 ff 07 e3 00" + strings.Repeat("00", 64) + "ff 00 ff 00 02 01", true, errRun},
		"patch of 72 bits":       {"8e 01 1f e1 00 00 00", true, errRun},
		"delta cut":              {"c6 09 02", true, io.EOF},
		"patched without header": {"8e 13 2b", true, io.EOF},
	} {
		if _, err := readInts(t, c.bytes, false, c.second, 1); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestRunsOfBytesAndBits(t *testing.T) {
	var o octets
	o.reset(streamOf(t, "61 00 fe 44 ff"))
	got := make([]int64, 102)
	if err := o.read(got); err != nil || got[99] != 0 || got[100] != 0x44 || got[101] != -1 {
		t.Errorf("%v, %v", got, err)
	}
	if ended, err := o.ended(); !ended || err != nil {
		t.Error(ended, err)
	}
	if _, err := o.next(); !errors.Is(err, io.EOF) {
		t.Error(err)
	}
	var b bits
	b.reset(streamOf(t, "ff 80"))
	got = got[:8]
	if err := b.read(got); err != nil || !cmp.Equal(got, []int64{1, 0, 0, 0, 0, 0, 0, 0}) {
		t.Errorf("%v, %v", got, err)
	}
	o.reset(streamOf(t, "00 01"))
	if _, err := o.next(); err != nil {
		t.Error(err)
	}
	if ended, _ := o.ended(); ended {
		t.Error("two bytes are left")
	}
}

// A clock in any zone shows what the standard library says.
func TestClocks(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.SampledFrom([]string{"", "UTC", "GMT", "America/Los_Angeles", "Asia/Kolkata", "Australia/Lord_Howe"}).Draw(t, "zone")
		zone, err := time.LoadLocation(name)
		if err != nil {
			t.Fatal(err)
		}
		c, err := newClock(true, name)
		if err != nil {
			t.Fatal(err)
		}
		base := time.Date(2015, 1, 1, 0, 0, 0, 0, zone).Unix()
		for range 3 {
			at := time.Unix(rapid.Int64Range(0, 253402300799).Draw(t, "seconds"), rapid.Int64Range(0, 999).Draw(t, "ms")*1e6).In(zone)
			want := time.Date(at.Year(), at.Month(), at.Day(), at.Hour(), at.Minute(), at.Second(), at.Nanosecond(), time.UTC).UnixMilli()
			if got := c.milliseconds(at.Unix()-base, int64(at.Nanosecond())<<3); got != want {
				t.Fatalf("%s in %q: %d, want %d", at, name, got, want)
			}
		}
	})
}

func TestOddTimes(t *testing.T) {
	utc, err := newClock(false, "America/Los_Angeles")
	if err != nil {
		t.Fatal(err)
	}
	const base = 1420070400
	for _, c := range []struct{ seconds, nanos, want int64 }{
		{0, 0, base * 1000},
		{-base, 5<<3 | 7, 500},
		{-base, 123456789 << 3, 123},
		{-base - 1, 5<<3 | 7, -1500}, // cut off towards 1970 when it was written
		{-base - 1, 1 << 3, -1000},
		{0, 10<<3 | 7, NoTime}, // a whole second
		{0, 1_000_000_000 << 3, NoTime},
		{0, -1, NoTime},
		{0, math.MinInt64, NoTime},
		{math.MaxInt64, 0, NoTime},
		{math.MinInt64, 0, NoTime},
	} {
		if got := utc.milliseconds(c.seconds, c.nanos); got != c.want {
			t.Errorf("%d, %d: %d, want %d", c.seconds, c.nanos, got, c.want)
		}
	}
	for _, zone := range []string{"Local", "Mars/Olympus", "../etc/passwd", "/etc/localtime"} {
		if _, err := newClock(true, zone); !errors.Is(err, ErrUnsupported) {
			t.Errorf("%s: %v", zone, err)
		}
	}
}
