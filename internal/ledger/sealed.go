package ledger

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"github.com/parquet-go/parquet-go"
	"golang.org/x/sync/errgroup"

	"cooper"
	"cooper/internal/ledger/sealed"
	"cooper/internal/seal"
)

// open opens what is in the file, and checks its format.
func open(in *sealed.File) (*parquet.File, error) {
	pq, err := in.Parquet()
	if err != nil {
		return nil, err
	}
	// Whether there have to be sums, the footer says: one flipped bit does not make 1 of 2.
	switch v, _ := pq.Lookup(formatKey); {
	case v == fmt.Sprint(Format) && !in.Sealed(), v == "1" && in.Sealed():
		return nil, sealed.Damaged(in.Name(), fmt.Errorf("%w: format %s", seal.ErrDamaged, v))
	case v != fmt.Sprint(Format) && v != "1":
		return nil, &cooper.Error{Kind: cooper.KindInvalid, Where: in.Name(), Message: fmt.Sprintf("the file has ledger format %q; this program knows up to %d", v, Format),
			Remedy: "Use the version of cooper that wrote it. If there is none, the file is damaged: move it out of the ledger to go on without these facts."}
	}
	if err := belongs(in.Name(), pq); err != nil {
		return nil, sealed.Damaged(in.Name(), fmt.Errorf("%w: %w", errElsewhere, err))
	}
	return pq, nil
}

// errElsewhere: a file that is whole, under the name of another, would count twice and hide it.
var errElsewhere = errors.New("it is another file of the ledger")

// marks are columns by which tables are told apart.
var marks = map[string]string{Outcome: "checked", Content: "state", Run: "counts"}

// belongs wants the facts to be those that the file's name tells of: its table, its run, its shard.
func belongs(name string, pq *parquet.File) error {
	dir, base := filepath.Split(name)
	if mark, known := marks[filepath.Base(dir)]; known && pq.Root().Column(mark) == nil {
		return errors.New("its columns are not those of the table")
	}
	base, _, _ = strings.Cut(base, suffix)
	run := runOf(base + suffix)
	for _, g := range pq.Metadata().RowGroups {
		if first := &g.Columns[0].MetaData; g.NumRows > 0 && (string(first.Statistics.MinValue) != run || string(first.Statistics.MaxValue) != run) {
			return fmt.Errorf("its rows are of the run %s", cooper.Quote(string(first.Statistics.MinValue)))
		}
	}
	if shard, ok := strings.CutPrefix(base, run+"-"); ok {
		n, err := strconv.Atoi(shard)
		if has, _ := pq.Lookup(shardsKey); err != nil || has != ranges([]int{n}) || base+suffix != shardName(run, n) {
			return fmt.Errorf("its rows are of the shard %s", cooper.Quote(has))
		}
	}
	return nil
}

// unsealed tells whether a file is of format 1.
func unsealed(name string) (yes bool, err error) {
	err = sealed.With(name, func(in *sealed.File) error {
		yes = !in.Sealed()
		return nil
	})
	return yes, err
}

// Files are the files of a table that a reader of *.parquet sees.
func (l *Ledger) Files(table string) ([]string, error) {
	dir := filepath.Join(l.dir, table)
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, sealed.Local(dir, err)
	}
	var names []string
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), suffix) {
			names = append(names, filepath.Join(dir, e.Name()))
		}
	}
	return names, nil
}

// Verify checks files of facts for those who read them by other means: a damaged one is
// KindInvalid. Files of format 1 have nothing to be checked by but what a look at their end
// tells. One that is gone meanwhile, because it was folded into another, is passed over.
func Verify(ctx context.Context, names []string) error {
	var g errgroup.Group
	g.SetLimit(runtime.GOMAXPROCS(0))
	errs := make([]error, len(names))
	for i, name := range names {
		g.Go(func() error {
			errs[i] = verify(ctx, name)
			return nil
		})
	}
	_ = g.Wait() // they are in errs, in the order of names
	return errors.Join(errors.Join(errs...), twice(names))
}

// twice refuses files of shards whose facts a compacted file has, too: they come back with a backup,
// and each fact would count twice until the run is compacted again.
func twice(names []string) error {
	whole := map[string]map[int]bool{} // by the name of the compacted file; nil if there is none
	for _, name := range names {
		if filepath.Base(name) == runOf(filepath.Base(name))+suffix {
			whole[name] = map[int]bool{}
		}
	}
	for _, name := range names {
		dir, base := filepath.Split(name)
		run := runOf(base)
		compacted := dir + run + suffix
		shard, err := strconv.Atoi(strings.TrimPrefix(strings.TrimSuffix(base, suffix), run+"-"))
		if name == compacted || err != nil || whole[compacted] == nil {
			continue
		}
		if len(whole[compacted]) == 0 {
			shards, err := shardsIn(compacted)
			if err != nil {
				return err
			}
			for _, n := range shards {
				whole[compacted][n] = true
			}
		}
		if !whole[compacted][shard] {
			continue
		}
		if _, err := os.Lstat(name); err == nil { // else it was folded just now
			return sealed.Damaged(name, fmt.Errorf("%w: its facts are in %s, too", errElsewhere, run+suffix))
		}
	}
	return nil
}

func verify(ctx context.Context, name string) error {
	err := sealed.With(name, func(in *sealed.File) error {
		if _, err := open(in); err != nil {
			return err
		}
		return in.Verify(ctx)
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// sealRuns writes files of the table run that are of format 1 anew, each in one step.
func (l *Ledger) sealRuns(ctx context.Context) error {
	names, err := l.Files(Run)
	if err != nil {
		return err
	}
	for _, name := range names {
		old, err := unsealed(name)
		if err != nil {
			return err
		}
		if !old {
			continue
		}
		var rows []runRow
		err = readRows(ctx, name, func(some []runRow) error { rows = append(rows, some...); return nil })
		if err != nil {
			return err
		}
		if err := l.create(Run, filepath.Base(name), func(w io.Writer) error { return writeRuns(w, rows) }); err != nil {
			return err
		}
	}
	return nil
}
