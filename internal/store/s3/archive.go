package s3

import (
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"cooper"
	"cooper/internal/store"
)

// Restore requests a temporary copy for days days. 0 days leave the number out,
// as versions in Intelligent-Tiering's archive tiers want it: they move back
// for good. A version that is in no archive is KindInvalid.
func (b *Bucket) Restore(ctx context.Context, ref store.Ref, days int, tier string) error {
	where := b.where(ref.Key, ref.VersionID)
	if err := checkRef(ref, where); err != nil {
		return err
	}
	want := &types.RestoreRequest{}
	if days > 0 {
		want.Days = aws.Int32(int32(min(days, 1<<30)))
	}
	if tier != "" {
		want.GlacierJobParameters = &types.GlacierJobParameters{Tier: types.Tier(tier)}
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
	var ce *cooper.Error
	if errors.As(err, &ce) && ce.Kind == cooper.KindArchived {
		return &cooper.Error{Kind: cooper.KindInvalid, Where: where, Message: "there is nothing to restore", Err: ce.Err}
	}
	return err
}
