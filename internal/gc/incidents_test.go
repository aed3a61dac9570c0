package gc

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"cooper/internal/config"
	"cooper/internal/database"
)

// The incidents of docs/gc-incidents.md that a check decides.

// incident checks a platform that was changed, with a declaration that was.
func incident(t *testing.T, change func(*owner), text string, around Around) *Findings {
	t.Helper()
	o := newOwner()
	change(o)
	c := configOf(t, text)
	return Check(c, survey(t, o, c), &around)
}

// TestIncident04PrefixBoundary: what begins with a name that is declared, or waived, is not.
func TestIncident04PrefixBoundary(t *testing.T) {
	f := incident(t, func(o *owner) {
		o.tables = append(o.tables, table("posts_2: id bigint, file_id bigint"), table("loose_2: id bigint, file_id bigint"), table("tenant_a.uploads_2: id bigint, file_id bigint"))
		for _, name := range []string{"posts_2", "loose", "loose_2", "tenant_a.uploads_2"} {
			o.foreign = append(o.foreign, foreignKey(name, "file_id", "files", "id"))
		}
	}, declared1+"waive: [loose.file_id]\n", Around{})
	same(t, "refusals", refusals(f), "loose_2\tforeign key file_id to files is not declared", "posts_2\tforeign key file_id to files is not declared",
		"tenant_a.uploads_2\tforeign key file_id to files is not declared")
}

// TestIncident06UnknownTimeIsYoung: without a time no handle is a candidate, and that is told.
func TestIncident06UnknownTimeIsYoung(t *testing.T) {
	f := incident(t, func(*owner) {}, strings.Replace(declared1, `, modified: "now()"`, "", 1), Around{})
	if !slices.Contains(notes(f), "\tcooper.yaml:6:3: without modified all of these handles are young, and none is a candidate") {
		t.Error(notes(f))
	}
}

// TestIncident09UndeclaredPlace: a foreign key that nobody declared refuses, and a column that
// holds ids without one is told; a new one begins the count of scans anew.
func TestIncident09UndeclaredPlace(t *testing.T) {
	c := configOf(t, declared1)
	before, err := DigestsOf(c, survey(t, newOwner(), c))
	if err != nil {
		t.Fatal(err)
	}
	add := func(o *owner) {
		o.foreign = append(o.foreign, foreignKey("loose", "file_id", "files", "id"))
		o.answer = func(sql string) ([]database.Row, error) {
			switch {
			case strings.Contains(sql, ` FROM "public"."loose" ORDER BY "id"`):
				return []database.Row{row("90", "1", "note 1")}, nil
			case strings.HasPrefix(sql, `SELECT "id" FROM "public"."files" WHERE "id" IN (`):
				return []database.Row{row("1")}, nil
			}
			return nil, nil
		}
	}
	f := incident(t, add, declared1, Around{})
	same(t, "refusals", refusals(f), "loose\tforeign key file_id to files is not declared")
	if !slices.Contains(notes(f), "loose\tfile_id is not declared, and 1 of 1 values looked at are ids of file") {
		t.Error(notes(f))
	}
	o := newOwner()
	add(o)
	if after, err := DigestsOf(c, survey(t, o, c)); err != nil || after.Schema == before.Schema || after.Configuration != before.Configuration {
		t.Errorf("%+v, %v", after, err)
	}
}

// TestIncidentReplicaAndCopy: what is not the primary of last time, or lags, is not read.
func TestIncidentReplicaAndCopy(t *testing.T) {
	f := incident(t, func(o *owner) {
		o.load = database.Load{Replica: database.IsReplica, Lag: time.Hour}
	}, declared1, Around{Last: &Seen{"pg-2", now}})
	same(t, "refusals", refusals(f), "server\tanother server than the one that was scanned on 2026-11-30T00:00:00Z: pg-1, not pg-2", "server\tthe replica is 1h0m0s behind, more than 5m0s")
}

// TestIncidentProgramChanged: a program of the owner's that is another by now begins the count
// of scans anew, as does a script that it is given.
func TestIncidentProgramChanged(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o700); err != nil { //nolint:gosec // it is a program
			t.Fatal(err)
		}
	}
	write("cooper.yaml", declared1+"  packed: {table: posts, object: id, value: body, as: [{exec: [./unpack, script.py, --all]}]}\n")
	of := func() string {
		t.Helper()
		c, err := config.Load(filepath.Join(dir, "cooper.yaml"))
		if err != nil {
			t.Fatal(err)
		}
		d, err := ConfigurationOf(c)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	seen := map[string]string{of(): "without any"}
	for _, change := range [][2]string{{"unpack", "1"}, {"unpack", "2"}, {"script.py", "1"}, {"script.py", "2"}} {
		write(change[0], change[1])
		if was, same := seen[of()]; same {
			t.Errorf("%v is as %s", change, was)
		}
		seen[of()] = change[0] + " " + change[1]
	}
	write("script.py", "1")
	if got := seen[of()]; got != "script.py 1" {
		t.Errorf("as it was: %q", got)
	}
}
