package job

import (
	"context"
	"slices"

	"cooper"
	"cooper/internal/config"
	"cooper/internal/gcop"
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

// Known tells whether anything is known of it.
func (h *GCHandle) Known() bool {
	return h.There || h.Reason != "" || len(h.History) > 0 || slices.ContainsFunc(h.Scans, func(s GCSeen) bool { return s.There || s.Links > 0 })
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
