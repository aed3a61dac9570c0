package gc

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"

	"cooper"
	"cooper/internal/config"
	"cooper/internal/database"
	"cooper/internal/gcop"
)

// Digests are what the count of complete scans rests on: when one of them changes, it
// begins anew.
type Digests struct {
	// Configuration is of what is declared (config.Canonical), Schema of the tables upon
	// which it is, and of the foreign keys to handles.
	Configuration, Schema string
}

// DigestsOf are those of a configuration and of a survey for it. Which tables a pattern
// matched is no part of them: tenants appear daily, and one like the others changes nothing.
func DigestsOf(c *config.Config, s *Survey) (d Digests, err error) {
	if d.Configuration, err = ConfigurationOf(c); err != nil {
		return d, err
	}
	declared := declaration{Engine: s.Server.Engine, Shapes: map[string][]string{}}
	for _, p := range s.Parts {
		for _, t := range p.Tables {
			name := labelOf(c, t.Name)
			if shape := shapeOf(&t.Table); !slices.Contains(declared.Shapes[name], shape) {
				declared.Shapes[name] = append(declared.Shapes[name], shape)
			}
		}
	}
	for _, shapes := range declared.Shapes {
		slices.Sort(shapes)
	}
	for _, f := range slices.Concat(s.Foreign, s.Suspected) {
		declared.Foreign = append(declared.Foreign, foreign{labelOf(c, f.Table), f.Columns, labelOf(c, f.To), f.Targets})
	}
	slices.SortFunc(declared.Foreign, func(a, b foreign) int {
		return cmp.Or(strings.Compare(a.Table, b.Table), slices.Compare(a.Columns, b.Columns), strings.Compare(a.To, b.To), slices.Compare(a.Targets, b.Targets))
	})
	declared.Foreign = slices.CompactFunc(declared.Foreign, func(a, b foreign) bool {
		return a.Table == b.Table && a.To == b.To && slices.Equal(a.Columns, b.Columns) && slices.Equal(a.Targets, b.Targets)
	})
	schema, err := json.Marshal(declared)
	if err != nil {
		return d, &cooper.Error{Kind: cooper.KindInternal, Message: "a schema cannot be written", Err: err}
	}
	d.Schema = digest(schema)
	return d, nil
}

// ConfigurationOf is the digest of what a configuration declares, and of the programs that it
// gives values to: a scan is carried out with no other than it was planned with.
func ConfigurationOf(c *config.Config) (string, error) {
	canonical, err := c.Canonical()
	if err != nil {
		return "", err
	}
	programs, err := c.Programs()
	for _, p := range programs {
		canonical = append(canonical, "\n"+p...)
	}
	return digest(canonical), err
}

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

type declaration struct {
	Engine  string              `json:"engine"`
	Shapes  map[string][]string `json:"tables"` // columns and types, by table or pattern
	Foreign []foreign           `json:"foreign_keys"`
}

type foreign struct {
	Table   string   `json:"table"`
	Columns []string `json:"columns"`
	To      string   `json:"to"`
	Targets []string `json:"targets"`
}

// labelOf names a table for the digest: by the patterns that match it, or by itself.
func labelOf(c *config.Config, n database.Name) string {
	var matched []string
	add := func(t *config.Table) {
		if t.Pattern != nil && t.Matches(n.Schema, n.Table) && !slices.Contains(matched, t.Text) {
			matched = append(matched, t.Text)
		}
	}
	for _, a := range c.Associations {
		add(&a.Table)
	}
	for _, g := range slices.Concat(c.Protect, c.InFlight) {
		add(&g.Table)
	}
	for _, w := range c.Waive {
		add(&w.Table)
	}
	if len(matched) == 0 {
		return n.String()
	}
	slices.Sort(matched)
	return strings.Join(matched, " ")
}

// shapeOf is what a table's columns are.
func shapeOf(t *database.Table) string {
	var b strings.Builder
	if t.View {
		b.WriteString("view")
	}
	columns := slices.Clone(t.Columns)
	slices.SortFunc(columns, func(a, b database.Column) int { return strings.Compare(a.Name, b.Name) })
	for _, c := range columns {
		b.WriteString("\n" + c.Name + " " + c.Type)
	}
	return b.String()
}

// scanningOf is what all tasks of a scan have in common.
func (d *Digests) scanningOf(s *Survey, path string, at cooper.Instant) gcop.Scanning {
	return gcop.Scanning{Config: path, Configuration: d.Configuration, Schema: d.Schema, Server: s.Server.Identity, Engine: s.Server.Engine, Time: at}
}
