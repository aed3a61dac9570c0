package backup

import (
	"cooper"
	"cooper/internal/inventory"
	"cooper/internal/tree/catalog"
	"cooper/internal/treeop"
)

// decider turns what is said about one key into actions. It holds no more than
// that key.
type decider struct {
	at          cooper.Instant // of the snapshot
	currentOnly bool
	// absence: what is not listed counts as absent.
	absence bool
	// unnamed: the snapshot cannot tell some keys.
	unnamed bool
	restore bool // ask for copies of archived versions
	// sightings are the snapshots that the tree has seen before.
	sightings sightings
	filter    filter
	out       *emitter
	m         matcher
}

func newDecider(meta *inventory.Meta, policy *Policy, state *catalog.State, older bool, f filter, out *emitter) *decider {
	return &decider{
		at: meta.TakenAt, currentOnly: meta.Scope.CurrentOnly,
		unnamed:   meta.Unnamed > 0,
		absence:   meta.Complete && meta.Torn == 0 && !older,
		restore:   policy.Archived == ArchivedRestore,
		sightings: newSightings(state),
		filter:    f, out: out,
	}
}

// decide handles one key.
func (d *decider) decide(p *pair) error {
	if !d.filter.keeps(p.key) {
		d.out.skip(SkippedFiltered, p.listed)
		return nil
	}
	if d.unchanged(p) {
		d.out.unchanged(&p.listed[0], &p.known[0])
		return nil
	}
	d.out.begin(p.known)
	if p.rejected {
		d.out.skipKey(SkippedRejected, p.listed)
		return nil
	}
	if len(p.listed) == 0 {
		return d.unlisted(p.known)
	}
	latest, ok := latestOf(p.listed, d.currentOnly)
	if ok {
		d.m.match(p.listed, p.known)
		ok = d.consistent(p)
	}
	if !ok {
		d.out.skipKey(SkippedAmbiguous, p.listed)
		return nil
	}
	if latest < 0 {
		return d.unshown(p)
	}
	return d.listed(p, latest)
}

// unshown handles a key of which versions are listed and none is the latest: it shows
// nothing. One such snapshot may come from a moment in between, so that only a second
// one takes the version that was shown before from the mirror, as with a key that is
// not listed.
func (d *decider) unshown(p *pair) error {
	for i := range p.listed {
		v := &p.listed[i]
		superseded := v.LastModified
		j := d.m.rowOf[i]
		var err error
		if j < 0 {
			if i > 0 {
				superseded = max(superseded, d.since(p.key, nil, max(v.LastModified, p.listed[i-1].LastModified)))
			} else {
				superseded = max(superseded, d.since(p.key, nil, v.LastModified))
			}
			err = d.bring(v, nil, false, superseded, treeop.Args{At: d.at})
		} else {
			err = d.noLonger(v, &p.known[j])
		}
		if err != nil {
			return err
		}
	}
	var rest []catalog.Row
	for j := range p.known {
		if !d.m.taken[j] {
			rest = append(rest, p.known[j])
		}
	}
	return d.unlisted(rest)
}

// noLonger plans for a version that is listed, while none of its key is the latest.
func (d *decider) noLonger(v *cooper.Version, r *catalog.Row) error {
	if v.VersionID == "" {
		v.VersionID = r.VersionID
	}
	args := treeop.Args{At: d.at}
	shown := r.Place == catalog.Mirror || len(r.Shown)%2 == 1
	switch {
	case !shown:
		if r.AbsentSince != 0 && d.at > r.AbsentSince && d.at > r.Gone {
			args.Absent = treeop.Cleared
		}
		if r.Place == catalog.Nowhere && !r.DeleteMarker && !r.Pruned() {
			return d.bring(v, r, false, max(v.LastModified, d.since(r.Key, r, v.LastModified)), args)
		}
	case !d.absence || d.at <= r.AbsentSince:
	case r.AbsentSince == 0:
		args.Absent = treeop.Noted
		if r.Place == catalog.Mirror {
			d.out.missed++
		}
	default:
		args.Absent, args.Show = treeop.Cleared, d.show(r, false)
		if r.Place == catalog.Mirror {
			args.To, args.Reason, args.Superseded = catalog.History, catalog.Vanished, max(r.AbsentSince, r.LastModified)
			return d.out.add(treeop.Retire, v, r, args)
		}
	}
	return d.record(v, r, args)
}

