package xmlpath

import (
	"math"
	"strconv"
	"strings"
)

func truthOf(v value) bool {
	switch v.is {
	case nodesType:
		return len(v.nodes) > 0
	case textType:
		return v.s != ""
	case numberType:
		return v.n != 0 && !math.IsNaN(v.n)
	}
	return v.b
}

func (s *scope) text(v value) string {
	switch v.is {
	case nodesType:
		if len(v.nodes) == 0 {
			return ""
		}
		return s.valueOf(v.nodes[0])
	case numberType:
		return numberText(v.n)
	case boolType:
		return strconv.FormatBool(v.b)
	}
	return v.s
}

func (s *scope) valueOf(n int32) string {
	b := s.t.value(n)
	s.work.do(int(s.t.nodes[n].end-n) + len(b)/16)
	return string(b)
}

func numberText(n float64) string {
	switch {
	case math.IsNaN(n):
		return "NaN"
	case math.IsInf(n, 0):
		return strings.TrimPrefix(strings.Replace(strconv.FormatFloat(n, 'f', -1, 64), "Inf", "Infinity", 1), "+")
	case n == 0:
		return "0"
	}
	return strconv.FormatFloat(n, 'f', -1, 64)
}

func (s *scope) number(v value) float64 {
	switch v.is {
	case numberType:
		return v.n
	case boolType:
		if v.b {
			return 1
		}
		return 0
	}
	return numberOf(s.text(v))
}

// numberOf reads a number as XPath does: digits and a point, with a minus or without.
func numberOf(text string) float64 {
	text = strings.Trim(text, " \t\r\n")
	for i := range len(text) {
		if c := text[i]; (c < '0' || c > '9') && c != '.' && (c != '-' || i > 0) {
			return math.NaN()
		}
	}
	n, err := strconv.ParseFloat(text, 64)
	if err != nil && !math.IsInf(n, 0) {
		return math.NaN()
	}
	return n
}

// compare is XPath's: of nodes, one is enough.
func (s *scope) compare(op string, a, b value) bool {
	if b.is == nodesType && a.is != nodesType {
		turned := map[string]string{"<": ">", ">": "<", "<=": ">=", ">=": "<="}
		if t := turned[op]; t != "" {
			op = t
		}
		a, b = b, a
	}
	if a.is != nodesType {
		return s.compareOne(op, a, b)
	}
	if b.is == boolType {
		return s.compareOne(op, value{is: boolType, b: len(a.nodes) > 0}, b)
	}
	rest := []value{b}
	if b.is == nodesType {
		rest = rest[:0]
		for _, n := range b.nodes {
			rest = append(rest, value{is: textType, s: s.valueOf(n)})
		}
	}
	for _, n := range a.nodes {
		x := value{is: textType, s: s.valueOf(n)}
		for _, y := range rest {
			if !s.work.do(1) {
				return false
			}
			if s.compareOne(op, x, y) {
				return true
			}
		}
	}
	return false
}

func (s *scope) compareOne(op string, a, b value) bool {
	if op == "=" || op == "!=" {
		var same bool
		switch {
		case a.is == boolType || b.is == boolType:
			same = truthOf(a) == truthOf(b)
		case a.is == numberType || b.is == numberType:
			same = s.number(a) == s.number(b)
		default:
			same = a.s == b.s
		}
		return same == (op == "=")
	}
	x, y := s.number(a), s.number(b)
	switch op {
	case "<":
		return x < y
	case "<=":
		return x <= y
	case ">":
		return x > y
	}
	return x >= y
}
