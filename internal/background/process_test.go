package background

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"cooper"
)

// TestReusedNumber: a process that has the number of ours, and is another one, is
// neither taken for it nor signalled.
func TestReusedNumber(t *testing.T) {
	me, err := myself()
	if err != nil {
		t.Fatal(err)
	}
	if alive, err := me.Alive(); err != nil || !alive {
		t.Errorf("I am not alive: %v", err)
	}
	cmd := exec.CommandContext(t.Context(), "sleep", "60") // longer than the test, but not for ever
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Wait() }()
	defer func() { _ = cmd.Process.Kill() }()
	start, lives, err := stat(cmd.Process.Pid)
	if err != nil || !lives {
		t.Fatal(err)
	}
	for name, p := range map[string]Process{
		"before":       {cmd.Process.Pid, start - 1, me.Boot},
		"other boot":   {cmd.Process.Pid, start, "another"},
		"none":         {0, start, me.Boot},
		"ourselves -1": {-1, start, me.Boot},
	} {
		if alive, err := p.Alive(); err != nil || alive {
			t.Errorf("%s: alive %v, %v", name, alive, err)
		}
		if err := p.terminate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, lives, err := stat(cmd.Process.Pid); err != nil || !lives {
		t.Fatal("it was signalled in another's place")
	}
	right := Process{cmd.Process.Pid, start, me.Boot}
	if err := right.terminate(); err != nil {
		t.Error(err)
	}
	if err := cmd.Wait(); err == nil || cmd.ProcessState.Sys().(syscall.WaitStatus).Signal() != syscall.SIGTERM {
		t.Errorf("%v", cmd.ProcessState)
	}
	if err := right.terminate(); err != nil {
		t.Errorf("one that has ended: %v", err)
	}
}

func TestLock(t *testing.T) {
	name := filepath.Join(t.TempDir(), lockName)
	if h, err := held(name); h || err != nil {
		t.Errorf("%v %v", h, err)
	}
	f, err := lock(name)
	if err != nil {
		t.Fatal(err)
	}
	if h, err := held(name); !h || err != nil {
		t.Errorf("%v %v", h, err)
	}
	if h, err := held(name); !h || err != nil { // asking takes nothing
		t.Errorf("%v %v", h, err)
	}
	if _, err := lock(name); err == nil {
		t.Error("taken twice")
	}
	f.Close()
	if h, err := held(name); h || err != nil {
		t.Errorf("%v %v", h, err)
	}
}

// TestTaken: one at a time starts a run, from the moment it can be seen.
func TestTaken(t *testing.T) {
	path := filepath.Join(t.TempDir(), "b-20260101T000000Z-0000")
	release, err := Create(path, State{ID: filepath.Base(path), Args: []string{"x"}, Now: []string{"x"}})
	if err != nil {
		t.Fatal(err)
	}
	r := reopen(t, path)
	if _, err := r.Take(); cooper.KindOf(err) != cooper.KindLocked {
		t.Errorf("while it is made: %v", err)
	}
	if err := r.Drop(); err != nil || reopen(t, path).ID != r.ID {
		t.Errorf("what is taken is dropped: %v", err)
	}
	if err := release(); err != nil {
		t.Fatal(err)
	}
	if release, err = r.Take(); err != nil {
		t.Fatal(err)
	}
	if _, err := reopen(t, path).Take(); cooper.KindOf(err) != cooper.KindLocked {
		t.Errorf("a second time: %v", err)
	}
	if err := release(); err != nil {
		t.Fatal(err)
	}
	for range 2 { // others may have been quicker
		if err := r.Drop(); err != nil {
			t.Error(err)
		}
	}
}

// TestStatus makes up what a process cannot be brought to here.
func TestStatus(t *testing.T) {
	me, err := myself()
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		change func(r *Run)
		want   Status
		why    string
	}{
		"running":   {func(r *Run) { r.Process = me }, Running, ""},
		"restarted": {func(r *Run) { r.Process = Process{1, 1, "earlier"} }, CutOff, "by a restart of the machine"},
		"some objects failed": {func(r *Run) {
			r.Ended, r.Exit = 1, 3
		}, Finished, ""},
		"refused": {func(r *Run) { r.Ended, r.Exit = 1, 4 }, Failed, ""},
	} {
		r := newRun(t, "x", false)
		c.change(r)
		if err := writeState(r.path, &r.State); err != nil {
			t.Fatal(err)
		}
		if got := reopen(t, r.path); got.Status != c.want || got.Why != c.why {
			t.Errorf("%s: %s, %q", name, got.Status, got.Why)
		}
	}
	// A process that we cannot see, as in another container, holds the lock.
	r := newRun(t, "x", false)
	f, err := lock(filepath.Join(r.path, lockName))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if r = reopen(t, r.path); r.Status != Running || !r.Elsewhere() || r.Stop() == nil {
		t.Errorf("%+v", r)
	}
	if err := os.WriteFile(filepath.Join(r.path, stateName), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(r.path); err == nil {
		t.Error("a damaged state is taken for one")
	}
}
