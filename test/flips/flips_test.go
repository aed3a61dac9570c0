package flips

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"cooper/internal/workspace"
)

// bits are those of a file that are tried: a sample, or all of them.
func bits(size int, file string) []int {
	all := make([]int, 8*size)
	for i := range all {
		all[i] = i
	}
	if os.Getenv("COOPER_SOAK") != "" {
		return all
	}
	const sample = 24
	r := rand.New(rand.NewPCG(uint64(size), uint64(len(file))))
	r.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all[:min(sample, len(all))]
}

// often is how often tables are made anew, which takes longer than to ask them: every so
// many flips.
const often = 8

// count is what came of the flips in files of one kind.
type count struct {
	bits, asked, noticed, same, silent int
}

// TestEveryFlippedBitIsNoticed: no reader gives another answer than before because a bit of a
// file is another one, and none that has nothing to do with the file fails.
func TestEveryFlippedBitIsNoticed(t *testing.T) {
	ws := made(t)
	rs, look := readers(t)
	must(t, look(ws))
	answers := make([]string, len(rs))
	for i, r := range rs {
		var err error
		answers[i], err = r.ask(t.Context(), ws)
		must(t, err)
		if strings.Count(answers[i], "\n")+len(answers[i]) < 20 {
			t.Errorf("%s: the answer %q is too short to tell anything", r.name, answers[i])
		}
	}
	counts := map[string]*count{}
	for _, file := range names(t, ws) {
		kind := kindOf(file)
		if counts[kind] != nil {
			continue // one of each kind is enough
		}
		c := &count{}
		counts[kind] = c
		flip(t, ws, file, func(bit int) {
			// The engine may have made its tables before the file was damaged, or after.
			if c.bits%often == 0 {
				must(t, look(ws))
			}
			for i, r := range rs {
				if c.bits == 0 || r.reads(file) {
					judge(t, ws, &r, answers[i], file, bit, c)
				}
			}
			c.bits++
		})
		must(t, look(ws))
	}
	var table strings.Builder
	fmt.Fprintf(&table, "\n%-34s %9s %9s %9s %9s %9s\n", "file", "bits", "answers", "noticed", "same", "silent")
	for _, kind := range sorted(counts) {
		c := counts[kind]
		fmt.Fprintf(&table, "%-34s %9d %9d %9d %9d %9d\n", kind, c.bits, c.asked, c.noticed, c.same, c.silent)
	}
	t.Log(table.String())
}

// judge asks a reader while a bit of a file is flipped.
func judge(t *testing.T, ws *workspace.Workspace, r *reader, want, file string, bit int, c *count) {
	t.Helper()
	got, err := r.ask(t.Context(), ws)
	if !r.reads(file) {
		if err != nil || got != want {
			t.Errorf("%s, bit %d: %s does not read it, and gave\n%s\n%v", file, bit, r.name, got, err)
		}
		return
	}
	c.asked++
	switch {
	case err != nil:
		c.noticed++
		// What is damaged is named: a person has to find it.
		if file != "VERSION" && !strings.Contains(err.Error(), path.Base(path.Dir(file))) && !strings.Contains(err.Error(), "not known") {
			t.Errorf("%s, bit %d: %s says %v", file, bit, r.name, err)
		}
	case got == want:
		c.same++
	default:
		c.silent++
		t.Errorf("%s, bit %d: %s gave\n%s\ninstead of\n%s", file, bit, r.name, got, want)
	}
}

// flip calls f while one bit of the file is another, for each of those to be tried.
func flip(t *testing.T, ws *workspace.Workspace, file string, f func(bit int)) {
	t.Helper()
	name := filepath.Join(ws.Dir(), filepath.FromSlash(file))
	good, err := os.ReadFile(name)
	must(t, err)
	at := time.Now()
	write := func(b []byte) {
		must(t, os.WriteFile(name, b, 0o600))
		// Clocks of file systems are coarse: what is written is always later.
		at = at.Add(time.Millisecond)
		must(t, os.Chtimes(name, at, at))
	}
	for _, bit := range bits(len(good), file) {
		bad := slices.Clone(good)
		bad[bit/8] ^= 1 << (bit % 8)
		write(bad)
		f(bit)
		if t.Failed() {
			break
		}
	}
	write(good)
}

var id = regexp.MustCompile(`[spbr]-\d{8}T\d{6}Z-[0-9a-f]{4}`)

// kindOf is a file's name without what tells it from others of its kind.
func kindOf(file string) string {
	return strings.NewReplacer("-00000", "-N", "-00001", "-N").Replace(id.ReplaceAllString(file, "ID"))
}

func sorted(m map[string]*count) []string {
	var ks []string
	for k := range m {
		ks = append(ks, k)
	}
	slices.Sort(ks)
	return ks
}

// TestCutFilesAreNoticed: the same for files that end early, and for such as go on.
func TestCutFilesAreNoticed(t *testing.T) {
	ws := made(t)
	rs, look := readers(t)
	for _, file := range names(t, ws) {
		name := filepath.Join(ws.Dir(), filepath.FromSlash(file))
		good, err := os.ReadFile(name)
		must(t, err)
		for _, b := range [][]byte{nil, good[:1], good[:len(good)/2], good[:len(good)-1], append(slices.Clone(good), good...), append(slices.Clone(good), 0)} {
			must(t, os.WriteFile(name, b, 0o600))
			must(t, look(ws))
			for _, r := range rs {
				if !r.reads(file) || file == "VERSION" {
					continue
				}
				if got, err := r.ask(context.Background(), ws); err == nil {
					t.Errorf("%s with %d of %d bytes: %s gave %s", file, len(b), len(good), r.name, got)
				}
			}
		}
		must(t, os.WriteFile(name, good, 0o600))
	}
}
