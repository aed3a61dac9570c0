package bucketoptest

import (
	"fmt"
	"strings"
	"testing"

	"cooper"
	"cooper/internal/plan"
)

// TestShards: what was written is read back, in shards that end where they may.
func TestShards(t *testing.T) {
	for _, c := range []struct {
		size int
		cuts string // x where a shard may end before an action
		want string
	}{
		{0, "xxxx", "[0 1 2 3]"},
		{1, "xxxx", "[0] [1] [2] [3]"},
		{2, "xxxxx", "[0 1] [2 3] [4]"},
		{2, "x..xx", "[0 1 2] [3 4]"},
		{2, "", ""},
	} {
		p := Plan{Size: c.size}
		if err := p.Phase("remove"); err != nil {
			t.Fatal(err)
		}
		for _, cut := range c.cuts {
			if err := p.Add(cooper.Action{Verb: "remove", Version: cooper.Version{Identity: cooper.Identity{Size: 10}}}, cut == 'x'); err != nil {
				t.Fatal(err)
			}
		}
		h, err := p.Finish(plan.Header{ID: "p-1"})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for n := range h.Phases[0].Shards {
			as, err := p.Shard(t.Context(), n)
			if err != nil {
				t.Fatal(err)
			}
			ids := make([]int64, len(as))
			for i := range as {
				ids[i] = as[i].ID
			}
			got = append(got, fmt.Sprint(ids))
		}
		if s := strings.Join(got, " "); s != c.want {
			t.Errorf("%+v: %s", c, s)
		}
		n := int64(len(c.cuts))
		if is := p.Header(); is.ID != "p-1" || is.Phases[0].Count != n || is.Totals["remove"] != (plan.Tally{Count: n, Bytes: 10 * n}) {
			t.Errorf("%+v", is)
		}
	}
	p := Plan{Size: 1}
	if p.Phase("one") != nil || p.Add(cooper.Action{}, true) != nil || p.Phase("none") != nil || p.Phase("two") != nil || p.Add(cooper.Action{}, true) != nil || p.Add(cooper.Action{}, true) != nil {
		t.Error("no three phases")
	}
	h, err := p.Finish(plan.Header{})
	if err != nil || len(h.Phases) != 3 || h.Phases[0].Shards != 1 || h.Phases[1].Shards != 0 || h.Phases[2].Shards != 2 || h.Phases[2].Count != 2 {
		t.Errorf("%+v, %v", h.Phases, err)
	}
	if as, err := p.Shard(t.Context(), 1); err != nil || len(as) != 1 || as[0].ID != 1 {
		t.Errorf("%+v, %v", as, err)
	}
	if p.Phase("two") == nil {
		t.Error("one phase twice")
	}
}

func TestInShort(t *testing.T) {
	p := Plan{Actions: make([]cooper.Action, 2), Head: plan.Header{
		Skipped: map[string]plan.Tally{"protected": {Count: 3}, "ambiguous": {Count: 1}}, Unchanged: plan.Tally{Count: 4},
	}}
	if s := p.Skipped(); s != "1 ambiguous, 3 protected" || p.Accounted() != 10 {
		t.Errorf("%q, %d", s, p.Accounted())
	}
	if s := Statuses([]cooper.Outcome{{Status: cooper.Done}, {Status: cooper.Failed, Kind: cooper.KindDenied}}); s != "done denied" {
		t.Error(s)
	}
}
