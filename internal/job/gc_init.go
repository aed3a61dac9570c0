package job

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"cooper"
	"cooper/internal/config"
	"cooper/internal/database"
	"cooper/internal/gc"
)

// GCInit writes a configuration from what an owner's database tells of itself, or adds to
// the one that is there.
type GCInit struct {
	// Config is the path of the configuration.
	Config string
	// Database is its address, or where that is kept, as a configuration says it. Empty for
	// that of the file that is there.
	Database string
	// Handles are tables of handles, TABLE or TABLE=BUCKET; none: they are guessed. Buckets
	// are those that are owned; none: those that handles name. Both are for a file that is not
	// there yet.
	Handles, Buckets []string
	PlanOnly         bool // nothing is written
}

// GCInitialised is what was written.
type GCInitialised struct {
	Config string `json:"config"`
	New    bool   `json:"new"`
	// Text is the whole file.
	Text string `json:"text"`
	// Added are associations that were not there; Protected are tables of holds.
	Added     []string `json:"added"`
	Protected []string `json:"protected,omitempty"`
	Written   bool     `json:"written"`
	// Variable is the one of the environment that has to hold the address.
	Variable string `json:"variable,omitempty"`
	// Packed are columns in which links may be packed.
	Packed []string `json:"packed"`
	// Unread are tables that this user may not read.
	Unread []string `json:"unread"`
	// Findings are what a check of the schema still has against it.
	*gc.Findings
}

// variable has the address of a database that the file must not have.
const variable = "COOPER_DATABASE"

// Run looks at the database, and writes.
func (g *GCInit) Run(ctx context.Context, e *Env) (r *GCInitialised, err error) {
	err = e.begin(func(w *work) error {
		r, err = g.run(ctx, w)
		return err
	})
	return r, err
}

func (g *GCInit) run(ctx context.Context, w *work) (r *GCInitialised, err error) {
	path, err := filepath.Abs(g.Config)
	if err != nil {
		return nil, err
	}
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	r = &GCInitialised{Config: g.Config}
	src, err := os.ReadFile(path)
	c := config.New()
	switch {
	case errors.Is(err, fs.ErrNotExist):
		r.New = true
		c.Dir = filepath.Dir(path)
	case err != nil:
		return nil, &cooper.Error{Kind: cooper.KindUsage, Where: g.Config, Message: "cannot be read", Err: err}
	default:
		if len(g.Handles)+len(g.Buckets) > 0 {
			return nil, &cooper.Error{Kind: cooper.KindUsage, Where: g.Config, Message: "the file is there, and says what the handles and buckets are", Remedy: "Leave --handles and --bucket out; or write another file by --config."}
		}
		if c, err = config.Load(path); err != nil {
			return nil, err
		}
	}
	open, err := g.address(r, c)
	if err != nil {
		return nil, err
	}
	db, err := w.openDatabase(ctx, open)
	if err != nil {
		return nil, err
	}
	defer finally(&err, db.Close)
	out, err := g.propose(ctx, w, db, r, c, src)
	if err != nil {
		return nil, err
	}
	if r.Text = string(out); g.PlanOnly || bytes.Equal(out, src) {
		return r, nil
	}
	if err := save(path, src, out, r.New); err != nil {
		return nil, err
	}
	r.Written = true
	return r, nil
}

