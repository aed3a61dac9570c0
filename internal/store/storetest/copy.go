package storetest

import (
	"bytes"
	"maps"
	"testing"

	"cooper"
	"cooper/internal/permit"
	"cooper/internal/store"
)

// named gives a version as a copy has to name it: stores without versions have no
// ids.
func named(t *testing.T, from store.Source, key, version string) store.Object {
	t.Helper()
	o, err := from.Head(within(t), store.Ref{Key: key, VersionID: version}, 0)
	if err != nil {
		t.Fatal(err)
	}
	if o.VersionID == "" {
		o.VersionID = version
	}
	return o
}

// copyable skips the test where the store copies nothing, or does not tell what it
// would be told again.
func (e Env) copyable(t *testing.T) {
	t.Helper()
	e.need(t, Copies)
	e.need(t, ReadETags)
}

// copyVersion: all that a version has comes along, and what is added.
func copyVersion(t *testing.T, e Env) {
	e.copyable(t)
	e.need(t, VersionIDs)
	e.need(t, CopiedVersions)
	from, seed := e.Elsewhere(t)
	seed.SetVersioning(t, "Enabled")
	body := bodyOf(1000, 1)
	p := described("k", body)
	w, ok := from.(store.Writer)
	if !ok {
		t.Fatalf("%T does not write", from)
	}
	if !e.lacks(Tags) {
		p.Tags = map[string]string{"a": "", "with space": "a+b=c x"}
	}
	first, err := w.Put(within(t), p)
	if err != nil {
		t.Fatal(err)
	}
	seed.Put(t, "k", bodyOf(10, 2)) // what is current is not what is copied
	src := named(t, from, "k", first.VersionID)

	target := store.Describe(&src, "dir/from/k", p.Tags, nil)
	target.Metadata["cooper-run"] = "r-1"
	target.IfNoneMatch = true
	o, err := e.Copier.Copy(within(t), permit.Permit{}, from, store.Copy{Source: src, Put: target})
	if err != nil {
		t.Fatal(err)
	}
	got := wantBody(t, e, store.Ref{Key: "dir/from/k"}, body)
	wantDescribed(t, got, target)
	if got.ETag != o.ETag || !e.hasETag(o, body) || o.Size != store.Untold && o.Size != 1000 {
		t.Errorf("the copy is said to be %+v, and is %+v", o, got)
	}
	if len(o.Checksums) > 0 && o.ChecksumType == "" && !e.lacks(Checksums) {
		t.Errorf("checksums of no kind: %+v", o)
	}
	if !e.lacks(Tags) && !e.lacks(CopiedTags) {
		if tags, err := e.Describer.Tags(within(t), store.Ref{Key: "dir/from/k"}); err != nil || !maps.Equal(tags, p.Tags) {
			t.Errorf("the copy has tags %q, %v; want %q", tags, err, p.Tags)
		}
	}
	wantBody(t, e.of(from), store.Ref{Key: "k", VersionID: first.VersionID}, body)

	if !e.lacks(CopyConditions) {
		_, err = e.Copier.Copy(within(t), permit.Permit{}, from, store.Copy{Source: src, Put: target})
		wantKind(t, "copy where something is", err, cooper.KindConflict)
	}
	target.IfNoneMatch = false
	target.ContentType = "text/plain"
	if _, err = e.Copier.Copy(within(t), e.Permit, from, store.Copy{Source: src, Put: target}); err != nil {
		t.Errorf("copy over what is there: %v", err)
	}
	wantDescribed(t, wantBody(t, e, store.Ref{Key: "dir/from/k"}, body), target)
}

// of is e for who reads from another bucket.
func (e Env) of(from store.Reader) Env {
	e.Reader = from
	return e
}

// copyUnknown: a store that does not copy says so.
func copyUnknown(t *testing.T, e Env) {
	if !e.lacks(Copies) {
		t.Skip("this store copies")
	}
	e.need(t, ReadETags)
	e.Seed.Put(t, "k", bodyOf(10, 1))
	o := named(t, e.Source, "k", "")
	_, err := e.Copier.Copy(within(t), e.Permit, e.Source, store.Copy{Source: o, Put: store.Describe(&o, "l", nil, nil)})
	wantKind(t, "copy at a store that does not", err, cooper.KindInvalid)
	_, err = e.Reader.Head(within(t), store.Ref{Key: "l"}, 0)
	wantKind(t, "head of what could not be copied", err, cooper.KindMissing)
}

