package job

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"cooper"
	"cooper/internal/backup"
	"cooper/internal/inventory"
	"cooper/internal/inventory/s3report"
	"cooper/internal/words"
)

// A Range is a time whose reports a backup follows one after the other, the oldest
// first.
type Range struct {
	// From and To are the first and the last instant; 0 for none.
	From, To cooper.Instant
	// Follows is called before the nth report of all is followed, Passed for each that is
	// not, with the reason; an error of Passed ends the run.
	Follows func(name string, n, all int)
	Passed  func(name, why string) error
	// Came is told what came of following one, and gives the error it ended with, and what
	// became of telling of it.
	Came func(r Result, err error) error
}

// reportsFirst looks for the reports of a range before there is a tree.
func (b *Backup) reportsFirst(ctx context.Context, e *Env) (err error) {
	w := &work{Env: e}
	at, err := w.reports(ctx, b.Source.Inventory)
	if err != nil {
		return err
	}
	defer finally(&err, at.done)
	_, err = b.reportsIn(ctx, at)
	return err
}

// follow follows every report of a range, the oldest first, each by a
// snapshot, a plan and an apply of its own, under the one lock. What was followed
// before is passed over, so that the same command goes on where it stopped.
func (b *Backup) follow(ctx context.Context, h *held) (err error) {
	at, err := h.reports(ctx, b.Source.Inventory)
	if err != nil {
		return err
	}
	defer finally(&err, at.done)
	dates, err := b.reportsIn(ctx, at)
	if err != nil {
		return err
	}
	var followed, passed int
	someFailed := false
	var future error
	for i, date := range dates {
		why, err := h.needless(ctx, at.Location, date, &future)
		if err != nil {
			return stoppedAt(date, i+1, len(dates), err)
		}
		if why != "" {
			passed++
			h.tell(Note, "report %s is passed over: %s", date.Name, why)
			if err := b.Range.Passed(date.Name, why); err != nil {
				return err
			}
			continue
		}
		followed++
		b.Range.Follows(date.Name, i+1, len(dates))
		one := *b
		one.Source.Date = date.Name
		switch err := b.Range.Came(one.once(ctx, h)); {
		case errors.Is(err, ErrSomeFailed):
			someFailed = true
		case err != nil:
			return stoppedAt(date, i+1, len(dates), err)
		}
	}
	h.tell(Note, "followed %s, passed over %d", words.Plural(int64(followed), "report"), passed)
	if future != nil {
		return future
	}
	if someFailed {
		return ErrSomeFailed
	}
	return nil
}

// reportsIn lists the reports within the range, the oldest first. Some may still
// be being written: those are not whole.
func (b *Backup) reportsIn(ctx context.Context, at *reports) ([]s3report.Date, error) {
	all, err := s3report.Dates(ctx, at.Location, at.prefix)
	if err != nil {
		return nil, err
	}
	within := slices.DeleteFunc(slices.Clone(all), func(d s3report.Date) bool {
		return d.At < b.Range.From || b.Range.To != 0 && d.At > b.Range.To
	})
	if len(within) > 0 {
		// Whoever fetches reports to a disk may leave the checksums behind.
		if at.store == nil && !slices.ContainsFunc(all, func(d s3report.Date) bool { return d.Whole }) {
			for i := range within {
				within[i].Whole = true
			}
		}
		return within, nil
	}
	e := &cooper.Error{Kind: cooper.KindMissing, Where: b.Source.Inventory, Message: "no report is there",
		Remedy: "Give the folder that holds the dated ones: s3://DST/PREFIX/SRC/CONFIG/, or a directory with the same files."}
	if n := len(all); n > 0 {
		e.Message = fmt.Sprintf("no report is from that time; there are %d, from %s to %s", n, all[0].Name, all[n-1].Name)
		e.Remedy = "`cooper snapshot --inventory … --list-dates` shows which there are."
	}
	return nil, e
}

// needless says why a report is not to be followed, if so.
func (h *held) needless(ctx context.Context, loc s3report.Location, date s3report.Date, refused *error) (string, error) {
	if !date.Whole {
		return "it has no manifest.checksum: it may still be being written; --date takes it all the same", nil
	}
	taken, err := s3report.TakenAt(ctx, loc, date)
	if err != nil {
		return "", err
	}
	switch last := backup.LastFollowed(h.tree.State()); {
	case last == nil:
	case taken < last.TakenAt:
		return fmt.Sprintf("the tree follows a newer one already, of %s", last.TakenAt), nil
	case taken == last.TakenAt && last.Finished:
		return "the tree follows it already", nil
	}
	return h.tooEarly(date, taken, refused)
}

// tooEarly passes over a report of a time that has not come, and notes the first in
// refused: the others are followed, and the run does not end as if all were well.
func (h *held) tooEarly(date s3report.Date, taken cooper.Instant, refused *error) (why string, err error) {
	err = h.notFromTheFuture(inventory.Meta{Source: "report " + date.Name, TakenAt: taken})
	var e *cooper.Error
	if !errors.As(err, &e) {
		return "", err
	}
	if *refused == nil {
		*refused = err
	}
	return e.Message, nil
}

// stoppedAt says how far a range has come, to the nth report, and how to go on.
func stoppedAt(date s3report.Date, n, all int, err error) error {
	e := &cooper.Error{Kind: cooper.KindOf(err), Where: "report " + date.Name, Err: err,
		Message: fmt.Sprintf("stopped here, at %d of %s", n, words.Plural(int64(all), "report"))}
	var inner *cooper.Error
	if errors.As(err, &inner) && inner.Remedy != "" {
		e.Remedy = strings.TrimSuffix(inner.Remedy, ".") + ". Then"
	} else {
		e.Remedy = "To go on,"
	}
	e.Remedy += " give the same command again: it takes up this report."
	return e
}
