package gcfacts

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/parquet-go/parquet-go"
	"golang.org/x/sync/errgroup"

	"cooper"
	"cooper/internal/ledger/sealed"
)

const readBatch = 1024

// Verify checks files of facts for those who read them by other means. A damaged one is KindInvalid,
// and named; so is one that is gone, and a whole one in the place of another.
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
	return errors.Join(errs...)
}

func verify(ctx context.Context, name string) error {
	return with(name, func(in *sealed.File) error {
		if _, err := open(in); err != nil {
			return err
		}
		return in.Verify(ctx)
	})
}

// with opens a file that has to be there.
func with(name string, f func(*sealed.File) error) error {
	err := sealed.With(name, f)
	if errors.Is(err, fs.ErrNotExist) {
		return gone(name, err)
	}
	return err
}

// gone is about a file that has to be there.
func gone(name string, err error) error {
	e := &cooper.Error{Kind: cooper.KindInvalid, Where: name, Err: err}
	dir := filepath.Dir(name)
	switch above := filepath.Base(filepath.Dir(dir)); {
	case filepath.Base(dir) == Transitions:
		e.Message = "changes of the status of handles are gone from the ledger"
		e.Remedy = fmt.Sprintf("Bring the file back. To go on without knowing them, make an empty file %s.", strings.TrimSuffix(name, suffix)+"."+lostName)
	case filepath.Base(dir) == Askeds:
		e.Message = "what a guard was asked for is gone from the ledger"
		e.Remedy = fmt.Sprintf("Bring the file back. To go on without it, scan anew, so that what was asked for has been judged, and make an empty file %s.", strings.TrimSuffix(name, suffix)+"."+lostName)
	case above == wordsDir:
		e.Message = "what a person has said about handles is gone from the ledger"
		e.Remedy = fmt.Sprintf("Bring the file back. To go on without it, say again what is to be kept or linked, and make an empty file %s.", filepath.Join(dir, lostName))
	case above == Detections:
		e.Message = "what a detection has found is gone"
		e.Remedy = "Bring the file back, or move the detection's whole directory out of the ledger."
	default:
		e.Message = "facts of a scan are gone"
		e.Remedy = "Bring the file back, or move the scan's whole directory out of the ledger to go on without this scan."
	}
	return e
}

func withFile(name string, f func(*parquet.File) error) error {
	return with(name, func(in *sealed.File) error {
		pq, err := open(in)
		if err != nil {
			return err
		}
		return f(pq)
	})
}

// open opens what is in a file, which must be what its name says.
func open(in *sealed.File) (*parquet.File, error) {
	pq, err := in.Parquet()
	if err != nil {
		return nil, err
	}
	return pq, asNamed(in, pq)
}

// asNamed refuses a file that is not what its name says.
func asNamed(in *sealed.File, pq *parquet.File) error {
	if v, _ := pq.Lookup(formatKey); v != fmt.Sprint(Format) {
		return &cooper.Error{Kind: cooper.KindInvalid, Where: in.Name(), Message: fmt.Sprintf("the file has format %q of facts for garbage; this program knows up to %d", v, Format),
			Remedy: "Use the version of cooper that wrote it. If there is none, the file is damaged: move the scan's whole directory out of the ledger to go on without this scan."}
	}
	if !in.Sealed() {
		return sealed.Damaged(in.Name(), errors.New("its checksums are gone"))
	}
	if is, _ := pq.Lookup(placeKey); is != place(in.Name()) {
		return sealed.Damaged(in.Name(), fmt.Errorf("it is another file of the ledger: %s", cooper.Quote(is)))
	}
	// A column that is not there would read as nothing, and nothing found is more garbage.
	if lacks := lacking(pq, tableOf(in.Name())); lacks != "" {
		return &cooper.Error{Kind: cooper.KindInvalid, Where: in.Name(), Message: "facts of a scan without the column " + lacks + ", as a version of cooper that was never released wrote them",
			Remedy: "Move the scan's whole directory out of the ledger, and scan anew."}
	}
	return nil
}

// lacking is the first column of a table of scans that a file does not have; empty if it has all.
func lacking(pq *parquet.File, table string) string {
	if table != Scans && !slices.Contains(ShardTables, table) {
		return ""
	}
	has := map[string]bool{}
	for _, c := range pq.Schema().Columns() {
		has[strings.Join(c, ".")] = true
	}
	for _, c := range schemas[table].Columns() {
		if name := strings.Join(c, "."); !has[name] {
			return name
		}
	}
	return ""
}

func readRows[T any](ctx context.Context, name string, each func([]T) error) error {
	return withFile(name, func(pq *parquet.File) error { return sealed.Rows(ctx, name, pq, readBatch, each) })
}
