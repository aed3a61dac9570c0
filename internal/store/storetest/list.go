package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"cooper"
	"cooper/internal/store"
)

// listed is what a listing gave, over all its pages.
type listed struct {
	versions []cooper.Version
	prefixes []string
	pages    int
}

func list(t *testing.T, e Env, q store.ListQuery) listed {
	t.Helper()
	var l listed
	err := e.Lister.List(within(t), q, func(vs []cooper.Version, prefixes []string) error {
		l.versions = append(l.versions, vs...)
		l.prefixes = append(l.prefixes, prefixes...)
		l.pages++
		return nil
	})
	if err != nil {
		t.Errorf("list %+v: %v", q, err)
	}
	return l
}

// rows renders versions so that listings can be compared: what S3 promises,
// without times.
func rows(vs []cooper.Version) []string {
	var out []string
	for _, v := range vs {
		out = append(out, fmt.Sprintf("%q %s %q %d latest=%t marker=%t", v.Key, v.VersionID, v.ETag, v.Size, v.Latest, v.DeleteMarker))
	}
	return out
}

func wantRows(t *testing.T, e Env, what string, got, want []cooper.Version) {
	t.Helper()
	got, want = slices.Clone(got), slices.Clone(want)
	if e.lacks(ListedETags) || e.lacks(MD5ETags) {
		for _, vs := range [][]cooper.Version{got, want} {
			for i := range vs {
				vs[i].ETag = ""
			}
		}
	}
	g, w := rows(got), rows(want)
	if slices.Equal(g, w) {
		return
	}
	for i := range max(len(g), len(w)) {
		var a, b string
		if i < len(g) {
			a = g[i]
		}
		if i < len(w) {
			b = w[i]
		}
		if a != b {
			t.Errorf("%s: %d rows, want %d; row %d is\n %s, want\n %s", what, len(g), len(w), i, a, b)
			return
		}
	}
}

// model is what the bucket must hold: the versions of each key, oldest first.
type model map[string][]cooper.Version

func (m model) put(ctx context.Context, e Env, key string, body []byte) error {
	id, err := e.Seed.put(ctx, key, body, "")
	m[key] = append(m[key], cooper.Version{Identity: cooper.Identity{Key: key, VersionID: id, ETag: etagOf(body), Size: int64(len(body))}})
	return err
}

func (m model) delete(ctx context.Context, e Env, key string) error {
	id, err := e.Seed.delete(ctx, key)
	m[key] = append(m[key], cooper.Version{Identity: cooper.Identity{Key: key, VersionID: id}, DeleteMarker: true})
	return err
}

func (m model) mustPut(t *testing.T, e Env, key string, body []byte) {
	t.Helper()
	if err := m.put(within(t), e, key, body); err != nil {
		t.Fatalf("arranging the bucket: %v", err)
	}
}

