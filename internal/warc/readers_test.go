package warc

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Each prints the digest of each answer's body, by its own reading of the file, and fails where it
// finds one that is not as the record says.
const (
	byWarcio = `
import base64, hashlib, sys
from warcio.archiveiterator import ArchiveIterator
for r in ArchiveIterator(open(sys.argv[1], "rb"), check_digests="raise"):
    if r.rec_type == "response":
        print(base64.b32encode(hashlib.sha1(r.content_stream().read()).digest()).decode())
`
	byFastWARC = `
import base64, hashlib, sys
from fastwarc.warc import ArchiveIterator, WarcRecordType
for r in ArchiveIterator(open(sys.argv[1], "rb"), parse_http=False, record_types=WarcRecordType.response):
    assert r.verify_block_digest(), r.record_id
    r.parse_http()
    assert r.verify_payload_digest(), r.record_id
    print(base64.b32encode(hashlib.sha1(r.reader.read()).digest()).decode())
`
)

// TestOtherReaders: warcio, FastWARC and jwarc read every record, and find every body to be what it
// was, whatever servers and clients have put around it.
func TestOtherReaders(t *testing.T) {
	dir := os.Getenv("COOPER_WARC_READERS")
	if dir == "" {
		t.Skip("no other readers of WARC are there: scripts/warcreaders DIR, then COOPER_WARC_READERS=DIR")
	}
	file, ends := written(t, hostile)
	path := filepath.Join(t.TempDir(), "000001.warc.gz")
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	run := func(name string, args ...string) string {
		t.Helper()
		out, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput()
		if err != nil {
			t.Errorf("%s: %v\n%s", args[0], err, out)
		}
		return string(out)
	}
	var want []string
	for i := range hostile {
		want = append(want, Sum(hostile[i].Body).String())
	}
	for name, program := range map[string]string{"warcio": byWarcio, "FastWARC": byFastWARC} {
		if got := strings.Fields(run(filepath.Join(dir, "python/bin/python"), "-c", program, path)); !slices.Equal(got, want) {
			t.Errorf("%s reads %q, not %q", name, got, want)
		}
	}
	jwarc := filepath.Join(dir, "jwarc.jar")
	run("java", "-jar", jwarc, "validate", path)
	if n := strings.Count(strings.TrimSpace(run("java", "-jar", jwarc, "ls", path)), "\n") + 1; n != len(ends) {
		t.Errorf("jwarc lists %d of %d records", n, len(ends))
	}
	for i := range hostile {
		if got := run("java", "-jar", jwarc, "extract", "--payload", path, fmt.Sprint(ends[i])); got != string(hostile[i].Body) {
			t.Errorf("%q: jwarc reads %.100q, not %.100q", hostile[i].URL, got, hostile[i].Body)
		}
	}
}
