package recall

import (
	"context"
	"maps"
	"slices"
	"strings"

	"cooper"
	"cooper/internal/gcop"
	"cooper/internal/reading"
	"cooper/internal/store"
)

// isCopyOf tells whether a copy says that it is one, of a version of a key.
func (c *copied) isCopyOf(bucket, key string) (ok bool) {
	c.version, c.etag, ok = gcop.Noted(c.Metadata, bucket, key)
	return ok
}

// back copies the versions of an object into their place, the oldest first, as far as they are not there, and proves all
// of them.
func (b *batch) back(ctx context.Context, o *object, w *way, copies []*copied) error {
	if len(w.there) > len(copies) {
		return o.inTheWay(w)
	}
	before := ""
	for i, c := range copies {
		if err := b.describe(ctx, o, c); err != nil {
			return err
		}
		if i < len(w.there) {
			v := &w.there[len(w.there)-1-i]
			if v.DeleteMarker {
				return o.inTheWay(w)
			}
			made, err := b.head(ctx, o, w.key, v.VersionID)
			if err != nil {
				return err
			}
			lost, same, err := b.compared(ctx, o, c, &made)
			if err != nil {
				return err
			}
			if lost != "" || !same {
				return o.inTheWay(w)
			}
			before = made.ETag
			continue
		}
		made, err := b.copyIt(ctx, o, w, c, before, i == len(copies)-1)
		if err != nil {
			return err
		}
		before = made.ETag
	}
	return nil
}

func (o *object) inTheWay(w *way) error {
	return o.error(cooper.KindConflict, "something else is in its place by now, under "+cooper.Quote(w.key)+": it stays in the archive", "Look at what is there; move it away if the archived object is to come back.")
}

// describe reads what a copy has beside what Head tells.
func (b *batch) describe(ctx context.Context, o *object, c *copied) (err error) {
	ref := store.Ref{Key: c.Key, VersionID: c.VersionID}
	if c.HiddenMetadata > 0 {
		return o.error(cooper.KindInvalid, "its copy has metadata that no header can carry: it would be lost", "Copy it with a tool that keeps it.")
	}
	if c.Tags != 0 {
		o.out.Requests++
		if c.tags, err = b.opt.Archive.Tags(ctx, ref); err != nil {
			return err
		}
	}
	switch {
	case o.to.Settings.Grants && b.opt.Settings.Grants:
		o.out.Requests++
		c.grants, err = b.opt.Archive.Grants(ctx, ref)
	case o.to.Settings.Grants:
		b.opt.Warn(o.where() + ": the archive bucket keeps no ACLs; that of its original is in the manifest of run " + c.Metadata[gcop.NoteRun])
	}
	return err
}

func (b *batch) head(ctx context.Context, o *object, key, version string) (store.Object, error) {
	o.out.Requests++
	made, err := o.to.Bucket.Head(ctx, store.Ref{Key: key, VersionID: version}, 0)
	if made.VersionID == "" {
		made.VersionID = version
	}
	made.Key = key
	return made, err
}

// atOnce are the classes, beside STANDARD, out of which an object can be read at once.
var atOnce = []string{"STANDARD_IA", "ONEZONE_IA", "GLACIER_IR", "INTELLIGENT_TIERING", "REDUCED_REDUNDANCY"}

// class is that of the original, by what its copy says, if it can be read at once in it; empty for STANDARD.
func (c *copied) class() string {
	if class := c.Metadata[gcop.NoteClass]; slices.Contains(atOnce, class) {
		return class
	}
	return ""
}

