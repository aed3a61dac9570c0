package catalog

import (
	"context"
	"errors"
	"io"
	"slices"
)

// Sample gives some n keys from all over the catalog, in order, by reading a few pages of
// each file.
func (c *Catalog) Sample(ctx context.Context, n int) ([]string, error) {
	var files []File
	for _, run := range c.State().Runs {
		files = append(files, run.Files...)
	}
	var keys []string
	buf := make([]Row, 0, pageRows)
	for i := range files {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		more, err := c.sampleFile(&files[i], max(2, n/len(files)), buf)
		if err != nil {
			return nil, err
		}
		keys = append(keys, more...)
	}
	slices.Sort(keys)
	keys = slices.Compact(keys)
	if len(keys) > n { // spread evenly
		for i := range n {
			keys[i] = keys[i*len(keys)/n]
		}
		keys = keys[:n]
	}
	return keys, nil
}

// sampleFile takes keys from the first pages of some row groups.
func (c *Catalog) sampleFile(f *File, n int, buf []Row) (keys []string, err error) {
	o, err := c.openFile(f, true)
	if err != nil {
		return nil, err
	}
	o.salvaged = true // rows are left out
	sc := &scan{files: []openFile{o}, buffer: smallBuffer}
	defer func() { err = errors.Join(err, sc.close()) }()
	groups := int((f.Rows + groupRows - 1) / groupRows)
	step := max(1, groups/8)
	each := max(1, n/min(groups, 8))
	for {
		rows, err := sc.next(buf[:0])
		if errors.Is(err, io.EOF) {
			return keys, nil
		} else if err != nil {
			return nil, err
		}
		for i := range min(each, len(rows)) {
			keys = append(keys, rows[i*len(rows)/min(each, len(rows))].Key)
		}
		if err := sc.endGroup(); err != nil {
			return nil, err
		}
		sc.left, sc.group = 0, sc.group+step-1
	}
}
