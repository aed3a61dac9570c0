package recall

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"

	"cooper"
	"cooper/internal/gcop"
	"cooper/internal/look"
	"cooper/internal/store"
)

// fate is what became of an object.
type fate int

const (
	unknown fate = iota
	here         // it can be read in its place
	waits        // the store has been asked for it
	fails        // it stays where it is
)

// object is one that comes back, or stays, as a whole.
type object struct {
	gcop.Recalled
	to      To
	out     *cooper.Outcome
	holders []*holder
	fate    fate
	read    bool // a byte of what was copied back was read in its place
	// ways are the keys under which it may be: what stands for a key is the key itself, or what was compressed.
	ways [2]way
}

// way is a key under which an object may be, and what the archive and its own bucket have there, the newest first.
type way struct {
	key           string
	copies, there []cooper.Version
}

const compressedSuffix = ".zst"

func (o *object) where() string { return cooper.Quote("s3://" + o.Bucket + "/" + o.Key) }

func (o *object) error(kind cooper.Kind, message, remedy string) error {
	return &cooper.Error{Kind: kind, Where: o.where(), Message: message, Remedy: remedy}
}

func (o *object) failed(err error) {
	o.fate, o.out.Status, o.out.Kind, o.out.Message, o.out.Remedy = fails, cooper.Failed, cooper.KindOf(err), err.Error(), cooper.RemedyOf(err)
}

func (o *object) isHere() {
	o.fate, o.out.Status, o.out.Kind, o.out.Message = here, cooper.Done, "", ""
}

// postpone leaves it for a later plan; its handles stay RESTORING.
func (o *object) postpone(why string) {
	o.fate, o.out.Status, o.out.Kind, o.out.Message, o.out.Remedy = waits, cooper.Deferred, cooper.KindArchived, why, "Ask again later: cooper gc restore"
}

// look finds out what the archive and the buckets have of each object.
func (b *batch) look(ctx context.Context) error {
	live := b.live()
	if len(live) == 0 {
		return nil
	}
	byKey := map[string][]*[]cooper.Version{}
	inPlace := map[string]map[string][]*[]cooper.Version{}
	for _, o := range live {
		at := inPlace[o.Bucket]
		if at == nil {
			at = map[string][]*[]cooper.Version{}
			inPlace[o.Bucket] = at
		}
		for i, key := range []string{o.Key, o.Key + compressedSuffix} {
			w := &o.ways[i]
			w.key = key
			to := gcop.ArchiveKey(o.Bucket, key)
			byKey[to], at[key] = append(byKey[to], &w.copies), append(at[key], &w.there)
		}
	}
	requests, err := keys(ctx, b.opt.Archive, byKey)
	live[0].out.Requests += requests
	for _, o := range live {
		if at := inPlace[o.Bucket]; err == nil && at != nil {
			requests, err = keys(ctx, o.to.Bucket, at)
			o.out.Requests += requests
			delete(inPlace, o.Bucket)
		}
	}
	return err
}

// keys lists the versions of some keys.
func keys(ctx context.Context, l store.Lister, of map[string][]*[]cooper.Version) (requests int64, err error) {
	all := make([]string, 0, len(of))
	for key := range of {
		all = append(all, key)
	}
	slices.Sort(all)
	return look.Keys(ctx, l, "", all, func(i int, v *cooper.Version) {
		for _, to := range of[all[i]] {
			*to = append(*to, *v)
		}
	})
}

// copied is a version in the archive that says whose copy it is.
type copied struct {
	store.Object
	version, etag string // of the original
	tags          map[string]string
	grants        []store.Grant
}

// object brings an object back, or sees that it is there.
func (b *batch) object(ctx context.Context, o *object) error {
	var found [2][]*copied
	for i := range o.ways {
		var err error
		if found[i], err = b.copies(ctx, o, &o.ways[i]); err != nil {
			return err
		}
	}
	if o.Stays {
		return b.stays(ctx, o, found)
	}
	w, copies := &o.ways[0], found[0]
	// Of what has been archived both ways, the later is what stood for the key in the end.
	if n, m := len(found[1]), len(copies); n > 0 && (m == 0 || found[1][n-1].LastModified > copies[m-1].LastModified) {
		w, copies = &o.ways[1], found[1]
	}
	if len(copies) == 0 {
		return o.error(cooper.KindMissing, "the archive has no copy of it", "See whether it is in its place, or was deleted from the archive: cooper gc history ID")
	}
	if n := len(copies); n > 1 && o.to.Versioning != "Enabled" {
		b.opt.Warn(o.where() + ": its bucket keeps one version of a key; the newest comes back, and the older ones stay in the archive")
		copies = copies[n-1:]
	}
	if wait, err := b.ask(ctx, o, copies, len(copies) > 1); err != nil || wait {
		return err
	}
	if err := b.back(ctx, o, w, copies); err != nil {
		if cooper.KindOf(err) != cooper.KindArchived {
			return err
		}
		if wait, failed := b.ask(ctx, o, copies, true); failed != nil || !wait {
			return errors.Join(err, failed)
		}
		return nil
	}
	if !o.read {
		if err := readOne(ctx, o, w.key, copies[len(copies)-1].Size); err != nil {
			return err
		}
	}
	o.isHere()
	return nil
}

