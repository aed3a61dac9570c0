package job

import (
	"context"
	"fmt"

	"cooper"
	"cooper/internal/config"
	"cooper/internal/gc/detect"
	"cooper/internal/gcop"
	"cooper/internal/gcstate"
	"cooper/internal/ledger/gcfacts"
)

// GCExplain tells all that is known of one file handle. No database is asked.
type GCExplain struct {
	// Config is the path of the configuration.
	Config string
	// Handle is its id, with KIND: in front where there are kinds.
	Handle string
}

// GCHandle is what is known of a handle.
type GCHandle struct {
	Handle string `json:"handle"`
	// There: the newest scan that has ended has it. What follows is of that.
	There    bool           `json:"there"`
	Bucket   string         `json:"bucket,omitempty"`
	Key      string         `json:"key,omitempty"`
	Size     int64          `json:"size"` // negative: unknown
	Modified cooper.Instant `json:"modified,omitempty"`
	Created  cooper.Instant `json:"created,omitempty"`
	// Status is what it is, Owner what its owner's column says.
	Status string         `json:"status"`
	Owner  string         `json:"owner_status,omitempty"`
	Since  cooper.Instant `json:"since,omitempty"`
	Reason string         `json:"reason,omitempty"`
	Run    string         `json:"run,omitempty"`

	Scans    []GCSeen    `json:"scans"` // the newest first
	Holds    []GCHeldBy  `json:"holds,omitempty"`
	Sources  []GCDerived `json:"sources,omitempty"` // what it is made from
	Derived  []GCDerived `json:"derived,omitempty"` // what is made from it
	Siblings []GCSibling `json:"siblings,omitempty"`
	History  []GCChange  `json:"history,omitempty"`
	Verdict  GCVerdict   `json:"verdict"`
	Unknown  []string    `json:"unknown,omitempty"`
}

// GCSeen is what a scan has seen of a handle.
type GCSeen struct {
	Scan     string         `json:"scan"`
	Began    cooper.Instant `json:"began"`
	Complete bool           `json:"complete"`
	There    bool           `json:"there"`
	Links    int            `json:"links"`
	// From are the first of them.
	From []GCLinkFrom `json:"from,omitempty"`
}

// GCLinkFrom is where a link stands.
type GCLinkFrom struct {
	Association string `json:"association"`
	Object      string `json:"object"`
	ByKey       bool   `json:"by_key,omitempty"`
}

// GCHeldBy is a table that holds a handle.
type GCHeldBy struct {
	Role  string `json:"role"`
	Table string `json:"table"`
}

// GCDerived is a handle that another is made from, and by which rule.
type GCDerived struct {
	Rule   string `json:"rule"`
	Handle string `json:"handle"`
}

// GCSibling is another handle of the very same object.
type GCSibling struct {
	Handle string `json:"handle"`
	Links  int    `json:"links"` // in the newest scan
}

// GCChange is a change of a status.
type GCChange struct {
	From   string         `json:"from"`
	To     string         `json:"to"`
	Since  cooper.Instant `json:"since"`
	Reason string         `json:"reason"`
	Run    string         `json:"run"`
}

// GCVerdict is what the last detection says of a handle, and what would change that.
type GCVerdict struct {
	Detection string   `json:"detection,omitempty"`
	Is        string   `json:"is"`
	Why       string   `json:"why"`
	ToChange  []string `json:"to_change,omitempty"`
}

// Run looks up what is known.
func (g *GCExplain) Run(ctx context.Context, e *Env) (r *GCHandle, err error) {
	c, err := config.Load(g.Config)
	if err != nil {
		return nil, err
	}
	h, err := handleOf(c, g.Handle)
	if err != nil {
		return nil, err
	}
	err = e.begin(func(w *work) (err error) {
		facts := w.gcFacts()
		release, err := facts.Hold(ctx)
		if err != nil {
			return err
		}
		defer finally(&err, release)
		x := &explaining{work: w, config: c, facts: facts, kind: h.kind, id: h.id, r: &GCHandle{Handle: gcop.Handle(h.kind, h.id), Size: -1}}
		if x.last, err = x.scans(ctx, g.Config); err != nil {
			return err
		}
		r = x.r
		for _, step := range []func(context.Context) error{x.handle, x.links, x.around, x.status, x.verdict} {
			if err := step(ctx); err != nil {
				return err
			}
		}
		return nil
	})
	return r, err
}

// explaining is a handle that is being looked up.
type explaining struct {
	*work
	config   *config.Config
	facts    *gcfacts.Store
	kind, id string
	last     *gcfacts.Scan
	all      []gcfacts.Scan // of the database, the newest first
	r        *GCHandle
}

// mostScans is how many scans are told of.
const mostScans = 5

// scans finds those of the database.
func (x *explaining) scans(ctx context.Context, path string) (*gcfacts.Scan, error) {
	all, last, err := x.scansBy(ctx, path)
	if err != nil {
		return nil, err
	}
	for i := len(all) - 1; i >= 0 && len(x.all) < mostScans; i-- {
		if all[i].Server == last.Server {
			x.all = append(x.all, all[i])
		}
	}
	return last, nil
}

