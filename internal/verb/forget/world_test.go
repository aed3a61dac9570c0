package forget

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"cooper"
	"cooper/internal/apply"
	"cooper/internal/bucketop"
	"cooper/internal/bucketop/bucketoptest"
	"cooper/internal/gcop"
	"cooper/internal/gcstate"
	"cooper/internal/permit"
	"cooper/internal/plan"
	"cooper/internal/store/mem"
	"cooper/internal/verb/remove"
	"cooper/internal/verb/verbtest"
)

func TestMain(m *testing.M) { verbtest.Main(m) }

const (
	scope    = "uuid/db"
	lab      = verbtest.Lab
	depot    = "depot" // the archive
	lately   = cooper.Instant(7)
	manifest = ".cooper/archive/r-0/00000.jsonl.zst"
)

// state is one in memory that writes down what happens to it.
type state struct {
	gcstate.State

	w       *world
	records map[gcstate.Handle]gcstate.Record
	untold  []string
}

func (s *state) Get(_ context.Context, hs []gcstate.Handle) (all []gcstate.Record, err error) {
	s.w.Alone(func() {
		for _, h := range hs {
			all = append(all, s.of(h))
		}
	})
	return all, nil
}

func (s *state) of(h gcstate.Handle) gcstate.Record {
	if r, ok := s.records[h]; ok {
		return r
	}
	return gcstate.Record{Handle: h, Status: gcstate.Available}
}

func (s *state) Change(_ context.Context, changes []gcstate.Change) (results []gcstate.Result, err error) {
	var words []string
	for _, c := range changes {
		words = append(words, fmt.Sprintf("%s %s>%s", c.ID, c.From, c.To))
	}
	err = s.w.Happens("state "+strings.Join(words, ", "), func() {
		for i, c := range changes {
			r := s.of(c.Handle)
			changed := r.Status == c.From && r.Since == c.Since
			if changed {
				r.Before, r.Status, r.Since, r.Reason, r.Run = r.Status, c.To, max(c.At, r.Since+1), c.Reason, c.Run
				s.records[c.Handle] = r
				s.untold = append(s.untold, words[i])
			}
			results = append(results, gcstate.Result{Changed: changed, Now: r})
		}
	})
	return results, err
}

// owner is an owner's database.
type owner struct {
	w      *world
	column map[gcstate.Handle]gcstate.Status
	sights map[string]Sight  // by id
	names  map[string]string // what names an object, by key
}

func (f *owner) Set(_ context.Context, hs []gcstate.Handle, from, to gcstate.Status) (now []gcstate.Status, err error) {
	var ids []string
	for _, h := range hs {
		ids = append(ids, h.ID)
	}
	err = f.w.Happens(fmt.Sprintf("owner set %s %s>%s", strings.Join(ids, " "), from, to), func() {
		for _, h := range hs {
			if f.column[h] == from {
				f.column[h] = to
			}
			now = append(now, f.column[h])
		}
	})
	return now, err
}

func (f *owner) Look(_ context.Context, asked []Asked) (all []Sight, err error) {
	var words []string
	for _, a := range asked {
		words = append(words, a.ID+" of "+a.Bucket+"/"+a.Key)
	}
	err = f.w.Happens("owner look "+strings.Join(words, ", "), func() {
		for _, a := range asked {
			all = append(all, f.sights[a.ID])
		}
	})
	return all, err
}

func (f *owner) Named(_ context.Context, objects []Object) (all []string, err error) {
	var words []string
	for _, o := range objects {
		words = append(words, o.Bucket+"/"+o.Key)
	}
	err = f.w.Happens("owner names "+strings.Join(words, ", "), func() {
		for _, o := range objects {
			all = append(all, f.names[o.Key])
		}
	})
	return all, err
}

// world has an archive, the bucket that its objects are from, an owner's database and a state.
type world struct {
	*verbtest.World
	t          *testing.T
	archived   string // the versioning of the archive
	state      *state
	owner      *owner
	plan       *bucketoptest.Plan
	forgetting gcop.Forgetting
	held       map[string]string
	words      int
	told       []string
}

func newWorld(t *testing.T, archived string) *world {
	t.Helper()
	w := &world{World: verbtest.New(t, "Enabled", mem.Options{}), t: t, archived: archived, held: map[string]string{}, plan: &bucketoptest.Plan{Size: 4}}
	w.Server.CreateBucket(depot, archived)
	w.Server.Put(depot, manifest, []byte("what is told"), mem.PutOptions{})
	w.state = &state{w: w, records: map[gcstate.Handle]gcstate.Record{}}
	w.owner = &owner{w: w, column: map[gcstate.Handle]gcstate.Status{}, sights: map[string]Sight{}, names: map[string]string{}}
	w.forgetting = gcop.Forgetting{
		Marking: gcop.Marking{Config: "/cooper.yaml", Declared: "c0", Scope: scope, Server: scope, Detection: "d-1", Read: gcop.Reads{"p-1": {Ranges: 3, Ended: true}}},
		Bucket:  depot, Buckets: []string{lab}, Snapshot: "s-1", Taken: 9, Keep: 1, Versioning: archived,
	}
	must(t, w.plan.Phase(gcop.Forget))
	w.Line = func(op string, r *http.Request, body []byte) string {
		line := verbtest.Line(op, r, body)
		if op == "ListObjectVersions" || op == "HeadObject" {
			line += " of " + strings.Split(strings.Trim(r.URL.Path, "/"), "/")[0]
		}
		return line
	}
	return w
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func want(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s:\n%s\nwant\n%s", what, got, want)
	}
}

