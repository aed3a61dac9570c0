package config

import (
	"fmt"
	"math"
	"regexp"
	"regexp/syntax"
	"slices"
	"strconv"
	"strings"
	"time"
)

// text is a scalar as it is written: an unquoted 007 or yes is that text. Of null
// nothing is left.
func (r *reader) text(n *node) string {
	switch {
	case n.Kind != scalar:
		r.fault(n, "Texts in braces or brackets need quotes.", "a text is wanted here, not %s", called(n))
		return ""
	case null(n):
		return ""
	}
	return n.Value
}

// some is a text that is not empty.
func (r *reader) some(n *node) string {
	s := r.text(n)
	if s == "" && !r.faulted(pos(n)) {
		r.fault(n, "Give it a value, or leave the key out.", "an empty text says nothing")
	}
	return s
}

// name is a text of one line, without space around it.
func (r *reader) name(n *node) string {
	s := strings.TrimSpace(r.some(n))
	if strings.ContainsAny(s, "\r\n") {
		r.fault(n, "Write it in one line.", "a name has no line breaks")
	}
	return s
}

func (r *reader) oneOf(n *node, known ...string) string {
	s := r.name(n)
	if s != "" && !slices.Contains(known, s) {
		r.fault(n, suggest(s, known), "%s is not known here", quote(s))
	}
	return s
}

func (r *reader) boolean(n *node) bool {
	if n.Kind == scalar && n.Style == 0 && (n.Value == "true" || n.Value == "false") {
		return n.Value == "true"
	}
	r.fault(n, "Write true or false.", "true or false is wanted here, not %s", called(n))
	return false
}

func (r *reader) integer(n *node, low, high int) int {
	v, err := strconv.Atoi(strings.ReplaceAll(r.text(n), "_", ""))
	if (err != nil || v < low || v > high) && !r.faulted(pos(n)) {
		r.fault(n, fmt.Sprintf("Write a number from %d to %d.", low, high), "%s is no number for this", called(n))
	}
	return v
}

var durationForm = regexp.MustCompile(`^(?:\d{1,9}[wdhms])+$`)
var durationPart = regexp.MustCompile(`(\d+)([wdhms])`)

// maxDuration keeps sums of durations and times from overflowing.
const maxDuration = 100 * 365 * 24 * time.Hour

// duration reads 30d, 48h, 1h30m.
func (r *reader) duration(n *node) time.Duration {
	s := strings.TrimSpace(r.text(n))
	if s == "0" {
		return 0
	}
	if !durationForm.MatchString(s) {
		if !r.faulted(pos(n)) {
			r.fault(n, "Write 30d, 48h, 90m or 30s.", "%s is no length of time", called(n))
		}
		return 0
	}
	units := map[string]time.Duration{"w": 7 * 24 * time.Hour, "d": 24 * time.Hour, "h": time.Hour, "m": time.Minute, "s": time.Second}
	var sum time.Duration
	for _, m := range durationPart.FindAllStringSubmatch(s, -1) {
		v, _ := strconv.ParseInt(m[1], 10, 64) // nine digits at most, by the form
		if v > int64(maxDuration/units[m[2]]) || sum+time.Duration(v)*units[m[2]] > maxDuration {
			r.fault(n, "Write 30d, 48h, 90m or 30s.", "%s is longer than a hundred years", quote(s))
			return 0
		}
		sum += time.Duration(v) * units[m[2]]
	}
	return sum
}

var sizeForm = regexp.MustCompile(`^(\d{1,15})(?:\.(\d{1,3}))? ?([A-Za-z]*)$`)

