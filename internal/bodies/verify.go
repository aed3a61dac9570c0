package bodies

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"

	"cooper"
	"cooper/internal/warc"
)

// Verified is what reading everything came to.
type Verified struct {
	Records int64 `json:"records"` // that are whole
	Bytes   int64 `json:"bytes"`   // of their bodies
	Damaged int64 `json:"damaged"` // places where something stands that is no whole record
	// Lost are rows of the index without a record: bodies that were known, and cannot be read.
	Lost int64 `json:"lost"`
	// Unindexed are records that the index does not have.
	Unindexed int64 `json:"unindexed"`
	// Twice are records whose digest an earlier one has.
	Twice int64 `json:"twice"`
}

// Well tells whether everything was as it should be.
func (v *Verified) Well() bool { return v.Damaged == 0 && v.Lost == 0 && v.Unindexed == 0 }

// Verify reads every record. damaged is told of each place where there should be one and is none. With
// mend the index is made anew from what can be read: what is lost is not known any more, so that
// it is archived again where it comes again. Records themselves are never changed.
func Verify(ctx context.Context, dir string, mend bool, damaged func(error)) (v Verified, err error) {
	a, err := openDamaged(dir)
	if err != nil {
		return v, err
	}
	defer func() { err = errors.Join(err, a.Close()) }()
	fresh := &Archive{dir: dir, index: "index.new", opt: a.opt}
	if err := os.RemoveAll(fresh.path(fresh.index)); err != nil {
		return v, err
	}
	if err := os.Mkdir(fresh.path(fresh.index), 0o750); err != nil {
		return v, err
	}
	defer func() { err = errors.Join(err, fresh.Close(), os.RemoveAll(fresh.path(fresh.index))) }()
	files, err := a.files()
	if err != nil {
		return v, err
	}
	matched := int64(0)
	for _, n := range files {
		if err := a.verifyFile(ctx, n, fresh, &v, &matched, damaged); err != nil {
			return v, err
		}
	}
	v.Lost = a.Count() - matched
	if !mend || v.Well() {
		return v, nil
	}
	return v, fresh.replace()
}

// openDamaged opens what can be opened of an index.
func openDamaged(dir string) (*Archive, error) {
	a, err := Open(context.Background(), dir, Options{Read: true})
	if cooper.KindOf(err) == cooper.KindCorrupt {
		return &Archive{dir: dir, index: "index", opt: Options{Read: true}}, nil
	}
	return a, err
}

func (a *Archive) verifyFile(ctx context.Context, n uint32, fresh *Archive, v *Verified, matched *int64, damaged func(error)) (err error) {
	f, err := os.Open(a.file(n))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	var rows []row
	here := map[warc.Digest]bool{}
	for at := int64(0); at < info.Size(); {
		in := warc.NewReader(io.NewSectionReader(f, at, info.Size()-at), at)
		for {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			rec, err := in.Next()
			if errors.Is(err, io.EOF) {
				at = info.Size()
				break
			}
			if err != nil {
				var mine *cooper.Error
				if errors.As(err, &mine) {
					mine.Where = a.file(n) + ": " + mine.Where
				}
				damaged(err)
				v.Damaged++
				if at, err = member(f, at+1, info.Size()); err != nil {
					return err
				}
				break
			}
			at = rec.Offset + rec.Length
			if rec.Type != "response" {
				continue
			}
			if known, err := fresh.Known(rec.Digest); err != nil {
				return err
			} else if known || here[rec.Digest] {
				v.Twice++
				continue
			}
			here[rec.Digest] = true
			v.Records++
			v.Bytes += int64(len(rec.Body()))
			is := place{file: n, offset: rec.Offset, length: uint32(rec.Length)} //nolint:gosec // bounded by warc.LongestRecord
			switch p, ok, err := a.find(rec.Digest); {
			case err != nil:
				return err
			case ok && p == is:
				*matched++
			default:
				v.Unindexed++
			}
			rows = append(rows, row{digest: rec.Digest, place: is})
		}
	}
	return fresh.known(rows)
}

// member looks for where the next gzip member may begin.
func member(f io.ReaderAt, at, size int64) (int64, error) {
	head := []byte{0x1f, 0x8b, 0x08}
	b := make([]byte, 1<<16)
	for at < size {
		n, err := f.ReadAt(b, at)
		if err != nil && !errors.Is(err, io.EOF) {
			return 0, err
		}
		if i := bytes.Index(b[:n], head); i >= 0 {
			return at + int64(i), nil
		}
		if n < len(b) {
			break
		}
		at += int64(n - len(head) + 1)
	}
	return size, nil
}

// replace puts a new index into the place of the old one.
func (a *Archive) replace() error {
	old := a.path("index.old")
	if err := os.RemoveAll(old); err != nil {
		return err
	}
	if err := os.Rename(a.path("index"), old); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	// Without an index, the next opening makes it from the records: a crash here loses nothing.
	if err := os.Rename(a.path(a.index), a.path("index")); err != nil {
		return err
	}
	return os.RemoveAll(old)
}
