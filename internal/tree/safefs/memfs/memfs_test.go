package memfs

import (
	"math/rand/v2"
	"testing"

	"cooper/internal/tree/safefs"
	"cooper/internal/tree/safefs/safefstest"
)

func TestConformance(t *testing.T) { safefstest.Test(t, New()) }

func put(t *testing.T, m *FS, name, content string, sync bool) {
	t.Helper()
	f, err := m.OpenWrite(name)
	if err == nil {
		_, err = f.Write([]byte(content))
	}
	if err == nil && sync {
		err = f.Sync()
	}
	if err == nil {
		err = f.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
}

// after tells what became of a file in many crashes.
func after(m *FS, name string) map[string]int {
	seen := map[string]int{}
	for i := range uint64(200) {
		content, ok := m.Crash(rand.New(rand.NewPCG(i, 1))).Files()[name]
		switch {
		case !ok:
			content = "(no such file)"
		case content != "" && content != "content":
			content = "(something else)"
		}
		seen[content]++
	}
	return seen
}

func TestWhatIsNotSyncedMayBeForgotten(t *testing.T) {
	m := New()
	put(t, m, "f", "content", false)
	for _, want := range []string{"", "content", "(no such file)", "(something else)"} {
		if after(m, "f")[want] == 0 {
			t.Errorf("never %q", want)
		}
	}
}

func TestWhatIsSyncedStays(t *testing.T) {
	for name, sync := range map[string]func(m *FS) error{
		"all":               (*FS).SyncAll,
		"the directory too": func(m *FS) error { return m.SyncDir("d") },
	} {
		m := New()
		if err := m.MkdirAll("d"); err != nil {
			t.Fatal(err)
		}
		put(t, m, "d/f", "content", true)
		if n := after(m, "d/f")["(no such file)"]; n == 0 {
			t.Error("the name is there without a sync")
		}
		if err := sync(m); err != nil {
			t.Fatal(err)
		}
		if n := after(m, "d/f")["content"]; n != 200 {
			t.Errorf("%s: kept %d times of 200", name, n)
		}
	}
}

func TestARenamingIsThereOrNot(t *testing.T) {
	m := New()
	put(t, m, "a", "content", true)
	if err := m.SyncAll(); err != nil {
		t.Fatal(err)
	}
	if err := m.Move("a", "b"); err != nil {
		t.Fatal(err)
	}
	both := 0
	for i := range uint64(100) {
		files := m.Crash(rand.New(rand.NewPCG(i, 2))).Files()
		if (files["a"] == "content") == (files["b"] == "content") {
			both++
		}
	}
	if both != 0 {
		t.Errorf("%d times under both names or none", both)
	}
}

var _ safefs.FS = (*FS)(nil)
