package bodies

import (
	"context"
	"errors"
	"io"
	"os"

	"cooper"
	"cooper/internal/warc"
)

// mend makes rows for records that have none: those behind the last that the index knows, which a
// crash has left, or all if there is no index. What is no whole record at the end of the last file
// is cut off; anywhere else it is an error, and nothing is changed.
func (a *Archive) mend(ctx context.Context) error {
	files, err := a.files()
	if err != nil {
		return err
	}
	ends, err := a.ends(ctx)
	if err != nil {
		return err
	}
	for i, n := range files {
		end := ends[n]
		info, err := os.Stat(a.file(n))
		if err != nil {
			return err
		}
		if info.Size() != end {
			if end, err = a.indexRest(ctx, n, end, i == len(files)-1); err != nil {
				return err
			}
		}
		delete(ends, n)
		if end == 0 && i == len(files)-1 { // begun, and without its first record
			if err := os.Remove(a.file(n)); err != nil {
				return err
			}
			continue
		}
		a.last = place{file: n, offset: end}
	}
	for n := range ends {
		return &cooper.Error{Kind: cooper.KindCorrupt, Where: a.file(n), Message: "the index of bodies knows records in a file that is gone", Remedy: "Bring the file back; or verify the archive, and have its index mended: then its records are archived anew where they come again."}
	}
	return nil
}

// ends tells where the last record that the index knows ends in each file.
func (a *Archive) ends(ctx context.Context) (map[uint32]int64, error) {
	ends := map[uint32]int64{}
	for _, r := range a.runs {
		next := r.rows()
		for n := 0; ; n++ {
			x, err := next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return nil, err
			}
			if n%10_000 == 0 && ctx.Err() != nil {
				return nil, context.Cause(ctx)
			}
			ends[x.file] = max(ends[x.file], x.offset+int64(x.length))
		}
	}
	return ends, nil
}

// indexed is how many rows are made known at once when a whole file has none.
const indexed = 1 << 20

// indexRest reads a file from a byte on, and makes what it finds known.
func (a *Archive) indexRest(ctx context.Context, n uint32, from int64, last bool) (end int64, err error) {
	f, err := os.OpenFile(a.file(n), os.O_RDWR, 0) //nolint:gosec // a path of ours
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	end = min(from, info.Size())
	if from > info.Size() {
		return 0, &cooper.Error{Kind: cooper.KindCorrupt, Where: a.file(n), Message: "records that the index of bodies knows were cut off", Remedy: "Bring the file back; or verify the archive, and have its index mended: then its records are archived anew where they come again."}
	}
	in := warc.NewReader(io.NewSectionReader(f, from, info.Size()-from), from)
	var rows []row
	here := map[warc.Digest]bool{}
	for {
		if ctx.Err() != nil {
			return 0, context.Cause(ctx)
		}
		rec, err := in.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil && !last {
			var mine *cooper.Error
			if errors.As(err, &mine) {
				mine.Where = a.file(n) + ": " + mine.Where
			}
			return 0, err
		}
		if err != nil {
			break // an addition that did not come to its end
		}
		end = rec.Offset + rec.Length
		known, err := a.Known(rec.Digest)
		if err != nil {
			return 0, err
		}
		if rec.Type == "response" && !known && !here[rec.Digest] {
			here[rec.Digest] = true
			rows = append(rows, row{digest: rec.Digest, place: place{file: n, offset: rec.Offset, length: uint32(rec.Length)}}) //nolint:gosec // bounded by warc.LongestRecord
		}
		if len(rows) == indexed {
			if err := a.known(rows); err != nil {
				return 0, err
			}
			rows = rows[:0]
			clear(here)
		}
	}
	if end < info.Size() {
		if err := f.Truncate(end); err != nil {
			return 0, err
		}
	}
	// What is made known has to be there after a crash, too.
	if err := f.Sync(); err != nil {
		return 0, err
	}
	return end, a.known(rows)
}
