package s3

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"cooper"
	"cooper/internal/store"
)

// question is something that a store may have no answer to.
type question struct {
	lack Lack
	root string // the element that an answer has
	// optional: what comes of no answer is safe, so that it is not waited for.
	optional bool
}

var (
	aboutTags       = question{lack: LacksTags, root: "Tagging"}
	aboutGrants     = question{lack: LacksACL, root: "AccessControlPolicy"}
	aboutOwner      = question{lack: LacksACL, root: "AccessControlPolicy"}
	aboutOwnership  = question{lack: LacksOwnership, root: "OwnershipControls", optional: true}
	aboutLock       = question{lack: LacksLock, root: "ObjectLockConfiguration"}
	aboutEncryption = question{lack: LacksEncryption, root: "ServerSideEncryptionConfiguration", optional: true}
)

// optionalAttempts are how often a store is asked for what can be done without.
const optionalAttempts = 2

// ask sends a request that tells what is kept or set. A store that does not
// know such things, or has nothing of the kind, is told by none.
func (b *Bucket) ask(ctx context.Context, where string, q question, request func(context.Context, func(*sdk.Options)) error) (none bool, err error) {
	if b.lacks.lacks(q.lack) {
		return true, nil
	}
	policy := b.policy
	if q.optional {
		policy.Attempts = optionalAttempts
	}
	err = b.doAs(ctx, policy, where, func(ctx context.Context) error {
		if err := request(ctx, expecting(q.root)); err != nil {
			return b.pageFailure(ctx, err)
		}
		return nil
	})
	var f *failure
	switch {
	case err == nil:
		b.lacks.found(q.lack)
	case !errors.As(err, &f) || f.err != nil && !f.foreign:
	case f.unknown() || b.where("", "") == where && f.status == http.StatusMethodNotAllowed:
		if !b.lacks.open(q.lack) && !q.optional {
			return false, err // it did know, and what it knows may be lost
		}
		if !f.foreign || q.lack != LacksTags {
			b.lacks.missing(q.lack)
		}
		return true, nil
	case nothingSet(f):
		return true, nil
	case q.optional && f.status >= http.StatusInternalServerError:
		return true, nil
	}
	return false, err
}

// expecting makes the SDK read no more of an answer than a page can have, and
// nothing of one whose root element is another: stores that do not know a question
// answer with a listing of the bucket (Swift, Ceph 16), or with the object.
func expecting(roots ...string) func(*sdk.Options) {
	return func(o *sdk.Options) { o.HTTPClient = expectingClient{boundedClient{o.HTTPClient}, roots} }
}

type expectingClient struct {
	boundedClient
	roots []string // any of them
}

// rootWithin is how far into an answer its root element begins, in bytes.
const rootWithin = 4 << 10

// Do sends one request.
func (c expectingClient) Do(r *http.Request) (*http.Response, error) {
	res, err := c.boundedClient.Do(r)
	if err != nil || res.StatusCode/100 != 2 {
		return res, err
	}
	head := bufio.NewReaderSize(res.Body, rootWithin)
	b, err := head.Peek(rootWithin)
	if root := rootOf(b); !slices.Contains(c.roots, root) && root != "Error" && (root != "" || err == nil || errors.Is(err, io.EOF) && len(b) > 0) {
		_ = res.Body.Close() // nothing was read that could be lost
		return nil, &failure{foreign: true, err: fmt.Errorf("no %s, but %q", c.roots[0], clip(string(b[:min(len(b), 200)]), 80))}
	}
	res.Body = struct {
		io.Reader
		io.Closer
	}{head, res.Body}
	return res, nil
}

// rootOf is the name of the first element of a document, empty if there is none.
func rootOf(b []byte) string {
	kind, name, err := (&scanner{b: b}).next()
	if err != nil || kind != tokenOpen {
		return ""
	}
	return string(local(name))
}

// local is the name of an element without the prefix of its namespace.
func local(name []byte) []byte {
	return name[bytes.IndexByte(name, ':')+1:]
}

// nothingSet tells of answers that say that there is none of what was asked
// for. That a key or a version is missing is another matter.
func nothingSet(f *failure) bool {
	switch f.code {
	case "NoSuchTagSet", "NoSuchTagSetError", "OwnershipControlsNotFoundError",
		"ObjectLockConfigurationNotFoundError", "ServerSideEncryptionConfigurationNotFoundError", "AccessControlListNotSupported":
		return true
	case "InvalidRequest": // as Adobe's S3Mock says it
		return strings.Contains(strings.ToLower(f.message), "object lock configuration")
	}
	return false
}

// Grants gives the ACL of a version, without the right of the bucket's owner to
// everything.
func (b *Bucket) Grants(ctx context.Context, ref store.Ref) ([]store.Grant, error) {
	where := b.where(ref.Key, ref.VersionID)
	if err := checkRef(ref, where); err != nil {
		return nil, err
	}
	var out *sdk.GetObjectAclOutput
	none, err := b.ask(ctx, where, aboutGrants, func(ctx context.Context, bounded func(*sdk.Options)) (err error) {
		out, err = b.sdk.GetObjectAcl(ctx, &sdk.GetObjectAclInput{Bucket: &b.name, Key: &ref.Key, VersionId: optional(ref.VersionID)}, bounded)
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
		// A grant to nobody beside an owner without an id is the owner's: MinIO's.
		one := store.Grant{ID: aws.ToString(g.Grantee.ID), URI: aws.ToString(g.Grantee.URI), Email: aws.ToString(g.Grantee.EmailAddress), Permission: string(g.Permission)}
		if one.ID+one.URI+one.Email == "" {
			if one == ownersRight("") && (out.Owner == nil || aws.ToString(out.Owner.ID) == "") {
				continue
			}
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
	none, err := b.ask(ctx, b.where("", ""), aboutOwner, func(ctx context.Context, bounded func(*sdk.Options)) (err error) {
		out, err = b.sdk.GetBucketAcl(ctx, &sdk.GetBucketAclInput{Bucket: &b.name}, bounded)
		return err
	})
	found := owner{acls: !none}
	switch {
	case cooper.KindOf(err) == cooper.KindDenied:
	case err != nil:
		return "", false, err
	case none:
	case out.Owner != nil && aws.ToString(out.Owner.ID) != "":
		found.id = aws.ToString(out.Owner.ID)
	default: // a store whose ACLs name nobody has none
		found.acls = slices.ContainsFunc(out.Grants, func(g types.Grant) bool {
			return g.Grantee != nil && aws.ToString(g.Grantee.ID)+aws.ToString(g.Grantee.URI)+aws.ToString(g.Grantee.EmailAddress) != ""
		})
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
	none, err := b.ask(ctx, b.where("", ""), aboutOwnership, func(ctx context.Context, bounded func(*sdk.Options)) (err error) {
		out, err = b.sdk.GetBucketOwnershipControls(ctx, &sdk.GetBucketOwnershipControlsInput{Bucket: &b.name}, bounded)
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
	none, err := b.ask(ctx, b.where("", ""), aboutLock, func(ctx context.Context, bounded func(*sdk.Options)) (err error) {
		out, err = b.sdk.GetObjectLockConfiguration(ctx, &sdk.GetObjectLockConfigurationInput{Bucket: &b.name}, bounded)
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
	none, err := b.ask(ctx, b.where("", ""), aboutEncryption, func(ctx context.Context, bounded func(*sdk.Options)) (err error) {
		out, err = b.sdk.GetBucketEncryption(ctx, &sdk.GetBucketEncryptionInput{Bucket: &b.name}, bounded)
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