// copies looks at what the archive has under a key, the oldest first; what does not say that it is a copy of that key is
// none of ours.
func (b *batch) copies(ctx context.Context, o *object, w *way) (all []*copied, err error) {
	for i := range w.copies {
		v := &w.copies[len(w.copies)-1-i]
		if v.DeleteMarker {
			continue
		}
		c := &copied{}
		o.out.Requests++
		ref := store.Ref{Key: v.Key, VersionID: v.VersionID}
		if c.Object, err = b.opt.Archive.Head(ctx, ref, 0); err != nil {
			return nil, err
		}
		c.Key = v.Key
		if c.VersionID == "" {
			c.VersionID = v.VersionID
		}
		if !c.isCopyOf(o.Bucket, w.key) {
			continue
		}
		all = append(all, c)
	}
	return all, nil
}

// ask asks the store for what cannot be read yet. wait: not all of it can. No clock decides: what the store says was restored
// is read, and asked for again if it is no longer there. What has a class that can always be read is tried only if that is
// to be: the store refuses to copy what cannot be read, and of one version nothing is half done then.
func (b *batch) ask(ctx context.Context, o *object, copies []*copied, try bool) (wait bool, err error) {
	why := ""
	for _, c := range copies {
		access, _ := c.Access(0)
		if access == store.Readable && !try {
			continue
		}
		if access == store.Readable || access == store.Restored {
			o.out.Requests++
			err := getOne(ctx, b.opt.Archive, store.Ref{Key: c.Key, VersionID: c.VersionID}, c.Size)
			if cooper.KindOf(err) != cooper.KindArchived {
				if err != nil {
					return false, err
				}
				continue
			}
			access = store.Archived
		}
		if access == store.Underway {
			why = "the store was asked for it, and has not brought it yet"
			continue
		}
		r := store.Restoring{Class: c.StorageClass, Tier: b.recalling.Tier}
		if c.StorageClass != store.IntelligentTiering { // what comes back out of its tiers comes back for good
			r.Days = b.recalling.Days
		}
		o.out.Requests++
		if err := b.opt.Archive.Restore(ctx, store.Ref{Key: c.Key, VersionID: c.VersionID}, r); err != nil {
			return false, err
		}
		why = "the store was asked for it, out of " + strings.Trim(c.StorageClass+" "+c.ArchiveStatus, " ")
	}
	if why != "" {
		o.postpone(why)
	}
	return why != "", nil
}

// stays sees that an object has not gone, and can be read.
func (b *batch) stays(ctx context.Context, o *object, found [2][]*copied) error {
	for i := range o.ways {
		w := &o.ways[i]
		if len(w.there) == 0 || w.there[0].DeleteMarker {
			continue
		}
		// Of a move that was stopped on its way some versions may have gone.
		if slices.ContainsFunc(o.holders, func(h *holder) bool { return h.Status == "ARCHIVING" }) {
			for _, c := range found[i] {
				if !slices.ContainsFunc(w.there, func(v cooper.Version) bool { return v.VersionID == c.version }) {
					return o.error(cooper.KindConflict, "was stopped on its way into the archive: some of its versions have gone", "Let it go on, then bring it back: cooper gc run archive; cooper gc restore")
				}
			}
		}
		if err := readOne(ctx, o, w.key, w.there[0].Size); err != nil {
			return err
		}
		o.isHere()
		return nil
	}
	if len(found[0])+len(found[1]) > 0 {
		return o.error(cooper.KindConflict, "was stopped on its way into the archive: it has gone from its place", "Let it go on, then bring it back: cooper gc run archive; cooper gc restore")
	}
	return o.error(cooper.KindMissing, "is not in its place, nor in the archive", "")
}

// readOne reads a byte of what is in the place of an object.
func readOne(ctx context.Context, o *object, key string, size int64) error {
	o.out.Requests++
	return getOne(ctx, o.to.Bucket, store.Ref{Key: key}, size)
}

// getOne reads the first byte of a version, or its end where it has none.
func getOne(ctx context.Context, from store.Reader, ref store.Ref, size int64) error {
	_, err := seeOne(ctx, from, ref, size)
	return err
}

// seeOne is getOne, and gives what the store has said of it.
func seeOne(ctx context.Context, from store.Reader, ref store.Ref, size int64) (got store.Object, err error) {
	r := store.Range{Length: 1}
	if size == 0 {
		r = store.Range{}
	}
	got, body, err := from.Get(ctx, ref, r)
	if err != nil {
		return got, err
	}
	b, err := io.ReadAll(io.LimitReader(body, 1))
	err = errors.Join(err, body.Close())
	if err == nil && len(b) == 0 && got.Size > 0 {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return got, &cooper.Error{Kind: cooper.KindStore, Where: cooper.Quote(ref.Key), Message: "not a byte of it can be read", Err: err}
	}
	return got, nil
}
