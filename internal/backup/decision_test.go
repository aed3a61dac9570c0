package backup

import (
	"context"
	"path/filepath"
	"strconv"
	"testing"

	"cooper"
	"cooper/internal/plan"
	"cooper/internal/tree/catalog"
)

// making makes a plan with an id, at a time.
type making func(w Writer, id string, now cooper.Instant) (plan.Header, error)

func (f making) header(t *testing.T, id string, now cooper.Instant) plan.Header {
	t.Helper()
	w, err := plan.Create(filepath.Join(t.TempDir(), id), id, plan.Limits{Actions: int(now%7) + 1})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Abort()
	h, err := f(w, id, now)
	if err != nil {
		t.Fatal(err)
	}
	if len(h.Totals) == 0 {
		t.Fatalf("%s decides nothing", id)
	}
	return h
}

// oneDecision checks that what is planned twice is one decision, and that each of others is
// another one.
func oneDecision(t *testing.T, one, again making, others map[string]making) {
	t.Helper()
	const early, late = 1 << 40, 1<<40 + 12345
	a, b := one.header(t, "p-1", early), again.header(t, "p-2", late)
	if a.Decision != b.Decision || a.Decision == "" || a.Digest == b.Digest {
		t.Errorf("planned twice: decision %q and %q, digest %q and %q", a.Decision, b.Decision, a.Digest, b.Digest)
	}
	for name, f := range others {
		if c := f.header(t, "p-3", early); c.Decision == a.Decision {
			t.Errorf("%s: it is the same decision", name)
		}
	}
}

// lived is a bucket that a tree has followed for a while.
func lived(t *testing.T) (*bucket, *model) {
	t.Helper()
	b, tree := newBucket("Enabled"), newModel()
	for range 2 {
		for _, k := range []string{"a", "b", "c", "d"} {
			b.put(k, b.now, "")
		}
		planned(t, b.list(), tree)
	}
	return b, tree
}

func TestDecisionOfABackup(t *testing.T) {
	b, tree := lived(t)
	b.put("a", b.now, "")
	b.remove("b")
	b.expire("c", 1) // which an older version takes the place of, nobody knows since when
	b.put("new", b.now, "")
	of := func(s *snap, change func(*Inputs)) making {
		return func(w Writer, id string, now cooper.Instant) (plan.Header, error) {
			in := Inputs{Snapshot: s, Catalog: tree, Dir: "/tree", Policy: Careful(), ID: id, Now: now}
			if change != nil {
				change(&in)
			}
			return Plan(context.Background(), in, w)
		}
	}
	first, second := b.list(), b.list()
	second.meta.Source = "another report"
	now := strconv.FormatInt(int64(first.meta.TakenAt), 10)
	var rec recorder
	if _, err := of(first, nil)(&rec, "p-0", 1<<40); err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, a := range rec.actions {
		if a.Args["superseded"] == now {
			n++
		}
	}
	if n == 0 || n == len(rec.actions) {
		t.Fatalf("%d of %d actions say that a version is superseded as of the snapshot", n, len(rec.actions))
	}
	less, more, torn := b.list(), b.list(), b.list()
	less.versions = less.versions[:0]
	for _, v := range b.list().versions {
		if v.Key != "new" {
			less.versions = append(less.versions, v)
		}
	}
	more.versions = append(more.versions, cooper.Version{Identity: cooper.Identity{Key: "more", VersionID: "v", ETag: "e"}, Latest: true})
	torn.meta.Complete = false
	elsewhere := b.list()
	elsewhere.meta.Store = &cooper.Store{Endpoint: "https://elsewhere.example.org"}
	oneDecision(t, of(first, nil), of(second, nil), map[string]making{
		"an object less":     of(less, nil),
		"an object more":     of(more, nil),
		"an incomplete one":  of(torn, nil),
		"another tree":       of(first, func(in *Inputs) { in.Dir = "/other" }),
		"a layout":           of(first, func(in *Inputs) { in.Layout = "inline" }),
		"another store":      of(elsewhere, nil),
		"copies of archives": of(first, func(in *Inputs) { in.Policy.Archived = ArchivedRestore }),
		"another share":      of(first, func(in *Inputs) { in.Policy.ShareLimit = 1 }),
		"going forward":      of(first, func(in *Inputs) { in.Policy.Forward = true }),
		"an expression":      of(first, func(in *Inputs) { in.Policy.Match = "." }),
	})
}

