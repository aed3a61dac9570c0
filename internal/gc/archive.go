package gc

import (
	"container/heap"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strings"

	"cooper"
	"cooper/internal/gcop"
	"cooper/internal/gcstate"
	"cooper/internal/inventory"
	"cooper/internal/plan"
	"cooper/internal/price"
)

// MissionArchive is the name of plans that move objects into the archive.
const MissionArchive = "gc-archive"

// Why objects that may go are left. What else may keep one is found when it is to go.
const (
	SkippedRestated    = "its handles changed in the state"
	SkippedWaiting     = "its handles are closed, and wait for a complete scan"
	SkippedClosedSince = "closed since the newest scan began: a later one tells what becomes of it"
	SkippedGone        = "not in the snapshot"
	SkippedShared      = "what stands for it has handles of its own"
	SkippedSmall       = "smaller than archive.smallest"
	SkippedVersions    = "has several versions, and the archive keeps one of a key"
	SkippedMost        = "has more versions than one step can move"
	SkippedLongKey     = "its key has no room for its bucket's name before it"
	SkippedSSEC        = "encrypted with a key of its owner (SSE-C)"
	SkippedCold        = "archived by its class already"
	SkippedAmbiguous   = "several latest versions, or an id twice"
	SkippedRejected    = "the snapshot has rows of its key that make no sense"
	SkippedUnguarded   = "a null version, which the store cannot tell from one written since"
	reasonUnlinked     = "unlinked"
	reasonUnindexed    = "no handle names it"
	longestKey         = 1024 // bytes, of any key
	mostVersionsOfAKey = 10_000
	compressedSuffix   = ".zst"
)

// Ripe is an object that may go, with all of its handles; none where no handle names it.
type Ripe struct {
	Bucket, Key string // Key is that of the handles
	Handles     []RipeHandle
	// Shared: another handle names KEY.zst, so that it does not stand for this key.
	Shared bool
	// Why its handles are given back; of Archival.Back.
	Why string
}

// RipeHandle is one of its handles, as the detection has seen it.
type RipeHandle struct {
	Kind, ID string
	Status   gcstate.Status
	Cleared  bool // it waited for a complete scan that began after it was closed, and that has seen no link
	Linked   bool // a scan has seen a link; of Archival.Back
}

// Archival is all that a plan that archives follows from.
type Archival struct {
	Archiving gcop.Archiving
	// Ripe are the objects that may go, by bucket and key, bytewise.
	Ripe iter.Seq2[Ripe, error]
	// Back are the objects with handles that are ARCHIVING and do not go, of which none may be among Ripe, in the same
	// order, each with these handles; nil: nothing is given back. Scanned is when the newest scan began: what was
	// closed since is left to a later one.
	Back    iter.Seq2[Ripe, error]
	Scanned cooper.Instant
	// Snapshots are those that the detection rests on, by bucket.
	Snapshots map[string]inventory.View
	State     gcstate.State
	// Looked is when the detection began to look, LastScan the newest scan that it rests on.
	Looked   cooper.Instant
	LastScan string
	Class    string
	Smallest int64
	// Limit is the share of the objects, or of the bytes, of the snapshots that may be moved unasked.
	Limit    float64
	Prices   *price.Table
	Store    *cooper.Store
	Warnings []string
	ID       string // of the plan
	Now      cooper.Instant
}

// ArchiveLimits are those of a plan that archives.
var ArchiveLimits = plan.Limits{Actions: gcop.HandlesAShard, Bytes: 256 << 30}

// PlanArchive writes the plan that moves objects into the archive: each with all versions that the snapshot has of what
// stands for its key, which is KEY, or KEY.zst.
func PlanArchive(ctx context.Context, in Archival, w plan.Sink) (plan.Header, error) {
	a := archiver{in: &in, sink: w, reasons: map[string]plan.Tally{}, skipped: map[string]plan.Tally{}, sums: newSums(in.Prices, in.Class)}
	if in.Back != nil {
		a.back = true
		if err := a.all(ctx, in.Back); err != nil {
			return plan.Header{}, err
		}
		a.back, a.bucket, a.scope, a.only = false, "", plan.Tally{}, a.seen
	}
	if err := w.Phase(gcop.Archive); err != nil {
		return plan.Header{}, err
	}
	if err := a.all(ctx, in.Ripe); err != nil {
		return plan.Header{}, err
	}
	return a.finish()
}

// archiver writes the archivals of a plan.
type archiver struct {
	in               *Archival
	sink             plan.Sink
	reasons, skipped map[string]plan.Tally
	sums             sums

	walk    *snapshotWalk // of the bucket at hand
	bucket  string
	pending later // objects that may stand under another key, further on
	seen    map[string]bool
	scope   plan.Tally

	back      bool            // handles are given back, and nothing is moved
	givesBack bool            // there are some: the phase has begun
	only      map[string]bool // the buckets in which there are some: their shares do not count for that
}

