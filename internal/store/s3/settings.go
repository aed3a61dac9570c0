package s3

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"cooper"
	"cooper/internal/store"
)

// ask sends a request that tells what is kept or set. A store that does not
// know such things, or has nothing of the kind, is told by none.
func (b *Bucket) ask(ctx context.Context, where string, request func(context.Context) error) (none bool, err error) {
	err = b.do(ctx, where, func(ctx context.Context) error {
		if err := request(ctx); err != nil {
			return b.pageFailure(ctx, err)
		}
		return nil
	})
	var f *failure
	if errors.As(err, &f) && f.err == nil && nothingSet(f) {
		return true, nil
	}
	return false, err
}

// nothingSet tells of answers that say that there is none of what was asked
// for. That a key or a version is missing is another matter.
func nothingSet(f *failure) bool {
	switch f.code {
	case "NotImplemented", "XNotImplemented", "NoSuchTagSet", "NoSuchTagSetError", "OwnershipControlsNotFoundError",
		"ObjectLockConfigurationNotFoundError", "ServerSideEncryptionConfigurationNotFoundError", "AccessControlListNotSupported":
		return true
	}
	return f.status == http.StatusNotImplemented
}

// Tags gives the tags of a version.
func (b *Bucket) Tags(ctx context.Context, ref store.Ref) (map[string]string, error) {
	where := b.where(ref.Key, ref.VersionID)
	if err := checkRef(ref, where); err != nil {
		return nil, err
	}
	var out *sdk.GetObjectTaggingOutput
	none, err := b.ask(ctx, where, func(ctx context.Context) (err error) {
		out, err = b.sdk.GetObjectTagging(ctx, &sdk.GetObjectTaggingInput{Bucket: &b.name, Key: &ref.Key, VersionId: optional(ref.VersionID)}, boundedPage)
		return err
	})
	if none || err != nil {
		return nil, err
	}
	var tags map[string]string
	for _, t := range out.TagSet {
		if tags == nil {
			tags = map[string]string{}
		}
		tags[aws.ToString(t.Key)] = aws.ToString(t.Value)
	}
	if len(tags) != len(out.TagSet) {
		return nil, final(malformed("a tag twice"), where)
	}
	return tags, nil
}

// Grants gives the ACL of a version, without the right of the bucket's owner to
// everything.
func (b *Bucket) Grants(ctx context.Context, ref store.Ref) ([]store.Grant, error) {
	where := b.where(ref.Key, ref.VersionID)
	if err := checkRef(ref, where); err != nil {
		return nil, err
	}
	var out *sdk.GetObjectAclOutput
	none, err := b.ask(ctx, where, func(ctx context.Context) (err error) {
		out, err = b.sdk.GetObjectAcl(ctx, &sdk.GetObjectAclInput{Bucket: &b.name, Key: &ref.Key, VersionId: optional(ref.VersionID)}, boundedPage)
		return err
	})
	if none || err != nil {
		return nil, err
	}
	owner, _, err := b.bucketOwner(ctx)
	if err != nil {
		return nil, err
	}
	var grants []store.Grant
	for _, g := range out.Grants {
		if g.Grantee == nil {
			g.Grantee = &types.Grantee{}
		}
		one := store.Grant{ID: aws.ToString(g.Grantee.ID), URI: aws.ToString(g.Grantee.URI), Email: aws.ToString(g.Grantee.EmailAddress), Permission: string(g.Permission)}
		if one.ID+one.URI+one.Email == "" {
			return nil, final(malformed("a grant to nobody"), where)
		}
		if one != ownersRight(owner) {
			grants = append(grants, one)
		}
	}
	return grants, nil
}

// ownersRight is what the owner of a bucket has, as a grant.
func ownersRight(owner string) store.Grant {
	return store.Grant{ID: owner, Permission: string(types.PermissionFullControl)}
}

// addOwner completes an ACL that is to be written: what it does not name is not
// granted.
func (b *Bucket) addOwner(ctx context.Context, p *store.Put) error {
	if len(p.Grants) == 0 {
		return nil
	}
	owner, _, err := b.bucketOwner(ctx)
	if err != nil || owner == "" {
		return err
	}
	p.Grants = append(slices.Clone(p.Grants), ownersRight(owner))
	return nil
}

