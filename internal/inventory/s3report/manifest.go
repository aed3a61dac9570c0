package s3report

import (
	"bytes"
	"context"
	"crypto/md5" //nolint:gosec // what S3 signs its reports with
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"strconv"
	"strings"

	"cooper"
)

// The formats of data files, as manifests name them. ORC is read only.
const (
	CSV     = "CSV"
	Parquet = "Parquet"
	ORC     = "ORC"
)

// maxManifest is the largest manifest worth believing in, in bytes: some
// 300,000 data files. It is a 32nd of the memory as well, as its files, taken apart, are
// some times as large.
const (
	maxManifest   = 64 << 20
	manifestShare = 32
)

// manifest is a manifest.json.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/storage-inventory-location.html
type manifest struct {
	SourceBucket      string    `json:"sourceBucket"`
	DestinationBucket string    `json:"destinationBucket"`
	Version           string    `json:"version"`
	CreationTimestamp timestamp `json:"creationTimestamp"`
	FileFormat        string    `json:"fileFormat"`
	FileSchema        string    `json:"fileSchema"`
	Files             fileList  `json:"files"`

	taken cooper.Instant
}

// manifestFile is a data file. MD5 may be empty in reports of other stores than
// S3; S3 always gives it.
type manifestFile struct {
	Key  string `json:"key"`
	Size *int64 `json:"size"` // in bytes
	MD5  string `json:"MD5checksum"`
}

// fileList is read file by file, so that a list of nothing takes no memory.
type fileList []manifestFile

// UnmarshalJSON refuses files without a key. null is no file, as of reports of an
// empty bucket that a program wrote.
func (l *fileList) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		*l = nil
		return nil
	}
	d := json.NewDecoder(bytes.NewReader(b))
	if start, err := d.Token(); err != nil || start != json.Delim('[') {
		return errors.Join(errors.New("files is no list"), err)
	}
	*l = nil
	for d.More() {
		var f manifestFile
		if err := d.Decode(&f); err != nil {
			return err
		}
		if f.Key == "" {
			return fmt.Errorf("file %d has no name", len(*l)+1)
		}
		*l = append(*l, f)
	}
	return nil
}

// timestamp is milliseconds since 1970, which S3 writes as a string.
type timestamp string

// UnmarshalJSON takes a number, too.
func (t *timestamp) UnmarshalJSON(b []byte) error {
	*t = timestamp(bytes.Trim(b, `"`))
	return nil
}

// MarshalJSON writes what S3 writes.
func (t timestamp) MarshalJSON() ([]byte, error) { return json.Marshal(string(t)) }

// readManifest reads a manifest and compares it with its checksum, where there
// is one. Of memory bytes it takes its share; with 0 the files are left out.
func readManifest(ctx context.Context, loc Location, name string, memory int64) (*manifest, error) {
	most := int64(maxManifest)
	if memory > 0 {
		most = min(most, memory/manifestShare)
	}
	raw, err := readSmall(ctx, loc, name, most)
	if err != nil {
		return nil, err
	}
	sum, err := readSmall(ctx, loc, path.Join(path.Dir(name), checksumName), 1<<10)
	switch kind := cooper.KindOf(err); {
	case err == nil:
		have := md5.Sum(raw) //nolint:gosec // see above
		if !strings.EqualFold(strings.TrimSpace(string(sum)), hex.EncodeToString(have[:])) {
			return nil, &cooper.Error{
				Kind: cooper.KindCorrupt, Where: full(loc, name),
				Message: "the manifest does not match " + checksumName,
				Remedy:  "Fetch both again, or take another report with --date.",
			}
		}
	case kind != cooper.KindMissing && kind != cooper.KindDenied:
		return nil, err
	}
	m, err := parseManifest(raw, memory > 0)
	if err != nil {
		return nil, &cooper.Error{Kind: cooper.KindInvalid, Where: full(loc, name), Message: "this is no S3 Inventory manifest", Err: err}
	}
	return m, nil
}

// parseManifest reads and checks the JSON. Its errors are plain: the caller
// knows where it was.
func parseManifest(raw []byte, files bool) (*manifest, error) {
	m := &manifest{}
	var into any = m
	if !files {
		into = &struct {
			*manifest
			Files json.RawMessage `json:"files"` // in place of the other's
		}{manifest: m}
	}
	if err := json.Unmarshal(raw, into); err != nil {
		return nil, err
	}
	m.SourceBucket = strings.TrimPrefix(m.SourceBucket, "arn:aws:s3:::")
	if m.SourceBucket == "" {
		return nil, fmt.Errorf("sourceBucket is missing")
	}
	ms, err := strconv.ParseInt(string(m.CreationTimestamp), 10, 64)
	// S3 began in 2006; smaller numbers are seconds, or nothing at all.
	if err != nil || ms < 1e12 || ms >= 1e14 {
		return nil, fmt.Errorf("creationTimestamp %q is no time in milliseconds", string(m.CreationTimestamp))
	}
	m.taken = cooper.Instant(ms)
	seen := make(map[string]bool, len(m.Files))
	for i := range m.Files {
		f := &m.Files[i]
		switch _, err := hex.DecodeString(f.MD5); {
		case path.Base(f.Key) == "." || path.Base(f.Key) == ".." || path.Base(f.Key) == "/":
			return nil, fmt.Errorf("file %d has no name: key %q", i+1, f.Key)
		case f.Size != nil && *f.Size < 0:
			return nil, fmt.Errorf("file %q: size %d", f.Key, *f.Size)
		case err != nil || (f.MD5 != "" && len(f.MD5) != 32):
			return nil, fmt.Errorf("file %q: MD5checksum %q", f.Key, f.MD5)
		case seen[f.Key]:
			return nil, fmt.Errorf("file %q is named twice", f.Key)
		}
		seen[f.Key] = true
		f.MD5 = strings.ToLower(f.MD5)
	}
	return m, nil
}

// readSmall reads a whole file of at most limit bytes.
func readSmall(ctx context.Context, loc Location, name string, limit int64) (_ []byte, err error) {
	body, _, err := loc.Open(ctx, name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = body.Close() }()
	raw, err := io.ReadAll(io.LimitReader(body, limit+1))
	if err != nil {
		return nil, &cooper.Error{Kind: kindOfRead(err), Where: full(loc, name), Message: "reading it", Err: err}
	}
	if int64(len(raw)) > limit {
		return nil, &cooper.Error{Kind: cooper.KindInvalid, Where: full(loc, name), Message: fmt.Sprintf("larger than %d bytes", limit)}
	}
	return raw, nil
}

// kindOfRead keeps the kind of an error met while reading a body, where it has
// one of its own.
func kindOfRead(err error) cooper.Kind {
	if kind := cooper.KindOf(err); kind != cooper.KindInternal {
		return kind
	}
	return cooper.KindStore
}
