package gcfacts

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/parquet-go/parquet-go"

	"cooper"
	"cooper/internal/ledger/sealed"
)

// Writer takes the facts of one shard of a scan while they are read. It serves one goroutine. After
// an error nothing but Discard is of use.
type Writer struct {
	s      *Store
	scan   string
	shard  int
	dir    string // where the files are until Commit; empty if the shard is there already
	tables map[string]*table
	counts counts // since the last range
	ranges int
	values int64 // with several readings
}

type counts struct{ handles, links, malformed int64 }

// Shard begins the facts of a shard. Those that are there already stay: what is written is
// dropped then. The caller ends with Commit or Discard.
//
// A scan's shard may be begun anew after a crash, under another run: what was written of it before is
// gone, as nobody has seen it. So may a range that failed: Discard, and begin again.
func (s *Store) Shard(ctx context.Context, scan string, shard int) (*Writer, error) {
	w := &Writer{s: s, scan: scan, shard: shard, tables: map[string]*table{}}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	done, err := s.Has(scan, shard)
	if err != nil || done {
		return w, err
	}
	dir := s.scanDir(scan)
	if err := s.mkdir(dir); err != nil {
		return nil, err
	}
	if err := s.makeLock(); err != nil {
		return nil, err
	}
	if finished, err := there(filepath.Join(dir, scanName)); err != nil {
		return nil, err
	} else if finished {
		return nil, &cooper.Error{Kind: cooper.KindRefused, Where: dir, Message: "the scan has ended; nothing is added to it", Remedy: "Plan another scan."}
	}
	prefix := fmt.Sprintf("%s%05d-", newPrefix, shard)
	if err := s.removeNew(dir, prefix); err != nil {
		return nil, err
	}
	if err := s.before("mkdir", dir); err != nil {
		return nil, err
	}
	if w.dir, err = os.MkdirTemp(dir, prefix); err != nil {
		return nil, sealed.Local(dir, err)
	}
	if err := os.Chmod(w.dir, 0o755); err != nil { //nolint:gosec // as all of the ledger
		return nil, sealed.Local(w.dir, err)
	}
	return w, nil
}

// table is the file of one table of a shard.
type table struct {
	out   *outFile
	pq    *parquet.Writer //nolint:staticcheck // the generic one takes rows only; this one takes columns as well
	page  page
	group int // rows and bytes in the row group
	bytes int
}

// table gives that of a name, with the page to which a row may be added; nil if the shard is there already.
func (w *Writer) table(name string) (*table, error) {
	if w.dir == "" {
		return nil, nil
	}
	t := w.tables[name]
	if t == nil {
		out, err := w.s.newFile(filepath.Join(w.dir, name+suffix))
		if err != nil {
			return nil, err
		}
		schema := schemas[name]
		t = &table{out: out, page: page{columns: make([][]parquet.Value, len(schema.Columns()))}}
		t.pq = parquet.NewWriter(out.buf, append(writerOptions(placeOf(name, w.scan, w.shard)), schema)...)
		w.tables[name] = t
	}
	t.page.next = 0
	return t, nil
}

// added ends a row.
func (t *table) added() error {
	t.page.rows++
	if !t.page.full() {
		return nil
	}
	return t.endPage()
}

func (t *table) endPage() error {
	if t.page.rows == 0 {
		return nil
	}
	t.group += t.page.rows
	t.bytes += t.page.bytes
	err := t.page.write(t.pq.ColumnWriters())
	if err == nil && (t.group >= groupRows || t.bytes >= groupBytes) {
		t.group, t.bytes = 0, 0
		err = t.pq.Flush()
	}
	if err != nil {
		return sealed.Local(t.out.name, err)
	}
	return nil
}

func (t *table) finish() error {
	if err := t.endPage(); err != nil {
		return errors.Join(err, t.out.f.Close())
	}
	if err := t.pq.Close(); err != nil {
		return errors.Join(sealed.Local(t.out.name, err), t.out.f.Close())
	}
	return t.out.finish()
}

