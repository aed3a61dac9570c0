package catalog

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"cooper"
	"cooper/internal/seal"
	"cooper/internal/tree/safefs"
)

const (
	// format is that of pointers and files that are written. Format 1 has neither
	// checksums nor a second pointer; it is read, and never written.
	format = 2

	currentName = Pointer
	secondName  = "CURRENT.second.json"
	currentPath = dir + "/" + currentName
	secondPath  = dir + "/" + secondName
	tmpSuffix   = ".tmp"
	// maxCurrent bounds what is read of a pointer: far more than a catalog of
	// 10^9 rows and a century of daily snapshots need.
	maxCurrent = 256 << 20
)

// Pointer is the name, in Dir, of what says which files make the catalog.
const Pointer = "CURRENT.json"

// pointer is one copy of the generation pointer, as it lies on the disk.
type pointer struct {
	path  string
	state State
	raw   []byte
	err   error // why it does not count
}

func (p *pointer) missing() bool { return cooper.KindOf(p.err) == cooper.KindMissing }

// loaded is what the two copies of the pointer come to.
type loaded struct {
	state  State
	raw    []byte // the text that counts
	doubts []string
	// bad are the paths of copies that are to be moved out of the way before they
	// are written anew; equal tells that both say the same.
	bad   []string
	equal bool
}

// load reads both copies. Of two that are whole the newer counts: a new one is
// complete with the first of the two renamings (see writePointers), and a copy that
// was put back from elsewhere is older. A damaged one does not count; of both that, and of
// copies that are further apart than one interrupted renaming makes them, a
// doubt is told.
func load(fsys safefs.FS) (loaded, error) {
	first, second := readPointer(fsys, currentPath), readPointer(fsys, secondPath)
	for range 3 {
		if first.err == nil && second.err == nil && bytes.Equal(first.raw, second.raw) {
			break
		}
		// Somebody may be writing them just now.
		a, b := readPointer(fsys, currentPath), readPointer(fsys, secondPath)
		same := bytes.Equal(a.raw, first.raw) && bytes.Equal(b.raw, second.raw)
		if first, second = a, b; same {
			break
		}
	}
	return weigh(&first, &second)
}

func weigh(first, second *pointer) (loaded, error) {
	for _, p := range []*pointer{first, second} {
		if kind := cooper.KindOf(p.err); kind == cooper.KindRefused || kind == cooper.KindDenied {
			return loaded{}, p.err // of a newer program; or not to be read
		}
	}
	switch {
	case first.missing() && second.missing():
		return loaded{}, &cooper.Error{Kind: cooper.KindMissing, Where: currentPath, Message: "the tree has no catalog", Err: first.err,
			Remedy: "bring " + dir + " back whole from a copy of the tree; without one, `cooper backup rebuild DIR` makes a catalog again, as far as what is left tells"}
	case first.err != nil && second.err != nil:
		if first.missing() {
			return loaded{}, second.err
		}
		return loaded{}, first.err
	case second.err != nil && second.missing() && first.state.Format == 1:
		return loaded{state: first.state, raw: first.raw}, nil // it never had one
	case second.err != nil:
		return onlyOne(first, second), nil //nolint:nilerr // the other counts, and it is told
	case first.err != nil:
		return onlyOne(second, first), nil //nolint:nilerr // as above
	}
	a, b := first.state.Generation, second.state.Generation
	switch {
	case a == b && !bytes.Equal(first.raw, second.raw):
		return loaded{}, &cooper.Error{Kind: cooper.KindCorrupt, Where: currentPath, Message: fmt.Sprintf("this and %s are both of generation %d, and say different things", secondName, a),
			Remedy: "one of them was brought from elsewhere: move that one away, and leave the other"}
	case a == b:
		return loaded{state: first.state, raw: first.raw, equal: true}, nil
	case a > b:
		return newerOf(first, second), nil
	default:
		return newerOf(second, first), nil
	}
}

