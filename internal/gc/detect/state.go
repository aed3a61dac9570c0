package detect

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"os"

	"cooper"
	"cooper/internal/gcstate"
)

// stateRow is a record as the engine reads it.
type stateRow struct {
	Kind   string         `json:"kind"`
	ID     string         `json:"id"`
	Status gcstate.Status `json:"status"`
	Millis int64          `json:"since"`
}

const noState = "(SELECT NULL::VARCHAR AS kind, NULL::VARCHAR AS id, NULL::VARCHAR AS status, NULL::BIGINT AS since WHERE false)"

// handOver writes the records of the state where the engine can read them: d.state is the table. done
// removes it.
func (d *detection) handOver(ctx context.Context) (done func() error, err error) {
	done = func() error { return nil }
	d.state = noState
	if d.State == nil {
		return done, nil
	}
	f, err := os.CreateTemp(d.TempDir, "cooper-state-*.json")
	if err != nil {
		return done, local(err)
	}
	done = func() error { return local(os.Remove(f.Name())) }
	w := bufio.NewWriterSize(f, 1<<20)
	enc := json.NewEncoder(w)
	err = d.State.Walk(ctx, d.Scope, nil, func(r *gcstate.Record) error {
		d.records++
		return local(enc.Encode(stateRow{Kind: r.Kind, ID: r.ID, Status: r.Status, Millis: int64(r.Since)}))
	})
	if err == nil {
		err = local(w.Flush())
	}
	if err = errors.Join(err, local(f.Close())); err != nil {
		return func() error { return nil }, errors.Join(err, done())
	}
	if d.records > 0 {
		d.state = "read_json(" + text(f.Name()) + ", format = 'newline_delimited', columns = {kind: 'VARCHAR', id: 'VARCHAR', status: 'VARCHAR', since: 'BIGINT'})"
	}
	return done, nil
}

func local(err error) error {
	if err == nil {
		return nil
	}
	return &cooper.Error{Kind: cooper.KindInternal, Message: "the state cannot be handed to the engine", Err: err}
}
