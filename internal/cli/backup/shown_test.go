package backup

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"cooper"
	"cooper/internal/apply"
	"cooper/internal/backup"
	"cooper/internal/cli/shell"
	"cooper/internal/cli/shell/shelltest"
	"cooper/internal/job"
	"cooper/internal/plan"
	"cooper/internal/term"
	"cooper/internal/tree/adopt"
	"cooper/internal/tree/audit"
	"cooper/internal/tree/catalog"
	"cooper/internal/tree/rebuild"
)

// TestShown: what a person sees of what became of trees.
func TestShown(t *testing.T) {
	var out bytes.Buffer
	a := family{&shell.Shell{Stdout: term.Plain(&out), Stderr: term.Plain(t.Output()), Clock: time.Now}}
	then := cooper.InstantOf(time.Date(2026, 11, 20, 1, 0, 0, 0, time.UTC))
	ok := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}

	a.Say("# forget")
	a.showForgotten(&backup.Forgotten{Snapshot: "s-1", TakenAt: then, Rows: plan.Tally{Count: 1234}, Shown: 1000, Absence: 1, Unseen: 2, Dated: 3})

	a.Say("# rebuild")
	a.showRebuild(&rebuild.Result{
		Mirror: rebuild.Tally{Count: 2, Bytes: 3_000_000}, History: rebuild.Tally{Count: 1, Bytes: 10}, Missing: rebuild.Tally{Count: 1, Bytes: 5},
		By: map[rebuild.Source]int64{rebuild.FromLedger: 2, rebuild.FromName: 1}, Foreign: 4, Pruned: 1, Read: 3, Broken: 1,
	}, false)
	a.showRebuild(&rebuild.Result{Read: 1, Observed: 2}, true)
	ok(a.showForeign("mirror/evil\x1b[31m"))

	a.Say("# verify")
	ok(a.showFinding(audit.Finding{Problem: audit.Missing, Detail: "no such file", Row: &catalog.Row{Identity: cooper.Identity{Key: "k", VersionID: "v"}}}))
	ok(a.showFinding(audit.Finding{Problem: audit.Foreign, Path: "mirror/evil\x1b[31m", Detail: "a file"}))
	ok(a.showVerified(&job.Verified{Result: audit.Result{Files: 3, Bytes: 1_000_000}}, "DIR", false))
	ok(a.showVerified(&job.Verified{Result: audit.Result{Files: 3, Bytes: 1_000_000, Verified: 2, Unverifiable: 1}}, "DIR", true))
	broken := audit.Result{Problems: map[audit.Problem]int64{audit.Missing: 2, audit.Foreign: 1}}
	ok(a.showVerified(&job.Verified{Result: broken}, "DIR", false))
	ok(a.showVerified(&job.Verified{Result: broken}, "DIR", true))
	ok(a.showVerified(&job.Verified{Result: broken, Applied: &apply.Summary{
		Run: "r-1", Verbs: map[string]map[cooper.Status]int64{"fetch": {cooper.Done: 1, cooper.Failed: 2}},
		Failures: []cooper.Outcome{{Identity: cooper.Identity{Key: "k", VersionID: "v"}, Kind: cooper.KindMissing, Message: "gone"}},
	}}, "DIR", true))

	a.Say("# adopt")
	ok(a.showLeft(adopt.Left{Reason: adopt.Unlisted, Path: "a\x1b[31m"}))
	found := adopt.Result{Latest: adopt.Tally{Count: 2, Bytes: 20}, Older: adopt.Tally{Count: 1, Bytes: 5}, Left: map[adopt.Reason]int64{adopt.Unlisted: 1, adopt.Broken: 2}, Started: then, Finished: then + 60_000}
	a.showAdopted(&found, "DIR", true)
	found.Left, found.Started = nil, then+120_000
	a.showAdopted(&found, "DIR", false)
	a.showAdopted(&adopt.Result{Stateless: true}, "DIR", false)
	shelltest.Golden(t, "shown.txt", out.String())
}

// TestPassedOver: a program is told which reports are not followed, and of the others what
// came of them.
func TestPassedOver(t *testing.T) {
	var out bytes.Buffer
	a := family{&shell.Shell{Stdout: term.Plain(&out), Stderr: term.Plain(t.Output()), Clock: time.Now, JSON: true}}
	f := flagsOf(t, "--from 2026-01-01")
	dates, err := a.rangeOf(f)
	if err != nil {
		t.Fatal(err)
	}
	dates.Follows("2026-01-01T01-00Z", 1, 2)
	if err := dates.Passed("2026-01-02T01-00Z", "the tree follows it already"); err != nil {
		t.Fatal(err)
	}
	if err := dates.Came(job.Result{}, job.ErrSomeFailed); !errors.Is(err, job.ErrSomeFailed) {
		t.Errorf("%v", err)
	}
	if got, want := out.String(), `{"passed_over":"2026-01-02T01-00Z","why":"the tree follows it already"}`+"\n"; got != want {
		t.Errorf("%q, wanted %q", got, want)
	}
}
