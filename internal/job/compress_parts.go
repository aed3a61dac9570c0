package job

import (
	"context"
	"strings"

	"cooper"
	"cooper/internal/apply"
	"cooper/internal/bucketop"
	"cooper/internal/codec"
	"cooper/internal/compress"
	"cooper/internal/journal"
	"cooper/internal/plan"
	"cooper/internal/progress"
	"cooper/internal/query"
	"cooper/internal/store"
	"cooper/internal/verb/measure"
)

// compressing is what carrying out a plan that compresses or measures needs.
type compressing struct {
	header  plan.Header
	policy  compress.Policy
	bucket  Bucket
	store   cooper.Store
	planned cooper.Store // that the plan was made for
	prefix  string
	keys    codec.Keys
	journal journal.Dir
	count   *progress.Counters
}

func openCompressing(ctx context.Context, held *held, p *plan.Plan, opt *Options) (*compressing, error) {
	c := &compressing{header: p.Header(), keys: opt.Keys.loaded}
	var err error
	if c.policy, err = compress.PolicyOf(&c.header); err != nil {
		return nil, err
	}
	bucket, prefix, err := cooper.ParseURL(c.header.Target.Path)
	if err != nil {
		return nil, err
	}
	if c.policy.Encrypted() && c.keys == nil {
		keys := opt.Keys
		if len(keys.Expect) == 0 {
			keys.Expect = c.policy.Expect
		}
		if c.keys, err = keys.open(ctx, held.Env); err != nil {
			return nil, err
		}
	}
	b, store, err := held.open(ctx, bucket, opt.Jobs)
	if err != nil {
		return nil, err
	}
	c.bucket, c.store, c.planned, c.prefix = b, *store, bucketop.PlannedStore(&c.header, c.policy.Endpoint), prefix
	c.count = held.counters(b)
	c.journal = journal.At(held.ws.TargetDir(held.lock))
	return c, nil
}

// secure tells whether what the store sends cannot be read or changed on the way.
func (c *compressing) secure() bool {
	return c.store.Endpoint == "" || strings.HasPrefix(c.store.Endpoint, "https://")
}

// measuring is the verb that reads contents and tells what they are.
func (c *compressing) measuring(held *held) *measure.Verb {
	r := &c.policy.Rewriting
	return measure.New(c.bucket, measure.Options{
		Cipher: r.Codec.Encrypt, Ranged: r.Ranged, Keys: c.keys, Secure: c.secure(), Sample: compress.MeasuredMost, Memory: held.Memory / 4, Moved: c.count.Moved, Clock: held.Clock,
	})
}

func (c *compressing) kit(opt *Options, target apply.Target, verbs map[string]apply.Verb) *kit {
	return &kit{verbs: verbs, target: target, count: c.count, workers: opt.Jobs, again: true, close: c.bucket.Close}
}

// tagsAsked is how many objects are asked for their tags before a run, at most.
const tagsAsked = 8

// mayReadTags refuses to rewrite objects without the right to read their tags, before
// each of them fails for it. An object that is gone by now, or may not be read at
// all, tells nothing: then the next is asked.
func mayReadTags(ctx context.Context, b interface {
	store.Reader
	store.Describer
}, actions []cooper.Action,
) error {
	for _, x := range actions[:min(len(actions), tagsAsked)] {
		ref := store.Ref{Key: x.Version.Key, VersionID: x.Version.VersionID}
		_, err := b.Tags(ctx, ref)
		switch cooper.KindOf(err) {
		case cooper.KindDenied:
		case cooper.KindMissing, cooper.KindChanged, cooper.KindInvalid:
			continue
		default:
			return err
		}
		if _, unread := b.Head(ctx, ref, 0); unread != nil {
			continue
		}
		return &cooper.Error{Kind: cooper.KindRefused, Where: cooper.Quote(x.Version.Key), Message: "the tags of objects cannot be read, and would be lost", Err: err,
			Remedy: "Ask for the rights s3:GetObjectTagging and s3:GetObjectVersionTagging; or, if no object has tags, plan again with --without-tags."}
	}
	return nil
}

// Became is what came of all runs of a plan that compresses.
type Became struct {
	// Before are the originals whose content is stored anew, and After its bytes.
	// They are gone, seen by a look or removed after one, unless Kept: then they
	// were to stay.
	Before plan.Tally `json:"before"`
	After  int64      `json:"after"`
	Kept   bool       `json:"kept,omitempty"`
	// Stayed are originals whose content is stored anew and that are there all the
	// same, or of which it is not known, as somebody else wrote or deleted there since;
	// they count among the failures. StayedAs is what their new forms took.
	Stayed   plan.Tally `json:"stayed"`
	StayedAs int64      `json:"stayed_as,omitempty"`
	// Left were read and left as they are, by why.
	Left map[string]plan.Tally `json:"left,omitempty"`
	// Found were compressed already, by their names, and hold Plain bytes.
	Found plan.Tally `json:"found"`
	Plain int64      `json:"plain"`
}

// became asks the ledger.
func (w *work) became(ctx context.Context, id string, r *bucketop.Rewriting) (*Became, error) {
	c := &Became{Left: map[string]plan.Tally{}, Kept: r.Originals == bucketop.KeepOriginals}
	err := w.each(ctx, func(row []any) error {
		var text [3]string
		var n [4]int64
		for i, v := range row {
			var ok bool
			if i < len(text) {
				text[i], ok = v.(string)
			} else {
				n[i-len(text)], ok = v.(int64)
			}
			if !ok {
				return senseless(v)
			}
		}
		of := plan.Tally{Count: n[0], Bytes: n[1]}
		switch state := cooper.ContentState(text[0]); {
		case state == cooper.Rewritten && text[2] != string(cooper.Done):
			c.Stayed, c.StayedAs = c.Stayed.Plus(of), c.StayedAs+n[2]
		case state == cooper.Rewritten:
			c.Before, c.After = of, n[2]
		case state == cooper.Found:
			c.Found, c.Plain = of, n[3]
		case state == cooper.Left:
			c.Left[text[1]] = of
		}
		return nil
	}, `SELECT state, coalesce(reason, ''), status, count(*), `+query.SumOfBytes("size")+", "+query.SumOfBytes("stored_size")+", "+query.SumOfBytes("plain_size")+`
		FROM content WHERE plan = ? AND (status = 'done' OR state = 'rewritten') GROUP BY ALL`, id)
	if err != nil {
		return nil, err
	}
	return c, nil
}