func copyConditions(t *testing.T, e Env) {
	e.copyable(t)
	body, other := bodyOf(10, 1), bodyOf(10, 2)
	e.Seed.Put(t, "k", body)
	src := named(t, e.Source, "k", "")
	put := func(src store.Object, key string, change func(*store.Put)) error {
		p := store.Describe(&src, key, nil, nil)
		change(&p)
		_, err := e.Copier.Copy(within(t), e.Permit, e.Source, store.Copy{Source: src, Put: p})
		return err
	}
	missing := src
	missing.Key = "other"
	wantKind(t, "copy what is missing", put(missing, "l", func(p *store.Put) { p.IfNoneMatch = true }), cooper.KindMissing)
	if !e.lacks(CopySources) {
		changed := src
		changed.ETag = etagOf(other)
		for _, none := range []bool{false, true} {
			wantKind(t, "copy what has changed", put(changed, "l", func(p *store.Put) { p.IfNoneMatch = none }), cooper.KindChanged)
		}
		_, err := e.Reader.Head(within(t), store.Ref{Key: "l"}, 0)
		wantKind(t, "head of what was not copied", err, cooper.KindMissing)
	}
	e.need(t, CopyConditions)
	e.need(t, MD5ETags)
	wantKind(t, "copy where nothing is, with an ETag", put(src, "l", func(p *store.Put) { p.IfMatch = etagOf(other) }), cooper.KindChanged)
	e.Seed.Put(t, "l", other)
	wantKind(t, "copy over another ETag", put(src, "l", func(p *store.Put) { p.IfMatch = etagOf(body) }), cooper.KindChanged)
	wantBody(t, e, store.Ref{Key: "l"}, other)
	if err := put(src, "l", func(p *store.Put) { p.IfMatch = etagOf(other) }); err != nil {
		t.Errorf("copy over the right ETag: %v", err)
	}
	wantBody(t, e, store.Ref{Key: "l"}, body)
}

// copyOntoItself changes what S3 cannot change in place.
func copyOntoItself(t *testing.T, e Env) {
	e.copyable(t)
	for _, state := range []string{"", "Enabled"} {
		if state != "" {
			if e.lacks(VersionIDs) || e.lacks(CopiedVersions) || e.lacks(CopiesBeside) {
				return
			}
			e.Seed.SetVersioning(t, state)
		}
		body := bodyOf(100, 1)
		p := described("k", body)
		if _, err := e.Writer.Put(within(t), p); err != nil {
			t.Fatal(err)
		}
		src := named(t, e.Source, "k", "")
		target := store.Describe(&src, "k", nil, nil)
		target.Metadata["more"] = "yes"
		if !e.lacks(Classes) {
			target.StorageClass = "STANDARD_IA"
		}
		if _, err := e.Copier.Copy(within(t), e.Permit, e.Source, store.Copy{Source: src, Put: target}); err != nil {
			t.Fatalf("%q: %v", state, err)
		}
		o := wantBody(t, e, store.Ref{Key: "k"}, body)
		wantDescribed(t, o, target)
		if !store.SameClass(o.StorageClass, target.StorageClass) && !e.lacks(Classes) {
			t.Errorf("class %q", o.StorageClass)
		}
		if state != "" {
			wantDescribed(t, wantBody(t, e, store.Ref{Key: "k", VersionID: src.VersionID}, body), p)
		}
	}
}

func copyOddKeys(t *testing.T, e Env) {
	e.copyable(t)
	keys := []string{"dir/a b+c", "50%25 ü", "semi;colon'quote\"<>"}
	if !e.lacks(OddKeys) {
		keys = append(keys, "q?versionId=x&y", "a//b/../c", "/", "tab\t\x01")
	}
	for i, key := range keys {
		body := bodyOf(10, byte(i))
		e.Seed.Put(t, key, body)
		src := named(t, e.Source, key, "")
		p := store.Describe(&src, "copy/"+key, nil, nil)
		if _, err := e.Copier.Copy(within(t), e.Permit, e.Source, store.Copy{Source: src, Put: p}); err != nil {
			t.Errorf("%q: %v", key, err)
			continue
		}
		wantBody(t, e, store.Ref{Key: "copy/" + key}, body)
	}
}

