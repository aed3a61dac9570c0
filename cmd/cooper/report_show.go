package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"cooper/internal/report"
	"cooper/internal/term"
	"cooper/internal/words"
)

// showReport is one screen about a snapshot, or one view in full.
func (a *app) showReport(r *report.Report, f *reportFlags) error {
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
		a.say("%s", a.stdout.Style(term.Faint, a.fold("note: "+term.Clean(n), 0, 6)))
	}
	return nil
}

// fold breaks a sentence that begins at column at so that it fits the screen;
// the lines after the first are indented.
func (a *app) fold(s string, at, indent int) string {
	var b strings.Builder
	width := a.stdout.Width()
	for i, word := range strings.Fields(s) {
		word = term.Shorten(word, max(20, width-1-indent))
		switch n := runes(word); {
		case i == 0:
			at += n
		case at+1+n >= width:
			b.WriteString("\n" + strings.Repeat(" ", indent))
			at = indent + n
		default:
			b.WriteByte(' ')
			at += 1 + n
		}
		b.WriteString(word)
	}
	return b.String()
}

// title begins a section.
func (a *app) title(s string) { a.say("%s", a.stdout.Style(term.Bold, s)) }

func (a *app) showHead(r *report.Report) {
	place := "s3://" + r.Snapshot.Bucket
	if p := cmp.Or(r.Prefix, r.Snapshot.Prefix); p != "" {
		place += "/" + p
	}
	stamp := " as of " + r.Snapshot.TakenAt.String()
	a.say("%s%s", a.stdout.Style(term.Bold, term.Shorten(term.Clean(place), max(20, a.stdout.Width()-1-len(stamp)))), stamp)
	if !r.Snapshot.Complete {
		a.say("%s", a.stdout.Style(term.Red, "incomplete: there is more in the bucket"))
	}
}

func (a *app) showOverview(r *report.Report, f *reportFlags) {
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

func (a *app) showTotal(r *report.Report) {
	t := a.brief("", r)
	all := r.Total.All()
	row := func(name string, x report.Amount) {
		s := 0.0
		if all.Bytes > 0 {
			s = float64(x.Bytes) / float64(all.Bytes)
		}
		t.row(0, name, s, words.Count(x.Count), words.Bytes(x.Bytes), dollars(x.Cost))
	}
	row("latest", r.Total.Current)
	if !r.Snapshot.CurrentOnly {
		row("noncurrent", r.Total.Noncurrent)
		t.more(0, "delete markers", words.Count(r.Total.DeleteMarkers))
	}
	t.flush()
}

// showTop shows the first rows of a distribution.
func (a *app) showTop(title string, r *report.Report, rows []report.Row, most int) {
	t := a.brief(title, r)
	var rest report.Rest
	for i := range rows {
		if i >= most && len(rows) > most+1 {
			rest.Fold(&rows[i].Part)
			continue
		}
		t.row(0, rowName(&rows[i]), share(&rows[i].Part, &r.Total), cellsOf(&rows[i].Part)...)
	}
	if rest.Names > 0 {
		t.more(0, words.Count(rest.Names)+" more", cellsOf(&rest.Part)...)
	}
	t.flush()
}

// rowName is how a class or suffix is called.
func rowName(r *report.Row) string {
	if r.Name == "" {
		return "(none)"
	}
	return r.Name
}

// showRanges shows ages and sizes beside each other.
func (a *app) showRanges(r *report.Report) {
	half := (a.stdout.Width() - 1) / 2
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
		a.say("%s", strings.TrimRight(l+strings.Repeat(" ", half-width)+x, " "))
	}
}

// cellLine is a line whose style takes no room on the screen.
type cellLine struct {
	text  string
	width int
}

// rangeLines are the rows that hold something.
func (a *app) rangeLines(title string, rows []report.Row, total *report.Part, width int) []cellLine {
	const name, bytes = 14, 7
	lines := []cellLine{{a.stdout.Style(term.Bold, title), runes(title)}}
	for i := range rows {
		p := &rows[i].Part
		if p.All().Count == 0 {
			continue
		}
		text := "  " + pad(rows[i].Name, name) + " " + fmt.Sprintf("%*s", bytes, words.Bytes(p.All().Bytes)) + "  "
		bar := barOf(share(p, total), max(4, min(longestBar, width-runes(text))))
		lines = append(lines, cellLine{text + a.stdout.Style(term.Cyan, bar), runes(text) + runes(bar)})
	}
	return lines
}

func (a *app) showUploads(u *report.Uploads) {
	var text string
	switch {
	case u.Count > 0:
		text = words.Count(u.Count)
		if u.Oldest != 0 {
			text += " since " + u.Oldest.Time().Format(time.DateOnly)
		}
		text += fmt.Sprintf(", %s, %s a month", words.Bytes(u.Bytes), dollars(u.Cost))
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
	a.say("%s %s", a.stdout.Style(term.Bold, "unfinished uploads"), a.fold(term.Clean(text), 19, 4))
}

// showBestSavings shows the best of each kind of rule.
func (a *app) showBestSavings(r *report.Report) {
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
	a.say("%s %s", a.stdout.Style(term.Bold, "would save a month"), a.stdout.Style(term.Faint, "each by itself: rules overlap; * deletes versions"))
	for _, s := range best[:min(most, len(best))] {
		mark := " "
		if s.Loses {
			mark = "*"
		}
		a.say("  %9s %s %s", dollars(s.PerMonth), mark, term.Shorten(term.Clean(s.Title), a.stdout.Width()-15))
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
func (a *app) showGrowth(r *report.Report) {
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
	a.say("%s %s", a.stdout.Style(term.Bold, title), a.fold(fmt.Sprintf("%s versions, %s in %s since %s%s", signed(is.Versions-was.Versions, words.Count),
		signed(is.Bytes-was.Bytes, words.Bytes), words.Duration(since), was.ID, sparkline(r.Growth[:i+1])), runes(title)+1, 4))
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
func (a *app) showNext(r *report.Report) {
	begin := "  cooper report " + r.Snapshot.ID
	if a.workspace != "" {
		begin += " --workspace " + shellQuote(a.workspace)
	}
	a.title("next")
	for _, c := range r.Tree.Children {
		below := r.Tree.Name + c.Name
		if line := begin + " --prefix " + shellQuote(below); !c.Key && term.Clean(below) == below && runes(line) < 2*a.stdout.Width() {
			a.say("%s", line)
			break
		}
	}
	if r.Prefix != "" {
		begin += " --prefix " + shellQuote(r.Prefix)
	}
	a.say("%s", begin+" --by savings")
	a.say("%s", begin+" --html report.html")
}

// shellQuote makes s one word of a command line.
func shellQuote(s string) string {
	if s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./=:,+@%") == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
