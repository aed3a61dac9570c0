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
	"cooper/internal/bucketop"
	"cooper/internal/plan"
	"cooper/internal/query"
	"cooper/internal/query/duckdb"
	"cooper/internal/term"
	"cooper/internal/words"
	"cooper/internal/workspace"
)

// compressedTo is what came of all runs of a plan that compresses.
type compressedTo struct {
	// Before are the originals whose content is stored anew, and After its bytes.
	// They are gone, seen by a look or removed after one, unless Kept: then they
	// were to stay.
	Before plan.Tally `json:"before"`
	After  int64      `json:"after"`
	Kept   bool       `json:"kept,omitempty"`
	// Stayed are originals whose content is stored anew and that are there all the
	// same, or of which it is not known, as somebody else wrote or deleted there since;
	// they count among the failures. StayedAs is what their new forms took.
	Stayed   plan.Tally `json:"stayed"`
	StayedAs int64      `json:"stayed_as,omitempty"`
	// Left were read and left as they are, by why.
	Left map[string]plan.Tally `json:"left,omitempty"`
	// Found were compressed already, by their names, and hold Plain bytes.
	Found plan.Tally `json:"found"`
	Plain int64      `json:"plain"`
}

// became asks the ledger.
func became(ctx context.Context, ws *workspace.Workspace, id string, r *bucketop.Rewriting) (_ *compressedTo, err error) {
	db, err := duckdb.Open(duckdb.Options{Memory: 256 << 20})
	if err != nil {
		return nil, err
	}
	defer finally(&err, db.Close)
	if err := db.Views(ctx, query.Sources{Workspace: ws.Dir()}); err != nil {
		return nil, err
	}
	rows, err := db.Query(ctx, `SELECT state, coalesce(reason, ''), status, count(*), `+query.SumOfBytes("size")+", "+query.SumOfBytes("stored_size")+", "+query.SumOfBytes("plain_size")+`
		FROM content WHERE plan = ? AND (status = 'done' OR state = 'rewritten') GROUP BY ALL`, id)
	if err != nil {
		return nil, err
	}
	defer finally(&err, rows.Close)
	c := &compressedTo{Left: map[string]plan.Tally{}, Kept: r.Originals == bucketop.KeepOriginals}
	for {
		row, err := rows.Next()
		if errors.Is(err, io.EOF) {
			return c, nil
		}
		if err != nil {
			return nil, err
		}
		var text [3]string
		var n [4]int64
		for i, v := range row {
			var ok bool
			if i < len(text) {
				text[i], ok = v.(string)
			} else {
				n[i-len(text)], ok = v.(int64)
			}
			if !ok {
				return nil, errors.New(fmt.Sprint("the ledger answers with a value that makes no sense: ", v))
			}
		}
		of := plan.Tally{Count: n[0], Bytes: n[1]}
		switch state := cooper.ContentState(text[0]); {
		case state == cooper.Rewritten && text[2] != string(cooper.Done):
			c.Stayed, c.StayedAs = plan.Tally{Count: c.Stayed.Count + of.Count, Bytes: c.Stayed.Bytes + of.Bytes}, c.StayedAs+n[2]
		case state == cooper.Rewritten:
			c.Before, c.After = of, n[2]
		case state == cooper.Found:
			c.Found, c.Plain = of, n[3]
		case state == cooper.Left:
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
		kept := ""
		if c.Kept {
			kept = "; the originals are kept"
		}
		a.say("  %s in %s became %s%s%s", words.Bytes(c.Before.Bytes), words.Plural(c.Before.Count, "object"), a.stdout.Style(term.Bold, words.Bytes(c.After)), times(c.Before.Bytes, c.After), kept)
	}
	if c.Stayed.Count > 0 {
		a.say("  %s", a.stdout.Wrap(fmt.Sprintf("%s (%s) did not go as planned: they stayed, or somebody wrote or deleted there meanwhile; of the new forms, %s, nothing counts as saved", words.Plural(c.Stayed.Count, "original"), words.Bytes(c.Stayed.Bytes), words.Bytes(c.StayedAs)), 2))
	}
	if c.Found.Count > 0 {
		a.say("  %s compressed already: %s hold %s%s", words.Plural(c.Found.Count, "object"), words.Bytes(c.Found.Bytes), words.Bytes(c.Plain), times(c.Plain, c.Found.Bytes))
	}
	var left []string
	for _, why := range slices.Sorted(maps.Keys(c.Left)) {
		left = append(left, fmt.Sprintf("%s (%s) %s", words.Plural(c.Left[why].Count, "object"), words.Bytes(c.Left[why].Bytes), term.Clean(why)))
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
