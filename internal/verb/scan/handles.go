package scan

import (
	"crypto/sha256"
	"math"
	"slices"
	"strconv"
	"time"

	"cooper"
	"cooper/internal/config"
	"cooper/internal/database"
	"cooper/internal/ledger/gcfacts"
)

// The names of what handles say themselves about what is derived from them.
const (
	preview   = "preview"
	previewOf = "preview_of"
)

// handleRows reads rows of handles.
type handleRows struct {
	*ranged
	kind *kind
	key  rowKey
	// The places of columns; -1 where there is none.
	id, candidate, bucket, object, location, size, modified, created, preview, previewOf, status int
}

// handles prepares to read handles: those that `where` leaves out, too, as they index
// their objects.
func (r *ranged) handles() (*database.Source, error) {
	k, err := r.Scan.kind(r.ctx, r.task.Name)
	if err != nil {
		return nil, err
	}
	if (k.Query == "") != (r.table != nil) {
		return nil, internal(r.task.String(), "handles of a query are read from a table, or the other way")
	}
	h := &handleRows{ranged: r, kind: k}
	c := &columns{s: r.Scan, table: r.table}
	h.id = c.add(k.ID)
	h.candidate = -1
	if k.Where != "" {
		h.candidate = c.raw("CASE WHEN (" + k.Where + "\n) THEN 1 ELSE 0 END")
	}
	h.bucket, h.object, h.location, h.size = c.add(k.Bucket.SQL), c.add(k.Key), c.add(k.Location), c.add(k.Size)
	h.preview, h.previewOf = c.add(k.Preview), c.add(k.PreviewOf)
	h.modified, h.created, h.status = -1, -1, -1
	if k.Modified != nil {
		h.modified = c.add(k.Modified.Column)
	}
	if k.Created != nil {
		h.created = c.add(k.Created.Column)
	}
	if k.Status != nil {
		h.status = c.add(k.Status.Column)
	}
	h.key = c.key(r.task.Key, h.id)
	r.label, r.row = called(&k.Table, r.table), h.rows
	return &database.Source{Table: r.table, Query: k.Query, Columns: c.list}, nil
}

func (h *handleRows) rows(rows []database.Row) error {
	for i := range rows {
		if err := h.one(&rows[i]); err != nil {
			return err
		}
	}
	return nil
}

func (h *handleRows) one(row *database.Row) error {
	id, why := h.kind.id(&row.Values[h.id])
	if id == "" && why == "" {
		why = "a handle without an id"
	}
	if why != "" {
		return h.unread(row, h.id, why)
	}
	f := gcfacts.Handle{
		Kind: h.kind.Handles.Kind, ID: id, Size: natural(at(row, h.size)), Modified: instant(h.kind.Modified, at(row, h.modified)), Created: instant(h.kind.Created, at(row, h.created)),
		Candidate: h.candidate < 0 || string(row.Values[h.candidate].Data) == "1",
	}
	if v := at(row, h.status); v != nil && v.Class != database.Null {
		f.Status = v.String()
	}
	if err := h.indexes(row, f); err != nil {
		return err
	}
	if err := h.relative(row, h.preview, preview, func(other string) gcfacts.Derived { return gcfacts.Derived{ID: other, Source: id} }); err != nil {
		return err
	}
	return h.relative(row, h.previewOf, previewOf, func(other string) gcfacts.Derived { return gcfacts.Derived{ID: id, Source: other} })
}

// indexes writes the handle with its object. An address that can be read in several ways
// indexes an object in each: it is a row for each then, of which the first alone may be a
// candidate.
func (h *handleRows) indexes(row *database.Row, f gcfacts.Handle) error {
	if h.location < 0 {
		if key := at(row, h.object); given(key) {
			f.Bucket, f.Key = h.kind.Bucket.Constant, string(key.Data)
			if b := at(row, h.bucket); given(b) {
				f.Bucket = string(b.Data)
			}
		}
		if f.Bucket == "" {
			f.Key = ""
		}
		return h.out.Handle(f)
	}
	if v := at(row, h.location); given(v) {
		found, ok := h.any.Alone(string(v.Data))
		why := found.Bad
		if !ok {
			why = "not an address"
		}
		if why != "" {
			if err := h.unread(row, h.location, why); err != nil {
				return err
			}
		}
		for i, p := range found.Places {
			g := f
			g.Bucket, g.Key, g.Candidate = p.Bucket, p.Key, f.Candidate && i == 0
			if err := h.out.Handle(g); err != nil {
				return err
			}
		}
		if len(found.Places) > 0 {
			return nil
		}
	}
	return h.out.Handle(f)
}

