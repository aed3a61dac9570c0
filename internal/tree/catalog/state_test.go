package catalog

import (
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cooper"
	"cooper/internal/seal"
	"cooper/internal/tree/safefs/memfs"
)

func TestRanges(t *testing.T) {
	for i := range uint64(50) {
		r := rand.New(rand.NewPCG(i, 0))
		var set Ranges
		want := map[int]bool{}
		for range r.IntN(60) {
			n := r.IntN(40)
			before := set.String()
			next := set.With(n)
			if set.String() != before {
				t.Fatalf("With changed %s to %s", before, set.String())
			}
			set = next
			want[n] = true
		}
		for n := range 45 {
			if set.Has(n) != want[n] {
				t.Fatalf("%s: Has(%d) = %v", set, n, set.Has(n))
			}
		}
		var again Ranges
		b, err := json.Marshal(set)
		check(t, err)
		check(t, json.Unmarshal(b, &again))
		if again.String() != set.String() || again.Count() != len(want) {
			t.Fatalf("%s came back as %s", set, again)
		}
	}
	set := Ranges{}
	for _, n := range []int{5, 1, 0, 3, 2, 7} {
		set = set.With(n)
	}
	if s := set.String(); s != "0-3,5,7" {
		t.Error(s)
	}
	for _, s := range []string{"1,0", "0-3,4", "3-1", "-1", "a", "1,", ",", "1-", "1-2-3", "0,0", "9223372036854775807"} {
		if err := new(Ranges).UnmarshalText([]byte(s)); err == nil {
			t.Errorf("%q is taken for ranges", s)
		}
	}
}

func TestStatesThatMakeNoSense(t *testing.T) {
	good := func() State {
		return State{Format: 1, Generation: 3, Runs: []Sorted{{Level: 1, Files: []File{{Name: "a.parquet", Rows: 1, Bytes: 1, FirstKey: "a", LastKey: "b"}, {Name: "b.parquet", Rows: 1, Bytes: 1, FirstKey: "c", LastKey: "c"}}}},
			Run: &Progress{Plan: "p", Shards: 2, Done: Ranges{}.With(1)}, Observed: []Observed{}}
	}
	parse := func(s State) error {
		b, err := json.Marshal(s)
		check(t, err)
		_, err = parseState(b)
		return err
	}
	check(t, parse(good()))
	for name, change := range map[string]func(*State){
		"no format":        func(s *State) { s.Format = 0 },
		"no generation":    func(s *State) { s.Generation = 0 },
		"a level":          func(s *State) { s.Runs[0].Level = -1 },
		"no files":         func(s *State) { s.Runs[0].Files = nil },
		"a path":           func(s *State) { s.Runs[0].Files[0].Name = "../a.parquet" },
		"a name":           func(s *State) { s.Runs[0].Files[0].Name = "CURRENT.json" },
		"twice":            func(s *State) { s.Runs[0].Files[1].Name = "a.parquet" },
		"no rows":          func(s *State) { s.Runs[0].Files[0].Rows = 0 },
		"keys overlap":     func(s *State) { s.Runs[0].Files[1].FirstKey = "b" },
		"too much done":    func(s *State) { s.Run.Shards = 0 },
		"a run of no plan": func(s *State) { s.Run.Plan = "" },
	} {
		s := good()
		change(&s)
		if err := parse(s); err == nil || cooper.KindOf(err) == cooper.KindRefused {
			t.Errorf("%s: %v", name, err)
		}
	}
	newer := good()
	newer.Format = 3
	if err := parse(newer); cooper.KindOf(err) != cooper.KindRefused {
		t.Errorf("a newer format: %v", err)
	}
}

func FuzzParseState(f *testing.F) {
	f.Add([]byte(`{"format":1,"generation":3,"runs":[{"level":0,"files":[{"name":"a.parquet","rows":1,"bytes":2,"first_key":"a","last_key":"b"}]}],"run":{"plan":"p","shards":9,"done":"0-3,5"},"observed":[]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := parseState(b)
		if err != nil {
			return
		}
		again, err := json.Marshal(s)
		check(t, err)
		if s.Format > 1 {
			again, err = seal.Document(again)
			check(t, err)
		}
		back, err := parseState(again)
		check(t, err)
		if d := cmp.Diff(s, back, cmp.AllowUnexported(Ranges{}, interval{}, seal.Sums{})); d != "" {
			t.Fatal(d)
		}
	})
}

// sumsOf are the sums of bytes.
func sumsOf(b []byte) seal.Sums {
	var s seal.Summer
	_, _ = s.Write(b) // never fails
	return s.Sums()
}

// damaged reads a catalog file of the given bytes to the end, as if they had been
// written so.
func damaged(t testing.TB, b []byte) (rows int, err error) {
	t.Helper()
	return readAs(t, b, File{Name: "x.parquet", Rows: 3, Bytes: int64(len(b)), FirstKey: "a", LastKey: "c", Sums: sumsOf(b)})
}

func readAs(t testing.TB, b []byte, meta File) (rows int, err error) {
	t.Helper()
	m := memfs.New()
	check(t, m.MkdirAll(dir))
	f, err := m.Create(dir + "/x.parquet")
	check(t, err)
	_, err = f.Write(b)
	check(t, err)
	check(t, f.Close())
	c := &Catalog{fs: m}
	sc, err := c.openScan(&Sorted{Files: []File{meta}}, span{}, smallBuffer)
	if err != nil {
		return 0, err
	}
	defer func() { check(t, sc.close()) }()
	buf := make([]Row, 0, pageRows)
	for {
		page, err := sc.next(buf)
		if errors.Is(err, io.EOF) {
			return rows, nil
		}
		if err != nil {
			return rows, err
		}
		rows += len(page)
	}
}

// sample is a catalog file.
func sample(t testing.TB) []byte {
	c, m := newMem(t)
	add(t, c, full("a"), row("b", 1, nil), Row{Identity: cooper.Identity{Key: "c"}})
	return []byte(m.Files()[dir+"/"+c.State().Runs[0].Files[0].Name])
}

func TestDamagedFilesAreErrors(t *testing.T) {
	good := sample(t)
	if n, err := damaged(t, good); n != 3 || err != nil {
		t.Fatalf("%d rows, %v", n, err)
	}
	for i := 0; i < len(good); i += 11 {
		if _, err := damaged(t, good[:i]); cooper.KindOf(err) != cooper.KindCorrupt {
			t.Errorf("cut after %d bytes: %v", i, err)
		}
		b := slices.Clone(good)
		b[i] ^= 0x41
		if _, err := damaged(t, b); err != nil && cooper.KindOf(err) != cooper.KindCorrupt {
			t.Errorf("byte %d: %v", i, err)
		}
	}
}

func FuzzReadFile(f *testing.F) {
	f.Add(sample(f))
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, err := damaged(t, b); err != nil && cooper.KindOf(err) != cooper.KindCorrupt {
			t.Fatal(err)
		}
	})
}
