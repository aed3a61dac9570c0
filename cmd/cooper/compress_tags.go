package main

import (
	"context"

	"cooper"
	"cooper/internal/store"
)

// tagsAsked is how many objects are asked for their tags before a run, at most.
const tagsAsked = 8

// mayReadTags refuses to rewrite objects without the right to read their tags, before
// each of them fails for it. An object that is gone by now, or may not be read at
// all, tells nothing: then the next is asked.
func mayReadTags(ctx context.Context, b interface {
	store.Reader
	store.Describer
}, actions []cooper.Action,
) error {
	for _, x := range actions[:min(len(actions), tagsAsked)] {
		ref := store.Ref{Key: x.Version.Key, VersionID: x.Version.VersionID}
		_, err := b.Tags(ctx, ref)
		switch cooper.KindOf(err) {
		case cooper.KindDenied:
		case cooper.KindMissing, cooper.KindChanged, cooper.KindInvalid:
			continue
		default:
			return err
		}
		if _, unread := b.Head(ctx, ref, 0); unread != nil {
			continue
		}
		return &cooper.Error{Kind: cooper.KindRefused, Where: cooper.Quote(x.Version.Key), Message: "the tags of objects cannot be read, and would be lost", Err: err,
			Remedy: "Ask for the rights s3:GetObjectTagging and s3:GetObjectVersionTagging; or, if no object has tags, plan again with --without-tags."}
	}
	return nil
}
