package gcfacts

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/parquet-go/parquet-go"

	"cooper"
)

const detection1, detection2 = "d-20261122T010000Z-4f1c", "d-20261123T010000Z-0000"

func batch(n int) Batch {
	return Batch{State: "g-1", Number: n, Transitions: []Transition{
		{ID: fmt.Sprintf("g-1-%d", 2*n-1), Scope: "s/db", Kind: "blob", Handle: "7", From: "AVAILABLE", To: "UNLINKED", Since: 5, Reason: "no link", Run: "r-1"},
		{ID: fmt.Sprintf("g-1-%d", 2*n), Scope: "s/db", Handle: "x", From: "UNLINKED", FromSince: 5, To: "AVAILABLE", Since: 6},
	}}
}

var found = Detection{
	ID: detection1, Scope: "s/db", Run: "r-1", Made: 1, Clock: 2, Scans: []string{scan2, scan1}, Waits: "one more", Configuration: "c", Schema: "s", Words: 1,
	Snapshots: []Inventoried{{"b", "s-1", 3}}, Unknown: []Unknown{{Missings, "c", "no snapshot"}}, Refusals: []Refusal{{"jump", "twice"}}, Figures: []Figure{{"handles", 5, -1}, {"linked", 3, 7}},
}

// find writes some of everything.
func find(f *Finder) error {
	return errors.Join(
		f.Candidate(Candidate{Kind: "blob", ID: "1", Bucket: "b", Key: "a/\xff", Size: 0, Modified: 5, Alone: 7}),
		f.Candidate(Candidate{Kind: "blob", ID: "2", Bucket: "b", Key: "é", Size: -1, Alone: -1}),
		f.Kept(Kept{Kind: "blob", ID: "3", Reason: "young"}),
		f.Relinked(Relinked{Kind: "blob", ID: "00000000-0000-0000-0000-00000000000a", Status: "UNLINKED", Scan: scan1}),
		f.Missing(Missing{Kind: "blob", ID: "5", Bucket: "b", Key: "k"}),
		f.Unindexed(Unindexed{Bucket: "b", Key: "u", Version: "v", Size: 9, Modified: 4, How: "no-handle-here"}),
		f.UnindexedKept(UnindexedKept{Bucket: "b", Key: "u/1", Reason: "young"}),
		f.NearMiss(NearMiss{Kind: "blob", ID: "6", Bucket: "b", Key: "n", Other: "c"}),
	)
}

func detect(t *testing.T, s *Store, d Detection) {
	t.Helper()
	f, err := s.Detection(ctx, d.ID)
	must(t, err)
	must(t, find(f))
	must(t, f.Commit(ctx, d))
	must(t, f.Discard())
}

