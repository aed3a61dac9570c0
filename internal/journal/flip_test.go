package journal

import (
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"cooper"
	"cooper/internal/tree/safefs/memfs"
)

// told is everything that the journals of a bucket tell, as text.
func told(d Dir, plans ...string) (string, error) {
	var b strings.Builder
	shards, err := d.Unsettled()
	if err != nil {
		return "", err
	}
	tell := func(o *cooper.Outcome) {
		c := o.Content
		o.Content = nil
		fmt.Fprintf(&b, " %+v %+v\n", *o, c)
	}
	for _, s := range shards {
		fmt.Fprintf(&b, "shard %s %s %d %s\n", s.Run, s.Plan, s.N, s.Target)
		for _, o := range s.Outcomes {
			tell(&o)
		}
	}
	for _, id := range plans {
		p, err := d.Open(id, target)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&b, "%s done %v\n", id, slices.Sorted(maps.Keys(p.done)))
		proven, err := p.Proven()
		if err != nil {
			return "", err
		}
		for _, n := range slices.Sorted(maps.Keys(proven)) {
			o := proven[n]
			tell(&o)
		}
	}
	var all []string
	keep := errors.New("kept")
	err = d.LeftUploads(func(u Upload) error {
		all = append(all, fmt.Sprintf("upload %+v\n", u))
		if len(all) == 3 {
			return keep
		}
		return nil
	})
	if err != nil && !errors.Is(err, keep) {
		return "", err
	}
	return b.String() + strings.Join(all, ""), nil
}

// journals writes one file of each kind whose lines have checksums, and gives their
// contents by name.
func journals(t *testing.T) map[string][]byte {
	t.Helper()
	disk := memfs.New()
	d := In(disk)
	p, err := d.Open("p-1", target)
	check(t, err)
	check(t, p.Prove("r-1", 1, outcomes(4, 5)))
	check(t, p.Write("r-1", 2, outcomes(1, 2)))
	for n := range 3 {
		check(t, d.Settle("p-1", 10+n*7))
		check(t, p.NoteUpload(Upload{Key: fmt.Sprintf("p/J*%d ü", n), UploadID: fmt.Sprint("u@", n)}))
	}
	check(t, p.UploadsOver(func(key string) bool { return key == "p/J*1 ü" }))
	check(t, p.NoteUpload(Upload{Key: "p/again", UploadID: "u@3"}))
	files := map[string][]byte{}
	for _, name := range []string{doneName, uploadsName, shardName(provenPrefix, 1), shardName(shardPrefix, 2)} {
		files[name] = []byte(disk.Files()["p-1/"+name])
	}
	return files
}

// shelf is a disk with the journal of a plan.
func shelf(t *testing.T, files map[string][]byte) *memfs.FS {
	t.Helper()
	disk := memfs.New()
	check(t, disk.MkdirAll("p-1"))
	for name, b := range files {
		put(t, disk, name, b)
	}
	return disk
}

func put(t *testing.T, disk *memfs.FS, name string, b []byte) {
	t.Helper()
	f, err := disk.OpenWrite("p-1/" + name)
	check(t, err)
	check(t, f.Truncate(0))
	_, err = f.Write(b)
	check(t, errors.Join(err, f.Close()))
}

// TestEveryFlippedBit: whatever bit of a journal's file is another, it is an error that
// names the file.
func TestEveryFlippedBit(t *testing.T) {
	files := journals(t)
	disk := shelf(t, files)
	d := In(disk)
	want, err := told(d, "p-1")
	check(t, err)
	flips := 0
	for name, b := range files {
		for i := range b {
			for bit := range 8 {
				flips++
				flipped := slices.Clone(b)
				flipped[i] ^= 1 << bit
				put(t, disk, name, flipped)
				got, err := told(d, "p-1")
				var e *cooper.Error
				switch {
				case err == nil && got != want:
					t.Errorf("%s, bit %d of byte %d, in silence:\n%s", name, bit, i, got)
				case err == nil:
					t.Errorf("%s, bit %d of byte %d is not seen", name, bit, i)
				case !errors.As(err, &e) || e.Kind != cooper.KindInvalid || filepath.Base(e.Where) != name || e.Remedy == "":
					t.Errorf("%s, bit %d of byte %d: %v", name, bit, i, err)
				}
			}
		}
		put(t, disk, name, b)
	}
	t.Logf("%d flips", flips)
}

// TestOtherDamage: lines of another file, plan or order, and what is missing or too
// much, are no facts.
func TestOtherDamage(t *testing.T) {
	files := journals(t)
	shard := shardName(shardPrefix, 2)
	lines := strings.SplitAfter(string(files[shard]), "\n")
	proven := strings.SplitAfter(string(files[shardName(provenPrefix, 1)]), "\n")
	for what, text := range map[string]string{
		"out of order": lines[0] + lines[2] + lines[1],
		"one twice":    lines[0] + lines[1] + lines[1],
		"of another":   lines[0] + lines[1] + proven[2],
		"cut":          lines[0] + lines[1],
		"cut short":    lines[0] + lines[1] + lines[2][:len(lines[2])-1],
		"too much":     strings.Join(lines, "") + lines[1],
		"nothing":      "",
		"long":         lines[0] + strings.Repeat("x", 2*longestNote),
		"old in name":  `{"format":3,"run":"r-1","plan":"p-1","shard":2,"path":"","count":0}` + "\n",
		"without sums": lines[0] + lines[1][sumDigits+1:] + lines[2][sumDigits+1:],
	} {
		disk := shelf(t, files)
		put(t, disk, shard, []byte(text))
		if _, err := In(disk).Unsettled(); cooper.KindOf(err) != cooper.KindInvalid || !strings.Contains(err.Error(), shard) {
			t.Errorf("%s: %v", what, err)
		}
	}
	for _, text := range []string{"7 00000000\n", doneText("p-2", 7)} {
		disk := shelf(t, files)
		put(t, disk, doneName, []byte(doneText("p-1", 3)+text))
		if _, err := In(disk).Open("p-1", target); cooper.KindOf(err) != cooper.KindInvalid {
			t.Errorf("%q: %v", text, err)
		}
	}
}
