package apply

import (
	"fmt"

	"cooper"
	"cooper/internal/ledger"
)

// sampled is how many failures a Summary shows; the ledger has them all.
const sampled = 20

// Summary says what a run did. Counts are of this run alone; what earlier runs
// of the same plan did is in their facts.
type Summary struct {
	Run     string         `json:"run"`
	Plan    string         `json:"plan"`
	Mission string         `json:"mission"`
	Target  string         `json:"target"`
	Began   cooper.Instant `json:"began"`
	Ended   cooper.Instant `json:"ended"`
	// Finished: every shard of the plan is committed.
	Finished bool `json:"finished"`
	// Shards is how many the plan has; Committed how many this run committed,
	// Earlier how many were before it began.
	Shards    int `json:"shards"`
	Committed int `json:"committed"`
	Earlier   int `json:"earlier"`
	// Open is how many this run left open, to be tried again: Earlier, Committed and Open
	// are all but those that it did not come to.
	Open int `json:"open,omitempty"`
	// Recovered and Undone count interrupted shards that were completed or
	// taken back before anything else.
	Recovered int `json:"recovered,omitempty"`
	Undone    int `json:"undone,omitempty"`
	// Verbs counts actions by verb and status, Kinds those that are not done by
	// kind, whatever their status.
	Verbs map[string]map[cooper.Status]int64 `json:"verbs"`
	Kinds map[cooper.Kind]int64              `json:"kinds,omitempty"`
	// Bytes were transferred, with Requests requests.
	Bytes    int64 `json:"bytes"`
	Requests int64 `json:"requests"`
	// Failures are the first 20; Reasons count all of them, the most frequent
	// first.
	Failures []cooper.Outcome `json:"failures,omitempty"`
	Reasons  []Reason         `json:"reasons,omitempty"`

	// counts are by ledger.CountKey.
	counts map[string]int64
}

// Count is how many actions came to an end with a status.
func (s *Summary) Count(status cooper.Status) (n int64) {
	for _, by := range s.Verbs {
		n += by[status]
	}
	return n
}

func (s *Summary) add(outs []cooper.Outcome) {
	for i := range outs {
		o := &outs[i]
		by := s.Verbs[o.Verb]
		if by == nil {
			by = map[cooper.Status]int64{}
			s.Verbs[o.Verb] = by
		}
		by[o.Status]++
		s.counts[ledger.CountKey(o)]++
		if o.Status != cooper.Done {
			s.Kinds[o.Kind]++
		}
		if o.Status == cooper.Failed {
			s.failed(o)
			if len(s.Failures) < sampled {
				s.Failures = append(s.Failures, *o)
			}
		}
		s.Bytes = cooper.AddBytes(s.Bytes, o.Bytes)
		s.Requests += o.Requests
	}
}

// fact is what the ledger keeps of the run, which ended with err.
func (r *run) fact(err error) ledger.RunFact {
	s := &r.sum
	f := ledger.RunFact{
		ID: s.Run, Plan: s.Plan, Mission: s.Mission, Target: s.Target, Began: s.Began, Ended: s.Ended,
		Status: ledger.Finished, Counts: s.counts, Bytes: s.Bytes, Requests: s.Requests,
	}
	switch {
	case err != nil && cooper.KindOf(err) != cooper.KindInterrupted:
		f.Status, f.Message = ledger.Aborted, err.Error()
	case err != nil:
		f.Status, f.Message = ledger.Interrupted, err.Error()
	case s.Open > 0:
		f.Status, f.Message = ledger.Interrupted, fmt.Sprintf("left %d of %d shards open, to be tried again", s.Open, s.Shards)
	case !s.Finished:
		f.Status, f.Message = ledger.Interrupted, fmt.Sprintf("took %d interrupted shards back, as asked", s.Undone)
	}
	return f
}
