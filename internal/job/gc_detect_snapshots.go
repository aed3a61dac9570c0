package job

import (
	"context"
	"path/filepath"
	"strings"

	"cooper"
	"cooper/internal/config"
	"cooper/internal/inventory"
)

// snapshots finds those that are looked at: of each declared bucket the one that was named, or
// the newest whole one of the workspace; where the configuration says where reports are, the
// newest report is taken first if it is newer.
func (g *GCDetect) snapshots(ctx context.Context, w *work) ([]*inventory.Snapshot, error) {
	c, err := config.Load(g.Config)
	if err != nil {
		return nil, err
	}
	buckets := c.Buckets
	if c.Archive != nil && !c.Judged(c.Archive.Bucket) {
		buckets = append(buckets[:len(buckets):len(buckets)], &config.Bucket{Name: c.Archive.Bucket})
	}
	for name := range g.Snapshots {
		known := false
		for _, b := range buckets {
			known = known || b.Name == name
		}
		if !known {
			return nil, usage("--snapshot "+cooper.Quote(name)+"=…: the configuration declares no such bucket", "Name buckets that it declares.")
		}
	}
	newest, err := w.wholeSnapshots()
	if err != nil {
		return nil, err
	}
	var all []*inventory.Snapshot
	for _, b := range buckets {
		snap, err := g.snapshotOf(ctx, w, c, b, newest[b.Name])
		if err != nil {
			return nil, err
		}
		if snap != nil {
			all = append(all, snap)
		}
	}
	return all, nil
}

func (g *GCDetect) snapshotOf(ctx context.Context, w *work, c *config.Config, b *config.Bucket, newest *inventory.Snapshot) (*inventory.Snapshot, error) {
	if name := g.Snapshots[b.Name]; name != "" {
		return w.snapshotOf(ctx, b.Name, Source{Snapshot: name}, "", "")
	}
	if b.Inventory == "" {
		return newest, nil
	}
	at := b.Inventory
	if !strings.HasPrefix(at, "s3://") && !filepath.IsAbs(at) {
		at = filepath.Join(c.Dir, at)
	}
	reports, err := Reports(ctx, w.Env, at)
	if err != nil {
		return nil, err
	}
	for _, r := range reports {
		if r.Whole && (newest == nil || r.At > newest.Meta().TakenAt) {
			return w.snapshotOf(ctx, b.Name, Source{Inventory: at}, "", "")
		}
	}
	return newest, nil
}

// wholeSnapshots are the newest complete snapshots of whole buckets, by bucket. One that cannot
// be read is none.
func (w *work) wholeSnapshots() (map[string]*inventory.Snapshot, error) {
	ids, err := w.ws.Snapshots()
	if err != nil {
		return nil, err
	}
	newest := map[string]*inventory.Snapshot{}
	for _, id := range ids {
		s, err := inventory.Open(w.ws.SnapshotDir(id))
		if err != nil {
			w.tell(Caution, "a snapshot is passed over: %v", err)
			continue
		}
		m := s.Meta()
		if old := newest[m.Bucket]; m.Complete && m.Scope.Prefix == "" && (old == nil || old.Meta().TakenAt <= m.TakenAt) {
			newest[m.Bucket] = s
		}
	}
	return newest, nil
}
