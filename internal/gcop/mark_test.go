package gcop

import (
	"encoding/json"
	"maps"
	"testing"

	"cooper"
	"cooper/internal/plan"
)

// TestChange: what is written is read back.
func TestChange(t *testing.T) {
	for name, want := range map[string]Change{
		"7":       {ID: "7", From: "AVAILABLE", To: "UNLINKED", Reason: "no link", Bytes: 5},
		"blob:ä:": {Kind: "blob", ID: "ä:", From: "UNLINKED", Since: 1767225600123, To: "AVAILABLE", Reason: "linked"},
	} {
		a := want.Action()
		got, err := ChangeOf(&a)
		if err != nil || got != want || a.Version.Key != name {
			t.Errorf("%s: %+v, %v", a.Version.Key, got, err)
		}
	}
}

// TestForeignChange: what cannot have been written is not taken for another change.
func TestForeignChange(t *testing.T) {
	good := Change{Kind: "blob", ID: "7", From: "AVAILABLE", To: "UNLINKED", Reason: "no link"}
	for why, set := range map[string][2]string{
		"unknown argument": {"more", "x"},
		"other kind":       {"kind", "file"},
		"no kind":          {"kind", "-"},
		"other id":         {"id", "8"},
		"no id":            {"id", "-"},
		"no since":         {"since", "-"},
		"since":            {"since", "yesterday"},
		"before all time":  {"since", "-1"},
		"from nothing":     {"from", "-"},
		"to nothing":       {"to_status", "-"},
		"to the same":      {"to_status", "AVAILABLE"},
		"no reason":        {"reason", "-"},
		"other verb":       {},
	} {
		a := good.Action()
		a.Args = maps.Clone(a.Args)
		switch {
		case set[0] == "":
			a.Verb = Links
		case set[1] == "-":
			delete(a.Args, set[0])
		default:
			a.Args[set[0]] = set[1]
		}
		if c, err := ChangeOf(&a); cooper.KindOf(err) != cooper.KindInvalid {
			t.Errorf("%s: %+v, %v", why, c, err)
		}
	}
}

func TestMarking(t *testing.T) {
	want := Marking{Config: "/etc/cooper.yaml", Declared: "c0", Scope: "uuid/db", Server: "uuid/db", Detection: "d-1", Read: Reads{"p-1": {Ranges: 2, Ended: true}}, Words: 3}
	of := func(m Marking) *plan.Header {
		policy, err := json.Marshal(map[string]any{"marking": m})
		if err != nil {
			t.Fatal(err)
		}
		return &plan.Header{ID: "p-2", Target: plan.Target{Kind: StateKind, Path: "uuid/db"}, Policy: policy}
	}
	got, err := MarkingOf(of(want))
	if err != nil || got.Detection != want.Detection || got.Read["p-1"] != want.Read["p-1"] || got.Words != want.Words {
		t.Errorf("%+v, %v", got, err)
	}
	for why, change := range map[string]func(*Marking, *plan.Header){
		"no configuration": func(m *Marking, _ *plan.Header) { m.Config = "" },
		"no digest":        func(m *Marking, _ *plan.Header) { m.Declared = "" },
		"no scope":         func(m *Marking, _ *plan.Header) { m.Scope = "" },
		"no server":        func(m *Marking, _ *plan.Header) { m.Server = "" },
		"no detection":     func(m *Marking, _ *plan.Header) { m.Detection = "" },
		"nothing read":     func(m *Marking, _ *plan.Header) { m.Read = nil },
		"another kind":     func(_ *Marking, h *plan.Header) { h.Target.Kind = TargetKind },
		"another scope":    func(_ *Marking, h *plan.Header) { h.Target.Path = "other" },
	} {
		m := want
		change(&m, &plan.Header{})
		h := of(m)
		change(&m, h)
		if _, err := MarkingOf(h); cooper.KindOf(err) != cooper.KindInvalid || cooper.RemedyOf(err) == "" {
			t.Errorf("%s: %v", why, err)
		}
	}
	if _, err := MarkingOf(&plan.Header{Policy: json.RawMessage(`[]`)}); cooper.KindOf(err) != cooper.KindInvalid {
		t.Error(err)
	}
}