func handle(id string) gcstate.Handle { return gcstate.Handle{Scope: scope, ID: id} }

// is makes handles what they are, in the state and at the owner's.
func (w *world) is(s gcstate.Status, ids ...string) {
	for _, id := range ids {
		w.state.records[handle(id)] = gcstate.Record{Handle: handle(id), Status: s, Since: lately}
		w.owner.column[handle(id)] = s
	}
}

// has puts copies into the archive, and into the plan that they go.
func (w *world) has(x gcop.Forgotten, bodies []string, ids ...string) {
	w.t.Helper()
	x.Bucket, x.Manifest, x.Reason = lab, manifest, "so"
	if w.archived != "Enabled" {
		x.Guard = bucketop.ByETag
	}
	for _, id := range ids {
		x.Handles = append(x.Handles, gcop.Holder{ID: id, Status: string(w.state.of(handle(id)).Status), Since: w.state.of(handle(id)).Since})
	}
	x.Versions = len(bodies)
	for i, body := range bodies {
		x.Origin, x.ETag = fmt.Sprint("v", i), "e"+body
		at := gcop.ArchiveKey(lab, x.Key)
		w.Server.Put(depot, at, []byte(body), mem.PutOptions{Metadata: map[string]string{"own": body, metaVersion: x.Origin, metaETag: x.ETag, metaSource: at}})
		x.Last = i == len(bodies)-1
		for _, v := range w.Server.Versions(depot) {
			if v.Key == at && v.Latest {
				v.Latest = x.Last
				a, err := x.Action(v)
				must(w.t, err)
				must(w.t, w.plan.Add(a, i == 0))
			}
		}
		x.Versions, x.Handles = 0, nil
	}
}

// gone puts into the plan that handles have vanished, or were seen again.
func (w *world) gone(event gcstate.Event, key string, ids ...string) {
	w.t.Helper()
	x := gcop.Vanished{Bucket: lab, Key: key, Event: string(event), Reason: "so"}
	for _, id := range ids {
		r := w.state.of(handle(id))
		x.Handles = append(x.Handles, gcop.Holder{ID: id, Status: string(r.Status), Since: r.Since})
	}
	a, err := x.Action()
	must(w.t, err)
	must(w.t, w.plan.Add(a, true))
}

func (w *world) planned() {
	w.t.Helper()
	policy, err := json.Marshal(map[string]any{"forgetting": w.forgetting})
	must(w.t, err)
	_, err = w.plan.Finish(plan.Header{ID: "p-9", Target: plan.Target{Kind: gcop.ArchiveKind, Path: "s3://" + depot + "/"}, Policy: policy})
	must(w.t, err)
}

// remover is what job makes of package remove.
type remover struct {
	*remove.Target
	compares bool
}

func (r remover) Begin(ctx context.Context, p permit.Permit, h plan.Header) error {
	h.Estimate.Requests = map[string]int64{}
	if r.compares {
		h.Estimate.Requests[bucketop.ClassProbe] = 1
	}
	return r.Target.Begin(ctx, p, h)
}

func (w *world) tell(context.Context) error {
	if len(w.state.untold) == 0 {
		return nil
	}
	return w.Happens("tell", func() { w.told, w.state.untold = append(w.told, w.state.untold...), nil })
}

// process carries the plan out as a process of its own.
func (w *world) process(ctx context.Context) error {
	place, done := w.Begin()
	defer done()
	from, ended := w.BeginAt(depot)
	defer ended()
	journals := w.Files()
	target, err := New(&w.plan.Head, Options{
		Journal: journals, State: w.state, Owner: w.owner, Archive: from, Versioning: w.archived, Places: map[string]Place{lab: place},
		Declared: "c0", Read: w.forgetting.Read, Words: func() (int, error) { return w.words, nil },
		Held: func(_ context.Context, hs []gcstate.Handle) ([]string, error) {
			why := make([]string, len(hs))
			for i, h := range hs {
				why[i] = w.held[h.ID]
			}
			return why, nil
		},
		Remover: remover{remove.New(from, remove.Options{
			Journal: journals, Path: "s3://" + depot + "/", Versioning: w.archived, Planned: w.archived, Jobs: 1, Clock: verbtest.Clock, Whole: true,
		}), w.archived != "Enabled"},
		Tell: w.tell, Jobs: 1, Clock: verbtest.Clock,
	})
	must(w.t, err)
	_, err = w.Run(ctx, w.plan, target, map[string]apply.Verb{gcop.Forget: nil, gcop.Vanish: nil}, 1)
	return err
}

func (w *world) must() []cooper.Outcome {
	w.t.Helper()
	must(w.t, w.process(context.Background()))
	return w.Outcomes(w.plan)
}

// lists are the objects of a bucket.
func (w *world) lists(bucket string) string {
	var all []string
	for _, v := range w.Server.Versions(bucket) {
		if v.Key == manifest {
			continue
		}
		body, _ := w.Server.Body(bucket, v.Key, v.VersionID)
		text := v.Key + "=" + string(body)
		if v.Latest {
			text += "!"
		}
		all = append(all, text)
	}
	return strings.Join(all, " ")
}

// statuses are those of handles, in the state and at the owner's.
func (w *world) statuses() string {
	var all []string
	for _, h := range slices.SortedFunc(maps.Keys(w.owner.column), func(a, b gcstate.Handle) int { return strings.Compare(a.ID, b.ID) }) {
		all = append(all, fmt.Sprintf("%s %s/%s", h.ID, w.state.of(h).Status, w.owner.column[h]))
	}
	return strings.Join(all, ", ")
}
