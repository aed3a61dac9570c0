package unpack

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"cooper/internal/address"
	"cooper/internal/handleid"
)

// shared is where made-up platforms with exact answers lie, beside the repository.
const shared = "../../../shared/gc"

// platform reads what stands in a platform's folder; the test is skipped without it.
func platform(t *testing.T, name string) (dump string, expected func(file, association string) []string, objects map[string][]byte) {
	t.Helper()
	dir := filepath.Join(shared, name)
	if _, err := os.Stat(dir); errors.Is(err, os.ErrNotExist) {
		t.Skipf("%s is not there", dir)
	}
	expected = func(file, association string) (rows []string) {
		data, err := os.ReadFile(filepath.Join(dir, "expected", file))
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(data)) {
			if rest, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), association+"\t"); ok {
				rows = append(rows, rest)
			}
		}
		return rows
	}
	objects = map[string][]byte{}
	if data, err := os.ReadFile(filepath.Join(dir, "objects.tar.gz")); err == nil {
		z, err := gzip.NewReader(bytes.NewReader(data))
		check(err)
		for r := tar.NewReader(z); ; {
			h, err := r.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			check(err)
			objects[h.Name], err = io.ReadAll(r)
			check(err)
		}
	}
	data, err := os.ReadFile(filepath.Join(dir, "dump.sql.gz"))
	check(err)
	z, err := gzip.NewReader(bytes.NewReader(data))
	check(err)
	text, err := io.ReadAll(z)
	check(err)
	return string(text), expected, objects
}

// inserted gives the rows that INSERT statements of a dump put into a table: nil, texts, bytes.
func inserted(dump, table string) (rows [][]any) {
	for line := range strings.Lines(dump) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "INSERT INTO ") {
			dump = strings.TrimPrefix(line, "INSERT INTO ")
			dump, _, _ = strings.Cut(dump, " ")
			continue
		}
		if dump != table || !strings.HasPrefix(line, "(") {
			continue
		}
		var row []any
		for s := line[1:]; len(s) > 0 && s[0] != ')'; s = strings.TrimPrefix(s, ",") {
			switch {
			case s[0] == '\'':
				var b strings.Builder
				i := 1
				for ; s[i] != '\''; i++ {
					if s[i] == '\\' {
						i++
					}
					b.WriteByte(s[i])
				}
				row, s = append(row, b.String()), s[i+1:]
			default:
				n := strings.IndexAny(s, ",)")
				switch word := s[:n]; {
				case word == "NULL":
					row = append(row, nil)
				case strings.HasPrefix(word, "0x"):
					b, err := hex.DecodeString(word[2:])
					check(err)
					row = append(row, b)
				default:
					row = append(row, word)
				}
				s = s[n:]
			}
		}
		rows = append(rows, row)
	}
	return rows
}

