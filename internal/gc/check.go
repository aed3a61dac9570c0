package gc

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"cooper"
	"cooper/internal/config"
	"cooper/internal/database"
	"cooper/internal/gcop"
)

// Refusal is a reason why a scan would be blind, or could not be trusted.
type Refusal struct {
	// Table is the table, view or pattern that it is about; for others the server, a bucket
	// or a part's name.
	Table string `json:"table"`
	Why   string `json:"why"`
	// Where is the place in the configuration, if it is about one.
	Where  string `json:"where,omitempty"`
	Remedy string `json:"remedy,omitempty"`
}

// Note is what a person should know, though it refuses nothing.
type Note struct {
	Table string `json:"table"`
	Text  string `json:"text"`
}

// Cost is what a scan takes of the owner's server.
type Cost struct {
	Rows int64 `json:"rows"` // about
	// AtLeast: of some tables not all rows were counted.
	AtLeast bool `json:"at_least,omitempty"`
	// Unknown is how many tables do not say how many rows they have.
	Unknown int `json:"unknown,omitempty"`
	// Objects are fetched from buckets: at most one for each row that says so.
	Objects int64 `json:"objects,omitempty"`
	// Seconds at the rate that is allowed.
	Seconds float64 `json:"seconds"`
}

// Findings are what comes of a check.
type Findings struct {
	Refusals []Refusal `json:"refusals"` // sorted, each once
	Notes    []Note    `json:"notes"`
	Cost     Cost      `json:"cost"`
}

// Around is what a check knows besides survey and configuration.
type Around struct {
	// Last is the last scan of this configuration's database; nil if there was none.
	Last *Seen
	// Buckets are those that the configuration names, as far as anybody has looked.
	Buckets []Bucket
	// Others are refusals of those who know: of expressions in jq and XPath, for instance.
	Others []Refusal
}

// Seen is what is remembered of a database.
type Seen struct {
	Server string
	At     cooper.Instant
}

// Bucket tells whether a bucket can be reached.
type Bucket struct {
	Name string
	Err  error         // why not; nil if it can
	Skew time.Duration // of the store's clock to ours
}

// mostSkew is how far clocks may be apart: ages are told by them.
const mostSkew = 5 * time.Minute

// serverName stands for the database's server where a table's name does else.
const serverName = "server"

// Check says what would make a scan blind, what a person should know, and what it costs.
func Check(c *config.Config, s *Survey, a *Around) *Findings {
	k := &checker{config: c, survey: s, around: a, home: home(c, s)}
	for _, n := range c.Notes {
		k.note("", n.Where+": "+n.Text)
	}
	k.server()
	for _, p := range s.Parts {
		k.part(p)
	}
	k.foreign()
	k.waivers()
	k.hits()
	k.buckets()
	k.Refusals = append(k.Refusals, a.Others...)
	slices.SortStableFunc(k.Refusals, func(a, b Refusal) int {
		return cmp.Or(strings.Compare(a.Table, b.Table), strings.Compare(a.Why, b.Why))
	})
	k.Refusals = slices.CompactFunc(k.Refusals, func(a, b Refusal) bool { return a.Table == b.Table && a.Why == b.Why })
	k.Cost.Seconds = float64(k.Cost.Rows) / float64(max(c.Limits.RowsPerSecond, 1))
	return &k.Findings
}

// Err is the refusals as an error; nil if there are none.
func (f *Findings) Err() error {
	if len(f.Refusals) == 0 {
		return nil
	}
	first := &f.Refusals[0]
	e := &cooper.Error{Kind: cooper.KindRefused, Where: first.Table, Message: first.Why, Remedy: first.Remedy}
	if n := len(f.Refusals) - 1; n > 0 {
		e.Message += fmt.Sprintf("; and %d more: cooper gc check tells them all", n)
	}
	return e
}

type checker struct {
	config *config.Config
	survey *Survey
	around *Around
	home   string // the schema in which tables without one are
	Findings
}

// home is the schema that goes without saying: the one in which a table that is declared
// without one was found.
func home(c *config.Config, s *Survey) string {
	for _, p := range s.Parts {
		if t := p.table(); t != nil && t.Pattern == nil && t.Schema == "" && len(p.Tables) == 1 {
			return p.Tables[0].Schema
		}
	}
	if c.Database.Engine == "postgres" {
		return "public"
	}
	return ""
}

// name is a table's for a person: without the schema that goes without saying.
func (k *checker) name(n database.Name) string {
	if n.Schema == k.home {
		return n.Table
	}
	return n.String()
}

func (k *checker) refuse(p *Part, table, why, remedy string) {
	r := Refusal{Table: table, Why: why, Remedy: remedy}
	if p != nil {
		r.Where = p.Where
	}
	k.Refusals = append(k.Refusals, r)
}

func (k *checker) note(table, text string) {
	if n := (Note{Table: table, Text: text}); !slices.Contains(k.Notes, n) {
		k.Notes = append(k.Notes, n)
	}
}

// behind says why a replica is not to be read; empty if it may.
func behind(l *database.Load, most time.Duration) string {
	switch {
	case l.Replica != database.IsReplica:
		return ""
	case l.Lag < 0:
		return "the replica has stopped, or does not say how far it is behind"
	case l.Lag > most:
		return fmt.Sprintf("the replica is %v behind, more than %v", l.Lag.Round(time.Second), most)
	}
	return ""
}

