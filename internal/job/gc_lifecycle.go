package job

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"cooper"
	"cooper/internal/config"
	"cooper/internal/gc"
	"cooper/internal/gcop"
	"cooper/internal/store"
)

// GCLifecycle writes a lifecycle configuration for the archive bucket, for review. It changes nothing.
type GCLifecycle struct {
	// Config is the path of the configuration.
	Config string
	// Moves are to colder classes, by the days after which.
	Moves []GCMove
	// Expire ends what has been there for archive.keep.
	Expire bool
	Options
}

// GCMove is one to a colder class.
type GCMove struct {
	Days  int
	Class string
}

// GCLifecycleRules are what the AWS command line takes.
type GCLifecycleRules struct{ Rules []lifecycleJSON }

// lifecycleJSON is a rule as the AWS command line takes it.
type lifecycleJSON struct {
	ID, Status                     string
	Filter                         filterJSON
	Transitions                    []moveJSON                         `json:",omitempty"`
	Expiration                     *expiryJSON                        `json:",omitempty"`
	NoncurrentVersionTransitions   []moveJSON                         `json:",omitempty"`
	NoncurrentVersionExpiration    *expiryJSON                        `json:",omitempty"`
	AbortIncompleteMultipartUpload *struct{ DaysAfterInitiation int } `json:",omitempty"`
}

type tagJSON struct{ Key, Value string }

// filterJSON has its parts in And where they are several.
type filterJSON struct {
	Prefix                *string     `json:",omitempty"`
	Tag                   *tagJSON    `json:",omitempty"`
	Tags                  []tagJSON   `json:",omitempty"`
	ObjectSizeGreaterThan int64       `json:",omitempty"`
	ObjectSizeLessThan    int64       `json:",omitempty"`
	And                   *filterJSON `json:",omitempty"`
}

type expiryJSON struct {
	Days                      int    `json:",omitempty"`
	Date                      string `json:",omitempty"`
	ExpiredObjectDeleteMarker bool   `json:",omitempty"`
	NoncurrentDays            int    `json:",omitempty"`
	NewerNoncurrentVersions   int    `json:",omitempty"`
}

type moveJSON struct {
	expiryJSON
	StorageClass string
}

func filterOf(f *store.Filter) filterJSON {
	all := filterJSON{ObjectSizeGreaterThan: f.Above, ObjectSizeLessThan: f.Below}
	for k, v := range f.Tags {
		all.Tags = append(all.Tags, tagJSON{k, v})
	}
	slices.SortFunc(all.Tags, func(a, b tagJSON) int { return strings.Compare(a.Key, b.Key) })
	n := len(all.Tags)
	if f.Prefix != "" {
		n++
	}
	for _, size := range []int64{f.Above, f.Below} {
		if size > 0 {
			n++
		}
	}
	if f.Prefix != "" || n == 0 {
		all.Prefix = &f.Prefix
	}
	if n > 1 {
		return filterJSON{And: &all}
	}
	if len(all.Tags) == 1 {
		all.Tag, all.Tags = &all.Tags[0], nil
	}
	return all
}

func expiryOf(e *store.Expiry, noncurrent bool) expiryJSON {
	switch {
	case noncurrent:
		return expiryJSON{NoncurrentDays: e.Days, NewerNoncurrentVersions: e.Keep}
	case e.Date != 0:
		return expiryJSON{Date: e.Date.Time().UTC().Format(time.RFC3339)}
	}
	return expiryJSON{Days: e.Days}
}