// copyIt copies a version into its place, over the one before it, which stays as an older version; over nothing else. Of the
// last one a byte is read, which tells all that is to be known of most. Where the store does not take the class that its
// original had, it is STANDARD.
func (b *batch) copyIt(ctx context.Context, o *object, w *way, c *copied, before string, last bool) (made store.Object, err error) {
	p := store.Describe(&c.Object, w.key, c.tags, c.grants)
	p.Metadata, p.StorageClass = gcop.WithoutNote(p.Metadata), c.class()
	p.IfNoneMatch, p.IfMatch = before == "", before
	for {
		o.out.Requests++
		made, err = o.to.Bucket.Copy(ctx, b.permit, b.opt.Archive, store.Copy{Source: c.Object, Put: p, AsParts: strings.Contains(c.ETag, "-")})
		if kind := cooper.KindOf(err); p.StorageClass == "" || kind != cooper.KindStore && kind != cooper.KindInvalid {
			break
		}
		p.StorageClass = ""
	}
	switch cooper.KindOf(err) {
	case cooper.KindConflict:
		return made, o.inTheWay(w)
	case cooper.KindChanged:
		if before != "" {
			return made, o.inTheWay(w)
		}
	}
	if err != nil {
		return made, err
	}
	o.out.Bytes += c.Size
	if last && b.readBack(ctx, o, w, c, &made) {
		return made, nil
	}
	if made, err = b.head(ctx, o, w.key, made.VersionID); err != nil {
		return made, err
	}
	lost, same, err := b.compared(ctx, o, c, &made)
	switch {
	case err != nil:
	case lost != "":
		err = o.error(cooper.KindConflict, "what was copied back has lost something: "+lost+"; it stays in the archive", "This store cannot bring it back whole; copy it with a tool that keeps it.")
	case !same:
		err = o.error(cooper.KindCorrupt, "what was copied back has other bytes than its copy in the archive; it stays there", "Look at what is in its place, and at the copy.")
	}
	return made, err
}

// readBack reads a byte of what was copied into its place, and tells whether by that answer alone the copy is one: with
// all that it has beside its bytes, and the same ETag, which is a sum of them. What that answer does not tell, or tells
// otherwise, Head is asked about.
func (b *batch) readBack(ctx context.Context, o *object, w *way, c *copied, made *store.Object) bool {
	if !reading.Sums(&c.Object) {
		return false
	}
	o.out.Requests++
	got, err := seeOne(ctx, o.to.Bucket, store.Ref{Key: w.key}, c.Size)
	if err != nil || got.VersionID != made.VersionID || got.Size != c.Size || b.lost(c, &got) != "" || !reading.Sums(&got) || !strings.EqualFold(got.ETag, c.ETag) {
		return false
	}
	if got.Key = w.key; len(c.tags) > 0 {
		o.out.Requests++
		tags, err := o.to.Bucket.Tags(ctx, store.Ref{Key: got.Key, VersionID: got.VersionID})
		if err != nil || !maps.Equal(tags, c.tags) {
			return false
		}
	}
	*made, o.read = got, true
	o.out.Check, o.out.Method = cooper.Verified, reading.ByETag
	return true
}

// compared compares what is in the place of an object with a copy: what it has beside its bytes, then these.
func (b *batch) compared(ctx context.Context, o *object, c *copied, made *store.Object) (lost string, same bool, err error) {
	if lost = b.lost(c, made); lost != "" {
		return lost, false, nil
	}
	if len(c.tags) > 0 {
		o.out.Requests++
		tags, err := o.to.Bucket.Tags(ctx, store.Ref{Key: made.Key, VersionID: made.VersionID})
		if err != nil {
			return "", false, err
		}
		if !maps.Equal(tags, c.tags) {
			return "tags", false, nil
		}
	}
	same, err = b.same(ctx, o, c, made)
	return "", same, err
}

// lost names what of a copy is not there in its place.
func (b *batch) lost(c *copied, made *store.Object) string {
	switch {
	case !maps.Equal(gcop.WithoutNote(c.Metadata), gcop.WithoutNote(made.Metadata)):
		return "metadata"
	case c.Headers != made.Headers || c.ContentType != made.ContentType:
		return "headers"
	case c.Encryption != "" && (c.Encryption != made.Encryption || c.KMSKey != made.KMSKey):
		return "encryption"
	}
	return ""
}

// same tells whether what is in the place of an object has the bytes of a copy.
func (b *batch) same(ctx context.Context, o *object, c *copied, made *store.Object) (bool, error) {
	var tally reading.Tally
	proof, equal, hash, err := reading.Same(ctx, sideOf(b.opt.Archive, &c.Object), sideOf(o.to.Bucket, made), &tally)
	o.out.Requests += tally.Requests
	o.out.Bytes += tally.Bytes
	if hash != nil {
		o.out.Hash = hash
	}
	if equal {
		o.out.Check, o.out.Method = cooper.Verified, proof
	}
	return equal, err
}

func sideOf(from store.Reader, is *store.Object) reading.Side {
	return reading.Side{From: from, Object: is, Version: &cooper.Version{Identity: cooper.Identity{Key: is.Key, VersionID: is.VersionID, ETag: is.ETag, Size: is.Size, LastModified: is.LastModified}}}
}
