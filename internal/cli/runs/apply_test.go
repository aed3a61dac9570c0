package runs

import (
	"math"
	"strings"
	"testing"

	"cooper"
	"cooper/internal/bucketop"
	"cooper/internal/plan"
	"cooper/internal/purge"
	"cooper/internal/workspace"
)

// TestApplyChecks: what is wrong with the flags is said in one order, and nothing is
// carried out over it.
func TestApplyChecks(t *testing.T) {
	ws := t.TempDir()
	other, removing := writePlan(t, ws, "mend"), writePlan(t, ws, purge.Mission)
	for args, want := range map[string]string{
		"apply nosuch --jobs 0 --deleted x":                   "--jobs must be at least 1",
		"apply nosuch --confirm slip --deleted x":             "is not the beginning of a digest",
		"apply nosuch --ignore nosuch --deleted x":            "is not a kind of failure",
		"apply nosuch --deleted x":                            "nosuch",
		"apply " + other + " --deleted - --json":              "--deleted is for plans of a purge, and this is one of a mend",
		"apply " + removing + " --deleted - --json":           "--deleted - and --json both write to stdout",
		"apply " + other:                                      "of the mission mend, which is not known here",
		"apply " + other + " --keys-query q --jobs 1 --moved": "of the mission mend, which is not known here",
	} {
		a := newFamily(t)
		root := newRoot(a.Shell)
		root.SilenceErrors, root.SilenceUsage = true, true
		root.SetArgs(append(strings.Fields(args), "--workspace", ws))
		if err := root.ExecuteContext(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want %s", args, err, want)
		}
	}
}

// writePlan writes one of a mission that removes a version.
func writePlan(t *testing.T, dir, mission string) string {
	ws, err := workspace.Open(dir, workspace.Options{Clock: now.Time})
	if err != nil {
		t.Fatal(err)
	}
	id := ws.NewID("p")
	w, err := plan.Create(ws.PlanDir(id), id, plan.Limits{Actions: 1, Bytes: math.MaxInt64})
	if err == nil {
		err = w.Phase("remove")
	}
	if err == nil {
		err = w.Add(cooper.Action{Verb: bucketop.Remove, Version: cooper.Version{Identity: cooper.Identity{Key: "k", VersionID: "v"}}}, true)
	}
	if err == nil {
		_, err = w.Finish(plan.Header{ID: id, Mission: mission, Target: plan.Target{Kind: bucketop.TargetKind, Path: "s3://lab/"}})
	}
	if err == nil {
		err = ws.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return id
}
