package job

import (
	"testing"

	"cooper"
	"cooper/internal/query"
	"cooper/internal/store/mem"
	"cooper/internal/tree"
)

// TestAsk: the workspace answers, all of it or one snapshot, and so does the catalog of a
// tree that is named.
func TestAsk(t *testing.T) {
	w := lab(t)
	first := snapshotOf(t, w, "lab")
	w.store.Put("lab", "images/d", []byte("fourth"), mem.PutOptions{})
	snapshotOf(t, w, "lab")
	dir := t.TempDir()
	made, err := tree.Open(dir, tree.Options{Create: true, Clock: w.Clock})
	if err != nil {
		t.Fatal(err)
	}
	if err := made.Close(); err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct {
		q    Question
		sql  string
		want int64
	}{
		{Question{}, "SELECT count(*) FROM version", 4 + 5},
		{Question{Snapshot: first}, "SELECT count(*) FROM version", 4},
		{Question{Trees: []string{dir}}, "SELECT count(*) FROM catalog", 0},
	} {
		err := Ask(t.Context(), w.Env, x.q, func(db query.Engine) (err error) {
			rows, err := db.Query(t.Context(), x.sql)
			if err != nil {
				return err
			}
			defer finally(&err, rows.Close)
			row, err := rows.Next()
			if err == nil && row[0] != x.want {
				t.Errorf("%+v: %s is %v, want %d", x.q, x.sql, row, x.want)
			}
			return err
		})
		if err != nil {
			t.Errorf("%+v: %v", x.q, err)
		}
	}
	none := Question{Trees: []string{t.TempDir()}}
	if err := Ask(t.Context(), w.Env, none, func(query.Engine) error { t.Error("asked"); return nil }); err == nil {
		t.Error("there is no tree")
	}
}

// TestExportOfNothing: where nothing is known no database is asked.
func TestExportOfNothing(t *testing.T) {
	w := newWorld(t)
	x := Export{Database: "postgres://lab:secret@127.0.0.1:1/lab", Table: "cooper_content", Batch: 1}
	r, err := x.Run(t.Context(), w.Env)
	if cooper.KindOf(err) != cooper.KindUsage || r.Database != "postgres://lab@127.0.0.1:1/lab" {
		t.Errorf("%+v (%v)", r, err)
	}
}
