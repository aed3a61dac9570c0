package detect_test

import (
	"slices"
	"strings"

	"cooper"
	"cooper/internal/gc/detect"
	"cooper/internal/gcstate"
	"cooper/internal/ledger/gcfacts"
)

// The model says in the plainest way what a detection has to find: loops over all that was
// seen, with nothing of how the detection does it.

// leads tells whether a target is a handle that has this row.
func (to *target) leads(r *row) bool {
	if to.id != "" {
		return to.name == r.name
	}
	return (to.kind == "" || to.kind == r.kind) && slices.Contains(r.at, to.place)
}

// linked are the handles among these that links lead to; places are those that they have, or had when the links were
// seen.
func linked(handles, then []row, links []link) map[name]bool {
	is := map[name]bool{}
	for _, l := range links {
		if l.bad {
			continue
		}
		for _, to := range l.readings {
			for _, all := range [][]row{handles, then} {
				for i := range all {
					if to.leads(&all[i]) {
						is[all[i].name] = true
					}
				}
			}
		}
	}
	return is
}

// looking is what a detection has before it.
type looking struct {
	w       *world
	counted []*seen // the newest first
	now     []*seen // the newest, and whatever was under way since it began
	before  []*seen // what else was under way since the oldest began
	k       *taken  // nil: there is no inventory
	state   *memory
	scope   string

	linkedNow, linkedBefore, held map[name]bool
	sources                       map[name][]name
	lives, mayLive                map[name]bool
}

func (w *world) look(counted []string, k *taken, state *memory, scope string) *looking {
	l := &looking{w: w, k: k, state: state, scope: scope, linkedNow: map[name]bool{}, linkedBefore: map[name]bool{}, held: map[name]bool{}, sources: map[name][]name{}}
	for _, id := range counted {
		l.counted = append(l.counted, w.seen[slices.IndexFunc(w.seen, func(s *seen) bool { return s.id == id })])
	}
	newest, oldest := l.counted[0], l.counted[len(l.counted)-1]
	for _, s := range w.seen {
		switch {
		case s.began == 0 || s.server != newest.server:
		case s.ended >= newest.began:
			l.now = append(l.now, s)
		case s.ended >= oldest.began:
			l.before = append(l.before, s)
		}
	}
	for _, s := range l.now {
		for n := range linked(newest.rows, s.rows, s.links) {
			l.linkedNow[n] = true
		}
	}
	for key, is := range w.words.linked {
		if is && key.Scope == scope {
			l.linkedNow[name{key.Kind, key.ID}] = true
		}
	}
	there := map[name]bool{}
	for _, s := range slices.Concat(l.now, l.before) {
		for n := range linked(newest.rows, s.rows, s.links) {
			l.linkedBefore[n] = true
		}
		for _, h := range s.holds {
			l.held[h.name] = true
		}
		for _, r := range s.rows {
			there[r.name] = true
		}
	}
	for _, s := range slices.Concat(l.now, l.before) {
		for _, d := range s.derived {
			if d.derived != d.source && there[d.source] {
				l.sources[d.derived] = append(l.sources[d.derived], d.source)
			}
		}
	}
	l.lives = l.spread(l.linkedNow)
	l.mayLive = l.spread(l.linkedBefore)
	return l
}

// spread are the handles that have, through any number of steps, a source that is held or among
// some.
func (l *looking) spread(some map[name]bool) map[name]bool {
	lives := map[name]bool{}
	for again := true; again; {
		again = false
		for n, sources := range l.sources {
			for _, s := range sources {
				if !lives[n] && (some[s] || l.held[s] || lives[s]) {
					lives[n], again = true, true
				}
			}
		}
	}
	return lives
}

// below tells whether a key lies below a prefix; a prefix ends where a name does.
func below(key, prefix string) bool {
	prefix = strings.TrimSuffix(prefix, "/")
	return key == prefix || strings.HasPrefix(key, prefix+"/")
}

// status is what a handle is: what the owner says, unless that is AVAILABLE; empty if nobody
// knows.
func (l *looking) status(r *row) gcstate.Status {
	if r.kind == "old" {
		switch r.status {
		case "0":
		case "1":
			return gcstate.Unlinked
		case "2":
			return gcstate.Archived
		case "3":
			return gcstate.Deleted
		default:
			return ""
		}
	}
	return l.state.of(gcstate.Handle{Scope: l.scope, Kind: r.kind, ID: r.id}).Status
}

// lastChange is when a handle or its object was written, or it came back. unknown: nobody
// knows when the handle was.
func (l *looking) lastChange(r *row) (at cooper.Instant, unknown bool) {
	if r.modified == 0 {
		return 0, true
	}
	at = max(r.modified, r.created)
	for _, p := range r.at {
		if l.k != nil && l.w.config.Judged(p.bucket) {
			at = max(at, l.k.objects[p].modified, l.k.objects[place{p.bucket, p.key + ".zst"}].modified)
		}
	}
	h := gcstate.Handle{Scope: l.scope, Kind: r.kind, ID: r.id}
	if rec := l.state.of(h); rec.Status == gcstate.Available {
		at = max(at, rec.Since)
	}
	for _, t := range l.w.told {
		if t.Handle == h && t.To == gcstate.Available {
			at = max(at, t.Since)
		}
	}
	return at, false
}

// unmodified is how long a handle has to be so.
const unmodified = 30 * day

// verdict is what a detection has to say about a handle: one of some lines; none: nothing.
type verdict []string

