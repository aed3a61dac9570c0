package job

import (
	"context"

	"cooper"
	"cooper/internal/apply"
	"cooper/internal/backup"
	"cooper/internal/ledger"
	"cooper/internal/permit"
)

// Forget takes a snapshot back that a tree has followed by mistake.
type Forget struct {
	Dir string
	// Snapshot names it: its id, a unique beginning, or the time it was taken.
	Snapshot string
	// Yes: do not ask.
	Yes bool
	// Show shows what the catalog would say differently, before anybody is asked.
	Show func(*backup.Forgotten) error
}

// Forgot is what became of it.
type Forgot struct {
	backup.Forgotten
	Done bool `json:"done"`
}

// Run counts under the tree's lock, gives it back while a person thinks, and
// takes it again; a tree that changed meanwhile is refused.
func (f *Forget) Run(ctx context.Context, e *Env) (out Forgot, err error) {
	at := place{dir: f.Dir, use: changeTree, command: "backup forget"}
	if err := at.fits(e); err != nil {
		return out, err
	}
	err = e.begin(func(w *work) error {
		var generation int64
		err := w.hold(ctx, at, &Options{}, func(ctx context.Context, h *held) error {
			x, err := h.forgetting(f.Snapshot)
			if err != nil {
				return err
			}
			generation = h.tree.State().Generation
			out.Forgotten, err = x.Count(ctx, h.tree.Catalog())
			return err
		})
		if err != nil {
			return err
		}
		may, err := w.consent(ctx, &decision{
			show:  func() error { return f.Show(&out.Forgotten) },
			given: f.Yes, question: "Forget snapshot " + out.Snapshot + "?", nothing: "nothing was changed", where: f.Dir, remedy: "Give --yes.",
		})
		if err != nil || !may {
			return err
		}
		return w.hold(ctx, at, &Options{}, func(ctx context.Context, h *held) error {
			if now := h.tree.State().Generation; now != generation {
				return &cooper.Error{Kind: cooper.KindRefused, Where: h.tree.Dir(), Message: "the tree has changed meanwhile", Remedy: "Look again, with the same command."}
			}
			err := h.forget(ctx, &out.Forgotten)
			out.Done = err == nil
			return err
		})
	})
	return out, err
}

// forgetting finds a snapshot by its id, by the beginning of one, or by its time; also
// that of a run which never came to its end.
func (h *held) forgetting(name string) (*backup.Forgetting, error) {
	state := h.tree.State()
	if r := state.Run; r != nil && r.Snapshot != nil && r.Snapshot.ID == name {
		return backup.NewForgetting(state, h.tree.Dir(), name)
	}
	id, err := followed(&state, name)
	if err != nil {
		return nil, err
	}
	return backup.NewForgetting(state, h.tree.Dir(), id)
}

func (h *held) forget(ctx context.Context, n *backup.Forgotten) error {
	began := h.now()
	f, err := h.forgetting(n.Snapshot)
	if err != nil {
		return err
	}
	err = apply.Mend(h.run, func(p permit.Permit) error {
		return h.tree.Revise(ctx, p, f.Row, f.State(began))
	})
	if err != nil {
		return err
	}
	return h.facts().WriteRun(context.WithoutCancel(ctx), ledger.RunFact{
		ID: h.run, Mission: backup.MissionForget, Target: h.tree.Dir(), Began: began, Ended: h.now(),
		Status: ledger.Finished, Counts: map[string]int64{string(cooper.Done): n.Rows.Count},
	})
}
