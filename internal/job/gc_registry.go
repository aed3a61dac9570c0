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
	"cooper/internal/ownerwrite"
	"cooper/internal/query"
)

// registryTable is what the table of a registry is called where nothing else is said.
const registryTable = "file_links"

// GCRegistryDDL writes the SQL of a registry: with the names of a configuration's, or those that
// are meant unless others are said. Nothing is asked of a database.
func GCRegistryDDL(path, engine string) (s ownerwrite.Statements, err error) {
	g := config.NewRegistry()
	g.Table = config.Table{Text: registryTable, Name: registryTable}
	switch _, err := os.Stat(path); {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return s, &cooper.Error{Kind: cooper.KindUsage, Where: path, Message: "cannot be read", Err: err}
	default:
		c, err := config.Load(path)
		if err != nil {
			return s, err
		}
		if c.Registry != nil {
			g = c.Registry
		}
	}
	return ownerwrite.StatementsFor(engine, g.Table.Text, columnsOf(g))
}

// GCRegistry compares the registry of links with what the last complete scan has found by other
// associations, and fills it from there.
type GCRegistry struct {
	// Config is the path of the configuration.
	Config string
	// Yes answers the question that Backfill asks; PlanOnly: it says what it would do.
	Yes, PlanOnly bool
	// Show shows what is to be filled in, before anybody is asked.
	Show func(*GCBackfill) error
}

// GCDisagreed is a handle of which registry and scan say different things.
type GCDisagreed struct {
	Handle string `json:"handle"`
	// Linked is where alone it has a link: "registry", or "scan".
	Linked string `json:"linked"`
}

// Diff gives the handles that the two disagree on.
func (g *GCRegistry) Diff(ctx context.Context, e *Env, each func(GCDisagreed) error) error {
	return g.compared(ctx, e, func(ctx context.Context, _ *work, x *comparison) error {
		return gc.Disagreed(ctx, x.db, x.scan.ID, func(handle string, registry bool) error {
			d := GCDisagreed{Handle: handle, Linked: "scan"}
			if registry {
				d.Linked = config.RegistryName
			}
			return each(d)
		})
	})
}

// comparison is of a registry with the last complete scan.
type comparison struct {
	config *config.Config
	db     query.Engine
	scan   *gc.Scan
	// began is the database's clock when the scan began to read: whatever it saw was there then, or has
	// come since.
	began cooper.Instant
	// others is how many links were to handles of other kinds than the registry's.
	others int64
}

// compared asks about the last complete scan.
func (g *GCRegistry) compared(ctx context.Context, e *Env, f func(ctx context.Context, w *work, x *comparison) error) error {
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
		return w.large(ctx, w.Memory*3/4, query.Sources{Workspace: w.ws.Dir()}, func(db query.Engine) (err error) {
			x := &comparison{config: c, db: db, scan: complete}
			if x.began, err = gc.BeganToRead(ctx, db, complete.ID); err != nil {
				return err
			}
			return f(ctx, w, x)
		})
	})
}

// lacking gives the links that the registry lacks, and counts those that have no place in it.
func (x *comparison) lacking(ctx context.Context, each func(l ownerwrite.Link, handle string) error) error {
	kind := x.config.Registry.Of
	if kind == "" {
		kind = x.config.Handles[0].Kind
	}
	x.others = 0
	return gc.Unregistered(ctx, x.db, x.scan.ID, func(association, object, handle string) error {
		id, of := handle, true
		if kind != "" {
			id, of = strings.CutPrefix(handle, kind+":")
		}
		if !of {
			x.others++
			return nil
		}
		return each(ownerwrite.Link{Handle: id, Type: association, Object: object}, handle)
	})
}