func TestDecisionOfARollback(t *testing.T) {
	b, tree := lived(t)
	to := tree.state.Observed[0].ID
	of := func(tree *model, change func(*Rollback)) making {
		return func(w Writer, id string, now cooper.Instant) (plan.Header, error) {
			in := Rollback{Catalog: tree, Dir: "/tree", Snapshot: to, Policy: Careful(), ID: id, Now: now}
			if change != nil {
				change(&in)
			}
			return PlanRollback(context.Background(), in, w)
		}
	}
	_, newer := lived(t)
	newer.state.Generation += 7
	_, more := lived(t)
	b.put("a", b.now, "")
	planned(t, b.list(), more)
	oneDecision(t, of(tree, nil), of(newer, nil), map[string]making{
		"from elsewhere": of(more, nil),
		"another tree":   of(tree, func(in *Rollback) { in.Dir = "/other" }),
		"fetching":       of(tree, func(in *Rollback) { in.Fetch = true }),
		"a part":         of(tree, func(in *Rollback) { in.Policy.Prefix = "a" }),
	})
}

func TestDecisionOfARestore(t *testing.T) {
	_, tree := lived(t)
	of := func(change func(*Restore)) making {
		return func(w Writer, id string, now cooper.Instant) (plan.Header, error) {
			in := Restore{Catalog: tree, Dir: "/tree", Policy: Careful(), Dest: "/dest", ID: id, Now: now}
			change(&in)
			return PlanRestore(context.Background(), in, w)
		}
	}
	oneDecision(t, of(func(*Restore) {}), of(func(in *Restore) { in.Free = &Space{} }), map[string]making{
		"another place":      of(func(in *Restore) { in.Dest = "/other" }),
		"a bucket":           of(func(in *Restore) { in.Dest = "s3://dest" }),
		"over what is there": of(func(in *Restore) { in.Replace = true }),
		"what is damaged":    of(func(in *Restore) { in.Damaged = true }),
		"another time":       of(func(in *Restore) { in.Select.At = tree.state.Observed[0].TakenAt }),
		"one key":            of(func(in *Restore) { in.Keys = []string{"a"} }),
		"another tree":       of(func(in *Restore) { in.Dir = "/other" }),
	})
}

func TestDecisionOfAPrune(t *testing.T) {
	_, tree := lived(t)
	of := func(tree *model, change func(*Prune)) making {
		return func(w Writer, id string, now cooper.Instant) (plan.Header, error) {
			in := Prune{Catalog: tree, Dir: "/tree", Policy: Careful(), OlderThan: year, ID: id, Now: now}
			if change != nil {
				change(&in)
			}
			return PlanPrune(context.Background(), in, w)
		}
	}
	b, newer := lived(t)
	b.put("e", b.now, "") // nothing that a prune takes
	planned(t, b.list(), newer)
	b.put("a", b.now, "")
	_, more := lived(t)
	planned(t, b.list(), more)
	oneDecision(t, of(tree, nil), of(newer, func(in *Prune) { in.Unasked = false }), map[string]making{
		"more versions": of(more, nil),
		"another tree":  of(tree, func(in *Prune) { in.Dir = "/other" }),
		"another age":   of(tree, func(in *Prune) { in.OlderThan = 2 * year }),
		"another share": of(tree, func(in *Prune) { in.Policy.ShareLimit = 1 }),
		"a prefix":      of(tree, func(in *Prune) { in.Policy.Prefix = "a" }),
	})
}

func TestDecisionOfAVerify(t *testing.T) {
	unread := func(keys ...string) *model {
		tree := newModel()
		for _, k := range keys {
			r := catalog.Row{Identity: cooper.Identity{Key: k, VersionID: "v"}, Place: catalog.Mirror, Check: cooper.Unverified}
			tree.rows[r.Identity] = r
		}
		return tree
	}
	of := func(tree *model, dir, prefix string) making {
		return func(w Writer, id string, now cooper.Instant) (plan.Header, error) {
			return PlanVerify(context.Background(), Verify{Catalog: tree, Dir: dir, Prefix: prefix, ID: id, Now: now}, w)
		}
	}
	newer := unread("a", "b")
	newer.state.Generation = 9
	oneDecision(t, of(unread("a", "b"), "/tree", ""), of(newer, "/tree", ""), map[string]making{
		"more":         of(unread("a", "b", "c"), "/tree", ""),
		"another tree": of(unread("a", "b"), "/other", ""),
		"a prefix":     of(unread("a", "b"), "/tree", "a"),
	})
}

func TestDecisionOfARepair(t *testing.T) {
	_, tree := lived(t)
	of := func(dir string, most int) making {
		return func(w Writer, id string, now cooper.Instant) (plan.Header, error) {
			m, err := NewMender(Repair{Catalog: tree, Dir: dir, Policy: Careful(), ID: id, Now: now}, w)
			if err != nil {
				return plan.Header{}, err
			}
			for _, row := range tree.sorted("")[:most] {
				if err := m.Fetch(&row); err != nil {
					return plan.Header{}, err
				}
			}
			return m.Finish()
		}
	}
	oneDecision(t, of("/tree", 3), of("/tree", 3), map[string]making{"more": of("/tree", 4), "another tree": of("/other", 3)})
}
