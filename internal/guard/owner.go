package guard

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"cooper"
	"cooper/internal/address"
	"cooper/internal/config"
	"cooper/internal/database"
	"cooper/internal/gcstate"
	"cooper/internal/handleid"
)

// Owner reads rows of handles in their owner's database, by their ids.
type Owner struct {
	db     database.Database
	config *config.Config
	server *database.Server
	hosts  *address.Hosts
	kinds  map[string]*kind
}

// kind is a kind of handles, and how its rows are found.
type kind struct {
	*config.Handles
	ids   handleid.Type
	class database.Class // of the column of ids
	id    string         // as SQL
	query string         // what is read, up to the condition
}

// NewOwner looks at the tables of handles that are declared. One whose ids no key begins with is refused: each
// lookup would read all of it.
func NewOwner(ctx context.Context, db database.Database, c *config.Config) (*Owner, error) {
	o := &Owner{db: db, config: c, kinds: map[string]*kind{}}
	var err error
	if o.server, err = db.Server(ctx); err != nil {
		return nil, err
	}
	hosts := map[string]string{}
	for _, a := range c.Addresses {
		hosts[a.Host] = a.Bucket + "/" + a.Prefix
	}
	if o.hosts, err = address.New(nil, hosts); err != nil {
		return nil, &cooper.Error{Kind: cooper.KindUsage, Where: c.PlaceOf("addresses"), Message: "addresses cannot be read as declared", Err: err}
	}
	for _, h := range c.Handles {
		if o.kinds[h.Kind], err = o.kind(ctx, h); err != nil {
			return nil, err
		}
	}
	return o, nil
}

// Server is who is asked.
func (o *Owner) Server() *database.Server { return o.server }

// Kinds gives how ids of each kind are read.
func (o *Owner) Kinds() map[string]func(string) (string, string) {
	all := map[string]func(string) (string, string){}
	for name, k := range o.kinds {
		all[name] = k.ids.Parse
	}
	return all
}

func (o *Owner) kind(ctx context.Context, h *config.Handles) (*kind, error) {
	if h.Query != "" {
		return nil, h.Fault("query", "the guard finds handles by the key of their table, and these come from a query", "Declare the table.")
	}
	name := database.Name{Schema: h.Table.Schema, Table: h.Table.Name}
	t, err := o.db.Describe(ctx, name)
	if err != nil {
		return nil, err
	}
	c := t.Named(o.server.Engine, h.ID)
	if c == nil {
		return nil, h.Fault("id", "the guard finds handles by the key of their table, and their id is an expression", "Declare the column.")
	}
	if !slices.ContainsFunc(t.Keys, func(k database.Key) bool { return k.Columns[0] == c.Name }) {
		return nil, h.Fault("id", "no key of the table begins with the id, so that each lookup would read all of it", "Make the id unique in the table.")
	}
	k := &kind{Handles: h, class: c.Class, id: database.Express(o.server.Engine, t, h.ID)}
	switch c.Class {
	case database.Integer:
		k.ids = handleid.Integer
	case database.UUID:
		k.ids = handleid.UUID
	case database.Text:
		k.ids = handleid.Text
	default:
		return nil, h.Fault("id", fmt.Sprintf("the guard cannot find handles by ids of the type %s", c.Type), "Use a column of integers, UUIDs or texts.")
	}
	columns := []string{k.id}
	status := ""
	if h.Status != nil {
		status = h.Status.Column
	}
	for _, text := range []string{h.Bucket.SQL, h.Key, h.Location, status} {
		if text == "" {
			columns = append(columns, "NULL")
			continue
		}
		columns = append(columns, database.Express(o.server.Engine, t, text))
	}
	for i := range columns { // a query needs names for what is no column
		columns[i] += fmt.Sprintf(" AS c%d", i)
	}
	k.query = "SELECT " + strings.Join(columns, ", ") + " FROM " + database.Ident(o.server.Engine, t.Schema) + "." + database.Ident(o.server.Engine, t.Table) + " WHERE " + k.id + " IN ("
	return k, nil
}

// literals are the values of an id in its column: a text may be a UUID in another spelling.
func (o *Owner) literals(k *kind, id string) []string {
	if k.class == database.Integer {
		return []string{id} // digits
	}
	spellings := []string{id}
	if _, no := handleid.UUID.Parse(id); k.class == database.Text && no == "" {
		bare := strings.ReplaceAll(id, "-", "")
		spellings = append(spellings, strings.ToUpper(id), bare, strings.ToUpper(bare))
	}
	for i, s := range spellings {
		spellings[i] = database.Literal(o.server.Engine, s)
	}
	return spellings
}

// Rows gives the rows of some handles of a kind.
func (o *Owner) Rows(ctx context.Context, name string, ids []string) (map[string][]Row, error) {
	k := o.kinds[name]
	if k == nil {
		return nil, &cooper.Error{Kind: cooper.KindInternal, Where: name, Message: "there is no such kind of handles"}
	}
	var list []string
	for _, id := range ids {
		list = append(list, o.literals(k, id)...)
	}
	r := &reading{o: o, kind: k}
	if err := o.db.Read(ctx, &database.Source{Query: k.query + strings.Join(list, ", ") + ")"}, database.Range{Rows: -1}, r); err != nil {
		return nil, err
	}
	return r.rows, nil
}

// reading takes the rows of a kind.
type reading struct {
	o    *Owner
	kind *kind
	rows map[string][]Row
}

// Begin forgets what came before.
func (r *reading) Begin(database.Snapshot) error {
	r.rows = map[string][]Row{}
	return nil
}

// Rows takes rows.
func (r *reading) Rows(rows []database.Row) error {
	for i := range rows {
		v := rows[i].Values
		id, no := r.kind.ids.Parse(string(v[0].Data))
		if no != "" {
			continue // a spelling under which nobody asks
		}
		r.rows[id] = append(r.rows[id], r.objects(v)...)
	}
	return nil
}

// objects are those of a row; one that has none is a row without bucket.
func (r *reading) objects(v []database.Value) (all []Row) {
	text := func(v database.Value) string {
		if v.Class == database.Null {
			return ""
		}
		return string(v.Data)
	}
	var status gcstate.Status
	if s := r.kind.Status; s != nil && v[4].Class != database.Null {
		status = gcstate.Status(s.State(v[4].String()))
	}
	if r.kind.Location == "" {
		row := Row{Bucket: r.kind.Bucket.Constant, Key: text(v[2]), Status: status}
		if b := text(v[1]); b != "" {
			row.Bucket = b
		}
		return []Row{row}
	}
	found, _ := r.o.hosts.Alone(text(v[3]))
	for _, p := range found.Places {
		all = append(all, Row{Bucket: p.Bucket, Key: p.Key, Status: status})
	}
	if len(all) == 0 {
		all = []Row{{Status: status}}
	}
	return all
}