// ruleOf writes a rule as the AWS command line takes it.
func ruleOf(r *store.LifecycleRule) lifecycleJSON {
	j := lifecycleJSON{ID: r.ID, Status: "Disabled", Filter: filterOf(&r.Filter)}
	if r.Enabled {
		j.Status = "Enabled"
	}
	for _, t := range r.Transitions {
		j.Transitions = append(j.Transitions, moveJSON{expiryOf(&t.Expiry, false), t.Class})
	}
	for _, t := range r.NoncurrentTransitions {
		j.NoncurrentVersionTransitions = append(j.NoncurrentVersionTransitions, moveJSON{expiryOf(&t.Expiry, true), t.Class})
	}
	if r.Expire != nil || r.Markers {
		e := expiryJSON{ExpiredObjectDeleteMarker: r.Markers}
		if r.Expire != nil {
			e = expiryOf(r.Expire, false)
		}
		j.Expiration = &e
	}
	if r.NoncurrentExpire != nil {
		e := expiryOf(r.NoncurrentExpire, true)
		j.NoncurrentVersionExpiration = &e
	}
	if r.AbortUploads > 0 {
		j.AbortIncompleteMultipartUpload = &struct{ DaysAfterInitiation int }{r.AbortUploads}
	}
	return j
}

// ruleNames begin the names of our rules.
const ruleNames = "cooper-archive-"

// Run gives the rules of the archive bucket with ours among them, and says what has to be known of them.
func (g *GCLifecycle) Run(ctx context.Context, e *Env) (r GCLifecycleRules, differs []string, err error) {
	c, err := config.Load(g.Config)
	switch {
	case err != nil:
		return r, nil, err
	case g.Expire || c.Archive == nil:
		c, err = termOf(g.Config)
	}
	switch {
	case err != nil:
		return r, nil, err
	case len(g.Moves) == 0 && !g.Expire:
		return r, nil, usage("it is not said what the rules are to do", "Give --transition 90d:DEEP_ARCHIVE, or --expire, or both.")
	}
	var there []store.LifecycleRule
	known := false
	err = e.begin(func(w *work) error {
		b, _, err := w.open(ctx, c.Archive.Bucket, 1)
		if err != nil {
			return err
		}
		there, known, err = b.Lifecycle(ctx)
		return closing(b, err)
	})
	if err != nil {
		return r, nil, &cooper.Error{Kind: cooper.KindOf(err), Where: "s3://" + c.Archive.Bucket, Message: "which rules the archive bucket has cannot be told, and a configuration that lacks one of them would end it", Err: err,
			Remedy: "It takes the right s3:GetLifecycleConfiguration."}
	}
	ours := g.rules(c)
	for i := range there {
		if !slices.ContainsFunc(ours, func(o store.LifecycleRule) bool { return o.ID == there[i].ID }) {
			r.Rules = append(r.Rules, ruleOf(&there[i]))
		}
	}
	for i := range ours {
		r.Rules = append(r.Rules, ruleOf(&ours[i]))
	}
	differs = append(differs, "it has not been applied: putting a lifecycle configuration replaces all rules of a bucket")
	if n := len(r.Rules) - len(ours); n > 0 {
		differs = append(differs, fmt.Sprintf("the bucket's own rules are in it: %d; compare them with what the bucket has", n))
	}
	if !known {
		differs = append(differs, "the store cannot tell which rules the bucket has: put these beside them")
	}
	if g.Expire {
		differs = append(differs, "it counts from when a copy was made, and asks nobody: what is linked again, held, asked for or on its way back is deleted all the same; cooper gc run delete looks before",
			"what it deletes becomes DELETED when cooper gc run delete sees an inventory without it")
	}
	for _, n := range lifecycleNotes(c, c.Archive.Bucket, there) {
		differs = append(differs, n.Text)
	}
	return r, differs, nil
}

// rules are ours: one for each bucket that objects are from, so that manifests stay as they are.
func (g *GCLifecycle) rules(c *config.Config) (all []store.LifecycleRule) {
	for _, b := range c.Buckets {
		r := store.LifecycleRule{ID: ruleNames + b.Name, Enabled: true, Filter: store.Filter{Prefix: gcop.ArchiveKey(b.Name, "")}}
		for _, m := range g.Moves {
			t := store.Transition{Expiry: store.Expiry{Days: m.Days}, Class: m.Class}
			r.Transitions, r.NoncurrentTransitions = append(r.Transitions, t), append(r.NoncurrentTransitions, t)
		}
		if g.Expire {
			days := store.Expiry{Days: daysOf(c.Archive.Keep)}
			r.Expire, r.NoncurrentExpire = &days, &days
		}
		all = append(all, r)
	}
	return all
}

