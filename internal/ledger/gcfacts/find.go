package gcfacts

import (
	"context"
	"errors"
	"io"
	"runtime"
	"slices"

	"github.com/parquet-go/parquet-go"
	"golang.org/x/sync/errgroup"

	"cooper"
	"cooper/internal/ledger/sealed"
)

// Finding single rows: what pages say of their smallest and greatest value, and what row groups say of the ids and
// keys that they have (a bloom filter), spares most of what there is. Only blocks that are read are compared with
// their sums.

// FoundLink is a link, as far as it leads to what was asked for.
type FoundLink struct{ Association, Object string }

// Found is how many rows there are, and the first of them.
type Found[T any] struct {
	Count int
	First []T
}

// mostFound is how many rows are told of those that are found.
const mostFound = 100

// FindHandles gives the rows of a handle in a scan.
func (s *Store) FindHandles(ctx context.Context, scan, kind, id string) (Found[Handle], error) {
	return lookUp(ctx, s, Handles, scan, byID("id", id), func(r *handleRow) (Handle, bool) { return *r.handle(), r.Kind == kind })
}

// FindSiblings gives the handles of any kind with an object in a scan.
func (s *Store) FindSiblings(ctx context.Context, scan, bucket, key string) (Found[Handle], error) {
	return lookUp(ctx, s, Handles, scan, byKey(key), func(r *handleRow) (Handle, bool) { return *r.handle(), r.Bucket == bucket })
}

// FindLinks gives the links of a scan that lead to a handle by its id.
func (s *Store) FindLinks(ctx context.Context, scan, kind, id string) (Found[FoundLink], error) {
	return lookUp(ctx, s, Links, scan, byID("id", id), func(r *linkRow) (FoundLink, bool) { return r.link(), r.Kind == kind })
}

// FindLinksByKey gives those that lead to an object by bucket and key, and may lead to a kind.
func (s *Store) FindLinksByKey(ctx context.Context, scan, kind, bucket, key string) (Found[FoundLink], error) {
	return lookUp(ctx, s, Links, scan, byKey(key), func(r *linkRow) (FoundLink, bool) {
		return r.link(), r.Bucket == bucket && (r.Kind == "" || r.Kind == kind)
	})
}

// FindSources gives what a handle is derived from in a scan, and FindDerived what is derived from it.
func (s *Store) FindSources(ctx context.Context, scan, kind, id string) (Found[Derived], error) {
	return lookUp(ctx, s, Deriveds, scan, byID("id", id), func(r *derivedRow) (Derived, bool) { return r.derived(), r.Kind == kind })
}

// FindDerived gives what is derived from a handle in a scan.
func (s *Store) FindDerived(ctx context.Context, scan, kind, id string) (Found[Derived], error) {
	return lookUp(ctx, s, Deriveds, scan, byID("source", id), func(r *derivedRow) (Derived, bool) { return r.derived(), r.Kind == kind })
}

// FindHolds gives what holds a handle in a scan.
func (s *Store) FindHolds(ctx context.Context, scan, kind, id string) (Found[Hold], error) {
	return lookUp(ctx, s, Holds, scan, byID("id", id), func(r *holdRow) (Hold, bool) {
		return Hold{Role: r.Role, Table: r.Table, Kind: r.Kind, ID: id}, r.Kind == kind
	})
}

// Listed is what a detection says of a handle.
type Listed struct {
	List   string // Candidates, Kepts, Relinkeds, Missings or NearMisses
	Reason string // of Kepts
	Status string // of Relinkeds
	Other  string // bucket, of NearMisses
	Alone  int64  // of Candidates; negative: unknown
}

// FindListed gives the lists of a detection that a handle is in.
func (s *Store) FindListed(ctx context.Context, detection, kind, id string) (all []Listed, err error) {
	for _, list := range []string{Candidates, Kepts, Relinkeds, Missings, NearMisses} {
		found, err := lookUp(ctx, s, list, detection, byID("id", id), func(r *listedRow) (Listed, bool) {
			l := Listed{List: list, Reason: r.Reason, Status: r.Status, Other: r.Other, Alone: -1}
			if r.Alone != nil {
				l.Alone = *r.Alone
			}
			return l, r.Kind == kind
		})
		if err != nil {
			return nil, err
		}
		all = append(all, found.First...)
	}
	return all, nil
}

