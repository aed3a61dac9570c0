package job

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"

	"cooper"
	"cooper/internal/backup"
	"cooper/internal/tree/rebuild"
)

// word is what a job is told of consent before it asks.
type word struct {
	planOnly, yes bool
	confirm       string
	share         float64 // that passes unasked; 1: all
}

// asking are the jobs that need a person's word: each makes a world in which there is
// something to do, and gives what does it.
var asking = map[string]func(t *testing.T) (*world, func(word) error){
	"purge": func(t *testing.T) (*world, func(word) error) {
		w := emptyLab(t, "Enabled")
		w.put("1", "old/a", "old/b", "new/c")
		return w, func(x word) error {
			p := w.purge()
			p.PlanOnly, p.Yes, p.Confirm, p.Policy.ShareLimit = x.planOnly, x.yes, x.confirm, x.share
			_, err := p.Run(t.Context(), w.Env)
			return err
		}
	},
	"purge-uploads": func(t *testing.T) (*world, func(word) error) {
		w := unfinishedLab(t)
		return w, func(x word) error {
			p := w.purgeUploads()
			p.PlanOnly, p.Yes, p.Confirm, p.Policy.ShareLimit = x.planOnly, x.yes, x.confirm, x.share
			_, err := p.Run(t.Context(), w.Env)
			return err
		}
	},
	"compress": func(t *testing.T) (*world, func(word) error) {
		w := compressible(t)
		return w, func(x word) error {
			c := w.compress()
			c.PlanOnly, c.Yes = x.planOnly, x.yes
			_, err := c.Run(t.Context(), w.Env)
			return err
		}
	},
	"prune": func(t *testing.T) (*world, func(word) error) {
		w := prunable(t)
		return w, func(x word) error {
			p := w.prune()
			p.PlanOnly, p.Yes, p.Confirm, p.What.Policy.ShareLimit = x.planOnly, x.yes, x.confirm, x.share
			_, err := p.Run(t.Context(), w.Env)
			return err
		}
	},
	"forget": func(t *testing.T) (*world, func(word) error) {
		w, _ := backedUp(t)
		return w, func(x word) error {
			if x.planOnly { // there is no such flag
				return nil
			}
			f := &Forget{Dir: w.path("tree"), Snapshot: "latest", Yes: x.yes, Show: func(*backup.Forgotten) error { return nil }}
			_, err := f.Run(t.Context(), w.Env)
			return err
		}
	},
	"rebuild": func(t *testing.T) (*world, func(word) error) {
		w, _ := backedUp(t)
		w.ok(os.RemoveAll(w.path("tree/.cooper/catalog")))
		return w, func(x word) error {
			b := &Rebuild{Dir: w.path("tree"), PlanOnly: x.planOnly, Yes: x.yes, Foreign: func(string) error { return nil }, Show: func(*rebuild.Result, bool) error { return nil }}
			_, err := b.Run(t.Context(), w.Env)
			return err
		}
	},
}

// broken is somebody who is interrupted while they are asked.
type broken struct{ *world }

func (broken) Ask(context.Context, string) (yes, there bool, err error) {
	return true, true, context.Canceled
}

// all is what there is to lose.
func (w *world) all() []string {
	got := append(w.files("tree/mirror"), w.files("tree/history")...)
	for _, v := range w.store.Versions("lab") {
		got = append(got, fmt.Sprint(v.Key, v.VersionID, v.DeleteMarker))
	}
	for _, name := range []string{"CURRENT.json", "CURRENT.second.json"} {
		b, err := os.ReadFile(w.path("tree/.cooper/catalog/" + name))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			w.t.Fatal(err)
		}
		got = append(got, string(b))
	}
	return append(got, w.unfinished()...)
}

// TestNothingWithoutAWord: whatever else is said, nothing goes, or is written over, without
// a person's yes or the flag that stands for it; and both do.
func TestNothingWithoutAWord(t *testing.T) {
	yes, no := func(string) bool { return true }, func(string) bool { return false }
	for name, newJob := range asking {
		t.Run(name, func(t *testing.T) {
			w, run := newJob(t)
			before := w.all()
			for _, c := range []struct {
				word
				answer func(string) bool
				err    bool // interrupted while they are asked
				kind   cooper.Kind
			}{
				{word: word{planOnly: true, share: 1}},
				{word: word{planOnly: true, share: 1}, answer: yes},
				{word: word{planOnly: true, yes: true, share: 1}, answer: yes},
				{word: word{share: 1}, kind: cooper.KindRefused},
				{word: word{share: 1}, answer: no},
				{word: word{share: 1}, err: true, kind: cooper.KindInterrupted},
				// A yes is no word for what the share stop holds back, nor is another digest.
				{word: word{share: 0.01}, answer: yes, kind: cooper.KindRefused},
				{word: word{yes: true, share: 0.01}, answer: yes, kind: cooper.KindRefused},
				{word: word{yes: true, share: 1, confirm: "00000000"}, answer: yes, kind: cooper.KindRefused},
			} {
				if (c.share != 1 || c.confirm != "") && name != "purge" && name != "purge-uploads" && name != "prune" {
					continue
				}
				if w.answer, w.Listener = c.answer, w; c.err {
					w.Listener = broken{w}
				}
				if err := run(c.word); cooper.KindOf(err) != c.kind && !(err == nil && c.kind == "") {
					t.Errorf("%+v: %v; wanted %q", c.word, err, c.kind)
				}
				w.same(fmt.Sprintf("after %+v", c.word), w.all(), before...)
			}
			w.Listener, w.answer = w, yes
			w.ok(run(word{share: 1}))
			w.changed("a yes", before)

			w, run = newJob(t)
			before = w.all()
			w.ok(run(word{yes: true, share: 1}))
			w.changed("the flag", before)
		})
	}
}

// changed wants something else to be there than before.
func (w *world) changed(by string, before []string) {
	w.t.Helper()
	if fmt.Sprint(w.all()) == fmt.Sprint(before) {
		w.t.Errorf("by %s nothing was done", by)
	}
}
