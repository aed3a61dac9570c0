package gcop

import (
	"encoding/json"
	"reflect"
	"testing"

	"cooper"
	"cooper/internal/bucketop"
	"cooper/internal/plan"
)

func forgotten() (Forgotten, cooper.Version) {
	return Forgotten{
		Bucket: "lab", Key: "a/b c.zst", For: "a/b c", Class: Expired, Origin: "v1", ETag: "e1", Manifest: ".cooper/archive/r-1/00000.jsonl.zst", Last: true, Guard: bucketop.ByETag, Versions: 1, Reason: "so",
		Handles: []Holder{{Kind: "blob", ID: "1", Status: "ARCHIVED", Since: 5, Scanned: true}, {ID: "2", Status: "ARCHIVED"}},
	}, cooper.Version{Identity: cooper.Identity{Key: "lab/a/b c.zst", ETag: "x", Size: 7}}
}

// TestForgotten: what was written is read back; what is not understood deletes nothing.
func TestForgotten(t *testing.T) {
	f, v := forgotten()
	nobodys := f
	nobodys.Class, nobodys.Handles = Orphaned, nil
	second := f
	second.Versions, second.Handles, second.Last = 0, nil, false
	for _, x := range []Forgotten{f, nobodys, second} {
		a, err := x.Action(v)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := ForgottenOf(&a); err != nil || !reflect.DeepEqual(got, x) {
			t.Errorf("%+v, %v", got, err)
		}
	}
	for name, change := range map[string]func(a *cooper.Action, m map[string]string){
		"another verb": func(a *cooper.Action, _ map[string]string) { a.Verb = Archive },
		"another key":  func(a *cooper.Action, _ map[string]string) { a.Version.Key += "x" },
		"of ours": func(a *cooper.Action, m map[string]string) {
			a.Version.Key, m[argBucket], m[argObject] = ".cooper/x", ".cooper", "x"
		},
		"a marker":          func(a *cooper.Action, _ map[string]string) { a.Version.DeleteMarker = true },
		"no ETag":           func(a *cooper.Action, _ map[string]string) { a.Version.ETag = "" },
		"no manifest":       func(_ *cooper.Action, m map[string]string) { delete(m, argManifest) },
		"a manifest":        func(_ *cooper.Action, m map[string]string) { m[argManifest] = "lab/x" },
		"no origin":         func(_ *cooper.Action, m map[string]string) { delete(m, argOrigin) },
		"no class":          func(_ *cooper.Action, m map[string]string) { delete(m, argClassOf) },
		"nobody's":          func(_ *cooper.Action, m map[string]string) { m[argClassOf] = string(Orphaned) },
		"somebody's":        func(_ *cooper.Action, m map[string]string) { delete(m, argHandles) },
		"no status":         func(_ *cooper.Action, m map[string]string) { m[argHandles] = `[{"id":"1","since":1}]` },
		"more than handles": func(_ *cooper.Action, m map[string]string) { m[argHandles] += "[]" },
		"something unknown": func(_ *cooper.Action, m map[string]string) { m["x"] = "y" },
		"last as it likes":  func(_ *cooper.Action, m map[string]string) { m[argLast] = "no" },
		"no number":         func(_ *cooper.Action, m map[string]string) { m[argVersions] = "x" },
		"a guard":           func(_ *cooper.Action, m map[string]string) { m[argGuard] = "hope" },
		"no reason":         func(_ *cooper.Action, m map[string]string) { delete(m, argReason) },
	} {
		f, v := forgotten()
		a, err := f.Action(v)
		if err != nil {
			t.Fatal(err)
		}
		change(&a, a.Args)
		if got, err := ForgottenOf(&a); cooper.KindOf(err) != cooper.KindInvalid {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

func TestVanished(t *testing.T) {
	v := Vanished{Bucket: "lab", Key: "a", Event: "vanish", Reason: "so", Handles: []Holder{{ID: "1", Status: "ARCHIVED", Since: 5}}}
	a, err := v.Action()
	if err != nil {
		t.Fatal(err)
	}
	if got, err := VanishedOf(&a); err != nil || !reflect.DeepEqual(got, v) {
		t.Errorf("%+v, %v", got, err)
	}
	for name, change := range map[string]func(a *cooper.Action, m map[string]string){
		"another verb":      func(a *cooper.Action, _ map[string]string) { a.Verb = Forget },
		"another key":       func(a *cooper.Action, _ map[string]string) { a.Version.Key += "x" },
		"no handles":        func(_ *cooper.Action, m map[string]string) { delete(m, argHandles) },
		"no event":          func(_ *cooper.Action, m map[string]string) { delete(m, argEvent) },
		"something unknown": func(_ *cooper.Action, m map[string]string) { m["x"] = "y" },
		"no handle":         func(_ *cooper.Action, m map[string]string) { m[argHandles] = `{` },
	} {
		a, err := v.Action()
		if err != nil {
			t.Fatal(err)
		}
		change(&a, a.Args)
		if got, err := VanishedOf(&a); cooper.KindOf(err) != cooper.KindInvalid {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

func TestForgetting(t *testing.T) {
	whole := func() Forgetting {
		return Forgetting{Marking: Marking{Config: "/c", Declared: "x", Scope: "s", Server: "s", Detection: "d-1", Read: Reads{"p": {}}}, Bucket: "depot", Buckets: []string{"lab"}, Snapshot: "s-1", Taken: 1, Keep: 1}
	}
	header := func(f Forgetting) *plan.Header {
		policy, err := json.Marshal(map[string]any{"forgetting": f})
		if err != nil {
			t.Fatal(err)
		}
		return &plan.Header{ID: "p-1", Policy: policy, Target: plan.Target{Kind: ArchiveKind, Path: "s3://depot/"}}
	}
	if got, err := ForgettingOf(header(whole())); err != nil || !reflect.DeepEqual(got, whole()) {
		t.Errorf("%+v, %v", got, err)
	}
	for name, change := range map[string]func(f *Forgetting){
		"no bucket":    func(f *Forgetting) { f.Bucket = "" },
		"another":      func(f *Forgetting) { f.Bucket = "lab2" },
		"from itself":  func(f *Forgetting) { f.Buckets = []string{"depot"} },
		"no inventory": func(f *Forgetting) { f.Snapshot = "" },
		"no term":      func(f *Forgetting) { f.Keep = 0 },
		"no detection": func(f *Forgetting) { f.Detection = "" },
	} {
		f := whole()
		change(&f)
		if got, err := ForgettingOf(header(f)); cooper.KindOf(err) != cooper.KindInvalid {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}
