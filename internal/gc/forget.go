package gc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"

	"cooper"
	"cooper/internal/gcop"
	"cooper/internal/gcstate"
	"cooper/internal/inventory"
	"cooper/internal/plan"
	"cooper/internal/price"
)

// MissionForget is the name of plans that delete from the archive.
const MissionForget = "gc-forget"

// Why objects of the archive bucket are left. What else may keep one is found when it is to go. Those of archivals are
// used as well.
const (
	SkippedForeign   = "no manifest tells of it"
	SkippedHidden    = "a delete marker hides it"
	SkippedEarly     = "not in the archive for long enough"
	SkippedOther     = "archived by another platform"
	SkippedKept      = "something keeps a handle of it"
	SkippedMixed     = "not all of its handles are ARCHIVED"
	SkippedBack      = "its files are back (--restored)"
	SkippedReturning = "a restore of it was planned"
	SkippedElsewhere = "a handle of it is gone, or names another object"
	SkippedNamed     = "a handle names it by now"
	reasonKept       = "in the archive for long enough"
	reasonBackAgain  = "in its place again"
	reasonVanished   = "not in the inventory of the archive"
	reasonDeleted    = "deleted by a plan, and not in the inventory of the archive"
	reasonSeen       = "in the inventory of the archive again"
)

// Stored is an object of which manifests of the archive tell.
type Stored struct {
	Bucket, Key string // of the original
	// For is the key that its handles have, if it is another.
	For     string
	Copies  []StoredCopy
	Handles []StoredHandle
	// Returning: a restore of it was planned, and not carried out. Other: it was archived for another collection of handles.
	Returning, Other bool
}

// StoredCopy is a copy, as manifests have it.
type StoredCopy struct {
	VersionID    string // in the archive
	Origin, ETag string // of the original
	Manifest     string // its key
	At           cooper.Instant
}

// StoredHandle is a handle of such an object.
type StoredHandle struct {
	Kind, ID string
	// Told: a manifest names it. Named: it names the object, by the scans that count.
	Told, Named bool
	// Expired: by the detection it has been ARCHIVED for long enough, and nothing keeps it. Cleared: and a complete scan
	// that began after that has seen no link.
	Expired, Cleared bool
}

// Gone is a handle whose copies the inventory does not have (vanish), or has again (seen-again).
type Gone struct {
	Bucket, Key string // of the object, as the handle names it
	Kind, ID    string
	Event       gcstate.Event
	// Ours: a plan of ours has deleted a copy of it.
	Ours bool
}

// Deletion is all that a plan that deletes from the archive follows from.
type Deletion struct {
	Forgetting gcop.Forgetting
	// Archive is the inventory of the archive bucket. Stored are the objects of which manifests tell, by their key there,
	// bytewise.
	Archive inventory.View
	Stored  iter.Seq2[Stored, error]
	// Gone are handles, by object.
	Gone  iter.Seq2[Gone, error]
	State gcstate.State
	// Looked is when the detection began to look.
	Looked cooper.Instant
	// Limit is the share of the archive's versions, or of their bytes, that may go unasked.
	Limit    float64
	Prices   *price.Table
	Store    *cooper.Store
	Warnings []string
	ID       string // of the plan
	Now      cooper.Instant
}

// ForgetLimits are those of a plan that deletes.
var ForgetLimits = plan.Limits{Actions: gcop.ForgottenAShard, Bytes: cooper.MaxBytes}

// PlanForget writes the plan that deletes from the archive bucket what manifests tell of, what nothing needs, and what has been
// there for long enough; and that handles become DELETED whose copies are not there any more.
func PlanForget(ctx context.Context, in Deletion, w plan.Sink) (plan.Header, error) {
	f := forgetter{in: &in, sink: w, reasons: map[string]plan.Tally{}, skipped: map[string]plan.Tally{}, saved: newSaved(in.Prices)}
	if err := w.Phase(gcop.Forget); err != nil {
		return plan.Header{}, err
	}
	if err := f.vanished(ctx); err != nil {
		return plan.Header{}, err
	}
	if err := f.all(ctx); err != nil {
		return plan.Header{}, err
	}
	return f.finish()
}

// forgetter writes the actions of a plan.
type forgetter struct {
	in               *Deletion
	sink             plan.Sink
	reasons, skipped map[string]plan.Tally
	saved            saved
	some             []kept
	handles          int
	strange          int64 // handles that become DELETED, and nobody here has deleted a copy of
	walked           plan.Tally
}

// kept is an object, with the versions that the inventory has of it, the latest first.
type kept struct {
	Stored
	rows []cooper.Version
	why  string // it stays
}

// all goes through inventory and manifests side by side.
func (f *forgetter) all(ctx context.Context) (err error) {
	versions := f.in.Archive.Versions(ctx, "")
	rejected := f.in.Archive.RejectedKeys(ctx)
	stored, stop := iter.Pull2(f.in.Stored)
	defer func() { stop(); err = errors.Join(err, versions.Close(), rejected.Close()) }()
	m := &matching{stored: stored, rejected: rejected}
	var rows []cooper.Version
	group := func() error {
		if len(rows) == 0 {
			return nil
		}
		k, err := m.of(rows)
		if err != nil {
			return err
		}
		rows = nil
		if k == nil {
			return nil
		}
		f.some = append(f.some, *k)
		if f.handles += len(k.Handles); f.handles >= gcop.HandlesAShard || len(f.some) >= gcop.HandlesAShard {
			return f.flush(ctx)
		}
		return nil
	}
	for {
		v, err := versions.Next()
		if errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return err
		}
		if len(rows) > 0 && rows[0].Key != v.Key {
			if err := group(); err != nil {
				return err
			}
		}
		if f.walked = f.walked.Add(v.Size); len(rows) <= mostVersionsOfAKey {
			rows = append(rows, *v)
		}
	}
	if err := group(); err != nil {
		return err
	}
	return f.flush(ctx)
}

