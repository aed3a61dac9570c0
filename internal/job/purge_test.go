package job

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"path/filepath"
	"testing"

	"cooper"
	"cooper/internal/bucketop"
	"cooper/internal/plan"
)

// TestDeletedIsPlanned: of what the ledger says was removed, only what the plan has is
// handed out, and once; the rest is damage.
func TestDeletedIsPlanned(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "plan", "p-20261120T010000Z-4f1c")
	w, err := plan.Create(dir, filepath.Base(dir), plan.Limits{Actions: 2, Bytes: math.MaxInt64})
	if err == nil {
		err = w.Phase("remove")
	}
	for i := range 5 {
		id := cooper.Identity{Key: fmt.Sprint("k", i), VersionID: fmt.Sprint("v", i)}
		if i == 3 {
			id.VersionID = cooper.NullVersion
		}
		if err == nil {
			err = w.Add(cooper.Action{Verb: bucketop.Remove, Version: cooper.Version{Identity: id}}, true)
		}
	}
	if err == nil {
		_, err = w.Finish(plan.Header{Mission: "purge", Target: plan.Target{Kind: bucketop.TargetKind, Path: "s3://lab/"}})
	}
	if err != nil {
		t.Fatal(err)
	}
	p, err := plan.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	row := func(id int64, key, version string) []any { return []any{id, key, version} }
	for _, c := range []struct {
		rows [][]any
		want string // "damage" if it is
	}{
		{[][]any{}, ""},
		{[][]any{row(0, "k0", "v0"), row(3, "k3", "null"), row(4, "k4", "v4")}, `{"key":"k0","version_id":"v0"} {"key":"k3","version_id":"null"} {"key":"k4","version_id":"v4"} `},
		{[][]any{row(1, "k1", "v1"), row(1, "k1", "v1"), row(2, "k2", "v2")}, `{"key":"k1","version_id":"v1"} {"key":"k2","version_id":"v2"} `},
		{[][]any{row(1, "k1", "v2")}, "damage"},
		{[][]any{row(1, "k2", "v1")}, "damage"},
		{[][]any{row(1, "k1", "v1"), row(1, "k1", "v9")}, "damage"},
		{[][]any{row(3, "k3", "")}, "damage"},
		{[][]any{row(5, "k5", "v5")}, "damage"},
		{[][]any{row(-1, "k0", "v0")}, "damage"},
		{[][]any{{nil, "k0", "v0"}}, "damage"},
		{[][]any{{int64(0), nil, "v0"}}, "damage"},
	} {
		var out bytes.Buffer
		walk := newWalk(context.Background(), p, &out)
		var err error
		for i := 0; i < len(c.rows) && err == nil; i++ {
			err = walk.write(c.rows[i])
		}
		got := string(bytes.ReplaceAll(out.Bytes(), []byte("\n"), []byte(" ")))
		if c.want == "damage" {
			if cooper.KindOf(err) != cooper.KindCorrupt {
				t.Errorf("%v: %q, %v", c.rows, got, err)
			}
		} else if got != c.want || err != nil {
			t.Errorf("%v: %q, %v", c.rows, got, err)
		}
	}
}
