package s3report

import (
	"bytes"
	"context"
	"crypto/md5" //nolint:gosec // what S3 signs its reports with
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"

	"cooper"
	"cooper/internal/store"
)

// DefaultMaxRows is how many rows a data file has at most where nothing else is
// said.
const DefaultMaxRows = 2_000_000

// WriteOptions describe a report to be written.
type WriteOptions struct {
	// Prefix comes before SOURCE/CONFIG/ in all keys; it may be empty.
	Prefix       string
	SourceBucket string
	ConfigID     string
	Format       string // CSV or Parquet
	// TakenAt is the moment the report speaks of; it names its folder, to the
	// minute.
	TakenAt cooper.Instant
	// MaxRows is how many rows a data file has at most; 0: DefaultMaxRows.
	MaxRows int64
	// DestinationBucket is where the report goes.
	DestinationBucket string
	// CurrentOnly leaves out what reports of current versions do not have.
	CurrentOnly bool
	// TempDir is where a data file is made before it is sent. Empty: the system's.
	TempDir string
}

// Versions is what a report is written of: a pull of versions until io.EOF.
type Versions interface {
	Next() (*cooper.Version, error)
}

// Write writes a report into a bucket just as S3 does, and gives the key of its
// manifest. The manifest's checksum is written last: until then nobody takes
// the report for whole. Writing the same versions again writes the same keys.
func Write(ctx context.Context, w store.Writer, opt WriteOptions, versions Versions) (manifestKey string, err error) {
	return write(ctx, storeOutput{w}, opt, versions)
}

// WriteDir does the same under a directory, and gives the manifest's path
// within it.
func WriteDir(ctx context.Context, dir string, opt WriteOptions, versions Versions) (manifestName string, err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", &cooper.Error{Kind: cooper.KindInternal, Where: dir, Message: "making the directory", Err: err}
	}
	return write(ctx, dirOutput{dir}, opt, versions)
}

// output takes the files of a report.
type output interface {
	put(ctx context.Context, key, contentType string, size int64, body io.ReadSeeker) error
}

type reportWriter struct {
	out      output
	opt      WriteOptions
	base     string // PREFIX/SOURCE/CONFIG/
	manifest manifest
}

func write(ctx context.Context, out output, opt WriteOptions, versions Versions) (string, error) {
	if opt.SourceBucket == "" || opt.ConfigID == "" || opt.TakenAt <= 0 || (opt.Format != CSV && opt.Format != Parquet) {
		return "", &cooper.Error{
			Kind: cooper.KindUsage, Message: "a report needs a source bucket, a configuration's name, a time, and CSV or Parquet for its format",
		}
	}
	if opt.MaxRows <= 0 {
		opt.MaxRows = DefaultMaxRows
	}
	w := &reportWriter{out: out, opt: opt, base: folderOf(opt.Prefix) + opt.SourceBucket + "/" + opt.ConfigID + "/"}
	w.manifest = manifest{
		SourceBucket:      opt.SourceBucket,
		DestinationBucket: "arn:aws:s3:::" + opt.DestinationBucket,
		Version:           "2016-11-30",
		CreationTimestamp: timestamp(fmt.Sprint(int64(opt.TakenAt))),
		FileFormat:        opt.Format,
		FileSchema:        fileSchema(opt.Format, opt.CurrentOnly),
		Files:             []manifestFile{},
	}
	for {
		more, err := w.dataFile(ctx, versions)
		if err != nil {
			return "", err
		}
		if !more {
			return w.finish(ctx)
		}
	}
}

// dataFile writes the next data file, and tells whether there may be more.
func (w *reportWriter) dataFile(ctx context.Context, versions Versions) (more bool, err error) {
	file, err := tempFile(w.opt.TempDir)
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, discard(file)) }()
	enc := newEncoder(file, &w.opt)
	rows := int64(0)
	for more = true; more && rows < w.opt.MaxRows; {
		if err := ctx.Err(); err != nil {
			return false, err
		}
		v, err := versions.Next()
		switch {
		case errors.Is(err, io.EOF):
			more = false
			continue
		case err != nil:
			return false, err
		}
		if err := enc.add(v); err != nil {
			return false, tempError(err, file.Name())
		}
		rows++
	}
	if err := enc.close(); err != nil {
		return false, tempError(err, file.Name())
	}
	if rows == 0 {
		return false, nil
	}
	return more, w.send(ctx, file)
}

