package storetest

import (
	"fmt"
	"testing"

	"cooper"
	"cooper/internal/permit"
	"cooper/internal/store"
)

// removeAll fails the test unless each removal succeeded.
func removeAll(t *testing.T, e Env, rs ...store.Removal) {
	t.Helper()
	for i, err := range e.Remover.Remove(within(t), e.Permit, rs) {
		if err != nil {
			t.Errorf("remove %+v: %v", rs[i], err)
		}
	}
}

// wantVersions fails the test unless these versions, and no others, are left.
func wantVersions(t *testing.T, e Env, want ...store.Removal) {
	t.Helper()
	left := map[[2]string]bool{}
	for _, v := range list(t, e, store.ListQuery{}).versions {
		left[[2]string{v.Key, v.VersionID}] = true
	}
	for _, w := range want {
		if !left[[2]string{w.Key, w.VersionID}] {
			t.Errorf("%+v is not there any more", w)
		}
		delete(left, [2]string{w.Key, w.VersionID})
	}
	if len(left) > 0 {
		t.Errorf("still there: %v", left)
	}
}

func removeVersions(t *testing.T, e Env) {
	e.need(t, Versions)
	e.need(t, Removals)
	e.enable(t)
	v := func(key string, n byte) store.Removal {
		return store.Removal{Key: key, VersionID: e.Seed.Put(t, key, bodyOf(10, n))}
	}
	a1, a2, a3 := v("a", 1), v("a", 2), v("a", 3)
	b1 := v("b", 1)
	marker := store.Removal{Key: "b", VersionID: e.Seed.Delete(t, "b")}
	other := v("c", 1)
	removeAll(t, e, a1, b1, a2)
	wantVersions(t, e, a3, marker, other)
	wantBody(t, e, store.Ref{Key: "a"}, bodyOf(10, 3))
	removeAll(t, e, marker, a3)
	wantVersions(t, e, other)
	removeAll(t, e, a1, marker, a3) // again: they are not there, which is what was wanted
	wantVersions(t, e, other)
}

func removeManyVersions(t *testing.T, e Env) {
	e.need(t, Versions)
	e.enable(t)
	n := 12
	if !testing.Short() && !e.lacks(Large) {
		n = store.MaxRemovals + 7
	}
	var rs []store.Removal
	for i := range n {
		key := fmt.Sprintf("dir/%04d", i)
		rs = append(rs, store.Removal{Key: key, VersionID: e.Seed.Put(t, key, nil)})
	}
	removeAll(t, e, rs[:n-1]...)
	wantVersions(t, e, rs[n-1])
}

func removeNull(t *testing.T, e Env) {
	e.need(t, Versions)
	e.need(t, Removals)
	e.need(t, NullRemovals)
	e.Seed.Put(t, "never", bodyOf(10, 1))
	null := func(key string) store.Removal { return store.Removal{Key: key, VersionID: cooper.NullVersion} }
	removeAll(t, e, null("never"))
	wantVersions(t, e)
	e.Seed.Put(t, "k", bodyOf(10, 1))
	e.enable(t)
	later := store.Removal{Key: "k", VersionID: e.Seed.Put(t, "k", bodyOf(10, 2))}
	removeAll(t, e, null("k"))
	wantVersions(t, e, later)
	e.Seed.SetVersioning(t, "Suspended")
	e.Seed.Put(t, "k", bodyOf(10, 3))
	removeAll(t, e, null("k"))
	wantVersions(t, e, later)
	wantBody(t, e, store.Ref{Key: "k"}, bodyOf(10, 2))
}

