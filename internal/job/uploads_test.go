package job

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"cooper"
	"cooper/internal/bucketop"
	"cooper/internal/journal"
	"cooper/internal/store"
	"cooper/internal/store/mem"
	"cooper/internal/uploads"
)

// dated opens buckets whose store tells the time as the world has it.
type dated struct {
	Stores
	w     *world
	ahead time.Duration
	odd   func(b Bucket) Bucket // nil: as it is
}

type datedBucket struct {
	Bucket
	at    func() time.Time
	ahead time.Duration
}

func (b datedBucket) Date() (time.Time, time.Duration, bool) { return b.at(), b.ahead, true }

func (d dated) Open(ctx context.Context, e *Env, bucket string, concurrency int) (Bucket, error) {
	b, err := d.Stores.Open(ctx, e, bucket, concurrency)
	if err == nil && d.odd != nil {
		b = d.odd(b)
	}
	return datedBucket{b, d.w.clock, d.ahead}, err
}

// unfinishedLab is a world with unfinished uploads: old ones, one that is protected, and
// a new one.
func unfinishedLab(t *testing.T) *world {
	t.Helper()
	w := emptyLab(t, "")
	w.Stores = dated{Stores: w.Stores, w: w}
	long := mem.PutOptions{LastModified: w.clock().AddDate(0, -3, 0)}
	w.store.BeginUpload("lab", "old/a", long, []byte("one"), []byte("two"))
	w.store.BeginUpload("lab", "old/a", long)
	w.store.BeginUpload("lab", "old/b", long, []byte("x"))
	w.store.BeginUpload("lab", "old/keep/c", long, []byte("x"))
	w.store.BeginUpload("lab", "new", mem.PutOptions{LastModified: w.clock()}, []byte("x"))
	return w
}

func (w *world) purgeUploads() *PurgeUploads {
	return &PurgeUploads{Bucket: "lab", Options: Options{Jobs: 4},
		Policy: uploads.Policy{OlderThan: (30 * 24 * time.Hour).Seconds(), ShareLimit: 1, Protect: bucketop.Protection{"*/keep/"}}}
}

// unfinished are the keys of the uploads that are.
func (w *world) unfinished() (keys []string) {
	w.t.Helper()
	b, err := w.Stores.Open(context.Background(), w.Env, "lab", 1)
	w.ok(err)
	defer b.Close()
	if err := b.Uploads(context.Background(), "", func(us []store.Upload) error {
		for _, u := range us {
			keys = append(keys, u.Key)
		}
		return nil
	}); cooper.KindOf(err) != cooper.KindMissing { // the bucket
		w.ok(err)
	}
	slices.Sort(keys)
	return keys
}

func TestPurgeUploads(t *testing.T) {
	w := unfinishedLab(t)
	p := w.purgeUploads()
	p.Yes = true
	r, err := p.Run(t.Context(), w.Env)
	w.went(r, err, uploads.Mission)
	w.same("unfinished", w.unfinished(), "new", "old/keep/c")
	u := r.Uploads
	if u == nil || u.All.Count != 5 || u.All.Bytes != 9 || u.Abort.Count != 3 || u.Abort.Bytes != 7 || u.Abort.Cost <= 0 || u.All.Why != "" {
		t.Errorf("%+v", u)
	}
	if !w.heard("unfinished: 5 uploads, 9 B") {
		t.Errorf("%q", w.told)
	}
	w.same("facts", w.rows("SELECT concat_ws(' ', key, size, status, version_id IS NOT NULL, last_modified < now()) FROM outcome WHERE verb = 'abort' ORDER BY key, size"),
		"old/a 0 done true true", "old/a 6 done true true", "old/b 1 done true true")
	r, err = p.Run(t.Context(), w.Env)
	w.ok(err)
	if r.Nothing == "" || r.Applied != nil {
		t.Errorf("with nothing left: %+v", r)
	}
}