// row adds one row to a table.
func (w *Writer) row(name string, put func(*page)) error {
	t, err := w.table(name)
	if err != nil || t == nil {
		return err
	}
	put(&t.page)
	return t.added()
}

// Handle adds a handle.
func (w *Writer) Handle(h Handle) error {
	w.counts.handles++
	return w.row(Handles, func(p *page) { p.handle(w.scan, w.shard, &h) })
}

// Derived adds that a handle lives while another does.
func (w *Writer) Derived(d Derived) error {
	return w.row(Deriveds, func(p *page) { p.derived(w.scan, w.shard, &d) })
}

// Hold adds that a handle is held.
func (w *Writer) Hold(h Hold) error {
	return w.row(Holds, func(p *page) { p.hold(w.scan, w.shard, &h) })
}

// Link adds what a value of an object leads to. A value that can be read in several ways has as many
// readings, the first of which is what it is if it leads to no handle in any. It counts as one link
// among those of the range.
func (w *Writer) Link(association, object string, readings ...Target) error {
	if len(readings) == 0 {
		return &cooper.Error{Kind: cooper.KindInternal, Where: association, Message: "a link that leads nowhere"}
	}
	w.counts.links++
	value := int64(-1)
	if len(readings) > 1 {
		value = w.values
		w.values++
	}
	t, err := w.table(Links)
	if err != nil || t == nil {
		return err
	}
	for i := range readings {
		t.page.next = 0
		t.page.link(w.scan, w.shard, association, object, &readings[i], value, i)
		if err := t.added(); err != nil {
			return err
		}
	}
	return nil
}

// Malformed adds a value that cannot be read.
func (w *Writer) Malformed(m Malformed) error {
	w.counts.malformed++
	return w.row(Malformeds, func(p *page) { p.malformed(w.scan, w.shard, &m) })
}

// Range ends a range: all that was added since the one before belongs to it. A shard has one at
// least, and nothing behind its last.
func (w *Writer) Range(r Range) error {
	c := w.counts
	w.counts = counts{}
	w.ranges++
	return w.row(Ranges, func(p *page) { p.aRange(w.scan, w.shard, &r, c) })
}

// Commit lets the facts of the shard appear, all tables at once; if it was there already, it does
// nothing. The order, and why a crash between any two steps is harmless:
//
//  1. Write the files into a directory of their own; sync each, and the directory. Nobody reads it:
//     its name is none of a shard's.
//  2. Rename the directory to that of the shard. This is one step, so that no reader sees links without
//     the range that says how many there are, or a range without its links.
//  3. Sync the directory of the scan. A crash before it may undo the rename: the shard is done again.
//
// A crash leaves a directory that the next writer of the shard removes, or Finish, or Drop.
func (w *Writer) Commit(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if w.ranges == 0 || w.counts != (counts{}) {
		return &cooper.Error{Kind: cooper.KindInternal, Where: w.scan, Message: "facts of a shard that belong to no range"}
	}
	if w.dir == "" {
		return nil
	}
	for _, name := range ShardTables {
		if t := w.tables[name]; t != nil {
			delete(w.tables, name)
			if err := t.finish(); err != nil {
				return err
			}
		}
	}
	if err := w.s.syncDir(w.dir); err != nil {
		return err
	}
	if err := w.s.rename(w.dir, w.s.shardDir(w.scan, w.shard)); err != nil {
		if done, herr := w.s.Has(w.scan, w.shard); herr != nil || !done {
			return errors.Join(err, herr)
		}
		return w.Discard() // another writer was faster
	}
	w.dir = ""
	return w.s.syncDir(w.s.scanDir(w.scan))
}

// Discard drops what was written, unless it was committed.
func (w *Writer) Discard() error {
	var errs []error
	for name, t := range w.tables {
		errs = append(errs, t.out.f.Close())
		delete(w.tables, name)
	}
	if w.dir != "" {
		errs = append(errs, w.s.removeAll(w.dir))
		w.dir = ""
	}
	return errors.Join(errs...)
}
