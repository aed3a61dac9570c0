package adopt

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"strings"
	"unicode/utf8"

	"cooper"
	"cooper/internal/tree"
	"cooper/internal/tree/catalog"
	"cooper/internal/tree/keypath"
	"cooper/internal/tree/safefs"
)

// maxKey is the longest key in bytes that S3 allows.
const maxKey = 1024

// scan goes through a backup in the order of keys.
type scan struct {
	root string // the directory, for messages
	fs   safefs.FS
	add  func(*catalog.Row) error
	opt  *Options
	res  *Result
	now  cooper.Instant
}

func (s *scan) leave(reason Reason, path string) error {
	s.res.Left[reason]++
	if s.opt.Left == nil {
		return nil
	}
	return s.opt.Left(Left{reason, path})
}

// item is one entry of a directory.
type item struct {
	// part is what it sorts by: the last component of its key, with a '/' behind
	// it for a directory, so that the order is that of keys.
	part string
	name string
	dir  bool
	// versionID and etag are those in the name of an older version.
	versionID, etag string
}

// dir adds the versions in a directory and below it.
func (s *scan) dir(ctx context.Context, dir string) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	entries, err := s.fs.ReadDir(dir)
	if dir != "." && isClosed(err) {
		if dir == "lost+found" {
			return nil // what file systems put into their root
		}
		return s.leave(Unreadable, dir+"/")
	} else if err != nil {
		return err
	}
	if dir != "." && slices.ContainsFunc(entries, func(e safefs.Info) bool { return e.Name == tree.TheirState && e.IsFile() }) {
		return notTop(s.root, dir)
	}
	known, err := s.versions(dir, len(entries))
	if err != nil {
		return err
	}
	items, err := s.sort(dir, entries, known)
	if err != nil {
		return err
	}
	for i := 0; i < len(items); {
		if items[i].dir {
			if err := s.dir(ctx, below(dir, items[i].name)); err != nil {
				return err
			}
			i++
			continue
		}
		j := i + 1
		for j < len(items) && items[j].part == items[i].part {
			j++
		}
		if err := s.key(dir, items[i:j], known); err != nil {
			return err
		}
		i = j
	}
	for _, name := range known.left() {
		if err := s.leave(Absent, below(dir, name)); err != nil {
			return err
		}
	}
	return nil
}

// sort brings what can be versions, and directories of them, into order. The rest
// is left out.
func (s *scan) sort(dir string, entries []safefs.Info, known *versions) ([]item, error) {
	items := make([]item, 0, len(entries))
	for _, e := range entries {
		path := below(dir, e.Name)
		it, reason := sortOf(path, e, known)
		switch {
		case reason == furniture:
		case reason != "":
			known.take(e.Name) // told once is enough
			if e.IsDir() {
				path += "/"
			}
			if err := s.leave(reason, path); err != nil {
				return nil, err
			}
		default:
			items = append(items, it)
		}
	}
	slices.SortFunc(items, func(a, b item) int {
		if c := strings.Compare(a.part, b.part); c != 0 {
			return c
		}
		return strings.Compare(a.name, b.name)
	})
	return items, nil
}

// furniture is what belongs there, and holds no version.
const furniture Reason = "furniture"

const theirs = ".s3invsync"

// sortOf says what an entry is, or why it is left out.
func sortOf(path string, e safefs.Info, known *versions) (item, Reason) {
	it := item{part: e.Name, name: e.Name, dir: e.IsDir()}
	switch {
	case path == ".cooper" || path == tree.TheirState || e.Name == tree.TheirVersions && e.IsFile():
		return it, furniture
	case strings.HasPrefix(e.Name, theirs) && e.IsFile():
		return it, Temporary
	case !e.IsDir() && !e.IsFile():
		return it, NoFile
	case !utf8.ValidString(e.Name):
		return it, OddName
	}
	if c, id, etag, ok := keypath.ParseOld(e.Name); ok && e.IsFile() && !known.has(e.Name) {
		it.part, it.versionID, it.etag = c, id, etag
	} else if key, displaced, ok := keypath.Inline.ParseMirror(path); !ok || displaced || key != path {
		return it, OddName
	}
	if len(path)-len(e.Name)+len(it.part) > maxKey {
		return it, OddName
	}
	if it.dir {
		it.part += "/"
	}
	return it, ""
}

// key adds the versions of one key.
func (s *scan) key(dir string, items []item, known *versions) error {
	rows := make([]catalog.Row, 0, len(items))
	for i := range items {
		row, reason, err := s.row(dir, &items[i], known)
		if err != nil {
			return err
		}
		if reason != "" {
			if err := s.leave(reason, below(dir, items[i].name)); err != nil {
				return err
			}
			continue
		}
		rows = append(rows, row)
	}
	// Of one version that is there twice, the one under its own name stays.
	slices.SortFunc(rows, func(a, b catalog.Row) int {
		if c := a.Compare(b.Identity); c != 0 {
			return c
		}
		return int(a.Place) - int(b.Place)
	})
	for i := range rows {
		r := &rows[i]
		if i > 0 && rows[i-1].Identity == r.Identity {
			if err := s.leave(Twice, keypath.Inline.History(r.Identity, 0)); err != nil {
				return err
			}
			continue
		}
		if err := s.add(r); err != nil {
			return err
		}
		s.opt.Progress.Begin()
		s.opt.Progress.End(0)
		if r.Place == catalog.Mirror {
			s.res.Latest.add(r.Size)
		} else {
			s.res.Older.add(r.Size)
		}
	}
	return nil
}

// row makes the row of a file, or says why there is none.
func (s *scan) row(dir string, it *item, known *versions) (row catalog.Row, reason Reason, err error) {
	path := below(dir, it.name)
	info, err := s.fs.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return row, Absent, nil // gone meanwhile
	case isClosed(err):
		return row, Unreadable, nil
	case err != nil:
		return row, "", err
	case !info.IsFile():
		return row, NoFile, nil
	}
	row = catalog.Row{
		Identity: cooper.Identity{Key: below(dir, it.part), Size: info.Size, LastModified: modified(&info)},
		Check:    cooper.Unverified, Method: catalog.Adopted,
	}
	if it.etag == "" {
		v, ok := known.take(it.name)
		if !ok {
			return row, Unlisted, nil
		}
		row.VersionID, row.ETag, row.Place = v.VersionID, v.ETag, catalog.Mirror
		return row, "", nil
	}
	row.VersionID, row.ETag = it.versionID, it.etag
	if row.VersionID == cooper.NullVersion {
		// s3invsync writes the same for a null version and for one whose id its
		// inventory did not give.
		row.VersionID = ""
	}
	row.Place, row.Reason, row.Superseded = catalog.History, catalog.Older, s.now
	if former, ok := keypath.Inline.Former(row.Identity); (!ok || former != path) && keypath.Inline.History(row.Identity, 0) != path {
		return row, OddName, nil
	}
	return row, "", nil
}

// modified is a file's time, which s3invsync makes that of the version; cut to
// milliseconds, as safefs compares times.
func modified(info *safefs.Info) cooper.Instant {
	ms := info.MTime / 1e6
	if info.MTime%1e6 < 0 {
		ms--
	}
	return cooper.Instant(ms)
}