// owner is what is known of the owner of a bucket.
type owner struct {
	id string // empty if it is not told
	// acls: the store knows ACLs, as far as can be seen.
	acls bool
}

// bucketOwner asks who owns the bucket, once; empty if that is not told.
func (b *Bucket) bucketOwner(ctx context.Context) (id string, acls bool, err error) {
	if known := b.owner.Load(); known != nil {
		return known.id, known.acls, nil
	}
	var out *sdk.GetBucketAclOutput
	none, err := b.ask(ctx, b.where("", ""), func(ctx context.Context) (err error) {
		out, err = b.sdk.GetBucketAcl(ctx, &sdk.GetBucketAclInput{Bucket: &b.name}, boundedPage)
		return err
	})
	found := owner{acls: !none}
	switch {
	case cooper.KindOf(err) == cooper.KindDenied:
	case err != nil:
		return "", false, err
	case !none && out.Owner != nil:
		found.id = aws.ToString(out.Owner.ID)
	}
	b.owner.Store(&found)
	return found.id, found.acls, nil
}

// Settings tells what the bucket is set to.
func (b *Bucket) Settings(ctx context.Context) (s store.Settings, err error) {
	if s.Grants, err = b.countGrants(ctx); err == nil {
		s.Lock, err = b.lockEnabled(ctx)
	}
	if err == nil {
		s.Encryption, err = b.defaultEncryption(ctx)
	}
	if err == nil && s.Grants {
		var acls bool
		s.Owner, acls, err = b.bucketOwner(ctx)
		s.Grants = acls
	}
	return s, err
}

// countGrants tells whether ACLs may count: not where the bucket's owner owns
// everything.
func (b *Bucket) countGrants(ctx context.Context) (bool, error) {
	var out *sdk.GetBucketOwnershipControlsOutput
	none, err := b.ask(ctx, b.where("", ""), func(ctx context.Context) (err error) {
		out, err = b.sdk.GetBucketOwnershipControls(ctx, &sdk.GetBucketOwnershipControlsInput{Bucket: &b.name}, boundedPage)
		return err
	})
	switch {
	case none, cooper.KindOf(err) == cooper.KindDenied:
		return true, nil
	case err != nil:
		return false, err
	}
	enforced := out.OwnershipControls != nil && slices.ContainsFunc(out.OwnershipControls.Rules, func(r types.OwnershipControlsRule) bool {
		return r.ObjectOwnership == types.ObjectOwnershipBucketOwnerEnforced
	})
	return !enforced, nil
}

func (b *Bucket) lockEnabled(ctx context.Context) (bool, error) {
	var out *sdk.GetObjectLockConfigurationOutput
	none, err := b.ask(ctx, b.where("", ""), func(ctx context.Context) (err error) {
		out, err = b.sdk.GetObjectLockConfiguration(ctx, &sdk.GetObjectLockConfigurationInput{Bucket: &b.name}, boundedPage)
		return err
	})
	switch {
	case none:
		return false, nil
	case cooper.KindOf(err) == cooper.KindDenied:
		return true, nil
	case err != nil:
		return false, err
	}
	return out.ObjectLockConfiguration != nil && out.ObjectLockConfiguration.ObjectLockEnabled == types.ObjectLockEnabledEnabled, nil
}

// defaultEncryption is the zero value where nobody tells.
func (b *Bucket) defaultEncryption(ctx context.Context) (e store.Encryption, err error) {
	var out *sdk.GetBucketEncryptionOutput
	none, err := b.ask(ctx, b.where("", ""), func(ctx context.Context) (err error) {
		out, err = b.sdk.GetBucketEncryption(ctx, &sdk.GetBucketEncryptionInput{Bucket: &b.name}, boundedPage)
		return err
	})
	switch {
	case none, cooper.KindOf(err) == cooper.KindDenied:
		return e, nil
	case err != nil, out.ServerSideEncryptionConfiguration == nil:
		return e, err
	}
	for _, r := range out.ServerSideEncryptionConfiguration.Rules {
		if d := r.ApplyServerSideEncryptionByDefault; d != nil {
			e = store.Encryption{Method: string(d.SSEAlgorithm), KMSKey: aws.ToString(d.KMSMasterKeyID), BucketKey: aws.ToBool(r.BucketKeyEnabled)}
		}
	}
	return e, nil
}
