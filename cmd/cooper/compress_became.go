package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"cooper"
	"cooper/internal/plan"
	"cooper/internal/query"
	"cooper/internal/query/duckdb"
	"cooper/internal/term"
	"cooper/internal/workspace"
)

// compressedTo is what came of all runs of a plan that compresses.
type compressedTo struct {
	// Before are the originals whose content is stored anew, and After its bytes.
	Before plan.Tally `json:"before"`
	After  int64      `json:"after"`
	// Left were read and left as they are, by why.
	Left map[string]plan.Tally `json:"left,omitempty"`
	// Found were compressed already, by their names, and hold Plain bytes.
	Found plan.Tally `json:"found"`
	Plain int64      `json:"plain"`
}

// became asks the ledger.
func became(ctx context.Context, ws *workspace.Workspace, id string) (_ *compressedTo, err error) {
	db, err := duckdb.Open(duckdb.Options{Memory: 256 << 20})
	if err != nil {
		return nil, err
	}
	defer finally(&err, db.Close)
	if err := db.Views(ctx, query.Sources{Workspace: ws.Dir()}); err != nil {
		return nil, err
	}
	rows, err := db.Query(ctx, `SELECT state, coalesce(reason, ''), count(*), CAST(sum(size) AS BIGINT), CAST(sum(stored_size) AS BIGINT), CAST(coalesce(sum(plain_size), 0) AS BIGINT)
		FROM content WHERE plan = ? AND status = 'done' GROUP BY ALL`, id)
	if err != nil {
		return nil, err
	}
	defer finally(&err, rows.Close)
	c := &compressedTo{Left: map[string]plan.Tally{}}
	for {
		row, err := rows.Next()
		if errors.Is(err, io.EOF) {
			return c, nil
		}
		if err != nil {
			return nil, err
		}
		var text [2]string
		var n [4]int64
		for i, v := range row {
			var ok bool
			if i < 2 {
				text[i], ok = v.(string)
			} else {
				n[i-2], ok = v.(int64)
			}
			if !ok {
				return nil, errors.New(fmt.Sprint("the ledger answers with a value that makes no sense: ", v))
			}
		}
		of := plan.Tally{Count: n[0], Bytes: n[1]}
		switch cooper.ContentState(text[0]) {
		case cooper.Rewritten:
			c.Before, c.After = of, n[2]
		case cooper.Found:
			c.Found, c.Plain = of, n[3]
		case cooper.Left:
			c.Left[text[1]] = of
		}
	}
}

// showBecame tells a person; a program has been told with the summary.
func (a *app) showBecame(c *compressedTo) {
	if a.json || c == nil {
		return
	}
	if c.Before.Count > 0 {
		a.say("  %s in %s became %s%s", term.Bytes(c.Before.Bytes), term.Plural(c.Before.Count, "object"), a.stdout.Style(term.Bold, term.Bytes(c.After)), times(c.Before.Bytes, c.After))
	}
	if c.Found.Count > 0 {
		a.say("  %s compressed already: %s hold %s%s", term.Plural(c.Found.Count, "object"), term.Bytes(c.Found.Bytes), term.Bytes(c.Plain), times(c.Plain, c.Found.Bytes))
	}
	var left []string
	for _, why := range slices.Sorted(maps.Keys(c.Left)) {
		left = append(left, fmt.Sprintf("%s (%s) %s", term.Plural(c.Left[why].Count, "object"), term.Bytes(c.Left[why].Bytes), term.Clean(why)))
	}
	if len(left) > 0 {
		a.say("  left as they are: %s", a.stdout.Wrap(strings.Join(left, ", "), 4))
	}
}

// times is a ratio in words; nothing where there is none.
func times(before, after int64) string {
	if after <= 0 || before <= 0 {
		return ""
	}
	return fmt.Sprintf(" (%.2f times smaller)", float64(before)/float64(after))
}
