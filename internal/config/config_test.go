package config

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"cooper"
)

// given are the files of the made-up platforms.
func given(t *testing.T, set string) []byte {
	t.Helper()
	src, err := os.ReadFile(filepath.Join("..", "..", "..", "shared", "gc", set, "cooper.yaml"))
	if os.IsNotExist(err) {
		t.Skip("the made-up platforms are not here: ../shared/gc")
	}
	if err != nil {
		t.Fatal(err)
	}
	return src
}

func read(t *testing.T, src string) *Config {
	t.Helper()
	c, err := Parse("cooper.yaml", []byte(src))
	if err != nil {
		t.Fatal(said(err))
	}
	return c
}

// diff leaves positions out.
func diff(want, got any) string {
	return cmp.Diff(want, got, cmpopts.IgnoreTypes(Place{}), cmpopts.EquateEmpty(),
		cmp.Transformer("text", func(t Table) string { return t.Schema + "|" + t.Name + "|" + t.Text }))
}

// form is what of an association the table of forms is about.
func form(a *Association) string {
	out, _ := flow(tree{{a.Name, a.tree()}})
	return out
}

func TestPlatform(t *testing.T) {
	c := read(t, string(given(t, "platform")))
	if d := diff(Database{Engine: "mysql", Text: "mysql:env:PLATFORM_DSN", Env: "PLATFORM_DSN"}, c.Database); d != "" {
		t.Error(d)
	}
	if d := diff([]*Bucket{{Name: "example-data"}}, c.Buckets); d != "" {
		t.Error(d)
	}
	if d := diff([]*Bucket{{Name: "example-changes"}}, c.Reads); d != "" {
		t.Error(d)
	}
	want := &Handles{
		Table: Table{Text: "FILES", Name: "FILES"}, ID: "ID", Where: "METADATA_TYPE = 'S3'", Bucket: Operand{SQL: "BUCKET_NAME"}, Key: "KEY",
		Size: "CONTENT_SIZE", Modified: &Time{Column: "UPDATED_ON"}, Preview: "PREVIEW_ID",
		Status: &Status{Column: "STATUS", Write: true, Changed: &Time{Column: "UPDATED_ON"}},
	}
	if d := diff([]*Handles{want}, c.Handles); d != "" {
		t.Error(d)
	}
	if d := diff([]*Guard{{Table: Table{Text: "LEGAL_HOLD", Name: "LEGAL_HOLD"}, Handle: "FILE_HANDLE_ID"}, {Prefix: "keep/"}}, c.Protect); d != "" {
		t.Error(d)
	}
	if d := diff([]*Guard{{Prefix: "uploads/tmp/"}}, c.InFlight); d != "" {
		t.Error(d)
	}
	if d := diff(Detect{Scans: 3, Unmodified: 30 * 24 * time.Hour, Jump: 2, Apart: 24 * time.Hour}, c.Detect); d != "" {
		t.Error(d)
	}
	if d := diff(&Archive{Bucket: "example-archive", Class: "STANDARD_IA", After: 30 * 24 * time.Hour, Smallest: 131072}, c.Archive); d != "" {
		t.Error(d)
	}
	if len(c.Associations) != 14 || len(c.Notes) != 0 {
		t.Errorf("%d associations, notes %v", len(c.Associations), c.Notes)
	}
	forms := []string{
		`FileEntity: {table: JDOREVISION, object: OWNER_NODE_ID, handle: FILE_HANDLE_ID}`,
		`WikiAttachment.list: {table: V2_WIKI_MARKDOWN, object: WIKI_ID, value: ATTACHMENT_ID_LIST, split: ',', match: '(\d+):[^:]+'}`,
		`DataAccessRequestAttachment: {table: DATA_ACCESS_REQUEST, object: ID, value: REQUEST_SERIALIZED, as: [gzip, xml], at: [/*/ducFileHandleId, /*/irbFileHandleId, /*/attachments/string]}`,
		`TableEntity: {table: TABLE_ROW_CHANGE, object: TABLE_ID, where: HAS_FILE_REFS, fetch: {bucket: S3_BUCKET, key: S3_KEY}, as: [gzip, json], lookup: {columns: SELECT CAST(ID AS CHAR) FROM COLUMN_MODEL WHERE COLUMN_TYPE = 'FILEHANDLEID'}, at: '.rows[].values[] | select(.[0] | IN($columns[])) | .[1]'}`,
	}
	holds(t, c, forms)
	table := c.Associations[13]
	if got := table.PlaceOf("at"); got != "cooper.yaml:45:9" {
		t.Errorf("at of %s is at %s", table.Name, got)
	}
	if got := table.Fetch.PlaceOf("key"); got != "cooper.yaml:42:37" {
		t.Errorf("key of fetch is at %s", got)
	}
}

