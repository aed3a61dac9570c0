package ledger

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/parquet-go/parquet-go"
	"golang.org/x/sys/unix"

	"cooper"
	"cooper/internal/ledger/sealed"
	"cooper/internal/parquetrows"
)

// folding is the suffix of a compacted file that is whole, while those it
// replaces are being removed. Readers of *.parquet do not see it.
const folding = ".folding"

// folded are the tables that Compact folds, and how the rows of several files
// become one file.
var folded = []table{
	{Content, foldRows[contentRow]},
	{Outcome, foldRows[outcomeRow]},
}

type table struct {
	name string
	fold func(ctx context.Context, f io.Writer, meta map[string]string, inputs []string) error
}

// rowsAGroup bounds the memory that compacting takes.
const rowsAGroup = 128 << 10

// shardName is the file of a shard in a table.
func shardName(run string, shard int) string { return fmt.Sprintf("%s-%05d%s", run, shard, suffix) }

// Compact folds the files of outcomes, and those of contents, of each run that has
// several into one, RUN.parquet, and gives files of format 1 the sums that they lack, by the
// same steps. It does nothing while another process compacts. A run that still
// goes on may be folded, too: later shards are folded in later.
//
// The order, for each run, and why a crash between any two steps is harmless:
//
//  1. Write all rows to a temporary file; sync it. Nobody reads it.
//  2. Rename it to RUN.parquet.folding; sync the directory. Nobody reads it,
//     but now it is known to be whole.
//  3. Remove the files whose shards it holds; sync the directory. From here to
//     the end, a reader of *.parquet misses rows of this run, or fails to open
//     a file it has just listed; it never sees a row twice.
//  4. Rename it to RUN.parquet, over an earlier one, whose rows it holds as
//     well; sync the directory.
//
// A crash in 1 leaves a temporary file, one in 2 to 4 a whole file from which
// Recover goes on at 3.
func (l *Ledger) Compact(ctx context.Context) error {
	return l.alone(func() error {
		if err := l.recover(ctx); err != nil {
			return err
		}
		for _, t := range folded {
			if err := l.compact(ctx, t); err != nil {
				return err
			}
		}
		return l.sealRuns(ctx)
	})
}

func (l *Ledger) compact(ctx context.Context, t table) error {
	names, err := l.shardFiles(t.name)
	if err != nil {
		return err
	}
	for len(names) > 0 {
		run := runOf(names[0])
		n := slices.IndexFunc(names, func(s string) bool { return runOf(s) != run })
		if n < 0 {
			n = len(names)
		}
		fold := n > 1
		if !fold {
			if fold, err = unsealed(filepath.Join(l.dir, t.name, names[0])); err != nil {
				return err
			}
		}
		if fold {
			if err := l.build(ctx, t, run, names[:n]); err != nil {
				return err
			}
			if err := l.finish(t.name, run); err != nil {
				return err
			}
		}
		names = names[n:]
	}
	return nil
}

// Recover ends what a crash interrupted in Compact, so that no facts are
// missing from sight. Call it before querying; it costs one look at each
// directory.
func (l *Ledger) Recover(ctx context.Context) error {
	for _, t := range folded {
		left, err := l.left(t.name)
		if err != nil {
			return err
		}
		if len(left) > 0 {
			return l.alone(func() error { return l.recover(ctx) })
		}
	}
	return nil
}

// left lists the runs whose compacting a crash interrupted when their files were
// whole.
func (l *Ledger) left(table string) (runs []string, err error) {
	names, err := filepath.Glob(filepath.Join(escape(l.dir), table, "*"+folding))
	if err != nil {
		return nil, sealed.Local(l.dir, err)
	}
	for _, n := range names {
		runs = append(runs, strings.TrimSuffix(filepath.Base(n), suffix+folding))
	}
	return runs, nil
}

// alone calls f unless another process is compacting.
func (l *Ledger) alone(f func() error) error {
	if _, err := os.Lstat(l.dir); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	name := filepath.Join(l.dir, "lock")
	lock, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return sealed.Local(name, err)
	}
	err = unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	switch {
	case errors.Is(err, unix.EWOULDBLOCK):
		err = nil
	case err != nil:
		err = sealed.Local(name, err)
	default:
		err = f()
	}
	if cerr := lock.Close(); err == nil && cerr != nil {
		err = sealed.Local(name, cerr)
	}
	return err
}

func (l *Ledger) recover(ctx context.Context) error {
	for _, t := range folded {
		runs, err := l.left(t.name)
		if err != nil {
			return err
		}
		for _, run := range runs {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := l.finish(t.name, run); err != nil {
				return err
			}
		}
	}
	return nil
}

