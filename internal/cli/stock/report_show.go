package stock

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"cooper/internal/cli/shell"
	"cooper/internal/job"
	"cooper/internal/report"
	"cooper/internal/term"
	"cooper/internal/words"
)

// showReport is one screen about a snapshot, or one view in full.
func (a family) showReport(r *report.Report, f *reportFlags) error {
	a.showHead(r)
	switch f.by {
	case "":
		a.showOverview(r, f)
	case "prefix":
		a.showTree(r)
	case "duplicates":
		a.showDuplicates(r.Duplicates)
	case "savings":
		a.showSavings(r)
	default:
		a.showRows(r, f.by)
	}
	if r.Compare != nil && f.by != "" {
		a.showCompare(r)
	}
	for _, n := range r.Notes {
		a.Say("%s", a.Stdout.Style(term.Faint, a.Fold("note: "+term.Clean(n), 0, 6)))
	}
	return nil
}

func (a family) showHead(r *report.Report) {
	place := "s3://" + r.Snapshot.Bucket
	if p := cmp.Or(r.Prefix, r.Snapshot.Prefix); p != "" {
		place += "/" + p
	}
	stamp := " as of " + r.Snapshot.TakenAt.String()
	a.Say("%s%s", a.Stdout.Style(term.Bold, term.Shorten(term.Clean(place), max(20, a.Stdout.Width()-1-len(stamp)))), stamp)
	if !r.Snapshot.Complete {
		a.Say("%s", a.Stdout.Style(term.Red, "incomplete: there is more in the bucket"))
	}
}

func (a family) showOverview(r *report.Report, f *reportFlags) {
	a.showTotal(r)
	a.showTopPrefixes(r, f)
	if len(r.Classes) > 1 || len(r.Classes) == 1 && r.Classes[0].Name != "STANDARD" {
		a.showTop("classes", r, r.Classes, 3)
	}
	if len(r.Suffixes) > 1 || len(r.Suffixes) == 1 && r.Suffixes[0].Name != "" {
		a.showTop("suffixes", r, r.Suffixes, 3)
	}
	a.showRanges(r)
	a.showUploads(&r.Uploads)
	a.showBestSavings(r)
	if r.Compare != nil {
		a.showCompare(r)
	} else {
		a.showGrowth(r)
	}
	a.showNext(r)
}

func (a family) showTotal(r *report.Report) {
	t := a.brief("", r)
	all := r.Total.All()
	row := func(name string, x report.Amount) {
		s := 0.0
		if all.Bytes > 0 {
			s = float64(x.Bytes) / float64(all.Bytes)
		}
		t.Row(0, name, s, words.Count(x.Count), words.Bytes(x.Bytes), shell.Price(x.Cost))
	}
	row("latest", r.Total.Current)
	if !r.Snapshot.CurrentOnly {
		row("noncurrent", r.Total.Noncurrent)
		t.More(0, "delete markers", words.Count(r.Total.DeleteMarkers))
	}
	t.Flush()
}

// showTop shows the first rows of a distribution.
func (a family) showTop(title string, r *report.Report, rows []report.Row, most int) {
	t := a.brief(title, r)
	var rest report.Rest
	for i := range rows {
		if i >= most && len(rows) > most+1 {
			rest.Fold(&rows[i].Part)
			continue
		}
		t.Row(0, rowName(&rows[i]), share(&rows[i].Part, &r.Total), cellsOf(&rows[i].Part)...)
	}
	if rest.Names > 0 {
		t.More(0, words.Count(rest.Names)+" more", cellsOf(&rest.Part)...)
	}
	t.Flush()
}

// rowName is how a class or suffix is called.
func rowName(r *report.Row) string {
	if r.Name == "" {
		return "(none)"
	}
	return r.Name
}

// showRanges shows ages and sizes beside each other.
func (a family) showRanges(r *report.Report) {
	half := (a.Stdout.Width() - 1) / 2
	left, right := a.rangeLines("age", r.Ages, &r.Total, half-2), a.rangeLines("size", r.Sizes, &r.Total, half-2)
	for i := range max(len(left), len(right)) {
		var l, x string
		width := 0
		if i < len(left) {
			l, width = left[i].text, left[i].width
		}
		if i < len(right) {
			x = right[i].text
		}
		a.Say("%s", strings.TrimRight(l+strings.Repeat(" ", half-width)+x, " "))
	}
}

// cellLine is a line whose style takes no room on the screen.
type cellLine struct {
	text  string
	width int
}

// rangeLines are the rows that hold something.
func (a family) rangeLines(title string, rows []report.Row, total *report.Part, width int) []cellLine {
	const name, bytes = 14, 7
	lines := []cellLine{{a.Stdout.Style(term.Bold, title), shell.Runes(title)}}
	for i := range rows {
		p := &rows[i].Part
		if p.All().Count == 0 {
			continue
		}
		text := "  " + shell.Pad(rows[i].Name, name) + " " + fmt.Sprintf("%*s", bytes, words.Bytes(p.All().Bytes)) + "  "
		bar := shell.Bar(share(p, total), max(4, min(shell.LongestBar, width-shell.Runes(text))))
		lines = append(lines, cellLine{text + a.Stdout.Style(term.Cyan, bar), shell.Runes(text) + shell.Runes(bar)})
	}
	return lines
}

