package storetest

import (
	"strings"
	"testing"
	"time"

	"cooper"
	"cooper/internal/store"
)

func archived(t *testing.T, e Env) {
	e.need(t, Classes)
	e.enable(t)
	for class, readable := range map[string]bool{"GLACIER": false, "DEEP_ARCHIVE": false, "GLACIER_IR": true, "STANDARD_IA": true} {
		body := bodyOf(10, 1)
		ref := store.Ref{Key: class, VersionID: e.Seed.PutClass(t, class, body, class)}
		o, err := e.Reader.Head(within(t), ref, 0)
		if err != nil || o.StorageClass != class || o.Size != 10 {
			t.Errorf("head in class %s: %+v, %v", class, o, err)
		}
		if readable {
			wantBody(t, e, ref, body)
			continue
		}
		_, _, err = fetch(t, e, ref, store.Range{})
		wantKind(t, "get from class "+class, err, cooper.KindArchived)
	}
	if e.lacks(Versions) {
		return
	}
	for _, v := range list(t, e, store.ListQuery{}).versions {
		if v.StorageClass != v.Key {
			t.Errorf("%s is listed in class %q", v.Key, v.StorageClass)
		}
	}
}

// wantAccess fails the test unless the store says that a version can be read so.
func wantAccess(t *testing.T, e Env, ref store.Ref, want store.Access) {
	t.Helper()
	o, err := e.Reader.Head(within(t), ref, 0)
	if err != nil {
		t.Fatal(err)
	}
	if a, until := o.Access(cooper.InstantOf(time.Now())); a != want || (until != 0) != (want == store.Restored) {
		t.Errorf("%s: access %d until %s, want %d: restore %q, archive status %q", ref.Key, a, until, want, o.Restore, o.ArchiveStatus)
	}
}

func restore(t *testing.T, e Env) {
	e.need(t, Classes)
	e.need(t, Restores)
	e.enable(t)
	body := bodyOf(10, 1)
	ref := store.Ref{Key: "dir/k +", VersionID: e.Seed.PutClass(t, "dir/k +", body, "DEEP_ARCHIVE")}
	e.Seed.Put(t, "dir/k +", bodyOf(10, 2)) // only the version named may be restored
	wantAccess(t, e, ref, store.Archived)
	wantKind(t, "restore for no day", e.Archiver.Restore(within(t), ref, store.Restoring{Class: "DEEP_ARCHIVE"}), cooper.KindInvalid)
	for _, when := range []string{"first", "again"} {
		if err := e.Archiver.Restore(within(t), ref, store.Restoring{Class: "DEEP_ARCHIVE", Days: 3, Tier: "Bulk"}); err != nil {
			t.Fatalf("restore, %s: %v", when, err)
		}
	}
	_, _, err := fetch(t, e, ref, store.Range{})
	wantKind(t, "get while the restore is under way", err, cooper.KindArchived)
	wantAccess(t, e, ref, store.Underway)
	o, err := e.Reader.Head(within(t), ref, 0)
	if err != nil || !strings.Contains(o.Restore, "true") {
		t.Errorf("head while the restore is under way: restore %q, %v", o.Restore, err)
	}
	wantKind(t, "restore what is missing", e.Archiver.Restore(within(t), store.Ref{Key: "other"}, store.Restoring{Days: 3}), cooper.KindMissing)
	if e.CompleteRestore == nil {
		return
	}
	e.CompleteRestore(ref.Key, ref.VersionID)
	wantBody(t, e, ref, body)
	wantAccess(t, e, ref, store.Restored)
	o, err = e.Reader.Head(within(t), ref, 0)
	if err != nil || !strings.Contains(o.Restore, "false") || !strings.Contains(o.Restore, "expiry-date") {
		t.Errorf("head of a restored version: restore %q, %v", o.Restore, err)
	}
	if err := e.Archiver.Restore(within(t), ref, store.Restoring{Days: 9}); err != nil {
		t.Errorf("restore for longer: %v", err)
	}
}

// restoreForGood: what Intelligent-Tiering has archived comes back without days.
func restoreForGood(t *testing.T, e Env) {
	e.need(t, Classes)
	e.need(t, Restores)
	if e.Archive == nil || e.CompleteRestore == nil {
		t.Skip("nobody can archive here")
	}
	e.enable(t)
	body := bodyOf(10, 1)
	for _, tier := range []string{"ARCHIVE", "DEEP_ARCHIVE"} {
		ref := store.Ref{Key: tier, VersionID: e.Seed.PutClass(t, tier, body, store.IntelligentTiering)}
		wantAccess(t, e, ref, store.Readable)
		wantKind(t, "restore what is not archived", e.Archiver.Restore(within(t), ref, store.Restoring{Class: store.IntelligentTiering}), cooper.KindInvalid)
		e.Archive(tier, ref.VersionID, tier)
		_, _, err := fetch(t, e, ref, store.Range{})
		wantKind(t, "get from tier "+tier, err, cooper.KindArchived)
		wantAccess(t, e, ref, store.Archived)
		if o, err := e.Reader.Head(within(t), ref, 0); err != nil || o.ArchiveStatus != tier+"_ACCESS" || o.StorageClass != store.IntelligentTiering {
			t.Errorf("head in tier %s: %+v, %v", tier, o, err)
		}
		if err := e.Archiver.Restore(within(t), ref, store.Restoring{Class: store.IntelligentTiering, Days: 7, Tier: "Bulk"}); err != nil {
			t.Fatalf("restore from tier %s: %v", tier, err)
		}
		wantAccess(t, e, ref, store.Underway)
		e.CompleteRestore(tier, ref.VersionID)
		wantAccess(t, e, ref, store.Readable)
		wantBody(t, e, ref, body)
	}
}

// restoreUnknown: a store that restores nothing says so.
func restoreUnknown(t *testing.T, e Env) {
	if !e.lacks(Restores) {
		t.Skip("this store restores")
	}
	ref := store.Ref{Key: "k", VersionID: e.Seed.Put(t, "k", nil)}
	if e.lacks(VersionIDs) {
		ref.VersionID = ""
	}
	wantKind(t, "restore at a store that does not", e.Archiver.Restore(within(t), ref, store.Restoring{Class: "GLACIER", Days: 1}), cooper.KindInvalid)
}
