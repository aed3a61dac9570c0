package gcfacts

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress/zstd"

	"cooper/internal/ledger/sealed"
)

const (
	formatKey = "cooper.gc"
	placeKey  = "cooper.gc.place"
)

// packed is one for all files: it keeps its encoders, of megabytes, for the next one.
var packed = &zstd.Codec{Level: zstd.SpeedDefault}

func writerOptions(place string) []parquet.WriterOption {
	return []parquet.WriterOption{
		parquet.Compression(packed),
		parquet.CreatedBy("cooper", "gc", fmt.Sprint(Format)),
		parquet.KeyValueMetadata(formatKey, fmt.Sprint(Format)),
		parquet.KeyValueMetadata(placeKey, place),
		parquet.PageBufferSize(pageBytes), // pages are ended explicitly
	}
}

// outFile is a file being written, of which nothing is to be seen yet.
type outFile struct {
	s    *Store
	f    *os.File
	out  *sealed.Writer
	buf  *bufio.Writer
	name string
}

func (s *Store) newFile(name string) (*outFile, error) {
	if err := s.before("create", name); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return nil, sealed.Local(name, err)
	}
	o := &outFile{s: s, f: f, out: sealed.NewWriter(f), name: name}
	o.buf = bufio.NewWriterSize(o, 256<<10)
	return o, nil
}

// Write takes what the buffer has.
func (o *outFile) Write(b []byte) (int, error) {
	if err := o.s.before("write", o.name); err != nil {
		return 0, err
	}
	return o.out.Write(b)
}

// finish seals and syncs what is whole.
func (o *outFile) finish() error {
	err := o.buf.Flush()
	if err == nil {
		err = o.s.before("seal", o.name)
	}
	if err == nil {
		err = o.out.Seal()
	}
	if err == nil {
		err = o.s.before("sync", o.name)
	}
	if err == nil {
		err = o.f.Sync()
	}
	if err = errors.Join(err, o.f.Close()); err != nil {
		return sealed.Local(o.name, err)
	}
	return nil
}

// create lets a small file appear with what fill writes.
func (s *Store) create(name string, fill func(*bufio.Writer, ...parquet.WriterOption) error) error {
	if err := s.mkdir(filepath.Dir(name)); err != nil {
		return err
	}
	return s.appear(name, func(tmp string) error {
		o, err := s.newFile(tmp)
		if err != nil {
			return err
		}
		if err := fill(o.buf, writerOptions(place(name))...); err != nil {
			return errors.Join(sealed.Local(name, err), o.f.Close())
		}
		return o.finish()
	})
}

// createTable lets a file appear with the rows that fill adds.
func (s *Store) createTable(name string, schema *parquet.Schema, fill func(*table) error) error {
	return s.appear(name, func(tmp string) error {
		t, err := s.newTable(tmp, schema, place(name))
		if err != nil {
			return err
		}
		if err := fill(t); err != nil {
			return errors.Join(err, t.out.f.Close())
		}
		return t.finish()
	})
}

// appear renames what write has written, whole and synced, under a name for the time being.
func (s *Store) appear(name string, write func(tmp string) error) error {
	dir := filepath.Dir(name)
	tmp, err := os.CreateTemp(dir, filepath.Base(name)+".tmp-*")
	if err != nil {
		return sealed.Local(dir, err)
	}
	// The name was for its being free alone.
	if err := errors.Join(tmp.Close(), os.Remove(tmp.Name())); err != nil {
		return sealed.Local(tmp.Name(), err)
	}
	if err = write(tmp.Name()); err == nil {
		err = s.rename(tmp.Name(), name)
	}
	if err != nil {
		return errors.Join(err, os.RemoveAll(tmp.Name()))
	}
	return s.syncDir(dir)
}

// mkdir makes a directory below the ledger's own, for good.
func (s *Store) mkdir(dir string) error {
	if err := s.before("mkdir", dir); err != nil {
		return err
	}
	var made []string // whose names are not yet durable
	for d := dir; ; d = filepath.Dir(d) {
		if yes, err := there(d); err != nil {
			return err
		} else if yes {
			break
		}
		made = append(made, d)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return sealed.Local(dir, err)
	}
	for _, d := range made {
		if err := s.syncDir(filepath.Dir(d)); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) rename(from, to string) error {
	if err := s.before("rename", from, to); err != nil {
		return err
	}
	if err := os.Rename(from, to); err != nil {
		return sealed.Local(to, err)
	}
	return nil
}

func (s *Store) syncDir(dir string) error {
	if err := s.before("sync-dir", dir); err != nil {
		return err
	}
	return sealed.SyncDir(dir)
}

// removeAll removes what nobody sees any more.
func (s *Store) removeAll(name string) error {
	if err := s.before("remove-all", name); err != nil {
		return err
	}
	if err := os.RemoveAll(name); err != nil {
		return sealed.Local(name, err)
	}
	return nil
}

// removeNew removes what writers have left that never ended: what has names that begin so.
func (s *Store) removeNew(dir, prefix string) error {
	names, err := filepath.Glob(filepath.Join(escape(dir), prefix+"*"))
	if err != nil {
		return sealed.Local(dir, err)
	}
	for _, name := range names {
		if err := s.removeAll(name); err != nil {
			return err
		}
	}
	return nil
}
