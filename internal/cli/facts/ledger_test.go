package facts

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"math/big"
	"strings"
	"testing"
	"time"

	"cooper/internal/cli/shell"
	"cooper/internal/cli/shell/shelltest"
	"cooper/internal/query"
	"cooper/internal/term"
)

// answer is one of given rows.
type answer struct {
	names []string
	rows  [][]any
}

func (x *answer) Columns() (cols []query.Column) {
	for _, n := range x.names {
		cols = append(cols, query.Column{Name: n})
	}
	return cols
}

func (x *answer) Next() (row []any, err error) {
	if len(x.rows) == 0 {
		return nil, io.EOF
	}
	row, x.rows = x.rows[0], x.rows[1:]
	return row, nil
}

func (x *answer) Close() error { return nil }

// values has each kind of value that an engine answers with.
func values() *answer {
	at := time.Date(2026, 11, 20, 1, 0, 0, 0, time.UTC)
	return &answer{
		[]string{"n", "key", "x", "at", "etag", "list", "huge", "sum"},
		[][]any{
			{int64(7), "a\x1b[31m", 0.1 + 0.2, at, []byte{0xd4, 0x1d}, []any{math.NaN(), at}, new(big.Int).Lsh(big.NewInt(1), 70), json.Number("1.50")},
			{nil, "", math.Inf(-1), nil, nil, map[string]any{"b": []byte{1}}, nil, nil},
		},
	}
}

// TestAnswers: what an engine answers with, as a table and as JSON.
func TestAnswers(t *testing.T) {
	var out bytes.Buffer
	a := family{&shell.Shell{Stdout: term.Plain(&out)}}
	if err := a.sqlTable(values()); err != nil {
		t.Fatal(err)
	}
	a.JSON = true
	if err := a.sqlJSON(values()); err != nil {
		t.Fatal(err)
	}
	if strings.ContainsRune(out.String(), '\x1b') {
		t.Error("a key got through to the terminal")
	}
	shelltest.Golden(t, "answers.golden", out.String())
}

// TestLongAnswers: a table too long to be held back is written in parts, and none is lost.
func TestLongAnswers(t *testing.T) {
	long := &answer{names: []string{"n"}}
	for i := range mostRows + 1 {
		long.rows = append(long.rows, []any{int64(i)})
	}
	var out bytes.Buffer
	a := family{&shell.Shell{Stdout: term.Plain(&out)}}
	if err := a.sqlTable(long); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, word := range strings.Fields(out.String()) {
		seen[word] = true
	}
	for i := range mostRows + 1 {
		if !seen[fmt.Sprint(i)] {
			t.Fatalf("row %d is missing", i)
		}
	}
}
