package gcfacts

import (
	"context"
	"fmt"
	"path/filepath"

	"cooper"
)

// Writer takes the facts of one shard of a scan while they are read. It serves one goroutine. After
// an error nothing but Discard is of use.
type Writer struct {
	files
	scan   string
	shard  int
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
	w := &Writer{files: files{s: s}, scan: scan, shard: shard}
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
	w.files, err = s.newFiles(dir, prefix, func(table string) string { return placeOf(table, scan, shard) })
	return w, err
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
	return w.appear(ShardTables, w.s.shardDir(w.scan, w.shard))
}

// Discard drops what was written, unless it was committed.
func (w *Writer) Discard() error { return w.discard() }
