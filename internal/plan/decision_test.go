package plan

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"cooper"
	"cooper/internal/inventory"
	"cooper/internal/seal"
)

// wanted is a plan before it is written.
type wanted struct {
	header  Header
	phases  []string
	actions [][]cooper.Action // by phase
}

// when are the circumstances under which it is made.
type when struct {
	id    string
	at    cooper.Instant
	limit int
}

// written gives the header, with arguments that follow from the circumstances.
func (x *wanted) written(t testing.TB, c when) Header {
	t.Helper()
	parent, err := os.MkdirTemp(t.TempDir(), "")
	must(t, err)
	defer func() { must(t, os.RemoveAll(parent)) }()
	w, err := Create(filepath.Join(parent, c.id), c.id, Limits{Actions: c.limit})
	must(t, err)
	defer w.Abort()
	now := strconv.FormatInt(int64(c.at), 10)
	w.Circumstances(func(name, value string) bool { return name == "at" || name == "since" && value == now })
	for i, name := range x.phases {
		must(t, w.Phase(name))
		for _, a := range x.actions[i] {
			args := map[string]string{"at": now, "since": now}
			maps.Copy(args, a.Args)
			a.Args = args
			must(t, w.Add(a, true))
		}
	}
	h := x.header
	h.Created, h.Target.Generation = c.at, int64(c.at)
	s := *h.Snapshot
	s.ID, s.TakenAt, s.Source, s.Versions = "s-of-"+c.id, c.at, c.id, int64(c.at)
	h.Snapshot, h.Warnings, h.Estimate.USD = &s, []string{c.id}, float64(c.at)
	h, err = w.Finish(h)
	must(t, err)
	return h
}

func drawWanted(t *rapid.T) *wanted {
	text := rapid.StringMatching(`[a-c"\\,\n]{0,4}`)
	x := &wanted{header: Header{
		Mission: "backup", Target: Target{Kind: "tree", Path: "/tree"}, Source: "s3://lab", Policy: json.RawMessage(`{"share_limit":0.10,"match":"<a>"}`),
		Store: &cooper.Store{Endpoint: "https://s3.example.org"}, Snapshot: &inventory.Meta{Bucket: "lab", Complete: true},
	}}
	for p := range rapid.IntRange(1, 2).Draw(t, "phases") {
		x.phases = append(x.phases, fmt.Sprint("phase ", p))
		var as []cooper.Action
		for range rapid.IntRange(1, 4).Draw(t, "actions") {
			as = append(as, cooper.Action{Verb: text.Draw(t, "verb"), Version: cooper.Version{Identity: cooper.Identity{
				Key: text.Draw(t, "key"), VersionID: text.Draw(t, "id"), ETag: text.Draw(t, "etag"), Size: rapid.Int64Range(0, 9).Draw(t, "size"),
				LastModified: cooper.Instant(rapid.Int64Range(0, 9).Draw(t, "lm")),
			}}, Args: map[string]string{"to": text.Draw(t, "to")}})
		}
		x.actions = append(x.actions, as)
	}
	return x
}