// FindTransitions gives the changes of the status of a handle, in the order of time.
func (s *Store) FindTransitions(ctx context.Context, scope, kind, id string) (Found[Transition], error) {
	found, err := lookUp(ctx, s, Transitions, "", byID("id", id), func(r *transitionRow) (Transition, bool) {
		return Transition{ID: r.ID, Scope: r.Scope, Kind: r.Kind, Handle: id, From: r.From, FromSince: cooper.Instant(r.FromSince), To: r.To, Since: cooper.Instant(r.Since), Reason: r.Reason, Run: r.Run},
			r.Scope == scope && r.Kind == kind
	})
	slices.SortStableFunc(found.First, func(a, b Transition) int { return int(max(-1, min(1, a.Since-b.Since))) })
	return found, err
}

type linkRow struct {
	Association  string `parquet:"association"`
	ObjectNumber *int64 `parquet:"object_number,optional"`
	ObjectUUID   string `parquet:"object_uuid,optional,uuid"`
	ObjectText   string `parquet:"object_text,optional"`
	Kind         string `parquet:"kind"`
	Bucket       string `parquet:"bucket,optional"`
}

func (r *linkRow) link() FoundLink {
	return FoundLink{r.Association, idText(r.ObjectNumber, r.ObjectUUID, r.ObjectText)}
}

type derivedRow struct {
	Name         string `parquet:"name"`
	Kind         string `parquet:"kind"`
	IDNumber     *int64 `parquet:"id_number,optional"`
	IDUUID       string `parquet:"id_uuid,optional,uuid"`
	IDText       string `parquet:"id_text,optional"`
	SourceNumber *int64 `parquet:"source_number,optional"`
	SourceUUID   string `parquet:"source_uuid,optional,uuid"`
	SourceText   string `parquet:"source_text,optional"`
}

func (r *derivedRow) derived() Derived {
	return Derived{Name: r.Name, Kind: r.Kind, ID: idText(r.IDNumber, r.IDUUID, r.IDText), Source: idText(r.SourceNumber, r.SourceUUID, r.SourceText)}
}

type holdRow struct {
	Role  string `parquet:"role"`
	Table string `parquet:"table_name"`
	Kind  string `parquet:"kind"`
}

type listedRow struct {
	Kind   string `parquet:"kind"`
	Reason string `parquet:"reason,optional"`
	Status string `parquet:"status,optional"`
	Other  string `parquet:"other_bucket,optional"`
	Alone  *int64 `parquet:"alone,optional"`
}

type transitionRow struct {
	ID        string `parquet:"transition"`
	Scope     string `parquet:"scope"`
	Kind      string `parquet:"kind"`
	From      string `parquet:"from_status"`
	FromSince int64  `parquet:"from_since,optional"`
	To        string `parquet:"to_status"`
	Since     int64  `parquet:"since,optional"`
	Reason    string `parquet:"reason,optional"`
	Run       string `parquet:"run,optional"`
}

// where is a condition: a column has a value.
type where struct {
	column string
	value  parquet.Value
}

// byID is a condition on the columns of an id.
func byID(name, id string) where {
	if n, ok := asNumber(id); ok {
		return where{name + "_number", parquet.Int64Value(n)}
	}
	if u, ok := appendUUID(nil, id); ok {
		return where{name + "_uuid", parquet.FixedLenByteArrayValue(u)}
	}
	return where{name + "_text", parquet.ValueOf(text(id))}
}

// byKey is one on those of a key.
func byKey(key string) where {
	if text(key) == key {
		return where{"key", parquet.ValueOf(key)}
	}
	return where{"key_bytes", parquet.ValueOf([]byte(key))}
}

