package catalog

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"

	"cooper/internal/tree/safefs"
)

// Create makes an empty catalog in the tree whose root is fsys.
func Create(fsys safefs.FS) error {
	return CreateFrom(fsys, func(func(*Row) error) error { return nil })
}

var ownNames = regexp.MustCompile(`^((base|delta)-([0-9]{10})(-[a-z0-9-]+)?\.parquet|CURRENT(\.second)?\.json(\.tmp)?)$`)

// Owns tells whether a file in Dir has a name that a catalog gives.
func Owns(name string) bool { return ownNames.MatchString(name) }

// generationOf is the generation a file's name speaks of; 0 if none.
func generationOf(name string) int64 {
	m := ownNames.FindStringSubmatch(name)
	if m == nil || m[3] == "" {
		return 0
	}
	n, err := strconv.ParseInt(m[3], 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// CreateFrom makes a catalog of the rows that fill adds, in the order of
// identities and each but once. If fill fails there is none. What an earlier
// attempt left is replaced, or set aside as Clean does it.
func CreateFrom(fsys safefs.FS, fill func(add func(*Row) error) error) error {
	if err := fsys.MkdirAll(dir); err != nil {
		return err
	}
	files, err := writeBase(fsys, dir, FirstGeneration, fill)
	if err != nil {
		return err
	}
	if err := fsys.SyncDir(dir); err != nil {
		return err
	}
	state := newState(FirstGeneration, files)
	raw, err := encodeState(&state)
	if err != nil {
		return err
	}
	return writePointers(fsys, raw)
}

func newState(generation int64, base []File) State {
	s := State{Format: format, Generation: generation, Runs: []Sorted{}, Observed: []Observed{}}
	if len(base) > 0 {
		s.Runs = append(s.Runs, Sorted{Level: BaseLevel, Files: base})
	}
	return s
}

// writeBase writes the rows that fill adds as the base of a generation, to a directory.
func writeBase(fsys safefs.FS, in string, generation int64, fill func(add func(*Row) error) error) ([]File, error) {
	w := newWriter(fsys, in, fmt.Sprintf("base-%010d-m", generation), true)
	err := fill(w.add)
	files, ferr := w.finish()
	if err = errors.Join(err, ferr); err != nil {
		return nil, errors.Join(err, w.abandon())
	}
	return files, nil
}
