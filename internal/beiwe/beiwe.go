// Package beiwe knows where Beiwe, a platform for studies with telephones, keeps
// what in its bucket: the names of its studies, participants and data streams as
// they stand in keys.
//
// It gives expressions of SQL, for tables of many million keys. It promises NULL
// for keys of another form, and the same answer for a key with and without what
// compression adds to its end. What is in the objects is left to others.
package beiwe

// layout is that of keys: raw uploads are STUDY/PARTICIPANT/STREAM/…, chunks the
// same below CHUNKED_DATA/, and what could not be read below PROBLEM_UPLOADS/. A
// study has 24 letters and digits. Everything below STUDY/keys/ is keys, and of
// no participant.
const layout = `^(?:CHUNKED_DATA/|PROBLEM_UPLOADS/)?([A-Za-z0-9]{24})/(?:([^/]+)/(?:([^/]+)/)?)?`

// keys is the folder of a study that is none of a participant.
const keys = "keys"

// Study is the study's id; path is an expression of SQL that gives the key.
func Study(path string) string { return part(path, "1") }

// Participant is the id of who the data is from.
func Participant(path string) string { return "nullif(" + part(path, "2") + ", '" + keys + "')" }

// Stream is the data stream, such as gps or accel.
func Stream(path string) string {
	return "CASE WHEN " + Participant(path) + " IS NOT NULL THEN " + part(path, "3") + " END"
}

func part(path, group string) string {
	return "nullif(regexp_extract(" + path + ", '" + layout + "', " + group + "), '')"
}
