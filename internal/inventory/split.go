package inventory

import (
	"context"
	"errors"
	"path/filepath"
)

// Split gives keys at which what opt selects can be cut into about n parts of
// equal size, to be read side by side: at most n-1 keys, rising, none of them
// empty. A part goes from one of them to the next, as IterOptions.From and To
// have it. All versions of a key are in one part.
func (s *Snapshot) Split(ctx context.Context, n int, opt IterOptions) ([]string, error) {
	var firsts []string // of row groups
	for _, f := range s.meta.Files {
		if here, _ := opt.selects(f.FirstKey, f.LastKey); !here || f.Rows == 0 {
			continue
		}
		keys, err := s.groupKeys(ctx, f, &opt)
		if err != nil {
			return nil, err
		}
		firsts = append(firsts, keys...)
	}
	n = min(n, len(firsts))
	var cuts []string
	last := opt.From
	for i := 1; i < n; i++ {
		// Row groups have the same number of rows but for the last of each file.
		if key := firsts[i*len(firsts)/n]; key > last && key > firsts[0] {
			cuts = append(cuts, key)
			last = key
		}
	}
	return cuts, nil
}

// groupKeys gives the first key of each row group of f that opt may select from.
func (s *Snapshot) groupKeys(ctx context.Context, f File, opt *IterOptions) (keys []string, err error) {
	path := filepath.Join(s.dir, f.Name)
	defer rescue(path, &err)
	file, err := openFile(ctx, path, f, fileSchema)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, file.close()) }()
	for i := range file.parquet.RowGroups() {
		first, last, ok := file.bounds(i)
		if !ok {
			continue
		}
		if here, _ := opt.selects(first, last); here {
			keys = append(keys, first)
		}
	}
	return keys, nil
}
