package storetest

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"io"
	"sync"
	"testing"

	"cooper"
	"cooper/internal/store"
)

func etagOf(body []byte) string {
	sum := md5.Sum(body)
	return hex.EncodeToString(sum[:])
}

// hasETag tells whether o has the ETag of a body that was written in one piece,
// as far as it can be known here.
func (e Env) hasETag(o store.Object, body []byte) bool {
	return o.ETag == etagOf(body) || o.ETag == "" && e.lacks(ReadETags) || o.ETag != "" && e.lacks(MD5ETags)
}

// match gives the ETag of a body for a condition; none where it is not known.
func (e Env) match(body []byte) string {
	if e.lacks(MD5ETags) || e.lacks(ReadConditions) {
		return ""
	}
	return etagOf(body)
}

// bodyOf gives n bytes that no other seed gives.
func bodyOf(n int, seed byte) []byte {
	b := make([]byte, n)
	x := uint32(seed)*2654435761 + 1
	for i := range b {
		x = x*1664525 + 1013904223
		b[i] = byte(x >> 24)
	}
	return b
}

// fetch reads a version whole, or the part r of it.
func fetch(t *testing.T, e Env, ref store.Ref, r store.Range) (store.Object, []byte, error) {
	t.Helper()
	o, body, err := e.Reader.Get(within(t), ref, r)
	if err != nil {
		return o, nil, err
	}
	b, err := io.ReadAll(body)
	if cerr := body.Close(); err == nil {
		err = cerr
	}
	return o, b, err
}

// wantBody fails the test unless ref gives the body.
func wantBody(t *testing.T, e Env, ref store.Ref, want []byte) store.Object {
	t.Helper()
	o, got, err := fetch(t, e, ref, store.Range{})
	switch {
	case err != nil:
		t.Errorf("get %+v: %v", ref, err)
	case !bytes.Equal(got, want):
		t.Errorf("get %+v: %d bytes that are not the %d wanted", ref, len(got), len(want))
	}
	return o
}

func getByVersion(t *testing.T, e Env) {
	e.enable(t)
	bodies := [][]byte{bodyOf(10, 1), bodyOf(2000, 2), bodyOf(10, 3)}
	ids := make([]string, len(bodies))
	for i, b := range bodies {
		ids[i] = e.Seed.Put(t, "dir/key", b)
	}
	for i, b := range bodies {
		o := wantBody(t, e, store.Ref{Key: "dir/key", VersionID: ids[i]}, b)
		if o.VersionID != ids[i] {
			t.Errorf("version id %q, want %q", o.VersionID, ids[i])
		}
	}
	wantBody(t, e, store.Ref{Key: "dir/key"}, bodies[2])
	e.Seed.DeleteVersion(t, "dir/key", ids[2])
	wantBody(t, e, store.Ref{Key: "dir/key"}, bodies[1])
}

func getDescribes(t *testing.T, e Env) {
	e.enable(t)
	want := bodyOf(1234, 1)
	id := e.Seed.Put(t, "k", want)
	o := wantBody(t, e, store.Ref{Key: "k", VersionID: id}, want)
	if o.Key != "k" || o.VersionID != id || !e.hasETag(o, want) || o.Size != 1234 || o.Length != 1234 {
		t.Errorf("got %+v", o)
	}
	if o.LastModified == 0 || o.LastModified%1000 != 0 {
		t.Errorf("last modified %d: want a time, to the second", o.LastModified)
	}
	if o.Parts != 0 {
		t.Errorf("%d parts, but no part was asked for", o.Parts)
	}
	if !e.lacks(Checksums) && len(o.Checksums) == 0 {
		t.Error("no checksum, though the upload had one")
	}
}

func getEmpty(t *testing.T, e Env) {
	e.need(t, VersionIDs)
	id := e.Seed.Put(t, "empty", nil)
	o := wantBody(t, e, store.Ref{Key: "empty", VersionID: id, IfMatch: e.match(nil)}, nil)
	if o.Size != 0 || o.Length != 0 {
		t.Errorf("got %+v", o)
	}
}

