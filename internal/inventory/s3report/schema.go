package s3report

import (
	"fmt"
	"slices"
	"strings"

	"cooper"
)

// column is one of the columns that matter here.
type column int

// The columns that matter.
const (
	colBucket column = iota
	colKey
	colVersionID
	colIsLatest
	colIsDeleteMarker
	colSize
	colLastModified
	colETag
	colStorageClass
	colTier
	colEncryption
	colChecksum
	numColumns
)

// columnNames are S3's names of the columns, as CSV reports have them.
var columnNames = [numColumns]string{
	"Bucket", "Key", "VersionId", "IsLatest", "IsDeleteMarker", "Size", "LastModifiedDate", "ETag",
	"StorageClass", "IntelligentTieringAccessTier", "EncryptionStatus", "ChecksumAlgorithm",
}

// columnByName finds columns by their plain names: CSV says LastModifiedDate
// where Parquet and ORC say last_modified_date.
var columnByName = func() map[string]column {
	m := map[string]column{}
	for c, name := range columnNames {
		m[plain(name)] = column(c)
	}
	return m
}()

func plain(name string) string {
	return strings.ToLower(strings.ReplaceAll(name, "_", ""))
}

// schema says which columns the rows of a report have.
type schema struct {
	names []string // all columns, as the report names them
	// at is the position of each column that matters, -1 where it is absent.
	at [numColumns]int
	// currentOnly: the report lists current versions only.
	currentOnly bool
}

// schema reads fileSchema, and refuses formats that cannot be read and reports
// that lack what a version's identity consists of.
func (m *manifest) schema(where string) (*schema, error) {
	var names []string
	switch m.FileFormat {
	case CSV:
		for name := range strings.SplitSeq(m.FileSchema, ",") {
			names = append(names, strings.TrimSpace(name))
		}
	case Parquet:
		names = messageColumns(m.FileSchema)
	case ORC:
		names = structColumns(m.FileSchema)
	default:
		return nil, &cooper.Error{
			Kind: cooper.KindInvalid, Where: where, Message: "unknown format of data files: " + cooper.Quote(m.FileFormat),
			Remedy: "CSV, Parquet and ORC can be read.",
		}
	}
	s, err := newSchema(names)
	if err != nil {
		return nil, &cooper.Error{
			Kind: cooper.KindInvalid, Where: where, Message: "the report cannot be used", Err: err,
			Remedy: "Add the missing fields to the inventory configuration, and take the next report.",
		}
	}
	return s, nil
}

// newSchema finds the columns that matter among names. Others are passed over.
func newSchema(names []string) (*schema, error) {
	s := &schema{names: names}
	for c := range s.at {
		s.at[c] = -1
	}
	for i, name := range names {
		c, known := columnByName[plain(name)]
		if !known {
			continue
		}
		if s.at[c] >= 0 {
			return nil, fmt.Errorf("column %s is there twice", name)
		}
		s.at[c] = i
	}
	s.currentOnly = s.at[colVersionID] < 0 && s.at[colIsLatest] < 0 && s.at[colIsDeleteMarker] < 0
	var missing []string
	for _, c := range s.required() {
		if s.at[c] < 0 {
			missing = append(missing, columnNames[c])
		}
	}
	if len(missing) > 0 {
		return nil, fmt.Errorf("columns are missing: %s", strings.Join(missing, ", "))
	}
	return s, nil
}

// agrees tells whether a data file with these columns can be part of the report:
// it must have what is required, and be about all versions where the report is.
func (s *schema) agrees(names []string) error {
	f, err := newSchema(names)
	if err != nil {
		return err
	}
	if f.currentOnly != s.currentOnly {
		return fmt.Errorf("columns %s, %s and %s are in either the manifest or the file, not both",
			columnNames[colVersionID], columnNames[colIsLatest], columnNames[colIsDeleteMarker])
	}
	return nil
}

// required lists the columns without which a version has no identity.
func (s *schema) required() []column {
	need := []column{colKey, colSize, colLastModified, colETag}
	if !s.currentOnly {
		need = append(need, colVersionID, colIsLatest, colIsDeleteMarker)
	}
	return need
}

// messageColumns gives the names of the top columns in a Parquet schema, such as
// "message s3.inventory { required binary key (UTF8); optional int64 size; }".
func messageColumns(text string) []string {
	words := strings.Fields(strings.NewReplacer("{", " { ", "}", " } ", ";", " ; ").Replace(text))
	var names []string
	depth, start := 0, 0
	for i, w := range words {
		switch w {
		case "{", ";":
			// A statement is "repetition type name …".
			if depth == 1 && i-start >= 3 {
				name, _, _ := strings.Cut(words[start+2], "(")
				names = append(names, name)
			}
			if w == "{" {
				depth++
			}
			start = i + 1
		case "}":
			depth--
			start = i + 1
		}
	}
	return slices.DeleteFunc(names, func(s string) bool { return s == "" })
}
