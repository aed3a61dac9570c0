package job

import (
	"context"
	"errors"
	"io"

	"cooper"
	"cooper/internal/apply"
	"cooper/internal/backup"
	"cooper/internal/permit"
	"cooper/internal/plan"
	"cooper/internal/tree/audit"
	"cooper/internal/tree/catalog"
	"cooper/internal/treeop"
	"cooper/internal/words"
)

// Verify compares a tree with its catalog.
type Verify struct {
	Dir string
	// Content reads and hashes every byte.
	Content bool
	// Repair fetches again what is missing or damaged, and moves foreign files aside.
	Repair bool
	// Prefix narrows it to keys below it.
	Prefix string
	// Found is told of everything that is wrong; its error ends the run.
	Found func(audit.Finding) error
	Options
}

// Verified is what a verification comes to.
type Verified struct {
	audit.Result
	// Applied is the repair; nil if there was none.
	Applied *apply.Summary `json:"repair,omitempty"`
	// Refused are files that could not be moved aside, or given their time back: the
	// file system did not let them.
	Refused int64 `json:"refused,omitempty"`
}

// Run looks, and repairs if that is wished. ErrSomeFailed says that something is wrong
// still; beside any other error the result is empty.
func (v *Verify) Run(ctx context.Context, e *Env) (out Verified, err error) {
	at := place{dir: v.Dir, use: readTree, command: "backup verify"} // the lock keeps a run from moving files while they are looked at
	if v.Repair {
		at.use = changeTree
	}
	err = e.in(ctx, at, &v.Options, func(ctx context.Context, h *held) error {
		found, err := v.look(ctx, h)
		if err != nil {
			return err
		}
		if out = found; out.broken() {
			return ErrSomeFailed
		}
		return nil
	})
	return out, err
}

// broken tells whether something is wrong still.
func (v *Verified) broken() bool {
	if v.Applied == nil {
		return len(v.Problems) > 0
	}
	return v.Applied.Count(cooper.Failed)+v.Applied.Count(cooper.Deferred)+v.Problems[audit.Unreadable]+v.Problems[audit.Shared]+v.Refused > 0
}

func (v *Verify) look(ctx context.Context, h *held) (out Verified, err error) {
	var read *justRead
	if v.Content {
		if read, err = v.readFirst(ctx, h); err != nil {
			return out, err
		}
	}
	if !v.Repair {
		res, err := v.audit(ctx, h, read, v.Found)
		return Verified{Result: res}, errors.Join(err, read.close())
	}
	id := h.ws.NewID("p")
	w, err := plan.Create(h.ws.PlanDir(id), id, plan.Limits{})
	if err != nil {
		return out, errors.Join(err, read.close())
	}
	defer w.Abort()
	fetches, err := backup.NewMender(backup.Repair{Catalog: h.tree.Catalog(), Dir: h.tree.Dir(), Policy: backup.Careful(), ID: id, Now: h.now()}, w)
	if err != nil {
		return out, errors.Join(err, read.close())
	}
	mend := &mending{held: h, plan: fetches}
	res, err := v.audit(ctx, h, read, func(x audit.Finding) error {
		if err := v.Found(x); err != nil {
			return err
		}
		return mend.found(x)
	})
	if err = errors.Join(err, read.close()); err != nil || len(res.Problems) == 0 {
		return Verified{Result: res}, err
	}
	sum, err := mend.repair(ctx, &v.Options)
	return Verified{Result: res, Applied: &sum, Refused: mend.refused}, err
}

func (v *Verify) audit(ctx context.Context, h *held, read *justRead, found func(audit.Finding) error) (audit.Result, error) {
	count := h.counters(nil)
	count.Phase("verify")
	state := h.tree.State()
	if len(state.Runs) > 0 && v.Prefix == "" {
		var rows int64
		for i := range state.Runs {
			rows = max(rows, state.Runs[i].Rows())
		}
		count.Expect(rows, 0)
	}
	stop := h.Listener.Follow(count)
	defer stop()
	opt := audit.Options{Content: v.Content, Doubtful: v.Repair, Prefix: v.Prefix, Workers: v.Jobs, Progress: count}
	if read != nil {
		opt.Judged = read.has
	}
	return audit.Run(ctx, h.tree, opt, func(x audit.Finding) error {
		stop()
		return found(x)
	})
}

