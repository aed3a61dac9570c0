package job

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"

	"cooper"
	"cooper/internal/inventory/s3report"
	"cooper/internal/report"
	"cooper/internal/store/mem"
)

// lab is a bucket with versions, a delete marker and an upload that nobody finished.
func lab(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	w.store.CreateBucket("lab", "Enabled")
	w.store.Put("lab", "images/a", []byte("first"), mem.PutOptions{})
	w.store.Put("lab", "images/a", []byte("second"), mem.PutOptions{})
	w.store.Put("lab", "tables/b.csv", []byte("x,y"), mem.PutOptions{})
	w.store.Delete("lab", "tables/b.csv")
	w.store.BeginUpload("lab", "images/c", mem.PutOptions{}, []byte("half of it"))
	return w
}

// TestInventoryIsReadBack: a report that is written, into a bucket or a directory, says
// what the bucket holds, and the snapshot that it was written of does not stay.
func TestInventoryIsReadBack(t *testing.T) {
	w := lab(t)
	w.store.CreateBucket("reports", "")
	for _, x := range []WriteInventory{
		{To: "s3://reports/inventory/", Format: s3report.CSV},
		{To: t.TempDir(), Format: s3report.Parquet},
	} {
		x.Bucket, x.Config = "lab", "daily"
		r, err := x.Run(t.Context(), w.Env)
		if err != nil {
			t.Fatal(err)
		}
		if r.Versions != 3 || r.DeleteMarkers != 1 || r.Bytes != 14 || r.Format != x.Format || !strings.HasPrefix(r.Manifest, x.To) || !strings.HasSuffix(r.Manifest, "/manifest.json") {
			t.Errorf("%+v", r)
		}
		ws, err := w.OpenWorkspace()
		if err != nil {
			t.Fatal(err)
		}
		if ids, err := ws.Snapshots(); len(ids) > 0 || err != nil {
			t.Errorf("left behind: %v (%v)", ids, err)
		}
		at := strings.TrimSuffix(x.To, "/") + "/lab/daily/"
		if dates, err := Reports(t.Context(), w.Env, at); len(dates) != 1 || err != nil || !dates[0].Whole {
			t.Errorf("%+v (%v)", dates, err)
		}
		m, err := TakeSnapshot(t.Context(), w.Env, "lab", Source{Inventory: at}, "")
		if err != nil {
			t.Fatal(err)
		}
		if m.Versions != r.Versions || m.DeleteMarkers != r.DeleteMarkers || m.Latest != 1 || !m.Complete {
			t.Errorf("read back: %+v", m)
		}
		if err := ws.RemoveSnapshot(m.ID); err != nil {
			t.Fatal(err)
		}
		if err := ws.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestInventoryThatCannotBeWritten: what was listed for it is removed all the same.
func TestInventoryThatCannotBeWritten(t *testing.T) {
	w := lab(t)
	x := WriteInventory{Bucket: "lab", Config: "daily", Format: s3report.CSV, To: "s3://nowhere/"}
	if _, err := x.Run(t.Context(), w.Env); err == nil {
		t.Fatal("there is no such bucket")
	}
	entries, err := os.ReadDir(w.Workspace + "/snapshot")
	if len(entries) > 0 || err != nil {
		t.Errorf("left behind: %v (%v)", entries, err)
	}
}

// TestBucketReport: the snapshots are read, the bucket is asked for its uploads, and the
// workspace for what else it has.
func TestBucketReport(t *testing.T) {
	w := lab(t)
	then := snapshotOf(t, w, "lab")
	w.store.Put("lab", "images/d", []byte("fourth"), mem.PutOptions{})
	w.store.CreateBucket("other", "")
	snapshotOf(t, w, "other")
	now := snapshotOf(t, w, "lab")

	r := reportOn(t, w, BucketReport{Newest: true, Compare: then, Depth: -1, Duplicates: true})
	if r.Snapshot.ID != now || r.Total.Current.Count != 2 || r.Total.Noncurrent.Count != 2 || r.Total.DeleteMarkers != 1 {
		t.Errorf("%+v", r.Total)
	}
	if r.Compare == nil || r.Compare.Added.Count != 1 || r.Compare.With.ID != then || r.Duplicates == nil {
		t.Errorf("compared: %+v", r.Compare)
	}
	if u := r.Uploads; !u.Seen || u.Count != 1 || u.Sized != 1 || u.Bytes != 10 || u.Why != "" {
		t.Errorf("uploads: %+v", u)
	}
	if len(r.Growth) != 2 || !strings.Contains(strings.Join(r.Notes, "\n"), "snapshots of other buckets, too") {
		t.Errorf("growth %+v, notes %q", r.Growth, r.Notes)
	}

	r = reportOn(t, w, BucketReport{Snapshot: then, Prefix: "images/", Offline: true})
	if r.Snapshot.ID != then || r.Total.Current.Count != 1 || r.Compare != nil || r.Uploads.Seen || !strings.Contains(r.Uploads.Why, "--offline") || strings.Contains(strings.Join(r.Notes, "\n"), "other buckets") {
		t.Errorf("%+v, %+v, %q", r.Total, r.Uploads, r.Notes)
	}

	w.store.Deny("lab", "images/c")
	if u := reportOn(t, w, BucketReport{Snapshot: now}).Uploads; u.Count != 1 || u.Sized != 0 || !strings.Contains(u.Why, "s3:ListMultipartUploadParts") {
		t.Errorf("uploads that may not be looked at: %+v", u)
	}
}

// TestReportThatFails: what the bucket is asked meanwhile has ended with it.
func TestReportThatFails(t *testing.T) {
	w := lab(t)
	id := snapshotOf(t, w, "lab")
	mute := &muteStores{}
	w.Stores = mute
	if _, err := (&BucketReport{Snapshot: id, Prefix: "nothing/"}).Run(t.Context(), w.Env); cooper.KindOf(err) != cooper.KindUsage {
		t.Errorf("below a prefix that is not there: %v", err)
	}
	if !errors.Is(mute.ended, context.Canceled) {
		t.Errorf("the asking ended with: %v", mute.ended)
	}
}

// muteStores never answer.
type muteStores struct{ ended error }

func (m *muteStores) Open(ctx context.Context, _ *Env, _ string, _ int) (Bucket, error) {
	<-ctx.Done()
	m.ended = ctx.Err()
	return nil, m.ended
}

func reportOn(t *testing.T, w *world, x BucketReport) *report.Report {
	t.Helper()
	r, err := x.Run(t.Context(), w.Env)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func snapshotOf(t *testing.T, w *world, bucket string) (id string) {
	t.Helper()
	m, err := TakeSnapshot(t.Context(), w.Env, bucket, Source{List: true}, "")
	if err != nil {
		t.Fatal(err)
	}
	return m.ID
}