// changes are what makes another decision of one.
var changes = map[string]func(x *wanted, a *cooper.Action){
	"mission":  func(x *wanted, _ *cooper.Action) { x.header.Mission += "x" },
	"kind":     func(x *wanted, _ *cooper.Action) { x.header.Target.Kind += "x" },
	"path":     func(x *wanted, _ *cooper.Action) { x.header.Target.Path += "x" },
	"layout":   func(x *wanted, _ *cooper.Action) { x.header.Target.Layout += "x" },
	"source":   func(x *wanted, _ *cooper.Action) { x.header.Source += "x" },
	"endpoint": func(x *wanted, _ *cooper.Action) { x.header.Store.Endpoint += "x" },
	"owner":    func(x *wanted, _ *cooper.Action) { x.header.Store.Owner += "x" },
	"no store": func(x *wanted, _ *cooper.Action) { x.header.Store = nil },
	"a flag": func(x *wanted, _ *cooper.Action) {
		x.header.Policy = json.RawMessage(`{"share_limit":0.10,"match":"<b>"}`)
	},
	"another flag":  func(x *wanted, _ *cooper.Action) { x.header.Policy = json.RawMessage(`{"share_limit":0.10}`) },
	"decided":       func(x *wanted, _ *cooper.Action) { x.header.Decided = json.RawMessage(`{"match":"<a>"}`) },
	"partial":       func(x *wanted, _ *cooper.Action) { x.header.Partial = true },
	"bucket":        func(x *wanted, _ *cooper.Action) { x.header.Snapshot.Bucket += "x" },
	"scope":         func(x *wanted, _ *cooper.Action) { x.header.Snapshot.Scope.Prefix += "x" },
	"current only":  func(x *wanted, _ *cooper.Action) { x.header.Snapshot.Scope.CurrentOnly = true },
	"incomplete":    func(x *wanted, _ *cooper.Action) { x.header.Snapshot.Complete = false },
	"phase":         func(x *wanted, _ *cooper.Action) { x.phases[0] += "x" },
	"verb":          func(_ *wanted, a *cooper.Action) { a.Verb += "x" },
	"key":           func(_ *wanted, a *cooper.Action) { a.Version.Key += "x" },
	"version id":    func(_ *wanted, a *cooper.Action) { a.Version.VersionID += "x" },
	"etag":          func(_ *wanted, a *cooper.Action) { a.Version.ETag += "x" },
	"size":          func(_ *wanted, a *cooper.Action) { a.Version.Size++ },
	"last modified": func(_ *wanted, a *cooper.Action) { a.Version.LastModified++ },
	"marker":        func(_ *wanted, a *cooper.Action) { a.Version.DeleteMarker = true },
	"argument":      func(_ *wanted, a *cooper.Action) { a.Args["to"] += "x" },
	"one more":      func(_ *wanted, a *cooper.Action) { a.Args["replace"] = "yes" },
	"no argument":   func(_ *wanted, a *cooper.Action) { a.Args = nil },
	"another time":  func(_ *wanted, a *cooper.Action) { a.Args["since"] = "5" },
	"moved text": func(_ *wanted, a *cooper.Action) {
		a.Verb, a.Version.Key = a.Verb+`","x`, strings.TrimPrefix(a.Version.Key, "x")
	},
	"one action": func(x *wanted, a *cooper.Action) { x.actions[0] = append(x.actions[0], *a) },
	"without":    func(x *wanted, _ *cooper.Action) { x.actions[0] = x.actions[0][1:] },
	"order": func(x *wanted, a *cooper.Action) {
		b := *a
		b.Version.Key += "x"
		x.actions[0] = append([]cooper.Action{b}, x.actions[0]...)
	},
}

// TestDecision: the same decision has the same digest, however often, when and from
// which snapshot it is planned, and in whatever shards; another one has another.
func TestDecision(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		x := drawWanted(rt)
		one := x.written(t, when{"p-1", 1000, 100})
		other := x.written(t, when{"p-2", 2000, 1})
		if one.Decision != other.Decision || len(one.Decision) != 64 || one.Digest == other.Digest {
			rt.Fatalf("planned twice: decision %q and %q, digest %q and %q", one.Decision, other.Decision, one.Digest, other.Digest)
		}
		name := rapid.SampledFrom(slices.Sorted(maps.Keys(changes))).Draw(rt, "change")
		y := x.clone()
		changes[name](y, &y.actions[0][0])
		if y.written(t, when{"p-3", 3000, 100}).Decision == one.Decision {
			rt.Errorf("%q makes no other decision", name)
		}
	})
}

// TestEveryChangeIsAnotherDecision: all of them, and no two are one.
func TestEveryChangeIsAnotherDecision(t *testing.T) {
	x := rapid.Custom(drawWanted).Example(1)
	seen := map[string]string{x.written(t, when{"p-1", 1000, 100}).Decision: "as it was"}
	for _, name := range slices.Sorted(maps.Keys(changes)) {
		y := x.clone()
		changes[name](y, &y.actions[0][0])
		h := y.written(t, when{"p-3", 3000, 100})
		if before, ok := seen[h.Decision]; ok {
			t.Errorf("%q and %q are one decision", name, before)
		}
		seen[h.Decision] = name
	}
}

func (x *wanted) clone() *wanted {
	y := &wanted{header: x.header, phases: slices.Clone(x.phases)}
	store, snapshot := *x.header.Store, *x.header.Snapshot
	y.header.Store, y.header.Snapshot = &store, &snapshot
	for _, as := range x.actions {
		as = slices.Clone(as)
		for i := range as {
			as[i].Args = map[string]string{"to": as[i].Args["to"]}
		}
		y.actions = append(y.actions, as)
	}
	return y
}

