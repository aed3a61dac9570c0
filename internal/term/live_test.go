package term

import (
	"bytes"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"cooper"
	"cooper/internal/progress"
)

func TestLogLineSaysEverything(t *testing.T) {
	s := progress.Snapshot{Phase: "fill", Objects: 1500, TotalObjects: 3000, Bytes: 1e6, TotalBytes: 2e6, Elapsed: time.Minute,
		ObjectRate: 25, ByteRate: 16_000, ETA: time.Minute, Failed: map[cooper.Kind]int64{cooper.KindDenied: 2}, Deferred: 3}
	want := "fill 1,500 of 3,000 objects, 1.00 MB of 2.00 MB, 25/s, 16.0 kB/s, elapsed 1m 00s, ETA 1m 00s, 2 failed (denied), 3 deferred"
	if got := LogLine(&s); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	s = progress.Snapshot{Phase: "fill", Objects: 1, ETA: -1, Until: time.Date(2026, 1, 1, 22, 5, 0, 0, time.UTC)}
	if got := LogLine(&s); !strings.HasSuffix(got, ", waiting until 22:05") {
		t.Error(got)
	}
}

// lines may be read while it is written.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// TestSparseLog: a log that is kept for three weeks has some hundred lines of
// progress, and the first of them soon.
func TestSparseLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b lines
		out := Plain(&b)
		out.Sparse = true
		began := time.Now()
		stop := Follow(out, func() progress.Snapshot {
			return progress.Snapshot{Phase: "fill", Elapsed: time.Since(began)}
		})
		time.Sleep(time.Minute + time.Second)
		synctest.Wait()
		if n := strings.Count(b.String(), "\n"); n != 1 {
			t.Errorf("%d lines after a minute", n)
		}
		time.Sleep(21 * 24 * time.Hour)
		stop()
		if n := strings.Count(b.String(), "\n"); n < 400 || n > 600 {
			t.Errorf("%d lines in three weeks", n)
		}
		if l, _, _ := strings.Cut(b.String(), " fill"); len(l) != len(time.DateTime) {
			t.Errorf("a line begins %q", l)
		}
	})
}

func TestLiveViewFitsTheTerminal(t *testing.T) {
	s := progress.Snapshot{Phase: strings.Repeat("long ", 30), Objects: 5, TotalObjects: 10}
	for _, l := range liveView(Plain(nil), &s) {
		if n := len([]rune(l)); n >= 80 {
			t.Errorf("%d columns: %s", n, l)
		}
	}
}

// TestStandstill: where nothing moves is told at once, on a terminal and in every log,
// and rarely again.
func TestStandstill(t *testing.T) {
	for _, sparse := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			var b lines
			out := Plain(&b)
			out.Sparse = sparse
			began := time.Now()
			stop := Follow(out, func() progress.Snapshot {
				s := progress.Snapshot{Phase: "compress", InFlight: 2}
				if d := time.Since(began); d >= time.Minute && d < time.Hour {
					s.Stalled = d
					s.Waits = []progress.Wait{{For: "a\nplace", Since: began}, {For: "b", Since: began}, {For: "c", Since: began}, {For: "d", Since: began}}
				}
				return s
			})
			time.Sleep(61 * time.Second)
			synctest.Wait()
			at := began.Format(time.TimeOnly)
			want := "nothing has moved for 1m 00s: waiting for a\\nplace, since " + at + "; waiting for b, since " + at + "; waiting for c, since " + at + "; and for 1 more\n"
			if n := strings.Count(b.String(), want); n != 1 {
				t.Errorf("%q, not once %q", b.String(), want)
			}
			time.Sleep(2 * time.Hour)
			stop()
			if n := strings.Count(b.String(), "nothing has moved"); n < 4 || n > 7 {
				t.Errorf("%d times in an hour", n)
			}
		})
	}
	s := progress.Snapshot{Phase: "compress", InFlight: 1, Stalled: time.Minute}
	view := strings.Join(liveView(Plain(nil), &s), "\n")
	if !strings.Contains(view, "nothing has moved for 1m 00s\n  no request is under way; 1 object worked on") {
		t.Error(view)
	}
	s.Waits = []progress.Wait{{For: strings.Repeat("long ", 50), Since: time.Unix(0, 0)}}
	for _, l := range liveView(Plain(nil), &s) {
		if n := len([]rune(l)); n >= 80 {
			t.Errorf("%d columns: %s", n, l)
		}
	}
}
