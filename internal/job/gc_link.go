package job

import (
	"context"
	"strings"
	"time"

	"cooper"
	"cooper/internal/config"
	"cooper/internal/gcop"
	"cooper/internal/ledger/gcfacts"
	"cooper/internal/ownerwrite"
	"cooper/internal/query"
)

// GCLink takes note, with a person's name, that an object links to a handle, or no longer does.
type GCLink struct {
	// Config is the path of the configuration.
	Config string
	// Handle is its id, with KIND: in front where there are kinds. Object is what has the link, Type what
	// it is.
	Handle, Object, Type string
	// Unlink takes back what was said of the same handle, object and type.
	Unlink         bool
	Person, Reason string
}

// Run takes note: in the registry of links, where the owner has one, as one that stands elsewhere would
// not be seen by his program; else as a fact.
func (l *GCLink) Run(ctx context.Context, e *Env) (r GCSaid, err error) {
	c, err := config.Load(l.Config)
	if err != nil {
		return r, err
	}
	err = e.begin(func(w *work) error {
		named, err := w.named(ctx, l.Config, []string{l.Handle}, !l.Unlink)
		if err != nil {
			return err
		}
		r.At = w.now()
		h := named.handles[0]
		r.Handles = []string{gcop.Handle(h.kind, h.id)}
		if g := c.Registry; g != nil && h.kind == c.Kind(g.Of).Kind {
			said, err := l.before(ctx, w, named.scope, h)
			if err != nil {
				return err
			}
			r.Registry = g.Table.Text
			if err := l.register(ctx, w, c, ownerwrite.Link{Handle: h.id, Type: l.Type, Object: l.Object}, said); err != nil || !said {
				return err
			}
		}
		return w.gcFacts().LinkByHand(ctx, []gcfacts.LinkedByHand{{
			Scope: named.scope, Association: l.Type, Object: l.Object, Kind: h.kind, ID: h.id, Linked: !l.Unlink, Person: l.Person, Reason: l.Reason, Made: r.At,
		}})
	})
	return r, err
}

// before tells whether a link that is to be taken back was said as a fact, before there was a registry.
func (l *GCLink) before(ctx context.Context, w *work, scope string, h handle) (said bool, err error) {
	if !l.Unlink {
		return false, nil
	}
	err = w.large(ctx, w.Memory/2, query.Sources{Workspace: w.ws.Dir()}, func(db query.Engine) error {
		return query.Each(ctx, db, "SELECT linked FROM gc_linked_by_hand WHERE scope = $1 AND kind = $2 AND id = $3 AND coalesce(association, '') = $4 AND object = $5 ORDER BY number DESC LIMIT 1",
			[]any{scope, h.kind, h.id, l.Type, l.Object}, func(row []any) error {
				linked, is := row[0].(bool)
				said = linked && is
				return nil
			})
	})
	return said, err
}

// register writes one row of the registry. said: it is taken back as a fact besides, and need not stand there.
func (l *GCLink) register(ctx context.Context, w *work, c *config.Config, link ownerwrite.Link, said bool) error {
	if c.Registry.Database == nil {
		if said {
			return nil
		}
		return nobodyWrites(c, "Or let a person run: "+l.sql(c, link))
	}
	return w.registry(ctx, c, func(to *registryAt) error {
		if note := to.beyond(); note != "" {
			w.tell(Caution, "registry.database: %s", note)
		}
		note := to.Link
		if l.Unlink {
			note = to.Unlink
		}
		change, err := note(ctx, link)
		switch {
		case err != nil:
			return err
		case l.Unlink && change.Before == ownerwrite.Absent && !said:
			return &cooper.Error{Kind: cooper.KindMissing, Where: to.table.String(), Message: "the registry has no such link; nothing was written", Remedy: "See that handle, --object and --type are as they stand there."}
		case l.Unlink && change.Now == ownerwrite.Linked:
			return &cooper.Error{Kind: cooper.KindRefused, Where: to.table.String(), Message: "the link was made later than the database's clock has it now: its end does not count",
				Remedy: "Give the same command again once the clock has gone on."}
		}
		return nil
	})
}

// sql is what a person can run.
func (l *GCLink) sql(c *config.Config, link ownerwrite.Link) string {
	engine, s, err := statementsOf(c)
	if err != nil {
		return "cooper gc registry ddl (it prints the statements)"
	}
	text := s.Link
	if l.Unlink {
		text = s.Unlink
	}
	return ownerwrite.Written(engine, strings.ReplaceAll(text, "\n", " "), link, time.Time{})
}