// unchanged is the fast path for the many keys of which one version is listed
// and known, and all is as it was.
func (d *decider) unchanged(p *pair) bool {
	if len(p.listed) != 1 || len(p.known) != 1 || p.rejected {
		return false
	}
	v, r := &p.listed[0], &p.known[0]
	place := catalog.Mirror
	if v.DeleteMarker {
		place = catalog.Nowhere
	}
	return (v.Latest || d.currentOnly) && r.Place == place && len(r.Shown)%2 == 1 &&
		r.AbsentSince == 0 && r.Gone == 0 && v.DeleteMarker == r.DeleteMarker &&
		v.ETag == r.ETag && v.Size == r.Size && v.LastModified == r.LastModified &&
		(v.VersionID == r.VersionID || v.VersionID == "")
}

// consistent tells whether snapshot and catalog agree on which versions are
// delete markers; where they do not, one of them is broken.
func (d *decider) consistent(p *pair) bool {
	for i, j := range d.m.rowOf {
		if j >= 0 && p.listed[i].DeleteMarker != p.known[j].DeleteMarker {
			return false
		}
	}
	return true
}

// heir says what becomes of a key's place in the mirror when another version
// than the one there is the latest.
type heir struct {
	v       *cooper.Version
	arrives bool // an action of this plan brings its bytes to the mirror
	blocked bool // its bytes cannot be had: what is in the mirror stays
}

func (d *decider) heirOf(p *pair, latest int) heir {
	h := heir{v: &p.listed[latest]}
	if h.v.DeleteMarker {
		return h
	}
	if j := d.m.rowOf[latest]; j >= 0 && p.known[j].Place == catalog.Mirror {
		return h
	} else if j >= 0 && sound(&p.known[j]) {
		h.arrives = true
		return h
	}
	h.blocked = h.v.Archived() && !d.restore
	h.arrives = !h.blocked
	return h
}

// listed handles a key that the snapshot lists.
func (d *decider) listed(p *pair, latest int) error {
	h := d.heirOf(p, latest)
	// First, as their paths may be those of what is brought.
	if err := d.mislabelled(p, h); err != nil {
		return err
	}
	for i := range p.listed {
		v := &p.listed[i]
		var r *catalog.Row
		if j := d.m.rowOf[i]; j >= 0 {
			r = &p.known[j]
		}
		superseded := v.LastModified
		if i > 0 { // the latest stands first
			superseded = max(superseded, d.since(p.key, r, max(v.LastModified, p.listed[i-1].LastModified)))
		}
		var err error
		if r != nil {
			err = d.matched(v, r, i == latest, superseded, h)
		} else {
			err = d.bring(v, nil, i == latest, superseded, treeop.Args{At: d.at, Show: showIf(i == latest)})
		}
		if err != nil {
			return err
		}
	}
	for j := range p.known {
		if d.m.taken[j] {
			continue
		}
		if err := d.overtaken(&p.known[j], h); err != nil {
			return err
		}
	}
	return nil
}

