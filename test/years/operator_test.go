package years

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"cooper"
	"cooper/internal/bucketop"
	"cooper/internal/codec"
	"cooper/internal/compress"
	"cooper/internal/job"
	"cooper/internal/ledger/gcfacts"
	"cooper/internal/plan"
	"cooper/internal/progress"
)

// order is a command that somebody gives.
type order struct {
	What     string // scan, detect, archive, restore, apply
	Config   string
	Plan     string   `json:",omitempty"` // apply
	IDs      []string `json:",omitempty"` // restore
	Prefixes []string `json:",omitempty"`
	Confirm  string   `json:",omitempty"`
	Alone    bool     `json:",omitempty"` // restore: from the archive alone
}

// run gives the command.
func (o *order) run(ctx context.Context, e *job.Env) (job.Result, error) {
	opt := job.Options{Jobs: 1, Confirm: o.Confirm}
	switch o.What {
	case "scan":
		return (&job.GCScan{Config: o.Config, Options: opt}).Run(ctx, e)
	case "detect":
		return (&job.GCDetect{Config: o.Config, Yes: true, Options: opt}).Run(ctx, e)
	case "archive":
		return (&job.GCArchive{Config: o.Config, ShareLimit: 1, Yes: true, Options: opt}).Run(ctx, e)
	case "restore":
		return (&job.GCRestore{Config: o.Config, Handles: o.IDs, Prefixes: o.Prefixes, FromArchive: o.Alone, Days: 7, Tier: "Standard", Yes: true, Options: opt}).Run(ctx, e)
	case "apply":
		return job.Apply(ctx, e, o.Plan, opt)
	}
	return job.Result{}, fmt.Errorf("there is no %s", o.What)
}

// child is a process of its own, to be killed.
type child struct {
	Order     order
	Workspace string
	Endpoint  string
	At        time.Time
	KillAt    int // at which look at the clock; 0: by who has started it
}

const childName = "COOPER_YEARS_CHILD"

// live carries out what a child was told. Its answer is what ended it.
func live(text string) (err error) {
	var c child
	if err := json.Unmarshal([]byte(text), &c); err != nil {
		return err
	}
	looks := 0
	e := &job.Env{Workspace: c.Workspace, Memory: memory, Stores: &job.S3{Endpoint: c.Endpoint}, Engine: job.DuckDB, Listener: quiet{}, Clock: func() time.Time {
		if looks++; looks == c.KillAt {
			if err := syscall.Kill(os.Getpid(), syscall.SIGKILL); err == nil {
				select {}
			}
		}
		return c.At.Add(time.Duration(looks) * time.Second)
	}}
	_, err = c.Order.run(context.Background(), e)
	return err
}

const memory = 512 << 20

// quiet says yes, and tells nobody.
type quiet struct{}

func (quiet) Tell(job.Level, string)                                 {}
func (quiet) Follow(*progress.Counters) (stop func())                { return func() {} }
func (quiet) Begun(string)                                           {}
func (quiet) ShowPlan(*plan.Header, bool) error                      { return nil }
func (quiet) Ask(context.Context, string) (yes, there bool, _ error) { return true, true, nil }
func (quiet) Doubt()                                                 {}

// gives has a command given: now and then it is killed, or stopped, or tenants do something meanwhile.
func (w *world) gives(o order) (r job.Result, err error) {
	o.Config = w.yaml
	rnd := by(w.seed, "run", w.day, o.What, w.runs[o.What])
	w.runs[o.What]++
	chance := rnd.IntN(100)
	if w.calm {
		chance = 100
	}
	at := 1 + rnd.IntN([]int{8, 40, 200}[rnd.IntN(3)])
	w.ran(o.What)
	switch {
	case chance < 8 && w.with("kills"):
		err = w.killed(&o, at, rnd.IntN(3))
		w.say("%s of %s, killed at %d: %v", o.What, o.Plan+strings.Join(o.IDs, " "), at, err)
		if o.What == "detect" || o.What == "apply" {
			w.loosen("marks were killed")
		}
		return r, errKilled
	case chance < 11 && w.with("stops"):
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		w.hook(at, false, func() { cancel() })
		if r, err = o.run(ctx, w.env); o.What == "detect" {
			w.loosen("marks were stopped")
		}
	case chance < 55 && w.with("meanwhile"):
		w.hook(at, rnd.IntN(2) == 0, func() { w.lives("meanwhile "+o.What, 3) })
		r, err = o.run(context.Background(), w.env)
	default:
		r, err = o.run(context.Background(), w.env)
	}
	w.unhook()
	w.say("%s of %s: %s%v", o.What, o.Plan+strings.Join(o.IDs, " "), outcome(&r), err)
	w.check("after " + o.What)
	return r, err
}

