package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"cooper"
	"cooper/internal/bucketop"
	"cooper/internal/plan"
	"cooper/internal/query"
	"cooper/internal/query/duckdb"
	"cooper/internal/workspace"
)

// writeDeleted lets a file appear with what the runs of a plan have removed, or
// writes it to stdout.
func writeDeleted(ctx context.Context, ws *workspace.Workspace, id, name string, stdout io.Writer) (err error) {
	db, err := duckdb.Open(duckdb.Options{Memory: 256 << 20})
	if err != nil {
		return err
	}
	defer finally(&err, db.Close)
	if err := db.Views(ctx, query.Sources{Workspace: ws.Dir()}); err != nil {
		return err
	}
	p, err := plan.Open(ws.PlanDir(id))
	if err != nil {
		return err
	}
	rows, err := db.Query(ctx, "SELECT action, key, coalesce(version_id, 'null') FROM outcome WHERE plan = ? AND verb = ? AND status = 'done' ORDER BY action", id, bucketop.Remove)
	if err != nil {
		return err
	}
	defer finally(&err, rows.Close)
	planned := &planned{ctx: ctx, plan: p}
	if name == stdoutName {
		w := bufio.NewWriter(stdout)
		if err := errors.Join(copyDeleted(w, rows, planned), w.Flush()); err != nil {
			return deletedFailed(name, err)
		}
		return nil
	}
	f, err := os.CreateTemp(filepath.Dir(name), filepath.Base(name)+".tmp-*")
	if err != nil {
		return deletedFailed(name, err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(f.Name()))
		}
	}()
	w := bufio.NewWriter(f)
	err = copyDeleted(w, rows, planned)
	if err == nil {
		err = w.Flush()
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		return deletedFailed(name, err)
	}
	return nil
}

// copyDeleted writes what the ledger has of a plan, as far as the plan has it, too.
func copyDeleted(w io.Writer, rows query.Rows, planned *planned) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	for {
		row, err := rows.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		switch fresh, err := planned.has(row); {
		case err != nil:
			return err
		case !fresh:
			continue
		}
		line := struct {
			Key       any `json:"key"`
			VersionID any `json:"version_id"`
		}{row[1], row[2]}
		if err := enc.Encode(line); err != nil {
			return err
		}
	}
}

// planned walks through the actions of a plan, in order.
type planned struct {
	ctx     context.Context
	plan    *plan.Plan
	shard   int             // the next one
	actions []cooper.Action // of the one before, from that which was asked about last
}

// has tells whether the plan has the removal that a row of the ledger tells of; rows
// come in the order of actions. One that it has not is damage. One that comes again,
// as after a journal was lost, is not new.
func (p *planned) has(row []any) (fresh bool, err error) {
	id, ok := row[0].(int64)
	fresh = len(p.actions) == 0 || p.actions[0].ID != id
	for ok && (len(p.actions) == 0 || p.actions[0].ID < id) {
		switch {
		case len(p.actions) > 0:
			p.actions = p.actions[1:]
		case p.shard == shardsOf(p.plan.Header()):
			ok = false
		default:
			if p.actions, err = p.plan.Shard(p.ctx, p.shard); err != nil {
				return false, err
			}
			p.shard++
		}
	}
	if ok {
		a := &p.actions[0]
		ok = a.ID == id && a.Verb == bucketop.Remove && row[1] == a.Version.Key && row[2] == cmp.Or(a.Version.VersionID, cooper.NullVersion)
	}
	if !ok {
		return false, &cooper.Error{Kind: cooper.KindCorrupt, Where: "the ledger, of plan " + p.plan.Header().ID,
			Message: fmt.Sprintf("tells that %s (version %s) was removed as action %v, and the plan has no such action", cooper.Quote(fmt.Sprint(row[1])), cooper.Quote(fmt.Sprint(row[2])), row[0]),
			Remedy:  "A file of the ledger is damaged, or another plan's: put it back from a copy. What the run's summary says is right all the same."}
	}
	return fresh, nil
}

func shardsOf(h plan.Header) (n int) {
	for _, ph := range h.Phases {
		n += ph.Shards
	}
	return n
}

func deletedFailed(name string, err error) error {
	if cooper.KindOf(err) == cooper.KindCorrupt {
		return err
	}
	return &cooper.Error{Kind: cooper.KindInternal, Where: "--deleted " + cooper.Quote(name), Err: err,
		Remedy: "The ledger has it all the same: cooper ledger sql \"SELECT key, version_id FROM outcome WHERE verb = 'remove' AND status = 'done'\" --json"}
}
