package gcop

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"cooper"
)

// TestGivenBack: what is written is read back, and what cannot have been written is not taken for another.
func TestGivenBack(t *testing.T) {
	first := GivenBack{Bucket: "data", Versions: 2, Handles: []Holder{{ID: "7", Status: "ARCHIVING", Since: 5, Linked: true}, {Kind: "k", ID: "8", Status: "ARCHIVING", Since: 6}}, Reason: "linked"}
	for _, g := range []GivenBack{first, {Bucket: "data", Reason: "linked"}} {
		a, err := g.Action(original())
		if err != nil {
			t.Fatal(err)
		}
		got, err := GivenBackOf(&a)
		if d := cmp.Diff(g, got); d != "" || err != nil || a.Version != original() {
			t.Errorf("%v\n%s", err, d)
		}
	}
	for why, change := range map[string]func(a *cooper.Action){
		"another verb":     func(a *cooper.Action) { a.Verb = Archive },
		"unknown argument": func(a *cooper.Action) { a.Args["more"] = "x" },
		"no bucket":        func(a *cooper.Action) { delete(a.Args, "bucket") },
		"no reason":        func(a *cooper.Action) { delete(a.Args, "reason") },
		"no number":        func(a *cooper.Action) { a.Args["versions"] = "one" },
		"not the first":    func(a *cooper.Action) { delete(a.Args, "versions") },
		"no handles":       func(a *cooper.Action) { delete(a.Args, "handles") },
		"no list":          func(a *cooper.Action) { a.Args["handles"] = "7" },
		"no id":            func(a *cooper.Action) { a.Args["handles"] = `[{"status":"ARCHIVING","since":5}]` },
		"never closed":     func(a *cooper.Action) { a.Args["handles"] = `[{"id":"7","status":"ARCHIVING","since":0}]` },
		"no ETag":          func(a *cooper.Action) { a.Version.ETag = "" },
	} {
		a, err := first.Action(original())
		if err != nil {
			t.Fatal(err)
		}
		change(&a)
		if _, err := GivenBackOf(&a); cooper.KindOf(err) != cooper.KindInvalid {
			t.Errorf("%s: %v", why, err)
		}
	}
}
