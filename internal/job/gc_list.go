package job

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"cooper"
	"cooper/internal/config"
	"cooper/internal/gc"
	"cooper/internal/ledger/gcfacts"
	"cooper/internal/plan"
	"cooper/internal/query"
)

// GCList is a list of what the last scan by a configuration, or the last detection, has
// found.
type GCList struct {
	// Config is the path of the configuration, Name the list's.
	Config, Name string
}

// Refusals is the list of what a check refuses: it asks the database.
const Refusals = "refusals"

// GCLists are the names of all lists.
func GCLists() (names []string) {
	for _, l := range gc.Lists {
		names = append(names, l.Name)
	}
	return append(names, Refusals)
}

// GCDetectedLists are the names of those of detections.
func GCDetectedLists() (names []string) {
	for _, l := range gc.Lists {
		if l.Table != "" {
			names = append(names, l.Name)
		}
	}
	return names
}

// Run gives each the rows of the list, in order: texts in ASCII, as in JSON. Columns are
// told before the first.
func (l *GCList) Run(ctx context.Context, e *Env, columns func([]string), each func(row []string) error) error {
	if l.Name == Refusals {
		return l.refusals(ctx, e, columns, each)
	}
	list, err := gc.ListOf(l.Name)
	if err != nil {
		return err
	}
	columns(list.Columns)
	return e.begin(func(w *work) (err error) {
		release, err := w.gcFacts().Hold(ctx)
		if err != nil {
			return err
		}
		defer finally(&err, release)
		of, err := l.of(ctx, w, list)
		if err != nil {
			return err
		}
		return w.large(ctx, w.Memory*3/4, query.Sources{Workspace: w.ws.Dir()}, func(db query.Engine) (err error) {
			rows, err := list.Ask(ctx, db, of)
			if err != nil {
				return err
			}
			return query.EachOf(rows, func(row []any) error {
				texts := make([]string, len(row))
				for i, v := range row {
					var ok bool
					if texts[i], ok = v.(string); !ok {
						return senseless(v)
					}
				}
				return each(texts)
			})
		})
	})
}

// of is the scan, or the detection, whose list it is. What a detection does not know of any
// bucket is no empty list.
func (l *GCList) of(ctx context.Context, w *work, list *gc.List) (string, error) {
	s, _, err := w.lastScan(ctx, l.Config)
	if err != nil || list.Table == "" {
		return idOf(s), err
	}
	d, err := w.lastDetection(ctx, s.Server)
	if err != nil {
		return "", err
	}
	for _, u := range d.Unknown {
		if u.List == list.Table || u.List == gcfacts.Unindexeds && list.Table == gcfacts.UnindexedKeeps {
			w.tell(Warning, "%s is unknown of the bucket %s: %s", list.Name, u.Bucket, u.Why)
		}
	}
	return d.ID, nil
}

func idOf(s *gc.Scan) string {
	if s == nil {
		return ""
	}
	return s.ID
}

// lastDetection is the newest of the handles of a database.
func (w *work) lastDetection(ctx context.Context, server string) (*gcfacts.Detection, error) {
	all, err := w.gcFacts().Detections(ctx)
	if err != nil {
		return nil, err
	}
	for i := range slices.Backward(all) {
		if all[i].Scope == scope(server) {
			return &all[i], nil
		}
	}
	return nil, &cooper.Error{Kind: cooper.KindMissing, Where: server, Message: "nothing was detected yet", Remedy: "Look first: cooper gc detect"}
}

func (l *GCList) refusals(ctx context.Context, e *Env, columns func([]string), each func([]string) error) error {
	r, err := (&GCCheck{Config: l.Config}).Run(ctx, e)
	if r == nil {
		return err
	}
	columns([]string{"table", "why"})
	for _, x := range r.Refusals {
		if err := each([]string{inASCII(x.Table), inASCII(x.Why)}); err != nil {
			return err
		}
	}
	return nil
}

// inASCII writes a text as the lists of scans do.
func inASCII(s string) string {
	var b []byte
	for _, c := range s {
		switch {
		case c == '"' || c == '\\':
			b = append(b, '\\', byte(c))
		case c == '\n':
			b = append(b, `\n`...)
		case c == '\r':
			b = append(b, `\r`...)
		case c == '\t':
			b = append(b, `\t`...)
		case c >= ' ' && c <= '~':
			b = append(b, byte(c))
		case c > 0xffff:
			c -= 0x10000
			b = fmt.Appendf(b, `\u%04x\u%04x`, 0xd800+c>>10, 0xdc00+c&0x3ff)
		default:
			b = fmt.Appendf(b, `\u%04x`, c)
		}
	}
	return string(b)
}

// lastScan is the newest scan by a configuration that has ended.
func (w *work) lastScan(ctx context.Context, path string) (*gc.Scan, *gc.History, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, nil, err
	}
	h, err := w.history(ctx)
	if err != nil {
		return nil, nil, err
	}
	for i := len(h.Scans) - 1; i >= 0; i-- {
		p, err := plan.Open(w.ws.PlanDir(h.Scans[i].ID))
		if err != nil {
			return nil, nil, err
		}
		header := p.Header()
		policy, err := gc.PolicyOf(&header)
		if err != nil {
			return nil, nil, err
		}
		if policy.Scanning.Config == path {
			return &h.Scans[i], h, nil
		}
	}
	return nil, nil, noScan(path)
}

// GCStatus tells how far the count of complete scans has come.
type GCStatus struct {
	// Config is the path of the configuration.
	Config string
}