func (a family) showUploads(u *report.Uploads) {
	var text string
	switch {
	case u.Count > 0:
		text = words.Count(u.Count)
		if u.Oldest != 0 {
			text += " since " + u.Oldest.Time().Format(time.DateOnly)
		}
		text += fmt.Sprintf(", %s, %s a month", words.Bytes(u.Bytes), shell.Price(u.Cost))
		if u.Sized < u.Count {
			text += fmt.Sprintf(" (%s of unknown size)", words.Count(u.Count-u.Sized))
		}
		if u.Why != "" {
			text += "; " + u.Why
		}
	case u.Seen:
		text = "none"
	default:
		text = "not known: " + u.Why
	}
	a.Say("%s %s", a.Stdout.Style(term.Bold, "unfinished uploads"), a.Fold(term.Clean(text), 19, 4))
}

// showBestSavings shows the best of each kind of rule.
func (a family) showBestSavings(r *report.Report) {
	const most = 4
	var best []report.Saving
	seen := map[string]bool{}
	for _, s := range r.Savings { // the most first
		if family := familyOf(s.ID); !seen[family] {
			seen[family] = true
			best = append(best, s)
		}
	}
	best = slices.DeleteFunc(best, func(s report.Saving) bool { return s.PerMonth <= 0 })
	if len(best) == 0 {
		return
	}
	a.Say("%s %s", a.Stdout.Style(term.Bold, "would save a month"), a.Stdout.Style(term.Faint, "each by itself: rules overlap; * deletes versions"))
	for _, s := range best[:min(most, len(best))] {
		mark := " "
		if s.Loses {
			mark = "*"
		}
		a.Say("  %9s %s %s", shell.Price(s.PerMonth), mark, term.Shorten(term.Clean(s.Title), a.Stdout.Width()-15))
	}
}

// familyOf says which rules are choices of one kind: by when to delete, where to
// move what can be read at once, and what takes a restore.
func familyOf(id string) string {
	switch {
	case strings.HasPrefix(id, "noncurrent-"):
		return "delete"
	case strings.HasPrefix(id, "glacier-ir-"), strings.HasPrefix(id, "standard-ia-"), id == "intelligent-tiering":
		return "cool"
	case strings.HasPrefix(id, "glacier-"), strings.HasPrefix(id, "deep-archive-"):
		return "archive"
	}
	return id
}

// showGrowth compares with the snapshot before.
func (a family) showGrowth(r *report.Report) {
	i := slices.IndexFunc(r.Growth, func(p report.Point) bool { return p.ID == r.Snapshot.ID })
	if i < 1 {
		return
	}
	was, is := r.Growth[i-1], r.Growth[i]
	since := time.Duration(is.TakenAt-was.TakenAt) * time.Millisecond
	title := "growth"
	if r.Prefix != "" {
		title += " of the whole snapshot"
	}
	a.Say("%s %s", a.Stdout.Style(term.Bold, title), a.Fold(fmt.Sprintf("%s versions, %s in %s since %s%s", signed(is.Versions-was.Versions, words.Count),
		signed(is.Bytes-was.Bytes, words.Bytes), words.Duration(since), was.ID, sparkline(r.Growth[:i+1])), shell.Runes(title)+1, 4))
}

// sparkline draws the bytes of some points, from nothing up.
func sparkline(points []report.Point) string {
	const levels = "▁▂▃▄▅▆▇█"
	if len(points) < 3 {
		return ""
	}
	points = points[max(0, len(points)-12):]
	most := slices.MaxFunc(points, func(a, b report.Point) int { return cmp.Compare(a.Bytes, b.Bytes) }).Bytes
	if most <= 0 {
		return ""
	}
	out := " "
	for _, p := range points {
		out += string([]rune(levels)[int(float64(max(p.Bytes, 0))/float64(most)*7)])
	}
	return out
}

// showNext says what to type to see more.
func (a family) showNext(r *report.Report) {
	begin := "  cooper report " + r.Snapshot.ID
	if a.Workspace != "" {
		begin += " --workspace " + job.ShellWord(a.Workspace)
	}
	a.Title("next")
	for _, c := range r.Tree.Children {
		below := r.Tree.Name + c.Name
		if line := begin + " --prefix " + job.ShellWord(below); !c.Key && term.Clean(below) == below && shell.Runes(line) < 2*a.Stdout.Width() {
			a.Say("%s", line)
			break
		}
	}
	if r.Prefix != "" {
		begin += " --prefix " + job.ShellWord(r.Prefix)
	}
	a.Say("%s", begin+" --by savings")
	a.Say("%s", begin+" --html report.html")
}
