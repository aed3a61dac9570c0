package stock

import (
	"cooper/internal/cli/shell"
	"cooper/internal/report"
	"cooper/internal/words"
)

// screenDepth is how deep a tree of prefixes goes on the screen.
const screenDepth = 2

// share is how much of the whole a part is: of its bytes, or where there are
// none of its versions.
func share(part, whole *report.Part) float64 {
	p, w := part.All(), whole.All()
	switch {
	case w.Bytes > 0:
		return float64(p.Bytes) / float64(w.Bytes)
	case w.Count > 0:
		return float64(p.Count) / float64(w.Count)
	}
	return 0
}

// signed writes a difference.
func signed(n int64, as func(int64) string) string {
	if n > 0 {
		return "+" + as(n)
	}
	return as(n)
}

// cellsOf are the figures of a part in brief.
func cellsOf(p *report.Part) []string {
	all := p.All()
	return []string{words.Count(all.Count), words.Bytes(all.Bytes), shell.Price(all.Cost)}
}

var briefHeads = []string{"VERSIONS", "BYTES", "A MONTH"}

// brief is a table of figures in brief, in line with all others about r.
func (a family) brief(title string, r *report.Report) *shell.Bars {
	return &shell.Bars{Out: a.Stdout, Heads: append([]string{title}, briefHeads...), Like: append(cellsOf(&r.Total)[:1:1], "000 GB", cellsOf(&r.Total)[2])}
}

// fullCells are the figures of a part, latest and noncurrent versions apart.
func fullCells(p *report.Part) []string {
	return []string{words.Count(p.Current.Count), words.Bytes(p.Current.Bytes), words.Bytes(p.Noncurrent.Bytes), words.Count(p.DeleteMarkers), shell.Price(p.All().Cost)}
}

var fullHeads = []string{"LATEST", "BYTES", "NONCURRENT", "MARKERS", "A MONTH"}