// send writes a finished data file to its place, and enters it in the manifest.
func (w *reportWriter) send(ctx context.Context, file *os.File) error {
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return tempError(err, file.Name())
	}
	h := md5.New() //nolint:gosec // see above
	size, err := io.Copy(h, file)
	if err != nil {
		return tempError(err, file.Name())
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return tempError(err, file.Name())
	}
	sum := hex.EncodeToString(h.Sum(nil))
	ending, contentType := ".csv.gz", "application/gzip"
	if w.opt.Format == Parquet {
		ending, contentType = ".parquet", "application/vnd.apache.parquet"
	}
	key := w.base + "data/" + uuidOf(w.base, fmt.Sprint(len(w.manifest.Files)), sum) + ending
	if err := w.out.put(ctx, key, contentType, size, file); err != nil {
		return err
	}
	w.manifest.Files = append(w.manifest.Files, manifestFile{Key: key, Size: &size, MD5: sum})
	return nil
}

// finish writes what makes data files a report, the proof that it is whole last.
func (w *reportWriter) finish(ctx context.Context) (string, error) {
	raw, err := json.MarshalIndent(&w.manifest, "", "  ")
	if err != nil {
		return "", &cooper.Error{Kind: cooper.KindInternal, Message: "writing the manifest", Err: err}
	}
	var links strings.Builder
	for _, f := range w.manifest.Files {
		fmt.Fprintf(&links, "s3://%s/%s\n", w.opt.DestinationBucket, f.Key)
	}
	sum := md5.Sum(raw) //nolint:gosec // see above
	at := w.opt.TakenAt.Time()
	folder := w.base + at.Format(dateLayout) + "/"
	for _, f := range []struct{ key, contentType, text string }{
		{w.base + "hive/dt=" + at.Format("2006-01-02-15-04") + "/symlink.txt", "text/plain", links.String()},
		{folder + manifestName, "application/json", string(raw)},
		{folder + checksumName, "text/plain", hex.EncodeToString(sum[:])},
	} {
		if err := w.out.put(ctx, f.key, f.contentType, int64(len(f.text)), bytes.NewReader([]byte(f.text))); err != nil {
			return "", err
		}
	}
	return folder + manifestName, nil
}

// uuidOf makes a name in the form of a UUID that follows from what is named.
func uuidOf(parts ...string) string {
	h := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return fmt.Sprintf("%x-%x-%x-%x-%x", h[:4], h[4:6], h[6:8], h[8:10], h[10:16])
}

type storeOutput struct{ w store.Writer }

func (s storeOutput) put(ctx context.Context, key, contentType string, size int64, body io.ReadSeeker) error {
	_, err := s.w.Put(ctx, store.Put{Key: key, Size: size, Body: body, ContentType: contentType})
	return err
}

// dirOutput writes under a directory, never out of it; every file appears
// whole.
type dirOutput struct{ dir string }

func (d dirOutput) put(_ context.Context, key, _ string, _ int64, body io.ReadSeeker) (err error) {
	fail := func(err error) error {
		e := &cooper.Error{Kind: cooper.KindInternal, Where: path.Join(d.dir, key), Message: "writing the report", Err: err}
		if isFull(err) {
			e.Kind, e.Remedy = cooper.KindFull, "Make room there."
		}
		return e
	}
	root, err := os.OpenRoot(d.dir)
	if err != nil {
		return fail(err)
	}
	defer func() { _ = root.Close() }()
	if err := root.MkdirAll(path.Dir(key), 0o755); err != nil {
		return fail(err)
	}
	part := key + ".part"
	if err := fillFile(root, part, body); err != nil {
		return fail(errors.Join(err, root.Remove(part)))
	}
	if err := root.Rename(part, key); err != nil {
		return fail(err)
	}
	return nil
}

func fillFile(root *os.Root, name string, body io.Reader) error {
	f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, body)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}