func (a *archiver) all(ctx context.Context, all iter.Seq2[Ripe, error]) (err error) {
	a.seen = map[string]bool{}
	defer func() { err = errors.Join(err, a.close()) }()
	var some []Ripe
	for r, err := range all {
		if err != nil {
			return err
		}
		if some = append(some, r); len(some) == gcop.HandlesAShard {
			if err := a.some(ctx, some); err != nil {
				return err
			}
			some = some[:0]
		}
	}
	return a.some(ctx, some)
}

// candidate is an object that may go, and what its handles are by the state.
type candidate struct {
	Ripe
	holders []gcop.Holder
}

// some asks the state for the handles of some objects, and plans these.
func (a *archiver) some(ctx context.Context, some []Ripe) error {
	var asked []gcstate.Handle
	for i := range some {
		for _, h := range some[i].Handles {
			asked = append(asked, gcstate.Handle{Scope: a.in.Archiving.Scope, Kind: h.Kind, ID: h.ID})
		}
	}
	records, err := a.in.State.Get(ctx, asked)
	if err != nil {
		return err
	}
	if len(records) != len(asked) {
		return &cooper.Error{Kind: cooper.KindInternal, Where: a.in.Archiving.Scope, Message: fmt.Sprintf("of %d handles, the state tells of %d", len(asked), len(records))}
	}
	for i := range some {
		c := candidate{Ripe: some[i]}
		if err := a.inOrder(&c.Ripe); err != nil {
			return err
		}
		if err := a.at(ctx, c.Bucket); err != nil {
			return err
		}
		a.walk.asked = c.Key
		why := ""
		for j := range c.Handles {
			holder, left := a.holder(&c.Handles[j], &records[0])
			if records = records[1:]; why == "" {
				why = left
			}
			c.holders = append(c.holders, holder)
		}
		if why != "" {
			a.skip(why, 0)
			continue
		}
		if err := a.plan(&c); err != nil {
			return err
		}
	}
	return nil
}

// inOrder wants objects to come by bucket and key.
func (a *archiver) inOrder(r *Ripe) error {
	if r.Bucket > a.bucket || r.Bucket == a.bucket && r.Key > a.walk.asked {
		return nil
	}
	return &cooper.Error{Kind: cooper.KindInternal, Where: cooper.Quote(r.Bucket + "/" + r.Key), Message: "the objects that may go are not in order"}
}

// holder is a handle as a plan has it. left says why it may not go by what it is now.
func (a *archiver) holder(h *RipeHandle, r *gcstate.Record) (holder gcop.Holder, left string) {
	holder = gcop.Holder{Kind: h.Kind, ID: h.ID, Status: string(r.Status), Since: r.Since, Linked: h.Linked}
	switch {
	case a.back && r.Status == gcstate.Archiving && r.Since < a.in.Scanned:
		return holder, ""
	case a.back && r.Status == gcstate.Archiving:
		return holder, SkippedClosedSince
	case a.back:
		return holder, SkippedRestated
	case r.Since >= a.in.Looked:
		return holder, SkippedRestated
	case r.Status == gcstate.Archiving:
		scan, waits := strings.CutPrefix(r.Reason, gcop.ReasonWaits)
		if !waits {
			return holder, ""
		}
		scan, _, _ = strings.Cut(scan, " ")
		if holder.Scanned = h.Cleared && a.in.LastScan > scan; !holder.Scanned {
			return holder, SkippedWaiting
		}
	case r.Status == gcstate.Available && h.Status != gcstate.Unlinked, r.Status == gcstate.Restoring, r.Status == gcstate.Deleted:
		return holder, SkippedRestated
	}
	return holder, ""
}

// at goes on to a bucket.
func (a *archiver) at(ctx context.Context, bucket string) error {
	if a.walk != nil && a.bucket == bucket {
		return nil
	}
	if err := a.close(); err != nil {
		return err
	}
	view := a.in.Snapshots[bucket]
	if view == nil {
		return &cooper.Error{Kind: cooper.KindInternal, Where: cooper.Quote(bucket), Message: "there is no snapshot of it among those that the detection rests on"}
	}
	m := view.Meta()
	a.scope = a.scope.Plus(plan.Tally{Count: m.Versions + m.DeleteMarkers, Bytes: m.Bytes})
	a.bucket, a.seen[bucket] = bucket, true
	a.walk = newWalk(ctx, view)
	return nil
}

// close ends a bucket: what may stand further on is looked for first.
func (a *archiver) close() error {
	if a.walk == nil {
		return nil
	}
	err := a.until("", true)
	err = errors.Join(err, a.walk.close())
	a.walk, a.pending = nil, nil
	return err
}

