package years

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"cooper"
	"cooper/internal/gcstate"
	"cooper/internal/gcstate/sqlite"
	"cooper/internal/job"
	"cooper/internal/query"
)

// record is what the state has of a file.
type record struct {
	status string
	since  cooper.Instant
	reason string
}

// coming are the files that a run is asked to bring back, and those beside them.
func (w *world) coming() map[int64]bool {
	some := map[int64]bool{}
	for id := range w.wanted {
		for _, f := range w.p.of(w.p.files[id].key) {
			some[f.id] = true
		}
	}
	return some
}

// check wants every file that is linked, held, or said to be there, to be read in its place; of all, or of some.
func (w *world) check(moment string, some ...int64) {
	linked := w.p.linked()
	var statuses map[int64]string
	if len(some) == 0 {
		some = slices.Sorted(maps.Keys(w.p.files))
	}
	for _, id := range some {
		f := w.p.files[id]
		if f == nil {
			continue
		}
		if w.readable(f) {
			delete(w.stranded, id)
			continue
		}
		if w.stranded[id] {
			continue
		}
		if statuses == nil {
			statuses = w.p.statuses(some...)
		}
		switch s := statuses[id]; {
		case linked[id]:
			w.fault(f, "is linked, %s in the column, and cannot be read: %s; %s", s, moment, w.where(f))
		case w.p.holds[id]:
			w.fault(f, "is held, %s in the column, and cannot be read: %s; %s", s, moment, w.where(f))
		case s == string(gcstate.Available), s == string(gcstate.Unlinked):
			w.fault(f, "is %s in the column, and cannot be read: %s; %s", s, moment, w.where(f))
		}
	}
}

// where says what there is under the key of a file.
func (w *world) where(f *file) string {
	text := fmt.Sprintf("%d bytes, %.12q, belong to it", len(f.body), f.body)
	for _, b := range []string{lab, depot} {
		for _, v := range w.store.Versions(b) {
			if key := strings.TrimPrefix(v.Key, lab+"/"); key == f.key || key == f.key+".zst" {
				body, _ := w.store.Body(b, v.Key, v.VersionID)
				text += fmt.Sprintf("; %s/%s has %d, %.12q, of %s", b, v.Key, len(body), body, v.LastModified)
			}
		}
	}
	return text
}

// state reads what Cooper keeps.
func (w *world) state() map[int64]record {
	ctx := context.Background()
	all := map[int64]record{}
	s, err := sqlite.Open(ctx, filepath.Join(w.env.Workspace, "gc", "state.db"), sqlite.Options{NewID: func() string { return "g-none" }})
	w.must(err)
	defer func() { w.must(s.Close()) }()
	info, err := s.Info(ctx)
	w.must(err)
	for scope := range info.Records {
		w.scope = scope
		w.must(s.Walk(ctx, scope, nil, func(r *gcstate.Record) error {
			id, err := strconv.ParseInt(r.ID, 10, 64)
			all[id] = record{string(r.Status), r.Since, r.Reason}
			return err
		}))
	}
	return all
}

// least is for how long what goes must have been UNLINKED: 30 days, less what clocks were wrong by.
const least = 26 * 24 * time.Hour

// archived wants what has gone since to have been UNLINKED for long enough, and neither kept nor asked for.
func (w *world) archived() {
	now := w.state()
	for id, r := range now {
		f, was := w.p.files[id], w.records[id]
		if f == nil || was == r {
			continue
		}
		if r.status == string(gcstate.Archiving) || r.status == string(gcstate.Archived) {
			if was.status == string(gcstate.Available) || was.status == "" || was.status == string(gcstate.Unlinked) && w.instant()-was.since < cooper.Instant(least/time.Millisecond) {
				w.fault(f, "was %s since %s, and is %s", was.status, was.since, r.status)
			}
		}
		if r.status != string(gcstate.Archived) {
			continue
		}
		w.archives++
		w.did(id, "ARCHIVED: %s", r.reason)
		if w.records[id].status == string(gcstate.Restoring) {
			continue // it could not come back
		}
		if w.inPlace(f) == nil && !w.inArchive(f) {
			w.fault(f, "is in the archive, which does not have its bytes: %s", w.where(f))
		}
		if w.kept[id] {
			w.fault(f, "was kept by hand, and is in the archive")
		}
		if at := w.asked[id]; at > w.scanned {
			w.fault(f, "was asked for at %s, after the newest scan began at %s, and is in the archive", at, w.scanned)
		}
	}
	w.records = now
}

// agree wants the column and the state to say the same, after a run that went well at the latest the next.
func (w *world) agree() {
	now, statuses := w.state(), w.p.statuses()
	for id, f := range w.p.files {
		ours := now[id].status
		if w.same(ours, statuses[id]) {
			delete(w.loose, id)
			delete(w.apart, id)
			continue
		}
		if w.loose[id] {
			continue
		}
		if w.apart[id]++; w.apart[id] > 2 {
			w.fault(f, "is %s by the state since %s (%s), and %s in the column, after %d runs", ours, now[id].since, now[id].reason, statuses[id], w.apart[id])
		}
	}
}

