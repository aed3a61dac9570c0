package gcop

import (
	"encoding/json"
	"reflect"
	"testing"

	"cooper"
	"cooper/internal/plan"
)

func recalled() Recalled {
	return Recalled{Bucket: "lab", Key: "a/b c", Bytes: 7, Reason: "asked for", Handles: []Want{
		{Kind: "blob", ID: "1", Status: "ARCHIVED", Since: 5, Asked: true}, {ID: "2", Status: "ARCHIVED"},
	}}
}

func TestRecalled(t *testing.T) {
	stays := recalled()
	stays.Stays, stays.Handles = true, stays.Handles[:1]
	nobodys := recalled()
	nobodys.Handles = nil
	for _, r := range []Recalled{recalled(), stays, nobodys} {
		a, err := r.Action()
		if err != nil {
			t.Fatal(err)
		}
		if got, err := RecalledOf(&a); err != nil || !reflect.DeepEqual(got, r) {
			t.Errorf("%+v, %v", got, err)
		}
	}
}

// TestRecalledRefused: what is not understood brings nothing back.
func TestRecalledRefused(t *testing.T) {
	for name, change := range map[string]func(a *cooper.Action, args map[string]string){
		"another verb":          func(a *cooper.Action, _ map[string]string) { a.Verb = Archive },
		"another key":           func(a *cooper.Action, _ map[string]string) { a.Version.Key += "x" },
		"no bucket":             func(_ *cooper.Action, m map[string]string) { delete(m, argBucket) },
		"no object":             func(_ *cooper.Action, m map[string]string) { delete(m, argObject) },
		"no reason":             func(_ *cooper.Action, m map[string]string) { delete(m, argReason) },
		"something unknown":     func(_ *cooper.Action, m map[string]string) { m["x"] = "y" },
		"stays as it likes":     func(_ *cooper.Action, m map[string]string) { m[argStays] = "no" },
		"stays for who did not": func(_ *cooper.Action, m map[string]string) { m[argStays] = yes },
		"no handle": func(_ *cooper.Action, m map[string]string) {
			m[argHandles] = `[{"id":"","status":"ARCHIVED","since":1,"asked":true}]`
		},
		"no status": func(_ *cooper.Action, m map[string]string) { m[argHandles] = `[{"id":"1","since":1,"asked":true}]` },
		"nobody asked": func(_ *cooper.Action, m map[string]string) {
			m[argHandles] = `[{"id":"1","status":"ARCHIVED","since":1}]`
		},
		"more of a handle": func(_ *cooper.Action, m map[string]string) {
			m[argHandles] = `[{"id":"1","status":"A","since":1,"asked":true,"x":1}]`
		},
		"more than handles": func(_ *cooper.Action, m map[string]string) { m[argHandles] += "[]" },
	} {
		r := recalled()
		a, err := r.Action()
		if err != nil {
			t.Fatal(err)
		}
		change(&a, a.Args)
		if got, err := RecalledOf(&a); cooper.KindOf(err) != cooper.KindInvalid {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

func TestRecalling(t *testing.T) {
	whole := Recalling{Scope: "s", Bucket: "depot", Buckets: []string{"lab"}, Days: 7, Tier: "Standard"}
	header := func(r Recalling, path string) *plan.Header {
		policy, err := json.Marshal(map[string]any{"recalling": r})
		if err != nil {
			t.Fatal(err)
		}
		return &plan.Header{ID: "p-1", Policy: policy, Target: plan.Target{Kind: ArchiveKind, Path: path}}
	}
	if got, err := RecallingOf(header(whole, "s3://depot/")); err != nil || !reflect.DeepEqual(got, whole) {
		t.Errorf("%+v, %v", got, err)
	}
	for name, change := range map[string]func(r *Recalling){
		"no scope": func(r *Recalling) { r.Scope = "" }, "no bucket": func(r *Recalling) { r.Bucket = "" }, "no days": func(r *Recalling) { r.Days = 0 },
		"no tier": func(r *Recalling) { r.Tier = "" }, "an unknown tier": func(r *Recalling) { r.Tier = "Fast" }, "no digest": func(r *Recalling) { r.Config = "/c" },
		"another bucket": func(r *Recalling) { r.Bucket = "data" }, "back into itself": func(r *Recalling) { r.Buckets = []string{"depot"} },
	} {
		r := whole
		change(&r)
		if _, err := RecallingOf(header(r, "s3://depot/")); cooper.KindOf(err) != cooper.KindInvalid {
			t.Errorf("%s: %v", name, err)
		}
	}
}
