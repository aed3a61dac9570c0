package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"cooper"
	"cooper/internal/backup"
	"cooper/internal/inventory"
	"cooper/internal/inventory/s3report"
	"cooper/internal/term"
	"cooper/internal/words"
)

// dateRange says which reports a run follows one after the other; it is zero for
// a run that follows one.
type dateRange struct {
	from, to string
}

func (r dateRange) given() bool { return r.from != "" || r.to != "" }

// bounds are the first and the last instant of the range; 0 for none.
func (r dateRange) bounds() (first, last cooper.Instant, err error) {
	if r.from != "" {
		if first, err = parseTime(r.from); err != nil {
			return 0, 0, err
		}
	}
	if r.to != "" {
		if last, err = parseTime(r.to); err != nil {
			return 0, 0, err
		}
		if _, err := time.Parse(time.DateOnly, r.to); err == nil {
			last += cooper.Instant((24*time.Hour - time.Millisecond).Milliseconds()) // the whole day
		}
	}
	if last != 0 && first > last {
		return 0, 0, usage(fmt.Sprintf("--from %s comes after --to %s", r.from, r.to), "Give the earlier one with --from.")
	}
	return first, last, nil
}

// check looks at the flags that make no sense with several reports.
func (r dateRange) check(f *backupFlags) error {
	const one = "--from and --to follow several reports, "
	switch {
	case f.planOnly:
		return usage(one+"and what is planned from one depends on what came of the one before", "Leave --plan-only out, or plan the first alone with --date.")
	case f.apply.confirm != "":
		return usage(one+"and --confirm is about one plan", "Confirm that plan with `cooper apply ID --confirm DIGEST`, then give the range again.")
	case f.older:
		return usage(one+"those that are older than what the tree follows are passed over", "Take an older one by itself, with --date and --older.")
	}
	_, _, err := r.bounds()
	return err
}

// passedOver is what --json says of a report that is not followed.
type passedOver struct {
	Report string `json:"passed_over"` // its date
	Why    string `json:"why"`
}

// backupRange follows every report of a range, the oldest first, each by a
// snapshot, a plan and an apply of its own, under the one lock. What was followed
// before is passed over, so that the same command goes on where it stopped.
func (a *app) backupRange(ctx context.Context, d *drive, bucket string, f *backupFlags, policy backup.Policy) error {
	at, err := a.location(ctx, f.source.inventory)
	if err != nil {
		return err
	}
	defer at.done()
	dates, err := a.reportsIn(ctx, at.Location, at.prefix, f)
	if err != nil {
		return err
	}
	var followed, passed int
	someFailed := false
	var future error
	for i, date := range dates {
		why, err := a.needless(ctx, d, at.Location, date)
		if err != nil {
			return stoppedAt(date, i+1, len(dates), err)
		}
		if why == "" {
			if why, err = a.tooEarly(ctx, at.Location, date, &future); err != nil {
				return stoppedAt(date, i+1, len(dates), err)
			}
		}
		if why != "" {
			passed++
			if err := a.passOver(date, why); err != nil {
				return err
			}
			continue
		}
		if followed++; followed > 1 {
			d.run = d.ws.NewID("r") // facts are named by run and shard
		}
		if !a.json {
			a.say("%s", a.stdout.Style(term.Bold, fmt.Sprintf("report %s, %d of %d", date.Name, i+1, len(dates))))
		}
		one := *f
		one.source.date = date.Name
		switch err := a.backupOnce(ctx, d, bucket, &one, policy); {
		case errors.Is(err, errSomeFailed):
			someFailed = true
		case err != nil:
			return stoppedAt(date, i+1, len(dates), err)
		}
	}
	a.note("followed %s, passed over %d", words.Plural(int64(followed), "report"), passed)
	if future != nil {
		return future
	}
	if someFailed {
		return errSomeFailed
	}
	return nil
}

// reportsIn lists the reports within the range, the oldest first. Some may still
// be being written: those are not whole.
func (a *app) reportsIn(ctx context.Context, loc s3report.Location, prefix string, f *backupFlags) ([]s3report.Date, error) {
	first, last, err := f.dates.bounds()
	if err != nil {
		return nil, err
	}
	all, err := s3report.Dates(ctx, loc, prefix)
	if err != nil {
		return nil, err
	}
	within := slices.DeleteFunc(slices.Clone(all), func(d s3report.Date) bool {
		return d.At < first || last != 0 && d.At > last
	})
	if len(within) > 0 {
		// Whoever fetches reports to a disk may leave the checksums behind.
		if _, _, err := cooper.ParseURL(f.source.inventory); err != nil && !slices.ContainsFunc(all, func(d s3report.Date) bool { return d.Whole }) {
			for i := range within {
				within[i].Whole = true
			}
		}
		return within, nil
	}
	e := &cooper.Error{Kind: cooper.KindMissing, Where: f.source.inventory, Message: "no report is there",
		Remedy: "Give the folder that holds the dated ones: s3://DST/PREFIX/SRC/CONFIG/, or a directory with the same files."}
	if n := len(all); n > 0 {
		e.Message = fmt.Sprintf("no report is from that time; there are %d, from %s to %s", n, all[0].Name, all[n-1].Name)
		e.Remedy = "`cooper snapshot --inventory … --list-dates` shows which there are."
	}
	return nil, e
}

// needless says why a report is not to be followed, if so.
func (a *app) needless(ctx context.Context, d *drive, loc s3report.Location, date s3report.Date) (string, error) {
	if !date.Whole {
		return "it has no manifest.checksum: it may still be being written; --date takes it all the same", nil
	}
	last := backup.LastFollowed(d.tree.State())
	if last == nil {
		return "", nil
	}
	taken, err := s3report.TakenAt(ctx, loc, date)
	if err != nil {
		return "", err
	}
	switch {
	case taken < last.TakenAt:
		return fmt.Sprintf("the tree follows a newer one already, of %s", last.TakenAt), nil
	case taken == last.TakenAt && last.Finished:
		return "the tree follows it already", nil
	}
	return "", nil
}

// tooEarly passes over a report of a time that has not come, and notes the first in
// refused: the others are followed, and the run does not end as if all were well.
func (a *app) tooEarly(ctx context.Context, loc s3report.Location, date s3report.Date, refused *error) (why string, err error) {
	taken, err := s3report.TakenAt(ctx, loc, date)
	if err != nil {
		return "", err
	}
	err = a.notFromTheFuture(inventory.Meta{Source: "report " + date.Name, TakenAt: taken})
	var e *cooper.Error
	if !errors.As(err, &e) {
		return "", err
	}
	if *refused == nil {
		*refused = err
	}
	return e.Message, nil
}

func (a *app) passOver(date s3report.Date, why string) error {
	if a.json {
		return a.emit(passedOver{date.Name, why})
	}
	a.note("report %s is passed over: %s", date.Name, why)
	return nil
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
