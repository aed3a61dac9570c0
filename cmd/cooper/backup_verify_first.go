package main

import (
	"context"
	"errors"
	"io"

	"cooper"
	"cooper/internal/backup"
	"cooper/internal/plan"
	"cooper/internal/tree/catalog"
	"cooper/internal/treeop"
	"cooper/internal/words"
)

// readFirst reads the versions below prefix that nobody has looked at, as after
// an adoption, or that were damaged when somebody did, and lets the catalog know: shard by shard, so that a verify of many
// terabytes can be stopped and taken up again. It gives what it read, nil if there
// was nothing.
func (d *drive) readFirst(ctx context.Context, prefix string) (*justRead, error) {
	if !d.locked {
		return nil, nil // the catalog cannot be told
	}
	var none bool
	h, err := d.app.writePlan(d.ws, func(id string, w *plan.Writer) (plan.Header, error) {
		h, err := backup.PlanVerify(ctx, backup.Verify{Catalog: d.tree.Catalog(), Dir: d.tree.Dir(), Prefix: prefix, ID: id, Now: cooper.InstantOf(d.app.clock())}, w)
		none = err == nil && h.ID == ""
		return h, err
	})
	if none || err != nil {
		return nil, err
	}
	d.app.note("%s unverified: the catalog learns how they are", words.Plural(h.Totals[treeop.Verify].Count, "version"))
	if _, err := d.apply(ctx, h.ID); err != nil {
		return nil, err
	}
	p, err := plan.Open(d.ws.PlanDir(h.ID))
	if err != nil {
		return nil, err
	}
	return &justRead{it: p.Actions(ctx)}, nil
}

// justRead are the versions that were read, in the order of the catalog.
type justRead struct {
	it   *plan.Iterator
	next *cooper.Action
	err  error
}

// has tells whether a row is one of them and was judged. Rows must come in order.
func (j *justRead) has(row *catalog.Row) bool {
	for j.err == nil && (j.next == nil || j.next.Version.Identity.Compare(row.Identity) < 0) {
		j.next, j.err = j.it.Next()
	}
	return j.err == nil && j.next.Version.Identity == row.Identity && row.Check != cooper.Unverified
}

// close ends it; an error of reading the plan is told here.
func (j *justRead) close() error {
	if j == nil {
		return nil
	}
	err := j.err
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return errors.Join(err, j.it.Close())
}
