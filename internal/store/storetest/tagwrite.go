package storetest

import (
	"bytes"
	"fmt"
	"maps"
	"testing"
	"time"

	"cooper"
	"cooper/internal/permit"
	"cooper/internal/store"
)

func writeTags(t *testing.T, e Env) {
	e.need(t, Tags)
	e.enable(t)
	first, second := e.Seed.Put(t, "k", bodyOf(10, 1)), e.Seed.Put(t, "k", bodyOf(10, 2))
	odd := map[string]string{"a": "", "with space": "a+b=c x", "ü/:@-._": "é y"}
	want := func(id string, want map[string]string) {
		t.Helper()
		if got, err := e.Describer.Tags(within(t), store.Ref{Key: "k", VersionID: id}); err != nil || !maps.Equal(got, want) {
			t.Errorf("tags of %s: %q, %v; want %q", id, got, err, want)
		}
	}
	set := func(ref store.Ref, tags map[string]string) error {
		return e.TagWriter.SetTags(within(t), e.Permit, ref, tags)
	}
	many := map[string]string{}
	for i := range store.MaxTags {
		many[fmt.Sprint("tag", i)] = "v"
	}
	for _, tags := range []map[string]string{odd, {"other": "1"}, many, nil, odd} {
		if err := set(store.Ref{Key: "k", VersionID: first}, tags); err != nil {
			t.Fatalf("%q: %v", tags, err)
		}
		want(first, tags)
		want(second, nil)
	}
	if err := set(store.Ref{Key: "k"}, map[string]string{"current": "yes"}); err != nil {
		t.Fatal(err)
	}
	want(second, map[string]string{"current": "yes"})
	want(first, odd)
	wantBody(t, e, store.Ref{Key: "k", VersionID: first}, bodyOf(10, 1))

	wantKind(t, "tags of what is missing", set(store.Ref{Key: "other"}, odd), cooper.KindMissing)
	wantKind(t, "no permit", e.TagWriter.SetTags(within(t), permit.Permit{}, store.Ref{Key: "k", VersionID: first}, nil), cooper.KindInternal)
	marker := e.Seed.Delete(t, "k")
	if err := set(store.Ref{Key: "k", VersionID: marker}, odd); err == nil {
		t.Error("a delete marker was tagged")
	}
	want(first, odd)
}

func writeOddTags(t *testing.T, e Env) {
	e.Seed.Put(t, "k", nil)
	many := map[string]string{}
	for i := range store.MaxTags + 1 {
		many[fmt.Sprint(i)] = ""
	}
	for name, tags := range map[string]map[string]string{
		"too many": many, "no key": {"": "x"}, "a long key": {string(make([]byte, 129)): ""}, "control characters": {"a": "b\n"}, "no UTF-8": {"a": "\xff"},
	} {
		wantKind(t, name, e.TagWriter.SetTags(within(t), e.Permit, store.Ref{Key: "k"}, tags), cooper.KindInvalid)
	}
	wantKind(t, "a condition", e.TagWriter.SetTags(within(t), e.Permit, store.Ref{Key: "k", IfMatch: "x"}, nil), cooper.KindInvalid)
	if e.lacks(Tags) {
		if err := e.TagWriter.SetTags(within(t), e.Permit, store.Ref{Key: "k"}, map[string]string{"a": "b"}); err != nil {
			wantKind(t, "tags at a store that has none", err, cooper.KindInvalid)
		}
	}
}

func readLocks(t *testing.T, e Env) {
	e.Seed.Put(t, "k", nil)
	if l, err := e.Locks.Lock(within(t), store.Ref{Key: "k"}); err != nil || l != (store.Lock{}) {
		t.Errorf("lock of what has none: %+v, %v", l, err)
	}
	e.need(t, Locks)
	e.need(t, VersionIDs)
	e.EnableLock()
	until := cooper.InstantOf(time.Now().Add(time.Hour).Truncate(time.Second))
	for _, want := range []store.Lock{{}, {Mode: "COMPLIANCE", Until: until}, {LegalHold: true}, {Mode: "GOVERNANCE", Until: until, LegalHold: true}} {
		o, err := e.Writer.Put(within(t), store.Put{Key: "k", Body: bytes.NewReader(nil), Lock: want})
		if err != nil {
			t.Fatal(err)
		}
		e.Seed.Put(t, "k", nil) // without
		for id, want := range map[string]store.Lock{o.VersionID: want, "": {}} {
			if got, err := e.Locks.Lock(within(t), store.Ref{Key: "k", VersionID: id}); err != nil || got != want {
				t.Errorf("lock %+v, %v; want %+v", got, err, want)
			}
		}
	}
	_, err := e.Locks.Lock(within(t), store.Ref{Key: "other"})
	wantKind(t, "lock of what is missing", err, cooper.KindMissing)
}
