package runs

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"cooper/internal/background"
	"cooper/internal/cli/shell"
	"cooper/internal/term"
	"cooper/internal/words"
)

func (a family) runsCmd() *cobra.Command {
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

func (a family) runs(all bool) (err error) {
	ws, err := a.OpenWorkspace()
	if err != nil {
		return err
	}
	defer shell.Finally(&err, ws.Close)
	runs, damaged := allRuns(ws)
	defer shell.Finally(&err, func() error { return damaged })
	now, old := a.Clock(), 0
	var shown []*background.Run
	for _, r := range runs {
		if !all && r.Ended != 0 && now.Sub(r.Ended.Time()) > recent {
			old++
			continue
		}
		if a.JSON {
			r.Args, r.Now = background.Hidden(r.Args), background.Hidden(r.Now)
			if err := a.Emit(r); err != nil {
				return err
			}
			continue
		}
		shown = append(shown, r)
	}
	if a.JSON {
		return nil
	}
	if len(shown) == 0 && old == 0 {
		a.NoneYet(0, "runs in the background", "cooper start --help")
		return nil
	}
	width := 0
	if a.Stdout.Live {
		width = a.Stdout.Width()
	}
	if err := a.showRuns(shown, now, width); err != nil {
		return err
	}
	if old > 0 {
		a.Note("%s ended more than a week ago: cooper runs --all", words.Plural(int64(old), "run"))
	}
	return nil
}

// leastCommand is how much of a command tells one run from another.
const leastCommand = 24

// showRuns lists runs in lines of at most width columns; 0 is no limit. When a
// run began is left out first, as its id tells; then how far it is, of which
// cooper logs tells; the command is cut to what room is left.
func (a family) showRuns(runs []*background.Run, now time.Time, width int) error {
	heads := []string{"RUN", "BEGAN", "TOOK", "STATE", "PROGRESS", "COMMAND"}
	rows := make([][]string, len(runs))
	for i, r := range runs {
		rows[i] = []string{r.ID, r.Began.Time().In(now.Location()).Format("2006-01-02 15:04"), words.Duration(r.Took(now)), runState(r, now), runProgress(r),
			"cooper " + strings.Join(background.Hidden(r.Args), " ")}
	}
	for _, column := range []int{1, 3} { // without BEGAN, PROGRESS is the fourth
		if width == 0 || roomForLast(heads, rows, width) >= leastCommand {
			break
		}
		heads = slices.Delete(heads, column, column+1)
		for i := range rows {
			rows[i] = slices.Delete(rows[i], column, column+1)
		}
	}
	table := term.NewTable(a.Stdout, heads...)
	for _, row := range rows {
		if last := len(row) - 1; width > 0 {
			row[last] = cutTo(term.Clean(row[last]), max(leastCommand/2, roomForLast(heads, rows, width)))
		}
		table.Row(row...)
	}
	return table.Flush("")
}

// roomForLast is how many columns the others leave to the last one.
func roomForLast(heads []string, rows [][]string, width int) int {
	left := width - 1
	for i, h := range heads[:len(heads)-1] {
		widest := shell.Runes(h)
		for _, row := range rows {
			widest = max(widest, shell.Runes(row[i]))
		}
		left -= widest + 2
	}
	return left
}

// cutTo cuts the end of s off.
func cutTo(s string, width int) string {
	if rs := []rune(s); len(rs) > width {
		return string(rs[:width-1]) + "…"
	}
	return s
}

// runProgress is how far a run is, or was.
func runProgress(r *background.Run) string {
	p := r.Progress
	if p == nil {
		if r.Status == background.Running {
			return "not known yet"
		}
		return "-"
	}
	s := p.Phase + " " + words.Count(p.Objects)
	if p.TotalObjects > 0 {
		s = fmt.Sprintf("%s of %s (%d %%)", s, words.Count(p.TotalObjects), 100*p.Objects/p.TotalObjects)
	}
	if p.Failed > 0 {
		s += fmt.Sprintf(", %s failed", words.Count(p.Failed))
	}
	if r.Status == background.Running && p.ETA > 0 {
		s += ", ETA " + words.Duration(time.Duration(p.ETA*float64(time.Second)))
	}
	return strings.TrimSpace(s)
}
