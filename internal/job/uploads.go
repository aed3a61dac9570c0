package job

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sync/errgroup"

	"cooper"
	"cooper/internal/apply"
	"cooper/internal/bucketop"
	"cooper/internal/journal"
	"cooper/internal/plan"
	"cooper/internal/price"
	"cooper/internal/progress"
	"cooper/internal/report"
	"cooper/internal/store"
	"cooper/internal/uploads"
	"cooper/internal/verb/abort"
	"cooper/internal/words"
)

// PurgeUploads aborts unfinished uploads of a bucket.
type PurgeUploads struct {
	Bucket string
	Policy uploads.Policy
	// PlanOnly plans, and changes nothing. Yes: do not ask.
	PlanOnly, Yes bool
	Options
}

// UploadsFound is what a plan of a PurgeUploads was made from.
type UploadsFound struct {
	// All are the uploads below the prefix, Abort those that the plan aborts.
	All   report.Uploads `json:"all"`
	Abort report.Uploads `json:"abort"`
	// At is when they were listed, by the store's clock; Ahead by how many seconds this
	// machine's was ahead of it.
	At    cooper.Instant `json:"at"`
	Ahead float64        `json:"ahead_seconds"`
}

// uploadsShard is how many uploads a shard has: a listing of the whole bucket before and
// after each is little beside two requests for each of them.
const uploadsShard = 20_000

// Run plans, shows the plan, asks, and carries it out.
func (p *PurgeUploads) Run(ctx context.Context, e *Env) (r Result, err error) {
	err = e.begin(func(w *work) error {
		h, found, err := p.planned(ctx, w)
		if err != nil {
			return err
		}
		r.Plan, r.Uploads = &h, found
		if found != nil && !p.PlanOnly {
			w.tell(Note, "unfinished: %s; to be aborted: %s", uploadsCost(&found.All), uploadsCost(&found.Abort))
		}
		if p.PlanOnly {
			return nil
		}
		all := h.Totals[bucketop.Abort]
		question := "Abort " + words.Plural(all.Count, "unfinished upload") + " (" + words.Bytes(all.Bytes) + ") for good?"
		if all.Count == 0 {
			r.Nothing, question = "Nothing is to be aborted.", ""
		}
		may, err := w.consentTo(ctx, &h, p.Yes || p.Confirm != "", question, "nothing was aborted")
		if err == nil && !may {
			r.Plan = nil
		}
		if err != nil || !may || r.Nothing != "" {
			return err
		}
		r, err = w.applyMade(ctx, &h, &p.Options)
		r.Uploads = found
		return err
	})
	return r, err
}

// uploadsCost says in a few words what uploads come to.
func uploadsCost(u *report.Uploads) string {
	cost := words.Dollars(u.Cost)
	if u.Cost > 0 && u.Cost < 0.01 {
		cost = "less than $0.01"
	}
	text := fmt.Sprintf("%s, %s, %s a month", words.Plural(u.Count, "upload"), words.Bytes(u.Bytes), cost)
	if n := u.Count - u.Sized; n > 0 {
		text += fmt.Sprintf(" (of %s it cannot be told)", words.Count(n))
	}
	return text
}

