package page

import (
	"encoding/json"
	"math"
	"strconv"

	"cooper/internal/report"
)

// A tree of 20,000 prefixes is most of a page, and field names would be most of
// the tree, so a node is an array; js/tree.js reads it:
//
//	node: [name, newest, part…, children, rest]   newest in ms since 1970, 0 unknown
//	rest: [names, part…]
//	part: count, bytes, cost of current versions; the same of noncurrent ones; delete markers
//
// rest, and then empty children, are left out at the end.

// appendNode writes n and what is below it, which is as deep as a key has
// slashes: a thousand at most.
func appendNode(b []byte, n *report.Node) []byte {
	name, err := json.Marshal(n.Name)
	if err != nil {
		panic(err) // any string can be marshalled
	}
	b = append(append(b, '['), name...)
	b = strconv.AppendInt(append(b, ','), int64(n.Newest), 10)
	b = appendPart(b, &n.Part)
	if len(n.Children) > 0 || n.Rest != nil {
		b = append(b, ",["...)
		for i, c := range n.Children {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendNode(b, c)
		}
		b = append(b, ']')
	}
	if n.Rest != nil {
		b = strconv.AppendInt(append(b, ",["...), n.Rest.Names, 10)
		b = append(appendPart(b, &n.Rest.Part), ']')
	}
	return append(b, ']')
}

func appendPart(b []byte, p *report.Part) []byte {
	for _, a := range []*report.Amount{&p.Current, &p.Noncurrent} {
		b = strconv.AppendInt(append(b, ','), a.Count, 10)
		b = strconv.AppendInt(append(b, ','), a.Bytes, 10)
		b = appendCost(append(b, ','), a.Cost)
	}
	return strconv.AppendInt(append(b, ','), p.DeleteMarkers, 10)
}

// appendCost writes six figures, more than anybody reads of a part's cost. What
// is not a number stays so: it is not JSON, and encoding it fails.
func appendCost(b []byte, usd float64) []byte {
	if usd == math.Trunc(usd) && math.Abs(usd) < 1e6 {
		return strconv.AppendInt(b, int64(usd), 10)
	}
	return strconv.AppendFloat(b, usd, 'g', 6, 64)
}