var sizeUnits = map[string]int64{"": 1, "B": 1, "kB": 1e3, "KB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12,
	"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}

// size reads 16MiB, 128KiB, 500 MB, 4096. 16M is refused: it can mean two things.
func (r *reader) size(n *node) int64 {
	s := strings.TrimSpace(r.text(n))
	m := sizeForm.FindStringSubmatch(s)
	var unit int64
	if m != nil {
		unit = sizeUnits[m[3]]
	}
	if unit == 0 {
		if !r.faulted(pos(n)) {
			r.fault(n, "Write 16MiB, 128KiB, or 16MB for millions.", "%s is no size", called(n))
		}
		return 0
	}
	whole, err := strconv.ParseFloat(strings.TrimSuffix(m[1]+"."+m[2], "."), 64)
	if v := whole * float64(unit); err != nil || v > 1<<53 || v != math.Trunc(v) {
		r.fault(n, "Write 16MiB, 128KiB, or 16MB for millions.", "%s is no size", quote(s))
		return 0
	}
	return int64(whole * float64(unit))
}

var factorForm = regexp.MustCompile(`^(\d{1,6}(?:\.\d{1,3})?)x$`)

// factor reads 2x, 1.5x: more than one.
func (r *reader) factor(n *node) float64 {
	m := factorForm.FindStringSubmatch(strings.TrimSpace(r.text(n)))
	if m != nil {
		if v, err := strconv.ParseFloat(m[1], 64); err == nil && v > 1 {
			return v
		}
	}
	if !r.faulted(pos(n)) {
		r.fault(n, "Write 2x, or 1.5x.", "%s is not how many times as much: more than 1x", called(n))
	}
	return 0
}

// regexp reads an RE2. One that takes texts apart, or looks for something in them, must not find nothing everywhere.
func (r *reader) regexp(n *node, within bool) *regexp.Regexp {
	s := r.some(n)
	re := r.compile(n, s, s)
	if re != nil && s != "" && within && re.MatchString("") {
		r.fault(n, "Write + in place of *, or make a part of it necessary.", "%s also finds a text of no letters, anywhere", quote(s))
	}
	return re
}

// What expressions take at most, in instructions: one of them, and all of a file.
// A few letters can ask for millions.
const (
	maxExpression  = 5_000
	maxExpressions = 200_000
)

// compile compiles whole, which has s in it. s has to be right by itself: a) or (b
// would fit into any group.
func (r *reader) compile(n *node, s, whole string) *regexp.Regexp {
	const remedy = "Expressions are those of RE2 (no look-ahead, no back references); single quotes keep backslashes as they are."
	tree, err := syntax.Parse(s, syntax.Perl)
	if err != nil {
		r.fault(n, remedy, "%v", err)
		return nil
	}
	takes := weight(tree)
	if r.taken += takes; takes > maxExpression || r.taken > maxExpressions {
		r.fault(n, "Repeat less: {1,100} stands for a hundred copies.", "this expression is too large")
		return nil
	}
	re, err := regexp.Compile(whole)
	if err != nil {
		r.fault(n, remedy, "%v", err)
		return nil
	}
	return re
}

// weight is about how many instructions an expression comes to.
func weight(re *syntax.Regexp) int {
	n := 1 + len(re.Rune)
	for _, sub := range re.Sub {
		n += weight(sub)
	}
	if re.Op == syntax.OpRepeat {
		n *= max(re.Min, re.Max, 1)
	}
	return min(n, 1<<30)
}

// list reads each element of a list, or a single value as a list of one.
func (r *reader) list(n *node, p *Place, key string, read func(*node)) {
	if n.Kind != list {
		if p != nil {
			p.put(key+"[0]", pos(n))
		}
		read(n)
		return
	}
	if len(n.Content) == 0 {
		r.fault(n, "Give it an element, or leave the key out.", "an empty list says nothing")
	}
	for i, c := range n.Content {
		if p != nil {
			p.put(fmt.Sprintf("%s[%d]", key, i), pos(c))
		}
		read(c)
	}
}

// words are a command and its arguments, without a shell.
func (r *reader) words(n *node, s string) []string {
	if strings.ContainsAny(s, `'"\$|;&<>*?`+"`") {
		r.fault(n, "There is no shell: write a script, and name it here.", "a command is words with spaces between, and there is more in this one")
	}
	return strings.Fields(s)
}