// TestPurgeUploadsConfirmed: what the share stop holds back is carried out by its digest,
// and the same decision has it again.
func TestPurgeUploadsConfirmed(t *testing.T) {
	w := unfinishedLab(t)
	p := w.purgeUploads()
	p.Policy.ShareLimit, p.Yes = 0.1, true
	r, err := p.Run(t.Context(), w.Env)
	w.refused(err, cooper.KindRefused)
	if !strings.Contains(err.Error(), "3 of 5 uploads") {
		t.Error(err)
	}
	again, err := p.Run(t.Context(), w.Env)
	if again.Plan.Decision != r.Plan.Decision || err == nil {
		t.Errorf("%v: %s and %s", err, again.Plan.Decision, r.Plan.Decision)
	}
	p.Yes, p.Confirm = false, r.Plan.Decision[:12]
	r, err = p.Run(t.Context(), w.Env)
	w.went(r, err, uploads.Mission)
	w.same("unfinished", w.unfinished(), "new", "old/keep/c")
}

// sulky are buckets that do not tell everything.
type sulky struct {
	Bucket
	uploads, parts error
}

func (b sulky) Uploads(ctx context.Context, prefix string, f func([]store.Upload) error) error {
	if b.uploads != nil {
		return b.uploads
	}
	return b.Bucket.Uploads(ctx, prefix, f)
}

func (b sulky) Uploaded(ctx context.Context, u store.Upload) (store.Uploaded, error) {
	if b.parts != nil {
		return store.Uploaded{}, b.parts
	}
	return b.Bucket.Uploaded(ctx, u)
}

// TestUploadsThatCannotBeTold: a listing that fails makes no plan and is no "none"; parts
// that cannot be told keep their uploads.
func TestUploadsThatCannotBeTold(t *testing.T) {
	not := &cooper.Error{Kind: cooper.KindStore, Message: "the store answered 501 NotImplemented"}
	w := unfinishedLab(t)
	plain := w.Stores.(dated)
	odd := plain
	odd.odd = func(b Bucket) Bucket { return sulky{b, not, nil} }
	w.Stores = odd
	r, err := w.purgeUploads().Run(t.Context(), w.Env)
	w.refused(err, cooper.KindStore)
	if r.Plan != nil || r.Nothing != "" || !strings.Contains(err.Error(), "cannot be told") {
		t.Errorf("%+v, %v", r, err)
	}
	odd.odd = func(b Bucket) Bucket { return sulky{b, nil, not} }
	w.Stores = odd
	p := w.purgeUploads()
	p.Yes = true
	r, err = p.Run(t.Context(), w.Env)
	w.ok(err)
	if r.Nothing == "" || r.Uploads.All.Why == "" || r.Uploads.All.Sized != 0 || r.Plan.Skipped[uploads.SkippedUntold].Count != 3 {
		t.Errorf("%+v", r)
	}
	odd.odd, odd.ahead = nil, -30*time.Hour
	w.Stores = odd
	_, err = p.Run(t.Context(), w.Env)
	w.refused(err, cooper.KindRefused)
	odd.ahead = 2 * time.Hour
	w.Stores = odd
	_, err = p.Run(t.Context(), w.Env)
	w.ok(err)
	if !w.heard("2h 00m ahead of the store's") {
		t.Errorf("%q", w.told)
	}
	w.Stores = plain
	w.same("unfinished", w.unfinished(), "new", "old/keep/c")
}

// TestUploadsOfOurs: what a run has noted is left, and told.
func TestUploadsOfOurs(t *testing.T) {
	w := unfinishedLab(t)
	ws, err := w.OpenWorkspace()
	w.ok(err)
	defer ws.Close()
	unlock, err := ws.LockTarget("lab", "r-0", "a test")
	w.ok(err)
	w.ok(unlock())
	b, err := w.Stores.Open(t.Context(), w.Env, "lab", 1)
	w.ok(err)
	defer b.Close()
	j, err := journal.At(ws.TargetDir("lab")).Open("p-0", "s3://lab/")
	w.ok(err)
	w.ok(b.Uploads(t.Context(), "", func(us []store.Upload) error {
		for _, u := range us {
			if u.Key == "old/b" {
				return j.NoteUpload(journal.Upload{Key: u.Key, UploadID: u.UploadID})
			}
		}
		return fmt.Errorf("there is none")
	}))
	p := w.purgeUploads()
	p.Yes = true
	r, err := p.Run(t.Context(), w.Env)
	w.went(r, err, uploads.Mission)
	w.same("unfinished", w.unfinished(), "new", "old/b", "old/keep/c")
}
