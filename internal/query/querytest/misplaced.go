package querytest

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"cooper"
	"cooper/internal/inventory"
	"cooper/internal/plan"
	"cooper/internal/query"
)

// testMisplaced: a file that is gone, or whole and another's, is no other answer for
// whoever reads it, and no failure for others.
func testMisplaced(t *testing.T, e query.Engine) {
	ctx := context.Background()
	snapshots := []string{"s-20261120T010000Z-0001", "s-20261121T010000Z-0002", "s-20261122T010000Z-0003"}
	plans := []string{"p-20261120T010000Z-0001", "p-20261121T010000Z-0002", "p-20261122T010000Z-0003"}
	made := func() string {
		ws := t.TempDir()
		for i := range snapshots {
			_, err := inventory.Build(ctx, filepath.Join(ws, "snapshot", snapshots[i]), source{}, inventory.BuildOptions{ID: snapshots[i], Clock: func() time.Time { return day }})
			must(t, err)
			w, err := plan.Create(filepath.Join(ws, "plan", plans[i]), plans[i], plan.Limits{})
			must(t, err)
			must(t, w.Phase("fetch"))
			must(t, w.Add(cooper.Action{Verb: "fetch", Version: sources[1]}, true))
			_, err = w.Finish(plan.Header{Mission: "backup", Created: cooper.InstantOf(day), Source: "s3://bkt", Target: plan.Target{Kind: "tree", Path: "/backup"}})
			must(t, err)
		}
		return ws
	}
	for table, c := range map[string]struct {
		ids                 []string
		kind, column, files string
	}{
		"version": {snapshots, "snapshot", "snapshot", "versions-00000.parquet"},
		"action":  {plans, "plan", "plan", "actions-00000.parquet"},
	} {
		for broken := range 2 {
			sound := c.ids[2]
			all := "SELECT count(*) FROM " + table
			one := all + " WHERE " + c.column + " = '" + sound + "'"
			refused := func(what, sql string) {
				t.Helper()
				if r, err := e.Query(ctx, sql); err == nil {
					t.Errorf("%s, %s: there is an answer", sql, what)
					_ = r.Close()
				}
			}

			ws := made()
			must(t, os.Remove(filepath.Join(ws, c.kind, c.ids[broken], c.files)))
			must(t, e.Views(ctx, query.Sources{Workspace: ws}))
			refused("a file gone", all)
			if got := All(t, e, one); got[0][0] == int64(0) {
				t.Errorf("%s, a file gone: %v", one, got)
			}
			for i, id := range c.ids {
				if i != broken {
					must(t, os.RemoveAll(filepath.Join(ws, c.kind, id)))
				}
			}
			must(t, e.Views(ctx, query.Sources{Workspace: ws}))
			refused("the only file gone", all)

			ws = made()
			dir := filepath.Join(ws, c.kind, c.ids[broken])
			must(t, os.RemoveAll(dir))
			must(t, os.CopyFS(dir, os.DirFS(filepath.Join(ws, c.kind, sound))))
			must(t, e.Views(ctx, query.Sources{Workspace: ws}))
			refused("another in its place", all)
			refused("another in its place", "SELECT count(*) FROM "+c.kind)
			if broken > 0 { // the first is what an engine plans by
				All(t, e, one)
			}
		}
	}
}