// lookUp looks into all files of a table that are of a scan, or of a detection; empty is any.
func lookUp[R, T any](ctx context.Context, s *Store, table, in string, w where, take func(*R) (T, bool)) (all Found[T], err error) {
	names, missing, err := s.filesIn(table, in)
	if err != nil {
		return all, err
	}
	if len(missing) > 0 {
		return all, gone(missing[0], nil)
	}
	found := make([]Found[T], len(names))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for i, name := range names {
		g.Go(func() (err error) {
			found[i], err = findIn(ctx, name, w, take)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return all, err
	}
	for i := range found {
		all.Count += found[i].Count
		all.First = append(all.First, found[i].First[:min(len(found[i].First), mostFound-len(all.First))]...)
	}
	return all, nil
}

func findIn[R, T any](ctx context.Context, name string, w where, take func(*R) (T, bool)) (all Found[T], err error) {
	err = with(name, func(in *sealed.File) error {
		pq, err := in.Indexed()
		if err == nil {
			err = asNamed(in, pq)
		}
		if err != nil {
			return err
		}
		leaf, is := pq.Schema().Lookup(w.column)
		if !is {
			return sealed.Damaged(name, errors.New("it has no column "+w.column))
		}
		for _, group := range pq.RowGroups() {
			if err := ctx.Err(); err != nil {
				return err
			}
			rows, err := matching(group.ColumnChunks()[leaf.ColumnIndex], w.value)
			if err == nil && len(rows) > 0 {
				err = taken(group, rows, take, &all)
			}
			if err != nil {
				return sealed.Damaged(name, err)
			}
		}
		return nil
	})
	return all, err
}

// matching are the rows of a chunk that have a value.
func matching(chunk parquet.ColumnChunk, v parquet.Value) (rows []int64, err error) {
	if filter := chunk.BloomFilter(); filter != nil && filter.Size() > 0 {
		if may, err := filter.Check(v); err != nil || !may {
			return nil, err
		}
	}
	bounds, err := chunk.ColumnIndex()
	if err != nil {
		return nil, err
	}
	starts, err := chunk.OffsetIndex()
	if err != nil {
		return nil, err
	}
	compare := chunk.Type().Compare
	var pages parquet.Pages
	defer func() {
		if pages != nil {
			err = errors.Join(err, pages.Close())
		}
	}()
	values := make([]parquet.Value, 1024)
	for i := range bounds.NumPages() {
		if bounds.NullPage(i) || compare(bounds.MinValue(i), v) > 0 || compare(bounds.MaxValue(i), v) < 0 {
			continue
		}
		if pages == nil {
			pages = chunk.Pages()
		}
		if rows, err = inPage(pages, starts.FirstRowIndex(i), v, compare, values, rows); err != nil {
			return nil, err
		}
	}
	return rows, nil
}

// inPage adds the rows of the page that begins with a row.
func inPage(pages parquet.Pages, row int64, v parquet.Value, compare func(a, b parquet.Value) int, values []parquet.Value, rows []int64) ([]int64, error) {
	if err := pages.SeekToRow(row); err != nil {
		return nil, err
	}
	page, err := pages.ReadPage()
	if err != nil {
		return nil, err
	}
	defer parquet.Release(page)
	for in := page.Values(); ; {
		n, err := in.ReadValues(values)
		for i := range n {
			if !values[i].IsNull() && compare(values[i], v) == 0 {
				rows = append(rows, row+int64(i))
			}
		}
		row += int64(n)
		if errors.Is(err, io.EOF) {
			return rows, nil
		} else if err != nil {
			return nil, err
		}
	}
}

// taken reads rows of a row group.
func taken[R, T any](group parquet.RowGroup, rows []int64, take func(*R) (T, bool), to *Found[T]) (err error) {
	r := parquet.NewGenericRowGroupReader[R](group)
	defer func() { err = errors.Join(err, r.Close()) }()
	one := make([]R, 1)
	for _, row := range rows {
		if err := r.SeekToRow(row); err != nil {
			return err
		}
		clear(one)
		if n, err := r.Read(one); n != 1 {
			return errors.Join(err, io.ErrUnexpectedEOF)
		}
		if x, is := take(&one[0]); is {
			if to.Count++; len(to.First) < mostFound {
				to.First = append(to.First, x)
			}
		}
	}
	return nil
}
