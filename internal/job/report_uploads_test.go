package job

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"cooper"
	"cooper/internal/permit"
	"cooper/internal/price"
	"cooper/internal/report"
	"cooper/internal/store"
)

// someUploads tells sizes, or what keeps it from telling.
type someUploads map[string]error

func (s someUploads) Uploads(context.Context, string, func([]store.Upload) error) error { return nil }
func (s someUploads) Uploaded(_ context.Context, u store.Upload) (store.Uploaded, error) {
	return store.Uploaded{Parts: 1, Bytes: 100}, s[u.Key]
}
func (s someUploads) AbortUpload(context.Context, permit.Permit, store.Upload) error { return nil }

func TestUploadsThatCannotBeSized(t *testing.T) {
	prices, err := price.Load("")
	if err != nil {
		t.Fatal(err)
	}
	c := report.NewUploadCounter(&prices, cooper.InstantOf(time.Date(2026, 11, 20, 1, 0, 0, 0, time.UTC)))
	var all []store.Upload
	for i := range 50 {
		all = append(all, store.Upload{Key: fmt.Sprint(i)})
	}
	err = sizeUploads(t.Context(), someUploads{
		"3": &cooper.Error{Kind: cooper.KindMissing}, "7": &cooper.Error{Kind: cooper.KindDenied}, "9": &cooper.Error{Kind: cooper.KindStore},
	}, all, c)
	u := c.Uploads(whyNot(err))
	// One has ended since; two are there, of unknown size.
	if u.Count != 49 || u.Sized != 47 || u.Bytes != 4700 || !u.Seen || !strings.Contains(u.Why, "ListMultipartUploadParts") {
		t.Errorf("%+v", u)
	}
	if why := whyNot(fmt.Errorf("x: %w", context.DeadlineExceeded)); !strings.Contains(why, "30s") {
		t.Error(why)
	}
}