// mislabelled plans for versions that were taken over under a label which the
// snapshot contradicts. s3invsync, when it was killed, could leave the bytes of one
// version under the label of another. So the listed version is fetched, and these
// bytes stay, in history, as what they are: some version of the key.
func (d *decider) mislabelled(p *pair, h heir) error {
	for j := range p.known {
		r := &p.known[j]
		if d.m.taken[j] || !onHearsay(r) || r.Place == catalog.Nowhere || r.Doubtful() ||
			r.Place == catalog.Mirror && h.blocked || !d.contradicted(r, p.listed) {
			continue
		}
		d.m.taken[j] = true
		v := versionOf(r)
		v.VersionID, v.ETag = "", catalog.DoubtfulETag(&r.Identity)
		args := treeop.Args{At: d.at}
		var err error
		if r.Place == catalog.Mirror {
			// Nobody knows since when; it must not look old.
			err = d.leave(&v, r, max(d.at, r.LastModified, h.v.LastModified), h, args)
		} else {
			args.Reason = Doubtful
			err = d.out.add(treeop.Record, &v, r, args)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// contradicted tells whether the snapshot lists r's version with another size or
// time, or r's size and time as those of another version whose bytes are nowhere. A null version is known by
// its ETag, as another one may have taken its id since: but the same content put again
// is newer than r, while bytes that came in the place of r's version are newer
// than that.
func (d *decider) contradicted(r *catalog.Row, listed []cooper.Version) bool {
	null := r.VersionID == "" || r.VersionID == cooper.NullVersion
	for i := range listed {
		v := &listed[i]
		switch {
		case v.DeleteMarker:
			if !null && v.VersionID == r.VersionID {
				return true
			}
		case !null && v.VersionID == r.VersionID,
			d.m.rowOf[i] < 0 && v.Size == r.Size && v.LastModified == r.LastModified,
			null && v.ETag == r.ETag && (v.VersionID == "" || v.VersionID == cooper.NullVersion || r.VersionID == "") &&
				(v.Size != r.Size || v.LastModified < r.LastModified):
			return true
		}
	}
	return false
}

func showIf(latest bool) treeop.Show {
	if latest {
		return treeop.On
	}
	return ""
}

// bring plans for a version without bytes in the tree; r is its row, if any.
func (d *decider) bring(v *cooper.Version, r *catalog.Row, latest bool, superseded cooper.Instant, args treeop.Args) error {
	if v.DeleteMarker {
		args.Reason = Marker
		return d.out.add(treeop.Record, v, r, args)
	}
	args.To, args.Reason = catalog.Mirror, New
	if d.out.mirrored {
		args.Reason = Changed
	}
	if !latest {
		args.To, args.Reason, args.Superseded = catalog.History, catalog.Older, superseded
	}
	if !v.Archived() {
		return d.out.add(treeop.Fetch, v, r, args)
	}
	d.out.skip1(SkippedArchived, v)
	switch {
	case d.restore:
		return d.out.add(treeop.Unarchive, v, r, args)
	case r == nil:
		return d.out.add(treeop.Defer, v, r, args)
	case args.Show != "" || args.Absent != "" || v.VersionID != r.VersionID:
		// Deferred before, and still: only what is new about it is told.
		args = treeop.Args{At: args.At, Show: args.Show, Absent: args.Absent, Reason: factReason(args)}
		return d.out.add(treeop.Record, v, r, args)
	}
	return nil
}

// matched plans for a version that is listed and known.
func (d *decider) matched(v *cooper.Version, r *catalog.Row, latest bool, superseded cooper.Instant, h heir) error {
	args := treeop.Args{At: d.at, Show: d.show(r, latest)}
	if r.AbsentSince != 0 && d.at > r.AbsentSince && d.at > r.Gone {
		args.Absent = treeop.Cleared
	}
	if v.VersionID == "" {
		v.VersionID = r.VersionID // what is known stays known
	}
	switch {
	case r.Pruned() && !latest:
		// It was not wanted any more, and still is not.
	case r.Place == catalog.Nowhere && !r.DeleteMarker, r.Place == catalog.History && latest && !sound(r):
		return d.bring(v, r, latest, superseded, args)
	case r.Place == catalog.History && latest:
		args.To, args.Reason = catalog.Mirror, Again
		return d.out.add(treeop.Promote, v, r, args)
	case r.Place == catalog.Mirror && !latest:
		return d.leave(v, r, superseded, h, args)
	}
	return d.record(v, r, args)
}

// show says what the snapshot changes about r being shown as the latest. A
// snapshot that is not newer than what is known of it changes nothing.
func (d *decider) show(r *catalog.Row, latest bool) treeop.Show {
	n := len(r.Shown)
	if n > 0 && int64(d.at) <= r.Shown[n-1] {
		return ""
	}
	switch open := n%2 == 1; {
	case latest && !open:
		return treeop.On
	case !latest && open:
		return treeop.Off
	}
	return ""
}

// record plans an action where there is anything to tell the catalog.
func (d *decider) record(v *cooper.Version, r *catalog.Row, args treeop.Args) error {
	if args.Show == "" && args.Absent == "" && v.VersionID == r.VersionID {
		d.out.unchanged1(v)
		return nil
	}
	args.Reason = factReason(args)
	return d.out.add(treeop.Record, v, r, args)
}

func factReason(args treeop.Args) string {
	switch {
	case args.Absent == treeop.Noted:
		return Absent
	case args.Absent == treeop.Gone:
		return GoneReason
	case args.Absent == treeop.Cleared:
		return Listed
	case args.Show != "":
		return Shown
	}
	return Identified
}

// leave plans for a version that is in the mirror while h.v is the latest.
func (d *decider) leave(v *cooper.Version, r *catalog.Row, superseded cooper.Instant, h heir, args treeop.Args) error {
	if h.blocked {
		d.out.kept++
		if args.Show == "" && args.Absent == "" && v.VersionID == r.VersionID {
			return nil
		}
		args.Reason = Kept
		return d.out.add(treeop.Record, v, r, args)
	}
	args.To, args.Reason, args.Superseded = catalog.History, catalog.Replaced, superseded
	args.NeedsReplacement = h.arrives
	if h.v.DeleteMarker {
		args.Reason = catalog.Deleted
	}
	return d.out.add(treeop.Retire, v, r, args)
}

// overtaken plans for a version that is known but not listed, while others of
// its key are.
func (d *decider) overtaken(r *catalog.Row, h heir) error {
	v := versionOf(r)
	args := treeop.Args{At: d.at, Show: d.show(r, false)}
	if !d.currentOnly { // which says nothing about older versions
		args.Absent = d.absent(r)
	}
	if r.Place == catalog.Mirror {
		return d.leave(&v, r, max(r.LastModified, d.since(r.Key, r, h.v.LastModified)), h, args)
	}
	return d.note(&v, r, args)
}

// unlisted plans for a key of which the snapshot lists nothing.
func (d *decider) unlisted(known []catalog.Row) error {
	for j := range known {
		r := &known[j]
		if d.currentOnly && (r.DeleteMarker || r.Place != catalog.Mirror && len(r.Shown)%2 == 0) {
			continue // would not be listed in any case
		}
		v := versionOf(r)
		args := treeop.Args{At: d.at, Absent: d.absent(r)}
		vanished := d.mayBeAbsent(r.Key) && (r.Gone != 0 || args.Absent == treeop.Gone)
		if vanished {
			args.Show = d.show(r, false)
		}
		var err error
		if vanished && r.Place == catalog.Mirror {
			args.To, args.Reason, args.Superseded = catalog.History, catalog.Vanished, max(r.AbsentSince, r.LastModified)
			err = d.out.add(treeop.Retire, &v, r, args)
		} else {
			if args.Absent == treeop.Noted && r.Place == catalog.Mirror {
				d.out.missed++
			}
			err = d.note(&v, r, args)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (d *decider) note(v *cooper.Version, r *catalog.Row, args treeop.Args) error {
	if args.Show == "" && args.Absent == "" {
		return nil
	}
	args.Reason = factReason(args)
	return d.out.add(treeop.Record, v, r, args)
}

// mayBeAbsent tells whether a key that is not listed counts as absent: not where it may
// be one of those that are listed under other names.
func (d *decider) mayBeAbsent(key string) bool {
	return d.absence && !(d.unnamed && inventory.Untellable(key))
}

// absent says what the snapshot makes of r not being listed: reports are
// eventually consistent, so only a second, later one confirms it.
func (d *decider) absent(r *catalog.Row) treeop.Absence {
	switch {
	case !d.mayBeAbsent(r.Key) || r.Gone != 0 || d.at <= r.AbsentSince:
		return ""
	case r.AbsentSince == 0:
		return treeop.Noted
	}
	return treeop.Gone
}

// versionOf is what a row knows of its version.
func versionOf(r *catalog.Row) cooper.Version {
	return cooper.Version{Identity: r.Identity, DeleteMarker: r.DeleteMarker}
}
