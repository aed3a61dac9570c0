package s3report

import (
	"context"
	"crypto/md5" //nolint:gosec // what S3 signs its reports with
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"cooper"
)

// dataFile is a data file that was found.
type dataFile struct {
	loc  Location
	name string // in loc
	size int64  // in bytes
	md5  string // lower hex; empty where the manifest gives none
}

// locate finds every data file of a manifest: in a bucket by key, on a disk by
// key or base name.
func locate(ctx context.Context, loc Location, manifestName string, m *manifest) ([]dataFile, error) {
	found := make([]dataFile, len(m.Files))
	var err error
	if dir, ok := loc.(*directory); ok {
		places := []*directory{dir}
		if !strings.Contains(manifestName, "/") {
			places = append(places, dir.sibling())
		}
		err = locateOnDisk(ctx, places, m, found)
	} else {
		err = locateByKey(ctx, loc, manifestName, m, found)
	}
	if err != nil {
		return nil, err
	}
	var missing []string
	for i, f := range found {
		want := m.Files[i]
		switch {
		case f.loc == nil:
			missing = append(missing, want.Key)
		case want.Size != nil && f.size != *want.Size:
			return nil, &cooper.Error{
				Kind: cooper.KindCorrupt, Where: full(f.loc, f.name),
				Message: fmt.Sprintf("has %d bytes, the manifest says %d", f.size, *want.Size),
				Remedy:  "Fetch the file again, or take another report with --date.",
			}
		}
	}
	if len(missing) > 0 {
		return nil, &cooper.Error{
			Kind: cooper.KindMissing, Where: full(loc, manifestName),
			Message: fmt.Sprintf("the manifest outlived its data files: %d of %d are not there any more, the first is %s", len(missing), len(found), cooper.Quote(missing[0])),
			Remedy:  "Take a newer report with --date; --list-dates shows which there are.",
		}
	}
	return found, nil
}

// statsAtOnce is how many files are asked about at a time.
const statsAtOnce = 16

// locateByKey takes the manifest's keys as names. Where a report was copied to
// another prefix, its data files lie beside the dated folder, as S3 puts them.
func locateByKey(ctx context.Context, loc Location, manifestName string, m *manifest, found []dataFile) error {
	data := path.Join(path.Dir(path.Dir(manifestName)), "data") + "/"
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(statsAtOnce)
	for i, f := range m.Files {
		g.Go(func() error {
			for _, name := range []string{f.Key, data + path.Base(f.Key)} {
				size, err := loc.Stat(ctx, name)
				if err == nil {
					found[i] = dataFile{loc: loc, name: name, size: size, md5: f.MD5}
					return nil
				}
				if cooper.KindOf(err) != cooper.KindMissing {
					return err
				}
			}
			return nil
		})
	}
	return g.Wait()
}

// locateOnDisk looks in the first place for each key itself, then in every place
// in turn for files of its base name.
func locateOnDisk(ctx context.Context, places []*directory, m *manifest, found []dataFile) error {
	dir := places[0]
	wanted := map[string][]int{} // by base name
	for i, f := range m.Files {
		if size, err := dir.Stat(ctx, f.Key); fs.ValidPath(f.Key) && err == nil && fits(f, size) {
			found[i] = dataFile{loc: dir, name: f.Key, size: size, md5: f.MD5}
			continue
		}
		base := path.Base(f.Key)
		wanted[base] = append(wanted[base], i)
	}
	for _, place := range places {
		if len(wanted) == 0 {
			break
		}
		named, err := byBaseName(ctx, place, wanted)
		if err != nil && cooper.KindOf(err) != cooper.KindMissing {
			return err
		}
		for base, candidates := range named {
			for _, i := range wanted[base] {
				f, err := pick(ctx, m.Files[i], candidates)
				if err != nil {
					return err
				}
				found[i] = f
			}
			delete(wanted, base)
		}
	}
	return nil
}

func fits(f manifestFile, size int64) bool { return f.Size == nil || *f.Size == size }

// byBaseName lists the files under dir that have one of the wanted names.
func byBaseName(ctx context.Context, dir *directory, wanted map[string][]int) (map[string][]dataFile, error) {
	named := map[string][]dataFile{}
	err := dir.List(ctx, "", func(name string, size int64) error {
		base := path.Base(name)
		if _, ok := wanted[base]; ok {
			named[base] = append(named[base], dataFile{loc: dir, name: name, size: size})
		}
		return nil
	})
	return named, err
}

// pick chooses among files of the right name: the one of the right size, the
// right checksum. Two that are the same are as good as one.
func pick(ctx context.Context, want manifestFile, candidates []dataFile) (dataFile, error) {
	sized := slices.DeleteFunc(slices.Clone(candidates), func(f dataFile) bool { return !fits(want, f.size) })
	if len(sized) == 0 {
		sized = candidates[:1] // its size is then complained about
	}
	for i := range sized {
		sized[i].md5 = want.MD5
	}
	if len(sized) == 1 {
		return sized[0], nil
	}
	for _, f := range sized {
		sum, err := f.hash(ctx)
		if err != nil {
			return dataFile{}, err
		}
		if want.MD5 != "" && sum == want.MD5 {
			return f, nil
		}
	}
	names := make([]string, len(sized))
	for i, f := range sized {
		names[i] = f.name
	}
	return dataFile{}, &cooper.Error{
		Kind: cooper.KindConflict, Where: sized[0].loc.String(),
		Message: "several files could be " + cooper.Quote(want.Key) + ", and no checksum tells which: " + strings.Join(names, ", "),
		Remedy:  "Leave only the right one, or fetch the report into an empty directory.",
	}
}

// hash is the MD5 of the file's bytes, in lower hex.
func (f *dataFile) hash(ctx context.Context) (string, error) {
	body, _, err := f.loc.Open(ctx, f.name)
	if err != nil {
		return "", err
	}
	defer func() { _ = body.Close() }()
	h := md5.New() //nolint:gosec // see above
	if _, err := io.Copy(h, reader{ctx, body}); err != nil {
		return "", &cooper.Error{Kind: kindOfRead(err), Where: full(f.loc, f.name), Message: "reading it", Err: err}
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// reader ends with its context.
type reader struct {
	ctx context.Context
	io.Reader
}

func (r reader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.Reader.Read(p)
}