func TestWhatADetectionFinds(t *testing.T) {
	s := Open(filepath.Join(t.TempDir(), "ledger"))
	must(t, s.KeepByHand(ctx, []KeptByHand{{ID: "1"}})) // the word that it has seen
	detect(t, s, found)
	again := found
	again.Run = "r-2"
	detect(t, s, again) // is there already
	want := found
	want.Lists = []List{{Candidates, 2, 7}, {Kepts, 1, 0}, {Relinkeds, 1, 0}, {Missings, 1, 0}, {Unindexeds, 1, 9}, {UnindexedKeeps, 1, 0}, {NearMisses, 1, 0}}
	got, err := s.Detections(ctx)
	must(t, err)
	if d := cmp.Diff([]Detection{want}, got); d != "" {
		t.Error(d)
	}
	file := func(table string) string { return filepath.Join(s.detectionDir(detection1), table+suffix) }
	same := func(want, got any) {
		t.Helper()
		if d := cmp.Diff(want, got, cmpopts.EquateEmpty()); d != "" {
			t.Error(d)
		}
	}
	var none []byte
	same([]candidateColumns{
		{Detection: detection1, Kind: "blob", IDNumber: 1, Bucket: "b", KeyBytes: []byte("a/\xff"), Modified: 5, Alone: 7},
		{Detection: detection1, Kind: "blob", IDNumber: 2, Bucket: "b", Key: "é", KeyBytes: none},
	}, rowsOf[candidateColumns](t, file(Candidates)))
	same([]keptColumns{{Detection: detection1, Kind: "blob", IDNumber: 3, Reason: "young"}}, rowsOf[keptColumns](t, file(Kepts)))
	same([]relinkedColumns{{Detection: detection1, Kind: "blob", IDUUID: [16]byte{15: 10}, Status: "UNLINKED", Scan: scan1}}, rowsOf[relinkedColumns](t, file(Relinkeds)))
	same([]missingColumns{{Detection: detection1, Kind: "blob", IDNumber: 5, Bucket: "b", Key: "k", KeyBytes: none}}, rowsOf[missingColumns](t, file(Missings)))
	same([]unindexedColumns{{Detection: detection1, Bucket: "b", Key: "u", KeyBytes: none, Version: "v", Size: 9, Modified: 4, How: "no-handle-here"}}, rowsOf[unindexedColumns](t, file(Unindexeds)))
	same([]unindexedKeptColumns{{Detection: detection1, Bucket: "b", Key: "u/1", KeyBytes: none, Reason: "young"}}, rowsOf[unindexedKeptColumns](t, file(UnindexedKeeps)))
	same([]nearMissColumns{{Detection: detection1, Kind: "blob", IDNumber: 6, Bucket: "b", Key: "n", KeyBytes: none, Other: "c"}}, rowsOf[nearMissColumns](t, file(NearMisses)))
	for _, id := range []string{"", "../x", scan1, "d-20261122T010000Z-4f/c", "*"} {
		if _, err := s.Detection(ctx, id); cooper.KindOf(err) != cooper.KindInternal {
			t.Errorf("%q was taken: %v", id, err)
		}
	}
	f, err := s.Detection(ctx, detection2)
	must(t, err)
	if err := f.Commit(ctx, found); cooper.KindOf(err) != cooper.KindInternal {
		t.Errorf("another detection's: %v", err)
	}
	must(t, f.Discard())
}

