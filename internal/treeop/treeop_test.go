package treeop

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"cooper"
	"cooper/internal/tree/catalog"

	"pgregory.net/rapid"
)

var (
	idV1 = cooper.Identity{Key: "a/b", VersionID: "v1", ETag: "e1", Size: 3, LastModified: 1000}
	idV2 = cooper.Identity{Key: "a/b", VersionID: "v2", ETag: "e2", Size: 4, LastModified: 2000}
)

func act(verb string, id cooper.Identity, args Args) cooper.Action {
	return cooper.Action{Verb: verb, Version: cooper.Version{Identity: id}, Args: args.Encode()}
}

func TestApply(t *testing.T) {
	done := cooper.Outcome{Status: cooper.Done, Check: cooper.Verified, Method: "md5"}
	failed := cooper.Outcome{Status: cooper.Failed, Kind: cooper.KindMissing}
	inMirror := catalog.Row{Identity: idV1, Place: catalog.Mirror, Shown: []int64{50}, FirstSeen: 50, Check: cooper.Verified, Method: "md5"}
	inHistory := inMirror
	inHistory.Place, inHistory.Reason, inHistory.Superseded, inHistory.Shown = catalog.History, catalog.Replaced, 2000, []int64{50, 90}
	pruned := inHistory
	pruned.Place, pruned.Reason, pruned.Check, pruned.Method = catalog.Nowhere, catalog.Pruned, "", "pruned 2026-11-22"
	goneToo := inHistory
	goneToo.Gone = 95
	noon := done
	noon.At = cooper.InstantOf(time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC))
	absent := inMirror
	absent.AbsentSince = 70
	tests := []struct {
		name string
		verb string
		old  catalog.Row
		args Args
		out  cooper.Outcome
		want func(r *catalog.Row) // changes old into what is wanted
	}{
		{"a new version arrives in the mirror", Fetch, catalog.Row{Identity: idV1}, Args{To: catalog.Mirror, Reason: "new", At: 100, Show: On}, done,
			func(r *catalog.Row) {
				r.Place, r.Shown, r.FirstSeen, r.Check, r.Method = catalog.Mirror, []int64{100}, 100, cooper.Verified, "md5"
			}},
		{"an older version arrives in history", Fetch, catalog.Row{Identity: idV1}, Args{To: catalog.History, Reason: catalog.Older, Superseded: 2000, At: 100}, done,
			func(r *catalog.Row) {
				r.Place, r.Reason, r.Superseded, r.FirstSeen, r.Check, r.Method = catalog.History, catalog.Older, 2000, 100, cooper.Verified, "md5"
			}},
		{"what did not arrive is known all the same, without bytes", Fetch, catalog.Row{Identity: idV1}, Args{To: catalog.Mirror, At: 100, Show: On}, failed,
			func(r *catalog.Row) { r.Shown, r.FirstSeen = []int64{100}, 100 }},
		{"deferred likewise", Defer, catalog.Row{Identity: idV1}, Args{To: catalog.Mirror, At: 100, Show: On}, cooper.Outcome{Status: cooper.Deferred},
			func(r *catalog.Row) { r.Shown, r.FirstSeen = []int64{100}, 100 }},
		{"retired", Retire, inMirror, Args{To: catalog.History, Reason: catalog.Deleted, Superseded: 3000, At: 100, Show: Off}, done,
			func(r *catalog.Row) {
				r.Place, r.Reason, r.Superseded, r.Shown = catalog.History, catalog.Deleted, 3000, []int64{50, 100}
			}},
		{"a retire held back keeps its place, and the facts hold", Retire, inMirror, Args{To: catalog.History, Reason: catalog.Replaced, Superseded: 3000, At: 100, Show: Off}, cooper.Outcome{Status: cooper.Deferred},
			func(r *catalog.Row) { r.Shown = []int64{50, 100} }},
		{"promoted", Promote, inHistory, Args{To: catalog.Mirror, At: 100, Show: On}, done,
			func(r *catalog.Row) {
				r.Place, r.Reason, r.Superseded, r.Shown = catalog.Mirror, "", 0, []int64{50, 90, 100}
			}},
		{"showing what is shown changes nothing", Record, inMirror, Args{At: 100, Show: On}, done, func(*catalog.Row) {}},
		{"absence noted", Record, inMirror, Args{At: 100, Absent: Noted}, done, func(r *catalog.Row) { r.AbsentSince = 100 }},
		{"vanished", Retire, absent, Args{To: catalog.History, Reason: catalog.Vanished, Superseded: 70, At: 100, Show: Off, Absent: Gone}, done,
			func(r *catalog.Row) {
				r.Place, r.Reason, r.Superseded, r.Shown, r.Gone = catalog.History, catalog.Vanished, 70, []int64{50, 70}, 100
			}},
		{"gone", Record, inHistory, Args{At: 100, Absent: Gone}, done, func(r *catalog.Row) { r.Gone = 100 }},
		{"pruned", Prune, inHistory, Args{Reason: catalog.Replaced}, noon, func(r *catalog.Row) { *r = pruned }},
		{"pruned, and gone from the bucket", Prune, goneToo, Args{Reason: catalog.Replaced}, noon,
			func(r *catalog.Row) { *r = pruned; r.Gone, r.Dropped = 95, true }},
		{"not pruned", Prune, inHistory, Args{Reason: catalog.Replaced}, failed, func(*catalog.Row) {}},
		{"pruned before, and gone now", Record, pruned, Args{At: 100, Absent: Gone}, done, func(r *catalog.Row) { r.Gone, r.Dropped = 100, true }},
		{"pruned before, and the latest again, but not fetched", Fetch, pruned, Args{To: catalog.Mirror, At: 100, Show: On}, failed,
			func(r *catalog.Row) { r.Reason, r.Method, r.Shown = "", "", []int64{50, 90, 100} }},
		{"pruned before, and fetched again", Fetch, pruned, Args{To: catalog.Mirror}, done,
			func(r *catalog.Row) {
				r.Place, r.Reason, r.Superseded, r.Check, r.Method = catalog.Mirror, "", 0, cooper.Verified, "md5"
			}},
		{"copying out changes nothing", CopyOut, inHistory, Args{}, done, func(*catalog.Row) {}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := act(tt.verb, idV1, tt.args)
			want := tt.old
			tt.want(&want)
			got, err := Apply(tt.old, a, tt.out)
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("got  %+v\nwant %+v", got, want)
			}
		})
	}
}