func copyEncrypted(t *testing.T, e Env) {
	e.copyable(t)
	e.need(t, Encryption)
	body := bodyOf(10, 1)
	want := store.Encryption{Method: "aws:kms", KMSKey: "arn:aws:kms:us-east-1:123456789012:key/k-1", BucketKey: true}
	if _, err := e.Writer.Put(within(t), store.Put{Key: "k", Size: 10, Body: bytes.NewReader(body), Encryption: want}); err != nil {
		t.Fatal(err)
	}
	src := named(t, e.Source, "k", "")
	o, err := e.Copier.Copy(within(t), e.Permit, e.Source, store.Copy{Source: src, Put: store.Describe(&src, "l", nil, nil)})
	if err != nil {
		t.Fatal(err)
	}
	got := wantBody(t, e, store.Ref{Key: "l"}, body)
	if (store.Encryption{Method: got.Encryption, KMSKey: got.KMSKey, BucketKey: got.BucketKey}) != want || o.ETag != got.ETag {
		t.Errorf("the copy is said to be %+v, and is %+v", o, got)
	}
	for name, sum := range src.Checksums {
		if o.Checksums[name] != sum && !e.lacks(Checksums) {
			t.Errorf("%s %q, that of the source is %q", name, o.Checksums[name], sum)
		}
	}
}

// copyArchived: what is archived is copied once it can be read, which brings it back
// for good.
func copyArchived(t *testing.T, e Env) {
	e.copyable(t)
	e.need(t, Classes)
	body := bodyOf(10, 1)
	e.Seed.PutClass(t, "k", body, "GLACIER")
	src := named(t, e.Source, "k", "")
	p := store.Describe(&src, "k", nil, nil)
	p.StorageClass = "STANDARD"
	_, err := e.Copier.Copy(within(t), e.Permit, e.Source, store.Copy{Source: src, Put: p})
	wantKind(t, "copy what is archived", err, cooper.KindArchived)
	e.need(t, Restores)
	if e.CompleteRestore == nil {
		return
	}
	if err := e.Archiver.Restore(within(t), store.Ref{Key: "k"}, store.Restoring{Class: "GLACIER", Days: 1}); err != nil {
		t.Fatal(err)
	}
	e.CompleteRestore("k", cooper.NullVersion)
	if _, err := e.Copier.Copy(within(t), e.Permit, e.Source, store.Copy{Source: src, Put: p}); err != nil {
		t.Fatal(err)
	}
	wantBody(t, e, store.Ref{Key: "k"}, body)
	wantAccess(t, e, store.Ref{Key: "k"}, store.Readable)
}

