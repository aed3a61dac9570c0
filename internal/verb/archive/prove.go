package archive

import (
	"context"
	"maps"
	"regexp"
	"slices"
	"strings"

	"cooper"
	"cooper/internal/reading"
	"cooper/internal/store"
)

// kept makes sure that a copy has what its original has beside its content: some stores lose some of it.
func (b *batch) kept(ctx context.Context, it *item) error {
	src, made := &it.source, &it.copy
	lost := ""
	for name, value := range src.Metadata {
		if made.Metadata[name] != value && !isOurs(name) {
			lost = "metadata"
		}
	}
	switch {
	case lost != "":
	case src.Headers != made.Headers || src.ContentType != made.ContentType:
		lost = "headers"
	case !store.SameClass(made.StorageClass, it.args.Class):
		return it.error(cooper.KindConflict, "its copy is in the class "+cooper.Quote(made.StorageClass)+", not "+it.args.Class, "Name a class that the store has: archive.class")
	case src.Encryption != "" && (src.Encryption != made.Encryption || src.KMSKey != made.KMSKey):
		lost = "encryption"
	case len(it.tags) > 0:
		it.out.Requests++
		tags, err := b.opt.Archive.Tags(ctx, store.Ref{Key: it.args.To, VersionID: made.VersionID})
		if err != nil {
			return err
		}
		if !maps.Equal(tags, it.tags) {
			lost = "tags"
		}
	}
	if lost == "" && b.opt.Settings.Grants && len(it.grants) > 0 {
		it.out.Requests++
		grants, err := b.opt.Archive.Grants(ctx, store.Ref{Key: it.args.To, VersionID: made.VersionID})
		if err != nil {
			return err
		}
		if slices.ContainsFunc(it.grants, func(g store.Grant) bool { return !slices.Contains(grants, g) }) {
			lost = "ACL"
		}
	}
	if lost != "" {
		return it.error(cooper.KindConflict, "its copy in the archive has lost something: "+lost, "Remove "+cooper.Quote(it.args.To)+" there; this store cannot archive it.")
	}
	return nil
}

// digests are ETags that are sums of bytes, where no key of KMS or of the customer's has a part in them.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_Object.html
var digests = regexp.MustCompile(`^[0-9a-fA-F]{32}(-[1-9][0-9]{0,4})?$`)

// fullObject is the type of checksums that are of all bytes.
const fullObject = "FULL_OBJECT"

// prove proves that a copy has the bytes of its original.
func (b *batch) prove(ctx context.Context, o *object, it *item) error {
	src, made := &it.source, &it.copy
	if made.Size != it.Version.Size {
		return it.error(cooper.KindCorrupt, "its copy has another size", "Remove "+cooper.Quote(it.args.To)+" from the archive.")
	}
	proof, equal := "", false
	if src.ChecksumType == fullObject && made.ChecksumType == fullObject {
		for _, name := range slices.Sorted(maps.Keys(src.Checksums)) {
			if sum := made.Checksums[name]; sum != "" {
				if proof, equal = strings.ToLower(name), sum == src.Checksums[name]; !equal {
					break
				}
			}
		}
	}
	plain := func(e string) bool { return e == "" || e == "AES256" }
	if proof == "" && plain(src.Encryption) && plain(made.Encryption) && digests.MatchString(src.ETag) && strings.EqualFold(src.ETag, made.ETag) {
		proof, equal = "etag", true
	}
	if proof == "" {
		var err error
		if equal, err = b.read(ctx, o, it); err != nil {
			return err
		}
		proof = "read"
	}
	if !equal {
		return it.error(cooper.KindCorrupt, "its copy has other bytes, by "+proof, "Remove "+cooper.Quote(it.args.To)+" from the archive; read the original to see whether it is whole.")
	}
	it.out.Check, it.out.Method = cooper.Verified, proof
	return nil
}

// read reads original and copy, and compares what they hash to.
func (b *batch) read(ctx context.Context, o *object, it *item) (equal bool, err error) {
	copied := cooper.Version{Identity: cooper.Identity{Key: it.args.To, VersionID: it.copy.VersionID, ETag: it.copy.ETag, Size: it.copy.Size, LastModified: it.copy.LastModified}}
	var sums [2][]byte
	for i, from := range []struct {
		store.Reader
		v *cooper.Version
	}{{o.from.Bucket, &it.Version}, {b.opt.Archive, &copied}} {
		if sums[i], err = sumOf(ctx, from.Reader, from.v, it); err != nil {
			return false, err
		}
	}
	it.out.Hash = sums[0]
	return slices.Equal(sums[0], sums[1]), nil
}

// sumOf is the SHA-256 of a version, and counts what it takes.
func sumOf(ctx context.Context, from store.Reader, v *cooper.Version, it *item) ([]byte, error) {
	var tally reading.Tally
	sum, err := reading.SHA256(ctx, from, v, &tally)
	it.out.Requests += tally.Requests
	it.out.Bytes += tally.Bytes
	return sum, err
}