// flush asks the state for the handles of some objects, and plans these.
func (f *forgetter) flush(ctx context.Context) error {
	var asked []gcstate.Handle
	for i := range f.some {
		for _, h := range f.some[i].Handles {
			asked = append(asked, gcstate.Handle{Scope: f.in.Forgetting.Scope, Kind: h.Kind, ID: h.ID})
		}
	}
	records, err := f.get(ctx, asked)
	if err != nil {
		return err
	}
	for i := range f.some {
		k := &f.some[i]
		n := len(k.Handles)
		if err := f.object(k, records[:n]); err != nil {
			return err
		}
		records = records[n:]
	}
	f.some, f.handles = f.some[:0], 0
	return nil
}

func (f *forgetter) get(ctx context.Context, asked []gcstate.Handle) ([]gcstate.Record, error) {
	if len(asked) == 0 {
		return nil, nil
	}
	records, err := f.in.State.Get(ctx, asked)
	if err == nil && len(records) != len(asked) {
		err = &cooper.Error{Kind: cooper.KindInternal, Where: f.in.Forgetting.Scope, Message: fmt.Sprintf("of %d handles, the state tells of %d", len(asked), len(records))}
	}
	return records, err
}

// object plans an object, or leaves it.
func (f *forgetter) object(k *kept, records []gcstate.Record) error {
	class, why := f.judge(k, records)
	if why != "" {
		for i := range k.rows {
			f.skip(why, k.rows[i].Size)
		}
		return nil
	}
	reason := map[gcop.Class]string{gcop.Expired: reasonKept, gcop.Orphaned: reasonUnindexed, gcop.Returned: reasonBackAgain}[class]
	var holders []gcop.Holder
	for i, h := range k.Handles {
		holders = append(holders, gcop.Holder{Kind: h.Kind, ID: h.ID, Status: string(records[i].Status), Since: records[i].Since, Scanned: h.Cleared})
	}
	for i := len(k.rows) - 1; i >= 0; i-- {
		v := &k.rows[i]
		c := k.copyOf(v)
		x := gcop.Forgotten{Bucket: k.Bucket, Key: k.Key, For: k.For, Class: class, Origin: c.Origin, ETag: c.ETag, Manifest: c.Manifest, Last: i == 0, Reason: reason}
		x.Guard, _ = guardOf(v, f.in.Forgetting.Versioning, f.in.Forgetting.Unguarded)
		if i == len(k.rows)-1 {
			x.Versions, x.Handles = len(k.rows), holders
		}
		action, err := x.Action(*v)
		if err != nil {
			return err
		}
		if err := f.sink.Add(action, i == len(k.rows)-1); err != nil {
			return err
		}
		f.reasons[reason] = f.reasons[reason].Add(v.Size)
		f.saved.add(v, f.in.Now)
	}
	return nil
}

// finish writes the header.
func (f *forgetter) finish() (plan.Header, error) {
	in := f.in
	policy, err := json.Marshal(map[string]any{"forgetting": in.Forgetting})
	if err != nil {
		return plan.Header{}, &cooper.Error{Kind: cooper.KindInternal, Where: "policy", Message: "cannot be written down", Err: err}
	}
	g := &in.Forgetting
	decided, err := json.Marshal(map[string]any{"scope": g.Scope, "keep_seconds": g.Keep, "restored": g.Restored, "without_fence": g.Unfenced, "unguarded": g.Unguarded})
	if err != nil {
		return plan.Header{}, &cooper.Error{Kind: cooper.KindInternal, Where: "policy", Message: "cannot be written down", Err: err}
	}
	h := plan.Header{
		ID: in.ID, Mission: MissionForget, Created: in.Now, Policy: policy, Decided: decided, Partial: true, Store: in.Store,
		Target:  plan.Target{Kind: gcop.ArchiveKind, Path: "s3://" + g.Bucket + "/"},
		Reasons: f.reasons, Skipped: f.skipped, Warnings: in.Warnings,
	}
	f.saved.into(&h)
	share := plan.Share{Removed: f.saved.gone.Count, RemovedBytes: f.saved.gone.Bytes, Scope: f.walked.Count, ScopeBytes: f.walked.Bytes, Limit: in.Limit}
	if share.Exceeded() {
		h.Confirm = append(h.Confirm, fmt.Sprintf("%d of %d versions of the archive, with %d of %d bytes, would be deleted for good: more than %.3g %%", share.Removed, share.Scope, share.RemovedBytes, share.ScopeBytes, 100*in.Limit))
	}
	if float64(f.strange) > in.Limit*float64(f.walked.Count+f.strange) {
		h.Confirm = append(h.Confirm, fmt.Sprintf("%d handles would become DELETED of whose copies no plan has deleted any: is the inventory that of the archive?", f.strange))
	}
	if f.strange > 0 {
		h.Warnings = append(h.Warnings, fmt.Sprintf("handles whose copies are not in the archive any more, and no plan has deleted them: %d; a lifecycle rule, or somebody else", f.strange))
	}
	if g.Unfenced && f.saved.gone.Count > 0 {
		h.Warnings = append(h.Warnings, "not airtight: the owner's database is not told (--without-fence); a link made between the last look and the deletion is not seen, and leads to nothing")
	}
	return f.sink.Finish(h)
}