// address is how the database is opened; of the file, where it is to be found. Passwords
// never get into it.
func (g *GCInit) address(r *GCInitialised, c *config.Config) (_ *config.Config, err error) {
	if g.Database == "" {
		if r.New {
			return nil, &cooper.Error{Kind: cooper.KindUsage, Where: g.Config, Message: "there is no such file, and no database is named to write it from", Remedy: "cooper gc init mysql://USER@HOST/DATABASE, postgres:env:NAME, or sqlite:PATH."}
		}
		return c, nil
	}
	d := config.Database{Text: g.Database}
	engine, rest, _ := strings.Cut(g.Database, ":")
	switch engine {
	case "mariadb":
		engine = "mysql"
	case "postgresql":
		engine = "postgres"
	}
	d.Engine = engine
	from, what, _ := strings.Cut(rest, ":")
	switch {
	case engine == config.SQLite && rest != "":
		if d.Text, err = besideConfig(c.Dir, rest); err != nil {
			return nil, err
		}
		d.URL = d.Text
	case database.Spelled(g.Database) != "":
		return nil, &cooper.Error{Kind: cooper.KindUsage, Message: "the database's address is no URL", Remedy: "Put it into a variable as " + database.Spelled(g.Database) + ", and write mysql:env:NAME or postgres:env:NAME."}
	case engine != "mysql" && engine != "postgres":
		return nil, &cooper.Error{Kind: cooper.KindUsage, Message: "this is no database: it begins neither with mysql: nor with postgres: or sqlite:", Remedy: "Write mysql://USER@HOST/DATABASE, postgres:env:NAME, or sqlite:PATH."}
	case strings.HasPrefix(rest, "//"):
		d.URL, d.Text = g.Database, engine+":env:"+variable
		r.Variable = variable
	case from == "env":
		d.Env, d.Text, r.Variable = what, engine+":env:"+what, what
	case from == "file":
		d.File, d.Text = what, engine+":file:"+what
	default:
		return nil, &cooper.Error{Kind: cooper.KindUsage, Message: "where the database's address is kept is not said", Remedy: "Write an address, or " + engine + ":env:NAME, or " + engine + ":file:PATH."}
	}
	open := *c
	open.Database, open.Replica = d, nil
	if r.New {
		c.Database = d
		if d.URL != "" && engine != config.SQLite { // the address itself is for now alone
			c.Database.URL, c.Database.Env = "", variable
		}
	}
	return &open, nil
}

// besideConfig is the address of a file of SQLite as the configuration has it: relative to its
// folder where it is in it, or below.
func besideConfig(dir, path string) (string, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	if rel, err := filepath.Rel(dir, abs); err == nil && filepath.IsLocal(rel) {
		abs = rel
	}
	return config.SQLite + ":" + abs, nil
}

func (g *GCInit) propose(ctx context.Context, w *work, db database.Database, r *GCInitialised, c *config.Config, src []byte) (out []byte, err error) {
	schema, err := gc.Look(ctx, db)
	if err != nil {
		return nil, err
	}
	comments := map[string]string{}
	if r.New {
		if err := g.begin(ctx, db, c, schema, comments); err != nil {
			return nil, err
		}
	}
	all, survey, err := proposed(ctx, w, db, c, schema, r.New)
	if err != nil {
		return nil, err
	}
	more := all.Associations
	r.Packed, r.Unread = schema.Packed(), schema.Unread
	if !r.New {
		if out, r.Added, err = config.Add(g.Config, src, more); err != nil {
			return nil, err
		}
	}
	if r.New {
		if len(more) == 0 {
			return nil, &cooper.Error{Kind: cooper.KindRefused, Message: "nothing in the database was found to link to handles", Remedy: "See whether the user may read its tables and --handles names the right one; or write cooper.yaml by hand."}
		}
		for _, m := range more {
			r.Added = append(r.Added, m.Name)
			comments["associations."+m.Name] = m.Comment
		}
		for _, h := range all.Protect {
			r.Protected = append(r.Protected, h.Table.Text)
			comments["protect"] = strings.TrimPrefix(comments["protect"]+"\n"+h.Comment, "\n")
		}
		comments["associations"] = "What links to files. This is what the schema tells; nobody but you knows the rest.\n" + packed(r.Packed)
		if out, err = config.Render(c, comments); err != nil {
			return nil, err
		}
	}
	r.Findings = gc.Check(c, survey, &gc.Around{Others: unreadable(c)})
	return out, nil
}

// proposed adds to a configuration until nothing more is found: a column that is declared
// tells by its name what others of that name are.
func proposed(ctx context.Context, w *work, db database.Database, c *config.Config, schema *gc.Schema, holds bool) (all gc.Proposal, survey *gc.Survey, err error) {
	for {
		if survey, err = gc.Take(ctx, db, c, w.Clock()); err != nil {
			return all, nil, err
		}
		more := gc.Propose(c, survey, schema, holds)
		if len(more.Associations)+len(more.Protect) == 0 {
			return all, survey, nil
		}
		all.Associations, all.Protect = append(all.Associations, more.Associations...), append(all.Protect, more.Protect...)
		for _, m := range more.Associations {
			c.Associations = append(c.Associations, m.Association)
		}
		for _, h := range more.Protect {
			c.Protect = append(c.Protect, h.Guard)
		}
	}
}

