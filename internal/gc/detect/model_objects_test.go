package detect_test

import (
	"fmt"
	"slices"
	"strings"

	"cooper"
	"cooper/internal/gc/detect"
	"cooper/internal/gcstate"
	"cooper/internal/ledger/gcfacts"
)

// settle is how far an inventory and the handles have to lie apart, near what is left open: clocks
// differ by so much.
const (
	settle = 2 * day
	near   = hour / 6
)

func abs(d cooper.Instant) cooper.Instant { return max(d, -d) }

// lacks says of each handle whether it has to be missing; those of which the words leave it open are
// not there.
func (l *looking) lacks() map[name]bool {
	all := map[name]bool{}
	for i := range l.counted[0].rows {
		r := &l.counted[0].rows[i]
		written := max(r.modified, r.created)
		status := l.status(r)
		since := l.state.of(gcstate.Handle{Scope: l.scope, Kind: r.kind, ID: r.id}).Since
		open := status == "" || since >= l.k.at-settle-near || status == gcstate.Archived || abs(l.k.at-settle-written) < near || !r.candidate
		if open || len(r.at) == 0 {
			continue
		}
		gone := status != gcstate.Deleted && r.modified != 0 && written < l.k.at-settle
		for _, p := range r.at {
			_, there := l.k.objects[p]
			_, packed := l.k.objects[place{p.bucket, p.key + ".zst"}]
			gone = gone && !there && !packed && l.w.config.Judged(p.bucket)
		}
		all[r.name] = gone
	}
	return all
}

// strangers says of the objects that no handle names what has to be told of them; of several answers, one.
func (l *looking) strangers() map[place]verdict {
	named, folders := map[place]bool{}, map[string]bool{"app/up": true}
	lately := map[place]bool{} // by a handle that is gone since: it may be told of, or not
	for _, s := range slices.Concat(l.now, l.before) {
		for _, r := range s.rows {
			for _, p := range r.at {
				lately[p] = true
			}
		}
	}
	for _, r := range l.counted[0].rows {
		for _, p := range r.at {
			named[p] = true
			folders[p.bucket+"/"+top(p.key)] = true
		}
	}
	all := map[place]verdict{}
	for p, o := range l.k.objects {
		if named[p] || strings.HasPrefix(p.key, "up/ballast/") || !l.w.config.Judged(p.bucket) {
			continue
		}
		how := ""
		if !folders[p.bucket+"/"+top(p.key)] {
			how = detect.NoHandleHere
		}
		plain, packed := strings.CutSuffix(p.key, ".zst")
		switch {
		case p.bucket == "app" && below(p.key, "keep"):
			all[p] = verdict{detect.ProtectedPrefix}
		case below(p.key, "tmp"):
			all[p] = verdict{detect.InFlightPrefix}
		case o.modified >= l.counted[0].clock-unmodified:
			all[p] = verdict{detect.Young}
		case packed && named[place{p.bucket, plain}]:
			all[p] = verdict{detect.MadeOf}
		default:
			all[p] = verdict{"unindexed " + how}
		}
		if lately[p] {
			all[p] = append(all[p], "")
		}
		if packed && lately[place{p.bucket, plain}] {
			all[p] = append(all[p], detect.MadeOf)
		}
	}
	return all
}

func top(key string) string {
	before, _, _ := strings.Cut(key, "/")
	return before
}

// compareObjects holds what was found of objects against the model.
func (w *world) compareObjects(l *looking, f *found, d *gcfacts.Detection) {
	w.t.Helper()
	unknown := func(list, bucket string) bool {
		return slices.ContainsFunc(d.Unknown, func(u gcfacts.Unknown) bool { return u.List == list && u.Bucket == bucket })
	}
	if l.k == nil {
		for _, b := range w.config.Buckets {
			if !unknown(gcfacts.Missings, b.Name) || !unknown(gcfacts.Unindexeds, b.Name) {
				w.t.Errorf("-detect.seed %d: without an inventory of %s, %+v", w.seed, b.Name, d.Unknown)
			}
		}
		if len(f.missing)+len(f.unindexed) > 0 {
			w.t.Errorf("-detect.seed %d: without an inventory, %v and %v", w.seed, f.missing, f.unindexed)
		}
		return
	}
	all := l.lacks()
	for _, c := range w.cells {
		for n, gone := range all {
			if c.owns(n) && f.missing[n] != gone {
				w.fault(c, n, fmt.Sprintf("is missing: %t, not %t", f.missing[n], gone))
			}
		}
	}
	apart := l.counted[0].began - l.k.at
	settled := apart >= settle
	strangers := l.strangers()
	for _, at := range []map[place]bool{keys(strangers), keys(f.unindexed)} {
		for p := range at {
			got, want := f.unindexed[p], strangers[p]
			if !settled {
				want = nil
			}
			if abs(apart-settle) > near && (got != "" || len(want) > 0) && !slices.Contains(want, got) {
				w.t.Errorf("-detect.seed %d: at %s, object %+v of %s is %q, not %q (cell %s)", w.seed, w.now, p, l.k.objects[p].modified, got, want, strings.Split(p.key, "/")[1])
			}
		}
	}
	for _, b := range w.config.Buckets {
		if abs(apart-settle) > near && unknown(gcfacts.Unindexeds, b.Name) == settled {
			w.t.Errorf("-detect.seed %d: at %s, handles were read %s behind the inventory, and unknown are %+v", w.seed, w.now, apart.Time().Sub(cooper.Instant(0).Time()), d.Unknown)
		}
	}
}