// TestDecisionAsDocumented: anybody can make it, by docs/formats/plan.md.
func TestDecisionAsDocumented(t *testing.T) {
	x := &wanted{header: Header{
		Mission: "purge", Target: Target{Kind: "bucket", Path: "s3://lab/<a>/"}, Store: &cooper.Store{}, Snapshot: &inventory.Meta{Bucket: "lab", Complete: true}, Partial: true,
		Policy: json.RawMessage(`{"versions": "all", "share_limit": 0.10}`),
	}, phases: []string{"remove"}, actions: [][]cooper.Action{{
		{Verb: "remove", Version: cooper.Version{Identity: cooper.Identity{Key: "<a>/é\"\n", VersionID: "null", ETag: "e", Size: 7, LastModified: 1700000000123}, Latest: true}, Args: map[string]string{"reason": "latest", "last": "yes"}},
		{Verb: "remove", Version: cooper.Version{Identity: cooper.Identity{Key: "<a>/b"}, DeleteMarker: true}},
	}}}
	text := `["remove","remove","<a>/é\"\u000a","null","e",7,1700000000123,false,{"last":"yes","reason":"latest"}]` + "\n" +
		`["remove","remove","<a>/b","","",0,0,true,{}]` + "\n" +
		`{"mission":"purge","target":{"kind":"bucket","path":"s3://lab/\u003ca\u003e/"},"store":{"endpoint":""},"source":"",` +
		`"leads":{"bucket":"lab","prefix":"","current_only":false,"complete":true},"partial":true,"policy":{"share_limit":0.10,"versions":"all"}}`
	sum := sha256.Sum256([]byte(text))
	if got := x.written(t, when{"p-1", 1000, 100}).Decision; got != hex.EncodeToString(sum[:]) {
		t.Errorf("%s is not the SHA-256 of\n%s", got, text)
	}
}

// TestDecisionOfAPolicy: how a policy is written does not count.
func TestDecisionOfAPolicy(t *testing.T) {
	decision := func(policy, decided string) string {
		x := wanted{header: Header{Policy: json.RawMessage(policy), Snapshot: &inventory.Meta{}}}
		if decided != "" {
			x.header.Decided = json.RawMessage(decided)
		}
		return x.written(t, when{"p-1", 1000, 100}).Decision
	}
	one := decision(`{"a":1,"b":{"c":[1.50,"x"],"d":null}}`, "")
	for _, policy := range []string{`{"b":{"d":null,"c":[1.50,"x"]},"a":1}`, " {\n\"a\" : 1, \"b\": {\"c\":[1.50, \"\\u0078\"], \"d\":null}}"} {
		if decision(policy, "") != one {
			t.Errorf("%s is another decision", policy)
		}
	}
	if decision(`{"filled":3}`, `{"a":1,"b":{"c":[1.50,"x"],"d":null}}`) != one {
		t.Error("what is no part of the decision counts")
	}
	if decision(`{"a":1,"b":{"c":["x",1.50],"d":null}}`, "") == one {
		t.Error("the order of a list does not count")
	}
}

func TestConfirmedBy(t *testing.T) {
	x := wanted{header: Header{Snapshot: &inventory.Meta{}}}
	h := x.written(t, when{"p-1", 1000, 100})
	old := h
	old.Decision = ""
	for _, c := range []struct {
		h     Header
		start string
		want  bool
	}{
		{h, h.Decision, true}, {h, h.Decision[:8], true}, {h, h.Decision[:7], false}, {h, h.Digest[:8], true}, {h, h.Digest, true}, {h, "", false},
		{h, h.Decision + "0", false}, {h, strings.Repeat("x", 8), false}, {old, h.Digest[:8], true}, {old, h.Decision[:8], false}, {old, "", false},
	} {
		if got := c.h.ConfirmedBy(c.start); got != c.want {
			t.Errorf("%q confirms %q and %q: %v", c.start, c.h.Decision, c.h.Digest, got)
		}
	}
	for _, h := range []Header{h, old} {
		if c := h.Confirmation(); len(c) != 12 || !h.ConfirmedBy(c) {
			t.Errorf("%q is proposed", c)
		}
	}
	if c := h.Confirmation(); !strings.HasPrefix(h.Decision, c) {
		t.Errorf("%q is proposed, of the decision %q", c, h.Decision)
	}
}

// TestPlansWithoutADecision: those of older programs are read, and their digest covers
// what it always did.
func TestPlansWithoutADecision(t *testing.T) {
	x := wanted{header: Header{Mission: "backup", Snapshot: &inventory.Meta{}}}
	h := x.written(t, when{"p-1", 1000, 100})
	h.Decision = ""
	var err error
	h.Digest, err = digest(h)
	must(t, err)
	b, err := json.MarshalIndent(h, "", "  ")
	must(t, err)
	if strings.Contains(string(b), `"decision"`) {
		t.Errorf("%s", b)
	}
	b, err = seal.Document(b)
	must(t, err)
	dir := filepath.Join(t.TempDir(), "p-1")
	must(t, os.Mkdir(dir, 0o755))
	must(t, os.WriteFile(filepath.Join(dir, headerName), b, 0o644))
	p, err := Open(dir)
	must(t, err)
	if got := p.Header(); got.Digest != h.Digest || !got.ConfirmedBy(h.Digest[:12]) || got.Confirmation() != h.Digest[:12] {
		t.Errorf("%+v", got)
	}
}
