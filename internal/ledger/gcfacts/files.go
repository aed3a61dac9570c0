package gcfacts

import (
	"errors"
	"os"
	"path/filepath"

	"cooper/internal/ledger/sealed"
)

// files are those of a directory that appears with all of them, or never.
type files struct {
	s      *Store
	dir    string // where they are until they appear; empty if what is written is dropped
	tables map[string]*table
	place  func(table string) string // which each says of itself
}

// newFiles begins a directory in another, under a name that begins so.
func (s *Store) newFiles(in, prefix string, place func(string) string) (f files, err error) {
	f = files{s: s, tables: map[string]*table{}, place: place}
	if err := s.before("mkdir", in); err != nil {
		return f, err
	}
	if f.dir, err = os.MkdirTemp(in, prefix); err != nil {
		return f, sealed.Local(in, err)
	}
	if err := os.Chmod(f.dir, 0o755); err != nil { //nolint:gosec // as all of the ledger
		return f, sealed.Local(f.dir, err)
	}
	return f, nil
}

// table gives the file of a table; nil if what is written is dropped.
func (f *files) table(name string) (*table, error) {
	if f.dir == "" {
		return nil, nil
	}
	t := f.tables[name]
	if t == nil {
		var err error
		if t, err = f.s.newTable(filepath.Join(f.dir, name+suffix), schemas[name], f.place(name)); err != nil {
			return nil, err
		}
		f.tables[name] = t
	}
	t.page.next = 0
	return t, nil
}

// row adds one row to the file of a table.
func (f *files) row(name string, put func(*page)) error {
	t, err := f.table(name)
	if err != nil || t == nil {
		return err
	}
	put(&t.page)
	return t.added()
}

// finish makes the files of some tables whole, in that order, and durable.
func (f *files) finish(order []string) error {
	for _, name := range order {
		if t := f.tables[name]; t != nil {
			delete(f.tables, name)
			if err := t.finish(); err != nil {
				return err
			}
		}
	}
	return f.s.syncDir(f.dir)
}

// appear lets the directory appear under a name. If one is there, this one is dropped.
func (f *files) appear(order []string, as string) error {
	if f.dir == "" {
		return nil
	}
	_, err := f.appears(order, as)
	return err
}

// appears does so and tells whether it is this one.
func (f *files) appears(order []string, as string) (ours bool, err error) {
	if err := f.finish(order); err != nil {
		return false, err
	}
	if err := f.s.rename(f.dir, as); err != nil {
		if done, herr := there(as); herr != nil || !done {
			return false, errors.Join(err, herr)
		}
		return false, f.discard() // another writer was faster
	}
	f.dir = ""
	return true, f.s.syncDir(filepath.Dir(as))
}

// discard drops what was written, unless it has appeared.
func (f *files) discard() error {
	var errs []error
	for name, t := range f.tables {
		errs = append(errs, t.out.f.Close())
		delete(f.tables, name)
	}
	if f.dir != "" {
		errs = append(errs, f.s.removeAll(f.dir))
		f.dir = ""
	}
	return errors.Join(errs...)
}
