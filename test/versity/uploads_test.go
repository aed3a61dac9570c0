package versity_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"cooper"
	"cooper/internal/apply"
	"cooper/internal/bucketop"
	"cooper/internal/bucketop/bucketoptest"
	"cooper/internal/journal"
	"cooper/internal/permit"
	"cooper/internal/plan"
	"cooper/internal/store"
	"cooper/internal/store/s3"
	"cooper/internal/store/storetest"
	"cooper/internal/verb/abort"
	"cooper/test/versity"
)

// later is a bucket whose store tells a time that is still to come, and dates what it
// lists by it, but for what is to be young.
type later struct {
	*s3.Bucket
	by    time.Duration
	young func(u *store.Upload) bool
}

func (l later) Date() (time.Time, time.Duration, bool) {
	at, _, ok := l.Bucket.Date()
	return at.Add(l.by), 0, ok
}

func (l later) Uploads(ctx context.Context, prefix string, page func([]store.Upload) error) error {
	return l.Bucket.Uploads(ctx, prefix, func(us []store.Upload) error {
		for i := range us {
			if l.young(&us[i]) {
				us[i].Initiated += cooper.Instant(l.by.Milliseconds())
			}
		}
		return page(us)
	})
}

// TestAbortOverVersity aborts uploads on a real server, several of a key. (Versitygw 1.8.0
// answers 400 to the second page: of more than 1,000 it cannot be told which there are.)
func TestAbortOverVersity(t *testing.T) {
	endpoint := versity.Start(t)
	credentials(t)
	seed := storetest.NewClient(endpoint, versity.AccessKey, versity.SecretKey, "bucket")
	seed.CreateBucket(t)
	raw, err := s3.Open(t.Context(), "bucket", s3.Config{Endpoint: endpoint})
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	fresh := seed.BeginUpload(t, "k/001", []byte("young"))
	b := later{raw, 40 * 24 * time.Hour, func(u *store.Upload) bool { return u.UploadID == fresh || store.IsProbe(u.Key) }}
	for i := range 300 {
		seed.BeginUpload(t, fmt.Sprintf("k/%03d", i%150), nil...)
	}
	seed.BeginUpload(t, "k/b +%41&ü", []byte("one"), []byte("two"))
	var actions []cooper.Action
	seen := map[string]bool{}
	if err := b.Uploads(t.Context(), "", func(us []store.Upload) error {
		for _, u := range us {
			if seen[u.UploadID] || u.UploadID == fresh {
				continue
			}
			seen[u.UploadID] = true
			is, err := b.Uploaded(t.Context(), u)
			if err != nil {
				return err
			}
			actions = append(actions, cooper.Action{ID: int64(len(actions)), Verb: bucketop.Abort, Args: bucketop.AbortArgs{Parts: is.Parts}.Encode(),
				Version: cooper.Version{Identity: cooper.Identity{Key: u.Key, VersionID: u.UploadID, Size: is.Bytes, LastModified: u.Initiated}}})
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d uploads of 301 are listed", len(actions))
	const target = "s3://bucket/k/"
	tg := abort.New(b, abort.Options{Journal: journal.At(t.TempDir()), Path: target, Prefix: "k/", OlderThan: 30 * 24 * time.Hour, Clock: time.Now, Store: cooper.Store{Endpoint: endpoint}})
	h := plan.Header{ID: "p-1", Target: plan.Target{Kind: bucketop.TargetKind, Path: target}, Phases: []plan.Phase{{Name: bucketop.Abort, Shards: 1}}}
	p := permit.Issue("r-1")
	if err := tg.Begin(t.Context(), p, h); err != nil {
		t.Fatal(err)
	}
	outs := make([]cooper.Outcome, len(actions))
	for i := range outs {
		outs[i].Status = cooper.Done
	}
	outs, err = tg.Commit(t.Context(), p, apply.Shard{Plan: "p-1"}, slices.Clone(actions), outs)
	if err != nil {
		t.Fatal(err)
	}
	for i := range outs {
		_, err := raw.Uploaded(t.Context(), store.Upload{Key: actions[i].Version.Key, UploadID: actions[i].Version.VersionID})
		if gone := cooper.KindOf(err) == cooper.KindMissing; gone != (outs[i].Status == cooper.Done) {
			t.Errorf("%s: %s %s, and: %v", actions[i].Version.Key, bucketoptest.Statuses(outs[i:i+1]), outs[i].Message, err)
		}
	}
	if n := len(actions); n != 301 {
		t.Errorf("%d were listed", n)
	}
	if _, err := raw.Uploaded(t.Context(), store.Upload{Key: "k/001", UploadID: fresh}); err != nil {
		t.Errorf("the young one: %v", err)
	}
}
