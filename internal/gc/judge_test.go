package gc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/quick"
	"time"

	"cooper"
	"cooper/internal/config"
	"cooper/internal/gcop"
	"cooper/internal/ledger/gcfacts"
	"cooper/internal/plan"
)

var scanned = gcop.Scanning{Config: "/c", Configuration: "c", Schema: "s", Server: "pg-1", Engine: "PostgreSQL", Time: now}

// TestShrunk: under 90 %, and more than 20 fewer; to none always.
func TestShrunk(t *testing.T) {
	for _, c := range []struct {
		before, now int64
		want        bool
	}{{0, 0, false}, {1, 0, true}, {20, 1, false}, {21, 1, false}, {22, 1, true}, {100, 80, false}, {100, 79, true}, {209, 189, false}, {209, 188, true}, {1000, 900, false}, {1000, 899, true}, {5, 9, false}} {
		if got := shrunk(c.before, c.now); got != c.want {
			t.Errorf("from %d to %d: %v", c.before, c.now, got)
		}
	}
	if err := quick.Check(func(before, now uint32) bool {
		b, n := int64(before), int64(now)
		return shrunk(b, n) == (n == 0 && b > 0 || b-n > 20 && 10*n < 9*b)
	}, nil); err != nil {
		t.Error(err)
	}
}

// TestJudge: what a scan is worth.
func TestJudge(t *testing.T) {
	policy := Policy{Scanning: scanned, Ranges: map[string]int{"": 2, "a": 3}, Skew: -1500}
	read := func(change func(*Read)) *Read {
		r := &Read{ID: "p-2", Shards: 5, Began: now, Ended: now + hour, Newest: now, Handles: 1000, Counts: map[string]Count{"": {Ranges: 2, Rows: 1000}, "a": {Ranges: 3, Rows: 500, Links: 400, Found: 400, Silent: 7}}}
		if change != nil {
			change(r)
		}
		return r
	}
	last := &Scan{ID: "p-1", Newest: now, Handles: 1000, Counts: map[string]Count{"": {Ranges: 2, Rows: 1000}, "a": {Ranges: 1, Rows: 500, Links: 400, Found: 400, Silent: 7}}}
	of := func(c Count) func(*Read) { return func(r *Read) { r.Counts["a"] = c } }
	for _, c := range []struct {
		name   string
		change func(*Read)
		first  bool // there is none to compare with
		want   string
	}{
		{name: "as last time"},
		{name: "the first", first: true},
		{name: "the first, with nothing in it", change: of(Count{Ranges: 3}), first: true},
		{name: "a range that was not read", change: of(Count{Ranges: 2, Rows: 500, Links: 400, Found: 400}), first: true, want: "a: 2 of 3 ranges were read"},
		{name: "handles that were not read", change: func(r *Read) { delete(r.Counts, "") }, first: true, want: "handles: 0 of 2 ranges were read"},
		{name: "fewer rows", change: of(Count{Ranges: 3, Rows: 449, Links: 400, Found: 400}), want: "a: 449 rows, and 500 in the last complete scan"},
		{name: "a few rows fewer", change: of(Count{Ranges: 3, Rows: 450, Links: 360, Found: 360})},
		{name: "as many rows, and no link", change: of(Count{Ranges: 3, Rows: 500}), want: "a: 0 links, and 400 in the last complete scan"},
		{
			name: "fewer links, of which more lead nowhere", change: of(Count{Ranges: 3, Rows: 500, Links: 300, Found: 299}),
			want: "a: 300 links, and 400 in the last complete scan; a: 299 links that lead to handles, and 400 in the last complete scan",
		},
		{
			name: "as many links, fewer of which lead anywhere", change: of(Count{Ranges: 3, Rows: 500, Links: 400, Found: 359}),
			want: "a: 359 links that lead to handles, and 400 in the last complete scan",
		},
		{name: "a few that lead nowhere", change: of(Count{Ranges: 3, Rows: 500, Links: 400, Found: 360})},
		{name: "the first, of which some lead somewhere", change: of(Count{Ranges: 3, Rows: 500, Links: 400, Found: 1}), first: true},
		{name: "the first, of which none does", change: of(Count{Ranges: 3, Rows: 500, Links: 21}), first: true, want: "a: 21 links, and none leads to a handle"},
		{name: "the first, with a few that dangle", change: of(Count{Ranges: 3, Rows: 500, Links: 20}), first: true},
		{
			name: "more silent values", change: of(Count{Ranges: 3, Rows: 500, Links: 400, Found: 400, Silent: 8}),
			want: "a: values in which an id stands and no link was found: 8, and 7 in the last complete scan",
		},
		{
			name: "the first, in which ids stand and no link is found", change: of(Count{Ranges: 3, Rows: 500, Silent: 1}), first: true,
			want: "a: values in which an id stands and no link was found: 1",
		},
		{name: "a value that cannot be read", change: func(r *Read) { r.Unread = 1 }, first: true, want: "values that cannot be read and are not acknowledged: 1"},
		{name: "another server in between", change: func(r *Read) { r.Foreign = 1 }, first: true, want: "ranges that another server has answered: 1"},
		{
			name: "older than last time", change: func(r *Read) { r.Newest = now - day },
			want: "this database is older than what was seen: its newest handle is of 2026-11-29T00:00:00Z, that of the last scan of 2026-11-30T00:00:00Z",
		},
		{name: "a hundredth of the handles gone", change: func(r *Read) { r.Gone = 10 }},
		{name: "more than that", change: func(r *Read) { r.Gone = 11 }, want: "this database is older than what was seen, or handles were lost: 11 of 1000 are gone"},
	} {
		before := last
		if c.first {
			before = nil
		}
		got := Judge(&policy, read(c.change), before)
		if got.Why != c.want || got.Complete != (c.want == "") {
			t.Errorf("%s: %v, %q", c.name, got.Complete, got.Why)
		}
	}
	gone := &Scan{Counts: map[string]Count{"a": {Rows: 500, Links: 400, Silent: 7}, "b": {Rows: 1}}}
	if got := Judge(&policy, read(nil), gone); got.Why != "b: 0 rows, and 1 in the last complete scan" {
		t.Errorf("an association that is no longer declared: %q", got.Why)
	}
	fresh := &Scan{Counts: map[string]Count{"b": {}}}
	if got := Judge(&policy, read(of(Count{Ranges: 3, Rows: 500, Silent: 1})), fresh); got.Why != "a: values in which an id stands and no link was found: 1" {
		t.Errorf("an association that is new: %q", got.Why)
	}
	got := Judge(&policy, read(nil), nil)
	if got.Configuration != "c" || got.Schema != "s" || got.Server != "pg-1" || got.Clock != now || got.Shards != 5 || got.Skew != -1500*time.Millisecond {
		t.Errorf("%+v", got)
	}
}

