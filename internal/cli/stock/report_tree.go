package stock

import (
	"cooper/internal/cli/shell"
	"cooper/internal/report"
	"cooper/internal/words"
)

// A tree in brief has so many lines at most, so many of them children of one
// prefix.
const (
	briefLines    = 7
	briefChildren = 5
)

// showTopPrefixes shows the topmost prefixes, and as far as there is room what
// lies below the largest.
func (a family) showTopPrefixes(r *report.Report, f *reportFlags) {
	depth := f.Depth
	if depth < 0 {
		depth = screenDepth
	}
	open := map[*report.Node]bool{r.Tree: true}
	for lines := briefSize(r.Tree, open, depth); lines < briefLines; {
		n := largestClosed(r.Tree, open, depth)
		if n == nil {
			break
		}
		open[n] = true
		more := briefSize(r.Tree, open, depth)
		if more > briefLines {
			delete(open, n)
			break
		}
		lines = more
	}
	if depth == 0 || len(r.Tree.Children) == 0 {
		return
	}
	t := a.brief("prefixes", r)
	briefTree(t, r.Tree, open, 0, depth, &r.Total)
	t.Flush()
}

// briefSize is how many lines a tree takes with some nodes open.
func briefSize(n *report.Node, open map[*report.Node]bool, depth int) int {
	if !open[n] || depth == 0 {
		return 0
	}
	lines := min(len(n.Children), briefChildren)
	if n.Rest != nil || len(n.Children) > briefChildren {
		lines++
	}
	for _, c := range n.Children[:min(len(n.Children), briefChildren)] {
		lines += briefSize(c, open, depth-1)
	}
	return lines
}

// largestClosed finds the largest prefix that is shown and could be opened.
func largestClosed(n *report.Node, open map[*report.Node]bool, depth int) *report.Node {
	if depth == 0 {
		return nil
	}
	if !open[n] {
		if len(n.Children) > 0 {
			return n
		}
		return nil
	}
	var found *report.Node
	for _, c := range n.Children[:min(len(n.Children), briefChildren)] {
		if x := largestClosed(c, open, depth-1); x != nil && (found == nil || x.All().Bytes > found.All().Bytes) {
			found = x
		}
	}
	return found
}

func briefTree(t *shell.Bars, n *report.Node, open map[*report.Node]bool, level, depth int, total *report.Part) {
	if !open[n] || depth == 0 {
		return
	}
	var rest report.Rest
	if n.Rest != nil {
		rest = *n.Rest
	}
	for i, c := range n.Children {
		if i >= briefChildren {
			rest.Fold(&c.Part)
			continue
		}
		t.Row(level, nodeName(c), share(&c.Part, total), cellsOf(&c.Part)...)
		briefTree(t, c, open, level+1, depth-1, total)
	}
	if rest.Names > 0 {
		t.More(level, words.Count(rest.Names)+" more", cellsOf(&rest.Part)...)
	}
}

// nodeName is how a node is called below its parent.
func nodeName(n *report.Node) string {
	if n.Name == "" && n.Key {
		return "(the key itself)"
	}
	return n.Name
}

// keysShown is how many keys of one prefix a tree on the screen has.
const keysShown = 10

// showTree shows all prefixes that are told apart.
func (a family) showTree(r *report.Report) {
	t := &shell.Bars{Out: a.Stdout, Heads: append([]string{"PREFIX"}, fullHeads...)}
	t.Row(0, "(all)", 1, fullCells(&r.Total)...)
	fullTree(t, r.Tree, 1, &r.Total)
	t.Flush()
}

func fullTree(t *shell.Bars, n *report.Node, level int, total *report.Part) {
	var rest report.Rest
	if n.Rest != nil {
		rest = *n.Rest
	}
	keys := 0
	for _, c := range n.Children {
		if c.Key {
			if keys++; keys > keysShown {
				rest.Fold(&c.Part)
				continue
			}
		}
		t.Row(level, nodeName(c), share(&c.Part, total), fullCells(&c.Part)...)
		fullTree(t, c, level+1, total)
	}
	// Below the depth that was asked for a prefix has nothing but a rest.
	if rest.Names > 0 && len(n.Children) > 0 {
		t.More(level, words.Count(rest.Names)+" more", fullCells(&rest.Part)...)
	}
}
