package forget

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"cooper"
	"cooper/internal/apply"
	"cooper/internal/bucketop"
	"cooper/internal/bucketop/bucketoptest"
	"cooper/internal/gcop"
	"cooper/internal/gcstate"
	"cooper/internal/plan"
	"cooper/internal/store/mem"
	"cooper/internal/verb/remove"
	"cooper/internal/verb/verbtest"
)

func TestMain(m *testing.M) { verbtest.Main(m) }

const (
	scope    = verbtest.Scope
	lab      = verbtest.Lab
	depot    = verbtest.Depot
	lately   = verbtest.Lately
	manifest = ".cooper/archive/r-0/00000.jsonl.zst"
)

// owner is an owner's database.
type owner struct {
	*verbtest.Column
	sights map[string]Sight  // by id
	names  map[string]string // what names an object, by key
}

func (f *owner) Look(_ context.Context, asked []Asked) (all []Sight, err error) {
	var words []string
	for _, a := range asked {
		words = append(words, a.ID+" of "+a.Bucket+"/"+a.Key)
	}
	err = f.Step("look "+strings.Join(words, ", "), func() {
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
	err = f.Step("names "+strings.Join(words, ", "), func() {
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
	state      *verbtest.State
	owner      *owner
	plan       *bucketoptest.Plan
	forgetting gcop.Forgetting
	held       map[string]string
	words      int
}

func newWorld(t *testing.T, archived string) *world {
	t.Helper()
	w := &world{World: verbtest.New(t, "Enabled", mem.Options{}), t: t, archived: archived, held: map[string]string{}, plan: &bucketoptest.Plan{Size: 4}}
	w.Server.CreateBucket(depot, archived)
	w.Server.Put(depot, manifest, []byte("what is told"), mem.PutOptions{})
	w.state = verbtest.NewState(w.World)
	w.owner = &owner{Column: verbtest.NewColumn(w.state), sights: map[string]Sight{}, names: map[string]string{}}
	w.forgetting = gcop.Forgetting{
		Marking: gcop.Marking{Config: "/cooper.yaml", Declared: "c0", Scope: scope, Server: scope, Detection: "d-1", Read: gcop.Reads{"p-1": {Ranges: 3, Ended: true}}},
		Bucket:  depot, Buckets: []string{lab}, Snapshot: "s-1", Taken: 9, Keep: 1, Versioning: archived,
	}
	verbtest.Must(t, w.plan.Phase(gcop.Forget))
	w.Line = func(op string, r *http.Request, body []byte) string {
		line := verbtest.Line(op, r, body)
		if op == "ListObjectVersions" || op == "HeadObject" {
			line += " of " + strings.Split(strings.Trim(r.URL.Path, "/"), "/")[0]
		}
		return line
	}
	return w
}

// has puts copies into the archive, and into the plan that they go.
func (w *world) has(x gcop.Forgotten, bodies []string, ids ...string) {
	w.t.Helper()
	x.Bucket, x.Manifest, x.Reason = lab, manifest, "so"
	if w.archived != "Enabled" {
		x.Guard = bucketop.ByETag
	}
	for _, id := range ids {
		x.Handles = append(x.Handles, gcop.Holder{ID: id, Status: string(w.state.Of(verbtest.Handle(id)).Status), Since: w.state.Of(verbtest.Handle(id)).Since})
	}
	x.Versions = len(bodies)
	for i, body := range bodies {
		x.Origin, x.ETag = fmt.Sprint("v", i), "e"+body
		at := gcop.ArchiveKey(lab, x.Key)
		w.Server.Put(depot, at, []byte(body), mem.PutOptions{Metadata: map[string]string{"own": body, gcop.NoteVersion: x.Origin, gcop.NoteETag: x.ETag, gcop.NoteSource: at}})
		x.Last = i == len(bodies)-1
		for _, v := range w.Server.Versions(depot) {
			if v.Key == at && v.Latest {
				v.Latest = x.Last
				a, err := x.Action(v)
				verbtest.Must(w.t, err)
				verbtest.Must(w.t, w.plan.Add(a, i == 0))
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
		r := w.state.Of(verbtest.Handle(id))
		x.Handles = append(x.Handles, gcop.Holder{ID: id, Status: string(r.Status), Since: r.Since})
	}
	a, err := x.Action()
	verbtest.Must(w.t, err)
	verbtest.Must(w.t, w.plan.Add(a, true))
}

func (w *world) planned() {
	w.t.Helper()
	policy, err := json.Marshal(map[string]any{"forgetting": w.forgetting})
	verbtest.Must(w.t, err)
	_, err = w.plan.Finish(plan.Header{ID: "p-9", Target: plan.Target{Kind: gcop.ArchiveKind, Path: "s3://" + depot + "/"}, Policy: policy})
	verbtest.Must(w.t, err)
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
		Remover: verbtest.Remover{Compares: w.archived != "Enabled", Removes: remove.New(from, remove.Options{
			Journal: journals, Path: "s3://" + depot + "/", Versioning: w.archived, Planned: w.archived, Jobs: 1, Clock: verbtest.Clock, Whole: true,
		})},
		Tell: w.state.Tell, Jobs: 1, Clock: verbtest.Clock,
	})
	verbtest.Must(w.t, err)
	_, err = w.Run(ctx, w.plan, target, map[string]apply.Verb{gcop.Forget: nil, gcop.Vanish: nil}, 1)
	return err
}

func (w *world) must() []cooper.Outcome {
	w.t.Helper()
	verbtest.Must(w.t, w.process(context.Background()))
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
