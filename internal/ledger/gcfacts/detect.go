package gcfacts

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"

	"cooper"
	"cooper/internal/ledger/sealed"
)

// ListTables are the tables of which a detection has files, in the order in which one tells of them.
var ListTables = []string{Candidates, Kepts, Relinkeds, Missings, Unindexeds, UnindexedKeeps, NearMisses, Ripes}

// aDetection is the pattern of the ids of detections.
const aDetection = "d-????????T??????Z-????"

func checkDetection(id string) error {
	if ok, err := filepath.Match(aDetection, id); !ok || err != nil {
		return &cooper.Error{Kind: cooper.KindInternal, Message: fmt.Sprintf("%q is not the id of a detection", id)}
	}
	return checkName(id)
}

func (s *Store) detectionDir(id string) string { return filepath.Join(s.dir, Detections, id) }

// Finder takes what a detection finds, in the order in which it is to stand in the lists. It serves
// one goroutine. After an error nothing but Discard is of use.
type Finder struct {
	files
	id    string
	lists map[string]*List
}

// Detection begins what a detection finds. If that is there already it stays, and what is written is
// dropped. The caller ends with Commit or Discard.
func (s *Store) Detection(ctx context.Context, id string) (*Finder, error) {
	f := &Finder{files: files{s: s}, id: id, lists: map[string]*List{}}
	if err := errors.Join(checkDetection(id), ctx.Err()); err != nil {
		return nil, err
	}
	if done, err := there(s.detectionDir(id)); err != nil || done {
		return f, err
	}
	dir := filepath.Join(s.dir, Detections)
	if err := s.mkdir(dir); err != nil {
		return nil, err
	}
	if err := s.makeLock(); err != nil {
		return nil, err
	}
	prefix := newPrefix + id + "-"
	if err := s.removeNew(dir, prefix); err != nil {
		return nil, err
	}
	var err error
	f.files, err = s.newFiles(dir, prefix, func(table string) string { return table + " " + id })
	return f, err
}

// found counts a row of a list and adds it.
func (f *Finder) found(list string, bytes int64, put func(*page)) error {
	l := f.lists[list]
	if l == nil {
		l = &List{Name: list}
		f.lists[list] = l
	}
	l.Rows++
	if bytes = max(0, bytes); l.Bytes > math.MaxInt64-bytes {
		l.Bytes = math.MaxInt64
	} else {
		l.Bytes += bytes
	}
	return f.row(list, put)
}

// Candidate adds to the list of candidates; likewise the others to theirs.
func (f *Finder) Candidate(c Candidate) error {
	return f.found(Candidates, c.Alone, func(p *page) { p.candidate(f.id, &c) })
}

// Kept adds a handle without a link that is no candidate.
func (f *Finder) Kept(k Kept) error {
	return f.found(Kepts, 0, func(p *page) { p.kept(f.id, &k) })
}

// Relinked adds a handle that is linked and not AVAILABLE.
func (f *Finder) Relinked(r Relinked) error {
	return f.found(Relinkeds, 0, func(p *page) { p.relinked(f.id, &r) })
}

// Missing adds a handle without its object.
func (f *Finder) Missing(m Missing) error {
	return f.found(Missings, 0, func(p *page) { p.missing(f.id, &m) })
}

// Unindexed adds an object that no handle names.
func (f *Finder) Unindexed(u Unindexed) error {
	return f.found(Unindexeds, u.Size, func(p *page) { p.unindexed(f.id, &u) })
}

// UnindexedKept adds an object that no handle names, and that is left alone.
func (f *Finder) UnindexedKept(u UnindexedKept) error {
	return f.found(UnindexedKeeps, 0, func(p *page) { p.unindexedKept(f.id, &u) })
}

// NearMiss adds a handle whose key is in another bucket.
func (f *Finder) NearMiss(n NearMiss) error {
	return f.found(NearMisses, 0, func(p *page) { p.nearMiss(f.id, &n) })
}