// planned makes the plan, or finds the one that the person has confirmed.
func (p *PurgeUploads) planned(ctx context.Context, w *work) (h plan.Header, found *UploadsFound, err error) {
	if p.Confirm != "" {
		h, err = w.confirmed(p.Confirm, uploads.Mission, "bucket", "s3://"+p.Bucket+"/"+p.Policy.Prefix, func(h *plan.Header) bool { return uploads.SamePolicy(h, p.Policy) })
		return h, nil, err
	}
	prices, err := price.Load("")
	if err != nil {
		return h, nil, err
	}
	b, owner, err := w.open(ctx, p.Bucket, p.Jobs)
	if err != nil {
		return h, nil, err
	}
	defer finally(&err, b.Close)
	at, err := w.uploadTime(ctx, b)
	if err != nil {
		return h, nil, err
	}
	ours, err := w.ours(p.Bucket)
	if err != nil {
		return h, nil, err
	}
	count := w.counters(b)
	count.Phase("uploads")
	defer w.Listener.Follow(count)()
	all, going := report.NewUploadCounter(&prices, at), report.NewUploadCounter(&prices, at)
	look := uploadsLook{b: b, prefix: p.Policy.Prefix, ours: ours, jobs: p.Jobs, count: count}
	h, err = w.writePlan(unweighed(uploadsShard), func(id string, out *plan.Writer) (plan.Header, error) {
		return uploads.Plan(ctx, uploads.Inputs{
			Bucket: p.Bucket, Policy: p.Policy, Each: look.each, Prices: prices, Store: owner, ID: id, Now: w.now(), Clock: at,
			Judged: func(u *uploads.Upload, why string) {
				x := report.Upload{Key: u.Key, UploadID: u.ID, Initiated: u.Initiated, Parts: u.Parts, Bytes: u.Bytes}
				if all.Add(x, u.Class, u.Told); why == "" {
					going.Add(x, u.Class, u.Told)
				}
			},
		}, out)
	})
	if err != nil {
		return h, nil, err
	}
	_, ahead, _ := b.Date()
	return h, &UploadsFound{All: all.Uploads(look.why()), Abort: going.Uploads(""), At: at, Ahead: ahead.Seconds()}, nil
}

// uploadTime asks for one page of uploads, and gives the time by the clock of the store,
// which dates them. That there are none is believed of a store only that lists some.
func (w *work) uploadTime(ctx context.Context, b Bucket) (cooper.Instant, error) {
	enough := errors.New("one page will do")
	if err := b.Uploads(ctx, "", func([]store.Upload) error { return enough }); err != nil && !errors.Is(err, enough) {
		return 0, cannotTell(b, err)
	}
	said, ahead, told := b.Date()
	at, err := bucketop.UploadClock("s3://"+b.Name(), said, ahead, told)
	if err == nil && ahead.Abs() >= skewed {
		w.tell(Caution, "this machine's clock is %s the store's; the ages of uploads are told by the store's", aheadOf(ahead))
	}
	return at, err
}

// cannotTell says that a listing that failed does not say that there is nothing.
func cannotTell(b Bucket, err error) error {
	kind := cooper.KindOf(err)
	if kind == cooper.KindInterrupted {
		return err
	}
	e := &cooper.Error{Kind: kind, Where: "s3://" + b.Name(), Message: "which uploads are unfinished cannot be told", Err: err}
	if kind == cooper.KindDenied {
		e.Remedy = "It takes the right s3:ListBucketMultipartUploads; for their parts s3:ListMultipartUploadParts."
	}
	return e
}

// ours are the uploads that runs of Cooper's have noted in the bucket.
func (w *work) ours(bucket string) (map[journal.Upload]bool, error) {
	all := map[journal.Upload]bool{}
	dir := w.ws.TargetDir(bucket)
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return all, nil
	}
	return all, journal.At(dir).Noted(func(u journal.Upload) { all[u] = true })
}

// uploadsLook lists the uploads of a bucket, with what has come of them.
type uploadsLook struct {
	b      Bucket
	prefix string
	ours   map[journal.Upload]bool
	jobs   int
	count  *progress.Counters
	first  error // of what has come of an upload
}

// why says why something was not told; nothing if all was.
func (l *uploadsLook) why() string { return whyNot(l.first) }