func outcome(r *job.Result) (s string) {
	if r.Plan != nil {
		s += r.Plan.ID + " "
	}
	if r.Nothing != "" {
		s += "nothing "
	}
	if r.Applied != nil {
		s += fmt.Sprintf("done %d, failed %d, deferred %d ", r.Applied.Count(cooper.Done), r.Applied.Count(cooper.Failed), r.Applied.Count(cooper.Deferred))
	}
	return s
}

var errKilled = errors.New("killed")

// killed has a command given to a process that is killed: at its look at the clock, or before or after a request of it.
func (w *world) killed(o *order, at, how int) error {
	w.hurt = true
	c := child{Order: *o, Workspace: w.env.Workspace, Endpoint: w.endpoint, At: w.tick()}
	if how == 0 {
		c.KillAt = at
	}
	text, err := json.Marshal(c)
	w.must(err)
	self, err := os.Executable()
	w.must(err)
	cmd := exec.Command(self)
	var said strings.Builder
	cmd.Env, cmd.Stderr, cmd.Stdout = append(os.Environ(), childName+"="+string(text)), &said, &said
	w.must(cmd.Start())
	if how > 0 {
		w.watch.kill(at, how == 1, func() { _ = cmd.Process.Kill() })
	}
	err = cmd.Wait()
	w.unhook()
	w.later(2 * time.Hour)
	w.kills++
	w.check("after a kill of " + o.What)
	if err != nil && strings.Contains(err.Error(), "killed") {
		return err
	}
	return fmt.Errorf("it came to its end: %w", errors.Join(err, errors.New(said.String())))
}

// cycle is what is done by a timer: an inventory, a scan, a detection, and then what may go goes.
func (w *world) cycle(archive bool) bool {
	fine := true
	note := func(err error, what string, may ...cooper.Kind) {
		if err == nil || errors.Is(err, job.ErrSomeFailed) && what != "scan" {
			return
		}
		if fine = false; errors.Is(err, errKilled) {
			return
		}
		w.failures[what+": "+short(err)]++
	}
	if w.calm || by(w.seed, "inventory", w.day).IntN(8) > 0 {
		_, err := job.TakeSnapshot(context.Background(), w.env, lab, job.Source{List: true}, "")
		note(err, "inventory")
		if w.calm || by(w.seed, "inventory of the archive", w.day).IntN(3) > 0 {
			_, err := job.TakeSnapshot(context.Background(), w.env, depot, job.Source{List: true}, "")
			note(err, "inventory")
		}
		w.later(3 * time.Hour)
	}
	began := w.instant()
	r, err := w.gives(order{What: "scan"})
	if errors.Is(err, errKilled) && by(w.seed, "goes on", w.day).IntN(2) == 0 {
		r, err = w.gives(order{What: "apply", Plan: "latest"})
	}
	if r.Scanned != nil && !r.Scanned.Complete && len(r.Scanned.Suspects) > 0 && (w.calm || by(w.seed, "believes", w.day).IntN(3) > 0) {
		w.believes()
		r, err = w.gives(order{What: "scan"})
	}
	if r.Scanned != nil && r.Scanned.Complete {
		w.scanned = began
	}
	note(err, "scan")
	w.later(time.Hour)
	r, err = w.gives(order{What: "detect"})
	if cooper.KindOf(err) == cooper.KindRefused && r.Plan != nil && len(r.Plan.Confirm) > 0 {
		w.ran("detect, confirmed")
		r, err = w.gives(order{What: "detect", Confirm: r.Plan.Confirmation()})
	}
	note(err, "detect")
	if r.Detected != nil {
		w.said(r.Detected)
	}
	if archive {
		w.records = w.state()
		w.later(time.Hour)
		_, err = w.gives(order{What: "archive"})
		w.archived()
		if errors.Is(err, errKilled) {
			if by(w.seed, "again", w.day).IntN(2) == 0 {
				_, err = w.gives(order{What: "archive"})
				w.archived()
			} else {
				err = nil
			}
		}
		note(err, "archive")
	}
	return fine
}

