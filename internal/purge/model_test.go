package purge

import (
	"context"
	"strings"
	"testing"
	"time"

	"cooper"
	"cooper/internal/bucketop"
	"cooper/internal/bucketop/bucketoptest"
	"cooper/internal/inventory/invtest"
)

// chosen is a list of choices, sorted.
func chosen(list []Choice) Choices { return invtest.ListOf(list...) }

// recorder takes a plan down.
type recorder struct{ bucketoptest.Plan }

// names gives the actions as key@version, in order.
func (r *recorder) names() string {
	var parts []string
	for _, a := range r.Actions {
		parts = append(parts, a.Version.Key+"@"+a.Version.VersionID)
	}
	return strings.Join(parts, " ")
}

// guards gives those that are not by id.
func (r *recorder) guards(t *testing.T) string {
	t.Helper()
	var parts []string
	for _, a := range r.Actions {
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
func snapOf(vs ...cooper.Version) *invtest.Snapshot {
	return invtest.SnapshotOf("lab", now-1000, vs...)
}

// planned makes a plan.
func planned(t testing.TB, s *invtest.Snapshot, p Policy, from Choices) (*recorder, error) {
	t.Helper()
	if p.Versions == "" {
		p.Versions = All
	}
	var r recorder
	_, err := Plan(context.Background(), Inputs{Snapshot: s, Policy: p, Chosen: from, ID: "p-1", Now: now}, &r)
	return &r, err
}
