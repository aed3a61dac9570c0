package config

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
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
