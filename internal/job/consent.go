package job

import (
	"context"
	"fmt"
	"slices"

	"cooper"
	"cooper/internal/plan"
	"cooper/internal/words"
)

// A decision is what a person is asked to consent to.
type decision struct {
	// show shows it, before anything else.
	show func() error
	// given: a flag has answered: --yes, or --confirm, which apply looks at.
	given bool
	// question is what is asked; empty if it takes no consent.
	question string
	// nothing says what is so without it: "nothing was deleted".
	nothing string
	// where names it, remedy says how it is carried out where nobody can be asked, and
	// later, if there is one, how after a no.
	where, remedy, later string
}

// consent tells whether a decision may be carried out. It is the one place that asks: it
// shows what was decided, takes what flags have answered, and refuses where there is
// nobody to ask.
func (e *Env) consent(ctx context.Context, d *decision) (bool, error) {
	if err := d.show(); err != nil {
		return false, err
	}
	if d.given || d.question == "" {
		return true, nil
	}
	yes, there, err := e.Listener.Ask(ctx, d.question)
	switch {
	case err != nil:
		return false, err
	case !there:
		return false, &cooper.Error{Kind: cooper.KindRefused, Where: d.where, Message: d.nothing + ", as there is nobody to ask", Remedy: d.remedy}
	case !yes && d.later != "":
		e.tell(Note, "%s; %s", d.nothing, d.later)
	case !yes:
		e.tell(Note, "%s", d.nothing)
	}
	return yes, nil
}

// consentTo asks for consent to a plan. What the share stop refuses anyway is not asked
// for: apply says so, and names the digest that --confirm takes.
func (e *Env) consentTo(ctx context.Context, h *plan.Header, given bool, question, nothing string) (bool, error) {
	return e.consent(ctx, &decision{
		show:  func() error { return e.Listener.ShowPlan(h, true) },
		given: given || h.Stopped(), question: question, nothing: nothing, where: "plan " + h.ID,
		remedy: fmt.Sprintf("Carry the plan out with: cooper apply %s. In scripts, give --yes.", h.ID),
		later:  fmt.Sprintf("cooper apply %s would do it", h.ID),
	})
}

// mayDelete asks for consent to a plan that deletes versions by a verb, that of r. Where
// it would delete none, r says so, and there is nothing to carry out; after a no, r does
// not tell of the plan.
func (w *work) mayDelete(ctx context.Context, r *Result, verb string, given bool) (bool, error) {
	all := r.Plan.Totals[verb]
	question := fmt.Sprintf("Delete %s (%s) for good?", words.Plural(all.Count, "version"), words.Bytes(all.Bytes))
	if all.Count == 0 {
		r.Nothing, question = "Nothing is to be deleted.", ""
	}
	may, err := w.consentTo(ctx, r.Plan, given, question, "nothing was deleted")
	if err == nil && !may {
		r.Plan = nil
	}
	return may && r.Nothing == "", err
}

// confirmed finds the newest plan of a mission for a target whose digest a
// person has given; it must have been made with the same parameters.
func (w *work) confirmed(digest, mission, kind, target string, same func(*plan.Header) bool) (none plan.Header, err error) {
	ids, err := w.ws.Plans()
	if err != nil {
		return none, err
	}
	for _, id := range slices.Backward(ids) {
		p, err := plan.Open(w.ws.PlanDir(id))
		if err != nil {
			return none, err
		}
		h := p.Header()
		if !h.ConfirmedBy(digest) || h.Mission != mission || h.Target.Path != target {
			continue
		}
		if !same(&h) {
			return none, &cooper.Error{Kind: cooper.KindRefused, Where: "plan " + h.ID, Message: "was made with other flags than these",
				Remedy: fmt.Sprintf("Give the same flags again, or carry it out with: cooper apply %s --confirm %s", h.ID, digest)}
		}
		return h, nil
	}
	return none, &cooper.Error{Kind: cooper.KindRefused, Where: target, Message: fmt.Sprintf("no plan to %s this %s has a digest that begins with %s", mission, kind, cooper.Quote(digest)),
		Remedy: "Make a plan and look at it, without --confirm: its digest is shown with it, 8 characters of it will do."}
}