// Ripe adds a handle of an object of which a handle may be archived.
func (f *Finder) Ripe(r Ripe) error {
	return f.found(Ripes, 0, func(p *page) { p.ripe(f.id, &r) })
}

// Lists are those that have rows so far, as Commit will tell of them.
func (f *Finder) Lists() (all []List) {
	for _, name := range ListTables {
		if l := f.lists[name]; l != nil {
			all = append(all, *l)
		}
	}
	return all
}

// Commit lets the detection appear, with all its lists at once; if it was there already, it does
// nothing. The order of steps is that of a shard (Writer.Commit), and as harmless to interrupt.
func (f *Finder) Commit(ctx context.Context, d Detection) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if d.ID != f.id {
		return &cooper.Error{Kind: cooper.KindInternal, Where: f.id, Message: fmt.Sprintf("this is what another detection comes to: %q", d.ID)}
	}
	if f.dir == "" {
		return nil
	}
	d.Lists = f.Lists()
	row := detectionRowOf(&d)
	name := filepath.Join(f.dir, Detections+suffix)
	o, err := f.s.newFile(name)
	if err != nil {
		return err
	}
	if err := writeRows(o.buf, []detectionRow{row}, writerOptions(f.place(Detections))); err != nil {
		return errors.Join(sealed.Local(name, err), o.f.Close())
	}
	if err := o.finish(); err != nil {
		return err
	}
	return f.appear(ListTables, f.s.detectionDir(f.id))
}

// Discard drops what was written, unless it was committed.
func (f *Finder) Discard() error { return f.discard() }

type detectionRow struct {
	Detection     string           `parquet:"detection"`
	Scope         string           `parquet:"scope"`
	Run           string           `parquet:"run,optional"`
	Made          int64            `parquet:"made,optional,timestamp(millisecond)"`
	Clock         int64            `parquet:"clock,optional,timestamp(millisecond)"`
	Scans         []string         `parquet:"scans,list"`
	Waits         string           `parquet:"waits,optional"`
	Configuration string           `parquet:"configuration_digest,optional"`
	Schema        string           `parquet:"schema_digest,optional"`
	Words         int64            `parquet:"words"`
	Snapshots     []inventoriedRow `parquet:"snapshots,list"`
	Unknown       []unknownRow     `parquet:"unknown,list"`
	Refusals      []refusalRow     `parquet:"refusals,list"`
	Figures       []figureRow      `parquet:"figures,list"`
	Lists         []listRow        `parquet:"lists,list"`
}

type inventoriedRow struct {
	Bucket   string `parquet:"bucket"`
	Snapshot string `parquet:"snapshot"`
	Taken    int64  `parquet:"taken_at,timestamp(millisecond)"`
}

type unknownRow struct {
	List   string `parquet:"list"`
	Bucket string `parquet:"bucket"`
	Why    string `parquet:"why"`
}

type refusalRow struct {
	What string `parquet:"what"`
	Why  string `parquet:"why"`
}

type figureRow struct {
	Name  string `parquet:"name"`
	Count int64  `parquet:"number"`
	Bytes int64  `parquet:"bytes"`
}

// listRow says how many rows the file of a list has; without rows there is no file.
type listRow struct {
	Name  string `parquet:"list"`
	Rows  int64  `parquet:"rows"`
	Bytes int64  `parquet:"bytes"`
}

func detectionRowOf(d *Detection) detectionRow {
	r := detectionRow{
		Detection: d.ID, Scope: text(d.Scope), Run: text(d.Run), Made: int64(d.Made), Clock: int64(d.Clock), Scans: d.Scans, Waits: text(d.Waits),
		Configuration: d.Configuration, Schema: d.Schema, Words: int64(d.Words),
	}
	for _, x := range d.Snapshots {
		r.Snapshots = append(r.Snapshots, inventoriedRow{text(x.Bucket), x.Snapshot, int64(x.Taken)})
	}
	for _, x := range d.Unknown {
		r.Unknown = append(r.Unknown, unknownRow{x.List, text(x.Bucket), text(x.Why)})
	}
	for _, x := range d.Refusals {
		r.Refusals = append(r.Refusals, refusalRow{text(x.What), text(x.Why)})
	}
	for _, x := range d.Figures {
		r.Figures = append(r.Figures, figureRow{text(x.Name), x.Count, x.Bytes})
	}
	for _, x := range d.Lists {
		r.Lists = append(r.Lists, listRow(x))
	}
	return r
}

