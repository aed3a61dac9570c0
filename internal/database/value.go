package database

import (
	"encoding/hex"
	"strings"
	"time"
	"unicode/utf8"
)

// Class tells what a value's bytes are.
type Class string

// The classes.
const (
	Null    Class = "null"
	Integer Class = "integer" // digits, perhaps behind a minus
	Number  Class = "number"  // decimals and floats, NaN and Infinity among them
	Bool    Class = "bool"    // true or false; MariaDB has integers for it
	Text    Class = "text"    // UTF-8, unless the database holds something else as text
	Bytes   Class = "bytes"
	Time    Class = "time" // a date, or a date and time
	UUID    Class = "uuid" // with hyphens, in small letters
	JSON    Class = "json"
	Array   Class = "array"
	Other   Class = "other" // as the database writes it
)

// Value is one of a row: bytes, as the database writes it (times in UTC, bytes as
// they are), or the elements of an array, which may be arrays.
type Value struct {
	Class    Class
	Data     []byte
	Elements []Value
}

// layouts of times, as MariaDB, MySQL and PostgreSQL (DateStyle ISO) write them, and as
// programs write them for SQLite.
var layouts = []string{
	"2006-01-02 15:04:05.999999999", "2006-01-02 15:04:05.999999999Z07", "2006-01-02 15:04:05.999999999Z07:00", "2006-01-02",
	"2006-01-02T15:04:05.999999999", "2006-01-02T15:04:05.999999999Z07:00", "2006-01-02 15:04", "2006-01-02T15:04", "2006-01-02 15:04Z07:00", "2006-01-02T15:04Z07:00",
	"2006-01-02 15:04:05.999999999 Z07:00", "2006-01-02 15:04:05.999999999 -0700", "2006-01-02 15:04:05.999999999 UTC",
}

// Time is a value of class Time. Zero dates, infinities and years that no calendar
// has are unknown.
func (v Value) Time() (t time.Time, known bool) {
	if v.Class != Time {
		return time.Time{}, false
	}
	s := string(v.Data)
	for _, l := range layouts {
		if t, err := time.Parse(l, s); err == nil {
			return t.UTC(), t.Year() > 0
		}
	}
	return time.Time{}, false
}

// KeyText is a key for a person: its values as the database writes them, joined by
// commas; bytes that are no text are written as 0x and hex digits.
func KeyText(key []Value) string {
	var b strings.Builder
	for i, v := range key {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(v.String())
	}
	return b.String()
}

// String is a value for a person.
func (v Value) String() string {
	switch {
	case v.Class == Null:
		return "NULL"
	case v.Class == Array:
		parts := make([]string, len(v.Elements))
		for i, e := range v.Elements {
			parts[i] = e.String()
		}
		return "{" + strings.Join(parts, ",") + "}"
	case v.Class == Bytes && !utf8.Valid(v.Data):
		return "0x" + hex.EncodeToString(v.Data)
	}
	return string(v.Data)
}
