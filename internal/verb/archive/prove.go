package archive

import (
	"context"
	"maps"
	"slices"

	"cooper"
	"cooper/internal/gcop"
	"cooper/internal/reading"
	"cooper/internal/store"
)

// kept makes sure that a copy has what its original has beside its content: some stores lose some of it.
func (b *batch) kept(ctx context.Context, it *item) error {
	src, made := &it.source, &it.copy
	lost := ""
	for name, value := range src.Metadata {
		if made.Metadata[name] != value && !gcop.IsNote(name) {
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

// prove proves that a copy has the bytes of its original.
func (b *batch) prove(ctx context.Context, o *object, it *item) error {
	made := &it.copy
	if made.Size != it.Version.Size {
		return it.error(cooper.KindCorrupt, "its copy has another size", "Remove "+cooper.Quote(it.args.To)+" from the archive.")
	}
	copied := cooper.Version{Identity: cooper.Identity{Key: it.args.To, VersionID: made.VersionID, ETag: made.ETag, Size: made.Size, LastModified: made.LastModified}}
	var tally reading.Tally
	proof, equal, hash, err := reading.Same(ctx, reading.Side{From: o.from.Bucket, Version: &it.Version, Object: &it.source}, reading.Side{From: b.opt.Archive, Version: &copied, Object: made}, &tally)
	it.out.Requests += tally.Requests
	it.out.Bytes += tally.Bytes
	if err != nil {
		return err
	}
	if hash != nil {
		it.out.Hash = hash
	}
	if !equal {
		return it.error(cooper.KindCorrupt, "its copy has other bytes, by "+proof, "Remove "+cooper.Quote(it.args.To)+" from the archive; read the original to see whether it is whole.")
	}
	it.out.Check, it.out.Method = cooper.Verified, proof
	return nil
}
