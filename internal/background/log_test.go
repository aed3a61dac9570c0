package background

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func newLog(t *testing.T, size int64, fds ...int) *Log {
	t.Helper()
	l, err := openLog(filepath.Join(t.TempDir(), logName), size, fds...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func total(t *testing.T, l *Log) (n int64) {
	t.Helper()
	files, err := filepath.Glob(l.path + "*")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		info, err := os.Stat(f)
		if err != nil {
			t.Fatal(err)
		}
		n += info.Size()
	}
	return n
}

// TestLogStaysWithinBounds writes a hundred times what it may hold, by its own
// writer and beside it, as a panic would.
func TestLogStaysWithinBounds(t *testing.T) {
	spare, err := os.Open(os.DevNull) // its number is tied to the log
	if err != nil {
		t.Fatal(err)
	}
	defer spare.Close()
	l := newLog(t, 1000, int(spare.Fd()))
	beside := os.NewFile(spare.Fd(), "beside")
	for i := range 10_000 {
		if i%2 == 0 {
			_, err = fmt.Fprintf(l, "%020d\n", i)
		} else if _, err = fmt.Fprintf(beside, "%020d\n", i); i%100 == 1 {
			err = l.Check()
		}
		if err != nil {
			t.Fatal(err)
		}
		if n := total(t, l); n > 5*1100 {
			t.Fatalf("%d bytes", n)
		}
	}
	b, err := os.ReadFile(l.path)
	if err == nil && len(b) < 500 { // it has just begun anew
		b, err = os.ReadFile(numbered(l.path, 1))
	}
	if err != nil || !bytes.Contains(b, []byte("0099")) {
		t.Errorf("the newest lines are not there: %v\n%s", err, b)
	}
}

// TestLogWhoseNamesCannotChange: the bound holds even then.
func TestLogWhoseNamesCannotChange(t *testing.T) {
	l := newLog(t, 1000)
	if err := os.MkdirAll(filepath.Join(numbered(l.path, 4), "in the way"), 0o755); err != nil {
		t.Fatal(err)
	}
	for i := range 10_000 {
		_, _ = fmt.Fprintf(l, "%020d\n", i) // errors are the point
		if info, err := l.f.Stat(); err != nil || info.Size() > 1100 {
			t.Fatalf("%v %v", info.Size(), err)
		}
	}
}

// TestFollowAcrossFiles reads while it is written, at random: each line comes once
// and in order.
func TestFollowAcrossFiles(t *testing.T) {
	for seed := range uint64(50) {
		r := rand.New(rand.NewPCG(seed, 0))
		l := newLog(t, 300)
		var want, got bytes.Buffer
		rd, err := tail(l.path, -1)
		if err != nil {
			t.Fatal(err)
		}
		for i := range 200 {
			line := fmt.Sprintf("line %d of many\n", i)
			want.WriteString(line)
			if _, err := l.Write([]byte(line)); err != nil {
				t.Fatal(err)
			}
			if r.IntN(20) == 0 { // never behind by more than the files there are
				if _, err := rd.WriteTo(&got); err != nil {
					t.Fatal(err)
				}
			} else if int64(want.Len()-got.Len()) > 900 {
				if _, err := rd.WriteTo(&got); err != nil {
					t.Fatal(err)
				}
			}
		}
		if _, err := rd.WriteTo(&got); err != nil {
			t.Fatal(err)
		}
		rd.Close()
		if got.String() != want.String() {
			t.Fatalf("seed %d: got\n%s\nwant\n%s", seed, got.String(), want.String())
		}
	}
}

func TestTooSlowAReaderIsTold(t *testing.T) {
	l := newLog(t, 100)
	rd, err := tail(l.path, -1)
	if err != nil {
		t.Fatal(err)
	}
	defer rd.Close()
	for i := range 200 {
		_, _ = fmt.Fprintf(l, "line %d\n", i)
	}
	var b bytes.Buffer
	if _, err := rd.WriteTo(&b); err != nil || !strings.Contains(b.String(), "lines were lost") || !strings.HasSuffix(b.String(), "line 199\n") {
		t.Errorf("%v\n%s", err, b.String())
	}
}

func TestTail(t *testing.T) {
	l := newLog(t, 300)
	for n, want := range map[int]string{0: "", 3: "", -1: ""} {
		if got := read(t, l, n); got != want {
			t.Errorf("an empty log, %d lines: %q", n, got)
		}
	}
	var all []string
	for i := range 60 {
		line := fmt.Sprintf("line %d\n", i)
		all = append(all, line)
		_, _ = l.Write([]byte(line))
	}
	for _, n := range []int{1, 2, 7, 40, 41, 59, 60, 1000} {
		if got, want := read(t, l, n), strings.Join(all[max(0, 60-n):], ""); got != want {
			t.Errorf("the last %d lines:\n%s", n, got)
		}
	}
	if got := read(t, l, -1); got != strings.Join(all, "") {
		t.Errorf("all lines:\n%s", got)
	}
	long := newLog(t, 1<<20)
	text := strings.Repeat("x", 200_000) + "\n"
	_, _ = long.Write([]byte("first\n" + text + text))
	if got := read(t, long, 2); got != text+text {
		t.Errorf("%d bytes of long lines", len(got))
	}
}

func read(t *testing.T, l *Log, n int) string {
	t.Helper()
	r, err := tail(l.path, n)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var b strings.Builder
	if _, err := r.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestFollowEnds: what was written before the end is read, and then it ends.
func TestFollowEnds(t *testing.T) {
	l := newLog(t, 1000)
	r, err := tail(l.path, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var b bytes.Buffer
	looks := 0
	err = r.Follow(t.Context(), &b, func(context.Context, time.Duration) error {
		_, err := fmt.Fprintf(l, "look %d\n", looks)
		return err
	}, func() (bool, error) {
		if looks++; looks == 3 {
			_, _ = fmt.Fprintln(l, "the end")
		}
		return looks == 3, nil
	})
	if err != nil || b.String() != "look 1\nlook 2\nthe end\n" {
		t.Errorf("%v\n%s", err, b.String())
	}
}
