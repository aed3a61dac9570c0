package abort

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"cooper"
	"cooper/internal/bucketop"
	"cooper/internal/bucketop/bucketoptest"
	"cooper/internal/journal"
	"cooper/internal/permit"
	"cooper/internal/store"
	"cooper/internal/store/mem"
)

// TestOddStores: what a store does otherwise than S3 costs an abort, and never a word
// that is not so.
func TestOddStores(t *testing.T) {
	hidden := errors.New("not this one")
	for _, c := range []struct {
		name string
		odd  func(w *world, us []store.Upload)
		want string      // statuses, or kinds of failures
		kind cooper.Kind // how the run ends
		left int         // of two
	}{
		{"as it should", func(*world, []store.Upload) {}, "done done", "", 0},
		{"it says that it has aborted, and has not", func(w *world, _ []store.Upload) {
			w.bucket.abort = func(store.Upload) error { return nil }
		}, "store store", "", 2},
		{"it answers 400, and has", func(w *world, _ []store.Upload) {
			w.bucket.abort = func(u store.Upload) error {
				w.send("DELETE", u.Key, "uploadId="+u.UploadID, "")
				return &cooper.Error{Kind: cooper.KindStore, Message: "400"}
			}
		}, "done done", "", 0},
		{"it answers 400, and has not", func(w *world, _ []store.Upload) {
			w.bucket.abort = func(store.Upload) error { return &cooper.Error{Kind: cooper.KindStore, Message: "400"} }
		}, "store store", "", 2},
		{"a listing loses some", func(w *world, us []store.Upload) { w.hide(us[0]) }, "conflict done", "", 1},
		{"a listing loses what it has not aborted", func(w *world, us []store.Upload) {
			w.bucket.abort = func(store.Upload) error { w.hide(us...); return nil }
		}, "store store", "", 2},
		{"a listing shows nothing", func(w *world, _ []store.Upload) {
			w.bucket.uploads = func(context.Context, func([]store.Upload) error) error { return nil }
		}, "", cooper.KindRefused, 2},
		{"a listing fails", func(w *world, _ []store.Upload) {
			w.bucket.uploads = func(context.Context, func([]store.Upload) error) error {
				return &cooper.Error{Kind: cooper.KindStore, Message: "501"}
			}
		}, "", cooper.KindStore, 2},
		{"the listing behind fails", func(w *world, _ []store.Upload) {
			n := 0
			w.bucket.uploads = func(ctx context.Context, page func([]store.Upload) error) error {
				if n++; n > 2 {
					return &cooper.Error{Kind: cooper.KindStore, Message: "501"}
				}
				return w.bucket.Bucket.Uploads(ctx, "", page)
			}
		}, "", cooper.KindStore, 0},
		{"all are dated alike", func(w *world, _ []store.Upload) {
			w.bucket.uploads = func(ctx context.Context, page func([]store.Upload) error) error {
				return w.bucket.Bucket.Uploads(ctx, "", func(us []store.Upload) error {
					for i := range us {
						us[i].Initiated = cooper.InstantOf(time.Date(2010, 11, 10, 20, 48, 33, 0, time.UTC))
					}
					return page(us)
				})
			}
		}, "", cooper.KindRefused, 2},
		{"parts cannot be told", func(w *world, us []store.Upload) {
			w.bucket.uploaded = func(store.Upload) (store.Uploaded, error) {
				return store.Uploaded{}, &cooper.Error{Kind: cooper.KindStore, Message: "501"}
			}
		}, "store store", "", 2},
		{"parts are not dated", func(w *world, us []store.Upload) {
			w.bucket.uploaded = func(u store.Upload) (store.Uploaded, error) { return store.Uploaded{Parts: 1, Bytes: 1}, nil }
		}, "changed changed", "", 2},
		{"no clock", func(w *world, _ []store.Upload) { w.bucket.mute = true }, "", cooper.KindRefused, 2},
		{"two clocks", func(w *world, _ []store.Upload) { w.bucket.ahead = 25 * time.Hour }, "", cooper.KindRefused, 2},
		{"a stop", func(w *world, _ []store.Upload) {
			w.bucket.abort = func(store.Upload) error { return &cooper.Error{Kind: cooper.KindInterrupted, Err: hidden} }
		}, "", cooper.KindInterrupted, 2},
	} {
		w := newWorld(t, mem.Options{})
		us := []store.Upload{w.begin("p/a", long, "1"), w.begin("p/b", long, "1")}
		actions := w.actions()
		c.odd(w, us)
		outs, err := w.commit(context.Background(), w.target(t.TempDir()), actions)
		if cooper.KindOf(err) != c.kind && !(err == nil && c.kind == "") {
			t.Errorf("%s: %v, want %q", c.name, err, c.kind)
		}
		if got := bucketoptest.Statuses(outs); got != c.want {
			t.Errorf("%s: %s, want %s: %+v", c.name, got, c.want, outs)
		}
		if left := w.there(); len(left) != c.left {
			t.Errorf("%s: left are %v, want %d", c.name, left, c.left)
		}
	}
}

