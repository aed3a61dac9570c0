package reading

import (
	"context"
	"maps"
	"regexp"
	"slices"
	"strings"

	"cooper"
	"cooper/internal/store"
)

// How two versions were found to have the same bytes, or not; or the name of a checksum in lower case.
const (
	ByETag = "etag"
	ByRead = "read"
)

// digests are ETags that are sums of bytes, where no key of KMS or of the customer's has a part in them.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_Object.html
var digests = regexp.MustCompile(`^[0-9a-fA-F]{32}(-[1-9][0-9]{0,4})?$`)

// fullObject is the type of checksums that are of all bytes.
const fullObject = "FULL_OBJECT"

// Sums tells whether the ETag of a version is a sum of its bytes.
func Sums(o *store.Object) bool {
	return (o.Encryption == "" || o.Encryption == "AES256") && digests.MatchString(o.ETag)
}

// Vouched tells whether two versions of the same size have the same bytes as far as their stores tell: by the same checksums
// of all bytes, or by MD5 of the whole or of the same parts. proof is empty where they do not tell.
func Vouched(a, b *store.Object) (proof string, equal bool) {
	if a.ChecksumType == fullObject && b.ChecksumType == fullObject {
		for _, name := range slices.Sorted(maps.Keys(a.Checksums)) {
			if sum := b.Checksums[name]; sum != "" {
				if proof, equal = strings.ToLower(name), sum == a.Checksums[name]; !equal {
					return proof, false
				}
			}
		}
	}
	if proof == "" && Sums(a) && Sums(b) && strings.EqualFold(a.ETag, b.ETag) {
		return ByETag, true
	}
	return proof, equal
}

// Side is one of two versions that are compared: as it is read, and as its store has described it.
type Side struct {
	From    store.Reader
	Version *cooper.Version
	Object  *store.Object
}

// Same tells whether two versions have the same bytes: as their stores vouch for, else both are read. hash is the SHA-256 of
// the first, if it was read.
func Same(ctx context.Context, a, b Side, tally *Tally) (proof string, equal bool, hash []byte, err error) {
	if a.Object.Size != b.Object.Size {
		return "size", false, nil, nil
	}
	if proof, equal := Vouched(a.Object, b.Object); proof != "" {
		return proof, equal, nil, nil
	}
	if hash, err = SHA256(ctx, a.From, a.Version, tally); err != nil {
		return ByRead, false, nil, err
	}
	other, err := SHA256(ctx, b.From, b.Version, tally)
	return ByRead, err == nil && slices.Equal(hash, other), hash, err
}