// finish writes a scan: rows of one association in one range, with a handle and perhaps a
// value that cannot be read, and judges it.
func (l *ledgerOf) finish(id string, began cooper.Instant, rows int64, unread string, change ...func(*gcop.Scanning)) gcfacts.Scan {
	l.t.Helper()
	ctx := context.Background()
	p := Policy{Scanning: scanned, Ranges: map[string]int{"": 1, "a": 1}}
	p.Scanning.Time = began
	for _, f := range change {
		f(&p.Scanning)
	}
	server := p.Scanning.Server
	l.shard(id, 0, gcfacts.Range{What: gcfacts.OfKind, Table: "files", Rows: 1, Began: began, Ended: began + hour, Server: server}, func(w *gcfacts.Writer) error {
		return w.Handle(gcfacts.Handle{ID: "1", Bucket: "b", Key: "k", Created: now - 99*day, Modified: now - 9*day, Size: 1})
	})
	l.shard(id, 1, gcfacts.Range{What: gcfacts.OfAssociation, Name: "a", Table: "t", Rows: rows, Began: began, Ended: began + hour, Server: server}, func(w *gcfacts.Writer) error {
		if unread != "" {
			return errors.Join(w.Malformed(gcfacts.Malformed{Association: "a", Table: "t", Key: "7", Why: "not an id: x", Hash: []byte(unread)}), w.Link("a", "1", gcfacts.Target{ID: "1"}))
		}
		return w.Link("a", "1", gcfacts.Target{ID: "1"})
	})
	e := l.engine()
	h, err := HistoryOf(ctx, e, began)
	if err != nil {
		l.t.Fatal(err)
	}
	last := h.LastComplete(server)
	text, err := json.Marshal(p)
	if err != nil {
		l.t.Fatal(err)
	}
	r, err := ReadOf(ctx, e, &plan.Header{ID: id, Mission: Mission, Policy: text, Phases: []plan.Phase{{Shards: 1}, {Shards: 1}}}, last, began)
	if err != nil {
		l.t.Fatal(err)
	}
	if r.Shards != 2 || r.Began != began || r.Ended != began+hour || r.Handles != 1 || r.Foreign != 0 {
		l.t.Fatalf("%+v", r)
	}
	s := Judge(&p, r, last)
	if err := l.facts.Finish(ctx, s); err != nil {
		l.t.Fatal(err)
	}
	return s
}

func (l *ledgerOf) history(at cooper.Instant) *History {
	l.t.Helper()
	h, err := HistoryOf(context.Background(), l.engine(), at)
	if err != nil {
		l.t.Fatal(err)
	}
	return h
}

func (l *ledgerOf) acknowledge(id string, all []gcfacts.Acknowledgement) {
	l.t.Helper()
	if err := l.facts.Acknowledge(context.Background(), id, all); err != nil {
		l.t.Fatal(err)
	}
}