// short is an error without what is another each time.
func short(err error) string {
	s, _, _ := strings.Cut(err.Error(), "\n")
	words := strings.Fields(s)
	for i, x := range words {
		if strings.ContainsAny(x, "0123456789/") {
			words[i] = "…"
		}
	}
	return strings.Join(words, " ")
}

// believes has a person say that what has become less is right.
func (w *world) believes() {
	for _, a := range []string{"posts", "notes", "pins"} {
		_, err := (&job.GCAcknowledge{Config: w.yaml, Association: a, Shrunk: true, Person: "Ada"}).Run(context.Background(), w.env)
		w.say("%s may have become less: %v", a, err)
	}
	_, err := (&job.GCAccept{Config: w.yaml, Yes: true, Person: "Ada"}).Run(context.Background(), w.env)
	w.say("it is the right database: %v", err)
}

// restores brings back what is wanted.
func (w *world) restores() {
	for id := range w.wanted {
		if w.p.files[id] == nil {
			delete(w.wanted, id)
		}
	}
	if len(w.wanted) == 0 {
		return
	}
	o := order{What: "restore"}
	for _, id := range slices.Sorted(maps.Keys(w.wanted)) {
		o.IDs = append(o.IDs, fmt.Sprint(id))
	}
	w.watch.recall = slices.Sorted(maps.Keys(w.coming()))
	r, err := w.gives(o)
	w.watch.recall = nil
	if err != nil && !errors.Is(err, job.ErrSomeFailed) && !errors.Is(err, errKilled) {
		w.failures["restore: "+short(err)]++
	}
	if r.Applied != nil {
		w.restored += int(r.Applied.Count(cooper.Done))
	}
	statuses := w.p.statuses()
	for id := range w.wanted {
		f := w.p.files[id]
		if statuses[id] == "AVAILABLE" && w.readable(f) {
			delete(w.wanted, id)
		} else if w.inPlace(f) != nil && !w.readable(f) { // something else has its name by now
			delete(w.wanted, id)
		}
	}
}

// compresses compresses a part of the bucket.
func (w *world) compresses() {
	chain, err := codec.ParseCompression("zstd:3")
	w.must(err)
	c := &job.Compress{
		Bucket: lab, Prefix: "z/", Source: job.Source{List: true}, Yes: true, Options: job.Options{Jobs: 1},
		Policy: compress.Policy{Prefix: "z/", MinSize: 256, Rewriting: bucketop.Rewriting{
			Codec: codec.Chain{Compress: chain}, Mode: bucketop.Suffix, Originals: bucketop.RemoveOriginals, SSE: bucketop.SSEKeep, Proof: bucketop.AsSent, MinSaving: 0.05,
		}},
	}
	_, err = c.Run(context.Background(), w.env)
	w.say("compressed: %v", err)
	w.ran("compress")
	if err != nil {
		w.failures["compress: "+short(err)]++
	}
	w.check("after compress")
}

// asksGuard writes down what a guard was asked for, as it does.
func (w *world) asksGuard() {
	if len(w.toAsk) == 0 || w.scope == "" {
		return
	}
	w.guard++
	a := gcfacts.Asking{Guard: "a-1", Number: w.guard}
	for _, id := range w.toAsk {
		a.Asked = append(a.Asked, gcfacts.Asked{ID: fmt.Sprintf("a-1-%d-%d", w.guard, id), Scope: w.scope, Handle: fmt.Sprint(id), Status: "UNLINKED", First: w.instant(), Last: w.instant(), Count: 1})
		w.asked[id] = w.instant()
	}
	w.toAsk = nil
	w.must(gcfacts.Open(filepath.Join(w.env.Workspace, "ledger")).Ask(context.Background(), a))
}

// keeps has a person say that a file is kept, or is not any more.
func (w *world) keeps() {
	rnd := by(w.seed, "keeps", w.day)
	all := slices.Sorted(maps.Keys(w.p.files))
	if len(all) == 0 {
		return
	}
	id := all[rnd.IntN(len(all))]
	if len(w.kept) > 3 {
		id = slices.Sorted(maps.Keys(w.kept))[0]
	}
	_, err := (&job.GCKeep{Config: w.yaml, Handles: []string{fmt.Sprint(id)}, Release: w.kept[id], Person: "Ada", Reason: "so"}).Run(context.Background(), w.env)
	if err != nil {
		if w.kept[id] {
			delete(w.kept, id) // its row is gone
		}
		return
	}
	if w.did(id, "kept by hand: %t", !w.kept[id]); w.kept[id] {
		delete(w.kept, id)
	} else {
		w.kept[id] = true
	}
}
