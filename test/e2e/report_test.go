package e2e

import (
	"bytes"
	"compress/gzip"
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	nouns "cooper" // cooper is the command here
)

type version = nouns.Version

// s3Columns are the columns of a report of all versions, as Amazon writes it.
const s3Columns = "Bucket, Key, VersionId, IsLatest, IsDeleteMarker, Size, LastModifiedDate, ETag, StorageClass, " +
	"IsMultipartUploaded, ReplicationStatus, EncryptionStatus, ObjectLockRetainUntilDate, IntelligentTieringAccessTier, ChecksumAlgorithm"

// reportCmd writes a CSV report of lab as Amazon would, without our own
// writer, so that neither hides the other's mistakes:
//
//	report DIR [date=2026-01-02T01-00Z] [files=N] [shuffle=SEED] [columns=A,B] [more=FILE] [current]
//
// Rows are dealt out to the files one after the other; more adds raw rows.
func reportCmd(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 {
		ts.Fatalf("usage: report DIR [option…]")
	}
	s := ts.Value("server").(*stage)
	r := report{date: "2026-01-02T01-00Z", columns: s3Columns, files: 1, seed: -1}
	for _, a := range args[1:] {
		name, value, _ := strings.Cut(a, "=")
		switch name {
		case "date":
			r.date = value
		case "files":
			r.files = int(number(ts, value))
		case "shuffle":
			r.seed = number(ts, value)
		case "columns":
			r.columns = strings.ReplaceAll(value, ",", ", ")
		case "current":
			r.current = true
		case "more":
			r.more = ts.ReadFile(value)
		default:
			ts.Fatalf("unknown option %s", a)
		}
	}
	ts.Check(r.write(ts.MkAbs(args[0]), s.Versions("lab")))
}

type report struct {
	date, columns, more string
	files               int
	seed                int64
	current             bool
}

func (r *report) write(dir string, versions []version) error {
	at, err := time.Parse("2006-01-02T15-04Z", r.date)
	if err != nil {
		return err
	}
	var rows []string
	for i := range versions {
		if v := &versions[i]; !r.current || v.Latest && !v.DeleteMarker {
			rows = append(rows, r.row(v))
		}
	}
	for line := range strings.Lines(r.more) {
		rows = append(rows, strings.TrimRight(line, "\n"))
	}
	if r.seed >= 0 {
		rand.New(rand.NewPCG(uint64(r.seed), 0)).Shuffle(len(rows), func(i, j int) { rows[i], rows[j] = rows[j], rows[i] })
	}
	texts := make([]string, r.files)
	for i, row := range rows {
		texts[i%r.files] += row + "\n"
	}
	type file struct {
		Key  string `json:"key"`
		Size int    `json:"size"`
		MD5  string `json:"MD5checksum"`
	}
	var files []file
	for i, text := range texts {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		if _, err := z.Write([]byte(text)); err != nil {
			return err
		}
		if err := z.Close(); err != nil {
			return err
		}
		name := fmt.Sprintf("data/%s-%d.csv.gz", r.date, i)
		if err := save(filepath.Join(dir, name), b.Bytes()); err != nil {
			return err
		}
		files = append(files, file{"inventory/lab/daily/" + name, b.Len(), sum(b.Bytes())})
	}
	m, err := json.MarshalIndent(map[string]any{
		"sourceBucket": "lab", "destinationBucket": "arn:aws:s3:::reports", "version": "2016-11-30",
		"creationTimestamp": strconv.FormatInt(at.UnixMilli(), 10), "fileFormat": "CSV", "fileSchema": r.columns, "files": files,
	}, "", "  ")
	if err != nil {
		return err
	}
	if err := save(filepath.Join(dir, r.date, "manifest.json"), m); err != nil {
		return err
	}
	return save(filepath.Join(dir, r.date, "manifest.checksum"), []byte(sum(m)))
}

// row is a version as a line of CSV.
func (r *report) row(v *version) string {
	fields := map[string]string{
		"Bucket": "lab", "Key": strings.ReplaceAll(url.QueryEscape(v.Key), "%2F", "/"), "VersionId": v.VersionID,
		"IsLatest": strconv.FormatBool(v.Latest), "IsDeleteMarker": strconv.FormatBool(v.DeleteMarker),
		"LastModifiedDate": v.LastModified.Time().Format("2006-01-02T15:04:05.000Z"),
		"StorageClass":     v.StorageClass, "EncryptionStatus": v.Encryption, "IntelligentTieringAccessTier": v.Tier, "ChecksumAlgorithm": v.Checksum,
	}
	if v.VersionID == nouns.NullVersion {
		fields["VersionId"] = ""
	}
	if !v.DeleteMarker {
		fields["Size"], fields["ETag"] = strconv.FormatInt(v.Size, 10), v.ETag
		fields["IsMultipartUploaded"] = strconv.FormatBool(strings.Contains(v.ETag, "-"))
	}
	known := strings.Split(s3Columns, ", ")
	var out []string
	for c := range strings.SplitSeq(r.columns, ", ") {
		value := fields[c]
		if !slices.Contains(known, c) {
			value = "what, ever"
		}
		out = append(out, strconv.Quote(value))
	}
	return strings.Join(out, ",")
}

func save(path string, b []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, b, 0o644)
}

func sum(b []byte) string {
	h := md5.Sum(b)
	return hex.EncodeToString(h[:])
}