// onlyOne goes by the one copy that is whole.
func onlyOne(good, bad *pointer) loaded {
	l := loaded{state: good.state, raw: good.raw}
	what := "is damaged"
	if bad.missing() {
		what = "is missing"
	} else {
		l.bad = []string{bad.path}
	}
	l.doubts = []string{fmt.Sprintf("%s %s; %s, of generation %d, says what it said, and counts", bad.path, what, good.path, good.state.Generation)}
	return l
}

func newerOf(newer, older *pointer) loaded {
	l := loaded{state: newer.state, raw: newer.raw}
	if newer.state.Generation > older.state.Generation+1 {
		l.bad = []string{older.path}
		l.doubts = []string{fmt.Sprintf("%s is of generation %d, an old copy; %s, of generation %d, counts", older.path, older.state.Generation, newer.path, newer.state.Generation)}
	}
	return l
}

func readPointer(fsys safefs.FS, path string) pointer {
	p := pointer{path: path}
	f, err := fsys.Open(path)
	if err != nil {
		p.err = err
		return p
	}
	p.raw, err = io.ReadAll(io.LimitReader(f, maxCurrent))
	if err = errors.Join(err, f.Close()); err != nil {
		p.err = corruptPointer(path, err)
		return p
	}
	if p.state, err = parseState(p.raw); err != nil {
		var e *cooper.Error
		if !errors.As(err, &e) {
			err = corruptPointer(path, err)
		}
		p.err = err
	}
	return p
}

// parseState reads the text of a pointer: sealed, and strictly; of format 1 what
// it has instead of a seal is that no field may be unknown.
func parseState(b []byte) (State, error) {
	var s State
	err := seal.Decode(b, 2, format, &s)
	if newer := (*seal.Newer)(nil); errors.As(err, &newer) {
		return State{}, &cooper.Error{Kind: cooper.KindRefused, Where: currentPath,
			Message: fmt.Sprintf("the catalog has format %d, this program knows %d", newer.Format, format),
			Remedy:  "use a newer version of this program"}
	} else if err != nil {
		return State{}, err
	}
	return s, s.check()
}

func corruptPointer(path string, err error) error {
	return &cooper.Error{Kind: cooper.KindCorrupt, Where: path, Message: "the catalog's pointer is damaged", Err: err, Remedy: remedy}
}

// remedy is what helps against damaged files of a catalog. Nothing was touched.
const remedy = "look after the disk; bring " + dir + " back whole from a copy of the tree of the same day; without one, `cooper backup rebuild DIR` makes a catalog again, as far as what is left tells"

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

// sealed tells whether sums vouch for every file.
func (s *State) sealed() bool {
	for _, run := range s.Runs {
		for i := range run.Files {
			if run.Files[i].Sums.IsZero() {
				return false
			}
		}
	}
	return true
}

func encodeState(s *State) ([]byte, error) {
	b, err := json.MarshalIndent(s, "", " ")
	if err != nil {
		return nil, err
	}
	return seal.Document(b)
}

// writePointers replaces both copies of the generation pointer, one after the other.
// A change of the catalog is real once the first renaming, that of the second
// copy, is on the disk: load goes by the newer one. A crash before leaves the old state in both,
// one between the two renamings the new state in one, which the next recovery
// brings to the other.
func writePointers(fsys safefs.FS, raw []byte) error {
	for _, path := range []string{secondPath, currentPath} {
		if err := writeWhole(fsys, path+tmpSuffix, raw); err != nil {
			return err
		}
		if err := fsys.Replace(path+tmpSuffix, path); err != nil {
			return err
		}
		if err := fsys.SyncDir(dir); err != nil {
			return err
		}
	}
	return nil
}

// writeWhole writes and syncs a file, in place of what is there.
func writeWhole(fsys safefs.FS, path string, b []byte) error {
	f, err := fsys.OpenWrite(path)
	if err != nil {
		return err
	}
	err = f.Truncate(0)
	if err == nil {
		_, err = f.Write(b)
	}
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}