func getRanges(t *testing.T, e Env) {
	const size = 10_000
	all := bodyOf(size, 1)
	e.Seed.Put(t, "k", all)
	for _, r := range []struct {
		from, length int64
		want         []byte
	}{
		{0, 1, all[:1]},
		{0, size, all},
		{1, 0, all[1:]},
		{17, 100, all[17:117]},
		{size - 1, 0, all[size-1:]},
		{size - 5, 5, all[size-5:]},
		{size - 5, 50, all[size-5:]},
	} {
		o, got, err := fetch(t, e, store.Ref{Key: "k"}, store.Range{From: r.from, Length: r.length})
		if err != nil || !bytes.Equal(got, r.want) {
			t.Errorf("from %d length %d: %d bytes, %v; want %d", r.from, r.length, len(got), err, len(r.want))
			continue
		}
		if o.Size != size || o.Length != int64(len(r.want)) {
			t.Errorf("from %d length %d: size %d length %d; want the object's and the range's", r.from, r.length, o.Size, o.Length)
		}
	}
	if _, _, err := fetch(t, e, store.Ref{Key: "k"}, store.Range{From: size}); err == nil {
		t.Error("a range that begins behind the end: no error")
	}
}

func getManyAtOnce(t *testing.T, e Env) {
	const n = 48
	for i := range n {
		e.Seed.Put(t, fmt.Sprint("k", i), bodyOf(3000+i, byte(i)))
	}
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { wantBody(t, e, store.Ref{Key: fmt.Sprint("k", i)}, bodyOf(3000+i, byte(i))) })
	}
	wg.Wait()
}

