package config

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"cooper"
)

// Database says which database it is, and where its address is kept: at most one of
// Env, File, Command and URL is given.
type Database struct {
	Place
	Engine string // mysql, postgres or sqlite; empty where the address itself has to say it
	Text   string // as it is written; there is no secret in it
	Env    string // a variable of the environment with the address in it
	File   string // a file with the address in its first line
	// Command is a program that writes the address; Config.Commands has it too.
	Command []string
	URL     string // the address itself, without a password; sqlite:PATH
}

// Engines are the databases that are read.
var Engines = []string{"mysql", "postgres", SQLite}

// SQLite is the engine of databases that are files: SQLite:PATH is the address itself.
const SQLite = "sqlite"

const databaseForms = "Write mysql:env:NAME or postgres:env:NAME, with the address in that variable; or mysql:file:PATH, mysql:exec:COMMAND; or sqlite:PATH."

// database reads ENGINE:env:NAME and the like. What cannot be read is not shown: there may
// be a password in it.
func (r *reader) database(n *node) Database {
	d := Database{Place: r.placed(n), Text: r.name(n)}
	if d.Text == "" {
		return d
	}
	engine, rest, _ := strings.Cut(d.Text, ":")
	switch {
	case engine == "env" || engine == "file" || engine == "exec":
		engine, rest = "", d.Text
	case engine == SQLite:
		if d.Engine, d.URL = engine, d.Text; rest == "" || strings.HasPrefix(rest, "//") {
			r.fault(n, "Write sqlite:PATH; the path is relative to the folder that this file is in.", "this names no file of SQLite")
		}
		return d
	case engine == "postgresql":
		engine = "postgres"
	case engine == "mariadb":
		r.fault(n, "Write mysql: for MariaDB, too.", "%s is no engine", quote(engine))
		return d
	case !slices.Contains(Engines, engine):
		r.fault(n, databaseForms, "this is no database: it begins neither with mysql: nor with postgres: or sqlite:")
		return d
	}
	d.Engine = engine
	if strings.HasPrefix(rest, "//") {
		r.address(n, &d)
		return d
	}
	from, what, _ := strings.Cut(rest, ":")
	what = strings.TrimSpace(what)
	switch {
	case what != "" && from == "env" && variable.MatchString(what):
		d.Env = what
	case what != "" && from == "file":
		d.File = what
	case what != "" && from == "exec":
		d.Command = r.words(n, what)
	case strings.ContainsAny(rest, "@="):
		r.fault(n, databaseForms, "an address with a password has no place in this file")
	default:
		r.fault(n, databaseForms, "where the database's address is kept is not said")
	}
	return d
}

// address takes an address that is no secret.
func (r *reader) address(n *node, d *Database) {
	u, err := url.Parse(d.Text)
	switch {
	case strings.Count(d.Text, "@") > 1, err == nil && secret(u):
		r.fault(n, databaseForms, "passwords have no place in this file")
		d.Text = ""
	case err != nil || u.Host == "" && u.RawQuery == "":
		r.fault(n, databaseForms, "this is no address of a database")
		d.Text = ""
	default:
		d.URL = d.Text
	}
}

func secret(u *url.URL) bool {
	_, ok := u.User.Password()
	for _, key := range []string{"password", "passwd", "pass", "pwd", "sslpassword"} {
		ok = ok || u.Query().Has(key)
	}
	return ok || strings.Contains(u.User.Username(), ":")
}

// Command is a place of the file that has a program run.
type Command struct {
	Where string
	Args  []string
}

// Commands are all programs that the file would have run.
func (c *Config) Commands() (cs []Command) {
	add := func(p *Place, key string, args []string) {
		if len(args) > 0 {
			cs = append(cs, Command{p.PlaceOf(key), args})
		}
	}
	add(&c.Database.Place, "", c.Database.Command)
	if c.Replica != nil {
		add(&c.Replica.Place, "", c.Replica.Command)
	}
	if c.Registry != nil && c.Registry.Database != nil {
		add(&c.Registry.Database.Place, "", c.Registry.Database.Command)
	}
	for _, a := range c.Associations {
		for i, s := range a.Unpack.As {
			if s.Name == "exec" {
				add(&a.Place, fmt.Sprintf("as[%d]", i), s.Args)
			}
		}
	}
	return cs
}

