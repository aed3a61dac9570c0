package job

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"

	"cooper"
	"cooper/internal/gcstate"
	"cooper/internal/gcstate/sqlite"
)

func (w *work) statePath() string { return filepath.Join(w.ws.Dir(), "gc", "state.db") }
func (w *work) stateID() string   { return w.ws.NewID("g") }

// withState opens the state for f.
func (w *work) withState(ctx context.Context, f func(gcstate.State) error) (err error) {
	s, err := w.openState(ctx)
	if err != nil {
		return err
	}
	defer finally(&err, s.Close)
	return f(s)
}

// openState opens the state of the workspace, with what it owes the ledger told. One that is an old
// copy, another's, or empty in the place of one that was lost, is refused.
func (w *work) openState(ctx context.Context) (_ gcstate.State, err error) {
	s, err := sqlite.Open(ctx, w.statePath(), sqlite.Options{NewID: w.stateID})
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			finally(&err, s.Close)
		}
	}()
	is, err := w.standingOf(ctx, s)
	if err != nil {
		return nil, err
	}
	if err := w.believe(ctx, is); err != nil {
		return nil, err
	}
	return s, tellState(ctx, s, w.gcFacts())
}

// stateStanding is what a state says of itself, and the ledger of it, at one moment.
type stateStanding struct {
	info gcstate.Info
	// next is the batch that it tells next; of number 0: it has told all.
	next gcstate.Batch
	// told is the last batch that the ledger has of each state.
	told map[string]int
}

// standingOf asks both; again, where another process tells meanwhile.
func (w *work) standingOf(ctx context.Context, s gcstate.State) (is stateStanding, err error) {
	for range 100 {
		if is.info, err = s.Info(ctx); err != nil {
			return is, err
		}
		if is.next, err = s.Untold(ctx); err != nil {
			return is, err
		}
		if is.told, err = w.gcFacts().Told(); err != nil {
			return is, err
		}
		now, err := s.Info(ctx)
		if err != nil || now.ID == is.info.ID && now.Told == is.info.Told {
			return is, err
		}
	}
	return is, &cooper.Error{Kind: cooper.KindLocked, Where: w.statePath(), Message: "others change the state of handles all the while", Remedy: "Try again later."}
}

// believe refuses a state that is not the one which has told what the ledger has.
func (w *work) believe(ctx context.Context, is stateStanding) error {
	id, told := is.info.ID, is.told[is.info.ID]
	old := fmt.Sprintf("the state of handles is an old copy: the ledger has %d batches of its changes, and it has told %d", told, is.info.Told)
	switch {
	case told > is.info.Told+1:
		return w.stateRefused(old)
	case told == is.info.Told+1: // it was written down when the process was killed
		same, err := w.isTold(ctx, is.next)
		if err == nil && !same {
			err = w.stateRefused(old)
		}
		if err != nil {
			return err
		}
	case told < is.info.Told && told == 0 && len(is.told) > 0:
		return w.stateRefused("the state of handles is another's: the ledger has changes, and none of it")
	}
	if err := w.lacking(is); err != nil {
		return err
	}
	if len(is.told) == 0 || len(is.told) == 1 && told > 0 {
		return nil
	}
	if is.info.Told == 0 && is.info.Count() == 0 {
		lost, err := w.toldRecords(ctx)
		if err == nil && len(lost) > 0 {
			err = w.stateRefused("the state of handles is empty, and by the ledger " + counted(lost))
		}
		return err
	}
	newest, err := w.newestState(ctx)
	if err != nil || newest == id {
		return err
	}
	// Made anew, and killed before that was told.
	restored := !slices.ContainsFunc(is.next.Transitions, func(t gcstate.Transition) bool { return t.Reason != gcstate.Restored })
	if is.info.Told == 0 && is.next.Number > 0 && restored {
		return nil
	}
	return w.stateRefused("the state of handles is one from before it was made anew")
}

// lacking is the error of a state that has told more than the ledger has of it; nil where the ledger has
// nothing of it but of others.
func (w *work) lacking(is stateStanding) error {
	id, told := is.info.ID, is.told[is.info.ID]
	if told >= is.info.Told || told == 0 && len(is.told) > 0 {
		return nil
	}
	return &cooper.Error{
		Kind: cooper.KindRefused, Where: w.statePath(), Message: fmt.Sprintf("of the changes of the state of handles, the ledger lacks those from batch %d to %d", told+1, is.info.Told),
		Remedy: fmt.Sprintf("Put back %s-%08d.parquet, and those after it, in ledger/gc_transition. For each that is gone for good, make an empty file of its name that ends with .lost in place of .parquet.", id, told+1),
	}
}

// isTold tells whether a batch is what the ledger has under its number.
func (w *work) isTold(ctx context.Context, b gcstate.Batch) (bool, error) {
	rows := 0
	same := true
	err := w.each(ctx, func(row []any) error {
		if rows++; rows > len(b.Transitions) {
			same = false
			return nil
		}
		t := &b.Transitions[rows-1]
		for i, want := range []any{t.Scope, t.Kind, t.Handle.ID, string(t.From), string(t.To), int64(t.Since), t.Run} {
			same = same && row[i] == want
		}
		return nil
	}, "SELECT scope, kind, id, from_status, to_status, epoch_ms(since), run FROM gc_transition WHERE state = $1 AND batch = $2 ORDER BY CAST(regexp_extract(transition, '[0-9]+$') AS BIGINT)", b.State, b.Number)
	return same && b.Number > 0 && rows == len(b.Transitions), err
}

// newestState is the state that has told the last change.
func (w *work) newestState(ctx context.Context) (id string, err error) {
	err = w.each(ctx, func(row []any) error {
		var ok bool
		if id, ok = row[0].(string); !ok {
			return senseless(row[0])
		}
		return nil
	}, "SELECT state FROM gc_transition ORDER BY since DESC, batch DESC LIMIT 1")
	return id, err
}

func (w *work) stateRefused(why string) error {
	return &cooper.Error{Kind: cooper.KindRefused, Where: w.statePath(), Message: why, Remedy: "Make it anew from the ledger: cooper gc rebuild"}
}