// copied gives the rows that COPY puts into a table.
func copied(dump, table string) (rows [][]any) {
	_, rest, _ := strings.Cut(dump, "COPY "+table+" (")
	_, rest, _ = strings.Cut(rest, "\n")
	rest, _, _ = strings.Cut(rest, "\\.\n")
	unescape := strings.NewReplacer(`\\`, `\`, `\t`, "\t", `\n`, "\n", `\r`, "\r")
	for line := range strings.Lines(rest) {
		var row []any
		for field := range strings.SplitSeq(strings.TrimSuffix(line, "\n"), "\t") {
			if field == `\N` {
				row = append(row, nil)
			} else {
				row = append(row, unescape.Replace(field))
			}
		}
		rows = append(rows, row)
	}
	return rows
}

// scan reads values by a Spec, as a scan would, and holds them against what is expected.
type scan struct {
	association string
	spec        Spec
	prefix      string // before the ids
	rows        [][]any
	object, key []int
	value       int
	// there tells whose an address is, if it is there.
	there func(address.Place) string
}

func (s scan) run(t *testing.T, o Options, expected func(file, association string) []string) {
	t.Helper()
	f, err := Compile(s.spec, o)
	if err != nil {
		t.Fatal(err)
	}
	text := func(row []any, columns []int) string {
		var parts []string
		for _, c := range columns {
			parts = append(parts, row[c].(string))
		}
		return strings.Join(parts, ",")
	}
	var links, malformed []string
	for _, row := range s.rows {
		r, err := f.Read(t.Context(), row[s.value], nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range r.Values {
			for _, h := range s.handles(v) {
				links = append(links, text(row, s.object)+"\t"+h)
			}
		}
		if r.Malformed != "" {
			malformed = append(malformed, text(row, s.key))
			t.Logf("%s: %s", malformed[len(malformed)-1], r.Malformed)
		}
	}
	slices.Sort(links)
	links = slices.Compact(links)
	want := expected("links.tsv", s.association)
	if s.association == "documents.meta" {
		slices.Sort(want)
	}
	if !slices.Equal(links, want) {
		t.Errorf("links: %d, want %d", len(links), len(want))
		for _, l := range links {
			if !slices.Contains(want, l) {
				t.Errorf("too many: %s", l)
			}
		}
		for _, l := range want {
			if !slices.Contains(links, l) {
				t.Errorf("missing: %s", l)
			}
		}
	}
	var keys []string
	for _, m := range expected("malformed.tsv", s.association) {
		if key := strings.Split(m, "\t")[1]; !strings.Contains(m, "object not there") {
			keys = append(keys, key)
		}
	}
	slices.Sort(malformed)
	if !slices.Equal(malformed, keys) {
		t.Errorf("malformed: %v, want %v", malformed, keys)
	}
}

func (s scan) handles(v Value) (hs []string) {
	if v.Kind == ID {
		return []string{s.prefix + v.Text}
	}
	for _, p := range v.Found.Places {
		if h := s.there(p); h != "" {
			hs = append(hs, s.prefix+h)
		}
	}
	if len(hs) == 0 && !v.Found.Guess {
		p := v.Found.Places[0]
		hs = append(hs, "key:"+p.Bucket+"/"+p.Key)
	}
	return hs
}

func TestPlatformOfBlobs(t *testing.T) {
	dump, expected, objects := platform(t, "platform")
	xml := func(at ...string) Spec { return Spec{As: []string{"gzip", "xml"}, At: at, ID: handleid.Integer} }
	var columns []any
	for _, row := range inserted(dump, "COLUMN_MODEL") {
		if row[2] == "FILEHANDLEID" {
			columns = append(columns, row[0])
		}
	}
	var changes [][]any
	for _, row := range inserted(dump, "TABLE_ROW_CHANGE") {
		if body, ok := objects[row[4].(string)+"/"+row[5].(string)]; ok && row[8] == "1" {
			changes = append(changes, []any{row[0], row[1], body})
		}
	}
	for _, s := range []scan{
		{association: "WikiAttachment.list", spec: Spec{Split: ",", Match: `(\d+):[^:]+`}, rows: inserted(dump, "V2_WIKI_MARKDOWN"), object: []int{0}, key: []int{0, 2}, value: 5},
		{association: "TeamAttachment", spec: xml("/*/icon"), rows: inserted(dump, "TEAM"), object: []int{0}, key: []int{0}, value: 1},
		{association: "AccessRequirementAttachment", spec: xml("/*/ducTemplateFileHandleId"), rows: inserted(dump, "ACCESS_REQUIREMENT_REVISION"), object: []int{0}, key: []int{0, 1}, value: 2},
		{association: "DataAccessRequestAttachment", spec: xml("/*/ducFileHandleId", "/*/irbFileHandleId", "/*/attachments/string"), rows: inserted(dump, "DATA_ACCESS_REQUEST"), object: []int{0}, key: []int{0}, value: 1},
		{association: "DataAccessSubmissionAttachment", spec: xml("/*/ducFileHandleId", "/*/irbFileHandleId", "/*/attachments/string"), rows: inserted(dump, "DATA_ACCESS_SUBMISSION"), object: []int{0}, key: []int{0}, value: 1},
		{association: "TableEntity", spec: Spec{As: []string{"gzip", "json"}, At: []string{".rows[].values[] | select(.[0] | IN($columns[])) | .[1]"}}, rows: changes, object: []int{1}, key: []int{0}, value: 2},
	} {
		t.Run(s.association, func(t *testing.T) { s.run(t, Options{Lookups: map[string][]any{"columns": columns}}, expected) })
	}
}

func TestPlatformOfURLs(t *testing.T) {
	dump, expected, _ := platform(t, "rails")
	hosts, err := address.New([]string{"example-app", "example-legacy"}, map[string]string{"files.example.org": "example-legacy"})
	if err != nil {
		t.Fatal(err)
	}
	legacy := map[string]string{}
	for _, row := range copied(dump, "legacy_files") {
		legacy[row[1].(string)] = row[0].(string)
	}
	there := func(p address.Place) string {
		if p.Bucket != "example-legacy" {
			return ""
		}
		return legacy[p.Key]
	}
	now := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	var posts, settings [][]any
	for _, row := range copied(dump, "posts") {
		if row[3] != nil {
			at, err := time.Parse("2006-01-02 15:04:05-07", row[3].(string))
			if err != nil {
				t.Fatal(err)
			}
			if !at.After(now.AddDate(0, 0, -90)) {
				continue
			}
		}
		posts = append(posts, row)
	}
	for _, row := range copied(dump, "site_settings") {
		if row[1] == "18" {
			settings = append(settings, row)
		}
	}
	for _, s := range []scan{
		{association: "documents.meta", prefix: "blob:", spec: Spec{As: []string{"json"}, At: []string{"(.files | each | .blob_id), .cover.blob_id"}}, rows: copied(dump, "documents"), object: []int{0}, key: []int{0}, value: 1},
		{association: "events", prefix: "blob:", spec: Spec{As: []string{"json"}, At: []string{".attachment.id"}}, rows: copied(dump, "events"), object: []int{0}, key: []int{0, 1}, value: 2},
		{association: "site_settings", prefix: "blob:", rows: settings, object: []int{0}, key: []int{0}, value: 2},
		{association: "posts.body.signed", prefix: "blob:", spec: Spec{Find: `/rails/active_storage/blobs/redirect/([^/\s]+)--[0-9a-f]+/`, As: []string{"base64url", "json"}, At: []string{"._rails.data"}}, rows: posts, object: []int{0}, key: []int{0}, value: 2},
		{association: "posts.body.url", prefix: "legacy:", spec: Spec{As: []string{"addresses"}}, rows: posts, object: []int{0}, key: []int{0}, value: 2, there: there},
	} {
		t.Run(s.association, func(t *testing.T) { s.run(t, Options{Hosts: hosts}, expected) })
	}
}
