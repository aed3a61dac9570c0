package background

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func begin(t *testing.T, r *Run, patience time.Duration) Begun {
	t.Helper()
	b, err := r.Start(t.Context(), os.Args[0], os.Environ(), patience)
	if err != nil {
		t.Fatal(err)
	}
	if !b.Ended {
		t.Cleanup(func() {
			_ = syscall.Kill(b.PID, syscall.SIGKILL)
			_, _ = syscall.Wait4(b.PID, nil, 0, nil)
		})
	}
	return b
}

// wait waits until a process that a test has started has ended.
func wait(t *testing.T, pid int) {
	t.Helper()
	if _, err := syscall.Wait4(pid, nil, 0, nil); err != nil {
		t.Fatal(err)
	}
}

// TestLife starts a run, looks at it, stops it, and takes it up again.
func TestLife(t *testing.T) {
	runtime.LockOSThread() // whose priority it is
	defer runtime.UnlockOSThread()
	before, err := unix.Getpriority(unix.PRIO_PROCESS, 0)
	if err != nil {
		t.Fatal(err)
	}
	r := newRun(t, "work", true)
	if r.Status != CutOff { // what starts it may be killed, too
		t.Errorf("before it is started it is %s", r.Status)
	}
	b := begin(t, r, time.Minute)
	if !b.Working || b.Ended {
		t.Fatalf("%+v", b)
	}
	r = reopen(t, r.path)
	if !r.Status.Live() || r.Process.PID != b.PID || r.Starts != 1 || r.Elsewhere() {
		t.Errorf("%+v", r)
	}
	if sid, err := unix.Getsid(b.PID); err != nil || sid != b.PID {
		t.Errorf("its session is %d, %v; its pid %d", sid, err, b.PID)
	}
	if p, err := unix.Getpriority(unix.PRIO_PROCESS, b.PID); err != nil || 20-p != 19 {
		t.Errorf("its priority is %d, %v", 20-p, err)
	}
	if p, _, errno := unix.Syscall(unix.SYS_IOPRIO_GET, 1, uintptr(b.PID), 0); errno == 0 && p>>13 != 3 {
		t.Errorf("its class for disks is %d", p>>13)
	}
	if p, err := unix.Getpriority(unix.PRIO_PROCESS, 0); err != nil || p != before {
		t.Errorf("our own priority is %d now, and was %d, %v", 20-p, 20-before, err)
	}
	if err := r.Again(nil); err == nil {
		t.Error("it can be taken up although it runs")
	}
	// Another process finds the run taken, whatever the state says.
	taken := *r
	taken.Now = []string{"work"}
	if b := begin(t, &taken, time.Minute); !b.Ended || b.Exit != 4 {
		t.Errorf("a second process: %+v", b)
	}

	if err := writeFile(filepath.Join(r.path, stopName), nil); err != nil {
		t.Fatal(err)
	}
	if now := reopen(t, r.path); now.Status != Stopping {
		t.Errorf("asked to stop, it is %s", now.Status)
	}
	if err := r.Stop(); err != nil {
		t.Fatal(err)
	}
	wait(t, b.PID)
	r = reopen(t, r.path)
	if r.Status != Stopped || r.Exit != 130 || r.Message != "stopped" || r.Plan != "p-1" || r.Progress == nil || r.Progress.Objects != 5 || r.Progress.Until == 0 {
		t.Errorf("%+v, progress %+v", r, r.Progress)
	}
	if err := r.Stop(); err != nil || reopen(t, r.path).Status != Stopped {
		t.Error(err)
	}
	if err := r.Again([]string{"work", "more"}); err != nil {
		t.Fatal(err)
	}
	if again := reopen(t, r.path); again.Status != CutOff {
		t.Errorf("made ready, it is %s", again.Status)
	} else if again.Exit != 0 || again.Message != "" || again.Process.PID != 0 {
		t.Errorf("it remembers how it ended: %+v", again)
	}
	b = begin(t, r, time.Minute)
	if r = reopen(t, r.path); !r.Status.Live() || r.Starts != 2 || r.Args[0] != "work" || len(r.Now) != 2 {
		t.Errorf("%+v", r)
	}
	log := logOf(t, r)
	for _, want := range []string{"began: cooper work\n", "ended with exit code 130\n", "taken up again: cooper work more\n"} {
		if !strings.Contains(log, want) {
			t.Errorf("%q is not in the log:\n%s", want, log)
		}
	}
	if strings.Contains(log, "stdin has") {
		t.Error(log)
	}
	// A signal of somebody else's is no wish of a person.
	if err := syscall.Kill(b.PID, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	wait(t, b.PID)
	if r = reopen(t, r.path); r.Status != CutOff || r.Exit != 130 {
		t.Errorf("after SIGTERM: %+v", r)
	}
	if err := r.Stop(); err != nil || reopen(t, r.path).Status != Stopped {
		t.Errorf("a run that was cut off cannot be given up: %v", err)
	}
	if err := r.Drop(); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(filepath.Dir(r.path)); err != nil || len(left) > 0 {
		t.Errorf("%v %v", left, err)
	}
}

// TestStoppedBeforeItBegins: the wish to stop finds also a run whose process has just
// been started.
func TestStoppedBeforeItBegins(t *testing.T) {
	r := newRun(t, "work", false)
	if err := r.Stop(); err != nil {
		t.Fatal(err)
	}
	if b := begin(t, r, time.Minute); b.Working {
		wait(t, b.PID)
	}
	if r = reopen(t, r.path); r.Status != Stopped || r.Exit != 130 {
		t.Errorf("%+v", r)
	}
}

func TestKilled(t *testing.T) {
	r := newRun(t, "work", false)
	b := begin(t, r, time.Minute)
	if err := syscall.Kill(b.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	// Not waited for, it is a zombie for a while: that is no life.
	var info unix.Siginfo
	if err := unix.Waitid(unix.P_PID, b.PID, &info, unix.WEXITED|unix.WNOWAIT, nil); err != nil {
		t.Fatal(err)
	}
	if r = reopen(t, r.path); r.Status != CutOff || r.Why != "killed or crashed" {
		t.Errorf("%+v", r)
	}
}

// TestEarlyEnd: who starts a run that fails at once is told, and its log says why.
func TestEarlyEnd(t *testing.T) {
	for how, want := range map[string]struct {
		working bool
		exit    int
		status  Status
		log     string
	}{
		"fail":  {false, 1, Failed, "no such thing\n"},
		"panic": {true, 0, CutOff, "panic: all is lost"},
		"crash": {false, -1, CutOff, "out of luck\n"},
	} {
		r := newRun(t, how, false)
		b := begin(t, r, time.Minute)
		if b.Working != want.working || b.Ended == want.working || b.Exit != want.exit {
			t.Errorf("%s: %+v", how, b)
		}
		if b.Working {
			wait(t, b.PID)
		}
		if r = reopen(t, r.path); r.Status != want.status || !strings.Contains(logOf(t, r), want.log) {
			t.Errorf("%s: it is %s, and its log:\n%s", how, r.Status, logOf(t, r))
		}
	}
}

// TestPatienceEnds: a run that takes long to come to its work goes on without
// being waited for.
func TestPatienceEnds(t *testing.T) {
	r := newRun(t, "slow", false)
	if b := begin(t, r, time.Millisecond); b.Working || b.Ended || b.PID == 0 {
		t.Errorf("%+v", b)
	}
	if b, err := newRun(t, "slow", false).Start(t.Context(), filepath.Join(t.TempDir(), "none"), nil, time.Minute); err == nil {
		t.Errorf("a program that is not there: %+v", b)
	}
}

func TestHidden(t *testing.T) {
	got := strings.Join(Hidden([]string{"stats", "postgres://me:pw@host/db", "--dsn=https://key@sentry.example/1", "--match", "a b", ""}), " ")
	if want := "stats postgres://…@host/db --dsn=https://…@sentry.example/1 --match 'a b' ''"; got != want {
		t.Errorf("%s", got)
	}
	got = strings.Join(Hidden([]string{"postgres://me:p@ss@host/db", "postgres://me:p/w#1@host/db", "--keys=postgres://host/db?user=me&password=pw&sslmode=require", "s3://bucket/a@b/"}), " ")
	if want := "postgres://…@host/db postgres://…@host/db '--keys=postgres://host/db?user=me&password=…&sslmode=require' s3://bucket/a@b/"; got != want {
		t.Errorf("%s", got)
	}
}

func TestPassword(t *testing.T) {
	for arg, want := range map[string]bool{
		"postgres://me:pw@host/db": true, "--keys=postgresql://me:p@ss@host/db": true, "postgres://me:p/w#1@host/db": true, "postgres://me:p%w@host/db": true,
		"postgres://host/db?user=me&password=pw": true, "postgres://host/db?SSLPassword=pw": true, "exec:psql postgres://me:pw@host -c x": true, "https://me:pw@store": true,
		"postgres://me@host:5432/db": false, "postgres://me:@host/db": false, "postgres://host:5432/db?user=me@corp&password=": false, "https://key@sentry.example/1": false,
		"s3://bucket/a:b@c": false, "s3://arn:aws:s3:us-east-1:1:accesspoint/n/a%zz@b": false, "http://localhost:9000": false, "a:b@c": false, "": false,
	} {
		if got := Password(arg); got != want {
			t.Errorf("%s: %v", arg, got)
		}
	}
}
