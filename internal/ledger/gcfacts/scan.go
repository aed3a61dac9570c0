package gcfacts

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/parquet-go/parquet-go"

	"cooper"
	"cooper/internal/ledger/sealed"
	"cooper/internal/parquetrows"
)

type scanRow struct {
	Scan          string           `parquet:"scan"`
	Began         int64            `parquet:"began,optional,timestamp(millisecond)"`
	Ended         int64            `parquet:"ended,optional,timestamp(millisecond)"`
	Clock         int64            `parquet:"clock,optional,timestamp(millisecond)"`
	Skew          int64            `parquet:"skew_ms"`
	Engine        string           `parquet:"engine,optional"`
	Server        string           `parquet:"server,optional"`
	Configuration string           `parquet:"configuration_digest,optional"`
	Schema        string           `parquet:"schema_digest,optional"`
	Newest        int64            `parquet:"newest_handle,optional,timestamp(millisecond)"`
	Complete      bool             `parquet:"complete"`
	Why           string           `parquet:"why,optional"`
	Handles       int64            `parquet:"handles"`
	Links         int64            `parquet:"links"`
	Malformed     int64            `parquet:"malformed"`
	Associations  []associationRow `parquet:"associations,list"`
	Suspects      []suspectRow     `parquet:"suspects,list"`
	Shards        []shardRow       `parquet:"shards,list"`
}

type associationRow struct {
	Association string `parquet:"association"`
	Ranges      int64  `parquet:"ranges"`
	Rows        int64  `parquet:"rows"`
	Links       int64  `parquet:"links"`
	Found       int64  `parquet:"found"`
	Malformed   int64  `parquet:"malformed"`
	Silent      int64  `parquet:"silent"`
}

type suspectRow struct {
	Association string `parquet:"association"`
	What        string `parquet:"what"`
	Before      int64  `parquet:"before_count"`
	Now         int64  `parquet:"now_count"`
}

// shardRow says how many rows the files of a shard have; without rows there is no file.
type shardRow struct {
	Shard     int32 `parquet:"shard"`
	Handles   int64 `parquet:"handles"`
	Derived   int64 `parquet:"derived"`
	Holds     int64 `parquet:"holds"`
	Links     int64 `parquet:"links"`
	Malformed int64 `parquet:"malformed"`
	Ranges    int64 `parquet:"ranges"`
}

func (r *shardRow) rows(table string) int64 {
	return map[string]int64{Handles: r.Handles, Deriveds: r.Derived, Holds: r.Holds, Links: r.Links, Malformeds: r.Malformed, Ranges: r.Ranges}[table]
}

// Finish writes what came of a scan, and which facts are its own: it reads all its ranges, and wants the
// rows of each shard to be as many as they say. If that was done already, it does nothing. After it,
// nothing is added to the scan. One that is complete has all shards of its plan.
func (s *Store) Finish(ctx context.Context, c Scan) error {
	if err := checkScan(c.ID); err != nil {
		return err
	}
	name := filepath.Join(s.scanDir(c.ID), scanName)
	if done, err := there(name); err != nil || done {
		return err
	}
	row := scanRow{
		Scan: c.ID, Began: int64(c.Began), Ended: int64(c.Ended), Clock: int64(c.Clock), Skew: c.Skew.Milliseconds(), Engine: c.Engine, Server: text(c.Server),
		Configuration: c.Configuration, Schema: c.Schema, Newest: int64(c.Newest), Complete: c.Complete, Why: text(c.Why),
	}
	for _, u := range c.Suspects {
		row.Suspects = append(row.Suspects, suspectRow{text(u.Association), u.What, u.Before, u.Now})
	}
	totals := map[string]*associationRow{}
	if err := s.planned(c); err != nil {
		return err
	}
	for shard := range c.Shards {
		has, err := s.Has(c.ID, shard)
		if err != nil {
			return err
		}
		if !has && c.Complete {
			return wrong(c.ID, "it is not complete: shard %d was not read", shard)
		}
		if has {
			if err := s.count(ctx, &row, totals, shard); err != nil {
				return err
			}
		}
	}
	for _, a := range slices.Sorted(maps.Keys(totals)) {
		t := totals[a]
		if t.Found = c.Found[a]; t.Found > t.Links {
			return wrong(c.ID, "of %d links of %s, %d lead to handles", t.Links, cooper.Quote(a), t.Found)
		}
		row.Associations = append(row.Associations, *t)
	}
	if err := s.removeNew(s.scanDir(c.ID), newPrefix); err != nil {
		return err
	}
	if err := s.removeNew(s.scanDir(c.ID), scanName+".tmp-"); err != nil {
		return err
	}
	return s.create(name, func(w *bufio.Writer, options ...parquet.WriterOption) error {
		return writeRows(w, []scanRow{row}, options)
	})
}

func wrong(scan, format string, args ...any) error {
	return &cooper.Error{Kind: cooper.KindInternal, Where: scan, Message: "this did not come of the scan: " + fmt.Sprintf(format, args...)}
}

// planned wants the shards that are there to be those of the plan.
func (s *Store) planned(c Scan) error {
	if c.Shards < 1 && c.Complete {
		return wrong(c.ID, "it is complete without a shard")
	}
	dirs, err := filepath.Glob(filepath.Join(escape(s.scanDir(c.ID)), shardPrefix+"*"))
	if err != nil {
		return sealed.Local(s.dir, err)
	}
	for _, dir := range dirs {
		n, err := strconv.Atoi(strings.TrimPrefix(filepath.Base(dir), shardPrefix))
		if err != nil || n >= c.Shards || filepath.Base(dir) != shardName(n) {
			return wrong(c.ID, "%s is none of its %d shards", filepath.Base(dir), c.Shards)
		}
	}
	return nil
}

