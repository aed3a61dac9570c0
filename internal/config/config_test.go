package config

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"cooper"
)

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
	return cmp.Diff(want, got, cmpopts.IgnoreTypes(Place{}, Note{}), cmpopts.EquateEmpty(),
		cmp.Transformer("text", func(t Table) string { return t.Schema + "|" + t.Name + "|" + t.Text }))
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
archive: {bucket: cold, class: GLACIER_IR, after: 60d, smallest: 1MB, keep: 365d, links: locked}
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
	if d := diff(&Archive{Bucket: "cold", Class: "GLACIER_IR", After: 60 * 24 * time.Hour, Smallest: 1_000_000, Keep: 365 * 24 * time.Hour, Locked: true}, c.Archive); d != "" {
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
	if len(c.Notes) != 1 || c.Notes[0].Where != "cooper.yaml:5:10" || !strings.Contains(c.Notes[0].Text, "modified") {
		t.Errorf("notes: %v", c.Notes)
	}
	c = read(t, based("handles: {a: {table: T, id: i, bucket: =data, key: k, modified: m}, b: {table: U, id: i, bucket: =dta, key: k, modified: m}}\n"))
	if len(c.Notes) != 1 || c.Notes[0].Where != "cooper.yaml:1:98" {
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
	if c, err := Load(path); err != nil || c.Dir != filepath.Dir(path) {
		t.Errorf("%+v %v", c, err)
	}
	if err := os.WriteFile(path, []byte("lag: x\nlagg: 5m\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(path); !strings.Contains(err.Error(), path+":2:1: cooper.yaml has no key lagg (Did you mean lag?)") || cooper.RemedyOf(err) != "Write version: …." {
		t.Errorf("%v; %s", err, cooper.RemedyOf(err))
	}
	if err := os.WriteFile(path, []byte("a: "+strings.Repeat(" ", maxSize)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(path); cooper.KindOf(err) != cooper.KindUsage || !strings.Contains(err.Error(), "more than 1048576 bytes") {
		t.Errorf("a huge file: %v", err)
	}
}

// TestLenient: what can be meant in one way alone is taken as it is meant.
func TestLenient(t *testing.T) {
	c := read(t, based(`database: env:DSN
associations:
  unpacked: {table: T, object: o, handle: h, split: ','}
  text: {table: T, object: o, fetch: {bucket: =data, key: k}, split: '\s+'}
  sql: {table: T, object: o, where: "a = 1 -- (\n AND b /* ) */ = '--'", handle: h}
  strings: {table: T, object: o, where: "a = \"it's\" AND b = 'x\\')'", handle: h}
handles:
  1st: {table: T, id: i, key: k, preview: p, preview_of: q}
`))
	if a := c.Associations[0]; a.Holds != Value || a.Column != "h" {
		t.Errorf("%+v", a)
	}
	if c.Database.Engine != "" || c.Database.Env != "DSN" {
		t.Errorf("%+v", c.Database)
	}
	if got := c.Associations[2].Where; got != oneLine(got) {
		t.Error("where a comment ends says something")
	}
}