func (h *handleRows) relative(row *database.Row, column int, name string, derived func(string) gcfacts.Derived) error {
	v := at(row, column)
	if v == nil {
		return nil
	}
	id, why := h.kind.id(v)
	switch {
	case why != "":
		return h.unread(row, column, why)
	case id == "":
		return nil
	}
	d := derived(id)
	d.Name, d.Kind = name, h.kind.Handles.Kind
	return h.out.Derived(d)
}

func (h *handleRows) unread(row *database.Row, column int, why string) error {
	return h.malformed(named("handles", h.kind.Handles.Kind), h.key.text(row), why, hash(row.Values[column].Data))
}

// named is what stands for an association where values of the phase of handles are
// malformed.
func named(what, name string) string {
	if name == "" {
		return what
	}
	return what + " " + name
}

func hash(data []byte) []byte {
	sum := sha256.Sum256(data)
	return sum[:]
}

// at is the value of a column; nil for none.
func at(row *database.Row, column int) *database.Value {
	if column < 0 {
		return nil
	}
	return &row.Values[column]
}

func given(v *database.Value) bool { return v != nil && v.Class != database.Null && len(v.Data) > 0 }

// natural is a number of bytes; negative if it is not known.
func natural(v *database.Value) int64 {
	if !given(v) {
		return -1
	}
	if n, err := strconv.ParseInt(string(v.Data), 10, 64); err == nil && n >= 0 {
		return n
	}
	if f, err := strconv.ParseFloat(string(v.Data), 64); err == nil && f >= 0 && f < math.MaxInt64 {
		return int64(f)
	}
	return -1
}

// instant is a time; none where it is not known, and so young.
func instant(t *config.Time, v *database.Value) cooper.Instant {
	if t == nil || !given(v) || slices.Contains(t.Unknown, v.String()) {
		return 0
	}
	if t.Unit == "" {
		if at, known := v.Time(); known {
			return max(0, cooper.InstantOf(at))
		}
		return 0
	}
	f, err := strconv.ParseFloat(string(v.Data), 64)
	if err != nil || !(f > 0) {
		return 0
	}
	if t.Unit == "s" {
		f *= float64(time.Second / time.Millisecond)
	}
	if f >= 1<<52 {
		return 0
	}
	return cooper.Instant(f)
}

// derived prepares to read what a query of the owner's says is derived.
func (r *ranged) derived() (*database.Source, error) {
	i := slices.IndexFunc(r.opt.Config.Derived, func(d *config.Derived) bool { return d.Name == r.task.Name })
	if i < 0 {
		return nil, &cooper.Error{Kind: cooper.KindInvalid, Where: r.opt.Scanning.Config, Message: "there is no rule of what is derived called " + cooper.Quote(r.task.Name)}
	}
	d := r.opt.Config.Derived[i]
	k, err := r.Scan.kind(r.ctx, d.Of)
	if err != nil {
		return nil, err
	}
	r.row = func(rows []database.Row) error {
		for i := range rows {
			row := &rows[i]
			id, why := k.id(&row.Values[0])
			source, whyNot := k.id(&row.Values[1])
			if why == "" {
				why = whyNot
			}
			var err error
			switch {
			case why != "":
				err = r.malformed(named("derived", d.Name), database.KeyText(row.Values), why, hash([]byte(database.KeyText(row.Values))))
			case id != "" && source != "":
				err = r.out.Derived(gcfacts.Derived{Name: d.Name, Kind: k.Handles.Kind, ID: id, Source: source})
			}
			if err != nil {
				return err
			}
		}
		return nil
	}
	return &database.Source{Query: d.SQL, Columns: []string{"derived", "source"}}, nil
}

// hold prepares to read what holds handles.
func (r *ranged) hold() (*database.Source, error) {
	k, err := r.Scan.kind(r.ctx, r.task.Of)
	if err != nil {
		return nil, err
	}
	c := &columns{s: r.Scan, table: r.table}
	column := c.add(r.task.Column)
	key := c.key(r.task.Key, column)
	r.label = r.task.Table
	var one func(row *database.Row, v *database.Value) error
	one = func(row *database.Row, v *database.Value) error {
		if v.Class == database.Array {
			for i := range v.Elements {
				if err := one(row, &v.Elements[i]); err != nil {
					return err
				}
			}
			return nil
		}
		id, why := k.id(v)
		switch {
		case why != "":
			return r.malformed(r.task.Name, key.text(row), why, hash(v.Data))
		case id == "":
			return nil
		}
		return r.out.Hold(gcfacts.Hold{Role: r.task.Name, Table: r.label, Kind: k.Handles.Kind, ID: id})
	}
	r.row = func(rows []database.Row) error {
		for i := range rows {
			if err := one(&rows[i], &rows[i].Values[column]); err != nil {
				return err
			}
		}
		return nil
	}
	return &database.Source{Table: r.table, Columns: c.list, Where: r.task.Where}, nil
}
