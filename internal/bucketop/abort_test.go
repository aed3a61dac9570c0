package bucketop

import (
	"testing"
	"time"

	"cooper"
)

func TestAbortArgs(t *testing.T) {
	for _, want := range []AbortArgs{{}, {Parts: 10000}} {
		if got, err := DecodeAbort(want.Encode()); err != nil || got != want {
			t.Errorf("%+v became %+v, %v", want, got, err)
		}
	}
	for _, m := range []map[string]string{nil, {"parts": "x"}, {"parts": "-1"}, {"parts": "1", "more": "x"}} {
		if _, err := DecodeAbort(m); cooper.KindOf(err) != cooper.KindInvalid {
			t.Errorf("%v: %v", m, err)
		}
	}
}

func TestUploadClock(t *testing.T) {
	now := time.Date(2026, 12, 1, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		ahead time.Duration
		told  bool
		want  time.Time
	}{
		{0, true, now}, {time.Hour, true, now}, {-time.Hour, true, now},
		{0, false, time.Time{}}, {25 * time.Hour, true, time.Time{}}, {-25 * time.Hour, true, time.Time{}},
	} {
		got, err := UploadClock("s3://lab", now, c.ahead, c.told)
		if got != cooper.InstantOf(c.want) || (cooper.KindOf(err) == cooper.KindRefused) != c.want.IsZero() {
			t.Errorf("%+v: %s, %v", c, got, err)
		}
	}
}
