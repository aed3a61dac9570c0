package detect

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"cooper"
	"cooper/internal/inventory"
	"cooper/internal/ledger/gcfacts"
)

// bucket is an owned bucket, or that of the archive, with its inventory.
type bucket struct {
	name  string
	owned bool
	id    string // of the snapshot
	meta  inventory.Meta
	// rejected are keys of which nobody knows what is there.
	rejected map[string]bool
	// settled are handles, for what is missing: last written so long before the inventory.
	settled cooper.Instant
}

// mostRejected bounds the keys that are held in memory.
const mostRejected = 1 << 20

// snapshots takes stock of the inventories, and notes which lists are unknown of which bucket.
func (d *detection) snapshots(ctx context.Context) error {
	for _, s := range d.Snapshots {
		m := s.Meta()
		owned := d.Config.Judged(m.Bucket)
		switch {
		case !owned && (d.Config.Archive == nil || d.Config.Archive.Bucket != m.Bucket):
			return &cooper.Error{Kind: cooper.KindUsage, Where: m.ID, Message: "it is of " + cooper.Quote(m.Bucket) + ", which is none of `buckets`", Remedy: "Name snapshots of buckets that are declared."}
		case !m.Complete || m.Scope.Prefix != "":
			return &cooper.Error{Kind: cooper.KindUsage, Where: m.ID, Message: "it is no complete snapshot of a whole bucket", Remedy: "Take one of all of " + cooper.Quote(m.Bucket) + "."}
		case slices.ContainsFunc(d.buckets, func(b *bucket) bool { return b.name == m.Bucket }):
			return &cooper.Error{Kind: cooper.KindUsage, Where: m.ID, Message: "it is the second of " + cooper.Quote(m.Bucket), Remedy: "Name one of each bucket."}
		}
		b := &bucket{name: m.Bucket, owned: owned, id: m.ID, meta: m, settled: cooper.InstantOf(m.TakenAt.Time().Add(-d.Config.Detect.Settle))}
		if err := b.reject(ctx, s); err != nil {
			return err
		}
		d.buckets = append(d.buckets, b)
		d.found.Snapshots = append(d.found.Snapshots, gcfacts.Inventoried{Bucket: b.name, Snapshot: b.id, Taken: m.TakenAt})
	}
	slices.SortFunc(d.buckets, func(a, b *bucket) int { return strings.Compare(a.name, b.name) })
	for _, c := range d.Config.Buckets {
		b := d.bucket(c.Name)
		for _, list := range []string{gcfacts.Missings, gcfacts.Unindexeds} {
			if why := d.unknown(b, list); why != "" {
				d.found.Unknown = append(d.found.Unknown, gcfacts.Unknown{List: list, Bucket: c.Name, Why: why})
			}
		}
	}
	return nil
}

func (b *bucket) reject(ctx context.Context, s *inventory.Snapshot) (err error) {
	b.rejected = map[string]bool{}
	if b.meta.Rejected > mostRejected {
		return nil
	}
	keys := s.RejectedKeys(ctx)
	defer func() { err = errors.Join(err, keys.Close()) }()
	for {
		key, err := keys.Next()
		if errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		b.rejected[key] = true
	}
}

// bucket finds one that has an inventory.
func (d *detection) bucket(name string) *bucket {
	for _, b := range d.buckets {
		if b.name == name {
			return b
		}
	}
	return nil
}

// unknown is why a list tells nothing of a bucket; empty if it does.
func (d *detection) unknown(b *bucket, list string) string {
	switch {
	case b == nil:
		return "there is no inventory"
	case b.meta.MakesNoSense():
		return "the inventory makes no sense: more of its rows were set aside than taken"
	case b.meta.Contradicts():
		return fmt.Sprintf("the inventory contradicts itself about %d keys", b.meta.Ambiguous)
	case b.meta.Rejected > mostRejected:
		return fmt.Sprintf("the inventory has %d rows that make no sense", b.meta.Rejected)
	case list == gcfacts.Missings && b.meta.Torn > 0:
		return fmt.Sprintf("the inventory has %d rows whose key is in doubt: nothing may look absent", b.meta.Torn)
	case list == gcfacts.Unindexeds && d.looked.ago(d.Config.Detect.Settle) < b.meta.TakenAt:
		apart := d.looked.clock.Time().Sub(b.meta.TakenAt.Time()).Round(time.Second)
		return fmt.Sprintf("the handles were read %s after the time of the inventory, and detect.settle is %s: a later scan tells", max(apart, 0), d.Config.Detect.Settle)
	}
	return ""
}

// judged are the owned buckets of which a list tells.
func (d *detection) judged(list string) (bs []*bucket) {
	for _, b := range d.buckets {
		if b.owned && d.unknown(b, list) == "" {
			bs = append(bs, b)
		}
	}
	return bs
}

// shown are the keys of a snapshot that have an object.
func shown(columns, snapshot, more string) string {
	return "SELECT " + columns + " FROM version WHERE snapshot = " + text(snapshot) + " AND is_latest AND NOT is_delete_marker" + more
}

// present are the keys of a bucket whose object is there, in whatever form: as it is, as Cooper has
// compressed it, or in the archive. A key of which no version is the latest may be there.
func (d *detection) present(b *bucket) string {
	parts := []string{shown("key", b.id, ""), shown("left(key, -4) AS key", b.id, " AND ends_with(key, '"+suffix+"')")}
	if b.meta.Hidden > 0 {
		parts = append(parts, "SELECT key FROM version WHERE snapshot = "+text(b.id)+" GROUP BY key HAVING NOT bool_or(is_latest)")
	}
	if a := d.archive(); a != nil {
		in := " AND starts_with(key, " + text(b.name+"/") + ")"
		key := fmt.Sprintf("substring(key, %d)", len([]rune(b.name))+2)
		parts = append(parts, shown(key+" AS key", a.id, in), shown("left("+key+", -4) AS key", a.id, in+" AND ends_with(key, '"+suffix+"')"))
	}
	return union("", parts...)
}

// archive is the bucket of the archive; nil without an inventory.
func (d *detection) archive() *bucket {
	if d.Config.Archive == nil {
		return nil
	}
	return d.bucket(d.Config.Archive.Bucket)
}