// build does steps 1 and 2: it writes the rows of the files of a run to the
// run's .folding file.
func (l *Ledger) build(ctx context.Context, t table, run string, names []string) error {
	dir := filepath.Join(l.dir, t.name)
	held := map[int]bool{}
	var inputs []string
	for _, n := range names {
		shards, err := shardsIn(filepath.Join(dir, n))
		if err != nil {
			return err
		}
		// A file of one shard may repeat what the compacted file, the first of
		// names, holds already, if someone put it back.
		fresh := false
		for _, s := range shards {
			fresh = fresh || !held[s]
			held[s] = true
		}
		if fresh {
			inputs = append(inputs, filepath.Join(dir, n))
		}
	}
	meta := map[string]string{shardsKey: ranges(slices.Sorted(maps.Keys(held)))}
	return l.create(t.name, run+suffix+folding, func(f io.Writer) error { return t.fold(ctx, f, meta, inputs) })
}

// foldRows writes the rows of all inputs to f.
func foldRows[T any, P interface {
	*T
	tidy()
}](ctx context.Context, f io.Writer, meta map[string]string, inputs []string) error {
	w := parquetrows.NewWriter[T](f, rowsAGroup, writerOptions(meta)...)
	for _, name := range inputs {
		err := readShards[T, P](ctx, name, w.Write)
		if err != nil {
			return err
		}
	}
	return w.Close()
}

// finish does steps 3 and 4 for the .folding file of a run.
func (l *Ledger) finish(table, run string) error {
	dir := filepath.Join(l.dir, table)
	name := filepath.Join(dir, run+suffix)
	shards, err := shardsIn(name + folding)
	if err != nil {
		return err
	}
	for _, s := range shards {
		if err := os.Remove(filepath.Join(dir, shardName(run, s))); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return sealed.Local(dir, err)
		}
	}
	if err := sealed.SyncDir(dir); err != nil {
		return err
	}
	if err := os.Rename(name+folding, name); err != nil {
		return sealed.Local(name, err)
	}
	return sealed.SyncDir(dir)
}

// hasShard tells whether the facts of a shard are in a table.
func (l *Ledger) hasShard(table, run string, shard int) (bool, error) {
	dir := filepath.Join(l.dir, table)
	if _, err := os.Lstat(filepath.Join(dir, shardName(run, shard))); err == nil {
		return true, nil
	}
	for _, name := range []string{run + suffix, run + suffix + folding} {
		name = filepath.Join(dir, name)
		if _, err := os.Lstat(name); err != nil {
			continue
		}
		shards, err := shardsIn(name)
		if err != nil {
			return false, err
		}
		if slices.Contains(shards, shard) {
			return true, nil
		}
	}
	return false, nil
}

// shardFiles lists the files of a table, those of a run together, the compacted
// one first and then by shard.
func (l *Ledger) shardFiles(table string) ([]string, error) {
	names, err := l.Files(table)
	if err != nil {
		return nil, err
	}
	for i := range names {
		names[i] = filepath.Base(names[i])
	}
	slices.SortFunc(names, func(a, b string) int {
		ra, rb := runOf(a), runOf(b)
		if ra != rb {
			return strings.Compare(ra, rb)
		}
		if len(a) != len(b) { // RUN.parquet is the shortest, and a shard of six digits comes after one of five
			return len(a) - len(b)
		}
		return strings.Compare(a, b)
	})
	return names, nil
}

// runOf is the run that the file of a shard is about: its name without the shard.
// A run's id may end in a number of its own, of four digits; a shard has five
// or more.
func runOf(name string) string {
	name = strings.TrimSuffix(name, suffix)
	if run, shard, ok := cutLast(name, "-"); ok && len(shard) >= 5 && strings.Trim(shard, "0123456789") == "" {
		return run
	}
	return name
}

func cutLast(s, sep string) (before, after string, ok bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}

// shardsIn reads from a file's metadata which shards it holds.
func shardsIn(name string) (shards []int, err error) {
	err = withFile(name, func(pq *parquet.File) error {
		v, _ := pq.Lookup(shardsKey)
		shards, err = parseRanges(v)
		if err != nil {
			return sealed.Damaged(name, err)
		}
		return nil
	})
	return shards, err
}

// ranges writes sorted numbers as "0-41,43".
func ranges(ns []int) string {
	var b strings.Builder
	for i := 0; i < len(ns); {
		j := i
		for j+1 < len(ns) && ns[j+1] <= ns[j]+1 {
			j++
		}
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(strconv.Itoa(ns[i]))
		if ns[j] != ns[i] {
			b.WriteByte('-')
			b.WriteString(strconv.Itoa(ns[j]))
		}
		i = j + 1
	}
	return b.String()
}

// maxShard bounds what parseRanges expands.
const maxShard = 10_000_000

func parseRanges(s string) ([]int, error) {
	var ns []int
	for part := range strings.SplitSeq(s, ",") {
		from, to, ok := strings.Cut(part, "-")
		if !ok {
			to = from
		}
		a, aerr := strconv.Atoi(from)
		b, berr := strconv.Atoi(to)
		if aerr != nil || berr != nil || a < 0 || b < a || b > maxShard {
			return nil, &cooper.Error{Kind: cooper.KindInvalid, Message: fmt.Sprintf("%q is no list of shards", s)}
		}
		for n := a; n <= b; n++ {
			ns = append(ns, n)
		}
	}
	return ns, nil
}

// escape makes a path stand for itself in a pattern.
func escape(path string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}
