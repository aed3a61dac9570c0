package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"cooper"
	"cooper/internal/permit"
	"cooper/internal/store"
)

// unfinished lists the uploads of a prefix, over all pages, in the order in
// which they came.
func unfinished(t *testing.T, e Env, prefix string) (us []store.Upload, pages int) {
	t.Helper()
	err := e.Uploads.Uploads(within(t), prefix, func(page []store.Upload) error {
		us = append(us, page...)
		pages++
		return nil
	})
	if err != nil {
		t.Errorf("uploads under %q: %v", prefix, err)
	}
	if !slices.IsSortedFunc(us, func(a, b store.Upload) int { return strings.Compare(a.Key, b.Key) }) {
		t.Errorf("uploads under %q are not in key order", prefix)
	}
	return us, pages
}

// names renders uploads without times, so that they can be compared in any
// order.
func names(us []store.Upload) []string {
	var out []string
	for _, u := range us {
		out = append(out, u.Key+" "+u.UploadID)
	}
	slices.Sort(out)
	return out
}

func wantUploads(t *testing.T, what string, got []store.Upload, want ...store.Upload) {
	t.Helper()
	if !slices.Equal(names(got), names(want)) {
		t.Errorf("%s: %q, want %q", what, names(got), names(want))
	}
}

func unfinishedUploads(t *testing.T, e Env) {
	e.need(t, Large)
	us, _ := unfinished(t, e, "")
	wantUploads(t, "an empty bucket", us)
	begin := func(key string, parts ...[]byte) store.Upload {
		return store.Upload{Key: key, UploadID: e.Seed.BeginUpload(t, key, parts...)}
	}
	part := bodyOf(5<<20, 1)
	none, two := begin("a/none"), begin("a/two", part, part[:100])
	again, odd := begin("a/two", part[:7]), begin("b +%41&ü")
	e.Seed.PutParts(t, "a/done", part, part[:1])
	e.Seed.Put(t, "a/object", part[:1])

	us, _ = unfinished(t, e, "")
	wantUploads(t, "all", us, none, two, again, odd)
	for _, u := range us {
		if u.Initiated == 0 {
			t.Errorf("%q has no time", u.Key)
		}
	}
	us, _ = unfinished(t, e, "a/t")
	wantUploads(t, "a/t", us, two, again)
	us, _ = unfinished(t, e, "b +")
	wantUploads(t, "an odd prefix", us, odd)
	us, _ = unfinished(t, e, "zzz")
	wantUploads(t, "a prefix without any", us)

	for _, c := range []struct {
		u     store.Upload
		parts int
		bytes int64
	}{{none, 0, 0}, {two, 2, 5<<20 + 100}, {again, 1, 7}, {odd, 0, 0}} {
		is, err := e.Uploads.Uploaded(within(t), c.u)
		if err != nil || is.Parts != c.parts || is.Bytes != c.bytes || (is.Newest != 0) != (c.parts > 0) {
			t.Errorf("%q: %+v, %v; want %d parts of %d bytes", c.u.Key, is, err, c.parts, c.bytes)
		}
	}
}

// uploadsInPages fills more than two pages, some of them with one key alone.
func uploadsInPages(t *testing.T, e Env) {
	if e.pageSize() > 100 {
		t.Skip("pages are too large to be filled")
	}
	var want []store.Upload
	begin := func(key string) {
		want = append(want, store.Upload{Key: key, UploadID: e.Seed.BeginUpload(t, key)})
	}
	for i := range e.pageSize() {
		begin(fmt.Sprintf("k%03d", i))
	}
	for range 2*e.pageSize() + 1 {
		begin("m")
	}
	begin("z")
	us, pages := unfinished(t, e, "")
	wantUploads(t, "all", us, want...)
	if pages < 3 {
		t.Errorf("%d pages; the test is worth little with fewer than 3", pages)
	}
	stop := errors.New("enough")
	pages = 0
	err := e.Uploads.Uploads(within(t), "", func([]store.Upload) error { pages++; return stop })
	if !errors.Is(err, stop) || pages != 1 {
		t.Errorf("%d pages, error %v; want the caller's error after the first", pages, err)
	}
	ctx, cancel := context.WithCancel(within(t))
	err = e.Uploads.Uploads(ctx, "", func([]store.Upload) error { cancel(); return nil })
	cancel()
	wantKind(t, "uploads with a context cancelled on the way", err, cooper.KindInterrupted)
}

func partsInPages(t *testing.T, e Env) {
	if e.pageSize() > 100 {
		t.Skip("pages are too large to be filled")
	}
	var parts [][]byte
	want := int64(0)
	for i := range 2*e.pageSize() + 1 {
		parts = append(parts, bodyOf(i, 1))
		want += int64(i)
	}
	u := store.Upload{Key: "k", UploadID: e.Seed.BeginUpload(t, "k", parts...)}
	is, err := e.Uploads.Uploaded(within(t), u)
	if err != nil || is.Parts != len(parts) || is.Bytes != want || is.Newest == 0 {
		t.Errorf("%+v, %v; want %d parts of %d bytes", is, err, len(parts), want)
	}
}

func endedUpload(t *testing.T, e Env) {
	u := store.Upload{Key: "k", UploadID: e.Seed.BeginUpload(t, "k", bodyOf(3, 1))}
	e.Seed.AbortUpload(t, u.Key, u.UploadID)
	_, err := e.Uploads.Uploaded(within(t), u)
	wantKind(t, "an aborted upload", err, cooper.KindMissing)
	us, _ := unfinished(t, e, "")
	wantUploads(t, "after the abort", us)
}

// abortedUploads aborts one of several uploads of a key, and only that one goes.
func abortedUploads(t *testing.T, e Env) {
	e.need(t, Large)
	begin := func(key string) store.Upload {
		return store.Upload{Key: key, UploadID: e.Seed.BeginUpload(t, key, bodyOf(3, 1))}
	}
	first, second, other := begin("k"), begin("k"), begin("b +%41&ü")
	wantKind(t, "an abort without a permit", e.Uploads.AbortUpload(within(t), permit.Permit{}, first), cooper.KindInternal)
	us, _ := unfinished(t, e, "")
	wantUploads(t, "before", us, first, second, other)
	for range 2 { // what is not there any more is no error
		if err := e.Uploads.AbortUpload(within(t), e.Permit, first); err != nil {
			t.Error(err)
		}
	}
	us, _ = unfinished(t, e, "")
	wantUploads(t, "after the first", us, second, other)
	if err := e.Uploads.AbortUpload(within(t), e.Permit, other); err != nil {
		t.Error(err)
	}
	us, _ = unfinished(t, e, "")
	wantUploads(t, "after both", us, second)
}
