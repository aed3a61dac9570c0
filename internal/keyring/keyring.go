// Package keyring knows the keys with which an application encrypted its
// objects: which key for which prefix, and what the contents there look like, so
// that a wrong key is found out.
//
// Keys come from a file, from the output of a command, or as rows of a database
// that somebody else asks. The longest prefix counts, and prefixes have
// boundaries: "abc" never matches "abcd/x". It promises that no key is ever part
// of an error or a warning; what is malformed is named by file and line. Reading
// and decrypting objects is left to others. docs/formats/keys.md has the form.
package keyring

import (
	"errors"
	"fmt"
	"strings"

	"cooper"
	"cooper/internal/codec"
	"cooper/internal/codec/sniff"
)

// Ring holds keys by prefix. It does not change, and may be used at the same
// time by many.
type Ring struct {
	locks    map[string]*lock // by prefix
	patterns []pattern        // the most particular first
}

// lock is what belongs to one prefix.
type lock struct {
	key    *codec.Key
	at     string // where it was read
	said   []string
	expect *sniff.Expectations // nil if nothing is declared with the key
}

var _ codec.Keys = (*Ring)(nil)

// Len is how many prefixes have a key.
func (r *Ring) Len() int { return len(r.locks) }

// For gives the secret of the object named key: KindMissing if no prefix of it
// has a key, KindInvalid if nothing is declared that its content must look like.
//
// What its content must look like is declared with the key, or by a pattern. If
// both fit, the one that names more folders counts, and of two that name as many
// the one with fewer stars.
func (r *Ring) For(key string) (codec.Secret, error) {
	prefix, l := r.find(key)
	if l == nil {
		return codec.Secret{}, &cooper.Error{Kind: cooper.KindMissing, Message: "no prefix of it has an encryption key",
			Remedy: "Add a line for it to what --keys names, or leave it out with --prefix or --match."}
	}
	s := codec.Secret{Cipher: codec.AES256CFB8, Key: l.key, Expect: l.expect}
	own := particular(folders(prefix), 0)
	for i := range r.patterns {
		p := &r.patterns[i]
		if s.Expect != nil && p.rank <= own {
			break
		}
		if p.matches(key) {
			s.Expect = p.expect
			break
		}
	}
	if s.Expect == nil {
		return codec.Secret{}, &cooper.Error{Kind: cooper.KindInvalid, Message: "nothing is declared that its content must look like, so that a wrong key would not be noticed",
			Remedy: `Declare it, such as --expect '*/gps/=csv:timestamp,UTC time,latitude,longitude'.`}
	}
	return s, nil
}

// find gives the longest prefix of key that has a lock.
func (r *Ring) find(key string) (string, *lock) {
	if l := r.locks[key]; l != nil {
		return key, l
	}
	for i := len(key) - 1; i >= 0; i-- {
		if key[i] != '/' {
			continue
		}
		for _, prefix := range []string{key[:i+1], key[:i]} {
			if l := r.locks[prefix]; l != nil && prefix != "" {
				return prefix, l
			}
		}
	}
	return "", r.locks[""]
}

// folders counts those that a prefix names.
func folders(prefix string) int {
	prefix = strings.TrimSuffix(prefix, "/")
	if prefix == "" {
		return 0
	}
	return strings.Count(prefix, "/") + 1
}

// particular ranks what fits: more folders first, then fewer stars.
func particular(folders, stars int) int { return folders<<16 - stars }

// Row is one line of a key file: Prefix and Key, and perhaps what contents there
// look like; or a Pattern and what contents look like where it fits.
type Row struct {
	Prefix, Pattern string
	Key             string
	Expect          []string
	// IsPattern tells that Pattern counts, and neither Prefix nor Key.
	IsPattern bool
}

// builder collects rows.
type builder struct {
	ring     Ring
	patterns map[string]*declared
}

type declared struct {
	at   string
	said []string
}

func newBuilder() *builder {
	return &builder{ring: Ring{locks: map[string]*lock{}}, patterns: map[string]*declared{}}
}

// add takes a row that was read at a place. No part of the row gets into an
// error: columns that were mixed up would show the key.
func (b *builder) add(row Row, at string) error {
	if row.IsPattern {
		return b.declare(row.Pattern, row.Expect, at)
	}
	key, err := parseKey(row.Key)
	if err != nil {
		return invalid(at, err.Error(), "")
	}
	l := b.ring.locks[row.Prefix]
	if l == nil {
		l = &lock{key: key, at: at}
		b.ring.locks[row.Prefix] = l
	}
	if *l.key != *key {
		return invalid(at, "another key for the same prefix as at "+l.at, "Keep the right one of the two.")
	}
	l.said = append(l.said, row.Expect...)
	return nil
}

func (b *builder) declare(pattern string, expect []string, at string) error {
	if len(expect) == 0 {
		return invalid(at, "a pattern without anything to expect", formRemedy)
	}
	d := b.patterns[pattern]
	if d == nil {
		d = &declared{at: at}
		b.patterns[pattern] = d
	}
	d.said = append(d.said, expect...)
	return nil
}

// finish makes the ring. Expectations are judged only here: several that are
// declared for one prefix count as one way of several.
func (b *builder) finish() (*Ring, error) {
	known := map[string]*sniff.Expectations{}
	for _, l := range b.ring.locks {
		if len(l.said) == 0 {
			continue
		}
		expect, err := expectations(l.said, l.at, known)
		if err != nil {
			return nil, err
		}
		l.expect = expect
	}
	for text, d := range b.patterns {
		expect, err := expectations(d.said, d.at, known)
		if err != nil {
			return nil, err
		}
		p, err := parsePattern(text, d.at)
		if err != nil {
			return nil, err
		}
		p.expect = expect
		b.ring.patterns = append(b.ring.patterns, p)
	}
	sortPatterns(b.ring.patterns)
	return &b.ring, nil
}

// expectations declares what was said; known keeps a study's thousand equal ones
// from being made anew.
func expectations(said []string, at string, known map[string]*sniff.Expectations) (*sniff.Expectations, error) {
	id := strings.Join(said, "\x00")
	if e := known[id]; e != nil {
		return e, nil
	}
	for _, s := range said {
		if !declares(s) {
			return nil, invalid(at, "what contents look like is none of csv:HEADER, json, text, magic:NAME, bytes:HEX@OFFSET", formRemedy)
		}
	}
	e, err := sniff.Declare(said...)
	var why *cooper.Error
	if errors.As(err, &why) { // its Where has what was said
		return nil, invalid(at, "what contents look like: "+why.Message, why.Remedy)
	} else if err != nil {
		return nil, err
	}
	known[id] = e
	return e, nil
}

const formRemedy = `docs/formats/keys.md has the form: {"prefix": "…", "key": "…", "expect": "csv:…"} on each line, or CSV with these columns.`

func invalid(at, message, remedy string) error {
	if remedy == "" {
		remedy = formRemedy
	}
	return &cooper.Error{Kind: cooper.KindInvalid, Where: at, Message: message, Remedy: remedy}
}

// place names a line or row for errors.
func place(name, what string, n int) string { return fmt.Sprintf("%s, %s %d", name, what, n) }
