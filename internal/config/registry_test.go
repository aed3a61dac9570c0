package config

import (
	"strings"
	"testing"
	"time"
)

// TestRegistry: it is an association of its own name, and alone enough; what it is written by
// links nothing.
func TestRegistry(t *testing.T) {
	const base = "version: 1\ndatabase: postgres:env:DSN\nbuckets: [data]\nhandles: {table: FILES, id: ID, key: KEY}\nassociations: {}\n"
	c, err := Parse("cooper.yaml", []byte(base+"registry: {table: app.file_links, handle: file, complete_since: 2026-03-01, database: postgres:env:REGISTRY}\n"))
	if err != nil {
		t.Fatal(err)
	}
	if n := len(c.Associations); n != 1 || c.Associations[0].Name != RegistryName {
		t.Fatalf("%+v", c.Associations)
	}
	a := c.Associations[0]
	if a.Holds != Handle || a.Table.Schema != "app" || a.Column != "CASE WHEN unlinked_at > linked_at THEN NULL ELSE file END" || len(c.Kinds(a)) != 1 {
		t.Errorf("%+v", a)
	}
	if g := c.Registry; g.Database.Env != "REGISTRY" || !g.CompleteSince.Equal(time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)) {
		t.Errorf("%+v", g)
	}
	was, err := c.Canonical()
	if err != nil {
		t.Fatal(err)
	}
	text, err := Render(c, nil)
	if err != nil {
		t.Fatal(err)
	}
	again, err := Parse("cooper.yaml", text)
	if err != nil || again.Registry.Database.Text != c.Registry.Database.Text || !again.Registry.CompleteSince.Equal(c.Registry.CompleteSince) || len(again.Associations) != 1 {
		t.Errorf("%v\n%s", err, text)
	}
	for text, same := range map[string]bool{
		"registry: {table: app.file_links, handle: file}\n": true, "registry: {table: app.file_links}\n": false, "registry: {table: app.file_links, handle: file, unlinked: gone_at}\n": false,
	} {
		other, err := Parse("cooper.yaml", []byte(base+text))
		if err != nil {
			t.Fatal(err)
		}
		now, err := other.Canonical()
		if err != nil || (string(now) == string(was)) != same {
			t.Errorf("%s: %v\n%s", text, err, now)
		}
	}
	for _, bad := range []string{"registry: {table: T, handle: a || b}\n", "registry: {table: T, of: none}\n", "registry: {table: /a.*/}\n"} {
		if _, err := Parse("cooper.yaml", []byte(base+bad)); err == nil {
			t.Errorf("%s is taken", bad)
		}
	}
	if _, err := Parse("cooper.yaml", []byte(strings.Replace(base, "{}", "{registry: {table: T, object: o, handle: h}}", 1))); err == nil {
		t.Error("two are of the same name")
	}
}
