package purge

import (
	"context"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"cooper"
	"cooper/internal/bucketop"
	"cooper/internal/inventory"
	"cooper/internal/plan"
)

// snap is a snapshot in memory.
type snap struct {
	meta     inventory.Meta
	versions []cooper.Version
	rejected []string
}

func (s *snap) Meta() inventory.Meta { return s.meta }

func (s *snap) Versions(_ context.Context, prefix string) inventory.Iterator {
	vs := slices.DeleteFunc(slices.Clone(s.versions), func(v cooper.Version) bool { return !cooper.HasPrefix(v.Key, prefix) })
	slices.SortStableFunc(vs, func(a, b cooper.Version) int { return a.Compare(&b) })
	return &walk{vs: vs}
}

func (s *snap) RejectedKeys(context.Context) inventory.Keys {
	return &keyList{slices.Compact(slices.Sorted(slices.Values(s.rejected)))}
}

// walk overwrites what it gave, as the contract allows.
type walk struct {
	vs  []cooper.Version
	one cooper.Version
}

func (w *walk) Next() (*cooper.Version, error) {
	if len(w.vs) == 0 {
		return nil, io.EOF
	}
	w.one, w.vs = w.vs[0], w.vs[1:]
	return &w.one, nil
}

func (w *walk) Close() error { return nil }

type keyList struct{ keys []string }

func (l *keyList) Next() (string, error) {
	if len(l.keys) == 0 {
		return "", io.EOF
	}
	key := l.keys[0]
	l.keys = l.keys[1:]
	return key, nil
}

func (l *keyList) Close() error { return nil }

// chosen is a list of choices, sorted.
type chosen []Choice

func (c *chosen) Next() (Choice, error) {
	if len(*c) == 0 {
		return Choice{}, io.EOF
	}
	one := (*c)[0]
	*c = (*c)[1:]
	return one, nil
}

func (c *chosen) Close() error { return nil }

// recorder takes a plan down.
type recorder struct {
	actions []cooper.Action
	cuts    []bool
	header  plan.Header
}

func (r *recorder) Phase(string) error { return nil }

func (r *recorder) Add(a cooper.Action, cut bool) error {
	r.actions, r.cuts = append(r.actions, a), append(r.cuts, cut)
	return nil
}

func (r *recorder) Finish(h plan.Header) (plan.Header, error) {
	r.header = h
	return h, nil
}

// names gives the actions as key@version, in order.
func (r *recorder) names() string {
	var parts []string
	for _, a := range r.actions {
		parts = append(parts, a.Version.Key+"@"+a.Version.VersionID)
	}
	return strings.Join(parts, " ")
}

// guards gives those that are not by id.
func (r *recorder) guards(t *testing.T) string {
	t.Helper()
	var parts []string
	for _, a := range r.actions {
		args, err := bucketop.Decode(a.Args)
		if err != nil {
			t.Fatal(err)
		}
		if args.Guard != bucketop.ByID {
			parts = append(parts, a.Version.Key+" "+string(args.Guard))
		}
	}
	return strings.Join(parts, ", ")
}

var now = cooper.InstantOf(time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC))

const day = 24 * time.Hour

// version makes one, written so long ago.
func version(key, id string, ago time.Duration, more ...string) cooper.Version {
	v := cooper.Version{Identity: cooper.Identity{Key: key, VersionID: id, ETag: "e" + id, Size: 10, LastModified: cooper.InstantOf(now.Time().Add(-ago))}, StorageClass: "STANDARD"}
	for _, m := range more {
		switch m {
		case "latest":
			v.Latest = true
		case "marker":
			v.DeleteMarker, v.ETag, v.Size = true, "", 0
		default:
			v.StorageClass = m
		}
	}
	return v
}

// snapOf is a complete snapshot of a whole bucket.
func snapOf(vs ...cooper.Version) *snap {
	s := &snap{meta: inventory.Meta{ID: "s-1", Bucket: "lab", Complete: true, TakenAt: now - 1000}, versions: vs}
	for i := range vs {
		if vs[i].DeleteMarker {
			s.meta.DeleteMarkers++
		} else {
			s.meta.Versions++
			s.meta.Bytes += vs[i].Size
		}
	}
	return s
}

// planned makes a plan.
func planned(t testing.TB, s *snap, p Policy, from Choices) (*recorder, error) {
	t.Helper()
	if p.Versions == "" {
		p.Versions = All
	}
	var r recorder
	_, err := Plan(context.Background(), Inputs{Snapshot: s, Policy: p, Chosen: from, ID: "p-1", Now: now}, &r)
	return &r, err
}