func id(n int) string { return fmt.Sprintf("p-202611%02dT000000Z-0001", n) }

// TestAcknowledge: an unread value keeps a scan from being complete until a person has
// acknowledged it, and again when that has run out; what has shrunk, until that was
// acknowledged with the numbers, once.
func TestAcknowledge(t *testing.T) {
	l := newLedger(t)
	began := now - 10*day
	if s := l.finish(id(1), began, 100, "x"); s.Complete || s.Newest != now-9*day {
		t.Fatalf("%+v", s)
	}
	h := l.history(began)
	if s := &h.Scans[0]; s.Complete() || s.Unread != 1 || s.Counts["a"].Rows != 100 || s.Counts["a"].Links != 1 || s.Handles != 1 || h.LastComplete("pg-1") != nil {
		t.Fatalf("%+v", s)
	}
	all, err := Unread(context.Background(), l.engine(), id(1), "", "", began)
	if err != nil || len(all) != 1 || all[0].Why != "not an id: x" || string(all[0].Hash) != "x" {
		t.Fatalf("%+v, %v", all, err)
	}
	if none, err := Unread(context.Background(), l.engine(), id(1), "a", "8", began); err != nil || len(none) != 0 {
		t.Fatalf("of another key: %+v, %v", none, err)
	}
	by := Person{"ada", began + hour}
	l.acknowledge("a-1", AcknowledgeValues(id(1), all, by, days(30)))
	if s := &l.history(began + 2*hour).Scans[0]; !s.Complete() {
		t.Errorf("acknowledged: %+v", s)
	}
	if s := &l.history(began + 31*day).Scans[0]; s.Complete() {
		t.Error("the acknowledgement has run out")
	}

	if s := l.finish(id(2), began+day, 50, "x"); s.Complete || s.Why != "a: 50 rows, and 100 in the last complete scan" {
		t.Fatalf("%+v", s)
	}
	h = l.history(began + 2*day)
	second := &h.Scans[1]
	if second.Complete() || second.Unread != 0 || h.LastComplete("pg-1").ID != id(1) {
		t.Fatalf("%+v", second)
	}
	if _, err := AcknowledgeShrunk(second, "b", by); cooper.KindOf(err) != cooper.KindUsage {
		t.Error(err)
	}
	shrunk, err := AcknowledgeShrunk(second, "a", by)
	if err != nil || len(shrunk) != 1 {
		t.Fatalf("%+v, %v", shrunk, err)
	}
	other := shrunk[0]
	other.Now++
	l.acknowledge("a-2", []gcfacts.Acknowledgement{other})
	if l.history(began + 2*day).Scans[1].Complete() {
		t.Error("acknowledged with other numbers")
	}
	l.acknowledge("a-3", shrunk)
	if h := l.history(began + 2*day); !h.Scans[1].Complete() || h.LastComplete("pg-1").ID != id(2) {
		t.Errorf("acknowledged: %+v", h.Scans[1])
	}
	// A value that has changed is another one.
	if s := l.finish(id(4), began+2*day, 50, "y"); s.Complete || s.Why != "values that cannot be read and are not acknowledged: 1" {
		t.Errorf("%+v", s)
	}
	// Not once and for all.
	if s := l.finish(id(5), began+2*day, 20, "x"); s.Complete || len(s.Suspects) != 1 {
		t.Errorf("%+v", s)
	}
}

// TestAcceptDatabase: an older database is not complete, whatever is acknowledged, until it
// is accepted; then nothing before it counts.
func TestAcceptDatabase(t *testing.T) {
	l := newLedger(t)
	began := now - 10*day
	l.finish(id(1), began, 100, "")
	h := l.history(now)
	if s := h.Last(); s == nil || s.Server != "pg-1" || s.At != began+hour {
		t.Errorf("%+v", s)
	}
	l.acknowledge("a-1", []gcfacts.Acknowledgement{AcceptDatabase("pg-2", Person{"ada", began + day})})
	h = l.history(now)
	if s := h.Last(); s.Server != "pg-2" {
		t.Errorf("%+v", s)
	}
	if s := l.finish(id(2), began+2*day, 1, "", func(s *gcop.Scanning) { s.Server = "pg-2" }); !s.Complete {
		t.Errorf("compared with another database: %+v", s)
	}
	l.acknowledge("a-2", []gcfacts.Acknowledgement{AcceptDatabase("pg-2", Person{"ada", began + 3*day})})
	if h := l.history(now); h.LastComplete("pg-2") != nil || h.LastComplete("pg-1") != nil || len(Stand(h, "pg-2", Digests{"c", "s"}, config.Detect{Scans: 3}, now).Counted) != 0 {
		t.Error("what was before counts")
	}
}

