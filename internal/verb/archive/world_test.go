package archive

import (
	"context"
	"encoding/json"
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
	"cooper/internal/manifest"
	"cooper/internal/plan"
	"cooper/internal/store"
	"cooper/internal/store/mem"
	"cooper/internal/verb/remove"
	"cooper/internal/verb/verbtest"
)

func TestMain(m *testing.M) { verbtest.Main(m) }

const (
	scope  = verbtest.Scope
	lab    = verbtest.Lab
	depot  = verbtest.Depot
	class  = "STANDARD_IA"
	lately = verbtest.Lately
)

// owner is an owner's database, as far as the fence shows it.
type owner struct {
	*verbtest.Column
	sights map[string]Sight // by id
	ids    map[string]bool  // that were asked about
	settle error
}

func (f *owner) Close(_ context.Context, hs []gcstate.Handle) ([]gcstate.Status, error) {
	return f.Swap("close "+verbtest.IDs(hs), hs, gcstate.Unlinked, gcstate.Archiving)
}

func (f *owner) Settle(context.Context) error {
	if err := f.Step("settle", func() {}); err != nil {
		return err
	}
	return f.settle
}

func (f *owner) Look(_ context.Context, asked []Asked) (all []Sight, err error) {
	var words []string
	for _, a := range asked {
		words = append(words, a.ID+"="+a.Bucket+"/"+a.Key)
	}
	err = f.Step("look "+strings.Join(words, " "), func() {
		for _, a := range asked {
			all = append(all, f.sights[a.ID])
			f.ids[a.ID] = true
		}
	})
	return all, err
}

// world has a bucket with objects, one that is the archive, an owner's database and a state.
type world struct {
	*verbtest.World
	t          testing.TB
	versioning map[string]string
	state      *verbtest.State
	owner      *owner
	fence      Fence
	plan       *bucketoptest.Plan
	read       gcop.Reads
	words      int
	warned     []string
	held       map[string]string
	moving     []string // other plans that are
	stop       chan struct{}
	sum        apply.Summary
	grants     bool
	jobs       int
}

func newWorld(t testing.TB, versioning, archive string, o mem.Options) *world {
	t.Helper()
	w := &world{World: verbtest.New(t, versioning, o), t: t, versioning: map[string]string{lab: versioning, depot: archive}, plan: &bucketoptest.Plan{Size: 4}}
	w.Server.CreateBucket(depot, archive)
	w.state = verbtest.NewState(w.World)
	w.owner = &owner{Column: verbtest.NewColumn(w.state), sights: map[string]Sight{}, ids: map[string]bool{}}
	w.fence, w.read, w.held = w.owner, gcop.Reads{"p-1": {Ranges: 3, Ended: true}}, map[string]string{}
	w.Line = func(op string, r *http.Request, body []byte) string {
		line := verbtest.Line(op, r, body)
		if op == "ListObjectVersions" {
			line += " of " + strings.Trim(r.URL.Path, "/")
		}
		if from := r.Header.Get("X-Amz-Copy-Source"); from != "" {
			line += " from " + strings.ReplaceAll(from, "?versionId=", "@")
		}
		return line
	}
	return w
}

// unlinked makes handles that are so, here and at their owner's.
func (w *world) unlinked(ids ...string) (hs []gcop.Holder) {
	for _, id := range ids {
		w.state.Records[verbtest.Handle(id)] = gcstate.Record{Handle: verbtest.Handle(id), Status: gcstate.Unlinked, Since: lately, Before: gcstate.Available, Reason: "no link"}
		w.owner.Statuses[verbtest.Handle(id)] = gcstate.Unlinked
		hs = append(hs, gcop.Holder{ID: id, Status: string(gcstate.Unlinked), Since: lately})
	}
	return hs
}

// versionsOf are those of a key, the oldest first.
func (w *world) versionsOf(bucket, key string) (all []cooper.Version) {
	for _, v := range w.Server.Versions(bucket) {
		if v.Key == key {
			all = append(all, v)
		}
	}
	slices.Reverse(all)
	return all
}

