package archive

import (
	"bytes"
	"context"

	"cooper"
	"cooper/internal/gcop"
	"cooper/internal/manifest"
	"cooper/internal/store"
)

// manifest writes the manifest of all that is to go from now on, and what was proven into the journal.
func (b *batch) manifest(ctx context.Context) error {
	live := b.live()
	if len(live) == 0 {
		return nil
	}
	packed, err := b.manifestOf(live)
	if err != nil {
		return err
	}
	_, err = b.opt.Archive.Put(ctx, store.Put{Key: manifest.Key(b.run, b.shard.N), Size: int64(len(packed)), Body: bytes.NewReader(packed), ContentType: "application/zstd"})
	if err != nil {
		return &cooper.Error{Kind: endingKind(cooper.KindOf(err)), Where: b.Path, Message: "stopped before any original went: the manifest cannot be written", Err: err,
			Remedy: "Ask for the right to write there, and carry the plan out again: it goes on where it stopped."}
	}
	live[0].items[0].out.Requests++
	for _, o := range live {
		for _, it := range o.items {
			it.out.Status = cooper.Done // of what follows, a removal that fails says otherwise
		}
	}
	return b.Plan.Prove(b.run, b.shard.N, b.outs)
}

// endingKind is the kind of an error that ends a run, whatever it was of.
func endingKind(k cooper.Kind) cooper.Kind {
	if k.EndsRun() {
		return k
	}
	return cooper.KindRefused
}

func (b *batch) manifestOf(live []*object) ([]byte, error) {
	var lines []manifest.Line
	for _, o := range live {
		for i, it := range o.items {
			m := manifest.Line{Bucket: o.bucket, Version: it.Version, For: it.args.For, Proof: it.out.Method, SHA256: it.out.Hash}
			if i == 0 {
				m.Handles = it.args.Handles
			}
			if !it.Version.DeleteMarker {
				// Of an original that has gone the copy tells all.
				from := &it.source
				if from.Key == "" {
					from = &it.copy
				}
				m.Key, m.VersionID = it.args.To, it.copy.VersionID
				m.ContentType, m.Metadata, m.Tags, m.Grants = from.ContentType, gcop.WithoutNote(from.Metadata), it.tags, it.grants
				m.Encryption, m.KMSKey = from.Encryption, from.KMSKey
				if from.Headers != (store.Headers{}) {
					m.Headers = &from.Headers
				}
			}
			lines = append(lines, m)
		}
	}
	return manifest.Pack(manifest.Head{Plan: b.shard.Plan, Run: b.run, Shard: b.shard.N, Scope: b.archiving.Scope, Time: cooper.InstantOf(b.opt.Clock())}, lines)
}
