package paging

import (
	"errors"
	"strconv"
	"testing"

	"cooper/internal/database"
)

// failing is a sink that fails with a batch, and wants all rows in their order.
type failing struct {
	t          *testing.T
	at         int // 0: never
	begins     int
	batches    int
	rows       int
	err        error
	afterwards bool // it was given rows after its error
}

func (s *failing) Begin(database.Snapshot) error { s.begins++; s.rows, s.batches = 0, 0; return nil }

func (s *failing) Rows(rows []database.Row) error {
	s.batches++
	s.afterwards = s.afterwards || s.at > 0 && s.batches > s.at
	for _, r := range rows {
		if want := strconv.Itoa(s.rows); string(r.Values[0].Data) != want || string(r.Key[0].Data) != want {
			s.t.Errorf("%s, %s where %s was to come", r.Key[0], r.Values[0], want)
		}
		s.rows++
	}
	if s.batches == s.at {
		return s.err
	}
	return nil
}

// TestSinkFails: rows come in their order; an error of the sink ends the reading, also one
// of the last rows, is returned as it is, and is no reason to begin anew.
func TestSinkFails(t *testing.T) {
	const batches = 5
	for at := range batches + 1 {
		r, _ := reader(&fake{rows: batches * batchRows, loads: func(int) database.Load { return database.Load{} }}, database.Limits{RowsPerSecond: 1e9})
		s := &failing{t: t, at: at, err: errors.New("the disk is full")}
		err := r.Read(ctx, source, database.Range{Key: []string{"k"}}, s)
		switch {
		case at == 0 && (err != nil || s.rows != batches*batchRows):
			t.Errorf("%d rows, %v", s.rows, err)
		case at > 0 && (!errors.Is(err, s.err) || s.begins != 1 || s.afterwards):
			t.Errorf("batch %d: %v, begun %d times, given more: %v", at, err, s.begins, s.afterwards)
		}
	}
}
