package gc

import (
	"context"
	"encoding/json"
	"fmt"

	"cooper"
	"cooper/internal/config"
	"cooper/internal/database"
	"cooper/internal/gcop"
	"cooper/internal/plan"
)

// Inputs is all that the plan of a scan follows from.
type Inputs struct {
	Config *config.Config
	// Path is the configuration's, absolute; Database is what it calls the one that is read.
	Path     string
	Database string
	Survey   *Survey
	Findings *Findings
	Asker    Asker // to be asked for ranges
	ID       string
	Now      cooper.Instant
}

// Policy is what a scan goes by.
type Policy struct {
	Scanning gcop.Scanning `json:"scanning"`
	// Ranges is how many the plan has of each association, "" being the phase of handles:
	// a scan without one of them is not complete.
	Ranges map[string]int `json:"ranges"`
	// Skew is our clock less the database's, in milliseconds, when it was planned.
	Skew int64 `json:"skew_ms"`
	// Cost is what was said beforehand.
	Cost Cost `json:"cost"`
}

// PolicyOf reads the policy of a scan's plan.
func PolicyOf(h *plan.Header) (p Policy, err error) {
	if _, err := gcop.ScanningOf(h.Policy); err != nil {
		return p, err
	}
	if err = json.Unmarshal(h.Policy, &p); err != nil || h.Mission != Mission || len(p.Ranges) == 0 {
		return p, &cooper.Error{Kind: cooper.KindInvalid, Where: "plan " + h.ID, Message: "it is no plan of a scan", Err: err}
	}
	return p, nil
}

// Limits are those of a plan of a scan.
var Limits = plan.Limits{Actions: gcop.ActionsAShard}

// How many rows a minute of reading is, for a connection, where the owner allows more.
const (
	rangeSeconds   = 60
	rowsASecond    = 100_000
	valuesASecond  = 5000 // columns that are unpacked
	objectsASecond = 20
)

// rangeRows is how many rows make a range of a part.
func rangeRows(c *config.Config, p *Part) int64 {
	rate := min(int64(max(c.Limits.RowsPerSecond/max(c.Limits.Connections, 1), 1)), rowsASecond)
	switch a := p.Association; {
	case a != nil && a.Holds == config.Fetched:
		rate = min(rate, objectsASecond)
	case a != nil && a.Holds == config.Value:
		rate = min(rate, valuesASecond)
	}
	return rate * rangeSeconds
}

// Plan writes the plan of a scan: handles first, what links to them after. It refuses, and
// writes nothing, where a check has found what would make it blind.
func Plan(ctx context.Context, in Inputs, w plan.Sink) (plan.Header, error) {
	if err := in.Findings.Err(); err != nil {
		return plan.Header{}, err
	}
	digests, err := DigestsOf(in.Config, in.Survey)
	if err != nil {
		return plan.Header{}, err
	}
	clock := cooper.InstantOf(in.Survey.Server.Clock)
	if clock == 0 {
		clock = in.Now
	}
	p := planner{in: &in, sink: w, reasons: map[string]plan.Tally{}, cuts: map[cut][]database.Range{}, policy: Policy{Scanning: digests.scanningOf(in.Survey, in.Path, clock), Ranges: map[string]int{}, Skew: -in.Survey.Server.Skew.Milliseconds(), Cost: in.Findings.Cost}}
	for _, phase := range []string{gcop.Handles, gcop.Links} {
		if err := p.phase(ctx, phase); err != nil {
			return plan.Header{}, err
		}
	}
	policy, err := json.Marshal(p.policy)
	if err != nil {
		return plan.Header{}, &cooper.Error{Kind: cooper.KindInternal, Where: "policy", Message: "cannot be written down", Err: err}
	}
	same := p.policy.Scanning
	same.Time = 0 // when it was made is no part of what is decided
	decided, err := json.Marshal(same)
	if err != nil {
		return plan.Header{}, &cooper.Error{Kind: cooper.KindInternal, Where: "policy", Message: "cannot be written down", Err: err}
	}
	h := plan.Header{
		ID: in.ID, Mission: Mission, Created: in.Now, Policy: policy, Decided: decided, Partial: true,
		Target:  plan.Target{Kind: gcop.TargetKind, Path: in.Database},
		Reasons: p.reasons, Warnings: p.warnings,
		Estimate: plan.Estimate{Requests: map[string]int64{}, Rows: p.rows, Seconds: float64(p.rows) / float64(max(in.Config.Limits.RowsPerSecond, 1))},
	}
	if n := in.Findings.Cost.Objects; n > 0 {
		h.Estimate.Requests["GET"] = n
	}
	return w.Finish(h)
}

// planner writes the tasks of a plan.
type planner struct {
	in       *Inputs
	sink     plan.Sink
	policy   Policy
	rows     int64
	reasons  map[string]plan.Tally
	warnings []string
	cuts     map[cut][]database.Range
}

type cut struct {
	table database.Name
	rows  int64
}

func (p *planner) phase(ctx context.Context, phase string) error {
	if err := p.sink.Phase(phase); err != nil {
		return err
	}
	for _, part := range p.in.Survey.Parts {
		if phaseOf(part) != phase {
			continue
		}
		if err := p.part(ctx, part); err != nil {
			return err
		}
	}
	return nil
}

// part plans what is read of a part: each of its tables in ranges, or its query.
func (p *planner) part(ctx context.Context, part *Part) error {
	task := gcop.Task{What: part.What, Name: part.Name, Rows: -1}
	if g := part.Hold; g != nil {
		task.Column, task.Where, task.Of = g.Handle, g.Where, g.Of
	}
	if part.table() == nil {
		return p.add(part, &task)
	}
	for _, t := range part.Tables {
		ranges, err := p.ranges(ctx, t, rangeRows(p.in.Config, part))
		if err != nil {
			return err
		}
		for i, r := range ranges {
			task.Schema, task.Table, task.Number = t.Schema, t.Name.Table, i
			task.Key, task.After, task.To, task.Rows = r.Key, r.After, r.To, r.Rows
			if r.Rows < 0 && len(ranges) == 1 {
				task.Rows = t.Rows
			}
			if err := p.add(part, &task); err != nil {
				return err
			}
		}
	}
	return nil
}

// ranges cuts a table. Where several associations read it, that is done once: it walks
// along a key.
func (p *planner) ranges(ctx context.Context, t *Table, rows int64) ([]database.Range, error) {
	of := cut{t.Name, rows}
	if ranges := p.cuts[of]; ranges != nil {
		return ranges, nil
	}
	ranges, err := p.in.Asker.Ranges(ctx, &database.Source{Table: &t.Table, Columns: []string{"1"}}, rows)
	if err == nil && len(ranges) == 0 {
		err = &cooper.Error{Kind: cooper.KindInternal, Where: t.String(), Message: "a table without ranges would not be read"}
	}
	p.cuts[of] = ranges
	return ranges, err
}

func (p *planner) add(part *Part, task *gcop.Task) error {
	association := ""
	if part.What == gcop.Association {
		association = part.Name
	}
	p.policy.Ranges[association]++
	if task.Rows < 0 {
		p.warnings = append(p.warnings, fmt.Sprintf("%s: how many rows it has is not known", task))
	}
	p.rows += max(task.Rows, 0)
	of := string(part.What)
	if part.What == gcop.Association {
		of = part.Name
	}
	p.reasons[of] = p.reasons[of].Add(0)
	return p.sink.Add(task.Action(), true)
}
