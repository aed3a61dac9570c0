package job

import (
	"context"
	"errors"
	"fmt"
	"time"

	"cooper"
	"cooper/internal/price"
	"cooper/internal/report"
	"cooper/internal/store"
)

const (
	// uploadsDeadline is how long the bucket may take to tell its uploads.
	uploadsDeadline = 30 * time.Second
	// sizedUploads is of how many uploads the parts are asked for, sizedAtOnce how
	// many at a time.
	sizedUploads = 1000
	sizedAtOnce  = 16
)

// uploadsAsked is a question to a bucket that is being answered.
type uploadsAsked struct {
	cancel context.CancelFunc
	done   chan struct{} // closed when there is an answer
	answer report.Uploads
}

// askUploads begins to ask a bucket for its unfinished uploads. Whatever keeps it from
// telling is part of the answer: a report is no worse for it. stop has to follow.
func (w *work) askUploads(ctx context.Context, bucket, prefix string, prices *price.Table, offline bool) *uploadsAsked {
	ctx, cancel := context.WithTimeout(ctx, uploadsDeadline)
	q := &uploadsAsked{cancel: cancel, done: make(chan struct{})}
	if offline {
		q.answer.Why = "not asked for: --offline"
		close(q.done)
		return q
	}
	c := report.NewUploadCounter(prices, w.now())
	go func() {
		defer close(q.done)
		q.answer = c.Uploads(whyNot(w.countUploads(ctx, bucket, prefix, c)))
	}()
	return q
}

// wait gives the answer.
func (q *uploadsAsked) wait() report.Uploads {
	<-q.done
	return q.answer
}

// stop ends the asking where nobody waits for the answer any more.
func (q *uploadsAsked) stop() {
	q.cancel()
	<-q.done
}

// whyNot says in a few words why a bucket did not tell.
func whyNot(err error) string {
	if err == nil {
		return ""
	}
	switch cooper.KindOf(err) {
	case cooper.KindDenied:
		return "denied: it takes the rights s3:ListBucketMultipartUploads and s3:ListMultipartUploadParts"
	case cooper.KindTimeout:
		return fmt.Sprintf("the bucket took more than %v to tell", uploadsDeadline)
	}
	var e *cooper.Error
	if errors.As(err, &e) && e.Message != "" {
		return e.Message
	}
	return err.Error()
}

// countUploads lists the uploads below prefix and asks for the sizes of the
// first ones.
func (w *work) countUploads(ctx context.Context, bucket, prefix string, c *report.UploadCounter) (err error) {
	b, err := w.Stores.Open(ctx, w.Env, bucket, sizedAtOnce)
	if err != nil {
		return err
	}
	defer finally(&err, b.Close)
	var sized []store.Upload
	asked := prefix
	if b.Endpoint() != "" {
		asked = "" // there are stores that list none below a prefix
	}
	err = b.Uploads(ctx, asked, func(page []store.Upload) error {
		for _, u := range page {
			switch {
			case !cooper.HasPrefix(u.Key, prefix):
			case len(sized) < sizedUploads:
				sized = append(sized, u)
			default:
				c.Add(uploadOf(u, 0, 0), u.StorageClass, false)
			}
		}
		return nil
	})
	return errors.Join(err, sizeUploads(ctx, b, sized, c))
}

// sizeUploads asks for the sizes of uploads. The first error is told, and does
// not keep the others from being counted.
func sizeUploads(ctx context.Context, b store.Uploads, uploads []store.Upload, c *report.UploadCounter) error {
	sizes, err := uploadSizes(ctx, b, uploads, sizedAtOnce)
	if err != nil {
		return err
	}
	var first error
	for i, u := range uploads {
		switch s := sizes[i]; {
		case cooper.KindOf(s.err) == cooper.KindMissing: // it has ended since
		case s.err != nil:
			c.Add(uploadOf(u, 0, 0), u.StorageClass, false)
			if first == nil {
				first = s.err
			}
		default:
			c.Add(uploadOf(u, s.Parts, s.Bytes), u.StorageClass, true)
		}
	}
	return first
}

func uploadOf(u store.Upload, parts int, bytes int64) report.Upload {
	return report.Upload{Key: u.Key, UploadID: u.UploadID, Initiated: u.Initiated, Parts: parts, Bytes: bytes}
}
