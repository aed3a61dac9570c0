package s3report

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cooper"
)

// rowOf is a CSV row, whose key tells which file it came from.
func rowOf(key string) string {
	return `"src","` + key + `","","true","false","1","2024-05-01T10:00:00.000Z","e","STANDARD"` + "\n"
}

func openDir(t *testing.T, files map[string][]byte) (*Report, error) {
	t.Helper()
	return Open(context.Background(), Dir(writeFiles(t, files)), "", Options{})
}

func TestWhereDataFilesAreFound(t *testing.T) {
	x, y := gzipped(t, rowOf("x")), gzipped(t, rowOf("y"))
	m := aManifest(t, CSV, allColumns, map[string][]byte{"P/src/C/data/f.csv.gz": x})
	for name, c := range map[string]struct {
		files map[string][]byte
		under string // the directory to open, if not the top
	}{
		"by key":                 {map[string][]byte{"manifest.json": m, "P/src/C/data/f.csv.gz": x}, ""},
		"data folder":            {map[string][]byte{"2026-11-20T01-00Z/manifest.json": m, "data/f.csv.gz": x}, ""},
		"data folder beside":     {map[string][]byte{"2026-11-20T01-00Z/manifest.json": m, "data/f.csv.gz": x}, "2026-11-20T01-00Z"},
		"flat":                   {map[string][]byte{"manifest.json": m, "f.csv.gz": x}, ""},
		"by key, another beside": {map[string][]byte{"manifest.json": m, "P/src/C/data/f.csv.gz": x, "f.csv.gz": y}, ""},
		"the size tells":         {map[string][]byte{"manifest.json": m, "a/f.csv.gz": append(x[:len(x):len(x)], 0), "b/f.csv.gz": x}, ""},
		"the checksum tells":     {map[string][]byte{"manifest.json": m, "a/f.csv.gz": y, "b/f.csv.gz": x}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := Open(context.Background(), Dir(filepath.Join(writeFiles(t, c.files), c.under)), "", Options{})
			if err != nil {
				t.Fatal(err)
			}
			got, err := readAll(r)
			if err != nil || len(got.versions) != 1 || got.versions[0].Key != "x" {
				t.Errorf("%+v, %v", got, err)
			}
		})
	}
	t.Run("nothing tells", func(t *testing.T) {
		noSum := []byte(strings.Replace(string(m), md5Hex(x), "", 1))
		_, err := openDir(t, map[string][]byte{"manifest.json": noSum, "a/f.csv.gz": x, "b/f.csv.gz": x})
		wantError(t, err, cooper.KindConflict, "a/f.csv.gz, b/f.csv.gz")
	})
	t.Run("the data folder beside dated folders is another's", func(t *testing.T) {
		dir := writeFiles(t, map[string][]byte{"C/2026-11-20T01-00Z/manifest.json": m, "data/f.csv.gz": x})
		_, err := Open(context.Background(), Dir(filepath.Join(dir, "C")), "", Options{})
		wantError(t, err, cooper.KindMissing, "outlived")
	})
	t.Run("copied to another prefix of a bucket", func(t *testing.T) {
		s := newFakeStore()
		s.objects["moved/2026-11-20T01-00Z/manifest.json"], s.objects["moved/data/f.csv.gz"] = m, x
		r, err := Open(context.Background(), s.location(), "moved/2026-11-20T01-00Z", Options{})
		if err != nil {
			t.Fatal(err)
		}
		if got, err := readAll(r); err != nil || len(got.versions) != 1 {
			t.Errorf("%+v, %v", got, err)
		}
	})
}

// Whatever a manifest says, nothing outside of the directory is opened.
func TestHostileManifestsDoNotLeadOut(t *testing.T) {
	secret := gzipped(t, rowOf("secret"))
	outside := writeFiles(t, map[string][]byte{"passwd": secret, "data/passwd": secret, "d/passwd": secret})
	for _, key := range []string{
		"../passwd", "../../passwd", "d/../../passwd", filepath.ToSlash(outside) + "/passwd",
		"/passwd", "//passwd", "link", "folder/passwd", "./link",
	} {
		t.Run(key, func(t *testing.T) {
			dir := filepath.Join(outside, "d", "in")
			if err := os.RemoveAll(dir); err != nil {
				t.Fatal(err)
			}
			if err := os.MkdirAll(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			for name, target := range map[string]string{"link": "../../passwd", "folder": outside, "passwd": filepath.Join(outside, "passwd")} {
				if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
					t.Fatal(err)
				}
			}
			raw := aManifest(t, CSV, allColumns, map[string][]byte{key: secret})
			if err := os.WriteFile(filepath.Join(dir, "sub"), nil, 0o644); err != nil {
				t.Fatal(err)
			}
			if err := os.MkdirAll(filepath.Join(dir, "2026-11-20T01-00Z"), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, "2026-11-20T01-00Z", "manifest.json"), raw, 0o644); err != nil {
				t.Fatal(err)
			}
			_, err := Open(context.Background(), Dir(dir), "", Options{})
			wantError(t, err, cooper.KindMissing, "outlived")
		})
	}
}

func TestLinksWithinTheDirectoryAreFollowed(t *testing.T) {
	x := gzipped(t, rowOf("x"))
	dir := writeFiles(t, map[string][]byte{
		"manifest.json": aManifest(t, CSV, allColumns, map[string][]byte{"p/f.csv.gz": x}), "deep/er/real": x,
	})
	if err := os.Symlink("deep/er/real", filepath.Join(dir, "f.csv.gz")); err != nil {
		t.Fatal(err)
	}
	r, err := Open(context.Background(), Dir(dir), "", Options{})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := readAll(r); err != nil || len(got.versions) != 1 {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestADeniedFolderIsLikeAnEmptyOne(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("nothing is denied to root")
	}
	x := gzipped(t, rowOf("x"))
	dir := writeFiles(t, map[string][]byte{
		"manifest.json": aManifest(t, CSV, allColumns, map[string][]byte{"p/f.csv.gz": x}), "z/f.csv.gz": x, "lost+found/y": nil,
	})
	if err := os.Chmod(filepath.Join(dir, "lost+found"), 0); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = os.Chmod(filepath.Join(dir, "lost+found"), 0o755) }()
	if _, err := Open(context.Background(), Dir(dir), "", Options{}); err != nil {
		t.Error(err)
	}
}
