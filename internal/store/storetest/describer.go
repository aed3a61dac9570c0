package storetest

import (
	"bytes"
	"maps"
	"slices"
	"strings"
	"testing"

	"cooper"
	"cooper/internal/store"
)

func tags(t *testing.T, e Env) {
	e.need(t, Tags)
	e.enable(t)
	body := bodyOf(10, 1)
	odd := map[string]string{"a": "", "with space": "a+b=c x", "ü/:@-._": "é y"}
	put := func(key string, tags map[string]string) string {
		o, err := e.Writer.Put(within(t), store.Put{Key: key, Size: 10, Body: bytes.NewReader(body), Tags: tags})
		if err != nil {
			t.Fatal(err)
		}
		return o.VersionID
	}
	want := func(key, id string, want map[string]string) {
		t.Helper()
		got, err := e.Describer.Tags(within(t), store.Ref{Key: key, VersionID: id})
		if err != nil || !maps.Equal(got, want) {
			t.Errorf("tags of %s %s: %q, %v; want %q", key, id, got, err, want)
		}
		o, err := e.Reader.Head(within(t), store.Ref{Key: key, VersionID: id}, 0)
		if told := o.Tags == store.Untold && (len(want) == 0 || e.lacks(TagCounts)) || o.Tags == len(want); err != nil || !told {
			t.Errorf("head says %d tags, %v; want %d", o.Tags, err, len(want))
		}
	}
	first := put("k", odd)
	second := put("k", nil)
	want("k", first, odd)
	want("k", second, nil)
	want("k", "", nil)
	e.Seed.PutTags(t, "k", map[string]string{"given": "later"})
	want("k", second, map[string]string{"given": "later"})
	want("k", first, odd)

	parts := begin(t, e, store.Put{Key: "parts", Tags: odd}, 10)
	sendParts(t, parts, body)
	o, err := parts.Complete(within(t))
	if err != nil {
		t.Fatal(err)
	}
	want("parts", o.VersionID, odd)

	_, err = e.Describer.Tags(within(t), store.Ref{Key: "other"})
	wantKind(t, "tags of what is missing", err, cooper.KindMissing)
	_, err = e.Describer.Tags(within(t), store.Ref{Key: "k", VersionID: o.VersionID})
	wantKind(t, "tags of a version that is missing", err, cooper.KindMissing)
}

func byGrantee(a, b store.Grant) int {
	return strings.Compare(a.Permission+a.ID+a.URI, b.Permission+b.ID+b.URI)
}

func grants(t *testing.T, e Env) {
	e.need(t, ACLs)
	e.EnableACLs()
	settings, err := e.Describer.Settings(within(t))
	if err != nil || !settings.Grants || settings.Owner == "" {
		t.Fatalf("settings %+v, %v", settings, err)
	}
	given := []store.Grant{
		{ID: strings.Repeat("ab", 32), Permission: "FULL_CONTROL"}, {ID: strings.Repeat("cd", 32), Permission: "READ_ACP"},
		{URI: "http://acs.amazonaws.com/groups/global/AllUsers", Permission: "READ"}, {ID: strings.Repeat("cd", 32), Permission: "READ"},
		{ID: strings.Repeat("ef", 32), Permission: "WRITE_ACP"},
	}
	slices.SortFunc(given, byGrantee)
	want := func(key string, want []store.Grant) {
		t.Helper()
		got, err := e.Describer.Grants(within(t), store.Ref{Key: key})
		slices.SortFunc(got, byGrantee)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("ACL of %s: %+v, %v; want %+v", key, got, err, want)
		}
		all := e.Seed.Grants(t, key)
		if !all[settings.Owner+" FULL_CONTROL"] || len(all) != len(want)+1 {
			t.Errorf("the owner has no right to %s: %v", key, all)
		}
	}
	for key, grants := range map[string][]store.Grant{"granted": given, "plain": nil} {
		if _, err := e.Writer.Put(within(t), store.Put{Key: key, Body: bytes.NewReader(nil), Grants: grants}); err != nil {
			t.Fatal(err)
		}
		want(key, grants)
	}
	parts := begin(t, e, store.Put{Key: "parts", Grants: given}, 10)
	if _, err := parts.Complete(within(t)); err != nil {
		t.Fatal(err)
	}
	want("parts", given)
	_, err = e.Describer.Grants(within(t), store.Ref{Key: "other"})
	wantKind(t, "ACL of what is missing", err, cooper.KindMissing)
	for _, g := range []store.Grant{{Permission: "READ"}, {ID: "x", Permission: "EVERYTHING"}, {ID: `x", uri="y`, Permission: "READ"}, {ID: "x", URI: "y", Permission: "READ"}} {
		_, err := e.Writer.Put(within(t), store.Put{Key: "odd", Body: bytes.NewReader(nil), Grants: []store.Grant{g}})
		wantKind(t, "a grant that makes no sense", err, cooper.KindInvalid)
	}
}

func settings(t *testing.T, e Env) {
	s, err := e.Describer.Settings(within(t))
	if err != nil || s.Lock && !e.lacks(Locks) {
		t.Errorf("settings %+v, %v", s, err)
	}
	if _, lacks := e.Lacks[Locks]; !lacks {
		e.EnableLock()
		if s, err := e.Describer.Settings(within(t)); err != nil || !s.Lock {
			t.Errorf("settings %+v, %v; want a lock", s, err)
		}
	}
}