// daysOf is a term in whole days, of which none is cut.
func daysOf(d time.Duration) int { return int(math.Ceil(d.Hours() / 24)) }

// JSON is what is written to a file.
func (r GCLifecycleRules) JSON() ([]byte, error) {
	b, err := json.MarshalIndent(r, "", "  ")
	return append(b, '\n'), err
}

// coldClasses are those out of which nothing is read without asking.
var coldClasses = []string{"GLACIER", "DEEP_ARCHIVE"}

// lifecycleNotes say what a person should know of the rules of the archive bucket, or of one whose files are looked after.
func lifecycleNotes(c *config.Config, bucket string, rules []store.LifecycleRule) (all []gc.Note) {
	note := func(format string, args ...any) {
		all = append(all, gc.Note{Table: "s3://" + bucket, Text: fmt.Sprintf(format, args...)})
	}
	a := c.Archive
	archive := a != nil && a.Bucket == bucket
	for i := range rules {
		r := &rules[i]
		if !r.Enabled {
			continue
		}
		meets := func(prefix string) bool {
			return strings.HasPrefix(prefix, r.Filter.Prefix) || strings.HasPrefix(r.Filter.Prefix, prefix)
		}
		name := "the lifecycle rule " + cooper.Quote(r.ID)
		below := ""
		if r.Filter.Prefix != "" {
			below = " below " + cooper.Quote(r.Filter.Prefix)
		}
		if !archive {
			if e := r.Expire; e != nil && len(r.Filter.Tags) == 0 {
				note("%s deletes objects%s %s, whatever links to them", name, below, when(e))
			}
			continue
		}
		if meets(gcop.Internal) && (r.Expire != nil || r.NoncurrentExpire != nil || slices.ContainsFunc(r.Transitions, func(t store.Transition) bool { return slices.Contains(coldClasses, t.Class) })) {
			note("%s is for what Cooper keeps below %s, too: without its manifests the archive does not tell whose its objects are", name, gcop.Internal)
		}
		if !slices.ContainsFunc(c.Buckets, func(b *config.Bucket) bool { return meets(gcop.ArchiveKey(b.Name, "")) }) {
			continue
		}
		for _, x := range []struct {
			*store.Expiry
			what string
		}{{r.Expire, "objects"}, {r.NoncurrentExpire, "older versions of objects"}} {
			switch {
			case x.Expiry == nil:
			case a.Keep <= 0:
				note("%s deletes %s%s %s, and archive.keep does not say that anything is to go", name, x.what, below, when(x.Expiry))
			case x.Date != 0, x.Days < daysOf(a.Keep):
				note("%s deletes %s%s %s: earlier than archive.keep says, %d days", name, x.what, below, when(x.Expiry), daysOf(a.Keep))
			}
		}
	}
	return all
}

// when says when versions end.
func when(e *store.Expiry) string {
	if e.Date != 0 {
		return "on " + e.Date.Time().UTC().Format(time.DateOnly)
	}
	return fmt.Sprintf("after %d days", e.Days)
}

// lifecycles says what the rules of the buckets that are looked after, and of the archive, do to what is there.
func (o *owner) lifecycles(ctx context.Context) (all []gc.Note) {
	if o.config.Archive == nil {
		return nil
	}
	names := []string{o.config.Archive.Bucket}
	for _, b := range o.config.Buckets {
		names = append(names, b.Name)
	}
	for _, name := range names {
		b, err := o.Stores.Open(ctx, o.Env, name, 1)
		var rules []store.LifecycleRule
		if err == nil {
			rules, _, err = b.Lifecycle(ctx)
			err = closing(b, err)
		}
		if err != nil {
			all = append(all, gc.Note{Table: "s3://" + name, Text: "which lifecycle rules it has cannot be told: " + err.Error()})
			continue
		}
		all = append(all, lifecycleNotes(o.config, name, rules)...)
	}
	return all
}
