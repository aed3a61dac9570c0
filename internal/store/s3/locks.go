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

const (
	rootRetention = "Retention"
	rootHold      = "LegalHold"
)

// Lock reads retention and legal hold of a version. It asks for both: a version may
// have either, and HEAD shows none to those who may not know.
func (b *Bucket) Lock(ctx context.Context, ref store.Ref) (l store.Lock, err error) {
	where := b.where(ref.Key, ref.VersionID)
	if err := checkRef(ref, where); err != nil {
		return l, err
	}
	var retention *types.ObjectLockRetention
	bare, err := b.askLock(ctx, where, rootRetention, func(ctx context.Context, bounded func(*sdk.Options)) error {
		out, err := b.sdk.GetObjectRetention(ctx, &sdk.GetObjectRetentionInput{Bucket: &b.name, Key: &ref.Key, VersionId: optional(ref.VersionID)}, bounded)
		if err == nil {
			retention = out.Retention
		}
		return err
	})
	if err != nil || bare {
		return l, err
	}
	if retention != nil && retention.Mode != "" {
		if l.Mode, l.Until = string(retention.Mode), cooper.InstantOf(aws.ToTime(retention.RetainUntilDate)); retention.RetainUntilDate == nil {
			return l, final(malformed("a retention without end"), where)
		}
	}
	var hold *types.ObjectLockLegalHold
	_, err = b.askLock(ctx, where, rootHold, func(ctx context.Context, bounded func(*sdk.Options)) error {
		out, err := b.sdk.GetObjectLegalHold(ctx, &sdk.GetObjectLegalHoldInput{Bucket: &b.name, Key: &ref.Key, VersionId: optional(ref.VersionID)}, bounded)
		if err == nil {
			hold = out.LegalHold
		}
		return err
	})
	l.LegalHold = hold != nil && hold.Status != "" && hold.Status != types.ObjectLockLegalHoldStatusOff
	return l, err
}

// askLock asks about the lock of a version. bare says that nothing here has one: the
// bucket has no object lock, or the store, which is believed only if it does not say
// of the bucket that it has.
func (b *Bucket) askLock(ctx context.Context, where, root string, request func(context.Context, func(*sdk.Options)) error) (bare bool, err error) {
	err = b.do(ctx, where, func(ctx context.Context) error {
		if err := request(ctx, expecting(root)); err != nil {
			return b.pageFailure(ctx, err)
		}
		return nil
	})
	var f *failure
	switch {
	case err == nil:
		return false, nil
	case !errors.As(err, &f) || f.err != nil && !f.foreign:
		return false, err
	case f.code == "NoSuchObjectLockConfiguration": // this version has none of it
		return false, nil
	case nothingSet(f):
		return true, nil
	case !f.unknown():
		return false, err
	}
	switch enabled, lerr := b.lockEnabled(ctx); {
	case lerr != nil:
		return false, lerr
	case enabled:
		return false, err
	}
	return true, nil
}