func TestApplyTakesUpAVersionIDThatBecameKnown(t *testing.T) {
	old := catalog.Row{Identity: idV1, Place: catalog.Mirror, FirstSeen: 1}
	old.VersionID = ""
	v := cooper.Version{Identity: idV1}
	a := cooper.Action{Verb: Record, Version: v, Args: Args{At: 100, Was: FactsOf(&old, &v)}.Encode()}
	before, err := Before(a)
	if err != nil || !reflect.DeepEqual(before, old) {
		t.Fatalf("before = %+v, %v, want %+v", before, err, old)
	}
	row, err := Apply(before, a, cooper.Outcome{Status: cooper.Done})
	if err != nil || row.VersionID != "v1" || row.Place != catalog.Mirror {
		t.Fatalf("got %+v, %v", row, err)
	}
}

func TestSettleKeepsWhatHasNoReplacement(t *testing.T) {
	retire := act(Retire, idV1, Args{To: catalog.History, NeedsReplacement: true})
	alone := act(Retire, idV1, Args{To: catalog.History})
	fetch := act(Fetch, idV2, Args{To: catalog.Mirror})
	older := act(Fetch, idV2, Args{To: catalog.History})
	other := fetch
	other.Version.Key = "a/c"
	done, failed := cooper.Outcome{Status: cooper.Done}, cooper.Outcome{Status: cooper.Failed, Kind: cooper.KindDenied}
	tests := []struct {
		name    string
		actions []cooper.Action
		outs    []cooper.Outcome
		want    cooper.Status
		kind    cooper.Kind
	}{
		{"replacement before it", []cooper.Action{fetch, retire}, []cooper.Outcome{done, done}, cooper.Done, ""},
		{"replacement after it", []cooper.Action{retire, fetch}, []cooper.Outcome{done, done}, cooper.Done, ""},
		{"replacement failed", []cooper.Action{fetch, retire}, []cooper.Outcome{failed, done}, cooper.Deferred, cooper.KindDenied},
		{"another key's arrival does not count", []cooper.Action{other, fetch, retire}, []cooper.Outcome{done, failed, done}, cooper.Deferred, cooper.KindDenied},
		{"an arrival in history does not count", []cooper.Action{older, retire}, []cooper.Outcome{done, done}, cooper.Deferred, cooper.KindInternal},
		{"no need of a replacement", []cooper.Action{fetch, alone}, []cooper.Outcome{failed, done}, cooper.Done, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if err := Settle(tt.actions, tt.outs); err != nil {
				t.Fatal(err)
			}
			for i, a := range tt.actions {
				if a.Verb == Retire && (tt.outs[i].Status != tt.want || tt.outs[i].Kind != tt.kind) {
					t.Errorf("retire is %+v, want %s %s", tt.outs[i], tt.want, tt.kind)
				}
			}
		})
	}
}

