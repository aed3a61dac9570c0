package compress

import (
	"context"
	"errors"
	"fmt"
	"io"

	"cooper"
	"cooper/internal/codec"
	"cooper/internal/plan"
	"cooper/internal/query"
)

// Actions walks those of a plan; io.EOF comes after the last. *plan.Iterator is
// one.
type Actions interface {
	Next() (*cooper.Action, error)
	Close() error
}

// Gather collects what measuring the sample of a plan has taught so far: a fact
// for each object that could be measured, how many could not, and how long it
// took, but for the cores.
func Gather(ctx context.Context, e query.Engine, h *plan.Header, actions Actions) (facts []Measured, failed int64, pace Pace, err error) {
	defer func() { err = errors.Join(err, actions.Close()) }()
	versions := map[int64]cooper.Version{}
	for {
		a, err := actions.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, 0, pace, err
		}
		versions[a.ID] = a.Version
	}
	err = query.Each(ctx, e, `SELECT action, trials FROM content WHERE plan = $1 AND status = 'done' AND state IN ('sampled', 'left') ORDER BY action`, []any{h.ID}, func(row []any) error {
		id, ok := row[0].(int64)
		v, known := versions[id]
		if !ok || !known {
			return nonsense("content", fmt.Sprintf("action %v is not one of the plan", row[0]))
		}
		trials, err := trialsOf(row[1])
		facts = append(facts, Measured{Version: v, Trials: trials})
		return err
	})
	if err != nil {
		return nil, 0, pace, err
	}
	err = query.Each(ctx, e, `SELECT count(*) FROM outcome WHERE plan = $1 AND status <> 'done'`, []any{h.ID}, func(row []any) error {
		var ok bool
		if failed, ok = row[0].(int64); !ok {
			return nonsense("outcome", "a count that is no number")
		}
		return nil
	})
	if err != nil {
		return nil, 0, pace, err
	}
	pace.Objects = int64(len(facts))
	err = query.Each(ctx, e, `SELECT CAST(sum(epoch(ended) - epoch(began)) AS DOUBLE), `+query.SumOfBytes("bytes")+` FROM run WHERE plan = $1`, []any{h.ID}, func(row []any) error {
		pace.Seconds, _ = row[0].(float64) // NULL before the first run has ended
		pace.Bytes, _ = row[1].(int64)
		return nil
	})
	return facts, failed, pace, err
}

// Expected is what earlier estimates found objects of a bucket to come to with a
// codec, as a share of their size; 0 if there were none. It leaves out how the
// objects were chosen, and is good for no more than a rough figure.
func Expected(ctx context.Context, e query.Engine, bucket, prefix string, codec codec.Chain) (share float64, err error) {
	err = query.Each(ctx, e, `
SELECT CAST(sum(CASE WHEN len(t) > 0 THEN least(t[1].stored_size, size) ELSE size END) AS DOUBLE) / nullif(sum(size), 0)
FROM (SELECT size, list_filter(trials, lambda x: x.codec = $3) AS t, state
      FROM content WHERE verb = 'measure' AND status = 'done' AND state IN ('sampled', 'left') AND starts_with(target, $1) AND starts_with(key, $2))
HAVING count(*) FILTER (WHERE len(t) > 0) > 0`, []any{"s3://" + bucket + "/", prefix, codec.String()}, func(row []any) error {
		share, _ = row[0].(float64) // NULL without a fact
		return nil
	})
	return share, err
}

// trialsOf reads a list of trials; NULL has none.
func trialsOf(v any) (trials []cooper.Trial, err error) {
	list, _ := v.([]any)
	for _, x := range list {
		m, _ := x.(map[string]any)
		var t cooper.Trial
		var ok [3]bool
		t.Codec, ok[0] = m["codec"].(string)
		t.Stored, ok[1] = m["stored_size"].(int64)
		t.Nanos, ok[2] = m["nanos"].(int64)
		if !ok[0] || !ok[1] || !ok[2] {
			return nil, nonsense("content", fmt.Sprintf("a trial that makes no sense: %v", x))
		}
		trials = append(trials, t)
	}
	return trials, nil
}

func nonsense(table, message string) error {
	return &cooper.Error{Kind: cooper.KindInternal, Where: "ledger, table " + table, Message: message}
}