// said looks at what a detection tells, once an old database was put back: which files in the archive are linked.
func (w *world) said(d *job.GCDetected) {
	if len(w.stranded) == 0 {
		return
	}
	told := map[int64]bool{}
	err := (&job.GCList{Config: w.yaml, Name: "relinked"}).Run(context.Background(), w.env, func([]string) {}, func(row []string) error {
		id, err := strconv.ParseInt(row[0], 10, 64)
		told[id] = true
		return err
	})
	if err != nil {
		w.failures["list: "+short(err)]++
		return
	}
	for id := range told {
		if w.stranded[id] {
			w.wanted[id] = true
			w.did(id, "told to be linked, and in the archive")
		}
	}
}

// told wants each change of a status to have been told once, from what it was before.
func (w *world) told() {
	last := map[int64]string{}
	seen := map[string]bool{}
	err := job.Ask(context.Background(), w.env, job.Question{}, func(db query.Engine) error {
		return query.Each(context.Background(), db, "SELECT transition, id, from_status, to_status FROM gc_transition ORDER BY since, transition", nil, func(row []any) error {
			id, err := strconv.ParseInt(fmt.Sprint(row[1]), 10, 64)
			if err != nil {
				return err
			}
			f := w.p.files[id]
			if f == nil {
				f = &file{id: id, tenant: -1}
			}
			transition, from, to := fmt.Sprint(row[0]), fmt.Sprint(row[2]), fmt.Sprint(row[3])
			if seen[transition] {
				w.fault(f, "has been told of twice: %s", transition)
			}
			seen[transition] = true
			was := last[id]
			if was == "" {
				was = string(gcstate.Available)
			}
			if was != from {
				w.fault(f, "was told to become %s from %s, and was %s before", to, from, was)
			}
			last[id] = to
			return nil
		})
	})
	w.must(err)
	for id, r := range w.state() {
		if last[id] != r.status {
			f := w.p.files[id]
			if f == nil {
				f = &file{id: id, tenant: -1}
			}
			w.fault(f, "is %s, and was told to be %s last", r.status, last[id])
		}
	}
}

// rest is a quarter of a year in which nothing happens: what was without a link is in the archive, and then all comes back.
func (w *world) rest() {
	w.say("at rest")
	w.calm, w.ours, w.owners, w.stores = true, 0, 0, 0
	w.p.within(w.p.mend)
	if w.p.pins && !w.declared {
		w.declare(true)
	}
	for id := range maps.Clone(w.kept) {
		w.must(w.release(id))
	}
	wait := func(d time.Duration) {
		w.later(d)
		w.day += int(d / (24 * time.Hour))
	}
	wait(24 * time.Hour)
	w.believes()
	for _, d := range []int{20, 1, 1, 1, 32, 1, 1, 1} {
		wait(time.Duration(d) * 25 * time.Hour)
		if !w.cycle(true) && d == 1 && len(w.faults) == 0 {
			w.failures["at rest"]++
		}
		w.thaws()
		w.restores()
	}
	linked, now, statuses := w.p.linked(), w.state(), w.p.statuses()
	derived := w.p.variants
	for id, f := range w.p.files {
		if linked[id] || w.p.holds[id] || w.stranded[id] || w.wanted[id] || w.loose[id] {
			continue
		}
		if _, is := derived[id]; is {
			continue
		}
		free := !w.again[f.key] && len(f.body) >= 16
		for _, x := range w.p.of(f.key) {
			_, is := derived[x.id]
			free = free && !linked[x.id] && !w.p.holds[x.id] && !is && !w.stranded[x.id] && !w.loose[x.id]
		}
		if s := now[id].status; free && (s != string(gcstate.Archived) || statuses[id] != s) {
			w.fault(f, "has had no link for two months, and is %s by the state (%s), %s in the column", s, now[id].reason, statuses[id])
		}
	}
	w.agree()
	w.told()
	if len(w.faults) > 0 {
		return
	}
	w.back()
}

// release takes back that a file is kept.
func (w *world) release(id int64) error {
	_, err := (&job.GCKeep{Config: w.yaml, Handles: []string{fmt.Sprint(id)}, Release: true, Person: "Ada", Reason: "so"}).Run(context.Background(), w.env)
	delete(w.kept, id)
	return err
}

// back has all that is in the archive come back, with or without what the workspace knows, and wants the same bytes.
func (w *world) back() {
	o := order{What: "restore", Prefixes: []string{"s3://lab/"}}
	if w.seed%2 == 0 {
		o.Alone = true
	}
	now := w.state()
	gone := map[int64]bool{}
	clear(w.stranded)
	for id, r := range now {
		gone[id] = r.status == string(gcstate.Archived) && w.p.files[id] != nil
	}
	for range 2 {
		if _, err := w.gives(o); err != nil && !errors.Is(err, job.ErrSomeFailed) {
			w.fault(nil, "not all that is in the archive could be brought back: %v", err)
		}
		w.thaws()
	}
	statuses := w.p.statuses()
	for id := range gone {
		f := w.p.files[id]
		if !gone[id] || w.readable(f) && (statuses[id] == "AVAILABLE" || statuses[id] == "UNLINKED") {
			continue
		}
		if at := w.inPlace(f); at != nil && w.again[f.key] {
			continue // something else has its name by now
		}
		w.fault(f, "was in the archive, and did not come back: it is %s in the column", statuses[id])
	}
	if !o.Alone {
		w.told()
	}
}