// A body that is closed half-read must not leave its rest to the next request.
func getAfterLeftBody(t *testing.T, e Env) {
	big, small := bodyOf(3<<20, 1), bodyOf(100, 2)
	e.Seed.Put(t, "big", big)
	e.Seed.Put(t, "small", small)
	for range 3 {
		_, body, err := e.Reader.Get(within(t), store.Ref{Key: "big"}, store.Range{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(body, make([]byte, 1000)); err != nil {
			t.Fatal(err)
		}
		if err := body.Close(); err != nil {
			t.Errorf("closing a half-read body: %v", err)
		}
		wantBody(t, e, store.Ref{Key: "small"}, small)
	}
}

func getCancelled(t *testing.T, e Env) {
	e.Seed.Put(t, "k", bodyOf(10, 1))
	ctx, cancel := context.WithCancel(within(t))
	cancel()
	_, body, err := e.Reader.Get(ctx, store.Ref{Key: "k"}, store.Range{})
	if err == nil {
		_ = body.Close()
	}
	wantKind(t, "get with a cancelled context", err, cooper.KindInterrupted)
}

func nullNeverVersioned(t *testing.T, e Env) {
	e.need(t, ReadConditions)
	e.need(t, MD5ETags)
	e.need(t, VersionIDs)
	old, now := bodyOf(100, 1), bodyOf(100, 2)
	e.Seed.Put(t, "k", old)
	wantBody(t, e, store.Ref{Key: "k", VersionID: cooper.NullVersion}, old)
	e.Seed.Put(t, "k", now)
	wantBody(t, e, store.Ref{Key: "k", VersionID: cooper.NullVersion}, now)
	wantBody(t, e, store.Ref{Key: "k", VersionID: cooper.NullVersion, IfMatch: etagOf(now)}, now)
	_, _, err := fetch(t, e, store.Ref{Key: "k", VersionID: cooper.NullVersion, IfMatch: etagOf(old)}, store.Range{})
	wantKind(t, "get a null version that was overwritten", err, cooper.KindChanged)
}

func nullSuspended(t *testing.T, e Env) {
	e.need(t, ReadConditions)
	e.need(t, MD5ETags)
	before, first, second := bodyOf(100, 1), bodyOf(100, 2), bodyOf(100, 3)
	e.Seed.Put(t, "k", before)
	e.enable(t)
	id := e.Seed.Put(t, "k", first)
	wantBody(t, e, store.Ref{Key: "k", VersionID: cooper.NullVersion, IfMatch: etagOf(before)}, before)
	e.Seed.SetVersioning(t, "Suspended")
	e.Seed.Put(t, "k", second)
	wantBody(t, e, store.Ref{Key: "k"}, second)
	wantBody(t, e, store.Ref{Key: "k", VersionID: cooper.NullVersion}, second)
	wantBody(t, e, store.Ref{Key: "k", VersionID: id}, first)
	_, _, err := fetch(t, e, store.Ref{Key: "k", VersionID: cooper.NullVersion, IfMatch: etagOf(before)}, store.Range{})
	wantKind(t, "get a null version that was overwritten", err, cooper.KindChanged)
}

func ifMatchRefuses(t *testing.T, e Env) {
	e.need(t, ReadConditions)
	e.need(t, MD5ETags)
	e.enable(t)
	first, second := bodyOf(100, 1), bodyOf(100, 2)
	old := e.Seed.Put(t, "k", first)
	e.Seed.Put(t, "k", second)
	wantBody(t, e, store.Ref{Key: "k", VersionID: old, IfMatch: etagOf(first)}, first)
	for _, ref := range []store.Ref{
		{Key: "k", IfMatch: etagOf(first)},
		{Key: "k", VersionID: old, IfMatch: etagOf(second)},
	} {
		_, _, err := fetch(t, e, ref, store.Range{})
		wantKind(t, fmt.Sprintf("get %+v", ref), err, cooper.KindChanged)
		_, err = e.Reader.Head(within(t), ref, 0)
		wantKind(t, fmt.Sprintf("head %+v", ref), err, cooper.KindChanged)
	}
}

func missing(t *testing.T, e Env) {
	e.enable(t)
	e.Seed.Put(t, "k", bodyOf(10, 1))
	gone := e.Seed.Put(t, "k", bodyOf(10, 2))
	e.Seed.DeleteVersion(t, "k", gone)
	for _, ref := range []store.Ref{
		{Key: "other"},
		{Key: "other", VersionID: gone},
		{Key: "k", VersionID: gone},
		{Key: "k", VersionID: cooper.NullVersion},
	} {
		_, _, err := fetch(t, e, ref, store.Range{})
		wantKind(t, fmt.Sprintf("get %+v", ref), err, cooper.KindMissing)
		if ref.VersionID == cooper.NullVersion && e.lacks(NullHeads) {
			continue
		}
		_, err = e.Reader.Head(within(t), ref, 0)
		wantKind(t, fmt.Sprintf("head %+v", ref), err, cooper.KindMissing)
	}
}

func deleteMarker(t *testing.T, e Env) {
	e.enable(t)
	body := bodyOf(10, 1)
	id := e.Seed.Put(t, "k", body)
	marker := e.Seed.Delete(t, "k")
	for _, ref := range []store.Ref{{Key: "k"}, {Key: "k", VersionID: marker}} {
		_, _, err := fetch(t, e, ref, store.Range{})
		wantKind(t, fmt.Sprintf("get %+v", ref), err, cooper.KindMissing)
		_, err = e.Reader.Head(within(t), ref, 0)
		wantKind(t, fmt.Sprintf("head %+v", ref), err, cooper.KindMissing)
	}
	wantBody(t, e, store.Ref{Key: "k", VersionID: id}, body)
}

func head(t *testing.T, e Env) {
	e.enable(t)
	body := bodyOf(77, 1)
	id := e.Seed.Put(t, "k", body)
	e.Seed.Put(t, "k", bodyOf(5, 2))
	o, err := e.Reader.Head(within(t), store.Ref{Key: "k", VersionID: id, IfMatch: e.match(body)}, 0)
	if err != nil {
		t.Fatal(err)
	}
	if o.Key != "k" || o.VersionID != id || !e.hasETag(o, body) || o.Size != 77 || o.LastModified == 0 {
		t.Errorf("got %+v", o)
	}
}

// The least that a part may have, but the last.
const leastPart = 5 << 20

func headPart(t *testing.T, e Env) {
	e.need(t, Large)
	e.enable(t)
	parts := [][]byte{bodyOf(leastPart, 1), bodyOf(leastPart+1000, 2), bodyOf(3, 3)}
	id := e.Seed.PutParts(t, "k", parts...)
	for i, part := range parts {
		o, err := e.Reader.Head(within(t), store.Ref{Key: "k", VersionID: id}, i+1)
		if err != nil {
			t.Errorf("part %d: %v", i+1, err)
			continue
		}
		if o.Size != 2*leastPart+1003 || o.Length != int64(len(part)) || o.Parts != 3 {
			t.Errorf("part %d: size %d length %d of %d parts", i+1, o.Size, o.Length, o.Parts)
		}
	}
	wantBody(t, e, store.Ref{Key: "k", VersionID: id}, bytes.Join(parts, nil))
}