func TestDecodeRefusesWhatItDoesNotKnow(t *testing.T) {
	for name, value := range map[string]string{
		"form": "x", "to": "moon", "at": "soon", "show": "maybe", "absent": "yes", "needs": "luck", "replace": "1", "was": "{", "superseded": "",
	} {
		_, err := Decode(map[string]string{name: value})
		if cooper.KindOf(err) != cooper.KindInvalid || !strings.Contains(err.Error(), name) {
			t.Errorf("%s=%s: %v", name, value, err)
		}
	}
}

// Whatever the arguments are, they and the row before survive the plan's file.
func TestArgsRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		places := rapid.SampledFrom([]catalog.Place{catalog.Nowhere, catalog.Mirror, catalog.History})
		instants := rapid.Custom(func(t *rapid.T) cooper.Instant { return cooper.Instant(rapid.Int64().Draw(t, "ms")) })
		row := catalog.Row{
			Identity: idV1, Place: places.Draw(t, "place"),
			Reason: rapid.String().Draw(t, "reason"), Superseded: instants.Draw(t, "superseded"),
			FirstSeen: instants.Draw(t, "first"), AbsentSince: instants.Draw(t, "absent"), Gone: instants.Draw(t, "gone"),
			Check: cooper.Verified, Method: rapid.String().Draw(t, "method"),
		}
		if s := rapid.SliceOf(rapid.Int64()).Draw(t, "shown"); len(s) > 0 {
			row.Shown = s
		}
		if h := rapid.SliceOf(rapid.Byte()).Draw(t, "hash"); len(h) > 0 {
			row.Hash = h
		}
		row.VersionID = rapid.SampledFrom([]string{"v1", "", "null"}).Draw(t, "version")
		v := cooper.Version{Identity: idV1}
		args := Args{
			To: places.Draw(t, "to"), Reason: rapid.String().Draw(t, "why"), Superseded: instants.Draw(t, "when"), At: instants.Draw(t, "at"),
			Show:             rapid.SampledFrom([]Show{"", On, Off}).Draw(t, "show"),
			Absent:           rapid.SampledFrom([]Absence{"", Noted, Gone, Cleared}).Draw(t, "absence"),
			NeedsReplacement: rapid.Bool().Draw(t, "needs"), Replace: rapid.Bool().Draw(t, "replace"),
			Was: FactsOf(&row, &v),
		}
		got, err := Decode(args.Encode())
		if err != nil || !reflect.DeepEqual(got, args) {
			t.Fatalf("got %+v, %v\nwant %+v", got, err, args)
		}
		before, err := Before(cooper.Action{Version: v, Args: args.Encode()})
		if err != nil || !reflect.DeepEqual(before, row) {
			t.Fatalf("before %+v, %v\nwant   %+v", before, err, row)
		}
	})
}

func FuzzDecode(f *testing.F) {
	f.Add("was", `{"place":"mirror","shown":[1,2]}`)
	f.Add("to", "history")
	f.Fuzz(func(t *testing.T, name, value string) {
		args, err := Decode(map[string]string{name: value})
		if err != nil {
			return
		}
		again, err := Decode(args.Encode())
		if err != nil || !reflect.DeepEqual(again, args) {
			t.Fatalf("%+v became %+v, %v", args, again, err)
		}
	})
}

// TestCircumstance: to be superseded as of the plan is a matter of when it was made;
// at any other time it is not.
func TestCircumstance(t *testing.T) {
	is := Circumstance(100)
	var row catalog.Row
	args := Args{To: catalog.History, Reason: catalog.Replaced, Superseded: 100, At: 100, Show: Off, Absent: Noted, NeedsReplacement: true, Replace: true, Damaged: true,
		Was: FactsOf(&row, &cooper.Version{})}.Encode()
	var got []string
	for name, value := range args {
		if is(name, value) {
			got = append(got, name)
		}
	}
	slices.Sort(got)
	if want := []string{argAt, argSuperseded, argWas}; !slices.Equal(got, want) {
		t.Errorf("circumstances are %v, not %v", got, want)
	}
	if is(argSuperseded, "1000") || Circumstance(0)(argSuperseded, "100") {
		t.Error("another time is one")
	}
}