// each calls f with every upload below the prefix. All are listed, and those below the
// prefix taken out here: there are stores that list none below one.
func (l *uploadsLook) each(ctx context.Context, f func(u *uploads.Upload) error) error {
	var failed error // of f, and so no word of the store's
	err := l.b.Uploads(ctx, "", func(page []store.Upload) error {
		below := page[:0]
		for _, u := range page {
			if cooper.HasPrefix(u.Key, l.prefix) {
				below = append(below, u)
			}
		}
		sizes, err := uploadSizes(ctx, l.b, below, l.jobs)
		if err != nil {
			failed = err
			return err
		}
		for i, u := range below {
			s := sizes[i]
			gone := cooper.KindOf(s.err) == cooper.KindMissing
			unnamed := gone && store.Garbled(u.Key)
			l.count.Skip(1, s.Bytes)
			switch {
			case gone && !unnamed: // it has ended since
				continue
			case cooper.KindOf(s.err) == cooper.KindInterrupted:
				failed = s.err
				return s.err
			case s.err != nil && l.first == nil && !unnamed:
				l.first = s.err
			}
			if failed = f(&uploads.Upload{
				Key: u.Key, ID: u.UploadID, Initiated: u.Initiated, Class: u.StorageClass, Told: s.err == nil, Parts: s.Parts, Bytes: s.Bytes, Newest: s.Newest,
				Ours: l.ours[journal.Upload{Key: u.Key, UploadID: u.UploadID}] || l.ours[journal.Upload{Key: u.Key, Probe: true}], Unnamed: unnamed,
			}); failed != nil {
				return failed
			}
		}
		return nil
	})
	if err != nil && failed == nil {
		return cannotTell(l.b, err)
	}
	return err
}

// uploadSized is what has come of an upload, or why that is not known.
type uploadSized struct {
	store.Uploaded
	err error
}

// uploadSizes asks what has come of uploads, some at a time.
func uploadSizes(ctx context.Context, b store.Uploads, us []store.Upload, atOnce int) ([]uploadSized, error) {
	sizes := make([]uploadSized, len(us))
	var g errgroup.Group
	g.SetLimit(max(1, atOnce))
	for i, u := range us {
		g.Go(func() error {
			sizes[i].Uploaded, sizes[i].err = b.Uploaded(ctx, u)
			return nil
		})
	}
	return sizes, g.Wait()
}

// uploadPurges is the mission that aborts unfinished uploads.
type uploadPurges struct{}

func (uploadPurges) traits() Traits {
	return Traits{Words: Words{Unfinished: "no shard was completed; what was aborted of one is gone all the same"}}
}

func (uploadPurges) check(*plan.Header, *Options) error { return nil }

func (uploadPurges) place(h *plan.Header, _ *Options) (place, error) {
	bucket, _, err := cooper.ParseURL(h.Target.Path)
	return place{lock: bucket, command: "purge uploads run"}, err
}

func (uploadPurges) conclude(context.Context, *held, *Result, error) error { return nil }

func (uploadPurges) equip(ctx context.Context, held *held, p *plan.Plan, opt *Options) (*kit, error) {
	h := p.Header()
	policy, err := uploads.PolicyOf(&h)
	if err != nil {
		return nil, err
	}
	bucket, prefix, err := cooper.ParseURL(h.Target.Path)
	if err != nil {
		return nil, err
	}
	b, owner, err := held.open(ctx, bucket, opt.Jobs)
	if err != nil {
		return nil, err
	}
	target := abort.New(b, abort.Options{
		Journal: journal.At(held.ws.TargetDir(bucket)), Path: h.Target.Path, Prefix: prefix, Protect: policy.Protect, OlderThan: policy.Age(),
		Store: *owner, PlannedStore: bucketop.PlannedStore(&h, ""), Jobs: opt.Jobs, Clock: held.Clock,
		Warn: func(m string) { held.Listener.Tell(Caution, m) },
	})
	return &kit{
		verbs:  map[string]apply.Verb{bucketop.Abort: nil}, // nil: the commit does it all
		target: target, count: held.counters(b), workers: 1, shards: 2, again: true, close: b.Close,
		told: func() {
			if n := target.Absent(); n > 0 {
				held.tell(Caution, "not there any more: %s; completed or aborted by somebody else, by a lifecycle rule, or by a run that was stopped", words.Plural(n, "upload"))
			}
		},
	}, nil
}