// mostPacked is how many columns a file names.
const mostPacked = 100

func packed(columns []string) string {
	if len(columns) == 0 {
		return ""
	}
	text := "Links may be packed in these columns too, as JSON, XML, lists or addresses. Look, and\ndeclare those that have any (value, as, at): a link that is not declared is not seen."
	for i, c := range columns {
		if i == mostPacked {
			return text + "\n  and more"
		}
		text += "\n  " + c
	}
	return text
}

// begin fills a new configuration: buckets and handles.
func (g *GCInit) begin(ctx context.Context, db database.Database, c *config.Config, schema *gc.Schema, comments map[string]string) error {
	kinds, err := gc.Guess(ctx, db, schema, g.Handles, g.Buckets)
	if err != nil {
		return err
	}
	buckets, others := g.Buckets, false
	for _, k := range kinds {
		c.Handles = append(c.Handles, k.Handles)
		at := "handles"
		if k.Kind != "" {
			at += "." + k.Kind
		}
		comments[at] = k.Comment
		if len(g.Buckets) == 0 {
			buckets = append(buckets, k.Buckets...)
			if k.Bucket.Constant != "" {
				buckets = append(buckets, k.Bucket.Constant)
			}
			others = others || k.Others
		}
	}
	if len(buckets) == 0 {
		return &cooper.Error{Kind: cooper.KindUsage, Message: "which buckets are owned is not said, and no row of the handles names one", Remedy: "Add --bucket NAME: objects of those alone are judged."}
	}
	slices.Sort(buckets)
	for _, b := range slices.Compact(buckets) {
		c.Buckets = append(c.Buckets, &config.Bucket{Name: b})
	}
	if len(g.Buckets) == 0 {
		comments["buckets"] = "Those that --handles names, or rows of the handles do. Every object in them is judged: take out each that is not\nyours alone. Handles in other buckets are left alone."
		if others {
			comments["buckets"] += " Not all rows were looked at: there may be more."
		}
	}
	comments["version"] = "Written by cooper gc init from the database's schema. Nothing in it is certain before you\nhave looked at it: then cooper gc check."
	return nil
}

// save writes a file: a new one only where there is none, one that was there only as long
// as it is what was read.
func save(path string, was, is []byte, fresh bool) (err error) {
	fail := func(err error) error {
		return &cooper.Error{Kind: cooper.KindInternal, Where: path, Message: "cannot be written", Err: err}
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".cooper-yaml-*")
	if err != nil {
		return fail(err)
	}
	defer func() { _ = os.Remove(f.Name()) }() // it has another name by then, if all went well
	_, err = f.Write(is)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return fail(err)
	}
	if fresh {
		if err := os.Link(f.Name(), path); err != nil { // unlike a rename, it replaces nothing
			return fail(err)
		}
		return nil
	}
	info, err := os.Stat(path)
	if err != nil {
		return fail(err)
	}
	now, err := os.ReadFile(path)
	if err != nil {
		return fail(err)
	}
	if !bytes.Equal(now, was) {
		return &cooper.Error{Kind: cooper.KindRefused, Where: path, Message: "somebody has changed it in the meantime", Remedy: "Do this again."}
	}
	if err := os.Chmod(f.Name(), info.Mode().Perm()); err != nil {
		return fail(err)
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return fail(err)
	}
	return nil
}

// HasPassword tells whether an address has a password in it.
func (g *GCInit) HasPassword() bool {
	if url := database.Spelled(g.Database); url != "" {
		return strings.Contains(url, ":PASSWORD@")
	}
	u, err := url.Parse(g.Database)
	if err != nil {
		return strings.Contains(g.Database, "@")
	}
	_, ok := u.User.Password()
	return ok
}