// TestStand: how far the count has come, and what it waits for.
func TestStand(t *testing.T) {
	scan := func(n int, began cooper.Instant, change ...func(*Scan)) Scan {
		s := Scan{ID: fmt.Sprint(n), Began: began, Ended: began + hour, Server: "pg-1", Digests: Digests{"c", "s"}}
		for _, f := range change {
			f(&s)
		}
		return s
	}
	incomplete := func(s *Scan) { s.Unread = 2 }
	configured := func(s *Scan) { s.Digests.Configuration = "other" }
	shaped := func(s *Scan) { s.Digests.Schema = "other" }
	elsewhere := func(s *Scan) { s.Server = "pg-2" }
	for _, c := range []struct {
		name     string
		scans    []Scan
		counted  string
		waits    string
		warnings int
	}{
		{name: "none", waits: "3 more complete scans"},
		{name: "three", scans: []Scan{scan(1, now-3*day), scan(2, now-2*day), scan(3, now-day)}, counted: "3 2 1"},
		{name: "four", scans: []Scan{scan(1, now-4*day), scan(2, now-3*day), scan(3, now-2*day), scan(4, now-day)}, counted: "4 3 2"},
		{name: "one of an hour ago", scans: []Scan{scan(1, now-hour)}, counted: "1", waits: "2 more complete scans, the next not before 2026-11-30T23:00:00Z"},
		{
			name: "three in an hour", scans: []Scan{scan(1, now-2*day), scan(2, now-2*day+hour), scan(3, now-2*day+2*hour)}, counted: "3",
			waits: "2 more complete scans; the scan 2 began less than 24h0m0s before the next", warnings: 1,
		},
		{name: "one between that is too near", scans: []Scan{scan(1, now-3*day), scan(2, now-2*day), scan(3, now-2*day+hour), scan(4, now-day)}, counted: "4 2 1"},
		{name: "one between that is not complete", scans: []Scan{scan(1, now-4*day), scan(2, now-3*day), scan(3, now-2*day, incomplete), scan(4, now-day)}, counted: "4 2 1"},
		{
			name: "two that are not complete", scans: []Scan{scan(1, now-2*day, incomplete), scan(2, now-day, incomplete)},
			waits: "3 more complete scans; the scan 2 is not complete: values that cannot be read and are not acknowledged: 2", warnings: 1,
		},
		{
			name: "another configuration between", scans: []Scan{scan(1, now-3*day), scan(2, now-2*day, configured), scan(3, now-day)}, counted: "3",
			waits: "2 more complete scans; the configuration is another one than that of the scan 2", warnings: 1,
		},
		{
			name: "another schema since", scans: []Scan{scan(1, now-2*day, shaped), scan(2, now-day, shaped)},
			waits: "3 more complete scans; declared tables, or foreign keys to handles, are others than those of the scan 2", warnings: 1,
		},
		{name: "another server", scans: []Scan{scan(1, now-3*day), scan(2, now-2*day, elsewhere), scan(3, now-day, elsewhere)}, counted: "1", waits: "2 more complete scans"},
		{
			name: "too old", scans: []Scan{scan(1, now-17*day), scan(2, now-16*day), scan(3, now-14*day-2*hour)},
			waits: "3 more complete scans; the newest scan that counts, 3, is more than 14 days old", warnings: 1,
		},
		{name: "just fresh", scans: []Scan{scan(1, now-17*day), scan(2, now-16*day), scan(3, now-14*day-hour)}, counted: "3 2 1"},
	} {
		st := Stand(&History{Scans: c.scans}, "pg-1", Digests{"c", "s"}, config.Detect{Scans: 3, Apart: 24 * time.Hour}, now)
		if got := strings.Join(st.Counted, " "); got != c.counted || st.Waits != c.waits || len(st.Warnings) != c.warnings || st.Ready() != (c.waits == "") {
			t.Errorf("%s: %q, waits for %q, warns %q", c.name, got, st.Waits, st.Warnings)
		}
	}
	// Without the database at hand, it is that of the last scan.
	st := Stand(&History{Scans: []Scan{scan(1, now-3*day, shaped), scan(2, now-2*day), scan(3, now-day)}}, "", Digests{Configuration: "c"}, config.Detect{Scans: 3, Apart: 24 * time.Hour}, now)
	if got := strings.Join(st.Counted, " "); got != "3 2" || st.Waits == "" {
		t.Errorf("without the database: %q, waits for %q", got, st.Waits)
	}
	h := &History{Scans: []Scan{scan(1, 1), scan(2, 2), scan(3, 3, incomplete), scan(4, 4), scan(5, 5)}}
	if got := fmt.Sprint(h.Droppable(3)); got != "[1]" {
		t.Errorf("what may go: %s", got)
	}
	if got := h.Droppable(4); len(got) != 0 {
		t.Errorf("what may go: %s", got)
	}
}
