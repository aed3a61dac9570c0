package scan

import (
	"context"
	"errors"
	"io"
	"sync"

	"golang.org/x/sync/semaphore"

	"cooper"
	"cooper/internal/address"
	"cooper/internal/database"
	"cooper/internal/reading"
	"cooper/internal/store"
	"cooper/internal/unpack"
)

const (
	// fetchers is how many objects are fetched at once for each thread that unpacks.
	fetchers = 8
	// fetchedBytes is how much of all objects that are under way is held.
	fetchedBytes = 128 << 20
	// again is how often an object that came corrupt, or changed meanwhile, is read again.
	again = 2
)

// fetching is what all ranges together may fetch and unpack at once.
type fetching struct {
	memory, threads *semaphore.Weighted

	mu      sync.Mutex
	readers map[string]store.Reader
}

func newFetching(threads int) *fetching {
	return &fetching{memory: semaphore.NewWeighted(fetchedBytes), threads: semaphore.NewWeighted(int64(threads)), readers: map[string]store.Reader{}}
}

// open opens a bucket, once.
func (f *fetching) open(ctx context.Context, s *Scan, bucket string) (store.Reader, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if r := f.readers[bucket]; r != nil {
		return r, nil
	}
	r, err := s.opt.Store(ctx, bucket)
	if err == nil {
		f.readers[bucket] = r
	}
	return r, err
}

// fetched reads what is in the objects that rows name.
func (l *linkRows) fetched(rows []database.Row) []found {
	out := make([]found, len(rows))
	for i := range rows {
		f := &out[i]
		places := l.places(&rows[i], f)
		read := 0
		for _, p := range places {
			// Of an address that can be read in several ways, every object that is there counts.
			switch here, err := l.object1(p, &rows[i]); {
			case err != nil:
				f.err = err
				return out[:i+1]
			case here.bad == absent:
			default:
				read++
				f.merge(&here)
			}
		}
		if read == 0 && len(places) > 0 {
			f.bad, f.hash = absent, objectHash(places[0], "")
		}
	}
	return out
}

// The reasons of objects that cannot be read.
const (
	absent   = "object not there"
	archived = "object archived"
	corrupt  = "object corrupt"
)

// merge adds what was found in another object of the same row.
func (f *found) merge(g *found) {
	f.links = append(f.links, g.links...)
	if f.bad == "" {
		f.bad, f.hash = g.bad, g.hash
	}
	f.silent = f.silent || g.silent
}

// places are where the object of a row may be; none where there is none to be.
func (l *linkRows) places(row *database.Row, f *found) []address.Place {
	v := at(row, l.value)
	if l.location >= 0 {
		v = at(row, l.location)
	}
	if !given(v) {
		return nil
	}
	bad := func(why string) []address.Place {
		f.bad, f.hash = why, hash(v.Data)
		return nil
	}
	if l.location >= 0 {
		found, ok := l.hosts.Alone(string(v.Data))
		switch {
		case !ok:
			return bad("not an address")
		case found.Bad != "":
			f.bad, f.hash = found.Bad, hash(v.Data)
		case len(found.Places) == 0:
			return bad("an object in a bucket that is not declared")
		}
		return found.Places
	}
	p := address.Place{Bucket: l.a.Fetch.Bucket.Constant, Key: string(v.Data)}
	if b := at(row, l.bucket); b != nil {
		p.Bucket = string(b.Data)
	}
	switch {
	case p.Bucket == "":
		return bad("a key without a bucket")
	case !l.opt.Config.Reaches(p.Bucket):
		return bad("an object in a bucket that is not declared: " + cooper.Quote(p.Bucket))
	}
	return []address.Place{p}
}

func objectHash(p address.Place, etag string) []byte {
	return hash([]byte(p.Bucket + "\x00" + p.Key + "\x00" + etag))
}

// object1 reads what is in one object.
func (l *linkRows) object1(p address.Place, row *database.Row) (f found, err error) {
	data, o, err := l.content(p)
	switch cooper.KindOf(err) {
	case "":
	case cooper.KindMissing:
		return found{bad: absent, hash: objectHash(p, "")}, nil
	case cooper.KindArchived:
		return found{bad: archived, hash: objectHash(p, o.ETag)}, nil
	case cooper.KindCorrupt:
		return found{bad: corrupt, hash: objectHash(p, o.ETag)}, nil
	default:
		return f, err
	}
	if data == nil {
		return found{bad: unpack.TooMuch, hash: objectHash(p, o.ETag)}, nil
	}
	defer l.fetching.memory.Release(weight(o.Size))
	if err := l.fetching.threads.Acquire(l.ctx, 1); err != nil {
		return f, err
	}
	defer l.fetching.threads.Release(1)
	results, err := l.forms.read(l.ctx, []any{data}, l.known)
	if err != nil {
		return f, err
	}
	if l.take(&f, row, &results[0]); f.bad != "" {
		f.hash = hash(data)
	}
	return f, nil
}

func weight(size int64) int64 { return min(max(size, 1), fetchedBytes) }

// content reads an object, as it is now, whole and as the store vouches for it: nil where it
// is more than may be unpacked. Where it is given, its weight of memory is held.
func (l *linkRows) content(p address.Place) (data []byte, o store.Object, err error) {
	from, err := l.fetching.open(l.ctx, l.Scan, p.Bucket)
	if err != nil {
		return nil, o, err
	}
	var tally reading.Tally
	defer func() {
		l.counting.Lock()
		defer l.counting.Unlock()
		l.requests += tally.Requests
		l.bytes += tally.Bytes
	}()
	for n := 0; ; n++ {
		tally.Requests++
		if o, err = from.Head(l.ctx, store.Ref{Key: p.Key}, 0); err != nil {
			return nil, o, err
		}
		switch {
		case o.Size < 0:
			return nil, o, &cooper.Error{Kind: cooper.KindInvalid, Where: "s3://" + p.Bucket + "/" + cooper.Quote(p.Key), Message: "the store does not tell how large it is"}
		case o.Size > l.forms.limit():
			return nil, o, nil
		}
		if err = l.fetching.memory.Acquire(l.ctx, weight(o.Size)); err != nil {
			return nil, o, err
		}
		if data, err = l.version(from, p, &o, &tally); err == nil {
			return data, o, nil
		}
		l.fetching.memory.Release(weight(o.Size))
		if k := cooper.KindOf(err); n == again || k != cooper.KindCorrupt && k != cooper.KindChanged {
			return nil, o, err
		}
	}
}

// version reads the version that was described.
func (l *linkRows) version(from store.Reader, p address.Place, o *store.Object, tally *reading.Tally) ([]byte, error) {
	v := cooper.Version{Identity: cooper.Identity{Key: p.Key, VersionID: o.VersionID, ETag: o.ETag, Size: o.Size, LastModified: o.LastModified}}
	body, err := reading.Open(l.ctx, from, &v, reading.Options{Secure: l.opt.Secure, Moved: l.opt.Moved, Tally: tally})
	if err != nil {
		return nil, err
	}
	defer body.Close()
	data := make([]byte, o.Size)
	if _, err := io.ReadFull(body, data); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	res, err := body.Check(l.ctx, data)
	if err == nil && res.Check == cooper.Corrupt {
		err = &cooper.Error{Kind: cooper.KindCorrupt, Message: res.Method}
	}
	return data, err
}