func writeRows[T any](w *bufio.Writer, rows []T, options []parquet.WriterOption) error {
	pq := parquetrows.NewWriter[T](w, 0, options...)
	if err := pq.Write(rows); err != nil {
		return err
	}
	return pq.Close()
}

// count adds the ranges of a shard, and looks at how many rows its files have.
func (s *Store) count(ctx context.Context, row *scanRow, totals map[string]*associationRow, shard int) error {
	dir := s.shardDir(row.Scan, shard)
	var in shardRow
	in.Shard = int32(shard) //nolint:gosec // as in plans
	var handles, links, malformed int64
	err := readRows(ctx, filepath.Join(dir, Ranges+suffix), func(rs []rangeColumns) error {
		for _, r := range rs {
			in.Ranges++
			handles, links, malformed = handles+r.Handles, links+r.Links, malformed+r.Malformed
			if r.What != OfAssociation {
				continue
			}
			t := totals[r.Name]
			if t == nil {
				t = &associationRow{Association: r.Name}
				totals[r.Name] = t
			}
			t.Ranges, t.Rows, t.Links, t.Malformed, t.Silent = t.Ranges+1, t.Rows+r.Rows, t.Links+r.Links, t.Malformed+r.Malformed, t.Silent+r.Silent
		}
		return nil
	})
	if err != nil {
		return err
	}
	for table, n := range map[string]*int64{Handles: &in.Handles, Deriveds: &in.Derived, Holds: &in.Holds, Links: &in.Links, Malformeds: &in.Malformed} {
		name := filepath.Join(dir, table+suffix)
		if has, err := there(name); err != nil {
			return err
		} else if !has {
			continue
		}
		err := withFile(name, func(pq *parquet.File) error {
			*n = pq.NumRows()
			return nil
		})
		if err != nil {
			return err
		}
	}
	// A value that can be read in several ways has several rows of links.
	if in.Handles != handles || in.Malformed != malformed || in.Links < links || links == 0 && in.Links > 0 {
		return sealed.Damaged(dir, errors.New("its tables have other rows than its ranges say"))
	}
	row.Handles, row.Links, row.Malformed = row.Handles+handles, row.Links+links, row.Malformed+malformed
	row.Shards = append(row.Shards, in)
	return nil
}

// readScan reads the fact about a scan.
func readScan(ctx context.Context, name string) (row scanRow, err error) {
	n := 0
	err = readRows(ctx, name, func(rows []scanRow) error {
		for _, r := range rows {
			row, n = r, n+1
			row.Associations, row.Suspects, row.Shards = slices.Clone(r.Associations), slices.Clone(r.Suspects), slices.Clone(r.Shards)
		}
		return nil
	})
	if err == nil && n != 1 {
		err = sealed.Damaged(name, fmt.Errorf("it has %d rows", n))
	}
	return row, err
}

// Scans reads what came of the scans that have ended, in the order in which they were planned.
func (s *Store) Scans(ctx context.Context) ([]Scan, error) {
	names, _, err := s.Files(Scans)
	if err != nil {
		return nil, err
	}
	var all []Scan
	for _, name := range names {
		r, err := readScan(ctx, name)
		if err != nil {
			return nil, err
		}
		c := Scan{
			ID: r.Scan, Shards: len(r.Shards), Began: cooper.Instant(r.Began), Ended: cooper.Instant(r.Ended), Clock: cooper.Instant(r.Clock), Skew: time.Duration(r.Skew) * time.Millisecond,
			Engine: r.Engine, Server: r.Server, Configuration: r.Configuration, Schema: r.Schema, Newest: cooper.Instant(r.Newest), Complete: r.Complete, Why: r.Why,
			Found: map[string]int64{},
		}
		for _, a := range r.Associations {
			c.Found[a.Association] = a.Found
		}
		for _, u := range r.Suspects {
			c.Suspects = append(c.Suspects, Suspect(u))
		}
		all = append(all, c)
	}
	slices.SortFunc(all, func(a, b Scan) int { return cmp.Compare(a.ID, b.ID) })
	return all, nil
}

type acknowledgedRow struct {
	ID          string `parquet:"id,dict"`
	What        string `parquet:"what,dict"`
	Scan        string `parquet:"scan,optional,dict"`
	Association string `parquet:"association,dict"`
	Key         string `parquet:"key"`
	Hash        []byte `parquet:"hash"`
	Measure     string `parquet:"measure,optional,dict"`
	Before      int64  `parquet:"before_count"`
	Now         int64  `parquet:"now_count"`
	Person      string `parquet:"person,dict"`
	Made        int64  `parquet:"made,optional,timestamp(millisecond)"`
	Until       int64  `parquet:"until,optional,timestamp(millisecond)"`
}

// Acknowledge writes what a person has taken note of, under an id that is given to it. What is there
// under this id already stays.
func (s *Store) Acknowledge(ctx context.Context, id string, all []Acknowledgement) error {
	if err := checkName(id); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil || len(all) == 0 {
		return err
	}
	name := filepath.Join(s.dir, Acknowledged, id+suffix)
	if done, err := there(name); err != nil || done {
		return err
	}
	rows := make([]acknowledgedRow, len(all))
	for i, a := range all {
		rows[i] = acknowledgedRow{
			ID: id, What: a.What, Scan: a.Scan, Association: text(a.Association), Key: text(a.Key), Hash: append([]byte{}, a.Hash...), Measure: a.Measure, Before: a.Before, Now: a.Now,
			Person: text(a.Person), Made: int64(a.Made), Until: int64(a.Until),
		}
	}
	return s.create(name, func(w *bufio.Writer, options ...parquet.WriterOption) error { return writeRows(w, rows, options) })
}
