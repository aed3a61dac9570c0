package term

import (
	"strings"
	"testing"
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
}

func TestLiveViewFitsTheTerminal(t *testing.T) {
	s := progress.Snapshot{Phase: strings.Repeat("long ", 30), Objects: 5, TotalObjects: 10}
	for _, l := range liveView(Plain(nil), &s) {
		if n := len([]rune(l)); n >= 80 {
			t.Errorf("%d columns: %s", n, l)
		}
	}
}
