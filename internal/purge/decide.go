package purge

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"cooper"
	"cooper/internal/bucketop"
	"cooper/internal/inventory"
	"cooper/internal/plan"
)

// mostVersions bounds the versions of one key that are held in memory, and so
// how many go in one shard. Of a key with more, a plan leaves the latest.
const mostVersions = 50_000

// pollEvery is after how many versions a cancelled context is noticed.
const pollEvery = 4096

// decider chooses, key by key. It holds no more than the versions of one key.
type decider struct {
	in     *Inputs
	meta   *inventory.Meta
	w      plan.Sink
	chosen *chooser // nil: everything
	most   int      // mostVersions
	now    time.Time

	rejected     inventory.Keys
	nextRejected string
	moreRejected bool

	rows  []cooper.Version // of the key at hand, the latest first
	newer cooper.Instant   // when the row before the next was written
	many  bool             // the key has more rows than may be held
	cut   bool             // a shard may end before the next action

	ids  map[string]bool // of the rows at hand
	idle []string        // protected prefixes that have covered no key yet

	tally
}

func newDecider(in *Inputs, meta *inventory.Meta, w plan.Sink) *decider {
	return &decider{in: in, meta: meta, w: w, most: mostVersions, now: in.Now.Time(), tally: newTally(), ids: map[string]bool{}, idle: slices.Clone(in.Policy.Protect)}
}

// all walks the snapshot below the prefix.
func (d *decider) all(ctx context.Context) (err error) {
	if d.in.Chosen != nil {
		if d.chosen, err = newChooser(d.in.Chosen, d.in.Policy.Prefix); err != nil {
			return err
		}
	}
	d.rejected = d.in.Snapshot.RejectedKeys(ctx)
	versions := d.in.Snapshot.Versions(ctx, d.in.Policy.Prefix)
	defer func() { err = errors.Join(err, versions.Close(), d.rejected.Close()) }()
	if err := d.stepRejected(); err != nil {
		return err
	}
	for n := 1; ; n++ {
		if n%pollEvery == 0 && ctx.Err() != nil {
			return context.Cause(ctx)
		}
		v, err := versions.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if err := d.take(v); err != nil {
			return err
		}
	}
	if err := d.key(); err != nil {
		return err
	}
	if d.chosen == nil {
		return nil
	}
	return d.chosen.rest()
}

// take adds a version to those of its key; the first of another key ends that.
func (d *decider) take(v *cooper.Version) error {
	if len(d.rows) > 0 && d.rows[0].Key != v.Key {
		if err := d.key(); err != nil {
			return err
		}
	}
	d.rows = append(d.rows, *v)
	if len(d.rows) <= d.most {
		return nil
	}
	// All but the latest can go on their own, in any order.
	d.many = true
	err := d.decide()
	d.rows = append(d.rows[:0], d.rows[0])
	return err
}

// key ends the key at hand.
func (d *decider) key() error {
	if len(d.rows) == 0 {
		return nil
	}
	err := d.decide()
	d.rows, d.many, d.newer = d.rows[:0], false, 0
	return err
}

// candidate is what is to become of one row.
type candidate struct {
	row   *cooper.Version
	guard bucketop.Guard
}

// decide chooses among the rows of a key, or among some of a key with many: of
// those the first is the latest, which stays.
func (d *decider) decide() error {
	first := d.newer == 0 // of the pieces of this key
	key := d.rows[0].Key
	if first && d.chosen != nil {
		if err := d.chosen.at(key); err != nil {
			return err
		}
	}
	if first {
		if err := d.reject(key); err != nil {
			return err
		}
		d.idle = slices.DeleteFunc(d.idle, func(x string) bool { return bucketop.Protection{x}.Covers(key) })
		d.cut = true
	}
	if why := d.leaves(key); why != "" {
		d.skipAsked(why)
		return nil
	}
	var going []candidate
	latest := -1 // the place in going of the latest version
	from := 0
	if !first {
		from = 1
	}
	for i := from; i < len(d.rows); i++ {
		v := &d.rows[i]
		age := d.age(i)
		d.newer = max(v.LastModified, 1)
		if !d.asked(v, age) {
			d.unchanged = d.unchanged.Add(v.Size)
			continue
		}
		guard, ok := d.guard(v)
		if !ok {
			d.skip(SkippedOverwritable, v)
			continue
		}
		if d.shown(v) {
			latest = len(going)
		}
		going = append(going, candidate{v, guard})
	}
	if latest >= 0 && (d.many || len(going) < len(d.rows)) {
		why := SkippedExposes
		if d.many {
			why = SkippedMany
		}
		d.skip(why, going[latest].row)
		going = slices.Delete(going, latest, latest+1)
	}
	return d.emit(going)
}

// emit writes the actions of a key: the oldest version first, the latest last,
// all in one shard. The verb relies on the latter; the order among the others
// does not matter to it.
func (d *decider) emit(going []candidate) error {
	for i := len(going) - 1; i >= 0; i-- {
		c := &going[i]
		args := bucketop.Args{Last: d.shown(c.row), Guard: c.guard, Reason: d.reason(c.row)}
		if err := d.w.Add(cooper.Action{Verb: bucketop.Remove, Version: *c.row, Args: args.Encode()}, d.cut || d.many); err != nil {
			return err
		}
		d.cut = false
		d.count(c, &args, d.now)
	}
	return nil
}

