package gc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"time"

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

// copyOf is what manifests tell of a version.
func (k *kept) copyOf(v *cooper.Version) *StoredCopy {
	id := func(s string) string {
		if s == "" {
			return cooper.NullVersion
		}
		return s
	}
	var last *StoredCopy // of a null version, the one that was told of last
	for i := range k.Copies {
		if c := &k.Copies[i]; id(c.VersionID) == id(v.VersionID) && (last == nil || c.At >= last.At) {
			last = c
		}
	}
	return last
}

// judge tells why an object may be deleted, or is left.
func (f *forgetter) judge(k *kept, records []gcstate.Record) (class gcop.Class, why string) {
	if why = f.leaves(k); why != "" {
		return "", why
	}
	switch {
	case k.Other, !slices.Contains(f.in.Forgetting.Buckets, k.Bucket):
		return "", SkippedOther
	case k.Returning:
		return "", SkippedReturning
	}
	told, archived, away, ready := false, 0, 0, true
	for i, h := range k.Handles {
		r := &records[i]
		switch {
		case h.Told && !h.Named:
			return "", SkippedElsewhere
		case r.Since >= f.in.Looked:
			return "", SkippedRestated
		}
		told = told || h.Told
		switch r.Status {
		case gcstate.Archived:
			archived++
			ready = ready && f.long(r.Since, f.in.Now)
		case gcstate.Archiving, gcstate.Restoring, gcstate.Deleted:
			away++
		}
	}
	switch {
	case len(k.Handles) == 0:
		class = gcop.Orphaned
	case !told:
		return "", SkippedNamed
	case archived+away == 0 && f.in.Forgetting.Restored:
		return gcop.Returned, "" // since when does not matter
	case archived+away == 0:
		return "", SkippedBack
	case archived < len(k.Handles):
		return "", SkippedMixed
	default:
		class = gcop.Expired
	}
	for i := range k.rows {
		v := &k.rows[i]
		ready = ready && f.long(v.LastModified, f.in.Forgetting.Taken) && f.long(k.copyOf(v).At, f.in.Now)
	}
	if !ready {
		return "", SkippedEarly
	}
	for _, h := range k.Handles {
		if !h.Expired {
			return "", SkippedKept
		}
	}
	return class, ""
}

// long tells whether a time is the term ago; one that nobody knows is not.
func (f *forgetter) long(t, now cooper.Instant) bool {
	return t > 0 && now.Time().Sub(t.Time()) >= time.Duration(f.in.Forgetting.Keep)*time.Second
}

func (f *forgetter) skip(why string, bytes int64) { f.skipped[why] = f.skipped[why].Add(bytes) }

// leaves tells why the versions under a key are left, whatever their handles are; empty if they may go.
func (f *forgetter) leaves(k *kept) string {
	if k.why != "" {
		return k.why
	}
	latest := 0
	ids := map[string]bool{}
	for i := range k.rows {
		v := &k.rows[i]
		if v.Latest {
			latest++
		}
		ids[v.VersionID] = true
		_, guarded := guardOf(v, f.in.Forgetting.Versioning, f.in.Forgetting.Unguarded)
		switch {
		case v.DeleteMarker:
			return SkippedHidden
		case k.copyOf(v) == nil:
			return SkippedForeign
		case v.ETag == "" || !guarded:
			return SkippedUnguarded
		}
	}
	switch {
	case latest != 1 || len(ids) < len(k.rows):
		return SkippedAmbiguous
	case len(k.rows) > mostVersionsOfAKey:
		return SkippedMost
	}
	return ""
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
