package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"cooper"
	"cooper/internal/apply"
	"cooper/internal/background"
	"cooper/internal/hours"
	"cooper/internal/progress"
	"cooper/internal/store/limit"
	"cooper/internal/store/retry"
	"cooper/internal/store/s3"
	"cooper/internal/words"
)

// pace is how hard, and when, stores may be worked on, as a person has set it;
// all buckets of a run share it.
type pace struct {
	requests           float64
	bandwidth, between string

	rate  *limit.Rate
	band  *limit.Bandwidth
	hours hours.Hours
}

// register adds what makes sense for every command that speaks to a store.
func (p *pace) register(f *pflag.FlagSet) {
	f.Float64Var(&p.requests, "max-requests-per-second", 0, "send no more requests a second, of all kinds, repeats included")
	f.StringVar(&p.bandwidth, "bandwidth", "", "move no more bytes a second, both ways together, such as 50MiB")
}

// check reads the flags. The hours are those of where.
func (p *pace) check(f *pflag.FlagSet, where *time.Location) (err error) {
	if f.Changed("max-requests-per-second") {
		if !(p.requests > 0) {
			return usage("--max-requests-per-second must be more than 0", "Leave it out for no bound.")
		}
		p.rate = limit.NewRate(p.requests, limit.Options{})
	}
	if p.bandwidth != "" {
		n, ok := parseBytes(strings.TrimSuffix(p.bandwidth, "/s"))
		if !ok || n < limit.MinBandwidth {
			return usage(fmt.Sprintf("--bandwidth %s is not a number of bytes a second of at least 64KiB", cooper.Quote(p.bandwidth)), "Give it like --bandwidth 50MiB.")
		}
		p.band = limit.NewBandwidth(n, nil)
	}
	p.hours, err = hours.Parse(p.between, where)
	return err
}

// runFlags are those of commands that may run for weeks.
func (a *app) runFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&a.pace.between, "between", "", "take up new work only at these hours of the local clock, such as 22:00-06:00; several with commas between")
	f.StringVar(&a.watch.metrics, "metrics", "", "serve metrics for Prometheus at this address while it runs: :9200 for this machine alone, 0.0.0.0:9200 for others")
	f.StringVar(&a.watch.dsn, "sentry-dsn", "", "tell Sentry of failures, by kind and never by key (default $SENTRY_DSN)")
}

// begin reads the flags that all commands share, and is called before any of
// them does anything.
func (a *app) begin(cmd *cobra.Command) error {
	if err := a.limitMemory(); err != nil {
		return err
	}
	if err := a.pace.check(cmd.Flags(), time.Local); err != nil {
		return err
	}
	if err := a.endpointGiven(); err != nil {
		return err
	}
	if err := a.beware(cmd); err != nil {
		return err
	}
	if cmd.Flags().Lookup("sentry-dsn") == nil { // it takes no time
		return nil
	}
	return a.watchRun(cmd.Context(), cmd)
}

// endpointGiven refuses an endpoint of the command line that must not be used, before
// anything is written down.
func (a *app) endpointGiven() error {
	if a.s3.endpoint == "" {
		return nil
	}
	return s3.CheckEndpoint(a.s3.endpoint)
}

// beware warns of a password in the command line. A run in the background would also
// write it down, for whoever takes it up again: that is refused.
func (a *app) beware(cmd *cobra.Command) error {
	given := cmd.Flags().Args()
	cmd.Flags().Visit(func(f *pflag.Flag) { given = append(given, f.Value.String()) })
	if !slices.ContainsFunc(given, background.Password) {
		return nil
	}
	if cmd.Name() == "start" {
		return usage("the command has a password in a URL, and a run in the background keeps its command in a file", "Leave it out of the URL; for PostgreSQL give it in ~/.pgpass, which is there also when the run is taken up again, or in PGPASSWORD.")
	}
	a.caution("a password in a URL is seen by everybody on this machine who lists processes; for PostgreSQL it belongs in ~/.pgpass or PGPASSWORD")
	return nil
}

// limits makes a job keep the hours that a person has set, and notes its plan, for the
// metrics and so that a run in the background can be taken up again. Each call of apply.Run goes
// through it.
func (a *app) limits(job *apply.Job) {
	id := job.Plan.Header().ID
	a.watch.plan.Store(&id)
	if a.session != nil {
		a.session.Plan(id)
	}
	if !a.pace.hours.Always() {
		job.Gate = a.gate(job.Progress).Wait
		job.Progress.Hours(a.pace.hours.Span)
	}
}

func (a *app) gate(count *progress.Counters) *hours.Gate {
	return &hours.Gate{Hours: a.pace.hours, Clock: a.clock, Sleep: retry.Sleep, Waiting: count.Waiting}
}

// await waits for the hours before something begins that is no apply.
func (a *app) await(ctx context.Context, count *progress.Counters) error {
	now := a.clock()
	if a.pace.hours.Open(now) {
		return nil
	}
	next := a.pace.hours.Next(now)
	count.Waiting(next)
	a.note("waiting until %s", words.Clock(next))
	stop := a.follow(count)
	defer stop()
	return a.gate(count).Wait(ctx)
}
