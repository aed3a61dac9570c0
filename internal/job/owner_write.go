package job

import (
	"context"
	"strings"

	"cooper"
	"cooper/internal/config"
	"cooper/internal/database"
	"cooper/internal/ownerwrite"
	mysqlwrite "cooper/internal/ownerwrite/mysql"
	postgreswrite "cooper/internal/ownerwrite/postgres"
	sqlitewrite "cooper/internal/ownerwrite/sqlite"
)

// registryAt is a registry that may be written to.
type registryAt struct {
	ownerwrite.Registry
	writer ownerwrite.Writer
	table  database.Name
	// server is who answers; reading is who answers at the address of database, the same.
	server, reading *database.Server
}

// writeTo opens the database that a configuration names to be written to.
func (e *Env) writeTo(ctx context.Context, c *config.Config, d *config.Database) (ownerwrite.Writer, error) {
	address, err := addressOf(ctx, c.Dir, d)
	if err != nil {
		return nil, err
	}
	opt := database.Options{Now: e.Clock}
	switch is := func(engine string) bool { return d.Engine == "" || d.Engine == engine }; {
	case mysqlwrite.IsURL(address) && is("mysql"):
		return openedWriter(mysqlwrite.Open(ctx, address, opt))
	case sqlitewrite.IsURL(address) && is(config.SQLite):
		return openedWriter(sqlitewrite.Open(ctx, fileIn(c.Dir, address), opt))
	case postgreswrite.IsURL(address) && is("postgres"):
		return openedWriter(postgreswrite.Open(ctx, address, opt))
	}
	return nil, d.Fault("", "the address that it leads to is none of a database", "It begins with mysql://USER:PASSWORD@HOST/DATABASE or postgres://USER:PASSWORD@HOST/DATABASE; or is sqlite:PATH.")
}

// openedWriter keeps the nil of an error from becoming a writer.
func openedWriter[W ownerwrite.Writer](w W, err error) (ownerwrite.Writer, error) {
	if err != nil {
		return nil, err
	}
	return w, nil
}

// columnsOf are those of a declared registry.
func columnsOf(g *config.Registry) ownerwrite.Columns {
	return ownerwrite.Columns{Handle: g.Handle, Type: g.Type, Object: g.Object, Linked: g.Linked, Unlinked: g.Unlinked}
}

// statementsOf are those of a declared registry, as a person runs them.
func statementsOf(c *config.Config) (engine string, s ownerwrite.Statements, err error) {
	if engine = c.Database.Engine; engine == "" {
		return "", s, usage("the configuration does not say which engine the database has", "Write mysql: or postgres: in front: "+c.PlaceOf("database"))
	}
	s, err = ownerwrite.StatementsFor(engine, c.Registry.Table.Text, columnsOf(c.Registry))
	return engine, s, err
}

// registry opens the declared registry to be written to, for f: on the primary, in the very database
// that is read. Nothing else is written by that connection.
func (e *Env) registry(ctx context.Context, c *config.Config, f func(*registryAt) error) (err error) {
	d := c.Registry.Database
	r := &registryAt{}
	// Before anybody reads: of a file, it takes back what a writer has left half done that was killed.
	if r.writer, err = e.writeTo(ctx, c, d); err != nil {
		return err
	}
	defer finally(&err, r.writer.Close)
	if r.server, err = r.writer.Server(ctx); err != nil {
		return err
	}
	if r.table, r.reading, err = e.registryTable(ctx, c); err != nil {
		return err
	}
	refused := func(message, remedy string) error {
		return &cooper.Error{Kind: cooper.KindRefused, Where: c.Registry.PlaceOf("database"), Message: message + ", and nothing was written", Remedy: remedy}
	}
	// The same server may not tell this user what it tells the one that reads.
	replica := r.server.Replica
	if replica == database.ReplicaUnknown {
		replica = r.reading.Replica
	}
	switch {
	case r.server.Identity != r.reading.Identity:
		return refused("this is another database than the one under database: "+cooper.Quote(r.server.Identity)+", and not "+cooper.Quote(r.reading.Identity), "Let both lead to the primary.")
	case replica == database.IsReplica:
		return refused("this is a replica", "Let it lead to the primary.")
	case replica != database.Primary:
		return refused("the server does not tell whether it is a replica", "Grant REPLICATION CLIENT, on MariaDB REPLICA MONITOR, to the user of registry.database or of database.")
	}
	if r.Registry, err = r.writer.Registry(ctx, r.table, columnsOf(c.Registry)); err != nil {
		return err
	}
	return f(r)
}

// registryTable is the table that is read as the registry, on the primary, and who answers there.
func (e *Env) registryTable(ctx context.Context, c *config.Config) (name database.Name, server *database.Server, err error) {
	db, err := e.openAt(ctx, c, &c.Database)
	if err != nil {
		return name, nil, err
	}
	defer finally(&err, db.Close)
	if server, err = db.Server(ctx); err != nil {
		return name, nil, err
	}
	p, err := database.ParsePattern(c.Registry.Table.Text)
	if err != nil {
		return name, nil, err
	}
	list, err := db.Tables(ctx, p)
	if err != nil {
		return name, nil, err
	}
	if len(list.Tables) != 1 {
		return name, nil, &cooper.Error{Kind: cooper.KindMissing, Where: c.Registry.PlaceOf("table"), Message: "there is no table " + cooper.Quote(c.Registry.Table.Text), Remedy: "cooper gc registry ddl prints the SQL that makes it."}
	}
	return list.Tables[0].Name, server, nil
}

// beyond says which rights more than are needed the user has who writes to the registry; empty if he
// has none.
func (r *registryAt) beyond() string {
	all := ownerwrite.Beyond(r.server, r.table)
	switch {
	case len(all) == 0:
		return ""
	case r.server.Engine == database.SQLite:
		return "a file of SQLite knows no users: that nothing but the registry is written is promised by Cooper alone"
	}
	return "its user may do more than write to the registry, revoke that: " + strings.Join(all, "; ")
}

// checkRegistry says what is wrong with the connection that writes to the registry, if there is one: a scan
// does without it.
func (e *Env) checkRegistry(ctx context.Context, c *config.Config) (note string, err error) {
	if c.Registry == nil || c.Registry.Database == nil {
		return "", nil
	}
	err = e.registry(ctx, c, func(r *registryAt) error {
		note = r.beyond()
		return nil
	})
	if err != nil && ctx.Err() == nil {
		return "the registry cannot be written to: " + strings.TrimSpace(err.Error()+". "+cooper.RemedyOf(err)), nil
	}
	return note, err
}
