package store

import (
	"context"
	"maps"
	"strings"

	"cooper/internal/permit"
)

// Source is a bucket from which another one copies.
type Source interface {
	Reader
	Name() string
	// Endpoint is the store's URL; empty for Amazon S3.
	Endpoint() string
}

// MaxWholeCopy is up to how many bytes one request copies.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html
const MaxWholeCopy = 5 << 30

// Copy is a copy of one version that the store makes by itself: no byte comes
// here.
type Copy struct {
	// Source is the version as Head told it by its version id; Key, ETag and Size
	// must be there. What has another ETag by now is not copied.
	Source Object
	// Put is what the copy is to be, whole: S3 can take a description over or have it
	// written anew, not add to it, and it never takes over ACL, class and encryption.
	// Describe makes it of what is to be kept. Body and Size do not count.
	Put Put
	// AsParts copies a version that was uploaded in parts in the same parts, also
	// where one request would do: its ETag, which follows from the parts, is then that
	// of the copy, where both are sums of the bytes. Above MaxWholeCopy it is always
	// done so.
	AsParts bool
}

// Copier copies versions within one store into a bucket.
type Copier interface {
	// Copy copies a version of from, which may be the same bucket, even onto itself,
	// as to give it another class. It returns what the store said of the copy: ETag,
	// version id, and the checksums it has; Size is Untold unless it was copied in
	// parts. That the copy is one is for the caller to prove: some stores heed neither
	// Put's conditions nor the source's ETag, some lose tags, a few copy another version than was named
	// without telling.
	//
	// Without Put.IfNoneMatch it may take the place of something, and asks for a
	// permit. Kinds: KindMissing, KindChanged and KindArchived are said of the source,
	// KindChanged also of Put.IfMatch; KindConflict: something is there already.
	// KindRefused: from is another store's. KindInvalid: the store does not copy, or
	// something would be lost. An answer that got lost is looked up before anything
	// is repeated; what is copied in parts is aborted if it fails.
	Copy(ctx context.Context, p permit.Permit, from Source, c Copy) (Object, error)
}

// Describe is a Put for another object like o under a key, with all that Head told:
// type, headers, metadata, class, encryption. tags and grants, which Head does not
// tell, are those of Describer; what holds o, its lock, is left out.
func Describe(o *Object, key string, tags map[string]string, grants []Grant) Put {
	return Put{
		Key: key, Size: o.Size, ContentType: o.ContentType, Metadata: maps.Clone(o.Metadata), Headers: o.Headers,
		Tags: maps.Clone(tags), Grants: grants, StorageClass: o.StorageClass,
		Encryption: Encryption{Method: o.Encryption, KMSKey: o.KMSKey, BucketKey: o.BucketKey},
	}
}

// MaxTags is how many tags a version can have.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-tagging.html
const MaxTags = 10

// TagWriter writes tags of versions that are there.
type TagWriter interface {
	// SetTags gives a version these tags and no others: what it has is read by
	// Describer and merged by the caller, and read back by whom it matters to. S3 knows no condition on it: a
	// ref with IfMatch is KindInvalid, as are tags that S3 does not take, and a store
	// without tags.
	SetTags(ctx context.Context, p permit.Permit, ref Ref, tags map[string]string) error
}

// Locks reads what holds a version. Head tells it to those alone who may know, and
// its silence means nothing; here silence is KindDenied.
type Locks interface {
	// Lock is the retention and the legal hold of a version. It is the zero value
	// in a bucket, or a store, without object lock.
	Lock(ctx context.Context, ref Ref) (Lock, error)
}

// SameClass tells whether two names of storage classes are one: STANDARD goes
// without saying.
func SameClass(a, b string) bool {
	plain := func(s string) string {
		if s == "STANDARD" {
			return ""
		}
		return s
	}
	return strings.EqualFold(plain(a), plain(b))
}