// check sees that names mean something, and buckets are within reach.
func (r *reader) check(c *Config) {
	r.checkKinds(c)
	reach := func(p *Place, key, bucket string) {
		if bucket != "" && !c.Reaches(bucket) {
			r.faultAt(p, key, "Name it in buckets, or in reads if it is only read.", "bucket %s is neither in buckets nor in reads", quote(bucket))
		}
	}
	for _, b := range c.Reads {
		if c.Judged(b.Name) {
			r.faultAt(&b.Place, "", "Keep one: objects in buckets are judged, those in reads never.", "bucket %s is in buckets, too", quote(b.Name))
		}
	}
	for _, a := range c.Addresses {
		reach(&a.Place, "bucket", a.Bucket)
	}
	for _, a := range c.Associations {
		reach(&a.Place, "bucket", a.Bucket.Constant)
		if a.Fetch != nil {
			reach(&a.Fetch.Place, "bucket", a.Fetch.Bucket.Constant)
		}
	}
	for _, g := range slices.Concat(c.Protect, c.InFlight) {
		if c.Archive == nil || g.Bucket != c.Archive.Bucket {
			reach(&g.Place, "prefix", g.Bucket)
		}
		if !g.Table.Given() && g.Bucket == "" && g.Prefix == "" && !r.faulted(g.PosOf("prefix")) {
			r.faultAt(&g.Place, "prefix", "Write s3://BUCKET/ for all of a bucket.", "this prefix holds every object of every bucket")
		}
	}
	if c.Archive != nil && c.Judged(c.Archive.Bucket) {
		r.faultAt(&c.Archive.Place, "bucket", "Archive to a bucket of its own.",
			"bucket %s is judged itself: what is archived there would soon be garbage again", quote(c.Archive.Bucket))
	}
	for _, h := range c.Handles {
		if h.Modified == nil {
			c.Notes = append(c.Notes, Note{h.PlaceOf(""), "without modified all of these handles are young, and none is a candidate"})
		}
		if b := h.Bucket.Constant; b != "" && !c.Judged(b) {
			c.Notes = append(c.Notes, Note{h.PlaceOf("bucket"), "bucket " + cooper.Quote(b) + " is not in buckets: these handles are left alone"})
		}
	}
}

// checkKinds: what is `of` a kind must find it; a bucket that goes without saying is
// said here.
func (r *reader) checkKinds(c *Config) {
	var kinds []string
	for _, h := range c.Handles {
		kinds = append(kinds, h.Kind)
		if h.Location != "" || h.Bucket.Given() || r.faulted(h.PosOf("bucket")) {
			continue
		}
		if len(c.Buckets) == 1 {
			h.Bucket = Operand{Constant: c.Buckets[0].Name}
		} else if h.Key != "" && len(c.Buckets) > 1 {
			r.faultAt(&h.Place, "key", "Add bucket: COLUMN, or bucket: =NAME.", "there are several buckets, and which one these keys are in is not said")
		}
	}
	known := func(p *Place, of string) {
		switch {
		case of == "" || slices.Contains(kinds, of) || len(kinds) == 0:
		case len(kinds) == 1 && kinds[0] == "":
			r.faultAt(p, "of", "Leave it out: there is one kind of handles, without a name.", "there is no kind of handles %s", quote(of))
		default:
			r.faultAt(p, "of", suggest(of, kinds), "there is no kind of handles %s", quote(of))
		}
	}
	for _, a := range c.Associations {
		known(&a.Place, a.Of)
	}
	for _, d := range c.Derived {
		known(&d.Place, d.Of)
	}
	for _, g := range slices.Concat(c.Protect, c.InFlight) {
		known(&g.Place, g.Of)
	}
}
