package paging

import (
	"time"

	"cooper/internal/database"
)

// What a sink is given at a time, about.
const (
	batchRows  = 1000
	batchBytes = 4 << 20
)

// batch keeps rows together that were good for a moment only.
type batch struct {
	rows   []database.Row
	values []database.Value // that rows point into
	arena  []byte           // that values point into
	bytes  int
	passed int           // rows that were not wanted
	waited time.Duration // that was spent on the sink, and for the pace
}

// add copies a row, and tells its size. shared tells, if given, for each value which of
// the key it is; -1 for none.
func (b *batch) add(key, values []database.Value, shared []int) (n int) {
	if b.rows == nil {
		b.rows = make([]database.Row, 0, batchRows)
	}
	var row database.Row
	if key != nil {
		row.Key = b.copies(key, nil, nil)
	}
	row.Values = b.copies(values, row.Key, shared)
	before := b.bytes
	b.count(row.Key)
	b.count(row.Values)
	b.rows = append(b.rows, row)
	return b.bytes - before
}

func (b *batch) copies(values, key []database.Value, shared []int) []database.Value {
	if cap(b.values)-len(b.values) < len(values) {
		b.values = make([]database.Value, 0, max(len(values), 4*batchRows))
	}
	start := len(b.values)
	b.values = append(b.values, values...)
	own := b.values[start:len(b.values):len(b.values)]
	for i := range own {
		if shared != nil && shared[i] >= 0 {
			own[i].Data = key[shared[i]].Data
			continue
		}
		own[i].Data = b.copy(own[i].Data)
		// Elements are made for each row, and not read into.
	}
	return own
}

func (b *batch) copy(data []byte) []byte {
	if data == nil {
		return nil
	}
	if cap(b.arena)-len(b.arena) < len(data) {
		if len(data) > 16<<10 {
			return append(make([]byte, 0, len(data)), data...)
		}
		b.arena = make([]byte, 0, 64<<10)
	}
	start := len(b.arena)
	b.arena = append(b.arena, data...)
	return b.arena[start:len(b.arena):len(b.arena)]
}

func (b *batch) count(values []database.Value) {
	for _, v := range values {
		b.bytes += len(v.Data)
		b.count(v.Elements)
	}
}

// take empties it. What it gave keeps its memory.
func (b *batch) take() []database.Row {
	rows := b.rows
	*b = batch{arena: b.arena, values: b.values, waited: b.waited}
	return rows
}

// size is how many rows a page should have.
type size struct {
	rows  int
	limit int // rows
	bytes int
	aim   time.Duration
}

func newSize(l database.Limits) size {
	return size{rows: min(2000, l.PageRows), limit: l.PageRows, bytes: l.PageBytes, aim: l.Page}
}

// learn makes pages larger while they are quick and small, and smaller otherwise.
func (s *size) learn(rows, bytes int, took time.Duration) {
	next := 2 * s.rows
	if took > s.aim/2 {
		next = int(float64(s.rows) * max(0.1, float64(s.aim)/float64(took)))
	}
	if bytes > 0 {
		next = min(next, int(float64(rows)*float64(s.bytes)/float64(bytes)))
	}
	s.rows = max(1, min(next, 2*s.rows, s.limit))
}
