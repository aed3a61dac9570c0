package e2etest

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

	"cooper"
)

// S3Columns are the columns of a report of all versions, as Amazon writes it.
const S3Columns = "Bucket, Key, VersionId, IsLatest, IsDeleteMarker, Size, LastModifiedDate, ETag, StorageClass, " +
	"IsMultipartUploaded, ReplicationStatus, EncryptionStatus, ObjectLockRetainUntilDate, IntelligentTieringAccessTier, ChecksumAlgorithm"

// Report is one in CSV as Amazon would write it, without our own writer, so that
// neither hides the other's mistakes. Rows are dealt out to the files one after the
// other, in an order that follows from Seed unless that is negative; More are raw rows.
type Report struct {
	Date, Columns, More string
	Files               int
	Seed                int64
	Current             bool // of current versions only
}

// NewReport is one of all versions in one file, in the order in which it gets them.
func NewReport(date string) *Report {
	return &Report{Date: date, Columns: S3Columns, Files: 1, Seed: -1}
}

// Write writes it below dir.
func (r *Report) Write(dir string, versions []cooper.Version) error {
	at, err := time.Parse("2006-01-02T15-04Z", r.Date)
	if err != nil {
		return err
	}
	var rows []string
	for i := range versions {
		if v := &versions[i]; !r.Current || v.Latest && !v.DeleteMarker {
			rows = append(rows, r.row(v))
		}
	}
	for line := range strings.Lines(r.More) {
		rows = append(rows, strings.TrimRight(line, "\n"))
	}
	if r.Seed >= 0 {
		rand.New(rand.NewPCG(uint64(r.Seed), 0)).Shuffle(len(rows), func(i, j int) { rows[i], rows[j] = rows[j], rows[i] })
	}
	texts := make([]string, r.Files)
	for i, row := range rows {
		texts[i%r.Files] += row + "\n"
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
		name := fmt.Sprintf("data/%s-%d.csv.gz", r.Date, i)
		if err := Save(filepath.Join(dir, name), b.Bytes()); err != nil {
			return err
		}
		files = append(files, file{"inventory/lab/daily/" + name, b.Len(), Sum(b.Bytes())})
	}
	m, err := json.MarshalIndent(map[string]any{
		"sourceBucket": "lab", "destinationBucket": "arn:aws:s3:::reports", "version": "2016-11-30",
		"creationTimestamp": strconv.FormatInt(at.UnixMilli(), 10), "fileFormat": "CSV", "fileSchema": r.Columns, "files": files,
	}, "", "  ")
	if err != nil {
		return err
	}
	if err := Save(filepath.Join(dir, r.Date, "manifest.json"), m); err != nil {
		return err
	}
	return Save(filepath.Join(dir, r.Date, "manifest.checksum"), []byte(Sum(m)))
}

// row is a version as a line of CSV.
func (r *Report) row(v *cooper.Version) string {
	fields := map[string]string{
		"Bucket": "lab", "Key": strings.ReplaceAll(url.QueryEscape(v.Key), "%2F", "/"), "VersionId": v.VersionID,
		"IsLatest": strconv.FormatBool(v.Latest), "IsDeleteMarker": strconv.FormatBool(v.DeleteMarker),
		"LastModifiedDate": v.LastModified.Time().Format("2006-01-02T15:04:05.000Z"),
		"StorageClass":     v.StorageClass, "EncryptionStatus": v.Encryption, "IntelligentTieringAccessTier": v.Tier, "ChecksumAlgorithm": v.Checksum,
	}
	if v.VersionID == cooper.NullVersion {
		fields["VersionId"] = ""
	}
	if !v.DeleteMarker {
		fields["Size"], fields["ETag"] = strconv.FormatInt(v.Size, 10), v.ETag
		fields["IsMultipartUploaded"] = strconv.FormatBool(strings.Contains(v.ETag, "-"))
	}
	known := strings.Split(S3Columns, ", ")
	var out []string
	for c := range strings.SplitSeq(r.Columns, ", ") {
		value := fields[c]
		if !slices.Contains(known, c) {
			value = "what, ever"
		}
		out = append(out, strconv.Quote(value))
	}
	return strings.Join(out, ",")
}

// Save writes a file, and makes the directories for it.
func Save(path string, b []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, b, 0o644)
}

// Sum is the MD5 as manifests have it.
func Sum(b []byte) string {
	h := md5.Sum(b)
	return hex.EncodeToString(h[:])
}
