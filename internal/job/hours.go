package job

import (
	"context"

	"cooper/internal/apply"
	"cooper/internal/hours"
	"cooper/internal/progress"
	"cooper/internal/store/retry"
	"cooper/internal/words"
)

// limits makes a run keep the hours that a person has set, and tells that its plan is
// begun. Each call of apply.Run goes through it.
func (w *work) limits(job *apply.Job) {
	w.Listener.Begun(job.Plan.Header().ID)
	if !w.Hours.Always() {
		job.Gate = w.gate(job.Progress).Wait
		job.Progress.Hours(w.Hours.Span)
	}
}

func (w *work) gate(count *progress.Counters) *hours.Gate {
	return &hours.Gate{Hours: w.Hours, Clock: w.Clock, Sleep: retry.Sleep, Waiting: count.Waiting}
}

// await waits for the hours before something begins that is no apply.
func (w *work) await(ctx context.Context, count *progress.Counters) error {
	now := w.Clock()
	if w.Hours.Open(now) {
		return nil
	}
	next := w.Hours.Next(now)
	count.Waiting(next)
	w.tell(Note, "waiting until %s", words.Clock(next))
	stop := w.Listener.Follow(count)
	defer stop()
	return w.gate(count).Wait(ctx)
}