// hide keeps uploads out of listings.
func (w *world) hide(us ...store.Upload) {
	w.bucket.uploads = func(ctx context.Context, page func([]store.Upload) error) error {
		return w.bucket.Bucket.Uploads(ctx, "", func(all []store.Upload) error {
			shown := all[:0]
			for _, u := range all {
				hidden := false
				for _, x := range us {
					hidden = hidden || u.Key == x.Key && u.UploadID == x.UploadID
				}
				if !hidden {
					shown = append(shown, u)
				}
			}
			return page(shown)
		})
	}
}

// TestOurs: what a journal of the bucket has noted is left.
func TestOurs(t *testing.T) {
	w := newWorld(t, mem.Options{})
	u := w.begin("p/a", long, "1")
	w.begin("p/b", long, "1")
	dir := t.TempDir()
	p, err := journal.At(dir).Open("p-0", target)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.NoteUpload(journal.Upload{Key: u.Key, UploadID: u.UploadID}); err != nil {
		t.Fatal(err)
	}
	outs, err := w.commit(context.Background(), w.target(dir), w.actions())
	if got := bucketoptest.Statuses(outs); err != nil || got != "conflict done" {
		t.Errorf("%s, %v", got, err)
	}
	noted := 0
	if err := journal.At(dir).Noted(func(journal.Upload) { noted++ }); err != nil || noted != 1 {
		t.Errorf("%d are noted, %v", noted, err)
	}
}

// TestTwice: an upload that the plan has twice is aborted once, and both are told.
func TestTwice(t *testing.T) {
	w := newWorld(t, mem.Options{})
	w.begin("p/a", long)
	as := w.actions()
	as = append(as, as[0])
	as[1].ID = 1
	tg := w.target(t.TempDir())
	outs, err := w.commit(context.Background(), tg, as)
	if got := bucketoptest.Statuses(outs); err != nil || got != "done done" || tg.Absent() != 0 {
		t.Errorf("%s, %d, %v", got, tg.Absent(), err)
	}
}

// TestOtherPlans: what does not belong here is not carried out.
func TestOtherPlans(t *testing.T) {
	w := newWorld(t, mem.Options{})
	w.begin("p/a", long)
	for name, change := range map[string]func(a *cooper.Action){
		"another verb":    func(a *cooper.Action) { a.Verb = bucketop.Remove },
		"another prefix":  func(a *cooper.Action) { a.Version.Key = "q" },
		"no id":           func(a *cooper.Action) { a.Version.VersionID = "" },
		"an argument":     func(a *cooper.Action) { a.Args = map[string]string{"x": "y"} },
		"a sibling's key": func(a *cooper.Action) { a.Version.Key = "px" },
	} {
		as := w.actions()
		change(&as[0])
		if _, err := w.commit(context.Background(), w.target(t.TempDir()), as); cooper.KindOf(err) != cooper.KindInvalid {
			t.Errorf("%s: %v", name, err)
		}
	}
	h := header()
	h.Target.Path = "s3://lab/"
	if err := w.target(t.TempDir()).Check(h); cooper.KindOf(err) != cooper.KindRefused {
		t.Error(err)
	}
}

// TestProbe: what a probe leaves that a crash has ended is swept by a later one, and not
// that of one that may be under way.
func TestProbe(t *testing.T) {
	w := newWorld(t, mem.Options{})
	w.begin("p/.cooper-probe-r-7-uploads", long)
	w.begin("p/.cooper-probe-r-8-uploads", w.Now().Add(-time.Hour))
	w.begin("p/.cooper-probe-r-9-parts", long)
	if err := w.target(t.TempDir()).Begin(context.Background(), permit.Issue("r-1"), header()); err != nil {
		t.Fatal(err)
	}
	var keys []string
	for n := range w.there() {
		keys = append(keys, n.key)
	}
	if got := fmt.Sprint(keys); len(keys) != 2 || strings.Contains(got, "r-7") {
		t.Error(got)
	}
	// Where nothing may be uploaded, it goes on, and says so.
	w.Server.Deny("lab", "p/.cooper")
	var told []string
	tg := w.target(t.TempDir())
	tg.opt.Warn = func(m string) { told = append(told, m) }
	if err := tg.Begin(context.Background(), permit.Issue("r-2"), header()); err != nil || len(told) != 1 {
		t.Errorf("%v, %v", told, err)
	}
}