// archives adds an object to the plan, with all the versions that it has.
func (w *world) archives(key string, hs ...gcop.Holder) {
	w.t.Helper()
	if len(w.plan.Head.Phases) == 0 {
		verbtest.Must(w.t, w.plan.Phase(gcop.Archive))
	}
	all := w.versionsOf(lab, key)
	for i, v := range all {
		a := gcop.Archival{Bucket: lab, To: gcop.ArchiveKey(lab, key), Class: class, Proof: gcop.ByETag, Last: i == len(all)-1, Reason: "unlinked"}
		if v.DeleteMarker {
			a.Proof = gcop.Unneeded
		}
		if v.VersionID == cooper.NullVersion {
			a.Guard = bucketop.ByLook
			if w.versioning[lab] != "Enabled" {
				a.Guard = bucketop.ByETag
			}
		}
		if i == 0 {
			a.Versions, a.Handles = len(all), hs
		}
		action, err := a.Action(v)
		verbtest.Must(w.t, err)
		verbtest.Must(w.t, w.plan.Add(action, i == 0))
	}
}

// planned ends the plan.
func (w *world) planned() {
	w.t.Helper()
	a := gcop.Archiving{
		Marking:    gcop.Marking{Config: "/cooper.yaml", Declared: "c0", Scope: scope, Server: scope, Detection: "d-1", Read: maps.Clone(w.read), Words: w.words},
		Bucket:     depot,
		Versioning: w.versioning, Unindexed: w.fence == nil,
	}
	policy, err := json.Marshal(map[string]any{"archiving": a})
	verbtest.Must(w.t, err)
	_, err = w.plan.Finish(plan.Header{ID: "p-2", Target: plan.Target{Kind: gcop.ArchiveKind, Path: "s3://" + depot + "/"}, Policy: policy})
	verbtest.Must(w.t, err)
}

// options are those of a new process.
func (w *world) options() (Options, func()) {
	from, done := w.Begin()
	to, ended := w.BeginAt(depot)
	journals := w.Files()
	return Options{
			Journal: journals, State: w.state, Fence: w.fence, Archive: to, Settings: store.Settings{Grants: w.grants}, Versioning: w.versioning, Declared: "c0", Read: w.read,
			From: map[string]From{lab: {Bucket: from, Settings: store.Settings{Grants: w.grants}, Remover: verbtest.Remover{Compares: true, Removes: remove.New(from, remove.Options{
				Journal: journals, Path: "s3://" + lab + "/", Versioning: w.versioning[lab], Planned: w.versioning[lab], Jobs: max(w.jobs, 1), Clock: verbtest.Clock, Whole: true,
			})}}},
			Words: func() (int, error) { return w.words, nil },
			Held: func(_ context.Context, hs []gcstate.Handle) (why []string, _ error) {
				for _, h := range hs {
					why = append(why, w.held[h.ID])
				}
				return why, nil
			},
			Tell:   w.state.Tell,
			Moving: func() ([]string, error) { return w.moving, nil },
			Stop:   w.stop, Jobs: max(w.jobs, 1), Clock: verbtest.Clock, Warn: func(m string) { w.warned = append(w.warned, m) },
		}, func() {
			done()
			ended()
		}
}

// process carries the plan out as a process of its own.
func (w *world) process(ctx context.Context) error {
	opt, done := w.options()
	defer done()
	target, err := New(&w.plan.Head, opt)
	verbtest.Must(w.t, err)
	w.sum, err = w.Run(ctx, w.plan, target, map[string]apply.Verb{gcop.Archive: nil, gcop.GiveBack: nil}, 1)
	return err
}

func (w *world) must() []cooper.Outcome {
	w.t.Helper()
	if err := w.process(context.Background()); err != nil {
		w.t.Fatal(err)
	}
	return w.Outcomes(w.plan)
}

// objects are those of a bucket, less manifests.
func (w *world) objects(bucket string) string {
	var all []string
	for _, v := range w.Server.Versions(bucket) {
		if strings.HasPrefix(v.Key, manifest.Prefix) {
			continue
		}
		body, _ := w.Server.Body(bucket, v.Key, v.VersionID)
		text := v.Key + "=" + string(body)
		if v.DeleteMarker {
			text = v.Key + " deleted"
		}
		if v.StorageClass != "STANDARD" && v.StorageClass != "" {
			text += " in " + v.StorageClass
		}
		if v.Latest {
			text += "!"
		}
		all = append(all, text)
	}
	return strings.Join(all, " ")
}