// plan plans an object, or puts it off until what may stand for it comes.
func (a *archiver) plan(c *candidate) error {
	if err := a.until(c.Key, false); err != nil {
		return err
	}
	rows, err := a.walk.key(c.Key)
	if err != nil {
		return err
	}
	if showsOne(rows) {
		return a.object(c, c.Key, rows)
	}
	if len(c.holders) == 0 {
		a.skip(SkippedGone, 0)
		return nil
	}
	heap.Push(&a.pending, &waiting{c.Key + compressedSuffix, c})
	return nil
}

// until plans what stands under keys before one.
func (a *archiver) until(key string, all bool) error {
	for len(a.pending) > 0 && (all || a.pending[0].key < key) {
		w := heap.Pop(&a.pending).(*waiting)
		rows, err := a.walk.key(w.key)
		if err != nil {
			return err
		}
		switch {
		case !showsOne(rows):
			a.skip(SkippedGone, 0)
		case w.Shared && !a.back:
			a.skip(SkippedShared, rows[0].Size)
		default:
			if err := a.object(w.candidate, w.key, rows); err != nil {
				return err
			}
		}
	}
	return nil
}

// showsOne tells whether a key shows an object.
func showsOne(rows []cooper.Version) bool {
	return len(rows) > 0 && rows[0].Latest && !rows[0].DeleteMarker
}

func (a *archiver) skip(why string, bytes int64) { a.skipped[why] = a.skipped[why].Add(bytes) }

// object plans what stands for a candidate, under a key, the latest version first.
func (a *archiver) object(c *candidate, key string, rows []cooper.Version) error {
	if a.back {
		return a.giveBack(c, rows)
	}
	if why := a.leaves(key, rows); why != "" {
		a.skip(why, rows[0].Size)
		return nil
	}
	reason := reasonUnlinked
	if len(c.holders) == 0 {
		reason = reasonUnindexed
	}
	for i := len(rows) - 1; i >= 0; i-- {
		v := &rows[i]
		x := gcop.Archival{Bucket: c.Bucket, To: gcop.ArchiveKey(c.Bucket, key), Class: a.in.Class, Proof: proofOf(v), Last: i == 0, Reason: reason}
		if key != c.Key {
			x.For = c.Key
		}
		x.Guard, _ = a.guard(v)
		if i == len(rows)-1 {
			x.Versions, x.Handles = len(rows), c.holders
		}
		action, err := x.Action(*v)
		if err != nil {
			return err
		}
		if err := a.sink.Add(action, i == len(rows)-1); err != nil {
			return err
		}
		a.reasons[reason] = a.reasons[reason].Add(v.Size)
		a.sums.add(v, x.Proof, a.in.Now)
	}
	return nil
}

// finish writes the header.
func (a *archiver) finish() (plan.Header, error) {
	in := a.in
	for bucket, view := range in.Snapshots {
		if !a.seen[bucket] && !a.only[bucket] {
			m := view.Meta()
			a.scope = a.scope.Plus(plan.Tally{Count: m.Versions + m.DeleteMarkers, Bytes: m.Bytes})
		}
	}
	policy := map[string]any{"archiving": in.Archiving, "class": in.Class}
	whole, err := json.Marshal(policy)
	if err != nil {
		return plan.Header{}, &cooper.Error{Kind: cooper.KindInternal, Where: "policy", Message: "cannot be written down", Err: err}
	}
	decided, err := json.Marshal(map[string]any{"scope": in.Archiving.Scope, "class": in.Class, "without_fence": in.Archiving.Unfenced, "unindexed": in.Archiving.Unindexed, "unguarded": in.Archiving.Unguarded})
	if err != nil {
		return plan.Header{}, &cooper.Error{Kind: cooper.KindInternal, Where: "policy", Message: "cannot be written down", Err: err}
	}
	h := plan.Header{
		ID: in.ID, Mission: MissionArchive, Created: in.Now, Policy: whole, Decided: decided, Partial: true, Store: in.Store,
		Target:  plan.Target{Kind: gcop.ArchiveKind, Path: "s3://" + in.Archiving.Bucket + "/"},
		Reasons: a.reasons, Skipped: a.skipped, Warnings: in.Warnings,
	}
	a.sums.into(&h)
	moved := a.sums.moved
	share := plan.Share{Removed: moved.Count, RemovedBytes: moved.Bytes, Scope: a.scope.Count, ScopeBytes: a.scope.Bytes, Limit: in.Limit}
	if share.Exceeded() {
		h.Confirm = append(h.Confirm, fmt.Sprintf("%d of %d versions, with %d of %d bytes, would leave their buckets for the archive: more than %.3g %%", moved.Count, a.scope.Count, moved.Bytes, a.scope.Bytes, 100*in.Limit))
	}
	if in.Archiving.Unfenced {
		h.Warnings = append(h.Warnings, "not airtight: the owner's database is not told (--without-fence); a link made between the last look and the removal is not seen, and leads to nothing")
	}
	return a.sink.Finish(h)
}
