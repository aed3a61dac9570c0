package gc

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"cooper/internal/job"
	"cooper/internal/term"
	"cooper/internal/words"
)

func (a family) initCmd() *cobra.Command {
	var g job.GCInit
	cmd := &cobra.Command{
		Use:   "init [DATABASE]",
		Short: "Write cooper.yaml from what the database tells of itself",
		Long: `Looks at a database and writes cooper.yaml: tables of file handles, and an association
for each foreign key to them, for columns with type and id of a thing that is a file, and
for columns in which ids of handles were found. Each has a comment that says why. A file
that is there is added to; what it has stays as it is.

DATABASE is mysql://USER@HOST/DATABASE or postgres://…, or says where the address is
kept: mysql:env:NAME, postgres:file:PATH. The address itself is never written: the file
says mysql:env:COOPER_DATABASE, or what was said here. A file of SQLite is sqlite:PATH.
Nothing is written to the database.

What is packed into JSON, XML, lists or texts it cannot know; the file names the columns
that a person has to look at. Then: cooper gc check.`,
		Example: `  cooper gc init mysql:env:PLATFORM_DSN --bucket example-data
  cooper gc init postgres:env:APP_DSN --bucket app --handles blobs=app
  cooper gc init sqlite:lab.db --bucket app
  cooper gc init --plan-only`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				g.Database = args[0]
			}
			return a.init(cmd.Context(), &g)
		},
	}
	configFlag(cmd, &g.Config)
	f := cmd.Flags()
	f.StringArrayVar(&g.Handles, "handles", nil, "a table of file handles, where it cannot be guessed: TABLE or TABLE=BUCKET (can be repeated)")
	f.StringArrayVar(&g.Buckets, "bucket", nil, "a bucket that is owned: its objects are judged; unless given, those that handles name (can be repeated)")
	f.BoolVar(&g.PlanOnly, "plan-only", false, "print the file, and write nothing")
	return cmd
}

func (a family) init(ctx context.Context, g *job.GCInit) error {
	e, err := a.Env()
	if err != nil {
		return err
	}
	if g.HasPassword() {
		a.Caution("a password in a URL is seen by everybody on this machine who lists processes: put the address into a variable, and write mysql:env:NAME or postgres:env:NAME")
	}
	r, err := g.Run(ctx, e)
	switch {
	case err != nil:
		return err
	case a.JSON:
		return a.Emit(r)
	}
	if g.PlanOnly {
		for line := range strings.Lines(r.Text) {
			a.Say("%s", term.Clean(strings.TrimSuffix(line, "\n")))
		}
		return nil
	}
	a.showInit(r)
	return nil
}

func (a family) showInit(r *job.GCInitialised) {
	switch {
	case !r.Written:
		a.Say("%s has all that the schema tells; nothing was added", term.Clean(r.Config))
	case r.New:
		a.Say("written: %s, with %s", term.Clean(r.Config), words.Plural(int64(len(r.Added)), "association"))
	default:
		a.Say("added to %s: %s", term.Clean(r.Config), words.Plural(int64(len(r.Added)), "association"))
	}
	for _, n := range r.Added {
		a.Say("  %s", term.Clean(n))
	}
	for _, t := range r.Protected {
		a.Say("  protect: %s", term.Clean(t))
	}
	if len(r.Packed) > 0 {
		a.Say("Links may be packed in these columns; look at them:")
		for _, c := range r.Packed {
			a.Say("  %s", term.Clean(c))
		}
	}
	for _, t := range r.Unread {
		a.Say("note: %s may not be read by this user: what links from there is not known", term.Clean(t))
	}
	a.showRemarks(r.Notes)
	for _, x := range r.Refusals {
		a.Say("%s %s: %s", a.Stdout.Style(term.Red, "left:"), term.Clean(x.Table), term.Clean(x.Why))
	}
	if r.Variable != "" {
		a.Say("The database's address belongs into the variable %s of the environment.", term.Clean(r.Variable))
	}
	a.Say("Look at each line of it; then: cooper gc check")
}
