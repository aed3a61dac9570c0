package job

import (
	"errors"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"cooper/internal/gc"
	"cooper/internal/query"
)

// TestDeclared: the platforms of docs/gc-declare.md. Each is checked and scanned as it stands
// there, and what is linked is what is said there.
func TestDeclared(t *testing.T) {
	doc, err := os.ReadFile("../../docs/gc-declare.md")
	if err != nil {
		t.Fatal(err)
	}
	block := func(section, kind string) string {
		m := regexp.MustCompile("(?s)```" + kind + "\n(.*?)```").FindStringSubmatch(section)
		if m == nil {
			t.Fatalf("no %s in %.60s", kind, section)
		}
		return m[1]
	}
	sections := strings.Split(string(doc), "\n## ")[1:]
	if len(sections) < 4 {
		t.Fatalf("%d examples", len(sections))
	}
	for _, section := range sections {
		name, _, _ := strings.Cut(section, "\n")
		t.Run(name, func(t *testing.T) {
			w := newFilePlatform(t, strings.Split(strings.TrimSpace(block(section, "sql")), ";\n")...)
			w.declare(block(section, "yaml"))
			r, err := w.scan(false).Run(t.Context(), w.Env)
			if err != nil {
				t.Errorf("%v\n%s\n%s", err, strings.Join(w.refusals(), "\n"), strings.Join(w.list("malformed"), "\n"))
			}
			r = w.went(r, err, gc.Mission)
			if s := r.Scanned; s == nil || !s.Complete {
				t.Errorf("%+v", s)
			}
			// What leads nowhere is no link of a file: the smaller size of an image.
			links := slices.DeleteFunc(w.list("links"), func(l string) bool { return strings.Contains(l, "key:") })
			w.same("links", links, strings.Split(strings.TrimSpace(block(section, "text")), "\n")...)
			w.ok(Ask(t.Context(), w.Env, Question{}, func(db query.Engine) error {
				rows, err := db.Query(t.Context(), "SELECT count(*) FROM gc_handle WHERE modified IS NULL OR key IS NULL")
				if err != nil {
					return err
				}
				row, err := rows.Next()
				if n, _ := row[0].(int64); err == nil && n != 0 {
					t.Errorf("%d handles without key or time", n)
				}
				return errors.Join(err, rows.Close())
			}))
		})
	}
}