func (x *explaining) handle(ctx context.Context) error {
	found, err := x.facts.FindHandles(ctx, x.last.ID, x.kind, x.id)
	if err != nil || found.Count == 0 {
		return err
	}
	h := &found.First[0]
	x.r.There, x.r.Bucket, x.r.Key, x.r.Size, x.r.Modified, x.r.Created, x.r.Owner = true, h.Bucket, h.Key, h.Size, h.Modified, h.Created, h.Status
	if h.Modified == 0 {
		x.r.Unknown = append(x.r.Unknown, "when it was modified: it counts as young")
	}
	if h.Size < 0 {
		x.r.Unknown = append(x.r.Unknown, "how large it is")
	}
	return nil
}

// links tells which scans have seen a link, and where.
func (x *explaining) links(ctx context.Context) error {
	for i := range x.all {
		s := &x.all[i]
		seen := GCSeen{Scan: s.ID, Began: s.Began, Complete: s.Complete, There: x.r.There && s.ID == x.last.ID}
		if s.ID != x.last.ID {
			found, err := x.facts.FindHandles(ctx, s.ID, x.kind, x.id)
			if err != nil {
				return err
			}
			seen.There = found.Count > 0
		}
		if err := x.linksOf(ctx, &seen, x.kind, x.id, x.r.Bucket, x.r.Key); err != nil {
			return err
		}
		x.r.Scans = append(x.r.Scans, seen)
	}
	return nil
}

func (x *explaining) linksOf(ctx context.Context, seen *GCSeen, kind, id, bucket, key string) error {
	byID, err := x.facts.FindLinks(ctx, seen.Scan, kind, id)
	if err != nil {
		return err
	}
	var byKey gcfacts.Found[gcfacts.FoundLink]
	if key != "" && x.byKey() {
		if byKey, err = x.facts.FindLinksByKey(ctx, seen.Scan, kind, bucket, key); err != nil {
			return err
		}
	}
	seen.Links = byID.Count + byKey.Count
	for i, l := range append(byID.First, byKey.First...) {
		if len(seen.From) < mostFrom {
			seen.From = append(seen.From, GCLinkFrom{l.Association, l.Object, i >= len(byID.First)})
		}
	}
	return nil
}

// mostFrom is of how many links it is told where they stand.
const mostFrom = 20

// byKey tells whether there may be links by key.
func (x *explaining) byKey() bool {
	for _, a := range x.config.Associations {
		if a.Holds == config.Key || a.Addresses() {
			return true
		}
	}
	return false
}

// around tells what holds it, what it is made from, what is made from it, and who else has its
// object.
func (x *explaining) around(ctx context.Context) error {
	holds, err := x.facts.FindHolds(ctx, x.last.ID, x.kind, x.id)
	if err != nil {
		return err
	}
	for _, h := range holds.First {
		x.r.Holds = append(x.r.Holds, GCHeldBy{h.Role, h.Table})
	}
	sources, err := x.facts.FindSources(ctx, x.last.ID, x.kind, x.id)
	if err != nil {
		return err
	}
	for _, d := range sources.First {
		x.r.Sources = append(x.r.Sources, GCDerived{d.Name, gcop.Handle(d.Kind, d.Source)})
	}
	derived, err := x.facts.FindDerived(ctx, x.last.ID, x.kind, x.id)
	if err != nil {
		return err
	}
	for _, d := range derived.First {
		x.r.Derived = append(x.r.Derived, GCDerived{d.Name, gcop.Handle(d.Kind, d.ID)})
	}
	if x.r.Key == "" {
		return nil
	}
	siblings, err := x.facts.FindSiblings(ctx, x.last.ID, x.r.Bucket, x.r.Key)
	if err != nil {
		return err
	}
	for i := range siblings.First {
		h := &siblings.First[i]
		if name := gcop.Handle(h.Kind, h.ID); name != x.r.Handle && len(x.r.Siblings) < mostFrom {
			links, err := x.facts.FindLinks(ctx, x.last.ID, h.Kind, h.ID)
			if err != nil {
				return err
			}
			x.r.Siblings = append(x.r.Siblings, GCSibling{name, links.Count})
		}
	}
	return nil
}

// status tells what it is, and how that came.
func (x *explaining) status(ctx context.Context) error {
	at := gcstate.Handle{Scope: scope(x.last.Server), Kind: x.kind, ID: x.id}
	err := x.withState(ctx, func(s gcstate.State) error {
		records, err := s.Get(ctx, []gcstate.Handle{at})
		if err == nil && len(records) == 1 {
			rec := &records[0]
			x.r.Status, x.r.Since, x.r.Reason, x.r.Run = string(rec.Status), rec.Since, rec.Reason, rec.Run
		}
		return err
	})
	if err != nil {
		return err
	}
	if h := x.config.Kind(x.kind); h != nil && h.Status != nil && x.r.Owner != "" {
		switch said := h.Status.State(x.r.Owner); {
		case said == "":
			x.r.Status = ""
			x.r.Unknown = append(x.r.Unknown, "what its owner's status "+cooper.Quote(x.r.Owner)+" means: it is left alone")
		case gcstate.Status(said) != gcstate.Available:
			x.r.Status = said
		}
	}
	changes, err := x.facts.FindTransitions(ctx, at.Scope, x.kind, x.id)
	if err != nil {
		return err
	}
	for _, t := range changes.First {
		x.r.History = append(x.r.History, GCChange{t.From, t.To, t.Since, t.Reason, t.Run})
	}
	return nil
}

