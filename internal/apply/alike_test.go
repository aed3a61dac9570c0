package apply

import (
	"fmt"
	"strings"
	"testing"

	"cooper"
)

// Where every object fails in one way that says something of the store, the run
// ends, and says so; what is missing or forbidden, what was overwritten, and what
// differs from object to object ends nothing.
func TestAllFailAlike(t *testing.T) {
	for name, c := range map[string]struct {
		outcome func(id int64) cooper.Outcome
		ignore  []cooper.Kind
		ends    string // what the error says; empty if the run goes on
	}{
		"changed": {outcome: failing1(cooper.KindChanged, "v%d", "k%[1]d: another ETag (found \"f%[1]d\", planned \"e%[1]d\")"), ends: "Unless all of them were written anew"},
		"invalid": {outcome: failing1(cooper.KindInvalid, "", "k%d: no sense, request R%d"), ends: "and not the objects"},
		"corrupt": {outcome: failing1(cooper.KindCorrupt, "v%d", "k%d: came corrupt"), ends: "--ignore corrupt"},
		"null versions may have been overwritten": {outcome: failing1(cooper.KindChanged, "null", "k%d: another ETag")},
		"denied":    {outcome: failing1(cooper.KindDenied, "v%d", "k%d: no")},
		"missing":   {outcome: failing1(cooper.KindMissing, "v%d", "k%d: not there")},
		"not alike": {outcome: failing1(cooper.KindInvalid, "v%d", "reason %d")},
		"ignored":   {outcome: failing1(cooper.KindInvalid, "v%d", "k%d: no sense"), ignore: []cooper.Kind{cooper.KindInvalid}},
		"one is well": {outcome: func(id int64) cooper.Outcome {
			if id == 30 {
				return cooper.Outcome{Status: cooper.Done}
			}
			return failing1(cooper.KindInvalid, "", "k%d: no sense")(id)
		}},
		"one fails otherwise": {outcome: func(id int64) cooper.Outcome {
			if id == 30 {
				return cooper.Outcome{Status: cooper.Failed, Kind: cooper.KindDenied}
			}
			return failing1(cooper.KindInvalid, "", "k%d: no sense")(id)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, alikeAfter)
			for i := range w.shards {
				for j := range w.shards[i] {
					v := &w.shards[i][j].Version
					v.VersionID = c.outcome(w.shards[i][j].ID).VersionID
				}
			}
			w.outcome = func(a *cooper.Action) cooper.Outcome { return c.outcome(a.ID) }
			job := w.job()
			job.Workers, job.Ignore = 1, c.ignore
			sum, err := Run(t.Context(), job)
			if c.ends == "" {
				if err != nil || !sum.Finished {
					t.Errorf("ended: %v", err)
				}
				return
			}
			var remedy = cooper.RemedyOf(err)
			if cooper.KindOf(err) != cooper.KindStore || sum.Finished || !strings.Contains(err.Error()+remedy, c.ends) {
				t.Errorf("went on, or said something else: %v; %s", err, remedy)
			}
			if n := len(w.events("do ")); n < alikeAfter || n > alikeAfter+2 {
				t.Errorf("stopped after %d actions", n)
			}
		})
	}
}

// failing1 makes outcomes of one kind; version and message may hold the number of the
// action.
func failing1(kind cooper.Kind, version, message string) func(id int64) cooper.Outcome {
	with := func(s string, id int64) string { return strings.ReplaceAll(s, "%d", fmt.Sprint(id)) }
	return func(id int64) cooper.Outcome {
		o := cooper.Outcome{Status: cooper.Failed, Kind: kind, Message: with(message, id)}
		o.Key, o.VersionID = with("k%d", id), with(version, id)
		return o
	}
}

// What verbs without a first half come to is seen at the commit.
func TestAllFailAlikeAtTheCommit(t *testing.T) {
	var a alike
	for i := range alikeAfter - 1 {
		o := failing1(cooper.KindInvalid, "", "k%d: no sense")(int64(i))
		if a.see(&o) {
			t.Fatalf("after %d", i)
		}
	}
	done := cooper.Outcome{Verb: "record", Status: cooper.Done} // says nothing of another verb
	a.see(&done)
	o := failing1(cooper.KindInvalid, "", "k%d: no sense")(1 << 20)
	if !a.see(&o) {
		t.Error("not seen")
	}
	a = alike{}
	a.end()
	for range 2 * alikeAfter {
		if a.see(&o) {
			t.Fatal("although an earlier run did some")
		}
	}
}

// A summary tells what failed for all, and what failed alike before.
func TestAllAndAgain(t *testing.T) {
	s := &Summary{Verbs: map[string]map[cooper.Status]int64{}, Kinds: map[cooper.Kind]int64{}, counts: map[string]int64{}}
	var outs []cooper.Outcome
	for i := range allFrom {
		outs = append(outs, failing1(cooper.KindChanged, "v%d", "k%d: another ETag")(int64(i)))
	}
	s.add(outs)
	s.everything()
	if len(s.Reasons) != 1 || !s.Reasons[0].All {
		t.Errorf("%+v", s.Reasons)
	}
	before := outs[3]
	s.FailedBefore(&outs[3], &before)
	before.Message = "k3: another size"
	s.FailedBefore(&outs[3], &before)
	before.Kind = cooper.KindDenied
	s.FailedBefore(&outs[3], &before)
	if s.Reasons[0].Again != 1 {
		t.Errorf("%+v", s.Reasons[0])
	}
	s.add([]cooper.Outcome{{Verb: "", Status: cooper.Done}})
	s.Reasons[0].All = false
	if s.everything(); s.Reasons[0].All {
		t.Error("although one was done")
	}
}
