package unpack

import (
	"regexp"

	"cooper/internal/handleid"
)

// occurrences gives group 1 of every occurrence in a text, the whole where there is no
// group; nil where a group took no part. Where what follows the group belongs to the next
// occurrence as well, as the comma in ",1,2,", that one counts, too.
func occurrences(re *regexp.Regexp, data []byte) (out [][]byte) {
	from, to := 0, 1
	if re.NumSubexp() > 0 {
		from, to = 2, 3
	}
	seen := -1 // where the last one began
	for _, m := range re.FindAllSubmatchIndex(data, -1) {
		for base := 0; ; {
			if m[from] < 0 {
				out = append(out, nil)
				break
			}
			if base+m[from] > seen {
				seen = base + m[from]
				out = append(out, data[seen:base+m[to]])
			}
			rest, end := base+m[to], base+m[1]
			if rest == base+m[0] || rest >= end {
				break
			}
			// What stands behind the group may begin another occurrence, up to the end of this one.
			n := re.FindSubmatchIndex(data[rest:])
			if n == nil || rest+n[0] >= end {
				break
			}
			m, base = n, rest
		}
	}
	return out
}

// entries splits and matches what the layers gave.
func (r *run) entries(data []byte) {
	if r.f.split == nil {
		r.entry(data)
		return
	}
	start := 0
	for _, m := range r.f.split.FindAllIndex(data, -1) {
		r.entry(data[start:m[0]])
		start = m[1]
	}
	r.entry(data[start:])
}

// entry reads one entry. One that is empty is no link.
func (r *run) entry(e []byte) {
	if len(e) == 0 || r.over {
		return
	}
	if r.f.match != nil {
		m := r.f.match.FindSubmatchIndex(e)
		if m == nil {
			r.bad("entry does not match: " + show(string(e)))
			return
		}
		if len(m) > 2 {
			if m[2] < 0 {
				r.bad("entry matches without its group: " + show(string(e)))
				return
			}
			if e = e[m[2]:m[3]]; len(e) == 0 {
				return
			}
		}
	}
	switch r.f.spec.Kind {
	case ID:
		r.id(r.f.spec.ID.Parse(string(e)))
	case Key:
		r.add(Value{Kind: Key, Text: string(e)})
	case Address:
		f, ok := r.f.hosts.Alone(string(e))
		if !ok {
			r.bad("not an address: " + show(string(e)))
			return
		}
		r.address(f)
	}
}

func (r *run) id(normal, reason string) {
	if reason != "" {
		r.bad(reason)
		return
	}
	r.add(Value{Kind: ID, Text: normal})
}

func (r *run) add(v Value) {
	if len(r.res.Values) >= r.f.limits.Values {
		r.bad(TooMany)
		r.over = true
		return
	}
	r.res.Values = append(r.res.Values, v)
}

// keep remembers a text in which ids may stand silently.
func (r *run) keep(data []byte) {
	if r.known == nil || len(r.res.Values) > 0 {
		return
	}
	if r.many {
		r.silent.look(data, r.f.spec.ID, r.known)
		return
	}
	r.silent.texts = append(r.silent.texts, data)
}

// silence looks for ids of handles in texts in which nothing was found.
type silence struct {
	texts [][]byte
	found bool
}

func (s *silence) reset() { s.texts, s.found = s.texts[:0], false }

// any looks through the texts that were kept.
func (s *silence) any(t handleid.Type, known *Known) bool {
	for _, text := range s.texts {
		s.look(text, t, known)
	}
	clear(s.texts)
	return s.found
}

// look looks for words that are ids: between what is neither letter nor digit.
func (s *silence) look(text []byte, t handleid.Type, known *Known) {
	numbers := known.Number != nil && t != handleid.UUID && t != handleid.Text
	words := known.Text != nil && t != handleid.Integer
	for i := 0; i < len(text) && !s.found; {
		if !inWord[text[i]] {
			i++
			continue
		}
		end, digits, n := i, true, int64(0)
		for end < len(text) && inWord[text[end]] {
			c := text[end]
			digits = digits && c >= '0' && c <= '9'
			if digits && end-i < 19 {
				n = n*10 + int64(c-'0')
			}
			end++
		}
		word := text[i:end]
		switch {
		case digits && numbers && len(word) <= 19 && n >= 0:
			s.found = known.Number(n)
		case words && t != handleid.Text && len(word) >= 32:
			if u, why := handleid.UUID.Parse(string(word)); why == "" {
				s.found = known.Text([]byte(u))
			}
		case words && t == handleid.Text:
			if u, why := t.Parse(string(word)); why == "" {
				s.found = known.Text([]byte(u))
			}
		case numbers && !digits: // as in 1-2
			s.parts(word, known)
		}
		i = end
	}
}

// parts looks at the numbers between dashes.
func (s *silence) parts(word []byte, known *Known) {
	for i := 0; i < len(word) && !s.found; {
		end, n, digits := i, int64(0), true
		for end < len(word) && word[end] != '-' {
			c := word[end]
			digits = digits && c >= '0' && c <= '9'
			if digits && end-i < 19 {
				n = n*10 + int64(c-'0')
			}
			end++
		}
		if end > i && digits && end-i <= 19 && n >= 0 {
			s.found = known.Number(n)
		}
		i = end + 1
	}
}

var inWord = func() (t [256]bool) {
	for c := range 256 {
		t[c] = c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c == '_' || c == '-' || c >= 0x80
	}
	return t
}()