// verdicts judges all handles.
func (l *looking) verdicts() map[name]verdict {
	all := map[name]verdict{}
	newest := l.counted[0]
	for i := range newest.rows {
		r := &newest.rows[i]
		switch status := l.status(r); {
		case status != gcstate.Available && l.state.of(gcstate.Handle{Scope: l.scope, Kind: r.kind, ID: r.id}).Status == gcstate.Unlinked:
			shown := gcstate.Unlinked
			if slices.Contains([]gcstate.Status{gcstate.Archiving, gcstate.Archived}, status) {
				shown = status
			}
			all[r.name] = l.back(r.name, "relinked "+string(shown))
		case status == "" || status == gcstate.Deleted:
		case status != gcstate.Available:
			all[r.name] = l.back(r.name, "relinked "+string(status))
		case l.linkedNow[r.name]:
		default:
			all[r.name] = l.reasons(r)
		}
	}
	return all
}

// back says whether one that is not AVAILABLE has a link: one that was seen since it became so
// has to be told of, an earlier one may be.
func (l *looking) back(n name, what string) verdict {
	since := l.state.of(gcstate.Handle{Scope: l.scope, Kind: n.kind, ID: n.id}).Since
	for _, s := range l.before {
		if since > 0 && s.began > since && linked(l.counted[0].rows, s.rows, s.links)[n] {
			return verdict{what}
		}
	}
	switch {
	case l.linkedNow[n]:
		return verdict{what}
	case l.linkedBefore[n]:
		return verdict{what, ""}
	}
	return nil
}

// reasons are those of which the first has to be given; several, where the words leave it open.
func (l *looking) reasons(r *row) verdict {
	if len(r.at) == 0 || !r.candidate {
		return verdict{detect.NotAnObject}
	}
	if !l.w.config.Judged(r.at[0].bucket) {
		return verdict{detect.OtherBucket}
	}
	if l.held[r.name] {
		return verdict{detect.Held}
	}
	if slices.ContainsFunc(r.at, func(p place) bool { return p.bucket == "app" && below(p.key, "keep") }) {
		return verdict{detect.ProtectedPrefix}
	}
	if l.lives[r.name] {
		return verdict{detect.DerivedLives}
	}
	if len(l.sources[r.name]) > 0 {
		if l.mayLive[r.name] || l.orphan(r.name, map[name]bool{}) { // its source had a link, and has none now, or is gone now
			return verdict{detect.DerivedLives, detect.DerivedGoes}
		}
		return verdict{detect.DerivedGoes}
	}
	changed, unknown := l.lastChange(r)
	if unknown {
		return verdict{detect.TimeUnknown}
	}
	if changed >= l.counted[0].clock-unmodified {
		return verdict{detect.Young}
	}
	if l.w.words.kept[r.name] {
		return verdict{detect.KeptByHand}
	}
	if l.w.incomplete(r.kind, r.created) {
		return verdict{detect.RegistryLacks}
	}
	if l.linkedBefore[r.name] {
		return verdict{detect.NotInAllScans}
	}
	for _, s := range l.counted {
		if !slices.ContainsFunc(s.rows, func(o row) bool { return o.name == r.name && (l.status(&o) == gcstate.Available) }) {
			return verdict{detect.NotInAllScans}
		}
	}
	return verdict{"candidate"}
}

// orphan tells whether one of its sources, through any number of steps, is not in the newest scan, but in
// another.
func (l *looking) orphan(n name, before map[name]bool) bool {
	before[n] = true
	return slices.ContainsFunc(l.sources[n], func(s name) bool {
		there := slices.ContainsFunc(l.counted[0].rows, func(r row) bool { return r.name == s })
		return !there || !before[s] && l.orphan(s, before)
	})
}

// incomplete is about a registry that one kind of handles has.
func (w *world) incomplete(kind string, created cooper.Instant) bool {
	return w.registry > 0 && kind == "old" && (created == 0 || created < w.registry)
}

// found is what a detection has said: the Sink of the tests.
type found struct {
	handles   map[name]string
	modified  map[name]cooper.Instant
	alone     map[name]int64
	missing   map[name]bool
	unindexed map[place]string
	twice     []string
}

func newFound() *found {
	return &found{map[name]string{}, map[name]cooper.Instant{}, map[name]int64{}, map[name]bool{}, map[place]string{}, nil}
}

func (f *found) say(n name, what string) {
	if was := f.handles[n]; was != "" {
		f.twice = append(f.twice, n.kind+":"+n.id+" "+was+", "+what)
	}
	f.handles[n] = what
}

func (f *found) Candidate(c gcfacts.Candidate) error {
	n := name{c.Kind, c.ID}
	f.modified[n], f.alone[n] = c.Modified, c.Alone
	f.say(n, "candidate")
	return nil
}

func (f *found) Kept(k gcfacts.Kept) error {
	f.say(name{k.Kind, k.ID}, k.Reason)
	return nil
}

func (f *found) Relinked(r gcfacts.Relinked) error {
	f.say(name{r.Kind, r.ID}, "relinked "+r.Status)
	return nil
}

func (f *found) Missing(m gcfacts.Missing) error {
	f.missing[name{m.Kind, m.ID}] = true
	return nil
}

func (f *found) Unindexed(u gcfacts.Unindexed) error {
	f.unindexed[place{u.Bucket, u.Key}] = "unindexed " + u.How
	return nil
}

func (f *found) UnindexedKept(u gcfacts.UnindexedKept) error {
	f.unindexed[place{u.Bucket, u.Key}] = u.Reason
	return nil
}

func (f *found) NearMiss(gcfacts.NearMiss) error { return nil }

// Ripe is of no concern to the model.
func (f *found) Ripe(gcfacts.Ripe) error { return nil }
