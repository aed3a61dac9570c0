// Package unpack finds what stands inside a column's value: ids of file handles, keys and
// addresses, packed in as many layers as the owner's program chose.
//
// A Spec declares the layers: what is decoded (gzip, base64, JSON, XML, …), where in it the
// values stand (jq, XPath, regular expressions) and what they are. Compile refuses what
// could leave values out without a word. A Form then reads one value at a time, and may be
// used by many at once.
//
// It promises to fail closed: what cannot be read is malformed, with a reason, and never
// simply absent; what can be read beside it counts as links all the same. No value makes
// it run on or take more memory than its limits. Where a value can be read in two ways,
// both are given. It knows neither databases nor stores: where values come from, whether a
// handle or key exists, and what is acknowledged is left to the caller.
package unpack

import (
	"time"

	"cooper/internal/address"
	"cooper/internal/handleid"
)

// A Kind is what the values of an association are.
type Kind int

// Kinds of values.
const (
	ID      Kind = iota // of a handle
	Key                 // of an object, as it is written
	Address             // of an object: s3://, https://, …
)

// A Spec says where in a value what stands. The zero Spec is a column whose value is an id.
type Spec struct {
	// As are the layers, the outermost first: gzip, zlib, "zip NAME", base64, base64url,
	// lines, json, php, xml, addresses.
	As []string
	// At are paths in what json, php or xml gives, jq or XPath; their union counts.
	// Without one the document is the value itself: of arrays each element.
	At []string
	// Find is a regular expression: every occurrence in the column's text, before As.
	Find string
	// Split cuts what As and At give; a single character stands for itself.
	Split string
	// Match is what each entry must match as a whole.
	Match string
	// Kind is what the values are; with As ending in addresses they are addresses.
	Kind Kind
	// ID is what the ids of the handles are.
	ID handleid.Type
}

// Limits bound what one value may cost. Zero fields have their defaults.
type Limits struct {
	// Unpacked bytes of each layer; 16 MiB.
	Unpacked int64
	// Values found in one column's value; a million.
	Values int
	// Time that paths in JSON may take for one value; ten seconds.
	Time time.Duration
}

// inDocument is how many values a document may have: many for its bytes, and yet so few
// that memory stays within some twenty times of them.
func (l Limits) inDocument() int { return int(min(l.Unpacked/4, 1<<31-1)) + 1000 }

func (l Limits) orDefaults() Limits {
	if l.Unpacked <= 0 {
		l.Unpacked = 16 << 20
	}
	if l.Values <= 0 {
		l.Values = 1_000_000
	}
	if l.Time <= 0 {
		l.Time = 10 * time.Second
	}
	return l
}

// Options are what a Form needs beside its Spec.
type Options struct {
	Limits Limits
	// Lookups are the rows of the association's queries, $NAME in jq: texts, whole numbers
	// or nil.
	Lookups map[string][]any
	// Hosts knows the addresses that count; needed where values are addresses.
	Hosts *address.Hosts
}

// A Value is one that was found.
type Value struct {
	Kind Kind
	// Text is the normal form of an id, or a key.
	Text string
	// Found are an address's readings: each that exists is a link. Where none exists, the
	// first is dangling, unless it is a guess, as all readings of a broken address are.
	Found address.Found
}

// A Result is what came of one column's value.
type Result struct {
	Values []Value
	// Malformed says why a part of the value cannot be read; empty where all could be.
	// What could be read of it is among the values.
	Malformed string
	// Namespaces are those of XML documents in it that no path names.
	Namespaces []string
	// Silent: nothing was found, and yet the id of a handle stands in it.
	Silent bool
}

// Known tells whether an id is that of a handle. Either may be nil, where handles have no
// such ids.
type Known struct {
	Number func(int64) bool
	// Text is asked for UUIDs in their normal form, and for words.
	Text func([]byte) bool
}

// Reasons that are the same wherever they arise.
const (
	Empty   = "empty, where a document must be"
	TooMuch = "unpacks to more than the limit"
	TooMany = "more values than the limit"
)
