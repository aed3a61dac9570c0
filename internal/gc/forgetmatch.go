package gc

import (
	"context"
	"errors"
	"io"
	"strings"

	"cooper"
	"cooper/internal/bucketop"
	"cooper/internal/gcop"
	"cooper/internal/gcstate"
	"cooper/internal/inventory"
)

// matching finds what manifests tell of the keys of an inventory, which come in order.
type matching struct {
	stored   func() (Stored, error, bool)
	rejected inventory.Keys
	next     *Stored
	ended    bool
	last     string // the key of the one before
	bad      string
	badEnded bool
}

// of is what there is of a key; nil of one that is Cooper's own.
func (m *matching) of(rows []cooper.Version) (*kept, error) {
	key := rows[0].Key
	if strings.HasPrefix(key, gcop.Internal) {
		return nil, nil
	}
	k := &kept{rows: rows}
	for !m.ended && (m.next == nil || gcop.ArchiveKey(m.next.Bucket, m.next.Key) < key) {
		x, err, ok := m.stored()
		switch at := gcop.ArchiveKey(x.Bucket, x.Key); {
		case err != nil:
			return nil, err
		case !ok:
			m.ended, m.next = true, nil
		case at <= m.last:
			return nil, &cooper.Error{Kind: cooper.KindInternal, Where: cooper.Quote(at), Message: "what manifests tell of is not in order"}
		default:
			m.next, m.last = &x, at
		}
	}
	for !m.badEnded && m.bad < key {
		bad, err := m.rejected.Next()
		switch {
		case errors.Is(err, io.EOF):
			m.badEnded = true
		case err != nil:
			return nil, err
		default:
			m.bad = bad
		}
	}
	switch {
	case m.next == nil || gcop.ArchiveKey(m.next.Bucket, m.next.Key) != key:
		k.why = SkippedForeign
	case !m.badEnded && m.bad == key:
		k.Stored, k.why = *m.next, SkippedRejected
	default:
		k.Stored = *m.next
	}
	return k, nil
}

// guardOf tells how a removal is kept from hitting a version written since; not ok if it cannot be.
func guardOf(v *cooper.Version, versioning string, unguarded bool) (g bucketop.Guard, ok bool) {
	switch {
	case v.VersionID != cooper.NullVersion && v.VersionID != "":
		return bucketop.ByID, true
	case versioning == "Enabled", unguarded:
		return bucketop.ByLook, v.DeleteMarker || v.ETag != ""
	case v.Latest && !v.DeleteMarker && v.ETag != "":
		return bucketop.ByETag, true
	}
	return "", false
}

// vanished plans what becomes of handles whose copies are not there any more, or are there again; those of an object stand
// together.
func (f *forgetter) vanished(ctx context.Context) error {
	var some []Gone
	for g, err := range f.in.Gone {
		if err != nil {
			return err
		}
		if n := len(some); n >= gcop.HandlesAShard && (some[n-1].Bucket != g.Bucket || some[n-1].Key != g.Key || some[n-1].Event != g.Event) {
			if err := f.gone(ctx, some); err != nil {
				return err
			}
			some = some[:0]
		}
		some = append(some, g)
	}
	return f.gone(ctx, some)
}

func (f *forgetter) gone(ctx context.Context, some []Gone) error {
	asked := make([]gcstate.Handle, len(some))
	for i, g := range some {
		asked[i] = gcstate.Handle{Scope: f.in.Forgetting.Scope, Kind: g.Kind, ID: g.ID}
	}
	records, err := f.get(ctx, asked)
	if err != nil {
		return err
	}
	var x gcop.Vanished
	add := func() error {
		if len(x.Handles) == 0 {
			return nil
		}
		a, err := x.Action()
		if err != nil {
			return err
		}
		f.reasons[x.Reason] = f.reasons[x.Reason].Add(0)
		return f.sink.Add(a, true)
	}
	for i, g := range some {
		r := &records[i]
		reason := reasonVanished
		switch {
		case g.Event == gcstate.Reappear:
			reason = reasonSeen
		case g.Ours:
			reason = reasonDeleted
		}
		if x.Bucket != g.Bucket || x.Key != g.Key || x.Event != string(g.Event) || x.Reason != reason {
			if err := add(); err != nil {
				return err
			}
			x = gcop.Vanished{Bucket: g.Bucket, Key: g.Key, Event: string(g.Event), Reason: reason}
		}
		// What is known now counts: an inventory tells nothing of what has happened since.
		if _, ok := gcstate.After(r.Status, g.Event); !ok || r.Since >= f.in.Forgetting.Taken {
			continue
		}
		if reason == reasonVanished {
			f.strange++
		}
		x.Handles = append(x.Handles, gcop.Holder{Kind: g.Kind, ID: g.ID, Status: string(r.Status), Since: r.Since})
	}
	return add()
}
