package job

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"strings"

	"cooper"
	"cooper/internal/config"
	"cooper/internal/gc"
	"cooper/internal/query"
)

// registryTable is what the table of a registry is called where nothing else is said.
const registryTable = "file_links"

// GCRegistryDDL writes the SQL of a registry: with the names of a configuration's, or those that
// are meant unless others are said. Nothing is asked of a database.
func GCRegistryDDL(path, engine string) (r gc.RegistrySQL, err error) {
	g := config.NewRegistry()
	g.Table = config.Table{Text: registryTable, Name: registryTable}
	switch _, err := os.Stat(path); {
	case errors.Is(err, fs.ErrNotExist):
		return gc.RegistryFor(engine, g)
	case err != nil:
		return r, &cooper.Error{Kind: cooper.KindUsage, Where: path, Message: "cannot be read", Err: err}
	}
	c, err := config.Load(path)
	if err != nil {
		return r, err
	}
	if c.Registry != nil {
		g = c.Registry
	}
	return gc.RegistryFor(engine, g)
}

// GCRegistry compares the registry of links with what the last complete scan has found by other
// associations.
type GCRegistry struct {
	// Config is the path of the configuration.
	Config string
}

// GCDisagreed is a handle of which registry and scan say different things.
type GCDisagreed struct {
	Handle string `json:"handle"`
	// Linked is where alone it has a link: "registry", or "scan".
	Linked string `json:"linked"`
}

// GCBackfilled is a link that the registry lacks, and the statement that notes it there.
type GCBackfilled struct {
	Handle string `json:"handle"`
	Type   string `json:"type"` // the association
	Object string `json:"object"`
	SQL    string `json:"sql"`
}

// Diff gives the handles that the two disagree on.
func (g *GCRegistry) Diff(ctx context.Context, e *Env, each func(GCDisagreed) error) error {
	return g.compared(ctx, e, func(ctx context.Context, _ *config.Config, scan string, db query.Engine) error {
		return gc.Disagreed(ctx, db, scan, func(handle string, registry bool) error {
			x := GCDisagreed{Handle: handle, Linked: "scan"}
			if registry {
				x.Linked = config.RegistryName
			}
			return each(x)
		})
	})
}

// Backfill gives the links that the registry lacks. It writes nothing: the statements are for who may
// write to the database, and may be run again.
func (g *GCRegistry) Backfill(ctx context.Context, e *Env, each func(GCBackfilled) error) error {
	return g.compared(ctx, e, func(ctx context.Context, c *config.Config, scan string, db query.Engine) error {
		engine := c.Database.Engine
		if engine == "" {
			return usage("the configuration does not say which engine the database has", "Write mysql: or postgres: in front: "+c.PlaceOf("database"))
		}
		statements, err := gc.RegistryFor(engine, c.Registry)
		if err != nil {
			return err
		}
		kind, others := c.Registry.Of, 0
		if kind == "" {
			kind = c.Handles[0].Kind
		}
		err = gc.Unregistered(ctx, db, scan, func(association, object, handle string) error {
			id, of := handle, true
			if kind != "" {
				id, of = strings.CutPrefix(handle, kind+":")
			}
			if !of {
				others++
				return nil
			}
			return each(GCBackfilled{Handle: handle, Type: association, Object: object, SQL: statements.Fill(engine, id, association, object)})
		})
		if others > 0 {
			e.tell(Note, "links to handles of other kinds than %s have no place in this registry: %d", kind, others)
		}
		return err
	})
}

// compared asks about the last complete scan.
func (g *GCRegistry) compared(ctx context.Context, e *Env, f func(ctx context.Context, c *config.Config, scan string, db query.Engine) error) error {
	c, err := config.Load(g.Config)
	if err != nil {
		return err
	}
	if c.Registry == nil {
		return &cooper.Error{Kind: cooper.KindUsage, Where: g.Config, Message: "no registry is declared", Remedy: "cooper gc registry ddl prints the SQL of one; then declare it under registry, and scan."}
	}
	return e.begin(func(w *work) (err error) {
		release, err := w.gcFacts().Hold(ctx)
		if err != nil {
			return err
		}
		defer finally(&err, release)
		last, h, err := w.lastScan(ctx, g.Config)
		if err != nil {
			return err
		}
		complete := h.LastComplete(last.Server)
		if complete == nil || complete.Counts[config.RegistryName].Ranges == 0 {
			return &cooper.Error{Kind: cooper.KindMissing, Where: g.Config, Message: "no complete scan has read the registry", Remedy: "Scan: cooper gc scan; cooper gc status says what a scan lacks."}
		}
		return w.large(ctx, w.Memory*3/4, query.Sources{Workspace: w.ws.Dir()}, func(db query.Engine) error { return f(ctx, c, complete.ID, db) })
	})
}
