package flips

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"cooper"
	"cooper/internal/background"
	"cooper/internal/inventory"
	"cooper/internal/ledger"
	"cooper/internal/plan"
	"cooper/internal/query"
	"cooper/internal/query/duckdb"
	"cooper/internal/workspace"
)

// A reader answers from a workspace, as text that is the same if the answer is.
type reader struct {
	name string
	// files are the beginnings of the paths it depends on, below the workspace.
	files []string
	ask   func(ctx context.Context, ws *workspace.Workspace) (string, error)
}

// reads tells whether the reader depends on a file. If not, it answers, whatever the file
// says.
func (r *reader) reads(file string) bool {
	return slices.ContainsFunc(r.files, func(f string) bool { return strings.HasPrefix(file, f) })
}

// said is an answer with all that pointers in it lead to.
func said(v any) (string, error) {
	b, err := json.Marshal(v)
	return string(b), err
}

// readers are those in Go, and those by SQL, which are asked after look was called.
func readers(t *testing.T) (rs []reader, look func(*workspace.Workspace) error) {
	snapshots, plans, facts := "snapshot/", "plan/", "ledger/"
	first := snapshots + snapshot + "/versions-00000.parquet"
	rs = []reader{
		{"open the workspace", []string{"VERSION"}, openAgain},
		{"describe a snapshot", []string{snapshots + snapshot + "/meta.json"}, func(_ context.Context, ws *workspace.Workspace) (string, error) {
			s, err := inventory.Open(ws.SnapshotDir(snapshot))
			if err != nil {
				return "", err
			}
			return said(s.Meta())
		}},
		{"walk a snapshot", []string{snapshots + snapshot + "/meta.json", first}, walk(inventory.IterOptions{})},
		{"walk a prefix", []string{snapshots + snapshot + "/meta.json", first}, walk(inventory.IterOptions{Prefix: "tables/b/"})},
		{"walk without digests", []string{snapshots + snapshot + "/meta.json", first}, walk(inventory.IterOptions{Omit: inventory.FieldETag | inventory.FieldVersionID})},
		{"walk rejected keys", []string{snapshots + snapshot + "/meta.json", snapshots + snapshot + "/rejected"}, rejected},
		{"describe a plan", []string{plans + backup + "/plan.json"}, func(_ context.Context, ws *workspace.Workspace) (string, error) {
			p, err := plan.Open(ws.PlanDir(backup))
			if err != nil {
				return "", err
			}
			return said(p.Header())
		}},
		{"walk a plan", []string{plans + backup}, func(ctx context.Context, ws *workspace.Workspace) (string, error) {
			p, err := plan.Open(ws.PlanDir(backup))
			if err != nil {
				return "", err
			}
			it := p.Actions(ctx)
			text, err := drain(func() (any, error) { return it.Next() })
			return text, errors.Join(err, it.Close())
		}},
		{"read a shard", []string{plans + backup}, func(ctx context.Context, ws *workspace.Workspace) (string, error) {
			p, err := plan.Open(ws.PlanDir(backup))
			if err != nil {
				return "", err
			}
			as, err := p.Shard(ctx, 2)
			return fmt.Sprintf("%+v", as), err
		}},
		{"compare two plans", []string{plans}, compare},
		{"list runs", []string{facts + "run"}, func(ctx context.Context, ws *workspace.Workspace) (string, error) {
			rs, err := ledger.Open(ws.LedgerDir()).Runs(ctx)
			return fmt.Sprintf("%+v", rs), err
		}},
		{"a run in the background", []string{"background/" + started + "/state.json"}, func(_ context.Context, ws *workspace.Workspace) (string, error) {
			r, err := background.Open(ws.BackgroundDir(started))
			if err != nil {
				return "", err
			}
			r.Progress = nil
			return said(r)
		}},
		{"how far it is", []string{"background/" + started}, func(_ context.Context, ws *workspace.Workspace) (string, error) {
			r, err := background.Open(ws.BackgroundDir(started))
			if err == nil && r.Progress == nil {
				err = errors.New("it is not known")
			}
			if err != nil {
				return "", err
			}
			return said(r.Progress)
		}},
	}
	sql, look := engine(t)
	for table, files := range map[string]string{
		"outcome": facts + "outcome", "content": facts + "content", "run": facts + "run", "version": snapshots, "snapshot": snapshots + snapshot + "/meta.json", "action": plans, "plan": plans,
	} {
		some := map[string]string{
			"outcome": "count(*), sum(size), max(message) FROM outcome WHERE key >= 'tables/a' AND key < 'tables/b'",
			"content": "state, sum(plain_size), count(*) FROM content GROUP BY ALL ORDER BY ALL",
			"version": "count(*), sum(size), max(etag) FROM version WHERE snapshot = '" + snapshot + "' AND starts_with(key, 'tables/b/')",
			"action":  "verb, count(*), sum(size) FROM action GROUP BY ALL ORDER BY ALL",
		}[table]
		for _, q := range []string{"* FROM " + table + " ORDER BY ALL", "count(*) FROM " + table, some} {
			if q != "" {
				rs = append(rs, reader{"sql: SELECT " + q, depends(table, files), sql("SELECT " + q)})
			}
		}
	}
	slices.SortFunc(rs, func(a, b reader) int { return strings.Compare(a.name, b.name) })
	return rs, look
}