// mending turns findings into a repair: foreign files are moved aside, and a
// plan fetches what is missing or damaged.
type mending struct {
	*held
	plan  *backup.Mender
	aside []string // paths of foreign files; kept in memory, as so many are no repair
	fetch bool
	// refused counts files that could not be touched.
	refused int64
}

func (m *mending) found(x audit.Finding) error {
	if x.Problem == audit.Unreadable || x.Problem == audit.Shared {
		return nil // it may be sound; nobody can tell
	}
	if x.Sound {
		// Perhaps the only copy there is: nothing but its time is touched.
		return m.pass(apply.Mend(m.run, func(p permit.Permit) error { return m.tree.MendTime(p, x.Row) }))
	}
	if x.Row == nil {
		m.aside = append(m.aside, x.Path)
		return nil
	}
	m.fetch = true
	return m.plan.Fetch(x.Row)
}

// pass notes a file that the file system does not let be touched, and goes on.
func (m *mending) pass(err error) error {
	if cooper.KindOf(err) != cooper.KindDenied {
		return err
	}
	m.refused++
	m.tell(Note, "left as it is: %v", err)
	return nil
}

// repair moves aside and fetches. A damaged file stays where it is until what
// replaces it was fetched and checked: the commit exchanges them.
func (m *mending) repair(ctx context.Context, opt *Options) (sum apply.Summary, err error) {
	// Foreign is what the whole catalog does not know, not a part of it.
	if err := audit.Confirm(ctx, m.tree, m.aside); err != nil {
		return sum, err
	}
	for _, path := range m.aside {
		err := apply.Mend(m.run, func(p permit.Permit) error {
			_, err := m.tree.MoveAside(p, path)
			return err
		})
		if err := m.pass(err); err != nil {
			return sum, err
		}
	}
	if !m.fetch {
		return sum, nil
	}
	h, err := m.plan.Finish()
	if err != nil {
		return sum, err
	}
	r, err := m.carryOutMade(ctx, &h, opt)
	if r.Applied != nil {
		sum = *r.Applied
	}
	return sum, wentThrough(err)
}

// wentThrough forgets that objects failed where the result tells of them.
func wentThrough(err error) error {
	if errors.Is(err, ErrSomeFailed) {
		return nil
	}
	return err
}

// readFirst reads the versions below the prefix that nobody has looked at, as after
// an adoption, or that were damaged when somebody did, and lets the catalog know: shard
// by shard, so that a verify of many terabytes can be stopped and taken up again. It
// gives what it read, nil if there was nothing.
func (v *Verify) readFirst(ctx context.Context, h *held) (*justRead, error) {
	if !h.locked {
		return nil, nil // the catalog cannot be told
	}
	var none bool
	made, err := h.writePlan(plan.Limits{}, func(id string, w *plan.Writer) (plan.Header, error) {
		made, err := backup.PlanVerify(ctx, backup.Verify{Catalog: h.tree.Catalog(), Dir: h.tree.Dir(), Prefix: v.Prefix, ID: id, Now: h.now()}, w)
		none = err == nil && made.ID == ""
		return made, err
	})
	if none || err != nil {
		return nil, err
	}
	h.tell(Note, "%s unverified: the catalog learns how they are", words.Plural(made.Totals[treeop.Verify].Count, "version"))
	if _, err := h.carryOutMade(ctx, &made, &v.Options); wentThrough(err) != nil {
		return nil, err
	}
	p, err := plan.Open(h.ws.PlanDir(made.ID))
	if err != nil {
		return nil, err
	}
	return &justRead{it: p.Actions(ctx)}, nil
}

// justRead are the versions that were read, in the order of the catalog.
type justRead struct {
	it   *plan.Iterator
	next *cooper.Action
	err  error
}

// has tells whether a row is one of them and was judged. Rows must come in order.
func (j *justRead) has(row *catalog.Row) bool {
	for j.err == nil && (j.next == nil || j.next.Version.Identity.Compare(row.Identity) < 0) {
		j.next, j.err = j.it.Next()
	}
	return j.err == nil && j.next.Version.Identity == row.Identity && row.Check != cooper.Unverified
}

// close ends it; an error of reading the plan is told here.
func (j *justRead) close() error {
	if j == nil {
		return nil
	}
	err := j.err
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return errors.Join(err, j.it.Close())
}
