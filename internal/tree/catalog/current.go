package catalog

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"cooper"
	"cooper/internal/tree/safefs"
)

const (
	format      = 1
	currentName = "CURRENT.json"
	currentPath = dir + "/" + currentName
	// maxCurrent bounds what is read of a pointer: far more than a catalog of
	// 10^9 rows and a century of daily snapshots need.
	maxCurrent = 256 << 20
)

// readState reads the generation pointer.
func readState(fsys safefs.FS) (State, error) {
	f, err := fsys.Open(currentPath)
	if err != nil {
		if cooper.KindOf(err) == cooper.KindMissing {
			return State{}, &cooper.Error{Kind: cooper.KindMissing, Where: currentPath, Message: "the tree has no catalog", Err: err,
				Remedy: "check the path; a backup tree has " + currentPath}
		}
		return State{}, err
	}
	b, err := io.ReadAll(io.LimitReader(f, maxCurrent))
	if err = errors.Join(err, f.Close()); err != nil {
		return State{}, err
	}
	return parseState(b)
}

func parseState(b []byte) (State, error) {
	var s State
	if err := json.Unmarshal(b, &s); err != nil {
		return State{}, corruptState(err)
	}
	if s.Format > format {
		return State{}, &cooper.Error{Kind: cooper.KindRefused, Where: currentPath,
			Message: fmt.Sprintf("the catalog has format %d, this program knows %d", s.Format, format),
			Remedy:  "use a newer version of this program"}
	}
	if err := s.check(); err != nil {
		return State{}, corruptState(err)
	}
	return s, nil
}

func corruptState(err error) error {
	return &cooper.Error{Kind: cooper.KindCorrupt, Where: currentPath, Message: "the catalog's pointer makes no sense", Err: err,
		Remedy: "bring the file back from a copy of the tree's " + dir}
}

// check looks for what no writer of a state leaves behind.
func (s *State) check() error {
	if s.Format < 1 || s.Generation < 1 {
		return fmt.Errorf("format %d, generation %d", s.Format, s.Generation)
	}
	names := map[string]bool{}
	for _, run := range s.Runs {
		if run.Level < 0 || run.Level > BaseLevel || len(run.Files) == 0 {
			return fmt.Errorf("a sequence of level %d with %d files", run.Level, len(run.Files))
		}
		last := ""
		for i, f := range run.Files {
			switch {
			case f.Name == "" || strings.ContainsAny(f.Name, "/\x00") || !strings.HasSuffix(f.Name, ".parquet"):
				return fmt.Errorf("%q is no name of a catalog file", f.Name)
			case names[f.Name]:
				return fmt.Errorf("%s is listed twice", f.Name)
			case f.Rows < 1 || f.Bytes < 1 || f.FirstKey > f.LastKey || i > 0 && f.FirstKey <= last:
				return fmt.Errorf("the keys, rows or bytes of %s are impossible", f.Name)
			}
			names[f.Name] = true
			last = f.LastKey
		}
	}
	if r := s.Run; r != nil && (r.Plan == "" || r.Shards < 0 || r.Done.Count() > r.Shards) {
		return fmt.Errorf("a run with %d of %d shards done", r.Done.Count(), r.Shards)
	}
	return nil
}

// writeState replaces the generation pointer: the one step that makes a change
// of the catalog real. A crash leaves the old one or the new one.
func writeState(fsys safefs.FS, s *State) error {
	b, err := json.MarshalIndent(s, "", " ")
	if err != nil {
		return err
	}
	const tmp = currentPath + ".tmp"
	f, err := fsys.OpenWrite(tmp)
	if err != nil {
		return err
	}
	err = f.Truncate(0)
	if err == nil {
		_, err = f.Write(append(b, '\n'))
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := fsys.Replace(tmp, currentPath); err != nil {
		return err
	}
	return fsys.SyncDir(dir)
}