func holds(t *testing.T, c *Config, want []string) {
	t.Helper()
	var got []string
	for _, a := range c.Associations {
		got = append(got, form(a))
	}
	for _, w := range want {
		if !slices.Contains(got, w) {
			t.Errorf("there is no %s\nin %s", w, strings.Join(got, "\n"))
		}
	}
}

func TestRails(t *testing.T) {
	c := read(t, string(given(t, "rails")))
	if d := diff([]*Address{{Host: "files.example.org", Bucket: "example-legacy"}}, c.Addresses); d != "" {
		t.Error(d)
	}
	want := []*Handles{
		{
			Kind: "blob", Table: Table{Text: "active_storage_blobs", Name: "active_storage_blobs"}, ID: "id", Where: "service_name = 'amazon'",
			Bucket: Operand{Constant: "example-app"}, Key: "key", Size: "byte_size", Modified: &Time{Column: "created_at"},
		},
		{
			Kind: "legacy", Table: Table{Text: "legacy_files", Name: "legacy_files"}, ID: "id",
			Bucket: Operand{Constant: "example-legacy"}, Key: "s3_key", Size: "size", Modified: &Time{Column: "updated_at"},
		},
	}
	if d := diff(want, c.Handles); d != "" {
		t.Error(d)
	}
	if d := diff([]*Guard{{Table: Table{Text: "legal_holds", Name: "legal_holds"}, Handle: "blob_id", Of: "blob"}}, c.Protect); d != "" {
		t.Error(d)
	}
	if d := diff([]*Guard{{Bucket: "example-legacy", Prefix: "tmp/"}}, c.InFlight); d != "" {
		t.Error(d)
	}
	if len(c.Derived) != 2 || c.Derived[0].Name != "variant" || c.Derived[1].SQL != "SELECT blob_id AS derived, record_id AS source FROM active_storage_attachments WHERE record_type = 'ActiveStorage::Blob'" {
		t.Errorf("derived: %+v", c.Derived)
	}
	w := Table{Text: "active_storage_variant_records", Name: "active_storage_variant_records"}
	if d := diff([]*Waiver{{Table: w, Column: "blob_id"}}, c.Waive); d != "" {
		t.Error(d)
	}
	if len(c.Associations) != 9 || len(c.Notes) != 0 {
		t.Errorf("%d associations, notes %v", len(c.Associations), c.Notes)
	}
	holds(t, c, []string{
		`documents.meta: {table: documents, object: id, value: meta, as: [json], at: '(.files | each | .blob_id), .cover.blob_id'}`,
		`documents.blob_keys: {table: documents, object: id, of: blob, key: blob_keys}`,
		`posts.body.signed: {table: posts, object: id, where: 'deleted_at IS NULL OR deleted_at > :now - interval ''90 days''', value: body, find: '/rails/active_storage/blobs/redirect/([^/\s]+)--[0-9a-f]+/', as: [base64url, json], at: ._rails.data}`,
		`tenants: {table: /tenant_.*\.uploads/, object: '{schema}/{id}', handle: blob_id}`,
	})
	tenants := c.Associations[7]
	if d := diff([]Part{{Schema: true}, {Literal: "/"}, {Column: "id"}}, tenants.Object.Text); d != "" {
		t.Error(d)
	}
	for name, kinds := range map[string]string{"attachments": "blob", "documents.blob_keys": "blob", "posts.body.url": "legacy"} {
		i := slices.IndexFunc(c.Associations, func(a *Association) bool { return a.Name == name })
		if got := c.Kinds(c.Associations[i]); len(got) != 1 || got[0].Kind != kinds {
			t.Errorf("%s links to %v, not to %s", name, got, kinds)
		}
	}
}