// copyInParts: parts are those of the source, so that the ETag is.
func copyInParts(t *testing.T, e Env) {
	e.copyable(t)
	e.need(t, CopiedParts)
	least := e.LeastPart
	if least == 0 {
		e.need(t, Large)
		least = leastPart
	}
	parts := [][]byte{bodyOf(least+7, 1), bodyOf(least, 2), bodyOf(least+1000, 3), bodyOf(10, 4)}
	e.Seed.PutParts(t, "k", parts...)
	body := bytes.Join(parts, nil)
	src := named(t, e.Source, "k", "")
	p := store.Describe(&src, "l", nil, nil)
	p.ContentType, p.Metadata = "text/csv", map[string]string{"cooper-run": "r-1"}
	p.IfNoneMatch = true
	c := store.Copy{Source: src, Put: p, AsParts: true}
	o, err := e.Copier.Copy(within(t), permit.Permit{}, e.Source, c)
	if err != nil {
		t.Fatal(err)
	}
	got := wantBody(t, e, store.Ref{Key: "l"}, body)
	wantDescribed(t, got, p)
	if got.ETag != o.ETag || !e.lacks(MD5ETags) && o.ETag != src.ETag || o.Size != int64(len(body)) {
		t.Errorf("the copy is said to be %+v, and is %+v; the source is %+v", o, got, src)
	}
	for i, part := range parts {
		if h, err := e.Reader.Head(within(t), store.Ref{Key: "l"}, i+1); err != nil || h.Length != int64(len(part)) || h.Parts != len(parts) {
			t.Errorf("part %d of the copy: %d bytes, of %d parts, %v; want %d", i+1, h.Length, h.Parts, err, len(part))
		}
	}
	_, err = e.Copier.Copy(within(t), permit.Permit{}, e.Source, c)
	wantKind(t, "copy where something is", err, cooper.KindConflict)

	c.Put.Key, c.Put.IfNoneMatch, c.Source.Key = "m", false, "other"
	_, err = e.Copier.Copy(within(t), e.Permit, e.Source, c)
	wantKind(t, "copy parts of what is missing", err, cooper.KindMissing)
	if !e.lacks(MD5ETags) && !e.lacks(ReadConditions) {
		c.Source.Key, c.Source.ETag = "k", etagOf(nil)+"-4"
		_, err = e.Copier.Copy(within(t), e.Permit, e.Source, c)
		wantKind(t, "copy parts of what has changed", err, cooper.KindChanged)
	}
	wantNoUploads(t, e)

	// What has no parts is copied whole.
	e.Seed.Put(t, "small", parts[3])
	small := named(t, e.Source, "small", "")
	o, err = e.Copier.Copy(within(t), e.Permit, e.Source, store.Copy{Source: small, Put: store.Describe(&small, "n", nil, nil), AsParts: true})
	if err != nil || !e.hasETag(o, parts[3]) {
		t.Errorf("copy of what has no parts: %+v, %v", o, err)
	}
	wantBody(t, e, store.Ref{Key: "n"}, parts[3])
}

// abroad is a bucket of another store.
type abroad struct{ store.Source }

// Endpoint is that of nobody.
func (abroad) Endpoint() string { return "https://store.invalid" }

func copyRefused(t *testing.T, e Env) {
	src := store.Object{Key: "k", ETag: etagOf(nil), Tags: store.Untold}
	for name, c := range map[string]struct {
		want   cooper.Kind
		change func(*store.Copy)
		from   store.Source
		permit permit.Permit
	}{
		"without a permit":             {cooper.KindInternal, func(*store.Copy) {}, e.Source, permit.Permit{}},
		"from another store":           {cooper.KindRefused, func(*store.Copy) {}, abroad{e.Source}, e.Permit},
		"no key":                       {cooper.KindInvalid, func(c *store.Copy) { c.Source.Key = "" }, e.Source, e.Permit},
		"to no key":                    {cooper.KindInvalid, func(c *store.Copy) { c.Put.Key = "" }, e.Source, e.Permit},
		"no ETag":                      {cooper.KindInvalid, func(c *store.Copy) { c.Source.ETag = "" }, e.Source, e.Permit},
		"no size":                      {cooper.KindInvalid, func(c *store.Copy) { c.Source.Size = store.Untold }, e.Source, e.Permit},
		"metadata that would be lost":  {cooper.KindInvalid, func(c *store.Copy) { c.Source.HiddenMetadata = 1 }, e.Source, e.Permit},
		"tags that would be lost":      {cooper.KindInternal, func(c *store.Copy) { c.Source.Tags = 1 }, e.Source, e.Permit},
		"conditions that are no two":   {cooper.KindInvalid, func(c *store.Copy) { c.Put.IfNoneMatch, c.Put.IfMatch = true, "x" }, e.Source, e.Permit},
		"metadata that cannot be sent": {cooper.KindInvalid, func(c *store.Copy) { c.Put.Metadata = map[string]string{"a b": ""} }, e.Source, e.Permit},
	} {
		copied := store.Copy{Source: src, Put: store.Describe(&src, "l", nil, nil)}
		c.change(&copied)
		_, err := e.Copier.Copy(within(t), c.permit, c.from, copied)
		wantKind(t, name, err, c.want)
	}
	_, err := e.Reader.Head(within(t), store.Ref{Key: "l"}, 0)
	wantKind(t, "head of what must not be copied", err, cooper.KindMissing)
}
