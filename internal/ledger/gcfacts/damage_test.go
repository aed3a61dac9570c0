package gcfacts

import (
	"bufio"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"

	"cooper"
)

// TestWhatIsGoneIsTold: a scan that has ended never has fewer rows.
func TestWhatIsGoneIsTold(t *testing.T) {
	s := Open(filepath.Join(t.TempDir(), "ledger"))
	write(t, s, scan1, 0, 1)
	must(t, s.Finish(ctx, complete))
	all := func() (names []string, err error) {
		for _, table := range append(ShardTables, Scans) {
			there, gone, err := s.Files(table)
			if err != nil {
				return nil, err
			}
			names = append(append(names, there...), gone...)
		}
		return names, nil
	}
	names, err := all()
	must(t, err)
	if len(names) != 13 {
		t.Fatalf("%v", names)
	}
	must(t, Verify(ctx, names))
	for _, name := range names[:12] {
		good, err := os.ReadFile(name)
		must(t, err)
		must(t, os.Remove(name))
		now, err := all()
		must(t, err)
		if err := Verify(ctx, now); cooper.KindOf(err) != cooper.KindInvalid || !strings.Contains(err.Error(), name) {
			t.Errorf("without %s: %v", name, err)
		}
		must(t, os.WriteFile(name, good, 0o600))
	}
	dir := s.shardDir(scan1, 1)
	must(t, os.Rename(dir, dir+"~"))
	now, err := all()
	must(t, err)
	if err := Verify(ctx, now); cooper.KindOf(err) != cooper.KindInvalid || !strings.Contains(err.Error(), filepath.Join(dir, Links)) {
		t.Errorf("without a shard: %v", err)
	}
}

// TestFilesUnderOtherNames: a whole file in the place of another is no fact of that.
func TestFilesUnderOtherNames(t *testing.T) {
	s := Open(filepath.Join(t.TempDir(), "ledger"))
	write(t, s, scan1, 0, 1)
	write(t, s, scan2, 0)
	must(t, s.Finish(ctx, complete))
	must(t, s.Acknowledge(ctx, "r-1", []Acknowledgement{{What: Value, Hash: nil}}))
	in := func(scan string, shard int, table string) string {
		return filepath.Join(s.shardDir(scan, shard), table+suffix)
	}
	for _, c := range [][2]string{
		{in(scan1, 0, Links), in(scan1, 1, Links)},
		{in(scan1, 0, Links), in(scan2, 0, Links)},
		{in(scan1, 0, Links), in(scan1, 0, Handles)},
		{in(scan1, 0, Links), filepath.Join(s.scanDir(scan1), "shard-0", Links+suffix)},
		{filepath.Join(s.scanDir(scan1), scanName), filepath.Join(s.scanDir(scan2), scanName)},
		{filepath.Join(s.dir, Acknowledged, "r-1"+suffix), filepath.Join(s.dir, Acknowledged, "r-2"+suffix)},
	} {
		b, err := os.ReadFile(c[0])
		must(t, err)
		must(t, os.MkdirAll(filepath.Dir(c[1]), 0o700))
		must(t, Verify(ctx, c[:1]))
		before, rerr := os.ReadFile(c[1])
		must(t, os.WriteFile(c[1], b, 0o600))
		if err := Verify(ctx, c[1:]); cooper.KindOf(err) != cooper.KindInvalid || !strings.Contains(err.Error(), c[1]) {
			t.Errorf("%s as %s: %v", c[0], c[1], err)
		}
		if rerr == nil {
			must(t, os.WriteFile(c[1], before, 0o600))
		} else {
			must(t, os.Remove(c[1]))
		}
	}
}

func TestDamagedFiles(t *testing.T) {
	s := Open(filepath.Join(t.TempDir(), "ledger"))
	write(t, s, scan1, 0, 1)
	must(t, s.Finish(ctx, complete))
	rnd := rand.New(rand.NewPCG(3, 4))
	for _, name := range []string{filepath.Join(s.shardDir(scan1, 0), Links+suffix), filepath.Join(s.shardDir(scan1, 0), Ranges+suffix), filepath.Join(s.scanDir(scan1), scanName)} {
		good, err := os.ReadFile(name)
		must(t, err)
		for i := range 400 {
			bad := slices.Clone(good)
			at := rnd.IntN(len(bad))
			bad[at] ^= byte(1 + rnd.IntN(255))
			if i%10 == 0 {
				bad = append(bad[:at], bad[at+1:]...)
			}
			if i == 0 {
				bad = nil
			}
			must(t, os.WriteFile(name, bad, 0o600))
			if err := Verify(ctx, []string{name}); cooper.KindOf(err) != cooper.KindInvalid || !strings.Contains(err.Error(), name) {
				t.Fatalf("%s, byte %d: %v", name, at, err)
			}
		}
		if filepath.Base(name) == scanName {
			if _, _, err := s.Files(Links); cooper.KindOf(err) != cooper.KindInvalid || !strings.Contains(err.Error(), name) {
				t.Errorf("which files a scan has is damaged: %v", err)
			}
		}
		must(t, os.WriteFile(name, good, 0o600))
	}
}

// TestRowsThatRangesDoNotTell: links that were lost before the scan had ended.
func TestRowsThatRangesDoNotTell(t *testing.T) {
	for _, table := range []string{Handles, Links, Malformeds, Ranges} {
		s := Open(filepath.Join(t.TempDir(), "ledger"))
		write(t, s, scan1, 0, 1)
		must(t, os.Remove(filepath.Join(s.shardDir(scan1, 1), table+suffix)))
		if err := s.Finish(ctx, complete); cooper.KindOf(err) != cooper.KindInvalid || !strings.Contains(err.Error(), s.shardDir(scan1, 1)) {
			t.Errorf("without %s: %v", table, err)
		}
	}
}

// TestColumnsMissing: a file without a column that counts does not read as if nothing had been found.
func TestColumnsMissing(t *testing.T) {
	s := Open(filepath.Join(t.TempDir(), "ledger"))
	write(t, s, scan1, 0)
	name := filepath.Join(s.scanDir(scan1), scanName)
	type older struct {
		Scan string `parquet:"scan"`
	}
	must(t, s.create(name, func(w *bufio.Writer, options ...parquet.WriterOption) error {
		return writeRows(w, []older{{scan1}}, options)
	}))
	_, err := s.Scans(ctx)
	for what, err := range map[string]error{"verified": Verify(ctx, []string{name}), "read": err} {
		if cooper.KindOf(err) != cooper.KindInvalid || !strings.Contains(err.Error(), "without the column") || !strings.Contains(cooper.RemedyOf(err), "out of the ledger") {
			t.Errorf("%s: %v", what, err)
		}
	}
}
