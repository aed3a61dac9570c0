package flips

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cooper/internal/background"
	"cooper/internal/inventory"
	"cooper/internal/ledger"
	"cooper/internal/plan"
	"cooper/internal/query"
	"cooper/internal/query/duckdb"
	"cooper/internal/workspace"
)

// testdata/01502db/workspace was written by version 01502db on an S3 server that keeps
// versions: a snapshot of a report with a row that makes no sense, listings, two backups, a purge that
// the share stop held back, a compression, a run in the background; of the ledger's files
// two were put as a process leaves them that is killed while it compacts. Beside it are the answers of that
// version: for each table the number of rows and an MD5 of all of them.
const old = "testdata/01502db"

func oldWorkspace(t *testing.T) *workspace.Workspace {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "workspace")
	must(t, os.CopyFS(dir, os.DirFS(filepath.Join(old, "workspace"))))
	ws, err := workspace.Open(dir, workspace.Options{})
	must(t, err)
	t.Cleanup(func() { must(t, ws.Close()) })
	return ws
}

// tables asks for the tables of which the old version has answered.
func tables(t *testing.T, ws *workspace.Workspace) {
	t.Helper()
	db, err := duckdb.Open(duckdb.Options{Memory: 256 << 20, Threads: 1, TempDir: t.TempDir()})
	must(t, err)
	defer func() { must(t, db.Close()) }()
	must(t, db.Views(t.Context(), query.Sources{Workspace: ws.Dir()}))
	f, err := os.Open(filepath.Join(old, "answers.jsonl"))
	must(t, err)
	defer f.Close()
	n := 0
	for lines := bufio.NewScanner(f); lines.Scan(); n++ {
		var want struct {
			Table string `json:"t"`
			Rows  int64  `json:"n"`
			Hash  string `json:"h"`
		}
		must(t, json.Unmarshal(lines.Bytes(), &want))
		rows, err := db.Query(t.Context(), fmt.Sprintf("SELECT count(*), md5(string_agg(CAST(x AS VARCHAR), chr(10) ORDER BY CAST(x AS VARCHAR))) FROM %s x", want.Table))
		must(t, err)
		got, err := rows.Next()
		must(t, errors.Join(err, rows.Close()))
		if got[0] != want.Rows || got[1] != want.Hash {
			t.Errorf("%s: %v, not %d rows with %s", want.Table, got, want.Rows, want.Hash)
		}
	}
	if n < 7 {
		t.Errorf("%d tables", n)
	}
}

func TestWhatAnOlderVersionWroteIsRead(t *testing.T) {
	ws := oldWorkspace(t)
	tables(t, ws)
	ids, err := ws.Snapshots()
	must(t, err)
	rejected := 0
	for _, id := range ids {
		s, err := inventory.Open(ws.SnapshotDir(id))
		must(t, err)
		must(t, s.Verify(t.Context()))
		m := s.Meta()
		it := s.Versions(t.Context(), inventory.IterOptions{})
		text, err := drain(func() (any, error) { return it.Next() })
		must(t, errors.Join(err, it.Close()))
		if n := strings.Count(text, "\n"); m.Format != 1 || int64(n) != m.Versions+m.DeleteMarkers || n == 0 {
			t.Errorf("%s: format %d, %d rows of %d", id, m.Format, n, m.Versions+m.DeleteMarkers)
		}
		keys := s.RejectedKeys(t.Context())
		if _, err := keys.Next(); err == nil {
			rejected++
		} else if !errors.Is(err, io.EOF) {
			t.Error(err)
		}
		must(t, keys.Close())
	}
	if len(ids) < 2 || rejected != 1 {
		t.Errorf("%d snapshots, %d with rejected rows", len(ids), rejected)
	}
	missions := map[string]int{}
	ids, err = ws.Plans()
	must(t, err)
	for _, id := range ids {
		p, err := plan.Open(ws.PlanDir(id))
		must(t, err)
		must(t, errors.Join(p.Verify(t.Context()), p.Check(t.Context())))
		h := p.Header()
		var all int64
		for _, n := range h.Totals {
			all += n.Count
		}
		it := p.Actions(t.Context())
		text, err := drain(func() (any, error) { return it.Next() })
		must(t, errors.Join(err, it.Close()))
		if n := strings.Count(text, "\n"); h.Format != 1 || int64(n) != all || n == 0 {
			t.Errorf("%s: format %d, %d actions of %d", id, h.Format, n, all)
		}
		missions[h.Mission]++
	}
	if missions["backup"] == 0 || missions["purge"] == 0 || missions["compress"] == 0 {
		t.Errorf("plans of %v", missions)
	}
	ids, err = ws.Backgrounds()
	must(t, err)
	for _, id := range ids {
		r, err := background.Open(ws.BackgroundDir(id))
		must(t, err)
		if r.Status != background.Finished || len(r.Args) == 0 || r.Progress == nil || r.Progress.Objects == 0 {
			t.Errorf("%+v", r)
		}
	}
}

