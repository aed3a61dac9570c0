package gc

import (
	"context"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"cooper"
	"cooper/internal/cli/shell"
	"cooper/internal/job"
	"cooper/internal/report/page"
	"cooper/internal/term"
	"cooper/internal/words"
)

func (a family) explainCmd() *cobra.Command {
	var g job.GCExplain
	var html string
	cmd := &cobra.Command{
		Use:   "explain ID",
		Short: "Tell all that is known of one file handle",
		Long: `Tells which scans have seen a link to a handle, where, and which have not; what it is, since
when and why; whether it is a candidate or kept, and what it would take to change that;
what holds it, what it is made from and what is made from it, who else has its object;
and what is not known. The facts of scans are asked, and no database. Where there are
kinds of handles, ID is KIND:id. --html writes the same as a page for browsers.`,
		Example: "  cooper gc explain 5001934\n  cooper gc explain blob:494 --json | jq .verdict\n  cooper gc explain 5001934 --html 5001934.html",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			g.Handle = args[0]
			return a.explain(cmd.Context(), &g, html)
		},
	}
	configFlag(cmd, &g.Config)
	cmd.Flags().StringVar(&html, "html", "", "write a page for browsers to this file (- for stdout)")
	return cmd
}

func (a family) explain(ctx context.Context, g *job.GCExplain, html string) error {
	if err := shell.OneOutput(html, a.JSON); err != nil {
		return err
	}
	e, err := a.Env()
	if err != nil {
		return err
	}
	r, err := g.Run(ctx, e)
	switch {
	case err != nil:
		return err
	case html != "":
		if err := a.WritePage(html, func(w io.Writer) error { return page.WriteHandle(w, r.Handle, r) }); err != nil || !a.JSON {
			return err
		}
		return a.Emit(r)
	case a.JSON:
		return a.Emit(r)
	}
	a.showHandle(r)
	a.showSeen(r)
	a.showAround(r)
	for _, u := range r.Unknown {
		a.Say("%s %s", a.Stdout.Style(term.Yellow, "not known:"), a.Stdout.Wrap(term.Clean(u), 4))
	}
	return nil
}

// showHandle shows what a handle is, and what the last detection says of it.
func (a family) showHandle(r *job.GCHandle) {
	a.Title(term.Clean(r.Handle))
	if r.Key != "" {
		a.Say("  s3://%s/%s", term.Clean(r.Bucket), a.Stdout.Wrap(term.Clean(r.Key), 4))
	}
	if r.There {
		a.Say("  %s, modified %s", sizeOf(r.Size), timeOf(r.Modified))
	}
	status := r.Status
	if status == "" {
		status = "of unknown status"
	}
	if r.Since != 0 {
		status += " since " + r.Since.String() + ": " + r.Reason
	}
	a.Say("  %s", a.Stdout.Wrap(term.Clean(status), 2))
	v := &r.Verdict
	a.Say("  %s: %s", a.Stdout.Style(term.Bold, term.Clean(v.Is)), a.Stdout.Wrap(term.Clean(v.Why), 4))
	for _, how := range v.ToChange {
		a.Say("  %s %s", a.Stdout.Style(term.Cyan, "next:"), a.Stdout.Wrap(term.Clean(how), 8))
	}
}

func sizeOf(n int64) string {
	if n < 0 {
		return "of unknown size"
	}
	return words.Bytes(n)
}

func timeOf(t cooper.Instant) string {
	if t == 0 {
		return "nobody knows when"
	}
	return t.String()
}

// showSeen shows what scans have seen.
func (a family) showSeen(r *job.GCHandle) {
	a.Title("scans")
	for i := range r.Scans {
		s := &r.Scans[i]
		what := "no link"
		switch {
		case !s.There && s.Links == 0:
			what = "it was not there"
		case s.Links > 0:
			what = words.Plural(int64(s.Links), "link")
		}
		if !s.Complete {
			what += " (the scan was not complete when it ended)"
		}
		a.Say("  %s  %s", s.Scan, what)
		for _, l := range s.From {
			how := ""
			if l.ByKey {
				how = ", by its key"
			}
			a.Say("    %s", a.Stdout.Wrap(term.Clean(l.Association+" of "+l.Object+how), 6))
		}
		if n := s.Links - len(s.From); n > 0 {
			a.Say("    and %s more", words.Plural(int64(n), "link"))
		}
	}
}

// showAround shows what has to do with a handle.
func (a family) showAround(r *job.GCHandle) {
	list := func(title string, lines []string) {
		if len(lines) == 0 {
			return
		}
		a.Title(title)
		for _, l := range lines {
			a.Say("  %s", a.Stdout.Wrap(term.Clean(l), 4))
		}
	}
	var holds, sources, derived, siblings, history []string
	for _, h := range r.Holds {
		holds = append(holds, h.Table+" ("+h.Role+")")
	}
	for _, d := range r.Sources {
		sources = append(sources, d.Handle+" ("+d.Rule+")")
	}
	for _, d := range r.Derived {
		derived = append(derived, d.Handle+" ("+d.Rule+")")
	}
	for _, s := range r.Siblings {
		siblings = append(siblings, s.Handle+": "+words.Plural(int64(s.Links), "link"))
	}
	for _, c := range r.History {
		history = append(history, strings.Join([]string{c.Since.String(), c.From, "to", c.To + ":", c.Reason}, " "))
	}
	list("held by rows of", holds)
	list("made from", sources)
	list("what is made from it", derived)
	list("other handles of its object", siblings)
	list("changes", history)
}