// shown tells whether a version is what a reader of the bucket gets. A snapshot
// of current versions only has no others.
func (d *decider) shown(v *cooper.Version) bool { return v.Latest || d.meta.Scope.CurrentOnly }

func (d *decider) reason(v *cooper.Version) string {
	switch {
	case v.DeleteMarker:
		return ReasonMarker
	case d.shown(v):
		return ReasonLatest
	}
	return ReasonNoncurrent
}

// asked tells whether the person asked for a version.
func (d *decider) asked(v *cooper.Version, age time.Duration) bool {
	chosen := d.chosen == nil || d.chosen.has(v.VersionID)
	p := &d.in.Policy
	switch {
	case !chosen, p.Versions == Noncurrent && d.shown(v):
		return false
	case p.Versions == Markers && !d.onlyMarkers():
		return false
	}
	return p.OlderThan == 0 || v.LastModified != 0 && age.Seconds() > p.OlderThan
}

// onlyMarkers tells whether a key has nothing but delete markers. Of a key with
// many versions it is not known.
func (d *decider) onlyMarkers() bool {
	if d.many {
		return false
	}
	for i := range d.rows {
		if !d.rows[i].DeleteMarker {
			return false
		}
	}
	return true
}

// guard tells how a removal is kept from hitting a version written since; not
// ok if it cannot be, and nobody said that the look would do.
//
// While versioning is enabled nothing overwrites a null version. Otherwise the
// store can compare ETags, but only with the current version's, and a delete
// marker has none.
func (d *decider) guard(v *cooper.Version) (g bucketop.Guard, ok bool) {
	p := &d.in.Policy
	switch {
	case v.VersionID != cooper.NullVersion && v.VersionID != "":
		return bucketop.ByID, true
	case p.Versioning == "Enabled", p.Unguarded:
		return bucketop.ByLook, v.DeleteMarker || v.ETag != ""
	case d.shown(v) && !v.DeleteMarker && v.ETag != "":
		return bucketop.ByETag, true
	}
	return "", false
}

// leaves tells why a key is left alone as a whole; nothing if it is not.
func (d *decider) leaves(key string) string {
	latest := 0
	for i := range d.rows {
		if d.shown(&d.rows[i]) {
			latest++
		}
	}
	switch {
	case d.in.Policy.Protect.Covers(key):
		return SkippedProtected
	case d.moreRejected && d.nextRejected == key:
		return SkippedRejected
	case latest > 1, d.twice():
		return SkippedAmbiguous
	case latest == 0:
		return SkippedHidden
	}
	return ""
}

// twice tells whether the rows at hand have a version id more than once.
func (d *decider) twice() bool {
	if len(d.rows) == 1 {
		return false
	}
	clear(d.ids)
	for i := range d.rows {
		d.ids[orNull(d.rows[i].VersionID)] = true
	}
	return len(d.ids) < len(d.rows)
}

// skipAsked counts the versions that were asked for as left alone.
func (d *decider) skipAsked(why string) {
	from := 0
	if d.newer != 0 {
		from = 1
	}
	for i := from; i < len(d.rows); i++ {
		v := &d.rows[i]
		age := d.age(i)
		d.newer = max(v.LastModified, 1)
		if d.asked(v, age) {
			d.skip(why, v)
		} else {
			d.unchanged = d.unchanged.Add(v.Size)
		}
	}
}

// reject goes on to a key among those of rejected rows.
func (d *decider) reject(key string) error {
	for d.moreRejected && d.nextRejected < key {
		if err := d.stepRejected(); err != nil {
			return err
		}
	}
	return nil
}

func (d *decider) stepRejected() (err error) {
	d.nextRejected, err = d.rejected.Next()
	d.moreRejected = err == nil
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// into completes a header.
func (d *decider) into(h *plan.Header) {
	d.tally.into(h, d.in)
	for _, x := range d.idle {
		h.Warnings = append(h.Warnings, fmt.Sprintf("--protect %s covers nothing: no key of the snapshot below %s lies there; it counts from the bucket's top", cooper.Quote(x), cooper.Quote(h.Target.Path)))
	}
	if c := d.chosen; c != nil && c.unknown > 0 {
		h.Warnings = append(h.Warnings, fmt.Sprintf("chosen, but not in the snapshot: %d, such as %s", c.unknown, join(c.named)))
	}
	if c := d.chosen; c != nil && c.outside > 0 {
		h.Warnings = append(h.Warnings, fmt.Sprintf("chosen, but not below the prefix, and so left alone: %d", c.outside))
	}
	h.Share = plan.Share{
		Deletes: true, Removed: d.removed.Count, RemovedBytes: d.removed.Bytes, Scope: d.meta.Versions + d.meta.DeleteMarkers, ScopeBytes: d.meta.Bytes,
		Limit: d.in.Policy.ShareLimit,
	}
	if h.Share.Exceeded() {
		h.Warnings = append(h.Warnings, fmt.Sprintf("versions that would be removed: %d of %d in the snapshot, with %d of %d bytes, more than the limit of %.3g %%; applying asks for the decision's digest",
			h.Share.Removed, h.Share.Scope, h.Share.RemovedBytes, h.Share.ScopeBytes, 100*h.Share.Limit))
	}
}
