package e2e

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go"

	"cooper/internal/store/mem"
	"cooper/internal/store/storetest"
	"cooper/test/e2etest"
	"cooper/test/versity"
)

// rcloneProgram is rclone as scripts/peers installs it, or as the machine has it.
func rcloneProgram(t *testing.T) string {
	t.Helper()
	if own, err := filepath.Abs("../../build/tools/rclone"); err == nil {
		if _, err := os.Stat(own); err == nil {
			return own
		}
	}
	path, err := exec.LookPath("rclone")
	if err != nil {
		t.Skip("there is no rclone: scripts/peers installs it")
	}
	return path
}

// TestRcloneReadsWhatWasCompressed: rclone notes the MD5 of what it uploads in
// parts, and compares what it downloads: of compressed objects, too.
func TestRcloneReadsWhatWasCompressed(t *testing.T) {
	t.Parallel()
	rclone := rcloneProgram(t)
	endpoint := versity.Start(t)
	lab := storetest.NewClient(endpoint, versity.AccessKey, versity.SecretKey, "lab")
	lab.CreateBucket(t)
	lab.SetVersioning(t, "Enabled")
	_, ws := e2etest.Pair(t)
	env := append(e2etest.Env(endpoint, ws), "AWS_ACCESS_KEY_ID="+versity.AccessKey, "AWS_SECRET_ACCESS_KEY="+versity.SecretKey,
		"RCLONE_CONFIG="+os.DevNull, "RCLONE_CONFIG_LAB_TYPE=s3", "RCLONE_CONFIG_LAB_PROVIDER=Other", "RCLONE_CONFIG_LAB_ENV_AUTH=true",
		"RCLONE_CONFIG_LAB_ENDPOINT="+endpoint, "RCLONE_CONFIG_LAB_FORCE_PATH_STYLE=true", "RCLONE_S3_UPLOAD_CUTOFF=5M", "RCLONE_S3_CHUNK_SIZE=5M", "RCLONE_RETRIES=1")
	run := func(program string, args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), program, args...)
		cmd.Env = env
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s %s: %v\n%s", filepath.Base(program), strings.Join(args, " "), err, out)
		}
		return string(out)
	}
	var b bytes.Buffer
	for i := 0; b.Len() < 6<<20; i++ {
		fmt.Fprintf(&b, "%d,%d,ok\n", i, i%7)
	}
	plain := b.Bytes()
	dir := t.TempDir()
	from := filepath.Join(dir, "a.csv")
	if err := os.WriteFile(from, plain, 0o600); err != nil {
		t.Fatal(err)
	}
	for mode, stored := range map[string]string{"suffix": "a.csv.zst", "in-place": "a.csv"} {
		run(rclone, "copyto", from, "lab:lab/"+mode+"/a.csv")
		if out := run(rclone, "lsjson", "--hash", "lab:lab/"+mode+"/"); !strings.Contains(out, `"md5":`) {
			t.Fatalf("rclone has noted no MD5, so that this shows nothing: %s", out)
		}
		run(e2etest.Binary(), "compress", "run", "s3://lab/"+mode+"/", "--list", "--yes", "--mode", mode)
		to := filepath.Join(dir, mode)
		run(rclone, "copyto", "lab:lab/"+mode+"/"+stored, to)
		got, err := os.ReadFile(to)
		if err != nil {
			t.Fatal(err)
		}
		dec, err := zstd.NewReader(nil)
		if err != nil {
			t.Fatal(err)
		}
		if back, err := dec.DecodeAll(got, nil); err != nil || !bytes.Equal(back, plain) || len(got) >= len(plain)/2 {
			t.Errorf("%s: %d bytes that are not the content, %v", mode, len(got), err)
		}
		dec.Close()
	}
}

// TestParquetStaysReadable: a file that is read by its footer is left as it is,
// whatever it would save, and DuckDB opens it afterwards; unless it is asked for.
func TestParquetStaysReadable(t *testing.T) {
	t.Parallel()
	type row struct {
		Subject string
		N       int64
	}
	var file bytes.Buffer
	w := parquet.NewGenericWriter[row](&file, parquet.Compression(&parquet.Uncompressed))
	for i := range 20_000 {
		if _, err := w.Write([]row{{fmt.Sprint("subject ", i%3), int64(i % 5)}}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	world := e2etest.NewWorld(t, "Enabled")
	ws := t.TempDir()
	world.Server.Put("lab", "p/a.parquet", file.Bytes(), mem.PutOptions{})
	for _, mode := range []string{"suffix", "in-place"} {
		if out := e2etest.Must(t, world.URL, ws, "compress", "run", "s3://lab/p/", "--list", "--yes", "--again", "--mode", mode); !strings.Contains(out.Stdout, "read by ranges: parquet") {
			t.Errorf("%s: %s", mode, out)
		}
	}
	is, _ := world.Server.Body("lab", "p/a.parquet", "")
	name := filepath.Join(t.TempDir(), "a.parquet")
	if err := os.WriteFile(name, is, 0o600); err != nil {
		t.Fatal(err)
	}
	if out := e2etest.Must(t, world.URL, ws, "ledger", "sql", "SELECT count(*) AS n FROM '"+name+"'", "--json"); !strings.Contains(out.Stdout, "20000") {
		t.Errorf("DuckDB reads: %s", out)
	}
	// What was left for that is taken up when it is asked for.
	if out := e2etest.Must(t, world.URL, ws, "compress", "run", "s3://lab/p/", "--list", "--yes", "--ranged"); !strings.Contains(out.Stdout, "1 rewrite done") {
		t.Errorf("--ranged: %s", out)
	}
	if _, there := world.Server.Body("lab", "p/a.parquet.zst", ""); !there {
		t.Error("nothing was written")
	}
}
