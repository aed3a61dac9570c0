package address

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// behind is punctuation that, behind an address, more likely belongs to the text.
const behind = ".,;:!?'\")]}>*_~|`"

// within is where an address may end although the text goes on without white space.
const within = "'()[]{},;|`\\*!"

// opener is what stands right before an address: a quote or a bracket, escaped or not.
func opener(before string) byte {
	if before == "" {
		return 0
	}
	for e, c := range map[string]byte{"&quot;": '"', "&#34;": '"', "&lt;": '<', "&#39;": '\'', "&#x27;": '\''} {
		if strings.HasSuffix(before, e) {
			return c
		}
	}
	return before[len(before)-1]
}

// hard is how far a text behind an address can belong to it at all: to the end of the
// line, to a double quote or an angle bracket, or, once there was white space, to the
// next address.
func hard(tail string) int {
	space := false
	for i := range len(tail) {
		switch c := tail[i]; {
		case c < ' ' && c != '\t' || c == 0x7f || c == '"' || c == '<' || c == '>':
			return i
		case c == ' ' || c == '\t':
			space = true
		case space && c == ':' && unslashed(tail[i+1:]) == "//":
			return i
		}
	}
	return len(tail)
}

// ends are all places where the address may end, in a tail that begins with its slash;
// likely is the one that it most likely has.
func ends(tail string, plain bool, open byte) (all []int, likely int) {
	limit := hard(tail)
	quoted := strings.IndexByte("\"'<`", open) >= 0 && open != 0
	first := slash(tail)
	prev := byte(0)
	for i := first; i < limit; i++ {
		c := tail[i]
		switch {
		case c == ' ' || c == '\t':
			all = append(all, i)
			if !plain && !quoted {
				limit = i // an http address has no spaces, unless somebody quoted one
			}
		case strings.IndexByte(within, c) >= 0:
			all = append(all, i)
		case c == '&' && strings.IndexByte(tail[i:min(len(tail), i+10)], ';') > 0:
			all = append(all, i)
		case (c == '?' || c == '#') && (prev != '&' || c == '?'):
			all = append(all, i)
			if !plain {
				limit = i
			}
		case c >= utf8.RuneSelf && prev < utf8.RuneSelf:
			all = append(all, i) // a language that does without spaces may go on
		case c >= utf8.RuneSelf && utf8.RuneStart(c):
			if r, _ := utf8.DecodeRuneInString(tail[i:]); unicode.IsPunct(r) || unicode.IsSpace(r) || unicode.IsSymbol(r) {
				all = append(all, i)
			}
		}
		prev = c
	}
	all = append(all, limit)
	for _, e := range slices.Clone(all) {
		for e > first && strings.IndexByte(behind, tail[e-1]) >= 0 {
			e--
			all = append(all, e)
		}
	}
	slices.Sort(all)
	all = slices.Compact(all)
	return all, likeliest(tail[:limit], first, plain, open)
}

// likeliest is where a reader would say that the address ends.
func likeliest(tail string, first int, plain bool, open byte) int {
	end := len(tail)
	wide := plain && (open == '<' || open == '"' || open == '\'' && strings.IndexByte(tail, '\'') >= 0 || open == '`' && strings.IndexByte(tail, '`') >= 0)
	var nest [3]int
scan:
	for i := first; i < end; i++ {
		c := tail[i]
		switch {
		case (c == ' ' || c == '\t') && !wide, c == '`', c == '\'' && open == '\'', c == '\\' && i+1 == len(tail):
			end = i
		case c == '\\' && slash(tail[i:]) > 0:
			i += slash(tail[i:]) - 1
		case c == '\\':
			switch d := tail[i+1]; {
			case strings.IndexByte(`nrtbf"\`, d) >= 0:
				end = i
			case d == 'u' && strings.ContainsAny(unescaped(tail[i:min(len(tail), i+6)]), "\"<> \t\r\n\u00a0"):
				end = i
			default:
				i++
			}
		case c == '&' && strings.IndexAny(unentitied(tail[i:min(len(tail), i+8)]), "\"<>\u00a0") == 0:
			end = i
		case strings.IndexByte("([{", c) >= 0:
			nest[strings.IndexByte("([{", c)]++
		case strings.IndexByte(")]}", c) >= 0 && !(wide && open != '('):
			n := strings.IndexByte(")]}", c)
			if nest[n] == 0 {
				end = i
				break scan
			}
			nest[n]--
		case c >= utf8.RuneSelf && utf8.RuneStart(c):
			if r, _ := utf8.DecodeRuneInString(tail[i:]); unicode.IsSpace(r) || strings.ContainsRune("。、，；：！？）」』】》”’»", r) {
				end = i
			}
		}
	}
	if wide {
		return end
	}
	for end > first && strings.IndexByte(".,;:!?'\"*_~|`", tail[end-1]) >= 0 {
		end--
	}
	return end
}
