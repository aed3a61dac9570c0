package manifest

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"cooper"
	"cooper/internal/codec/zstd"
	"cooper/internal/gcop"
	"cooper/internal/store/mem"
	"cooper/internal/verb/verbtest"
)

func TestMain(m *testing.M) { verbtest.Main(m) }

func packed(t *testing.T, shard int, keys ...string) []byte {
	t.Helper()
	var lines []Line
	for _, k := range keys {
		lines = append(lines, Line{Bucket: "lab", Version: cooper.Version{Identity: cooper.Identity{Key: k, VersionID: "v"}}, Handles: []gcop.Holder{{ID: "1", Status: "UNLINKED"}}, Key: "lab/" + k})
	}
	b, err := Pack(Head{Plan: "p-1", Run: "r-1", Shard: shard, Scope: "s", Time: 7}, lines)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// read is what a bucket's manifests tell.
func told(t *testing.T, w *verbtest.World, each func(key string) error) (all []string, err error) {
	t.Helper()
	b, done := w.Begin()
	defer done()
	err = Each(t.Context(), b, func(key string, h *Head, l *Line) error {
		all = append(all, key+" "+h.Scope+" "+l.Version.Key+" "+l.Handles[0].ID)
		return each(key)
	})
	return all, err
}

func nothing(string) error { return nil }

// TestEach: each line of each manifest is told, in order, and nothing else of what lies there.
func TestEach(t *testing.T) {
	w := verbtest.New(t, "Enabled", mem.Options{})
	w.Server.Put(verbtest.Lab, Key("r-1", 0), packed(t, 0, "a", "b"), mem.PutOptions{})
	w.Server.Put(verbtest.Lab, Key("r-1", 1), packed(t, 1), mem.PutOptions{})
	w.Server.Put(verbtest.Lab, Key("r-2", 0), packed(t, 0, "c"), mem.PutOptions{})
	w.Server.Put(verbtest.Lab, Prefix+"README", []byte("x"), mem.PutOptions{})
	w.Server.Put(verbtest.Lab, "lab/a", []byte("x"), mem.PutOptions{})
	all, err := told(t, w, nothing)
	if want := []string{Key("r-1", 0) + " s a 1", Key("r-1", 0) + " s b 1", Key("r-2", 0) + " s c 1"}; err != nil || !slices.Equal(all, want) {
		t.Errorf("%q, %v", all, err)
	}
	mine := errors.New("mine")
	if all, err = told(t, w, func(string) error { return mine }); !errors.Is(err, mine) || len(all) != 1 {
		t.Errorf("%q, %v", all, err)
	}
}

// TestDamage: a manifest that is cut off at any byte, or is none, is an error that names it.
func TestDamage(t *testing.T) {
	whole := packed(t, 0, "a", "b")
	lines := func(text string) []byte {
		b, err := zstd.Append(nil, []byte(text), 3)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	bad := map[string][]byte{"no zstd": []byte("no manifest"), "nothing": nil, "no JSON": lines("x"), "a line too few": lines(`{"format":1,"count":2}` + "\n{}\n"), "a line too many": lines(`{"format":1,"count":0}` + "\n{}\n")}
	for n := 1; n < len(whole); n += 7 {
		bad["cut off"] = whole[:n]
		for name, text := range bad {
			w := verbtest.New(t, "Enabled", mem.Options{})
			w.Server.Put(verbtest.Lab, Key("r-1", 0), text, mem.PutOptions{})
			b, done := w.Begin()
			err := Each(t.Context(), b, func(string, *Head, *Line) error { return nil })
			done()
			if cooper.KindOf(err) != cooper.KindCorrupt || !strings.Contains(err.Error(), Key("r-1", 0)) {
				t.Fatalf("%s: %v", name, err)
			}
		}
		bad = map[string][]byte{}
	}
	w := verbtest.New(t, "Enabled", mem.Options{})
	w.Server.Put(verbtest.Lab, Key("r-1", 0), lines(`{"format":2,"count":0}`), mem.PutOptions{})
	if _, err := told(t, w, nothing); cooper.KindOf(err) != cooper.KindRefused {
		t.Errorf("of another format: %v", err)
	}
}
