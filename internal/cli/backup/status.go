package backup

import (
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"cooper"
	"cooper/internal/backup"
	"cooper/internal/cli/shell"
	"cooper/internal/job"
	"cooper/internal/ledger"
	"cooper/internal/term"
	"cooper/internal/tree/audit"
	"cooper/internal/tree/catalog"
	"cooper/internal/words"
)

func (a family) statusCmd() *cobra.Command {
	var quick bool
	cmd := &cobra.Command{
		Use:   "status DIR",
		Short: "How a tree stands: its last snapshot, what is pending, what failed",
		Long: `Tells from the catalog and the ledger how a tree stands, and looks at the files of
some hundred keys from all over the catalog: so a copy of a tree that lacks a part
is noticed. Whether every file is there, backup verify tells.

Exit code 3 tells that files are missing, or not those of their versions.`,
		Example: `  cooper backup status /data/backup
  cooper backup status /data/backup --json | jq .age`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.status(cmd.Context(), args[0], !quick)
		},
	}
	cmd.Flags().BoolVar(&quick, "quick", false, "do not count the contents, which reads the whole catalog")
	return cmd
}

func (a family) status(ctx context.Context, dir string, count bool) (err error) {
	// Looking makes no workspace: without one there are no facts to tell of.
	ws, err := a.WorkspaceDir()
	if err != nil {
		return err
	}
	t, err := a.openTree(dir)
	if err != nil {
		return err
	}
	defer shell.Finally(&err, t.Close)
	s, err := backup.StatusOf(ctx, t.Dir(), t.Catalog(), ledger.Open(filepath.Join(ws, "ledger")), cooper.InstantOf(a.Clock()), count)
	if err != nil {
		return err
	}
	spot, err := audit.Look(ctx, t, spotKeys)
	if err != nil {
		return err
	}
	if a.JSON {
		err = a.Emit(standing{s, spot, t.Catalog().Doubts()})
	} else {
		err = a.showStatus(&s, &spot, ws)
	}
	if err == nil && spot.Missing+spot.Changed > 0 && !spot.Working {
		err = job.ErrSomeFailed
	}
	return err
}

// spotKeys is how many keys status looks at the files of: few enough to take no time, and
// a copy that lacks a hundredth of the files is noticed in 98 of 100 cases.
const spotKeys = 400

// standing is what status prints as JSON.
type standing struct {
	backup.Status
	Spot audit.Spot `json:"spot"`
	// Doubts are what is wrong with the catalog's pointer, though a second copy of it counts.
	Doubts []string `json:"doubts,omitempty"`
}

func (a family) showSpot(s *audit.Spot) {
	if s.Missing+s.Changed == 0 {
		return
	}
	why := ": is this a copy that lacks files?"
	if s.Working {
		why = ": a run works on the tree, or was killed; look again after the next"
	}
	a.Say("  %s", a.Stdout.Style(term.Red, fmt.Sprintf("missing   of %s looked at, %s not there, %s changed%s", words.Plural(s.Looked, "file"), words.Count(s.Missing), words.Count(s.Changed), why)))
	for _, p := range s.Examples {
		a.Say("            %s", term.Clean(p))
	}
	a.Say("            all of them: cooper backup verify DIR")
}

func (a family) showStatus(s *backup.Status, spot *audit.Spot, workspace string) error {
	a.Say("%s", a.Stdout.Style(term.Bold, term.Clean(s.Tree)))
	if c := s.Complete; c != nil {
		a.Say("  follows   s3://%s as of %s, %s ago", term.Clean(strings.TrimSuffix(c.Bucket+"/"+c.Prefix, "/")), c.TakenAt, words.Duration(time.Duration(s.Age)*time.Second))
		a.Say("  snapshot  %s", c.ID)
	} else {
		a.Say("  follows   %s", a.Stdout.Style(term.Yellow, "no complete snapshot yet"))
	}
	if p := s.Pinned; p != nil {
		a.Say("  %s", a.Stdout.Style(term.Yellow, fmt.Sprintf("pinned    to %s of %s by a rollback; backup run needs --forward", p.Snapshot, p.TakenAt)))
	}
	if u := s.Unfinished; u != nil {
		a.Say("  %s", a.Stdout.Style(term.Yellow, fmt.Sprintf("unfinished  %s %s: %d of %d shards to go; the next run goes on", u.Mission, u.Plan, u.Left, u.Shards)))
	}
	if l := s.Last; l != nil {
		a.Say("  last run  %s, %s, ended %s: %s", l.ID, l.Mission, l.Ended.Time().Format(time.RFC3339), string(l.Status))
		if l.Message != "" {
			a.Say("            %s", term.Clean(l.Message))
		}
	} else {
		a.Say("  last run  %s", a.Stdout.Style(term.Faint, "not known: no facts about this tree in the workspace "+term.Clean(workspace)))
	}
	for _, x := range []struct {
		word   string
		counts map[string]int64
	}{{"failed", s.Failures}, {"deferred", s.Deferred}} {
		if len(x.counts) > 0 {
			var parts []string
			for _, k := range slices.Sorted(maps.Keys(x.counts)) {
				parts = append(parts, words.Count(x.counts[k])+" "+k)
			}
			a.Say("  %s", a.Stdout.Style(term.Yellow, fmt.Sprintf("%-8s  %s", x.word, strings.Join(parts, ", "))))
		}
	}
	a.showSpot(spot)
	if err := a.showContents(s.Contents); err != nil {
		return err
	}
	targets := distinct(s.Observed)
	if len(targets) < 2 {
		return nil
	}
	a.Say("  snapshots a rollback can go to")
	table := term.NewTable(a.Stdout, "ID", "TAKEN AT")
	for _, o := range targets[max(0, len(targets)-10):] {
		table.Row(o.ID, o.TakenAt.String())
	}
	return table.Flush("    ")
}

// distinct gives each snapshot once, where it was followed last: a tree that was
// rolled back and went forward followed some more than once.
func distinct(observed []catalog.Observed) []catalog.Observed {
	var out []catalog.Observed
	for i, o := range observed {
		if !slices.ContainsFunc(observed[i+1:], func(later catalog.Observed) bool { return later.ID == o.ID }) {
			out = append(out, o)
		}
	}
	return out
}

func (a family) showContents(c *backup.Contents) error {
	if c == nil {
		return nil
	}
	t := term.NewTable(a.Stdout, "", ">", ">", "")
	for _, place := range []string{"mirror", "history"} {
		t.Row(place, words.Count(c.Places[place].Count), words.Bytes(c.Places[place].Bytes))
	}
	for _, check := range slices.Sorted(maps.Keys(c.Checks)) {
		t.Row(string(check), words.Count(c.Checks[check].Count), words.Bytes(c.Checks[check].Bytes))
	}
	if c.Pending.Count > 0 {
		t.Row("pending", words.Count(c.Pending.Count), words.Bytes(c.Pending.Bytes), "not fetched yet: archived, or failed")
	}
	if c.Lost.Count > 0 {
		t.Row("lost", words.Count(c.Lost.Count), words.Bytes(c.Lost.Bytes), "gone from the bucket before they could be fetched")
	}
	if c.Pruned.Count > 0 {
		t.Row("pruned", words.Count(c.Pruned.Count), words.Bytes(c.Pruned.Bytes), "deleted from history; the bucket still has them")
	}
	if c.Absent.Count > 0 {
		t.Row("absent", words.Count(c.Absent.Count), words.Bytes(c.Absent.Bytes), "not in the last snapshot; vanished if the next one agrees")
	}
	return t.Flush("  ")
}
