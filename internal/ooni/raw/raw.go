// Package raw reads the files in which the open observatory publishes raw measurements, in every
// layout that its buckets have had.
//
// It promises:
//
//   - A name tells what a file is (Parse) without a request.
//   - Every measurement that can be read is given, in the order of the file, with the position at
//     which it stood. What cannot be read costs itself alone and is given as well, with the reason:
//     a line, a member of an archive, a damaged header between two members.
//   - Read tells whether the file was read whole. What was cut off, or damaged so that nobody knows
//     what is missing, was not.
//   - Memory is bounded by the longest line or member allowed, not by the file.
//   - The same bytes give the same ids, whenever and wherever they are read.
//
// Which files there are, what measurements mean, and which of two files that have the same
// measurements is read, is left to others.
//
// Layouts and names: github.com/ooni/data and github.com/ooni/backend, 2026-08.
package raw

import (
	"path"
	"regexp"
	"strings"
	"time"
)

// Format is what a file's bytes are.
type Format uint8

// The formats.
const (
	Unknown  Format = iota // no name of raw measurements
	Posts                  // .tar.gz: a member a post, as {"format", "content"}; some are plain tar
	Lines                  // .jsonl.gz: a measurement a line
	Can                    // .tar.lz4: members with a measurement a line
	CanLines               // .json.lz4: a measurement a line
	YAML                   // .yaml.lz4: reports from before JSON, not read
	Index                  // an index of others, no measurements
)

var formats = [...]string{"unknown", "tar.gz", "jsonl.gz", "tar.lz4", "json.lz4", "yaml.lz4", "index"}

func (f Format) String() string { return formats[f] }

// Readable tells whether files of the format have measurements that can be read.
func (f Format) Readable() bool { return Posts <= f && f <= CanLines }

// File is what the key of a file tells. What the measurements in it say holds against it.
type File struct {
	Key     string
	Format  Format
	Hour    time.Time // of its upload, in UTC; midnight where only the day is known
	Country string    // upper case; "" where the name has none
	Test    string    // lower case, without underscores; "" where the name has none
	// Stem is the same for files that have the same measurements in two formats; "" where none could.
	Stem string
}

var (
	rawName   = regexp.MustCompile(`^(\d{10})_([A-Za-z]{2})_([a-z0-9_-]+)\..+\.(jsonl\.gz|tar\.gz)$`)
	jsonlName = regexp.MustCompile(`^(\d{8})_([A-Za-z]{2})_([a-z0-9_-]+)\..+\.jsonl\.gz$`)
	canName   = regexp.MustCompile(`^(\d{8})T\d{6}Z-([A-Z]{2})-AS\d+-([a-z0-9_]+)-.*\.(json|yaml)\.lz4$`)
	tarName   = regexp.MustCompile(`^([a-z0-9_]+)\.\d+\.tar\.lz4$`)
	dayName   = regexp.MustCompile(`^\d{4}-\d{2}-\d{2}$`)
)

// Parse tells what the key of a file says. Whatever leads up to the parts of a layout (raw/,
// jsonl/, canned/, or another prefix before them) does not matter.
func Parse(key string) File {
	f := File{Key: key}
	dir, name := path.Split(key)
	dirs := strings.Split(strings.Trim(dir, "/"), "/")
	last := func(n int) string {
		if n > len(dirs) {
			return ""
		}
		return dirs[len(dirs)-n]
	}
	switch {
	case rawName.MatchString(name):
		m := rawName.FindStringSubmatch(name)
		f.set("2006010215", m[1], m[2], m[3])
		f.Format = Lines
		if m[4] == "tar.gz" {
			f.Format = Posts
		}
		f.Stem = strings.TrimSuffix(key, m[4])
	case jsonlName.MatchString(name):
		m := jsonlName.FindStringSubmatch(name)
		f.set("20060102", m[1], m[2], m[3])
		f.Format = Lines
	case canName.MatchString(name):
		m := canName.FindStringSubmatch(name)
		day := m[1]
		if dayName.MatchString(last(1)) { // the day of the can, not that of the measurement
			day = strings.ReplaceAll(last(1), "-", "")
		}
		f.set("20060102", day, m[2], m[3])
		f.Format = CanLines
		if m[4] == "yaml" {
			f.Format = YAML
		}
	case tarName.MatchString(name) && dayName.MatchString(last(1)):
		f.set("2006-01-02", last(1), "", tarName.FindStringSubmatch(name)[1])
		f.Format = Can
	case strings.HasSuffix(name, ".json.gz") && dayName.MatchString(last(1)):
		f.set("2006-01-02", last(1), "", "")
		f.Format = Index
	}
	return f
}

// set takes what a name says; a time that is none makes the name unknown.
func (f *File) set(layout, at, country, test string) {
	f.Hour, _ = time.Parse(layout, at) // one that is none stays zero, and matches no day
	f.Country, f.Test = strings.ToUpper(country), TestName(test)
}

// TestName is the name of a test as file names and filters have it: lower case, without
// underscores, hyphens and spaces.
func TestName(name string) string {
	return strings.Map(func(r rune) rune {
		switch r {
		case '_', '-', ' ':
			return -1
		}
		return r
	}, strings.ToLower(name))
}