// server is about the one that answers.
func (k *checker) server() {
	s := &k.survey.Server
	if why := behind(&k.survey.Load, k.config.Lag); why != "" {
		k.refuse(nil, serverName, why, "Let it catch up, or read from the primary.")
	}
	if s.Skew.Abs() > mostSkew {
		k.refuse(nil, serverName, fmt.Sprintf("its clock is %v apart from ours, more than %v", s.Skew.Abs().Round(time.Second), mostSkew), "Set the clock that is wrong: ages are told by it.")
	}
	if last := k.around.Last; last != nil && last.Server != s.Identity {
		k.refuse(nil, serverName, fmt.Sprintf("another server than the one that was scanned on %s: %s, not %s", last.At, s.Identity, last.Server),
			"A copy must not mix with production, and another platform has a workspace of its own (--workspace). If the database has moved: cooper gc accept-database; the count of scans begins anew.")
	}
	switch {
	case k.config.Replica != nil && s.Replica == database.Primary:
		k.note(serverName, "is declared as a replica, and is the primary")
	case s.Replica == database.IsReplica:
		k.note(serverName, fmt.Sprintf("is a replica, %v behind", max(k.survey.Load.Lag, 0).Round(time.Second)))
	case s.Replica == database.ReplicaUnknown:
		k.note(serverName, "does not tell this user whether it is a replica, nor how far behind")
	}
	for _, w := range s.Writes {
		k.note(serverName, "the user may write: "+w+"; a user who may read alone is safer")
	}
}

// foreign refuses foreign keys to handles that nobody declared.
func (k *checker) foreign() {
	for _, f := range k.survey.Foreign {
		if !k.declared(&f) {
			k.refuse(nil, k.name(f.Table), fmt.Sprintf("foreign key %s to %s is not declared", strings.Join(f.Columns, ", "), k.name(f.To)),
				"Declare an association, or waive "+k.name(f.Table)+"."+f.Columns[0]+" if it is no link.")
		}
	}
	for _, f := range k.survey.Suspected {
		if !k.declared(&f) {
			k.note(k.name(f.Table), fmt.Sprintf("has a foreign key %s to %s, which a query for handles reads: it may link, and is not declared", strings.Join(f.Columns, ", "), k.name(f.To)))
		}
	}
}

// declared tells whether a foreign key is: one of its columns, and if it leads to ids or
// keys of handles beside others, the column that does; for the kind that it leads to.
func (k *checker) declared(f *database.ForeignKey) bool {
	columns := f.Columns
	var kinds []*config.Handles
	for _, p := range k.survey.Parts {
		if p.Handles == nil || !p.reads(f.To) {
			continue
		}
		kinds = append(kinds, p.Handles)
		var led []string
		for i, target := range f.Targets {
			if i < len(f.Columns) && (strings.EqualFold(target, p.Handles.ID) || strings.EqualFold(target, p.Handles.Key)) {
				led = append(led, f.Columns[i])
			}
		}
		if len(led) > 0 {
			columns = led
		}
	}
	return slices.ContainsFunc(columns, func(c string) bool { return covered(k.config, k.survey, f.Table, c, kinds) })
}

// waivers tells of those that waive nothing.
func (k *checker) waivers() {
	for _, w := range k.config.Waive {
		if slices.ContainsFunc(k.survey.Parts, func(p *Part) bool {
			return slices.ContainsFunc(p.Tables, func(t *Table) bool { return t.Materialized && w.Table.Matches(t.Schema, t.Name.Table) })
		}) {
			continue
		}
		if !slices.ContainsFunc(slices.Concat(k.survey.Foreign, k.survey.Suspected), func(f database.ForeignKey) bool {
			return w.Table.Matches(f.Table.Schema, f.Table.Table) && slices.ContainsFunc(f.Columns, func(c string) bool { return strings.EqualFold(c, w.Column) })
		}) {
			k.note(w.Table.Text, "waive: there is no foreign key "+w.Column+" to handles")
		}
	}
}

func (k *checker) hits() {
	common := map[string][]string{}
	var kinds []string
	for _, h := range k.survey.Hits {
		if h.Common {
			if !slices.Contains(kinds, h.Kind) {
				kinds = append(kinds, h.Kind)
			}
			common[h.Kind] = append(common[h.Kind], k.name(h.Table)+"."+h.Column)
			continue
		}
		k.note(k.name(h.Table), fmt.Sprintf("%s is not declared, and %d of %d values looked at are ids of %s", h.Column, h.Found, h.Values, kindName(h.Kind)))
	}
	for _, kind := range kinds {
		k.note(serverName, fmt.Sprintf("not declared, and with numbers that are ids of %s, as any of their size are: %s", kindName(kind), strings.Join(common[kind], ", ")))
	}
	if k.survey.Unsampled != "" {
		k.note(serverName, k.survey.Unsampled)
	}
}

// buckets refuses those that cannot be reached and that a scan reads; of others it tells.
func (k *checker) buckets() {
	fetches := slices.ContainsFunc(k.config.Associations, func(a *config.Association) bool { return a.Fetch != nil })
	for _, b := range k.around.Buckets {
		name := "s3://" + b.Name
		switch {
		case b.Err != nil && fetches:
			k.refuse(nil, name, "cannot be reached: "+said(b.Err), "See to the bucket's name, the credentials and the network.")
		case b.Err != nil:
			k.note(name, "cannot be reached: "+said(b.Err))
		case b.Skew.Abs() > mostSkew:
			k.refuse(nil, name, fmt.Sprintf("the store's clock is %v apart from ours, more than %v", b.Skew.Abs().Round(time.Second), mostSkew), "Set the clock that is wrong: ages are told by it.")
		}
	}
}

// phaseOf is the phase in which a part is read.
func phaseOf(p *Part) string {
	if p.What == gcop.Association {
		return gcop.Links
	}
	return gcop.Handles
}