func removeOddKeys(t *testing.T, e Env) {
	e.need(t, Versions)
	e.enable(t)
	keys := pathKeys
	if _, lacks := e.Lacks[OddKeys]; !lacks {
		keys = append(keys[:len(keys):len(keys)], otherKeys...)
	}
	var rs []store.Removal
	for _, key := range keys {
		rs = append(rs, store.Removal{Key: key, VersionID: e.Seed.Put(t, key, bodyOf(10, 1))})
	}
	kept := store.Removal{Key: "kept", VersionID: e.Seed.Put(t, "kept", nil)}
	removeAll(t, e, rs...)
	wantVersions(t, e, kept)
}

// removeRefused: what must never be sent is not.
func removeRefused(t *testing.T, e Env) {
	e.need(t, Versions)
	e.enable(t)
	v := store.Removal{Key: "k", VersionID: e.Seed.Put(t, "k", nil)}
	wantKind(t, "remove without a permit", e.Remover.Remove(within(t), permit.Permit{}, []store.Removal{v})[0], cooper.KindInternal)
	for _, r := range []store.Removal{{Key: "k"}, {VersionID: v.VersionID}} {
		if e.Remover.Remove(within(t), e.Permit, []store.Removal{r})[0] == nil {
			t.Errorf("remove %+v: no error", r)
		}
	}
	wantVersions(t, e, v)
}

func removeIfMatch(t *testing.T, e Env) {
	e.need(t, ConditionalRemoval)
	e.need(t, Versions)
	e.need(t, MD5ETags)
	e.need(t, NullRemovals)
	body, other := bodyOf(10, 1), bodyOf(10, 2)
	e.Seed.Put(t, "k", body)
	r := store.Removal{Key: "k", VersionID: cooper.NullVersion, IfMatch: etagOf(other)}
	wantKind(t, "remove with another ETag", e.Remover.Remove(within(t), e.Permit, []store.Removal{r})[0], cooper.KindChanged)
	wantBody(t, e, store.Ref{Key: "k"}, body)
	r.IfMatch = etagOf(body)
	removeAll(t, e, r)
	wantVersions(t, e)
	wantKind(t, "remove what is missing, with an ETag", e.Remover.Remove(within(t), e.Permit, []store.Removal{r})[0], cooper.KindMissing)
}

// removeProbes: objects of Cooper's own go by their version or, where there never
// were any, by their key; no other object does.
func removeProbes(t *testing.T, e Env) {
	e.need(t, Versions)
	probe, mine := "dir/"+store.ProbeName+"r-test", "dir/mine"
	for _, key := range []string{probe, mine, "dir/x" + store.ProbeName + "r", "dir" + store.ProbeName + "/k"} {
		e.Seed.Put(t, key, bodyOf(1, 0))
	}
	want := []store.Removal{{Key: mine, VersionID: cooper.NullVersion}, {Key: "dir/x" + store.ProbeName + "r", VersionID: cooper.NullVersion}, {Key: "dir" + store.ProbeName + "/k", VersionID: cooper.NullVersion}}
	for _, w := range append(want[:len(want):len(want)], store.Removal{}) {
		wantKind(t, fmt.Sprintf("remove %q as a probe", w.Key), e.Remover.RemoveProbe(within(t), e.Permit, w.Key, ""), cooper.KindInternal)
	}
	wantKind(t, "remove a probe without a permit", e.Remover.RemoveProbe(within(t), permit.Permit{}, probe, ""), cooper.KindInternal)
	wantVersions(t, e, append(want, store.Removal{Key: probe, VersionID: cooper.NullVersion})...)
	for range 2 { // the second time it is not there
		if err := e.Remover.RemoveProbe(within(t), e.Permit, probe, ""); err != nil {
			t.Error(err)
		}
		wantVersions(t, e, want...)
	}
	e.need(t, Removals)
	e.enable(t)
	one, two := e.Seed.Put(t, probe, nil), e.Seed.Put(t, probe, bodyOf(1, 0))
	if err := e.Remover.RemoveProbe(within(t), e.Permit, probe, one); err != nil {
		t.Error(err)
	}
	wantVersions(t, e, append(want, store.Removal{Key: probe, VersionID: two})...)
}