// versions lists the model as S3 would, keys for which keep is true.
func (m model) versions(keep func(key string) bool) []cooper.Version {
	var keys []string
	for key := range m {
		if keep == nil || keep(key) {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	var all []cooper.Version
	for _, key := range keys {
		for i, v := range slices.Backward(m[key]) {
			v.Latest = i == len(m[key])-1
			all = append(all, v)
		}
	}
	return all
}

func (e Env) pageSize() int {
	if e.PageSize == 0 {
		return 1000
	}
	return e.PageSize
}

// listPages asks one filled bucket many things.
func listPages(t *testing.T, e Env) {
	e.need(t, Paging)
	m := several(t, e)
	for _, test := range []struct {
		name string
		run  func(t *testing.T, e Env, m model)
	}{
		{"versions", listVersions},
		{"under a prefix", listPrefix},
		{"after a key", listAfter},
		{"current objects", listCurrent},
		{"stops at the caller's error", listStops},
		{"cancelled", listCancelled},
	} {
		if e.lacks(Versions) && test.name != "current objects" {
			continue
		}
		t.Run(test.name, func(t *testing.T) { test.run(t, e, m) })
	}
}

// several fills a bit more than two pages with keys that have one to four
// versions, the last of them a delete marker now and then.
func several(t *testing.T, e Env) model {
	t.Helper()
	if testing.Short() && e.pageSize() > 100 {
		t.Skip("fills large pages")
	}
	e.enable(t)
	keys := e.pageSize()*4/5 + 5
	parts := make([]model, 8)
	var wg sync.WaitGroup
	for worker := range parts {
		parts[worker] = model{}
		wg.Go(func() {
			if err := parts[worker].fill(within(t), e, worker, len(parts), keys); err != nil {
				t.Errorf("arranging the bucket: %v", err)
			}
		})
	}
	wg.Wait()
	all := model{}
	for _, part := range parts {
		maps.Copy(all, part)
	}
	return all
}

// fill writes every step-th key from the first on.
func (m model) fill(ctx context.Context, e Env, first, step, keys int) error {
	for i := first; i < keys; i += step {
		key := fmt.Sprintf("d%d/k%04d", i%3, i)
		for v := range 1 + i%4 {
			if err := m.put(ctx, e, key, bodyOf(v*10, byte(i))); err != nil {
				return err
			}
		}
		if i%5 == 0 {
			if err := m.delete(ctx, e, key); err != nil {
				return err
			}
		}
	}
	return nil
}

func listVersions(t *testing.T, e Env, m model) {
	got := list(t, e, store.ListQuery{})
	wantRows(t, e, "all versions", got.versions, m.versions(nil))
	if got.pages < 3 {
		t.Errorf("%d pages; the test is worth little with fewer than 3", got.pages)
	}
	for _, v := range got.versions {
		if v.LastModified == 0 {
			t.Fatalf("%q has no time", v.Key)
		}
	}
}

func listNothing(t *testing.T, e Env) {
	queries := []store.ListQuery{{Current: true}, {}, {Prefix: "x"}, {Delimiter: "/"}}
	if e.lacks(Versions) {
		queries = queries[:1]
	}
	for _, q := range queries {
		if got := list(t, e, q); len(got.versions) != 0 || len(got.prefixes) != 0 {
			t.Errorf("list %+v of an empty bucket: %+v", q, got)
		}
	}
}

func listOneKey(t *testing.T, e Env) {
	e.need(t, Paging)
	e.need(t, Versions)
	if e.pageSize() > 100 {
		t.Skip("pages are too large to be filled by one key")
	}
	e.enable(t)
	m := model{}
	m.mustPut(t, e, "a", nil)
	for i := range 3*e.pageSize() + 1 {
		m.mustPut(t, e, "k", bodyOf(i, 1))
	}
	m.mustPut(t, e, "z", nil)
	wantRows(t, e, "all versions", list(t, e, store.ListQuery{}).versions, m.versions(nil))
	wantRows(t, e, "after the key", list(t, e, store.ListQuery{After: "k"}).versions, m.versions(func(key string) bool { return key > "k" }))
}

func listPrefix(t *testing.T, e Env, m model) {
	for _, prefix := range []string{"d", "d1/", "d1/k0", "d2/k0002", "none"} {
		got := list(t, e, store.ListQuery{Prefix: prefix})
		wantRows(t, e, "under "+prefix, got.versions, m.versions(func(key string) bool { return strings.HasPrefix(key, prefix) }))
	}
}

func listDelimiter(t *testing.T, e Env) {
	e.need(t, Paging)
	e.need(t, Versions)
	e.enable(t)
	m := model{}
	for i := range 12 {
		m.mustPut(t, e, fmt.Sprintf("p%02d/deep/k", i), nil)
		m.mustPut(t, e, fmt.Sprintf("p%02d/j", i), nil)
		m.mustPut(t, e, fmt.Sprintf("k%02d", i), nil)
		m.mustPut(t, e, fmt.Sprintf("k%02d", i), bodyOf(3, 1))
	}
	var prefixes []string
	for i := range 12 {
		prefixes = append(prefixes, fmt.Sprintf("p%02d/", i))
	}
	got := list(t, e, store.ListQuery{Delimiter: "/"})
	wantRows(t, e, "top", got.versions, m.versions(func(key string) bool { return !strings.Contains(key, "/") }))
	if !slices.Equal(got.prefixes, prefixes) {
		t.Errorf("common prefixes %q", got.prefixes)
	}
	got = list(t, e, store.ListQuery{Delimiter: "/", Prefix: "p03/"})
	wantRows(t, e, "p03/", got.versions, m.versions(func(key string) bool { return key == "p03/j" }))
	if !slices.Equal(got.prefixes, []string{"p03/deep/"}) {
		t.Errorf("common prefixes of p03/: %q", got.prefixes)
	}
	got = list(t, e, store.ListQuery{Delimiter: "/", Current: true})
	if len(got.versions) != 12 || !slices.Equal(got.prefixes, prefixes) {
		t.Errorf("current: %d objects, common prefixes %q", len(got.versions), got.prefixes)
	}
}

func listAfter(t *testing.T, e Env, m model) {
	for _, after := range []string{"c", "d1", "d1/k0001", "d1/k0001x", "e"} {
		got := list(t, e, store.ListQuery{After: after})
		wantRows(t, e, "after "+after, got.versions, m.versions(func(key string) bool { return key > after }))
	}
	got := list(t, e, store.ListQuery{Prefix: "d1/", After: "d1/k0001"})
	wantRows(t, e, "after d1/k0001 in d1/", got.versions, m.versions(func(key string) bool { return strings.HasPrefix(key, "d1/") && key > "d1/k0001" }))
}

func listCurrent(t *testing.T, e Env, m model) {
	for _, q := range []store.ListQuery{{Current: true}, {Current: true, Prefix: "d1/"}, {Current: true, After: "d1/k0004"}} {
		var want []cooper.Version
		for _, v := range m.versions(func(key string) bool { return strings.HasPrefix(key, q.Prefix) && key > q.After }) {
			if v.Latest && !v.DeleteMarker {
				v.VersionID = "" // such a listing does not tell
				want = append(want, v)
			}
		}
		wantRows(t, e, fmt.Sprintf("%+v", q), list(t, e, q).versions, want)
	}
}

func listStops(t *testing.T, e Env, _ model) {
	stop := errors.New("enough")
	pages := 0
	err := e.Lister.List(within(t), store.ListQuery{}, func([]cooper.Version, []string) error {
		pages++
		return stop
	})
	if !errors.Is(err, stop) || pages != 1 {
		t.Errorf("%d pages, error %v; want the caller's error after the first", pages, err)
	}
}

func listCancelled(t *testing.T, e Env, _ model) {
	ctx, cancel := context.WithCancel(within(t))
	err := e.Lister.List(ctx, store.ListQuery{}, func([]cooper.Version, []string) error {
		cancel()
		return nil
	})
	cancel()
	wantKind(t, "list with a context cancelled on the way", err, cooper.KindInterrupted)
}

// Identities must not depend on where they were read.
func listAgrees(t *testing.T, e Env) {
	e.need(t, Versions)
	e.Seed.Put(t, "k", bodyOf(3, 1))
	e.enable(t)
	e.Seed.Put(t, "k", bodyOf(4, 2))
	got := list(t, e, store.ListQuery{}).versions
	if len(got) != 2 || got[1].VersionID != cooper.NullVersion {
		t.Fatalf("listed %q", rows(got))
	}
	for _, v := range got {
		if v.VersionID == cooper.NullVersion && e.lacks(NullHeads) {
			continue
		}
		ref := store.Ref{Key: v.Key, VersionID: v.VersionID, IfMatch: v.ETag}
		if e.lacks(ReadConditions) {
			ref.IfMatch = ""
		}
		o, err := e.Reader.Head(within(t), ref, 0)
		if err != nil {
			t.Fatal(err)
		}
		tag := o.ETag == v.ETag || v.ETag == "" && e.lacks(ListedETags) || o.ETag == "" && e.lacks(ReadETags)
		at := o.LastModified/1000 == v.LastModified/1000 || e.lacks(ListedTimes)
		if o.Size != v.Size || !tag || !at {
			t.Errorf("head says %+v, the listing %+v", o, v)
		}
		_, body, err := fetch(t, e, store.Ref{Key: v.Key, VersionID: v.VersionID}, store.Range{})
		if err != nil || !bytes.Equal(body, bodyOf(int(v.Size), byte(v.Size-2))) {
			t.Errorf("version %s: %q, %v", v.VersionID, body, err)
		}
	}
}

func versioning(t *testing.T, e Env) {
	if e.lacks(State) { // which is how stores answer that have no versions
		if got, err := e.Lister.Versioning(within(t)); err != nil || got != "" {
			t.Errorf("versioning %q, %v; want never", got, err)
		}
		return
	}
	check := func(want string) {
		t.Helper()
		if got, err := e.Lister.Versioning(within(t)); err != nil || got != want {
			t.Errorf("versioning %q, %v; want %q", got, err, want)
		}
	}
	check("")
	e.enable(t)
	check("Enabled")
	e.Seed.SetVersioning(t, "Suspended")
	check("Suspended")
}
