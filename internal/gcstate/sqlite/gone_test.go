package sqlite

import (
	"path/filepath"
	"testing"

	"cooper"
	"cooper/internal/gcstate"
)

// TestRowsThatAreGone: each row may be sound, and there be fewer of them, more, or older ones.
func TestRowsThatAreGone(t *testing.T) {
	walk := func(s gcstate.State) error {
		return s.Walk(ctx, "s/db", []gcstate.Status{gcstate.Deleted}, func(*gcstate.Record) error { return nil })
	}
	untold := func(s gcstate.State) error {
		_, err := s.Untold(ctx)
		return err
	}
	for name, c := range map[string]struct {
		sql  string
		read func(gcstate.State) error
	}{
		"a record":               {"DELETE FROM record WHERE id = '7'", walk},
		"all records":            {"DELETE FROM record", walk},
		"a total":                {"DELETE FROM total WHERE status = 'UNLINKED'", walk},
		"a scope":                {"DELETE FROM scope", walk},
		"an older record":        {"INSERT OR REPLACE INTO record SELECT * FROM old", walk},
		"a change":               {"DELETE FROM untold WHERE number = 5", untold},
		"the last change":        {"DELETE FROM untold WHERE number = (SELECT max(number) FROM untold)", untold},
		"what it says of itself": {"DELETE FROM state", walk},
	} {
		path := filepath.Join(t.TempDir(), "state.db")
		s := open(t, path)
		all := some(t, s, 50)
		raw := s.(*state).db
		_, err := raw.ExecContext(ctx, "CREATE TABLE old AS SELECT * FROM record WHERE id = '7'")
		must(t, err)
		is := all[gcstate.Handle{Scope: "s/db", Kind: "blob", ID: "7"}]
		_, err = s.Change(ctx, []gcstate.Change{{Handle: is.Handle, From: is.Status, Since: is.Since, To: gcstate.Available, At: 99}})
		must(t, err)
		must(t, c.read(s))
		_, err = raw.ExecContext(ctx, c.sql)
		must(t, err)
		if err := c.read(s); cooper.KindOf(err) != cooper.KindInvalid {
			t.Errorf("%s: %v", name, err)
		}
		must(t, s.Close())
	}
}