func TestSumsOfBytesStayAtTheMost(t *testing.T) {
	s := Open(filepath.Join(t.TempDir(), "ledger"))
	f, err := s.Detection(ctx, detection1)
	must(t, err)
	for range 3 {
		must(t, f.Unindexed(Unindexed{Size: math.MaxInt64 - 1}))
	}
	if d := cmp.Diff([]List{{Unindexeds, 3, math.MaxInt64}}, f.Lists()); d != "" {
		t.Error(d)
	}
	must(t, f.Discard())
	if left, err := os.ReadDir(filepath.Join(s.dir, Detections)); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

// TestLongLists: a list has row groups of bounded size.
func TestLongLists(t *testing.T) {
	s := Open(filepath.Join(inMemory(t), "ledger"))
	f, err := s.Detection(ctx, detection1)
	must(t, err)
	const n = 2*groupRows + 5
	for i := range n {
		must(t, f.Candidate(Candidate{ID: fmt.Sprint(i), Bucket: "b", Key: fmt.Sprintf("k/%d", i), Size: 1, Alone: 1}))
	}
	must(t, f.Commit(ctx, Detection{ID: detection1}))
	groups, next := 0, int64(0)
	name := filepath.Join(s.detectionDir(detection1), Candidates+suffix)
	must(t, withFile(name, func(pq *parquet.File) error {
		groups = len(pq.RowGroups())
		return nil
	}))
	must(t, readRows(ctx, name, func(rows []candidateColumns) error {
		for _, r := range rows {
			if r.IDNumber != next || r.Key != fmt.Sprintf("k/%d", next) {
				return fmt.Errorf("row %d is %v", next, r)
			}
			next++
		}
		return nil
	}))
	if groups != 3 || next != n {
		t.Errorf("%d rows in %d groups", next, groups)
	}
}

func TestTransitionsAreToldOnce(t *testing.T) {
	s := Open(filepath.Join(t.TempDir(), "ledger"))
	must(t, s.Tell(ctx, batch(1)))
	other := batch(1)
	other.Transitions = other.Transitions[:1]
	must(t, s.Tell(ctx, other)) // is there already
	must(t, s.Tell(ctx, batch(2)))
	b := batch(3)
	b.State = "g-2-x"
	b.Number = 1
	must(t, s.Tell(ctx, b))
	told, err := s.Told()
	must(t, err)
	if d := cmp.Diff(map[string]int{"g-1": 2, "g-2-x": 1}, told); d != "" {
		t.Error(d)
	}
	are, gone, err := s.Files(Transitions)
	must(t, err)
	if len(are) != 3 || len(gone) > 0 {
		t.Fatalf("%v, %v", are, gone)
	}
	must(t, Verify(ctx, are))
	want := []transitionColumns{
		{State: "g-1", Batch: 1, ID: "g-1-1", Scope: "s/db", Kind: "blob", IDNumber: 7, From: "AVAILABLE", To: "UNLINKED", Since: 5, Reason: "no link", Run: "r-1"},
		{State: "g-1", Batch: 1, ID: "g-1-2", Scope: "s/db", IDText: "x", From: "UNLINKED", FromSince: 5, To: "AVAILABLE", Since: 6},
	}
	if d := cmp.Diff(want, rowsOf[transitionColumns](t, are[0])); d != "" {
		t.Error(d)
	}
	for _, b := range []Batch{{}, {State: "g-1"}, {State: "g-1", Number: 9}, {State: "../g", Number: 9, Transitions: b.Transitions}, {State: "g-1", Transitions: b.Transitions}} {
		if err := s.Tell(ctx, b); cooper.KindOf(err) != cooper.KindInternal {
			t.Errorf("%+v was told: %v", b, err)
		}
	}
}

func TestWordsHaveAnOrder(t *testing.T) {
	s := Open(filepath.Join(t.TempDir(), "ledger"))
	must(t, s.KeepByHand(ctx, nil))
	const people = 8
	var g sync.WaitGroup
	errs := make([]error, people)
	for i := range people {
		g.Go(func() {
			if i%2 == 0 {
				errs[i] = Open(s.dir).KeepByHand(ctx, []KeptByHand{{Scope: "s/db", Kind: "blob", ID: fmt.Sprint(i), Keep: true, Person: "ann", Reason: "audit", Made: 7}, {ID: "y"}})
			} else {
				errs[i] = Open(s.dir).LinkByHand(ctx, []LinkedByHand{{Scope: "s/db", Association: "posts", Object: "a", Kind: "blob", ID: fmt.Sprint(i), Linked: true, Person: "ann", Reason: "known", Made: 7}})
			}
		})
	}
	g.Wait()
	must(t, errors.Join(errs...))
	if n, err := s.Words(); err != nil || n != people {
		t.Fatal(n, err)
	}
	seen := map[int64]bool{}
	for _, table := range []string{KeptsByHand, LinksByHand} {
		are, gone, err := s.Files(table)
		must(t, err)
		if len(are) != people/2 || len(gone) > 0 {
			t.Fatalf("%v, %v", are, gone)
		}
		must(t, Verify(ctx, are))
		for _, name := range are {
			var number int32
			if table == KeptsByHand {
				rows := rowsOf[keptByHandColumns](t, name)
				number = rows[0].Number
				want := keptByHandColumns{Number: number, Scope: "s/db", Kind: "blob", IDNumber: rows[0].IDNumber, Keep: true, Person: "ann", Reason: "audit", Made: 7}
				if d := cmp.Diff([]keptByHandColumns{want, {Number: number, IDText: "y"}}, rows); d != "" {
					t.Error(d)
				}
				seen[rows[0].IDNumber] = true
			} else {
				rows := rowsOf[linkedByHandColumns](t, name)
				number = rows[0].Number
				want := linkedByHandColumns{Number: number, Scope: "s/db", Association: "posts", ObjectText: "a", Kind: "blob", IDNumber: rows[0].IDNumber, Linked: true, Person: "ann", Reason: "known", Made: 7}
				if d := cmp.Diff([]linkedByHandColumns{want}, rows); d != "" {
					t.Error(d)
				}
				seen[rows[0].IDNumber] = true
			}
			if filepath.Base(filepath.Dir(name)) != fmt.Sprintf("%08d", number) {
				t.Errorf("%s is number %d", name, number)
			}
		}
	}
	if len(seen) != people {
		t.Errorf("%v", seen)
	}
	if left, err := filepath.Glob(filepath.Join(s.dir, wordsDir, newPrefix+"*")); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

// TestWhatIsGoneOfDetectionsIsTold: a list, a batch, a word; and what a person knows to be gone is not.
func TestWhatIsGoneOfDetectionsIsTold(t *testing.T) {
	s := Open(filepath.Join(t.TempDir(), "ledger"))
	must(t, s.KeepByHand(ctx, []KeptByHand{{ID: "1", Keep: true}}))
	must(t, s.LinkByHand(ctx, []LinkedByHand{{ID: "1", Linked: true}}))
	must(t, s.KeepByHand(ctx, []KeptByHand{{ID: "2", Keep: true}}))
	d := found
	d.Words = 3
	detect(t, s, d)
	for n := range 3 {
		must(t, s.Tell(ctx, batch(n+1)))
	}
	verify := func(table string) error {
		are, gone, err := s.Files(table)
		if err != nil {
			return err
		}
		return Verify(ctx, append(are, gone...))
	}
	detection := func(table string) string { return filepath.Join(s.detectionDir(detection1), table+suffix) }
	word := func(n int) string { return filepath.Join(s.wordDir(n), KeptsByHand+suffix) }
	told := func(n int) string { return filepath.Join(s.dir, Transitions, batchName("g-1", n)+suffix) }
	for _, c := range []struct {
		name, table string
		lost        string
	}{
		{detection(Candidates), Candidates, ""},
		{detection(NearMisses), NearMisses, ""},
		{detection(Detections), Detections, ""},
		{detection(Detections), Kepts, ""},
		{detection(Detections), KeptsByHand, ""},
		{told(1), Transitions, strings.TrimSuffix(told(1), suffix) + ".lost"},
		{told(2), Transitions, strings.TrimSuffix(told(2), suffix) + ".lost"},
		{word(1), KeptsByHand, filepath.Join(s.wordDir(1), "lost")},
		{word(1), LinksByHand, ""},
		{word(3), KeptsByHand, filepath.Join(s.wordDir(3), "lost")}, // the last, which a detection has seen
	} {
		must(t, verify(c.table))
		good, err := os.ReadFile(c.name)
		must(t, err)
		must(t, os.Remove(c.name))
		if err := verify(c.table); cooper.KindOf(err) != cooper.KindInvalid || !strings.Contains(err.Error(), filepath.Dir(c.name)) {
			t.Errorf("%s without %s: %v", c.table, c.name, err)
		}
		if c.lost != "" {
			must(t, os.WriteFile(c.lost, nil, 0o600))
			must(t, verify(c.table))
			must(t, os.Remove(c.lost))
		}
		for _, at := range []int{0, len(good) / 2, len(good) - 1} {
			bad := slices.Clone(good)
			bad[at] ^= 1
			must(t, os.WriteFile(c.name, bad, 0o600))
			if table := filepath.Base(strings.TrimSuffix(c.name, suffix)); table != c.table && c.table != Transitions {
				continue
			}
			if err := verify(c.table); cooper.KindOf(err) != cooper.KindInvalid || !strings.Contains(err.Error(), c.name) {
				t.Errorf("%s, byte %d: %v", c.name, at, err)
			}
		}
		must(t, os.WriteFile(c.name, good, 0o600))
	}
	// A directory with all in it.
	must(t, os.RemoveAll(s.wordDir(3)))
	if err := verify(KeptsByHand); cooper.KindOf(err) != cooper.KindInvalid {
		t.Errorf("without the last word: %v", err)
	}
	must(t, s.KeepByHand(ctx, []KeptByHand{{ID: "9", Keep: true}})) // does not take its place
	if err := verify(KeptsByHand); cooper.KindOf(err) != cooper.KindInvalid || !strings.Contains(err.Error(), s.wordDir(3)) {
		t.Errorf("without a word that is not the last: %v", err)
	}
	// Whole files in the place of others.
	for _, c := range [][2]string{{told(1), told(2)}, {word(1), word(4)}, {detection(Candidates), detection(Kepts)}} {
		b, err := os.ReadFile(c[0])
		must(t, err)
		must(t, os.WriteFile(c[1], b, 0o600))
		if err := Verify(ctx, c[1:]); cooper.KindOf(err) != cooper.KindInvalid || !strings.Contains(err.Error(), c[1]) {
			t.Errorf("%s as %s: %v", c[0], c[1], err)
		}
	}
}