// verdict is what the last detection says.
func (x *explaining) verdict(ctx context.Context) error {
	v := &x.r.Verdict
	switch newest := x.r.Scans[0]; {
	case !x.r.There:
		v.Is, v.Why = "not there", "the newest scan has no such handle"
	case newest.Links > 0:
		v.Is, v.Why = "linked", fmt.Sprintf("the newest scan has found links to it: %d", newest.Links)
		v.ToChange = []string{"It stays while anything links to it, and for three complete scans after."}
	case x.r.Status == string(gcstate.Unlinked):
		v.Is, v.Why = "unlinked", "it is UNLINKED, and no link leads to it in the newest scan"
		v.ToChange = []string{"Link to it: the next scan sees that, and cooper gc detect brings it back."}
	default:
		v.Is, v.Why = "without a link", "no link leads to it in the newest scan"
	}
	d, err := x.lastDetection(ctx, x.last.Server)
	if cooper.KindOf(err) == cooper.KindMissing {
		x.r.Unknown = append(x.r.Unknown, "whether it is a candidate: nothing was detected yet (cooper gc detect)")
		return nil
	} else if err != nil {
		return err
	}
	v.Detection = d.ID
	if len(d.Scans) > 0 && d.Scans[0] != x.last.ID {
		x.r.Unknown = append(x.r.Unknown, "what follows from the newest scan: the last detection was before it")
	}
	listed, err := x.facts.FindListed(ctx, d.ID, x.kind, x.id)
	if err != nil {
		return err
	}
	for i := range listed {
		x.says(d, &listed[i])
	}
	for _, u := range d.Unknown {
		if u.Bucket == x.r.Bucket && u.List == gcfacts.Missings {
			x.r.Unknown = append(x.r.Unknown, "whether its object is there: "+u.Why)
		}
	}
	return nil
}

// says puts what a list says into words.
func (x *explaining) says(d *gcfacts.Detection, l *gcfacts.Listed) {
	v := &x.r.Verdict
	switch l.List {
	case gcfacts.Candidates:
		v.Is, v.Why = "candidate", fmt.Sprintf("no link in %d complete scans, and nothing keeps it", len(d.Scans))
		v.ToChange = []string{"Link to it, or keep it: cooper gc keep " + ShellWord(x.r.Handle)}
		if d.Waits != "" {
			v.Why = "no link in the scans that count; it waits for " + d.Waits
		}
	case gcfacts.Kepts:
		v.Is, v.Why = "kept: "+l.Reason, keptWords[l.Reason][0]
		v.ToChange = []string{keptWords[l.Reason][1]}
	case gcfacts.Relinkeds:
		v.Is, v.Why = "linked again", "it is "+l.Status+", and a link leads to it"
		v.ToChange = []string{"cooper gc detect marks it as AVAILABLE, if it is UNLINKED by Cooper's own mark."}
	case gcfacts.Missings:
		x.r.Unknown = append(x.r.Unknown, "where its object is: it was not in the bucket")
	case gcfacts.NearMisses:
		x.r.Unknown = append(x.r.Unknown, "why its key is in the bucket "+l.Other+", and not in its own")
	}
}

// keptWords say why a handle without a link is no candidate, and what would change that.
var keptWords = map[string][2]string{
	detect.NotAnObject:     {"it is no object in a bucket, or `where` of its kind leaves it out", "Change `handles` in the configuration."},
	detect.OtherBucket:     {"its bucket is none of `buckets`", "Declare the bucket, if it is owned."},
	detect.Held:            {"a row of a table of `protect` or `in_flight` holds it", "Remove the row, and scan anew."},
	detect.ProtectedPrefix: {"its key lies below a prefix of `protect`", "Change `protect` in the configuration."},
	detect.DerivedLives:    {"what it is made from lives", "It lives as long as one of its sources does."},
	detect.DerivedGoes:     {"what it is made from has no link either", "It goes with the last of its sources."},
	detect.TimeUnknown:     {"it is not known when it was modified", "Declare `modified`, or write the time into the row."},
	detect.Young:           {"it, or its object, was written lately, or it came back lately", "Wait: detect.unmodified says how long."},
	detect.KeptByHand:      {"a person keeps it", "cooper gc release takes that back."},
	detect.RegistryLacks:   {"it is older than the registry of links: that there is no row proves nothing", "Fill the registry, and declare complete_since."},
	detect.NotInAllScans:   {"one of the scans that count has not seen it, or has seen a link", "Wait for more complete scans."},
}
