package archive

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
	"cooper/internal/store"
	"cooper/internal/store/mem"
	"cooper/internal/verb/remove"
	"cooper/internal/verb/verbtest"
)

func TestMain(m *testing.M) { verbtest.Main(m) }

const (
	scope  = "uuid/db"
	lab    = verbtest.Lab
	depot  = "depot" // the archive
	class  = "STANDARD_IA"
	lately = cooper.Instant(7)
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

// owner is an owner's database, as far as the fence shows it.
type owner struct {
	w      *world
	column map[gcstate.Handle]gcstate.Status
	sights map[string]Sight // by id
	ids    map[string]bool  // that were asked about
	settle error
	at     func(step string) // is called before each step, alone
}

func idsOf(hs []gcstate.Handle) string {
	var ids []string
	for _, h := range hs {
		ids = append(ids, h.ID)
	}
	return strings.Join(ids, " ")
}

func (f *owner) step(line string, it func()) error {
	return f.w.Happens("owner "+line, func() {
		if f.at != nil {
			word, _, _ := strings.Cut(line, " ")
			f.at(word)
		}
		it()
	})
}

func (f *owner) Close(_ context.Context, hs []gcstate.Handle) (now []gcstate.Status, err error) {
	err = f.step("close "+idsOf(hs), func() {
		for _, h := range hs {
			if f.column[h] == gcstate.Unlinked {
				f.column[h] = gcstate.Archiving
			}
			now = append(now, f.column[h])
		}
	})
	return now, err
}

func (f *owner) Settle(context.Context) error {
	if err := f.step("settle", func() {}); err != nil {
		return err
	}
	return f.settle
}

func (f *owner) Look(_ context.Context, asked []Asked) (all []Sight, err error) {
	var words []string
	for _, a := range asked {
		words = append(words, a.ID+"="+a.Bucket+"/"+a.Key)
	}
	err = f.step("look "+strings.Join(words, " "), func() {
		for _, a := range asked {
			all = append(all, f.sights[a.ID])
			f.ids[a.ID] = true
		}
	})
	return all, err
}

func (f *owner) Set(_ context.Context, hs []gcstate.Handle, from, to gcstate.Status) (now []gcstate.Status, err error) {
	err = f.step(fmt.Sprintf("set %s %s>%s", idsOf(hs), from, to), func() {
		for _, h := range hs {
			if f.column[h] == from {
				f.column[h] = to
			}
			now = append(now, f.column[h])
		}
	})
	return now, err
}

// world has a bucket with objects, one that is the archive, an owner's database and a state.
type world struct {
	*verbtest.World
	t          testing.TB
	versioning map[string]string
	state      *state
	owner      *owner
	fence      Fence
	plan       *bucketoptest.Plan
	read       gcop.Reads
	words      int
	told       []string
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
	w.state = &state{w: w, records: map[gcstate.Handle]gcstate.Record{}}
	w.owner = &owner{w: w, column: map[gcstate.Handle]gcstate.Status{}, sights: map[string]Sight{}, ids: map[string]bool{}}
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

func handle(id string) gcstate.Handle { return gcstate.Handle{Scope: scope, ID: id} }

// unlinked makes handles that are so, here and at their owner's.
func (w *world) unlinked(ids ...string) (hs []gcop.Holder) {
	for _, id := range ids {
		w.state.records[handle(id)] = gcstate.Record{Handle: handle(id), Status: gcstate.Unlinked, Since: lately, Before: gcstate.Available, Reason: "no link"}
		w.owner.column[handle(id)] = gcstate.Unlinked
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
		must(w.t, w.plan.Phase(gcop.Archive))
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
		must(w.t, err)
		must(w.t, w.plan.Add(action, i == 0))
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
	must(w.t, err)
	_, err = w.plan.Finish(plan.Header{ID: "p-2", Target: plan.Target{Kind: gcop.ArchiveKind, Path: "s3://" + depot + "/"}, Policy: policy})
	must(w.t, err)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// remover is what job makes of package remove.
type remover struct{ *remove.Target }

func (r remover) Begin(ctx context.Context, p permit.Permit, h plan.Header) error {
	h.Estimate.Requests = map[string]int64{bucketop.ClassProbe: 1}
	return r.Target.Begin(ctx, p, h)
}

// options are those of a new process.
func (w *world) options() (Options, func()) {
	from, done := w.Begin()
	to, ended := w.BeginAt(depot)
	journals := w.Files()
	return Options{
			Journal: journals, State: w.state, Fence: w.fence, Archive: to, Settings: store.Settings{Grants: w.grants}, Versioning: w.versioning, Declared: "c0", Read: w.read,
			From: map[string]From{lab: {Bucket: from, Settings: store.Settings{Grants: w.grants}, Remover: remover{remove.New(from, remove.Options{
				Journal: journals, Path: "s3://" + lab + "/", Versioning: w.versioning[lab], Planned: w.versioning[lab], Jobs: max(w.jobs, 1), Clock: verbtest.Clock, Whole: true,
			})}}},
			Words: func() (int, error) { return w.words, nil },
			Held: func(_ context.Context, hs []gcstate.Handle) (why []string, _ error) {
				for _, h := range hs {
					why = append(why, w.held[h.ID])
				}
				return why, nil
			},
			Tell: func(context.Context) error {
				if len(w.state.untold) == 0 {
					return nil
				}
				return w.Happens("tell", func() { w.told, w.state.untold = append(w.told, w.state.untold...), nil })
			},
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
	must(w.t, err)
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
		if strings.HasPrefix(v.Key, ManifestPrefix) {
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

// statuses are those of handles, in the state and at the owner's.
func (w *world) statuses() string {
	var all []string
	for _, h := range slices.SortedFunc(maps.Keys(w.owner.column), func(a, b gcstate.Handle) int { return strings.Compare(a.ID, b.ID) }) {
		all = append(all, fmt.Sprintf("%s %s/%s", h.ID, w.state.of(h).Status, w.owner.column[h]))
	}
	return strings.Join(all, ", ")
}

func want(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s:\n%s\nwant\n%s", what, got, want)
	}
}
