package gc

import (
	"os"

	"github.com/spf13/cobra"

	"cooper/internal/cli/shell"
	"cooper/internal/job"
	"cooper/internal/term"
)

// secretName is the variable of the environment with the secret of a hook.
const secretName = "COOPER_HOOK_SECRET"

func (a family) eventsCmd() *cobra.Command {
	var g job.GCEvents
	var since, program string
	cmd := &cobra.Command{
		Use:   "events",
		Short: "Tell what has happened to file handles, once it has",
		Long: `Tells each change of the status of a handle, and each alarm of a guard, in the order of
time. With --json, an object a line, always of the same shape. An event comes at least
once, always under the same id.

With --consumer NAME, the command given again goes on behind what was told before. --hook
posts each event to a URL, signed with the secret in COOPER_HOOK_SECRET; --exec runs a
program for each, which finds it on its standard input, with the arguments behind "--".
Both are tried again until the other has taken the event; without --follow, a few times.
docs/gc-guard.md has the shape, and how to check the signature.`,
		Example: "  cooper gc events --json --since 2026-03-01\n  cooper gc events --follow --consumer portal --hook https://portal.example.org/events\n" +
			"  cooper gc events --consumer mail --exec ./alarm.sh",
		Args:    cobra.ArbitraryArgs,
		PreRunE: shell.NotEmpty,
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case len(args) > 0 && program == "":
				return shell.Usage("arguments are for a program, and none is named", "Give --exec PROGRAM.")
			case g.URL != "" && program != "":
				return shell.Usage("events are posted, or a program is run", "Give --hook or --exec; each has a consumer of its own.")
			}
			if since != "" {
				at, err := shell.ParseTime(since)
				if err != nil {
					return err
				}
				g.Since = at
			}
			if program != "" {
				g.Command = append([]string{program}, args...)
			}
			g.Secret = os.Getenv(secretName)
			g.Each = func(x *job.GCTold) error {
				if a.JSON {
					return a.Emit(x)
				}
				a.Say("%s  %s", x.At, a.Stdout.Wrap(term.Clean(x.Said()), 4))
				return nil
			}
			e, err := a.Env()
			if err != nil {
				return err
			}
			return g.Run(cmd.Context(), e)
		},
	}
	fl := cmd.Flags()
	fl.BoolVar(&g.Follow, "follow", false, "go on until stopped")
	fl.StringVar(&since, "since", "", "only what has happened at this time or later")
	fl.StringVar(&g.Consumer, "consumer", "", "who is told: goes on behind what was told before")
	fl.StringVar(&g.URL, "hook", "", "post each event to this URL")
	fl.StringVar(&program, "exec", "", "run this program for each event")
	return cmd
}
