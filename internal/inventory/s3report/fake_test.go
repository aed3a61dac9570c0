package s3report

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"cooper"
	"cooper/internal/inventory"
	"cooper/internal/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// rows is a Sink that keeps copies.
type rows struct {
	versions []cooper.Version
	rejected []inventory.Rejected
}

func (r *rows) Version(v *cooper.Version) error {
	c := *v
	for _, s := range []*string{&c.Key, &c.VersionID, &c.ETag, &c.StorageClass, &c.Tier, &c.Encryption, &c.Checksum} {
		*s = strings.Clone(*s)
	}
	r.versions = append(r.versions, c)
	return nil
}

func (r *rows) Reject(x inventory.Rejected) error {
	x.Key = bytes.Clone(x.Key)
	r.rejected = append(r.rejected, x)
	return nil
}

// readAll reads every part of a report.
func readAll(r *Report) (*rows, error) {
	got := &rows{}
	for _, p := range r.Parts() {
		if err := p.Read(context.Background(), got); err != nil {
			return got, err
		}
	}
	return got, nil
}

// fakeStore is a bucket in memory: a Reader, Lister and Writer.
type fakeStore struct {
	objects map[string][]byte
	puts    []string
	// damage, if any, changes the body of each GET.
	damage func(key string, from int64, body []byte) io.Reader
	gets   int
}

func (s *fakeStore) Get(_ context.Context, ref store.Ref, r store.Range) (store.Object, io.ReadCloser, error) {
	b, ok := s.objects[ref.Key]
	if !ok {
		return store.Object{}, nil, &cooper.Error{Kind: cooper.KindMissing, Where: ref.Key, Message: "no such key"}
	}
	s.gets++
	o := store.Object{Key: ref.Key, Size: int64(len(b)), ETag: md5Hex(b)}
	if ref.IfMatch != "" && ref.IfMatch != o.ETag {
		return o, nil, &cooper.Error{Kind: cooper.KindChanged, Where: ref.Key, Message: "changed"}
	}
	b = b[r.From:]
	if s.damage != nil {
		return o, io.NopCloser(s.damage(ref.Key, r.From, bytes.Clone(b))), nil
	}
	return o, io.NopCloser(bytes.NewReader(b)), nil
}

func (s *fakeStore) Head(_ context.Context, ref store.Ref, _ int) (store.Object, error) {
	b, ok := s.objects[ref.Key]
	if !ok {
		return store.Object{}, &cooper.Error{Kind: cooper.KindMissing, Where: ref.Key, Message: "no such key"}
	}
	return store.Object{Key: ref.Key, Size: int64(len(b))}, nil
}

func (s *fakeStore) List(_ context.Context, q store.ListQuery, page func([]cooper.Version, []string) error) error {
	if !q.Current {
		return errors.New("the versions of reports are of no interest")
	}
	var vs []cooper.Version
	folders := map[string]bool{}
	for key, b := range s.objects {
		rest, ok := strings.CutPrefix(key, q.Prefix)
		if !ok {
			continue
		}
		if dir, _, ok := strings.Cut(rest, q.Delimiter); ok && q.Delimiter != "" {
			folders[q.Prefix+dir+q.Delimiter] = true
			continue
		}
		vs = append(vs, cooper.Version{Identity: cooper.Identity{Key: key, Size: int64(len(b))}})
	}
	var prefixes []string
	for f := range folders {
		prefixes = append(prefixes, f)
	}
	sort.Strings(prefixes)
	return page(vs, prefixes)
}

func (s *fakeStore) Versioning(context.Context) (string, error) { return "", nil }

func (s *fakeStore) Put(_ context.Context, p store.Put) (store.Object, error) {
	b, err := io.ReadAll(p.Body)
	if err != nil {
		return store.Object{}, err
	}
	if int64(len(b)) != p.Size {
		return store.Object{}, fmt.Errorf("%s: %d bytes announced, %d came", p.Key, p.Size, len(b))
	}
	s.objects[p.Key] = b
	s.puts = append(s.puts, p.Key)
	return store.Object{Key: p.Key}, nil
}

func newFakeStore() *fakeStore { return &fakeStore{objects: map[string][]byte{}} }

func (s *fakeStore) location() Location { return Bucket(s, s, "s3://reports") }

func md5Hex(b []byte) string {
	sum := md5.Sum(b)
	return hex.EncodeToString(sum[:])
}

func gzipped(t testing.TB, text string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

const allColumns = "Bucket, Key, VersionId, IsLatest, IsDeleteMarker, Size, LastModifiedDate, ETag, StorageClass"

// aManifest makes a manifest of files, by key.
func aManifest(t testing.TB, format, schema string, files map[string][]byte) []byte {
	t.Helper()
	m := manifest{
		SourceBucket: "src", DestinationBucket: "arn:aws:s3:::reports", Version: "2016-11-30",
		CreationTimestamp: "1795136400000", FileFormat: format, FileSchema: schema,
	}
	for key, b := range files {
		size := int64(len(b))
		m.Files = append(m.Files, manifestFile{Key: key, Size: &size, MD5: md5Hex(b)})
	}
	sort.Slice(m.Files, func(i, j int) bool { return m.Files[i].Key < m.Files[j].Key })
	raw, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// writeFiles makes files under a new directory.
func writeFiles(t testing.TB, files map[string][]byte) string {
	t.Helper()
	dir := t.TempDir()
	for name, b := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// aReport is a directory with one report of one CSV file.
func aReport(t testing.TB, schema, text string) *Report {
	t.Helper()
	data := gzipped(t, text)
	dir := writeFiles(t, map[string][]byte{
		"manifest.json": aManifest(t, CSV, schema, map[string][]byte{"p/src/c/data/x.csv.gz": data}),
		"x.csv.gz":      data,
	})
	r, err := Open(context.Background(), Dir(dir), "", Options{})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// wantError checks kind and wording of an error.
func wantError(t testing.TB, err error, kind cooper.Kind, words string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want %s: …%s…", kind, words)
	}
	if cooper.KindOf(err) != kind || !strings.Contains(err.Error(), words) {
		t.Fatalf("got %s: %v, want %s: …%s…", cooper.KindOf(err), err, kind, words)
	}
}
