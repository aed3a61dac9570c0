package recall

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
	"cooper/internal/gc"
	"cooper/internal/gcop"
	"cooper/internal/gcstate"
	"cooper/internal/plan"
	"cooper/internal/store"
	"cooper/internal/store/mem"
	"cooper/internal/verb/archive"
	"cooper/internal/verb/remove"
	"cooper/internal/verb/verbtest"
)

func TestMain(m *testing.M) { verbtest.Main(m) }

const (
	scope  = verbtest.Scope
	lab    = verbtest.Lab
	depot  = verbtest.Depot
	lately = verbtest.Lately
)

// fence is what package archive is given: nothing links to anything.
type fence struct{ *verbtest.Column }

func (f fence) Close(ctx context.Context, hs []gcstate.Handle) ([]gcstate.Status, error) {
	return f.Set(ctx, hs, gcstate.Unlinked, gcstate.Archiving)
}
func (f fence) Settle(context.Context) error { return nil }
func (f fence) Look(_ context.Context, asked []archive.Asked) ([]archive.Sight, error) {
	return make([]archive.Sight, len(asked)), nil
}

// world has a bucket whose objects were archived, an owner's database and a state.
type world struct {
	*verbtest.World
	t          *testing.T
	versioning map[string]string
	state      *verbtest.State
	owner      *verbtest.Column
	plan       *bucketoptest.Plan
	objects    map[string][]string // the ids of the handles of each key
	recalling  gcop.Recalling
	plans      int
	warned     []string
	sum        apply.Summary
	class      string
	mute       bool // no owner is told
}

func newWorld(t *testing.T, versioning, archived, class string) *world {
	t.Helper()
	w := &world{World: verbtest.New(t, versioning, mem.Options{}), t: t, versioning: map[string]string{lab: versioning, depot: archived}, objects: map[string][]string{}, class: class}
	w.Server.CreateBucket(depot, archived)
	w.state = verbtest.NewState(w.World)
	w.state.Changed = w.changed
	w.owner = verbtest.NewColumn(w.state)
	w.recalling = gcop.Recalling{Scope: scope, Bucket: depot, Days: 7, Tier: "Standard"}
	w.Line = func(op string, r *http.Request, body []byte) string {
		line := verbtest.Line(op, r, body)
		if op == "ListObjectVersions" {
			line += " of " + strings.Trim(r.URL.Path, "/")
		}
		if from := r.Header.Get("X-Amz-Copy-Source"); from != "" {
			line += " from " + strings.ReplaceAll(from, "?versionId=", "@")
		}
		if op == "RestoreObject" {
			line += " " + string(body)
		}
		return line
	}
	return w
}

// changed sees that no handle is said to be readable whose object is not in its place.
func (w *world) changed(r gcstate.Record) {
	if r.Status != gcstate.Available {
		return
	}
	for key, ids := range w.objects {
		if slices.Contains(ids, r.ID) && !slices.ContainsFunc(w.Server.Versions(lab), func(v cooper.Version) bool {
			return strings.TrimSuffix(v.Key, ".zst") == key && v.Latest && !v.DeleteMarker
		}) {
			w.t.Errorf("%s is %s, and %s is not there", r.ID, r.Status, key)
		}
	}
}

// has puts an object in the lab, whose handles nothing links to.
func (w *world) has(key string, bodies []string, ids ...string) {
	for _, b := range bodies {
		w.Server.Put(lab, key, []byte(b), mem.PutOptions{Metadata: map[string]string{"own": b}, Tags: map[string]string{"t": key}, ContentType: "text/x"})
	}
	w.objects[strings.TrimSuffix(key, ".zst")] = ids
	for _, id := range ids {
		w.state.Records[verbtest.Handle(id)] = gcstate.Record{Handle: verbtest.Handle(id), Status: gcstate.Unlinked, Since: lately, Before: gcstate.Available, Reason: "no link"}
		w.owner.Statuses[verbtest.Handle(id)] = gcstate.Unlinked
	}
}

