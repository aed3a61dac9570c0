package gc

import (
	"strings"
	"testing"

	"cooper/internal/database"
)

// TestDigests: the count of scans begins anew when something changes that could change
// links, and not when a tenant comes or goes.
func TestDigests(t *testing.T) {
	of := func(change func(*owner), text string) Digests {
		t.Helper()
		o := newOwner()
		if change != nil {
			change(o)
		}
		c := configOf(t, text)
		d, err := DigestsOf(c, survey(t, o, c))
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	is := of(nil, declared1)
	for name, change := range map[string]func(*owner){
		"a tenant more": func(o *owner) { o.tables = append(o.tables, table("tenant_c.uploads: id bigint, file_id bigint")) },
		"a tenant less": func(o *owner) { o.tables = append(o.tables[:5], o.tables[6:]...) },
		"a tenant with a foreign key": func(o *owner) {
			o.foreign = append(o.foreign, foreignKey("tenant_b.uploads", "file_id", "files", "id"))
		},
		"another order": func(o *owner) {
			cs := o.find("posts").Columns
			cs[0], cs[2] = cs[2], cs[0]
			o.foreign[0], o.foreign[3] = o.foreign[3], o.foreign[0]
			o.tables[0], o.tables[3] = o.tables[3], o.tables[0]
		},
		"other rows":                   func(o *owner) { o.find("posts").Rows = 5 },
		"a table that nobody declared": func(o *owner) { o.tables = append(o.tables, table("more: id bigint")) },
	} {
		if d := of(change, declared1); d != is {
			t.Errorf("%s: another digest", name)
		}
	}
	for name, change := range map[string]func(*owner){
		"a column more": func(o *owner) {
			o.find("posts").Columns = append(o.find("posts").Columns, database.Column{Name: "more", Type: "bigint"})
		},
		"another type":           func(o *owner) { o.find("holds").Columns[1].Type = "integer" },
		"a table becomes a view": func(o *owner) { o.find("posts").View = true },
		"a foreign key more":     func(o *owner) { o.foreign = append(o.foreign, foreignKey("loose", "file_id", "files", "id")) },
		"a foreign key less":     func(o *owner) { o.foreign = o.foreign[1:] },
		"tenants of another shape": func(o *owner) {
			o.tables = append(o.tables, table("tenant_c.uploads: id bigint, file_id bigint, thumb_id bigint"))
		},
	} {
		if d := of(change, declared1); d.Schema == is.Schema || d.Configuration != is.Configuration {
			t.Errorf("%s: the same digest of the schema, or another of the configuration", name)
		}
	}
	for name, text := range map[string]string{
		"waived":            declared1 + "waive: [posts.file_id]\n",
		"another condition": strings.Replace(declared1, "id < 5", "id < 6", 1),
	} {
		if d := of(nil, text); d.Configuration == is.Configuration {
			t.Errorf("%s: the same digest", name)
		}
	}
	if d := of(nil, declared1+"detect: {scans: 5}\n"); d != is {
		t.Error("how many scans are wanted changes no link")
	}
}