func (r *detectionRow) detection() Detection {
	d := Detection{
		ID: r.Detection, Scope: r.Scope, Run: r.Run, Made: cooper.Instant(r.Made), Clock: cooper.Instant(r.Clock), Scans: r.Scans, Waits: r.Waits,
		Configuration: r.Configuration, Schema: r.Schema, Words: int(r.Words),
	}
	for _, x := range r.Snapshots {
		d.Snapshots = append(d.Snapshots, Inventoried{x.Bucket, x.Snapshot, cooper.Instant(x.Taken)})
	}
	for _, x := range r.Unknown {
		d.Unknown = append(d.Unknown, Unknown(x))
	}
	for _, x := range r.Refusals {
		d.Refusals = append(d.Refusals, Refusal(x))
	}
	for _, x := range r.Figures {
		d.Figures = append(d.Figures, Figure(x))
	}
	for _, x := range r.Lists {
		d.Lists = append(d.Lists, List(x))
	}
	return d
}

// rows are how many a list has.
func (d *Detection) rows(list string) int64 {
	for _, l := range d.Lists {
		if l.Name == list {
			return l.Rows
		}
	}
	return 0
}

// detections are the files that say what each detection comes to whose id is of a pattern, there or not.
func (s *Store) detections(pattern string) (names []string, err error) {
	dirs, err := filepath.Glob(filepath.Join(escape(s.dir), Detections, pattern))
	if err != nil {
		return nil, sealed.Local(s.dir, err)
	}
	for _, dir := range dirs {
		names = append(names, filepath.Join(dir, Detections+suffix))
	}
	return names, nil
}

// detectionFiles are those of them that are there, and those that are gone.
func (s *Store) detectionFiles() (are, gone []string, err error) {
	names, err := s.detections(aDetection)
	for _, name := range names {
		has, herr := there(name)
		if err = errors.Join(err, herr); has {
			are = append(are, name)
		} else {
			gone = append(gone, name)
		}
	}
	return are, gone, err
}

// Detections reads what all detections come to, in the order of their ids.
func (s *Store) Detections(ctx context.Context) (all []Detection, err error) {
	return s.detectionsOf(ctx, aDetection)
}

func (s *Store) detectionsOf(ctx context.Context, pattern string) (all []Detection, err error) {
	names, err := s.detections(pattern)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		n := 0
		err := readRows(ctx, name, func(rows []detectionRow) error {
			for i := range rows {
				n++
				d := rows[i].detection()
				d.Scans = slices.Clone(d.Scans)
				all = append(all, d)
			}
			return nil
		})
		if err == nil && n != 1 {
			err = sealed.Damaged(name, fmt.Errorf("it has %d rows", n))
		}
		if err != nil {
			return nil, err
		}
	}
	slices.SortFunc(all, func(a, b Detection) int { return cmp.Compare(a.ID, b.ID) })
	return all, nil
}

// listFiles are the files of a list that are there, and those that a detection had and that are gone, of detections
// whose id is of a pattern.
func (s *Store) listFiles(list, pattern string) (are, gone []string, err error) {
	all, err := s.detectionsOf(context.Background(), pattern)
	if err != nil {
		return nil, nil, err
	}
	for i := range all {
		name := filepath.Join(s.detectionDir(all[i].ID), list+suffix)
		has, err := there(name)
		switch {
		case err != nil:
			return nil, nil, err
		case has:
			are = append(are, name)
		case all[i].rows(list) > 0:
			gone = append(gone, name)
		}
	}
	return are, gone, nil
}
