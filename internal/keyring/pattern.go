package keyring

import (
	"slices"
	"strings"

	"cooper"
	"cooper/internal/codec/sniff"
)

// pattern is a prefix of which some folders may have any name.
type pattern struct {
	parts  []string // "*" stands for one folder, whatever its name
	folder bool     // it ends in a slash: something must follow
	rank   int
	text   string
	expect *sniff.Expectations
}

// parsePattern reads a pattern such as "*/gps/". It has the boundaries of
// prefixes; an empty one fits everything.
func parsePattern(text, at string) (pattern, error) {
	p := pattern{text: text}
	rest, folder := strings.CutSuffix(text, "/")
	p.folder = folder
	if text != "" {
		p.parts = strings.Split(rest, "/")
	}
	stars := 0
	for _, part := range p.parts {
		if part == "*" {
			stars++
		} else if strings.Contains(part, "*") {
			return p, invalid(at, "a * stands for a whole folder, not for a part of a name", "Write patterns like */gps/ or CHUNKED_DATA/*/gps/.")
		}
	}
	p.rank = particular(len(p.parts), stars)
	return p, nil
}

func (p *pattern) matches(key string) bool {
	for i, part := range p.parts {
		name, rest, more := strings.Cut(key, "/")
		if part != "*" && part != name || part == "*" && name == "" {
			return false
		}
		if !more {
			return i == len(p.parts)-1 && !p.folder
		}
		key = rest
	}
	return true
}

func sortPatterns(ps []pattern) {
	slices.SortFunc(ps, func(a, b pattern) int {
		if a.rank != b.rank {
			return b.rank - a.rank
		}
		return strings.Compare(a.text, b.text)
	})
}

// splitExpect cuts PATTERN=DECLARATION where the declaration begins: names of
// folders may hold a "=", too.
func splitExpect(s string) (pat, declaration string, err error) {
	for i := 0; i < len(s); i++ {
		if s[i] == '=' && declares(s[i+1:]) {
			return s[:i], s[i+1:], nil
		}
	}
	return "", "", &cooper.Error{Kind: cooper.KindUsage, Message: "--expect " + cooper.Quote(s) + " is not PATTERN=CONTENT",
		Remedy: `Write it like --expect '*/gps/=csv:timestamp,UTC time,latitude'; CONTENT is csv:HEADER, json, text, magic:NAME or bytes:HEX@OFFSET.`}
}

// declares tells whether s is a declaration by its name.
func declares(s string) bool {
	return s == "json" || s == "text" || strings.HasPrefix(s, "csv:") || strings.HasPrefix(s, "magic:") || strings.HasPrefix(s, "bytes:")
}
