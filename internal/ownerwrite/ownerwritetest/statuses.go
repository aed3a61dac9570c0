package ownerwritetest

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"cooper"
	"cooper/internal/database"
	"cooper/internal/ownerwrite"
)

// what statuses are called by their owner, by the type of his column.
var called = map[string][]string{
	"VARCHAR(20)": {"AVAILABLE", "UNLINKED", "ARCHIVING", "it's %d"},
	"INTEGER":     {"0", "1", "2", "77"},
}

// statuses: what stands is compared and set in one step, all or none, and told.
func statuses(t *testing.T, w *World) {
	n := 0
	for kind, known := range called {
		for unit, column := range map[string]string{"": map[string]string{ownerwrite.MySQL: "DATETIME", ownerwrite.PostgreSQL: "timestamptz", ownerwrite.SQLite: "TEXT"}[w.Engine], "s": "BIGINT", "ms": "BIGINT"} {
			n++
			table := fmt.Sprint("statuses", n)
			w.Exec(t, "CREATE TABLE "+table+" (id BIGINT PRIMARY KEY, state "+kind+", at "+column+")")
			literal := func(i int) string {
				return "'" + map[bool]string{true: "it''s %d", false: known[i]}[i == 3 && n > 0 && known[3] == "it's %d"] + "'"
			}
			for id, i := range []int{0, 1, 1, 2, 3} {
				w.Exec(t, fmt.Sprintf("INSERT INTO %s (id, state) VALUES (%d, %s)", table, id, literal(i)))
			}
			s := w.statuses(t, table, ownerwrite.StatusColumns{ID: "id", Status: "state", Changed: "at", Unit: unit})
			ids := []string{"4", "0", "1", "2", "3", "9"}
			set := func(from, to int, want ...int) {
				t.Helper()
				got, err := s.Set(ctx, ids, from, to, known[:3])
				must(t, err)
				if fmt.Sprint(got) != fmt.Sprint(want) {
					t.Errorf("%s %s: from %d to %d: %v, want %v", kind, unit, from, to, got, want)
				}
			}
			set(1, 1, -1, 0, 1, 1, 2, -1)
			set(1, 2, -1, 0, 2, 2, 2, -1)
			set(1, 2, -1, 0, 2, 2, 2, -1) // again, as after an answer that was lost
			if got := w.Exec(t, "SELECT id FROM "+table+" WHERE at IS NOT NULL ORDER BY id"); fmt.Sprint(got) != "[[1] [2]]" {
				t.Errorf("%s %s: changed were %v", kind, unit, got)
			}
			if unit != "" {
				f := map[string]string{"s": "", "ms": "000"}[unit]
				if got := w.Exec(t, "SELECT count(*) FROM "+table+" WHERE at > 1700000000"+f+" AND at < 20000000000"+f); fmt.Sprint(got) != "[[2]]" {
					t.Errorf("%s: the time is of another unit: %v", unit, w.Exec(t, "SELECT at FROM "+table))
				}
			}
			set(2, 0, -1, 0, 0, 0, 0, -1)
		}
	}
	// Of two who set the same, one does.
	w.Exec(t, "CREATE TABLE raced (id BIGINT PRIMARY KEY, state VARCHAR(20))")
	w.Exec(t, "INSERT INTO raced (id, state) VALUES (1, 'UNLINKED')")
	var wg sync.WaitGroup
	var won [8]int
	var racers []ownerwrite.Statuses
	for range won {
		racers = append(racers, w.statuses(t, "raced", ownerwrite.StatusColumns{ID: "id", Status: "state"}))
	}
	for i := range won {
		wg.Go(func() {
			got, err := racers[i].Set(ctx, []string{"1"}, 0, 1+i, []string{"UNLINKED", "a0", "a1", "a2", "a3", "a4", "a5", "a6", "a7"})
			if err != nil {
				t.Error(err)
				return
			}
			won[i] = got[0]
		})
	}
	wg.Wait()
	for i := range won {
		if won[i] != won[0] {
			t.Errorf("they see different winners: %v", won)
		}
	}
	// What cannot be compared and set is refused, and nothing happens by halves.
	w.Exec(t, "CREATE TABLE twice (id BIGINT, state VARCHAR(20) NOT NULL)")
	for _, c := range []struct {
		table string
		c     ownerwrite.StatusColumns
		kind  cooper.Kind
	}{
		{"twice", ownerwrite.StatusColumns{ID: "id", Status: "state"}, cooper.KindRefused},
		{"raced", ownerwrite.StatusColumns{ID: "id", Status: "lower(state)"}, cooper.KindUsage},
		{"raced", ownerwrite.StatusColumns{ID: "id", Status: "state", Changed: "at"}, cooper.KindUsage},
		{"absent", ownerwrite.StatusColumns{ID: "id", Status: "state"}, cooper.KindMissing},
	} {
		writer := w.at(t, "twice", "raced").(ownerwrite.StatusWriter)
		if _, err := writer.Statuses(ctx, database.Name{Schema: w.Schema, Table: c.table}, c.c); cooper.KindOf(err) != c.kind {
			t.Errorf("%+v: %v", c, err)
		}
	}
	s := w.statuses(t, "raced", ownerwrite.StatusColumns{ID: "id", Status: "state"})
	if _, err := s.Set(ctx, []string{"1", "x"}, 0, 1, []string{"a0", "b"}); cooper.KindOf(err) != cooper.KindInvalid {
		t.Error(err)
	}
	if w.ReadOnly == nil {
		return
	}
	w.Exec(t, "CREATE TABLE granted_not (id BIGINT PRIMARY KEY, state VARCHAR(20))")
	reader := w.ReadOnly(t)
	defer func() { must(t, reader.Close()) }()
	if _, err := reader.(ownerwrite.StatusWriter).Statuses(context.Background(), database.Name{Schema: w.Schema, Table: "raced"}, ownerwrite.StatusColumns{ID: "id", Status: "state"}); cooper.KindOf(err) != cooper.KindDenied || cooper.RemedyOf(err) == "" {
		t.Errorf("%v", err)
	}
}

func (w *World) statuses(t testing.TB, table string, c ownerwrite.StatusColumns) ownerwrite.Statuses {
	t.Helper()
	s, err := w.at(t, table).(ownerwrite.StatusWriter).Statuses(ctx, database.Name{Schema: w.Schema, Table: table}, c)
	must(t, err)
	return s
}
