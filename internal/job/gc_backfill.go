package job

import (
	"context"
	"fmt"
	"time"

	"cooper"
	"cooper/internal/config"
	"cooper/internal/ownerwrite"
	"cooper/internal/ownerwrite/transact"
	"cooper/internal/progress"
	"cooper/internal/words"
)

// GCBackfilled is a link that the registry lacks, and the statement that notes it there.
type GCBackfilled struct {
	Handle string `json:"handle"`
	Type   string `json:"type"` // the association
	Object string `json:"object"`
	SQL    string `json:"sql"`
}

// GCBackfill is what filling a registry comes to.
type GCBackfill struct {
	Table string `json:"table"`
	Scan  string `json:"scan"`
	// Linked is the time that links are given which the registry lacks: when the scan began to read, by the
	// database's clock.
	Linked cooper.Instant `json:"linked"`
	// Links are those that it lacks, Others those to handles of other kinds, which have no place in it.
	Links  int64 `json:"links"`
	Others int64 `json:"others,omitempty"`
	// Done tells that they were filled in. Ended is how many the owner's program has ended since.
	Done  bool  `json:"done"`
	Ended int64 `json:"ended,omitempty"`
	// Since is the earliest time that may be declared as complete_since now, if the owner's program
	// notes every link from then on: the database's clock, once all were filled in.
	Since *time.Time `json:"since,omitempty"`
	// Declared is what is declared; nil: nothing.
	Declared *time.Time `json:"declared,omitempty"`
}

// SQL gives the links that the registry lacks, with the statements that fill them in. It writes
// nothing: the statements are for who may write to the database, and may be run again.
func (g *GCRegistry) SQL(ctx context.Context, e *Env, each func(GCBackfilled) error) error {
	return g.compared(ctx, e, func(ctx context.Context, w *work, x *comparison) error {
		engine, statements, err := statementsOf(x.config)
		if err != nil {
			return err
		}
		err = x.lacking(ctx, func(l ownerwrite.Link, handle string) error {
			return each(GCBackfilled{Handle: handle, Type: l.Type, Object: l.Object, SQL: ownerwrite.Written(engine, statements.Fill, l, x.began.Time())})
		})
		x.tellOthers(w)
		return err
	})
}

func (x *comparison) tellOthers(w *work) {
	if x.others > 0 {
		w.tell(Note, "links to handles of other kinds have no place in this registry: %d", x.others)
	}
}

// Backfill notes in the registry what the last complete scan has found elsewhere and the registry
// lacks: each link as old as the scan that saw it, so that what the owner's program has ended since stays
// ended. Batches are transactions; killed at any instant, and given again, it ends with the same rows.
func (g *GCRegistry) Backfill(ctx context.Context, e *Env) (r GCBackfill, err error) {
	err = g.compared(ctx, e, func(ctx context.Context, w *work, x *comparison) error {
		c := x.config
		r = GCBackfill{Table: c.Registry.Table.Text, Scan: x.scan.ID, Linked: x.began}
		if since := c.Registry.CompleteSince; !since.IsZero() {
			r.Declared = &since
		}
		err := x.lacking(ctx, func(ownerwrite.Link, string) error {
			r.Links++
			return nil
		})
		if r.Others = x.others; err != nil {
			return err
		}
		if !g.PlanOnly && c.Registry.Database == nil {
			return nobodyWrites(c, fmt.Sprintf("Or let a person run what this prints: cooper gc registry backfill --sql (%s)", words.Plural(r.Links, "statement")))
		}
		may, err := w.consent(ctx, &decision{
			show: func() error { return g.Show(&r) }, given: g.Yes || g.PlanOnly || r.Links == 0, question: fmt.Sprintf("Write %s to %s?", words.Plural(r.Links, "row"), r.Table), nothing: "nothing was written",
			where: c.Registry.PlaceOf("table"), remedy: "Look with --plan-only, then give --yes.",
		})
		if err != nil || !may || g.PlanOnly {
			return err
		}
		return w.registry(ctx, c, func(to *registryAt) error {
			if c.Replica == nil && to.server.Identity != x.scan.Server {
				return &cooper.Error{Kind: cooper.KindRefused, Where: c.Registry.PlaceOf("database"), Message: "this is another database than the one that was scanned, and nothing was written", Remedy: "Scan anew: cooper gc scan"}
			}
			if note := to.beyond(); note != "" {
				w.tell(Caution, "registry.database: %s", note)
			}
			return x.fill(ctx, w, to, &r)
		})
	})
	return r, err
}

// nobodyWrites is the error of who should write to a registry without an address for that.
func nobodyWrites(c *config.Config, otherwise string) error {
	return &cooper.Error{Kind: cooper.KindRefused, Where: c.PlaceOf("registry"), Message: "no connection is declared by which the registry may be written to, and nothing was written",
		Remedy: "Declare registry.database: the address of a user who may read the registry's table, insert and update, and nothing more. " + otherwise}
}

// fill writes all of them, batch after batch.
func (x *comparison) fill(ctx context.Context, w *work, to *registryAt, r *GCBackfill) error {
	count := progress.New(w.Clock, nil)
	count.Phase("backfill")
	count.Expect(r.Links, 0)
	defer w.Listener.Follow(count)()
	var batch []ownerwrite.Link
	flush := func() error {
		ended, err := to.Fill(ctx, x.began.Time(), batch)
		if err != nil {
			return err
		}
		r.Ended += int64(ended)
		count.Skip(int64(len(batch)), 0)
		batch = batch[:0]
		return nil
	}
	err := x.lacking(ctx, func(l ownerwrite.Link, _ string) error {
		if batch = append(batch, l); len(batch) < transact.Most {
			return nil
		}
		return flush()
	})
	if err == nil {
		err = flush()
	}
	if err != nil {
		return err
	}
	// What was linked while the scan ran, or since, nobody here has seen: only from now on can the
	// program's word be taken.
	server, err := to.writer.Server(ctx)
	if err != nil {
		return err
	}
	since := server.Clock.UTC().Truncate(time.Second).Add(time.Second)
	r.Done, r.Since = true, &since
	return nil
}