// wide is a file with every key in it.
const wide = `
version: 1
database: postgres:env:DSN
replica: postgres:env:REPLICA
lag: 90s
buckets:
  data: {inventory: s3://inventories/data/daily}
  more: {inventory: reports/more}
  rest:
reads: changes
addresses:
  Files.Example.ORG: data/public
  localhost:9000: more
handles:
  upload: {table: app.uploads, id: id, where: kind = 's3', bucket: bucket, key: "prefix || '/' || name", size: size, modified: {column: changed, unit: ms, unknown: [0, -1, null, '']}, created: made, preview_of: source,
    status: {column: state, write: true, changed: {column: changed, unit: s}, values: {AVAILABLE: 0, UNLINKED: 1, ARCHIVED: 2}}}
  old: {query: "SELECT id, url FROM old_files", id: id, location: url, preview: thumb}
derived:
  variant: {of: upload, sql: "SELECT a AS derived, b AS source FROM v"}
protect:
  - {table: holds, handle: upload_id, of: upload, where: released IS NULL}
  - {prefix: s3://data/keep}
in_flight: {prefix: tmp/}
waive: [variants.upload_id, app.variants.upload_id, '/t_\d+\.x/.upload_id']
associations:
  plain: {table: posts, object: id, handle: upload_id, changed: updated_at}
  keys: {table: posts, object: id, where: NOT draft, of: upload, key: image, bucket: =data, split: ',', match: '\s*(\S+)\s*'}
  shards: {table: '/app\.files_\d+/', except: [app.files_0, '/app\.files_9\d/'], object: '{table}-{id}', handle: upload_id}
  text: {table: posts, object: id, value: body, find: 'x-(\S+)', as: [base64, {zip: a b.json}, json, addresses], at: [.a, .b]}
  fetched: {table: sets, object: id, fetch: {location: url}, as: [zip rows.json, json], lookup: {columns: SELECT 1}, at: '.rows'}
  urls: {table: posts, object: id, value: body, as: addresses}
limits: {unpacked: 1GiB, connections: 4, rows_per_second: 10_000}
busy: {threads_running: 30, active_backends: 40, replica_lag: 1m}
detect: {scans: 4, unmodified: 2w, jump: 1.5x, apart: 1d12h, settle: 0}
archive: {bucket: cold, class: GLACIER_IR, after: 60d, smallest: 1MB}
acknowledge: {for: 10d}
`

// TestWide: every key, and each of the short forms.
func TestWide(t *testing.T) {
	c := read(t, wide)
	upload, old := c.Handles[0], c.Handles[1]
	if d := diff(&Time{Column: "changed", Unit: "ms", Unknown: []string{"0", "-1", ""}}, upload.Modified); d != "" {
		t.Error(d)
	}
	if upload.Status.State("1") != "UNLINKED" || upload.Status.State("7") != "" || upload.Status.Value("DELETED") != "DELETED" {
		t.Error("status is not read as it is written")
	}
	if old.Query != "SELECT id, url FROM old_files" || old.Location != "url" || old.Preview != "thumb" || old.Bucket.Given() {
		t.Errorf("%+v", old)
	}
	if d := diff([]*Address{{Host: "files.example.org", Bucket: "data", Prefix: "public/"}, {Host: "localhost:9000", Bucket: "more"}}, c.Addresses); d != "" {
		t.Error(d)
	}
	if d := diff([]*Bucket{{Name: "data", Inventory: "s3://inventories/data/daily"}, {Name: "more", Inventory: "reports/more"}, {Name: "rest"}}, c.Buckets); d != "" {
		t.Error(d)
	}
	if d := diff([]Step{{Name: "base64"}, {Name: "zip", Args: []string{"a b.json"}}, {Name: "json"}, {Name: "addresses"}}, c.Associations[3].Unpack.As); d != "" {
		t.Error(d)
	}
	if d := diff(Limits{Unpacked: 1 << 30, Connections: 4, RowsPerSecond: 10_000}, c.Limits); d != "" {
		t.Error(d)
	}
	if d := diff(Busy{ThreadsRunning: 30, ActiveBackends: 40, ReplicaLag: time.Minute}, c.Busy); d != "" {
		t.Error(d)
	}
	if d := diff(Detect{Scans: 4, Unmodified: 14 * 24 * time.Hour, Jump: 1.5, Apart: 36 * time.Hour}, c.Detect); d != "" {
		t.Error(d)
	}
	if d := diff(&Archive{Bucket: "cold", Class: "GLACIER_IR", After: 60 * 24 * time.Hour, Smallest: 1_000_000}, c.Archive); d != "" {
		t.Error(d)
	}
	if c.Lag != 90*time.Second || c.Acknowledge.For != 10*24*time.Hour || c.Replica.Env != "REPLICA" {
		t.Errorf("%v %v %v", c.Lag, c.Acknowledge, c.Replica)
	}
	shards := c.Associations[2].Table
	for table, want := range map[string]bool{"files_1": true, "files_0": false, "files_90": false, "files_1x": false} {
		if shards.Matches("app", table) != want {
			t.Errorf("%s: %v", table, !want)
		}
	}
	if shards.Matches("myapp", "files_1") {
		t.Error("a pattern matches the whole of SCHEMA.TABLE")
	}
	if got := len(c.Kinds(c.Associations[3])); got != 2 {
		t.Errorf("addresses link to %d kinds, where none is named", got)
	}
	keep := c.Protect[1]
	for key, want := range map[string]bool{"keep": true, "keep/x": true, "keeper": false, "x/keep/": false} {
		if keep.Holds("data", key) != want || keep.Holds("more", key) {
			t.Errorf("prefix keep and %s", key)
		}
	}
	if c.Protect[0].Holds("data", "keep") {
		t.Error("a table is no prefix")
	}
	if !c.Reaches("changes") || c.Judged("changes") || c.Reaches("elsewhere") {
		t.Error("reach")
	}
}

