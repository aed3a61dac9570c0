package shell

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"cooper"
	"cooper/internal/background"
	"cooper/internal/hours"
	"cooper/internal/store/limit"
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
			return Usage("--max-requests-per-second must be more than 0", "Leave it out for no bound.")
		}
		p.rate = limit.NewRate(p.requests, limit.Options{})
	}
	if p.bandwidth != "" {
		n, ok := ParseBytes(strings.TrimSuffix(p.bandwidth, "/s"))
		if !ok || n < limit.MinBandwidth {
			return Usage(fmt.Sprintf("--bandwidth %s is not a number of bytes a second of at least 64KiB", cooper.Quote(p.bandwidth)), "Give it like --bandwidth 50MiB.")
		}
		p.band = limit.NewBandwidth(n, nil)
	}
	p.hours, err = hours.Parse(p.between, where)
	return err
}

// RunFlags adds those of commands that may run for weeks.
func (s *Shell) RunFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&s.pace.between, "between", "", "take up new work only at these hours of the local clock, such as 22:00-06:00; several with commas between")
	f.StringVar(&s.watch.metrics, "metrics", "", "serve metrics for Prometheus at this address while it runs: :9200 for this machine alone, 0.0.0.0:9200 for others")
	f.StringVar(&s.watch.dsn, "sentry-dsn", "", "tell Sentry of failures, by kind and never by key (default $SENTRY_DSN)")
}

// beware warns of a password in the command line. A run in the background would also
// write it down, for whoever takes it up again: that is refused.
func (s *Shell) beware(cmd *cobra.Command) error {
	given := cmd.Flags().Args()
	cmd.Flags().Visit(func(f *pflag.Flag) { given = append(given, f.Value.String()) })
	if !slices.ContainsFunc(given, background.Password) {
		return nil
	}
	if cmd.Name() == "start" {
		return Usage("the command has a password in a URL, and a run in the background keeps its command in a file", "Leave it out of the URL; for PostgreSQL give it in ~/.pgpass, which is there also when the run is taken up again, or in PGPASSWORD.")
	}
	s.Caution("a password in a URL is seen by everybody on this machine who lists processes; for PostgreSQL it belongs in ~/.pgpass or PGPASSWORD")
	return nil
}