// GCStood is what stands.
type GCStood struct {
	Last     *GCScanned     `json:"last"`
	Counted  []string       `json:"counted"` // the scans that count, the newest first
	Wanted   int            `json:"wanted"`
	Ready    bool           `json:"ready"`
	Waits    string         `json:"waits,omitempty"`
	Next     cooper.Instant `json:"next,omitempty"`
	Warnings []string       `json:"warnings,omitempty"`
}

// Run tells. It asks no database: what counts is what the last scan has seen.
func (s *GCStatus) Run(ctx context.Context, e *Env) (r GCStood, err error) {
	err = e.begin(func(w *work) error {
		c, err := config.Load(s.Config)
		if err != nil {
			return err
		}
		configuration, err := gc.ConfigurationOf(c)
		if err != nil {
			return err
		}
		last, h, err := w.lastScan(ctx, s.Config)
		if err != nil {
			return err
		}
		st := gc.Stand(h, last.Server, gc.Digests{Configuration: configuration}, c.Detect, w.now())
		r = GCStood{Last: scanned(last), Counted: st.Counted, Wanted: st.Wanted, Ready: st.Ready(), Waits: st.Waits, Next: st.Next, Warnings: append(st.Warnings, gc.Crept(h, last)...)}
		return nil
	})
	return r, err
}

// GCAcknowledge takes note, with a person's name, of what keeps the last scan from being
// complete.
type GCAcknowledge struct {
	// Config is the path of the configuration.
	Config string
	// Association and Key say which values; All: whatever cooper gc list malformed lists.
	Association, Key string
	All              bool
	// Shrunk: not values, but that Association has become smaller, or more silent.
	Shrunk bool
	// Person answers for it.
	Person string
}

// GCAcknowledged is what was taken note of.
type GCAcknowledged struct {
	Scan  string         `json:"scan"`
	Count int            `json:"acknowledged"`
	Until cooper.Instant `json:"until,omitempty"`
	// After is what the scan is worth now.
	After *GCScanned `json:"after"`
}

// Run takes note.
func (a *GCAcknowledge) Run(ctx context.Context, e *Env) (r GCAcknowledged, err error) {
	err = e.begin(func(w *work) error {
		c, err := config.Load(a.Config)
		if err != nil {
			return err
		}
		s, _, err := w.lastScan(ctx, a.Config)
		if err != nil {
			return err
		}
		all, err := a.noted(ctx, w, s, c.Acknowledge.For)
		if err != nil {
			return err
		}
		if err := w.gcFacts().Acknowledge(ctx, w.ws.NewID("a"), all); err != nil {
			return err
		}
		r = GCAcknowledged{Scan: s.ID, Count: len(all), Until: all[0].Until}
		after, _, err := w.lastScan(ctx, a.Config)
		if err == nil {
			r.After = scanned(after)
		}
		return err
	})
	return r, err
}

func (a *GCAcknowledge) noted(ctx context.Context, w *work, s *gc.Scan, days time.Duration) (all []gcfacts.Acknowledgement, err error) {
	by := gc.Person{Name: a.Person, At: w.now()}
	if a.Shrunk {
		return gc.AcknowledgeShrunk(s, a.Association, by)
	}
	err = w.large(ctx, w.Memory/2, query.Sources{Workspace: w.ws.Dir()}, func(db query.Engine) error {
		values, err := gc.Unread(ctx, db, s.ID, a.Association, a.Key, w.now())
		if err == nil && len(values) == 0 {
			err = usage("there is no such value, or it is acknowledged already", "cooper gc list malformed lists them.")
		}
		all = gc.AcknowledgeValues(s.ID, values, by, days)
		return err
	})
	return all, err
}

// GCAccept takes note, with a person's name, that a configuration leads to another database
// than before, or to one that is older than what was seen.
type GCAccept struct {
	// Config is the path of the configuration.
	Config string
	// Yes: do not ask.
	Yes bool
	// Person answers for it.
	Person string
}

// GCAccepted is what was taken note of; nothing after a no.
type GCAccepted struct {
	Database string         `json:"database"` // as the configuration calls it
	Server   string         `json:"server"`   // its own identity
	Was      string         `json:"was,omitempty"`
	At       cooper.Instant `json:"at,omitempty"`
}

// Run asks, and takes note: the count of scans begins anew.
func (a *GCAccept) Run(ctx context.Context, e *Env) (r GCAccepted, err error) {
	err = e.begin(func(w *work) error {
		return w.owner(ctx, a.Config, func(o *owner) error {
			server, err := o.database.Server(ctx)
			if err != nil {
				return err
			}
			h, err := o.history(ctx)
			if err != nil {
				return err
			}
			r = GCAccepted{Database: readFrom(o.config).Text, Server: server.Identity}
			if last := h.Last(); last != nil {
				r.Was = last.Server
			}
			may, err := o.consent(ctx, &decision{
				show: func() error { return nil }, given: a.Yes, question: "Accept " + server.Identity + " as the database that " + r.Database + " leads to, and begin to count scans anew?",
				nothing: "nothing was accepted", where: o.path, remedy: "In scripts, give --yes.",
			})
			if err != nil || !may {
				return err
			}
			by := gc.Person{Name: a.Person, At: w.now()}
			r.At = by.At
			return w.gcFacts().Acknowledge(ctx, w.ws.NewID("a"), []gcfacts.Acknowledgement{gc.AcceptDatabase(server.Identity, by)})
		})
	})
	return r, err
}

// nameOfList is the name under which a list of a detection is known to a person.
func nameOfList(table string) string {
	for _, l := range gc.Lists {
		if l.Table == table {
			return l.Name
		}
	}
	return table
}
