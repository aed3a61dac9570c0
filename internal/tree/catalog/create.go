package catalog

import (
	"errors"
	"regexp"

	"cooper/internal/tree/safefs"
)

// Create makes an empty catalog in the tree whose root is fsys.
func Create(fsys safefs.FS) error {
	return CreateFrom(fsys, func(func(*Row) error) error { return nil })
}

var ownNames = regexp.MustCompile(`^((base|delta)-[0-9]{10}(-[a-z0-9-]+)?\.parquet|CURRENT\.json(\.tmp)?)$`)

// Owns tells whether a file in Dir has a name that a catalog gives.
func Owns(name string) bool { return ownNames.MatchString(name) }

// CreateFrom makes a catalog of the rows that fill adds, in the order of
// identities and each but once. If fill fails there is none. What an earlier
// attempt left is replaced, or removed as Clean removes it.
func CreateFrom(fsys safefs.FS, fill func(add func(*Row) error) error) error {
	if err := fsys.MkdirAll(dir); err != nil {
		return err
	}
	w := newWriter(fsys, "base-0000000001-m", true)
	err := fill(w.add)
	files, ferr := w.finish()
	if err = errors.Join(err, ferr); err != nil {
		return errors.Join(err, w.abandon())
	}
	if err := fsys.SyncDir(dir); err != nil {
		return err
	}
	state := State{Format: format, Generation: FirstGeneration, Runs: []Sorted{}, Observed: []Observed{}}
	if len(files) > 0 {
		state.Runs = append(state.Runs, Sorted{Level: BaseLevel, Files: files})
	}
	return writeState(fsys, &state)
}
