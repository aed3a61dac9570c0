package storetest

import (
	"strings"
	"testing"

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

func restore(t *testing.T, e Env) {
	e.need(t, Classes)
	if e.Archiver == nil {
		t.Skip("no archiver")
	}
	e.enable(t)
	body := bodyOf(10, 1)
	ref := store.Ref{Key: "dir/k +", VersionID: e.Seed.PutClass(t, "dir/k +", body, "DEEP_ARCHIVE")}
	e.Seed.Put(t, "dir/k +", bodyOf(10, 2)) // only the version named may be restored
	for _, when := range []string{"first", "again"} {
		if err := e.Archiver.Restore(within(t), ref, 3, "Bulk"); err != nil {
			t.Fatalf("restore, %s: %v", when, err)
		}
	}
	_, _, err := fetch(t, e, ref, store.Range{})
	wantKind(t, "get while the restore is under way", err, cooper.KindArchived)
	o, err := e.Reader.Head(within(t), ref, 0)
	if err != nil || !strings.Contains(o.Restore, "true") {
		t.Errorf("head while the restore is under way: restore %q, %v", o.Restore, err)
	}
	wantKind(t, "restore what is missing", e.Archiver.Restore(within(t), store.Ref{Key: "other"}, 3, "Bulk"), cooper.KindMissing)
	if e.CompleteRestore == nil {
		return
	}
	e.CompleteRestore(ref.Key, ref.VersionID)
	wantBody(t, e, ref, body)
	o, err = e.Reader.Head(within(t), ref, 0)
	if err != nil || !strings.Contains(o.Restore, "false") || !strings.Contains(o.Restore, "expiry-date") {
		t.Errorf("head of a restored version: restore %q, %v", o.Restore, err)
	}
	if err := e.Archiver.Restore(within(t), ref, 9, "Bulk"); err != nil {
		t.Errorf("restore for longer: %v", err)
	}
}
