package tree

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"syscall"
	"testing"

	"cooper/internal/tree/safefs"
	"cooper/internal/tree/safefs/memfs"
)

// refuse lets the file system refuse to rename or remove the files at some paths, beside
// what it did before.
func refuse(m *memfs.FS, errno syscall.Errno, paths ...string) {
	before := m.Before
	m.Before = func(op string, names ...string) error {
		if before != nil {
			if err := before(op, names...); err != nil {
				return err
			}
		}
		if (op == "move" || op == "replace" || op == "remove") && slices.Contains(paths, names[0]) {
			return safefs.Fail("cannot rename", names[0], errno)
		}
		return nil
	}
}

// TestAFileThatCannotBeRenamedIsAnOutcome: an immutable file is the outcome of its
// key, whatever is to be done with it, and keeps nothing else from being done.
func TestAFileThatCannotBeRenamedIsAnOutcome(t *testing.T) {
	a, b, c, old := version("a", 1), version("b", 2), version("c", 3), inHistoryAs(version("o", 4), "older", 0)
	for _, errno := range []syscall.Errno{syscall.EPERM, syscall.EACCES, syscall.EBUSY, syscall.ENAMETOOLONG} {
		kind := map[syscall.Errno]string{syscall.ENAMETOOLONG: "invalid"}[errno]
		if kind == "" {
			kind = "denied"
		}
		eachLayout(t, func(t *testing.T, l layout) {
			for name, x := range map[string]struct {
				path    string
				changes []Change
				want    string
			}{
				"replaced": {"mirror/b", []Change{retire(a, 1), place(version("a", 11)), retire(b, 1), place(version("b", 12)), retire(c, 1)},
					"retire a done; place a done; retire b failed KIND; place b failed KIND; retire c done"},
				"deleted":                            {"mirror/b", []Change{retire(b, 1), retire(c, 1)}, "retire b failed KIND; retire c done"},
				"stands where a directory is needed": {"mirror/b", []Change{place(version("b/x", 13)), retire(c, 1)}, "place b/x failed KIND; retire c done"},
				"pruned":                             {"history/2026-11-20/o%@v4", []Change{prune(old, false), retire(c, 1)}, "prune o failed KIND; retire c done"},
				"promoted":                           {"history/2026-11-20/o%@v4", []Change{promote(old), retire(c, 1)}, "promote o failed KIND; retire c done"},
				"mended":                             {"mirror/b", []Change{mend(b), retire(c, 1)}, "mend b failed KIND; retire c done"},
			} {
				t.Run(fmt.Sprint(name, " ", errno), func(t *testing.T) {
					m := newMemOf(t, l)
					do(t, m, "p-before", place(a), place(b), place(c), place(old))
					refuse(m, errno, of(l, x.path))
					outs := do(t, m, "p-1", x.changes...)
					if got, want := brief(outs), strings.ReplaceAll(x.want, "KIND", kind); got != want {
						t.Errorf("outcomes: %s\nwant:     %s", got, want)
					}
					m.Before = nil
					if got, ok := m.Files()[of(l, x.path)]; !ok {
						t.Errorf("the file is gone: %q", got)
					}
					do(t, m, "p-2", place(version("later", 9))) // nothing keeps a later run
					w := model{}
					for _, change := range []Change{place(a), place(b), place(c), place(old)} {
						w.apply([]Change{change})
					}
					for i := range outs {
						if ch := x.changes[i]; outs[i].Status == "done" {
							w.apply([]Change{ch})
						} else if ch.Op == Place {
							w[ch.New.Identity] = bare(ch.New)
						}
					}
					w.apply([]Change{place(version("later", 9))})
					if d := w.differences(m); d != "" {
						t.Error(d)
					}
				})
			}
		})
	}
}

// TestWhatCannotBePlacedCostsTheMirrorNoName: the version that was to be replaced
// goes back.
func TestWhatCannotBePlacedCostsTheMirrorNoName(t *testing.T) {
	eachLayout(t, func(t *testing.T, l layout) {
		a1, a2 := version("a", 1), version("a", 2)
		m := newMemOf(t, l)
		do(t, m, "p-before", place(a1))
		refuse(m, syscall.EPERM, stagedPath(&a2.Identity))
		if got, want := brief(do(t, m, "p-1", retire(a1, 1), place(a2))), "retire a deferred conflict; place a failed denied"; got != want {
			t.Errorf("outcomes: %s\nwant:     %s", got, want)
		}
		m.Before = nil
		want := model{a1.Identity: a1, a2.Identity: bare(a2)}
		if d := want.differences(m); d != "" {
			t.Error(d)
		}
	})
}

// TestCrashAtEveryOperationWithAFileThatCannotBeRenamed: whether it is completed or
// undone, nothing is lost, and later runs go on.
func TestCrashAtEveryOperationWithAFileThatCannotBeRenamed(t *testing.T) {
	a, b, old := version("a", 1), version("b", 2), inHistoryAs(version("o", 4), "older", 0)
	first := plan{"p-0", [][]Change{{place(a), place(b), place(old)}}}
	next := plan{"p-1", [][]Change{{retire(a, 1), place(version("a", 11)), retire(b, 1), place(version("b", 12)), prune(old, true)}}}
	eachLayout(t, func(t *testing.T, l layout) {
		stuck := []string{of(l, "mirror/b"), of(l, "history/2026-11-20/o%@v4")}
		begin := func(t *testing.T) (*memfs.FS, facts) {
			m, f := newMemOf(t, l), facts{}
			check(t, hold(m, false, f, carryOut([]plan{first}, f)))
			return m, f
		}
		want := model{}
		want.apply([]Change{place(b), place(old), place(inHistoryAs(a, "replaced", 1)), place(version("a", 11))})
		want[version("b", 12).Identity] = bare(version("b", 12))
		m, f := begin(t)
		total := dieAt(m, -1)
		refuse(m, syscall.EPERM, stuck...)
		check(t, hold(m, false, f, carryOut([]plan{first, next}, f)))
		if d := want.differences(m); d != "" {
			t.Fatal(d)
		}
		for k := 1; k <= *total; k++ {
			r := rand.New(rand.NewPCG(3, uint64(k)))
			m, f := begin(t)
			dieAt(m, k)
			refuse(m, syscall.EPERM, stuck...)
			if err := hold(m, false, f, carryOut([]plan{first, next}, f)); !errors.Is(err, errDead) {
				t.Fatalf("operation %d: did not die: %v", k, err)
			}
			m = after(m, r)
			refuse(m, syscall.EPERM, stuck...)
			if err := hold(m, r.IntN(2) == 0, f, carryOut([]plan{first, next}, f)); err != nil {
				t.Fatalf("operation %d: %v", k, err)
			}
			if d := want.differences(m); d != "" {
				t.Fatalf("operation %d: %s", k, d)
			}
		}
	})
}
