package tree

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cooper/internal/tree/catalog"
	"cooper/internal/tree/safefs/memfs"
)

var update = flag.Bool("update", false, "write what the traces are now")

// TestTraces commits what testdata/trace says and compares every operation that
// changes or syncs something, in order. A file has blocks: commands, a line of
// four dashes, what happened, an empty line.
//
//	commit CHANGE…   one shard; a change is place, retire, promote, prune, forget (prune, and
//	                 drop the row) or mend, key and number, or older, a version that goes
//	                 to history at once
//	inline           the tree has the other layout
//	foreign PATH     a file that is not ours
//	recover, undo    after a crash at the operation named by crash-at
//	crash-at OP PATH the next commit dies before this
func TestTraces(t *testing.T) {
	files, err := filepath.Glob("testdata/trace/*.txt")
	check(t, err)
	if len(files) == 0 {
		t.Fatal("no traces")
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			b, err := os.ReadFile(file)
			check(t, err)
			var out strings.Builder
			tr := newTracer(t)
			for block := range strings.SplitSeq(strings.TrimSpace(string(b)), "\n\n") {
				commands, _, _ := strings.Cut(block, "\n----")
				fmt.Fprintf(&out, "%s\n----\n", commands)
				for line := range strings.SplitSeq(commands, "\n") {
					if strings.HasPrefix(line, "#") {
						continue
					}
					out.WriteString(tr.run(line))
				}
				out.WriteString("\n")
			}
			got := strings.TrimSpace(out.String()) + "\n"
			if *update {
				check(t, os.WriteFile(file, []byte(got), 0o600))
			}
			if d := cmp.Diff(string(b), got); d != "" {
				t.Error(d)
			}
		})
	}
}

// tracer records what happens to a tree.
type tracer struct {
	t       *testing.T
	m       *memfs.FS
	f       facts
	plans   int
	crashAt string
	staged  map[string]string // path to a name one can read

	on, dead   bool     // operations are written down; the process died
	recovering bool     // the process before died
	log        []string // what happened
}

var hexNames = regexp.MustCompile(`\.cooper/(staging|held)/[0-9a-f]+`)

func newTracer(t *testing.T) *tracer {
	return &tracer{t: t, m: newMem(t), f: facts{}, staged: map[string]string{}}
}

func (tr *tracer) run(line string) string {
	words := strings.Fields(line)
	switch words[0] {
	case "inline":
		tr.m = newMemOf(tr.t, inline)
		return ""
	case "foreign":
		put(tr.t, tr.m, words[1], "mine")
		return ""
	case "crash-at":
		tr.crashAt = strings.TrimPrefix(line, "crash-at ")
		return ""
	case "recover", "undo":
		return tr.trace(words[0] == "undo", func(*Tree) error { return nil })
	case "commit":
		tr.plans++
		p := plan{id: fmt.Sprint("p-", tr.plans)}
		var changes []Change
		for _, c := range strings.Split(strings.TrimPrefix(line, "commit "), ", ") {
			changes = append(changes, tr.change(c))
		}
		p.shards = [][]Change{changes}
		return tr.trace(false, func(t *Tree) error {
			check(tr.t, t.Begin(bg, allowed, Run{Plan: p.id, Shards: 1}))
			for i := range changes {
				if changes[i].Op == Place || changes[i].Op == Mend {
					check(tr.t, stage(t, changes[i].New.Identity))
				}
			}
			tr.on = true
			outs, err := t.Commit(bg, allowed, p.batch(0))
			tr.on = false
			if err != nil {
				return err
			}
			tr.log = append(tr.log, "=> "+brief(outs))
			check(tr.t, t.Settled(p.id, 0))
			return t.End(bg, allowed, Ending{Plan: p.id, Finished: true})
		})
	}
	tr.t.Fatalf("%q?", line)
	return ""
}

func (tr *tracer) change(s string) Change {
	var op, key string
	var n int
	_, err := fmt.Sscan(s, &op, &key, &n)
	check(tr.t, err)
	v := version(key, n)
	tr.staged[stagedPath(&v.Identity)] = fmt.Sprintf("STAGED(%s %d)", key, n)
	tr.staged[heldPath(&v.Identity)] = fmt.Sprintf("HELD(%s %d)", key, n)
	switch op {
	case "place":
		return place(v)
	case "older":
		return place(inHistoryAs(v, catalog.Older, 0))
	case "retire":
		return retire(v, 0)
	case "promote":
		return promote(inHistoryAs(v, catalog.Replaced, 0))
	case "prune", "forget":
		return prune(inHistoryAs(v, catalog.Replaced, 0), op == "forget")
	case "mend":
		return mend(v)
	}
	tr.t.Fatalf("%q?", op)
	return Change{}
}

// trace does something and gives what happened to the file system.
func (tr *tracer) trace(undo bool, do func(*Tree) error) string {
	tr.log, tr.dead = nil, false
	tr.m.Before = func(op string, paths ...string) error {
		line := strings.Join(append([]string{op}, paths...), " ")
		line = hexNames.ReplaceAllStringFunc(line, func(p string) string { return tr.staged[p] })
		if tr.dead || tr.on && tr.crashAt != "" && line == tr.crashAt {
			tr.dead = true
			return errDead
		}
		if tr.on {
			tr.log = append(tr.log, line)
		}
		return nil
	}
	tr.m.Read = func(string, ...string) error {
		if tr.dead {
			return errDead
		}
		return nil
	}
	tr.on = tr.recovering
	err := hold(tr.m, undo, tr.f, func(t *Tree) error {
		tr.on = false
		return do(t)
	})
	if tr.dead {
		tr.log = append(tr.log, "(crash)")
		tr.m, tr.crashAt, tr.recovering = tr.m.Kill(), "", true
	} else {
		check(tr.t, err)
		tr.recovering = false
	}
	return strings.Join(tr.log, "\n") + "\n"
}