// depends are the files that a table is made of.
func depends(table, files string) []string {
	switch table {
	case "version":
		return []string{files + snapshot + "/versions", files + snapshot + "/meta"}
	case "plan":
		return []string{files + backup + "/plan.json", files + purge + "/plan.json"}
	}
	return []string{files}
}

func openAgain(_ context.Context, ws *workspace.Workspace) (string, error) {
	again, err := workspace.Open(ws.Dir(), workspace.Options{})
	if err != nil {
		return "", err
	}
	ids, err := again.Snapshots()
	return fmt.Sprint(ids), errors.Join(err, again.Close())
}

func walk(opt inventory.IterOptions) func(context.Context, *workspace.Workspace) (string, error) {
	return func(ctx context.Context, ws *workspace.Workspace) (string, error) {
		s, err := inventory.Open(ws.SnapshotDir(snapshot))
		if err != nil {
			return "", err
		}
		cuts, err := s.Split(ctx, 3, opt)
		if err != nil {
			return "", err
		}
		it := s.Versions(ctx, opt)
		text, err := drain(func() (any, error) { return it.Next() })
		return fmt.Sprint(cuts, text), errors.Join(err, it.Close())
	}
}

func rejected(ctx context.Context, ws *workspace.Workspace) (string, error) {
	s, err := inventory.Open(ws.SnapshotDir(snapshot))
	if err != nil {
		return "", err
	}
	keys := s.RejectedKeys(ctx)
	text, err := drain(func() (any, error) { return keys.Next() })
	return text, errors.Join(err, keys.Close())
}

func compare(ctx context.Context, ws *workspace.Workspace) (string, error) {
	a, err := plan.Open(ws.PlanDir(backup))
	if err != nil {
		return "", err
	}
	b, err := plan.Open(ws.PlanDir(purge))
	if err != nil {
		return "", err
	}
	var text strings.Builder
	sum, err := plan.Diff(ctx, a, b, nil, func(d plan.Difference) error {
		fmt.Fprintf(&text, "%+v %+v\n", *d.First, *d.Second)
		return nil
	})
	return fmt.Sprintf("%+v %s", sum, text.String()), err
}

// drain reads until the end, and gives nothing if it fails before.
func drain(next func() (any, error)) (string, error) {
	var text strings.Builder
	for {
		v, err := next()
		if errors.Is(err, io.EOF) {
			return text.String(), nil
		} else if err != nil {
			return "", err
		}
		if version, ok := v.(*cooper.Version); ok {
			v = *version
		} else if action, ok := v.(*cooper.Action); ok {
			v = *action
		}
		fmt.Fprintf(&text, "%+v\n", v)
	}
}

// engine gives readers by SQL.
func engine(t *testing.T) (reads func(sql string) func(context.Context, *workspace.Workspace) (string, error), look func(*workspace.Workspace) error) {
	t.Helper()
	db, err := duckdb.Open(duckdb.Options{Memory: 256 << 20, Threads: 1, TempDir: t.TempDir()})
	must(t, err)
	t.Cleanup(func() { must(t, db.Close()) })
	return func(sql string) func(context.Context, *workspace.Workspace) (string, error) {
		return func(ctx context.Context, _ *workspace.Workspace) (string, error) {
			rows, err := db.Query(ctx, sql)
			if err != nil {
				return "", err
			}
			text, err := drain(func() (any, error) { return rows.Next() })
			return fmt.Sprintf("%v %s", rows.Columns(), text), errors.Join(err, rows.Close())
		}
	}, func(ws *workspace.Workspace) error { return db.Views(t.Context(), query.Sources{Workspace: ws.Dir()}) }
}

// names are the files of a workspace that are not locks and logs.
func names(t *testing.T, ws *workspace.Workspace) []string {
	t.Helper()
	var found []string
	for _, pattern := range []string{"VERSION", "*/*/*.json", "*/*/*.parquet"} {
		some, err := filepath.Glob(filepath.Join(ws.Dir(), pattern))
		must(t, err)
		for _, name := range some {
			rel, err := filepath.Rel(ws.Dir(), name)
			must(t, err)
			found = append(found, filepath.ToSlash(rel))
		}
	}
	slices.Sort(found)
	return found
}
