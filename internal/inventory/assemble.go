package inventory

import (
	"bytes"
	"context"
	"fmt"

	"golang.org/x/sync/errgroup"

	"cooper/internal/inventory/extsort"
)

// assembler turns sorted records into data files. One goroutine merges and
// counts, some encode row groups, one commits them in order.
type assembler struct {
	dir      string
	merge    *extsort.Merge
	classes  *classes
	workers  int
	progress func(written int64)
	meta     *Meta // counts and files are filled in

	free    chan *job // ready to be filled
	work    chan *job // to be encoded
	ordered chan *job // to be committed
	files   []*outFile
}

func (a *assembler) run(ctx context.Context) error {
	n := a.workers + 2
	a.free, a.work, a.ordered = make(chan *job, n), make(chan *job, n), make(chan *job, n)
	for range n {
		a.free <- newJob()
	}
	defer func() {
		for _, f := range a.files {
			f.abandon()
		}
	}()
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		defer close(a.work)
		defer close(a.ordered)
		return a.collect(ctx)
	})
	for range a.workers {
		g.Go(func() error {
			for j := range a.work {
				j.encoded <- j.encode(a.classes)
			}
			return nil
		})
	}
	g.Go(func() error { return a.commit(ctx) })
	if err := g.Wait(); err != nil || len(a.files) > 0 {
		return err
	}
	return a.empty()
}

// empty makes the file of a snapshot without rows, so that there is something
// to query.
func (a *assembler) empty() error {
	if err := a.begin(newJob(), 0); err != nil {
		return err
	}
	f, err := a.files[0].finish()
	a.meta.Files = append(a.meta.Files, f)
	return err
}

// collect fills jobs with what is to be written.
func (a *assembler) collect(ctx context.Context) error {
	var j *job
	var key, data []byte // of the record before
	keys := keyCounter{meta: a.meta}
	groups := 0
	for a.merge.Next() {
		k, d := a.merge.Key(), a.merge.Data()
		if bytes.Equal(k, key) && bytes.Equal(d, data) {
			a.meta.Duplicates++
			continue
		}
		if j == nil {
			select {
			case j = <-a.free:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
			if err := a.begin(j, groups); err != nil {
				return err
			}
			groups++
		}
		k, d = j.add(k, d)
		keys.add(k, d, sameObject(k, key))
		key, data = k, d
		if j.full() {
			// Its last record is still looked at: it stays as it is until this
			// goroutine gets the job again, after all the others.
			a.pass(j, groups%fileGroups == 0)
			j = nil
		}
	}
	if err := a.merge.Err(); err != nil {
		return err
	}
	keys.end()
	if j != nil {
		a.pass(j, true)
	}
	return nil
}

// begin makes j the given row group of the whole, in a new file if need be.
func (a *assembler) begin(j *job, group int) error {
	if group%fileGroups == 0 {
		f, err := createFile(a.dir, fmt.Sprintf("versions-%05d.parquet", group/fileGroups), fileSchema)
		if err != nil {
			return err
		}
		a.files = append(a.files, f)
	}
	j.begin(a.files[len(a.files)-1])
	return nil
}

// pass hands j on. There is room: there are no more jobs than places.
func (a *assembler) pass(j *job, last bool) {
	j.last = last
	a.ordered <- j
	a.work <- j
}

func (a *assembler) commit(ctx context.Context) error {
	written := int64(0)
	for j := range a.ordered {
		select {
		case err := <-j.encoded:
			if err != nil {
				return err
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		j.describe()
		if _, err := j.group.Commit(); err != nil {
			return writeError(j.file.f.Name(), err)
		}
		if j.last {
			f, err := j.file.finish()
			if err != nil {
				return err
			}
			a.meta.Files = append(a.meta.Files, f)
		}
		written += int64(j.rows)
		a.progress(written)
		a.free <- j
	}
	return nil
}
