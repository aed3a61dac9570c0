package job

import (
	"context"
	"path/filepath"
	"slices"
	"sync"

	"cooper"
	"cooper/internal/config"
	"cooper/internal/database"
	"cooper/internal/gc"
	"cooper/internal/query"
	"cooper/internal/store"
	"cooper/internal/verb/scan"
)

// GCCheck looks at an owner's database and at what is declared of it: whether a scan would
// see all there is.
type GCCheck struct {
	// Config is the path of the configuration.
	Config string
}

// GCChecked is what a check comes to.
type GCChecked struct {
	Database string        `json:"database"` // as the configuration calls it
	Engine   string        `json:"engine"`
	Version  string        `json:"version"`
	Server   string        `json:"server"` // its own identity
	Parts    []GCExplained `json:"parts"`
	*gc.Findings
}

// GCExplained is what a part of the configuration is taken for.
type GCExplained struct {
	What     string    `json:"what"`
	Name     string    `json:"name,omitempty"`
	Where    string    `json:"where"`
	Explains string    `json:"explains"`
	Tables   []GCTable `json:"tables,omitempty"`
}

// GCTable is a table that a part reads.
type GCTable struct {
	Table   string     `json:"table"`
	Rows    int64      `json:"rows"` // about; negative if nobody knows
	AtLeast bool       `json:"at_least,omitempty"`
	Samples []GCSample `json:"samples,omitempty"`
	// LookedAt are rows that were read as a scan does, and Silent those of them in which the id of a handle
	// stands although nothing was found there; of packed values, once a scan has read the handles.
	LookedAt int64 `json:"looked_at,omitempty"`
	Silent   int64 `json:"silent,omitempty"`
}

// GCSample is a row, for a person.
type GCSample struct {
	Object string   `json:"object"`
	Values []string `json:"values"`
}

// Run checks. What would make a scan blind is in the result, and an error of KindRefused.
func (g *GCCheck) Run(ctx context.Context, e *Env) (r *GCChecked, err error) {
	err = e.begin(func(w *work) error {
		return w.owner(ctx, g.Config, func(o *owner) error {
			if err := o.check(ctx); err != nil {
				return err
			}
			s := o.survey
			r = &GCChecked{Database: readFrom(o.config).Text, Engine: s.Server.Engine, Version: s.Server.Version, Server: s.Server.Identity, Findings: o.findings}
			for _, p := range s.Parts {
				r.Parts = append(r.Parts, explained(o.config, p))
			}
			note, err := o.checkRegistry(ctx, o.config)
			if note != "" {
				r.Notes = append(r.Notes, gc.Note{Table: "registry.database", Text: note})
			}
			if err != nil {
				return err
			}
			r.Notes = append(r.Notes, o.lifecycles(ctx)...)
			return o.silences(ctx, r.Parts)
		})
	})
	if err == nil {
		err = r.Err()
	}
	return r, err
}

func explained(c *config.Config, p *gc.Part) GCExplained {
	x := GCExplained{What: string(p.What), Name: p.Name, Where: p.Where, Explains: p.Explain(c)}
	for _, t := range p.Tables {
		table := GCTable{Table: t.String(), Rows: t.Rows, AtLeast: t.AtLeast}
		for _, s := range t.Samples {
			table.Samples = append(table.Samples, GCSample(s))
		}
		x.Tables = append(x.Tables, table)
	}
	return x
}

// owner is a database that is open, and what was declared of it.
type owner struct {
	*work
	path     string // of the configuration, absolute
	config   *config.Config
	database database.Database
	survey   *gc.Survey
	findings *gc.Findings
}

// owner reads a configuration, and opens its database for f.
func (w *work) owner(ctx context.Context, path string, f func(o *owner) error) (err error) {
	o := &owner{work: w}
	if o.path, err = filepath.Abs(path); err != nil {
		return err
	}
	if o.config, err = config.Load(o.path); err != nil {
		return err
	}
	if o.database, err = w.openDatabase(ctx, o.config); err != nil {
		return err
	}
	defer finally(&err, o.database.Close)
	return f(o)
}

// check surveys the database, and says what would make a scan blind.
func (o *owner) check(ctx context.Context) (err error) {
	if o.survey, err = gc.Take(ctx, o.database, o.config, o.Clock()); err != nil {
		return err
	}
	h, err := o.history(ctx)
	if err != nil {
		return err
	}
	around := gc.Around{Last: h.Last(), Others: unreadable(o.config)}
	for _, b := range fetched(o.config) {
		around.Buckets = append(around.Buckets, o.reach(ctx, b))
	}
	o.findings = gc.Check(o.config, o.survey, &around)
	return nil
}

// history is what is known of scans.
func (w *work) history(ctx context.Context) (h *gc.History, err error) {
	err = w.large(ctx, w.Memory/2, query.Sources{Workspace: w.ws.Dir()}, func(db query.Engine) error {
		h, err = gc.HistoryOf(ctx, db, w.now())
		return err
	})
	return h, err
}

// fetched are the buckets that objects are read from, if any are.
func fetched(c *config.Config) []*config.Bucket {
	switch {
	case !slices.ContainsFunc(c.Associations, func(a *config.Association) bool { return a.Fetch != nil }):
		return nil
	case len(c.Reads) > 0:
		return c.Reads
	}
	return c.Buckets
}

// reach tells whether a bucket can be reached, and whether its store's clock is right.
func (o *owner) reach(ctx context.Context, declared *config.Bucket) gc.Bucket {
	found := gc.Bucket{Name: declared.Name}
	b, err := o.Stores.Open(ctx, o.Env, declared.Name, 1)
	if err != nil {
		found.Err = err
		return found
	}
	_, found.Err = b.Versioning(ctx)
	if _, ahead, ok := b.Date(); ok {
		found.Skew = ahead
		// It has answered; who may read objects need not be told this.
		if cooper.KindOf(found.Err) == cooper.KindDenied {
			found.Err = nil
		}
	}
	finally(&found.Err, b.Close)
	return found
}

// unreadable are refusals of expressions in jq and XPath, and of forms that do not fit
// together.
func unreadable(c *config.Config) (all []gc.Refusal) {
	err := scan.Understood(c, func(a *config.Association, err error) {
		all = append(all, gc.Refusal{Table: a.Table.Text, Why: "what is to be unpacked is not understood: " + err.Error(), Where: a.PlaceOf("at"), Remedy: "Correct it in " + a.PlaceOf("at") + "."})
	})
	if err != nil {
		return []gc.Refusal{{Table: "addresses", Why: err.Error(), Where: c.PlaceOf("addresses"), Remedy: "Correct it in " + c.PlaceOf("addresses") + "."}}
	}
	return all
}

// buckets opens those in which objects are read, each once.
type buckets struct {
	env  *Env
	jobs int

	mu   sync.Mutex
	open map[string]Bucket
}

func (b *buckets) reader(ctx context.Context, name string) (store.Reader, error) {
	return b.bucket(ctx, name)
}

func (b *buckets) bucket(ctx context.Context, name string) (Bucket, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if at := b.open[name]; at != nil {
		return at, nil
	}
	at, err := b.env.Stores.Open(ctx, b.env, name, b.jobs)
	if err != nil {
		return nil, err
	}
	b.open[name] = at
	return at, nil
}

func (b *buckets) close() (err error) {
	for _, at := range b.open {
		finally(&err, at.Close)
	}
	return err
}