// What is taken up again, or compacted, is in the newest format afterwards, and says the same.
func TestWhatAnOlderVersionWroteIsBroughtUp(t *testing.T) {
	ws := oldWorkspace(t)
	facts := ledger.Open(ws.LedgerDir())
	must(t, facts.Compact(t.Context()))
	tables(t, ws)
	for _, table := range facts.Tables() {
		files, err := facts.Files(table)
		must(t, err)
		if len(files) == 0 {
			t.Errorf("%s has no files", table)
		}
		for _, name := range files {
			good, err := os.ReadFile(name)
			must(t, err)
			for _, bit := range bits(len(good), name)[:20] {
				good[bit/8] ^= 1 << (bit % 8)
				must(t, os.WriteFile(name, good, 0o600))
				if ledger.Verify(t.Context(), []string{name}) == nil {
					t.Errorf("%s, bit %d: it is found sound", name, bit)
				}
				good[bit/8] ^= 1 << (bit % 8)
			}
			must(t, os.WriteFile(name, good, 0o600))
		}
	}
	ids, err := ws.Backgrounds()
	must(t, err)
	r, err := background.Open(ws.BackgroundDir(ids[0]))
	must(t, err)
	must(t, r.Again(r.Args))
	b, err := os.ReadFile(filepath.Join(r.Path(), "state.json"))
	must(t, err)
	if !strings.Contains(string(b), `"format": 2`) || !strings.Contains(string(b), `"seal"`) {
		t.Errorf("%s", b)
	}
}

// Snapshots and plans of format 1 have a SHA-256 for each file: it covers every bit.
func TestDamageToWhatAnOlderVersionWroteIsNoticed(t *testing.T) {
	ws := oldWorkspace(t)
	db, err := duckdb.Open(duckdb.Options{Memory: 256 << 20, Threads: 1, TempDir: t.TempDir()})
	must(t, err)
	defer func() { must(t, db.Close()) }()
	for _, pattern := range []string{"snapshot/*/*.parquet", "plan/*/*.parquet"} {
		files, err := filepath.Glob(filepath.Join(ws.Dir(), pattern))
		must(t, err)
		for i, name := range files {
			good, err := os.ReadFile(name)
			must(t, err)
			for _, bit := range bits(len(good), name)[:4] {
				bad := append([]byte(nil), good...)
				bad[bit/8] ^= 1 << (bit % 8)
				// Another place each time: what was found sound in a process is so for it.
				dir := filepath.Join(t.TempDir(), "workspace")
				own := filepath.Join(dir, filepath.Base(filepath.Dir(filepath.Dir(name))), filepath.Base(filepath.Dir(name)))
				must(t, os.CopyFS(own, os.DirFS(filepath.Dir(name))))
				must(t, os.WriteFile(filepath.Join(own, filepath.Base(name)), bad, 0o600))
				err := useAll(t, own)
				if err == nil || !strings.Contains(err.Error(), filepath.Base(name)) {
					t.Errorf("%s, bit %d: %v", name, bit, err)
				}
				if i > 0 || strings.Contains(name, "rejected") {
					continue
				}
				must(t, db.Views(t.Context(), query.Sources{Workspace: dir}))
				for _, table := range []string{"version", "action"} {
					rows, err := db.Query(t.Context(), "SELECT count(*) FROM "+table)
					if err == nil {
						err = rows.Close()
					}
					if mine := (table == "version") == strings.HasPrefix(pattern, "snapshot"); mine != (err != nil) {
						t.Errorf("%s, bit %d: %s gave %v", name, bit, table, err)
					}
				}
			}
		}
	}
}

// useAll reads all that a snapshot or plan holds.
func useAll(t *testing.T, dir string) error {
	if strings.Contains(dir, "/plan/") {
		p, err := plan.Open(dir)
		must(t, err)
		_, err = p.Shard(t.Context(), 0)
		return err
	}
	s, err := inventory.Open(dir)
	must(t, err)
	it := s.Versions(t.Context(), inventory.IterOptions{})
	_, err = drain(func() (any, error) { return it.Next() })
	keys := s.RejectedKeys(t.Context())
	_, kerr := drain(func() (any, error) { return keys.Next() })
	return errors.Join(err, it.Close(), kerr, keys.Close())
}
