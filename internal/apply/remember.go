package apply

import "cooper"

// Rememberer is a Target that does not wait for the commit of a shard to
// remember what came of its actions: what an earlier run of the plan did of a
// shard that it did not commit is not done again.
type Rememberer interface {
	Target
	// Known gives what an earlier run came to with an action; it is asked after
	// Begin, before the action is dealt out.
	Known(a *cooper.Action) (cooper.Outcome, bool)
	// Note is told of what is done, as soon as it is, by many workers at once. Its
	// error ends the run.
	Note(s Shard, o *cooper.Outcome) error
	// Close lets go of what Note uses, however the run has ended.
	Close() error
}

// known gives what an earlier run came to with an action, if that is
// remembered.
func (r *run) known(a *cooper.Action) (cooper.Outcome, bool) {
	if t, ok := r.job.Target.(Rememberer); ok {
		return t.Known(a)
	}
	return cooper.Outcome{}, false
}

// note has what is done remembered.
func (p *phase) note(s *shard, o *cooper.Outcome) error {
	if t, ok := p.job.Target.(Rememberer); ok && o.Status == cooper.Done {
		return t.Note(Shard{Plan: p.header.ID, N: s.n, Phase: p.Name}, o)
	}
	return nil
}

// close ends remembering.
func (r *run) close() error {
	if t, ok := r.job.Target.(Rememberer); ok {
		return t.Close()
	}
	return nil
}
