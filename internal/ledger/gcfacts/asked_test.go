package gcfacts

import (
	"maps"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cooper"
)

func asking(n int, all ...Asked) Asking {
	for i := range all {
		all[i].ID, all[i].Scope, all[i].Count = string(rune('a'+i)), "s/db", 1
	}
	return Asking{Guard: "a-1", Number: n, Asked: all}
}

// TestAskedSince: what was asked for is told from a time on, unless a person has released it since.
func TestAskedSince(t *testing.T) {
	s := Open(filepath.Join(t.TempDir(), "ledger"))
	if got, err := s.AskedSince(ctx, "s/db", 0); err != nil || len(got) > 0 {
		t.Fatal(got, err)
	}
	first := asking(1, Asked{Kind: "blob", Handle: "7", Status: "UNLINKED", Since: 5, First: 10, Last: 20, Client: "portal"}, Asked{Handle: "x", Status: "ARCHIVING", First: 30, Last: 30})
	must(t, s.Ask(ctx, first))
	must(t, s.Ask(ctx, asking(1, Asked{Handle: "other", First: 99, Last: 99}))) // the number is taken
	must(t, s.Ask(ctx, asking(2, Asked{Kind: "blob", Handle: "7", Status: "UNLINKED", First: 40, Last: 50}, Asked{Handle: "00000000-0000-0000-0000-00000000000a", First: 60, Last: 60})))
	other := asking(1, Asked{Handle: "9", First: 70, Last: 70})
	other.Guard, other.Asked[0].Scope = "a-2", "other/db"
	must(t, s.Ask(ctx, other))
	seven, x, uuid := AskedOf{"blob", "7"}, AskedOf{"", "x"}, AskedOf{"", "00000000-0000-0000-0000-00000000000a"}
	wants := func(what string, since cooper.Instant, want map[AskedOf]cooper.Instant) {
		t.Helper()
		got, err := s.AskedSince(ctx, "s/db", since)
		if err != nil || !maps.Equal(got, want) {
			t.Errorf("%s, since %d: %v, %v", what, since, got, err)
		}
	}
	wants("all", 0, map[AskedOf]cooper.Instant{seven: 50, x: 30, uuid: 60})
	wants("at the very time", 50, map[AskedOf]cooper.Instant{seven: 50, uuid: 60})
	wants("later", 51, map[AskedOf]cooper.Instant{uuid: 60})
	must(t, s.KeepByHand(ctx, []KeptByHand{
		{Scope: "s/db", Kind: "blob", ID: "7", Made: 50},   // before it was asked for last, for all that is known
		{Scope: "s/db", ID: "x", Made: 31},                 // released
		{Scope: "other/db", ID: uuid.ID, Made: 99},         // another's
		{Scope: "s/db", Keep: true, ID: uuid.ID, Made: 99}, // kept
	}))
	wants("released", 0, map[AskedOf]cooper.Instant{seven: 50, uuid: 60})
	// A file that is gone is an error, and never fewer handles.
	name := s.numbered(Askeds, "a-1", 1)
	must(t, os.Rename(name, name+"~"))
	if _, err := s.AskedSince(ctx, "s/db", 0); cooper.KindOf(err) != cooper.KindInvalid {
		t.Error(err)
	}
	must(t, os.WriteFile(name, []byte("damage"), 0o600))
	if _, err := s.AskedSince(ctx, "s/db", 0); cooper.KindOf(err) != cooper.KindInvalid {
		t.Error(err)
	}
	must(t, os.Rename(name+"~", name))
	wants("back", 0, map[AskedOf]cooper.Instant{seven: 50, uuid: 60})
}

// TestTold: what states and guards have told is read once by whoever keeps his place.
func TestTold(t *testing.T) {
	s := Open(filepath.Join(t.TempDir(), "ledger"))
	at := map[string]int{}
	read := func() (all []Told) {
		told, err := s.Numbers(at)
		must(t, err)
		for i := range told {
			must(t, s.ReadTold(ctx, &told[i]))
			at[told[i].Source()] = told[i].Number
		}
		return told
	}
	if got := read(); len(got) > 0 {
		t.Fatal(got)
	}
	must(t, s.Tell(ctx, batch(1)))
	must(t, s.Tell(ctx, batch(2)))
	asked := asking(1, Asked{Kind: "blob", Handle: "7", Status: "UNLINKED", Since: 5, First: 10, Last: 20, Client: "portal"})
	must(t, s.Ask(ctx, asked))
	want := []Told{
		{Table: Askeds, Who: "a-1", Number: 1, Asked: asked.Asked},
		{Table: Transitions, Who: "g-1", Number: 1, Transitions: batch(1).Transitions}, {Table: Transitions, Who: "g-1", Number: 2, Transitions: batch(2).Transitions},
	}
	if d := cmp.Diff(want, read()); d != "" {
		t.Error(d)
	}
	if got := read(); len(got) > 0 {
		t.Error(got)
	}
	must(t, s.Tell(ctx, batch(4))) // 3 is gone
	told, err := s.Numbers(at)
	must(t, err)
	if len(told) != 2 {
		t.Fatal(told)
	}
	if err := s.ReadTold(ctx, &told[0]); cooper.KindOf(err) != cooper.KindInvalid {
		t.Error(err)
	}
	must(t, os.WriteFile(filepath.Join(s.dir, Transitions, batchName("g-1", 3)+"."+lostName), nil, 0o600))
	if got := read(); len(got) != 2 || len(got[0].Transitions) > 0 || len(got[1].Transitions) != 2 {
		t.Error(got)
	}
}