// archived moves all of the lab into the depot, by package archive.
func (w *world) archived() {
	w.t.Helper()
	p := &bucketoptest.Plan{}
	verbtest.Must(w.t, p.Phase(gcop.Archive))
	byKey := map[string][]cooper.Version{}
	for _, v := range w.Server.Versions(lab) {
		byKey[v.Key] = append(byKey[v.Key], v)
	}
	for _, key := range slices.Sorted(maps.Keys(byKey)) {
		all := byKey[key]
		slices.Reverse(all)
		for i, v := range all {
			a := gcop.Archival{Bucket: lab, To: gcop.ArchiveKey(lab, key), Class: w.class, Proof: gcop.ByETag, Last: i == len(all)-1, Reason: "unlinked"}
			if plain, ok := strings.CutSuffix(key, ".zst"); ok {
				a.For = plain
			}
			if v.VersionID == cooper.NullVersion {
				a.Guard = bucketop.ByETag
			}
			if i == 0 {
				a.Versions = len(all)
				for _, id := range w.objects[strings.TrimSuffix(key, ".zst")] {
					a.Handles = append(a.Handles, gcop.Holder{ID: id, Status: string(gcstate.Unlinked), Since: lately})
				}
			}
			action, err := a.Action(v)
			verbtest.Must(w.t, err)
			verbtest.Must(w.t, p.Add(action, i == 0))
		}
	}
	read := gcop.Reads{"p-1": {Ranges: 3, Ended: true}}
	policy, err := json.Marshal(map[string]any{"archiving": gcop.Archiving{
		Marking: gcop.Marking{Config: "/cooper.yaml", Declared: "c0", Scope: scope, Server: scope, Detection: "d-1", Read: read}, Bucket: depot, Versioning: w.versioning,
	}})
	verbtest.Must(w.t, err)
	_, err = p.Finish(plan.Header{ID: "p-0", Target: plan.Target{Kind: gcop.ArchiveKind, Path: "s3://" + depot + "/"}, Policy: policy})
	verbtest.Must(w.t, err)
	from, done := w.Begin()
	defer done()
	to, ended := w.BeginAt(depot)
	defer ended()
	journals := w.Files()
	target, err := archive.New(&p.Head, archive.Options{
		Journal: journals, State: w.state, Fence: fence{w.owner}, Archive: to, Versioning: w.versioning, Declared: "c0", Read: read,
		From: map[string]archive.From{lab: {Bucket: from, Remover: verbtest.Remover{Compares: true, Removes: remove.New(from, remove.Options{
			Journal: journals, Path: "s3://" + lab + "/", Versioning: w.versioning[lab], Planned: w.versioning[lab], Jobs: 1, Clock: verbtest.Clock, Whole: true,
		})}}},
		Words: func() (int, error) { return 0, nil }, Tell: w.state.Tell, Jobs: 1, Clock: verbtest.Clock,
	})
	verbtest.Must(w.t, err)
	_, err = w.Run(w.t.Context(), p, target, map[string]apply.Verb{gcop.Archive: nil}, 1)
	verbtest.Must(w.t, err)
	for _, o := range w.Outcomes(p) {
		if o.Status != cooper.Done {
			w.t.Fatalf("not archived: %+v", o)
		}
	}
	w.Trace, w.state.Heard, w.state.Waiting = nil, nil, nil
}

// wants plans that objects come back for some handles.
func (w *world) wants(ids ...string) {
	w.t.Helper()
	w.planned(func(yield func(gc.Wanted, error) bool) {
		for _, key := range slices.Sorted(maps.Keys(w.objects)) {
			x := gc.Wanted{Bucket: lab, Key: key, Bytes: 1}
			asked := false
			for _, id := range w.objects[key] {
				x.Handles = append(x.Handles, gc.WantedHandle{ID: id, Asked: slices.Contains(ids, id)})
				asked = asked || slices.Contains(ids, id)
			}
			if asked && !yield(x, nil) {
				return
			}
		}
	}, w.state)
}

func (w *world) planned(wanted func(yield func(gc.Wanted, error) bool), s gcstate.State) {
	w.t.Helper()
	w.plans++
	w.plan = &bucketoptest.Plan{Size: 4}
	_, err := gc.PlanRecall(w.t.Context(), gc.Recall{Recalling: w.recalling, Wanted: wanted, State: s, ID: fmt.Sprint("q-", w.plans), Now: 1}, w.plan)
	verbtest.Must(w.t, err)
}

// fromArchive plans that all comes back of which the archive tells, without state.
func (w *world) fromArchive() {
	w.t.Helper()
	w.recalling.FromArchive = true
	from, done := w.BeginAt(depot)
	found, err := Find(w.t.Context(), from, nil)
	done()
	verbtest.Must(w.t, err)
	w.planned(func(yield func(gc.Wanted, error) bool) {
		for _, f := range found {
			x := gc.Wanted{Bucket: f.Bucket, Key: f.Key, Bytes: f.Bytes}
			for _, h := range f.Handles {
				x.Handles = append(x.Handles, gc.WantedHandle{Kind: h.Kind, ID: h.ID, Asked: true})
			}
			if !yield(x, nil) {
				return
			}
		}
	}, nil)
}

// process carries the plan out as a process of its own.
func (w *world) process(ctx context.Context) error {
	to, done := w.Begin()
	defer done()
	from, ended := w.BeginAt(depot)
	defer ended()
	opt := Options{
		Journal: w.Files(), State: w.state, Owner: w.owner, Archive: from, To: map[string]To{lab: {Bucket: to, Versioning: w.versioning[lab]}},
		Tell: w.state.Tell, Jobs: 1, Clock: verbtest.Clock, Warn: func(m string) { w.warned = append(w.warned, m) },
	}
	if w.recalling.FromArchive {
		opt.State = nil
	}
	if w.mute {
		opt.Owner = nil
	}
	target, err := New(&w.plan.Head, opt)
	verbtest.Must(w.t, err)
	w.sum, err = w.Run(ctx, w.plan, target, map[string]apply.Verb{gcop.Recall: nil}, 1)
	return err
}

func (w *world) must() []cooper.Outcome {
	w.t.Helper()
	verbtest.Must(w.t, w.process(context.Background()))
	return w.Outcomes(w.plan)
}

// lists are the objects of a bucket, less manifests.
func (w *world) lists(bucket string) string {
	var all []string
	for _, v := range w.Server.Versions(bucket) {
		if strings.HasPrefix(v.Key, ".cooper/") {
			continue
		}
		body, _ := w.Server.Body(bucket, v.Key, v.VersionID)
		text := v.Key + "=" + string(body)
		if v.DeleteMarker {
			text = v.Key + " deleted"
		}
		if v.Latest {
			text += "!"
		}
		all = append(all, text)
	}
	return strings.Join(all, " ")
}

// brings completes what the store was asked for.
func (w *world) brings(key string) {
	for _, v := range w.Server.Versions(depot) {
		if v.Key == key {
			w.Server.CompleteRestore(depot, key, v.VersionID)
		}
	}
}

func ref(key string) store.Ref { return store.Ref{Key: key} }
