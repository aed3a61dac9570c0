package s3

import (
	"context"
	"errors"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"cooper"
	"cooper/internal/store"
)

// Restore requests that an archived version can be read. A version that is in no
// archive, or a store that restores nothing, is KindInvalid.
func (b *Bucket) Restore(ctx context.Context, ref store.Ref, r store.Restoring) error {
	where := b.where(ref.Key, ref.VersionID)
	if err := checkRef(ref, where); err != nil {
		return err
	}
	want := &types.RestoreRequest{}
	switch {
	case strings.EqualFold(r.Class, store.IntelligentTiering): // Days are refused there
	case r.Days < 1:
		return &cooper.Error{Kind: cooper.KindInvalid, Where: where, Message: "a copy that is to be restored for no day"}
	default:
		want.Days = aws.Int32(int32(min(r.Days, 1<<30)))
	}
	if r.Tier != "" {
		want.GlacierJobParameters = &types.GlacierJobParameters{Tier: types.Tier(r.Tier)}
	}
	err := b.do(ctx, where, func(ctx context.Context) error {
		_, err := b.sdk.RestoreObject(ctx, &sdk.RestoreObjectInput{
			Bucket: &b.name, Key: &ref.Key, VersionId: optional(ref.VersionID), RestoreRequest: want,
		})
		if err != nil {
			err = sdkFailure(ctx, err, b.now())
		}
		var f *failure
		if errors.As(err, &f) && f.code == "RestoreAlreadyInProgress" {
			return nil
		}
		return err
	})
	var (
		ce *cooper.Error
		f  *failure
	)
	switch {
	case errors.As(err, &ce) && ce.Kind == cooper.KindArchived:
		return &cooper.Error{Kind: cooper.KindInvalid, Where: where, Message: "there is nothing to restore", Err: ce.Err}
	case errors.As(err, &f) && f.unknown():
		return &cooper.Error{Kind: cooper.KindInvalid, Where: where, Message: "this store restores nothing", Err: f}
	}
	return err
}
