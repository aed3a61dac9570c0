// Package beiwe knows where Beiwe, a platform for studies with telephones, keeps
// what in its bucket: the names of its studies, participants and data streams as
// they stand in keys.
//
// It gives expressions of SQL, for tables of many million keys. It promises NULL
// for keys of another form, and the same answer for a key with and without what
// compression adds to its end. What is in the objects is left to others.
package beiwe

import "fmt"

// Keys of raw uploads are STUDY/PARTICIPANT/STREAM/…, those of chunks the same
// below CHUNKED_DATA/, and of what could not be read below PROBLEM_UPLOADS/. A
// study has 24 letters and digits. Everything below STUDY/keys/ is keys, and of no
// participant.
//
// The expressions split keys, which is ten times as fast as one regular
// expression with groups; an engine splits a key once for all that do.
const (
	inner = "('CHUNKED_DATA', 'PROBLEM_UPLOADS')"
	keys  = "keys"
	study = "[A-Za-z0-9]{24}"
)

// Study is the study's id; path is an expression of SQL that gives the key.
func Study(path string) string {
	return fmt.Sprintf("CASE WHEN %s THEN %s END", inStudy(path), folder(path, 1))
}

// Participant is the id of who the data is from.
func Participant(path string) string {
	return fmt.Sprintf("CASE WHEN %s THEN %s END", ofSomebody(path), folder(path, 2))
}

// Stream is the data stream, such as gps or accel.
func Stream(path string) string {
	return fmt.Sprintf("CASE WHEN %s THEN nullif(%s, '') END", ofSomebody(path), folder(path, 3))
}

// folder is the nth of a key, from 1, not counting those that hold studies; NULL
// if there is none, as behind the last slash.
func folder(path string, n int) string {
	split := "string_split(" + path + ", '/')"
	return fmt.Sprintf("CASE WHEN %[1]s[1] IN %[2]s THEN (CASE WHEN len(%[1]s) > %[4]d THEN %[1]s[%[4]d] END) WHEN len(%[1]s) > %[3]d THEN %[1]s[%[3]d] END", split, inner, n, n+1)
}

func inStudy(path string) string {
	return "regexp_full_match(" + folder(path, 1) + ", '" + study + "')"
}

func ofSomebody(path string) string {
	return inStudy(path) + " AND " + folder(path, 2) + " NOT IN ('', '" + keys + "')"
}
