package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"cooper/internal/background"
	"cooper/internal/term"
)

func (a *app) runsCmd() *cobra.Command {
	all := false
	cmd := &cobra.Command{
		Use:   "runs",
		Short: "List the runs in the background",
		Long: `Lists the runs that cooper start began in this workspace, the newest last: those that
have not ended, and those that did within a week. What any run did, also one in the
foreground, is in the ledger: cooper ledger sql "SELECT * FROM run".

running    it works
waiting    for an hour of the day, as --between says
stopping   it was asked to stop, and finishes what is under way
finished   exit code 0, or 3 if some objects failed
failed     see cooper logs
stopped    by cooper stop; cooper resume goes on
cut off    killed, crashed, or lost in a restart; cooper resume goes on`,
		Example: `  cooper runs
  cooper runs --all --json | jq -r 'select(.status == "failed") | .id'`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return a.runs(all) },
	}
	cmd.Flags().BoolVar(&all, "all", false, "also those that ended more than a week ago")
	return cmd
}

// recent is for how long a run that has ended is listed.
const recent = 7 * 24 * time.Hour

func (a *app) runs(all bool) (err error) {
	ws, err := a.openWorkspace()
	if err != nil {
		return err
	}
	defer finally(&err, ws.Close)
	runs, err := allRuns(ws)
	if err != nil {
		return err
	}
	now, old := a.clock(), 0
	table := term.NewTable(a.stdout, "RUN", "BEGAN", "TOOK", "STATE", "PROGRESS", "COMMAND")
	for _, r := range runs {
		if !all && r.Ended != 0 && now.Sub(r.Ended.Time()) > recent {
			old++
			continue
		}
		if a.json {
			r.Args, r.Now = background.Hidden(r.Args), background.Hidden(r.Now)
			if err := a.emit(r); err != nil {
				return err
			}
			continue
		}
		command := "cooper " + strings.Join(background.Hidden(r.Args), " ")
		if a.stdout.Live {
			command = term.Shorten(command, 80)
		}
		table.Row(r.ID, r.Began.Time().In(now.Location()).Format("2006-01-02 15:04"), term.Duration(r.Took(now)), runState(r, now), runProgress(r),
			command)
	}
	if a.json {
		return nil
	}
	if table.Len() == 0 && old == 0 {
		a.noneYet(0, "runs in the background", "cooper start --help")
		return nil
	}
	if err := table.Flush(""); err != nil {
		return err
	}
	if old > 0 {
		a.note("%s ended more than a week ago: cooper runs --all", term.Plural(int64(old), "run"))
	}
	return nil
}

// runProgress is how far a run is, or was.
func runProgress(r *background.Run) string {
	p := r.Progress
	if p == nil {
		return ""
	}
	s := p.Phase + " " + term.Count(p.Objects)
	if p.TotalObjects > 0 {
		s = fmt.Sprintf("%s of %s (%d %%)", s, term.Count(p.TotalObjects), 100*p.Objects/p.TotalObjects)
	}
	if p.Failed > 0 {
		s += fmt.Sprintf(", %s failed", term.Count(p.Failed))
	}
	if r.Status == background.Running && p.ETA > 0 {
		s += ", ETA " + term.Duration(time.Duration(p.ETA*float64(time.Second)))
	}
	return strings.TrimSpace(s)
}
