package adopt

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"cooper"
	"cooper/internal/tree"
)

// version is what s3invsync knows of a latest version. VersionID is empty where
// its inventory gave none.
type version struct{ VersionID, ETag string }

// versions are those of one directory, by name.
type versions struct{ byName map[string]version }

func (v *versions) has(name string) bool { _, ok := v.byName[name]; return ok }

// take gives what is known of a name, once.
func (v *versions) take(name string) (version, bool) {
	x, ok := v.byName[name]
	delete(v.byName, name)
	return x, ok
}

// left are the names nobody took, in order.
func (v *versions) left() []string {
	names := make([]string, 0, len(v.byName))
	for name := range v.byName {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// An entry of a JSON file has at most a name of 255 bytes, a version id and an
// ETag, six times as long where everything is escaped. What is larger than a
// directory's entries account for is not s3invsync's.
const (
	jsonBase  = 16 << 20
	jsonEntry = 16 << 10
)

// versions reads a directory's JSON file. One that is broken says nothing: half of
// it may be older than the files.
func (s *scan) versions(dir string, entries int) (*versions, error) {
	path := below(dir, tree.TheirVersions)
	none := &versions{map[string]version{}}
	f, err := s.fs.Open(path)
	switch cooper.KindOf(err) {
	case "":
	case cooper.KindMissing:
		return none, nil
	case cooper.KindDenied, cooper.KindConflict:
		return none, s.leave(Broken, path)
	default:
		return nil, err
	}
	v, invalid, err := readVersions(f, jsonBase+jsonEntry*int64(entries))
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	if invalid != nil {
		return none, s.leave(Broken, path)
	}
	return v, nil
}

// readVersions reads {"name": {"version_id": "…" or null, "etag": "…"}}; invalid
// tells what is wrong with it.
func readVersions(f io.Reader, limit int64) (v *versions, invalid, err error) {
	r := &limited{r: f, left: limit}
	d := json.NewDecoder(bufio.NewReaderSize(r, 64<<10))
	v = &versions{map[string]version{}}
	invalid = decodeVersions(d, v)
	if invalid == nil {
		if _, end := d.Token(); !errors.Is(end, io.EOF) {
			invalid = fmt.Errorf("something follows the last entry")
		}
	}
	return v, invalid, r.err
}

func decodeVersions(d *json.Decoder, v *versions) error {
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return fmt.Errorf("no object: %w", err)
	}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return err
		}
		name, ok := t.(string)
		var e struct {
			VersionID *string `json:"version_id"`
			ETag      string  `json:"etag"`
		}
		if err := d.Decode(&e); err != nil {
			return err
		}
		// Names that cannot be those of a file here would never be taken.
		if !ok || e.ETag == "" || name == "" || strings.Contains(name, "/") || !utf8.ValidString(name) {
			return fmt.Errorf("an entry %q with the ETag %q", name, e.ETag)
		}
		x := version{ETag: strings.Clone(e.ETag)}
		if e.VersionID != nil {
			x.VersionID = *e.VersionID
		}
		v.byName[name] = x
	}
	_, err := d.Token()
	return err
}

// limited reads up to a limit, and keeps what went wrong with the reading itself.
type limited struct {
	r    io.Reader
	left int64
	err  error
}

var errTooLarge = errors.New("too large")

func (l *limited) Read(b []byte) (int, error) {
	if l.left <= 0 {
		return 0, errTooLarge
	}
	n, err := l.r.Read(b[:min(int64(len(b)), l.left)])
	l.left -= int64(n)
	if err != nil && !errors.Is(err, io.EOF) {
		l.err = err
	}
	return n, err
}

// state reads when s3invsync last ran. That it does not say is no error.
func (s *scan) state() error {
	f, err := s.fs.Open(tree.TheirState)
	if kind := cooper.KindOf(err); kind == cooper.KindMissing || kind == cooper.KindDenied || kind == cooper.KindConflict {
		s.res.Stateless = kind == cooper.KindMissing
		return nil
	} else if err != nil {
		return err
	}
	b, err := io.ReadAll(io.LimitReader(f, 64<<10))
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	var st struct {
		Started  *time.Time `json:"last_backup_started"`
		Finished *time.Time `json:"last_successful_backup_finished"`
	}
	if json.Unmarshal(b, &st) != nil {
		return s.leave(Broken, tree.TheirState)
	}
	for _, t := range []struct {
		from *time.Time
		to   *cooper.Instant
	}{{st.Started, &s.res.Started}, {st.Finished, &s.res.Finished}} {
		if t.from != nil {
			*t.to = cooper.InstantOf(*t.from)
		}
	}
	return nil
}