// TestPlaces: whatever a file says has its position.
func TestPlaces(t *testing.T) {
	lines := strings.Split(wide, "\n")
	n := 0
	var walk func(v reflect.Value)
	walk = func(v reflect.Value) {
		switch v.Kind() {
		case reflect.Pointer:
			if !v.IsNil() {
				walk(v.Elem())
			}
		case reflect.Slice:
			for i := range v.Len() {
				walk(v.Index(i))
			}
		case reflect.Struct:
			if p, ok := v.Interface().(Place); ok {
				for key, at := range p.of {
					n++
					if at.Line == 0 || at.Column == 0 || at.Line > len(lines) {
						t.Errorf("%s is at %v", key, at)
					}
				}
				if p.own.Line == 0 {
					t.Errorf("no position of its own: %v", p)
				}
				return
			}
			for i := range v.NumField() {
				if v.Type().Field(i).IsExported() {
					walk(v.Field(i))
				}
			}
		}
	}
	c := read(t, wide)
	walk(reflect.ValueOf(c))
	if n < 120 {
		t.Errorf("%d values have a position", n)
	}
	for _, want := range []struct {
		p    *Place
		key  string
		text string
	}{
		{&c.Place, "lag", "90s"},
		{&c.Associations[3].Place, "at[1]", ".b"},
		{&c.Handles[0].Status.Place, "values.UNLINKED", "1,"},
		{&c.Addresses[0].Place, "bucket", "data/public"},
		{&c.Buckets[1].Place, "inventory", "reports/more"},
		{&c.Associations[4].Lookup[0].Place, "sql", "SELECT 1"},
		{&c.Associations[0].Place, "nothing of that name", "plain:"},
		{&c.Waive[1].Place, "", "app.variants"},
	} {
		at := want.p.PosOf(want.key)
		if got := lines[at.Line-1][at.Column-1:]; !strings.HasPrefix(got, want.text) {
			t.Errorf("%s is at %q, not at %q", want.key, got, want.text)
		}
	}
	err := c.Associations[3].Fault("at[0]", "this is no jq", "Mend it.")
	if !strings.HasPrefix(err.Error(), "cooper.yaml:29:119") || err.Kind != cooper.KindUsage {
		t.Errorf("%v", err)
	}
}

// TestDefaults: what holds where a file says nothing.
func TestDefaults(t *testing.T) {
	c := read(t, based("lag: 5m\n"))
	if d := diff(Limits{Unpacked: 16 << 20, Connections: 2, RowsPerSecond: 50_000}, c.Limits); d != "" {
		t.Error(d)
	}
	if d := diff(Detect{Scans: 3, Unmodified: 720 * time.Hour, Jump: 2, Apart: 24 * time.Hour, Settle: 48 * time.Hour}, c.Detect); d != "" {
		t.Error(d)
	}
	if c.Handles[0].Bucket.Constant != "data" {
		t.Error("keys of the one bucket are in it")
	}
	if c.Archive != nil || c.Replica != nil {
		t.Error("nothing is archived, nothing replicated, that no file says so of")
	}
	c = read(t, based("handles: {a: {table: T, id: i, bucket: =data, key: k}, b: {table: U, id: i, bucket: =dta, key: k}}\n"))
	if len(c.Notes) != 1 || c.Notes[0].Where != "cooper.yaml:1:85" {
		t.Errorf("notes: %v", c.Notes)
	}
}

func TestLoad(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cooper.yaml")
	if _, err := Load(path); !errors.Is(err, fs.ErrNotExist) || cooper.KindOf(err) != cooper.KindUsage || cooper.RemedyOf(err) == "" {
		t.Errorf("no file: %v", err)
	}
	if _, err := Load(filepath.Dir(path)); cooper.KindOf(err) != cooper.KindUsage {
		t.Errorf("a folder: %v", err)
	}
	if err := os.WriteFile(path, []byte(wide), 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(path); err != nil {
		t.Error(err)
	}
	if err := os.WriteFile(path, []byte("a: "+strings.Repeat(" ", maxSize)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(path); cooper.KindOf(err) != cooper.KindUsage || !strings.Contains(err.Error(), "more than 1048576 bytes") {
		t.Errorf("a huge file: %v", err)
	}
}
