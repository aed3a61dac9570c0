package storetest

import (
	"bytes"
	"testing"

	"cooper"
	"cooper/internal/store"
)

func putIfNoneMatch(t *testing.T, e Env) {
	e.need(t, Conditional)
	first, second := bodyOf(10, 1), bodyOf(10, 2)
	p := store.Put{Key: "k", Size: 10, Body: bytes.NewReader(first), IfNoneMatch: true}
	if _, err := e.Writer.Put(within(t), p); err != nil {
		t.Fatal(err)
	}
	p.Body = bytes.NewReader(second)
	_, err := e.Writer.Put(within(t), p)
	wantKind(t, "put where something is", err, cooper.KindConflict)
	wantBody(t, e, store.Ref{Key: "k"}, first)
	p.Body, p.IfNoneMatch = bytes.NewReader(second), false
	if _, err := e.Writer.Put(within(t), p); err != nil {
		t.Errorf("put without condition: %v", err)
	}
	wantBody(t, e, store.Ref{Key: "k"}, second)
}

// putIfMatch replaces what is current, and nothing else, in every state of
// versioning.
func putIfMatch(t *testing.T, e Env) {
	e.need(t, Matching)
	e.need(t, MD5ETags)
	first, second, third := bodyOf(10, 1), bodyOf(10, 2), bodyOf(10, 3)
	for _, state := range []string{"", "Enabled", "Suspended"} {
		if state != "" {
			if e.lacks(VersionIDs) {
				return
			}
			e.Seed.SetVersioning(t, state)
		}
		key := "k" + state
		put := func(body []byte, match string) (store.Object, error) {
			return e.Writer.Put(within(t), store.Put{Key: key, Size: 10, Body: bytes.NewReader(body), IfMatch: match})
		}
		_, err := put(second, etagOf(first))
		wantKind(t, "put where nothing is, with an ETag", err, cooper.KindChanged)
		e.Seed.Put(t, key, first)
		_, err = put(third, etagOf(second))
		wantKind(t, "put over another ETag", err, cooper.KindChanged)
		wantBody(t, e, store.Ref{Key: key}, first)
		o, err := put(second, etagOf(first))
		if err != nil || o.ETag != etagOf(second) || (o.VersionID != "") != (state == "Enabled") && o.VersionID != cooper.NullVersion {
			t.Errorf("%s: put over the right ETag: %+v, %v", state, o, err)
		}
		wantBody(t, e, store.Ref{Key: key}, second)
		_, err = put(third, etagOf(first))
		wantKind(t, "put over the ETag of an older version", err, cooper.KindChanged)
		if e.lacks(MarkerConditions) || state == "" {
			continue
		}
		e.Seed.Delete(t, key)
		_, err = put(third, etagOf(second))
		wantKind(t, "put over a delete marker, with an ETag", err, cooper.KindChanged)
	}
}

func putOnBothConditions(t *testing.T, e Env) {
	_, err := e.Writer.Put(within(t), store.Put{Key: "k", Body: bytes.NewReader(nil), IfNoneMatch: true, IfMatch: etagOf(nil)})
	wantKind(t, "put under conditions that exclude each other", err, cooper.KindInvalid)
}
