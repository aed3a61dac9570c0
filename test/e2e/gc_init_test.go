package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestGarbageInit: what is written of the made-up platforms' schemas passes a check, has
// each foreign key, and adds to a file without changing what it has.
func TestGarbageInit(t *testing.T) {
	for set, c := range map[string]struct {
		args, has []string
		removed   string
	}{
		"platform": {
			args: []string{"mysql:env:PLATFORM_DSN"},
			has: []string{
				"database: mysql:env:PLATFORM_DSN\n", "buckets: [example-data, example-user-owned]\n", "  preview: PREVIEW_ID\n",
				"  where: METADATA_TYPE = 'S3'\n", "  status: {column: STATUS, values: {AVAILABLE: AVAILABLE, UNLINKED: UNLINKED, ARCHIVED: ARCHIVED}}\n",
				"  JDOREVISION.FILE_HANDLE_ID: {table: JDOREVISION, object: '{OWNER_NODE_ID}/{NUMBER}', handle: FILE_HANDLE_ID}\n",
				"  V2_WIKI_ATTACHMENT_RESERVATION.FILE_HANDLE_ID: {", "  V2_WIKI_MARKDOWN.FILE_HANDLE_ID: {", "  JDOUSERPROFILE.PICTURE_ID: {",
				"  MESSAGE_CONTENT.FILE_HANDLE_ID: {", "  JDOSUBMISSION_FILE.FILE_HANDLE_ID: {", "  VERIFICATION_FILE.FILE_HANDLE_ID: {", "  FORM_DATA.FILE_HANDLE_ID: {",
				"#   TEAM.PROPERTIES\n", "protect: [{table: LEGAL_HOLD, handle: FILE_HANDLE_ID}]\n",
			},
			removed: "  JDOREVISION.FILE_HANDLE_ID: {",
		},
		"rails": {
			args: []string{"postgres:env:APP_DSN", "--bucket", "example-app", "--bucket", "example-legacy", "--handles", "active_storage_blobs=example-app", "--handles", "legacy_files=example-legacy"},
			has: []string{
				"  active_storage_attachments.blob_id: {table: active_storage_attachments, object: '{record_type}/{record_id}', of: active_storage_blobs, handle: blob_id}\n",
				"  active_storage_variant_records.blob_id: {", `  uploads.blob_id: {table: /tenant_.*\.uploads/, object: '{schema}/{id}', of: active_storage_blobs, handle: blob_id}` + "\n",
				"protect: [{table: legal_holds, handle: blob_id, of: active_storage_blobs}]\n", "write where: service_name = 'amazon'",
				"  documents.file_ids: {", "  active_storage_attachments.record_id: {", `where: '"record_type" IN (''ActiveStorage::Blob'')'`,
			},
			removed: "  active_storage_variant_records.blob_id: {",
		},
	} {
		t.Run(set, func(t *testing.T) {
			t.Parallel()
			p := newPlatform(t, set)
			given := p.config
			p.config = filepath.Join(t.TempDir(), "cooper.yaml")
			shown := p.gc(0, append([]string{"init", "--plan-only"}, c.args...)...)
			if _, err := os.Stat(p.config); err == nil {
				t.Error("a plan was written")
			}
			p.gc(0, append([]string{"init"}, c.args...)...)
			text := string(p.read(p.config))
			if text != shown {
				t.Errorf("planned:\n%s", shown)
			}
			for _, part := range c.has {
				if !strings.Contains(text, part) {
					t.Errorf("there is no %s in\n%s", part, text)
				}
			}
			for _, part := range []string{"LEGAL_HOLD.FILE_HANDLE_ID: {", "legal_holds.blob_id: {", "OWNER_NODE_ID: {", "HAS_FILE_REFS: {", ".ID: {"} {
				if strings.Contains(text, part) {
					t.Errorf("there is %s in\n%s", part, text)
				}
			}
			p.gc(0, "check")
			p.gc(0, "init")
			if again := string(p.read(p.config)); again != text {
				t.Errorf("once more:\n%s", again)
			}
			// One that is missing is added to what is left.
			at := strings.Index(text, c.removed)
			if at < 0 {
				t.Fatal(text)
			}
			end := at + strings.IndexByte(text[at:], '\n') + 1
			less := text[:at] + "  # mine\n" + text[end:]
			p.write(p.config, less)
			p.gc(4, "check")
			p.gc(0, "init")
			more := string(p.read(p.config))
			if rest, ok := strings.CutPrefix(more, strings.TrimRight(less, "\n")); !ok || !strings.Contains(rest, c.removed) {
				t.Errorf("added to\n%s\ncame\n%s", less, more)
			}
			p.gc(0, "check")
			// The owner's own file says all that the foreign keys do, and is not changed by a plan.
			p.config = given
			before := p.read(given)
			p.gc(0, "init", "--plan-only")
			if string(p.read(given)) != string(before) {
				t.Error("a plan changed the file")
			}
		})
	}
}

func (p *platform) read(path string) []byte {
	p.t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		p.t.Fatal(err)
	}
	return text
}

func (p *platform) write(path, text string) {
	p.t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		p.t.Fatal(err)
	}
}
