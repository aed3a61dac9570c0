package archive

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"cooper"
	"cooper/internal/codec/zstd"
	"cooper/internal/gcop"
	"cooper/internal/store"
)

// ManifestFormat is the version of manifests that this package writes.
const ManifestFormat = 1

// ManifestPrefix is where manifests are, in the archive bucket.
const ManifestPrefix = ".cooper/archive/"

// ManifestKey is the key of the manifest of a shard.
func ManifestKey(run string, shard int) string {
	return fmt.Sprintf("%s%s/%05d.jsonl.zst", ManifestPrefix, run, shard)
}

// ManifestHead is the first line of a manifest. A line for each version follows.
type ManifestHead struct {
	Format int            `json:"format"`
	Plan   string         `json:"plan"`
	Run    string         `json:"run"`
	Shard  int            `json:"shard"`
	Scope  string         `json:"scope"`
	Time   cooper.Instant `json:"time"`
	Count  int            `json:"count"` // of lines that follow
}

// Manifested is a version in the archive, and all that was known of its original.
type Manifested struct {
	Bucket  string         `json:"bucket"` // of the original
	Version cooper.Version `json:"version"`
	// For is the key that the handles have, where the object was compressed.
	For     string        `json:"for,omitempty"`
	Handles []gcop.Holder `json:"handles,omitempty"`
	// Key and VersionID are those in the archive; none of a delete marker.
	Key         string            `json:"archive_key,omitempty"`
	VersionID   string            `json:"archive_version_id,omitempty"`
	Proof       string            `json:"proof,omitempty"`
	SHA256      []byte            `json:"sha256,omitempty"` // where it was read
	ContentType string            `json:"content_type,omitempty"`
	Headers     *store.Headers    `json:"headers,omitempty"`
	Metadata    map[string]string `json:"metadata,omitempty"`
	Tags        map[string]string `json:"tags,omitempty"`
	Grants      []store.Grant     `json:"grants,omitempty"`
	Encryption  string            `json:"encryption,omitempty"`
	KMSKey      string            `json:"kms_key,omitempty"`
}

// manifest writes the manifest of all that is to go from now on, and what was proven into the journal.
func (b *batch) manifest(ctx context.Context) error {
	live := b.live()
	if len(live) == 0 {
		return nil
	}
	text, err := b.manifestOf(live)
	if err != nil {
		return err
	}
	packed, err := zstd.Append(nil, text, 3)
	if err != nil {
		return err
	}
	_, err = b.opt.Archive.Put(ctx, store.Put{Key: ManifestKey(b.run, b.shard.N), Size: int64(len(packed)), Body: bytes.NewReader(packed), ContentType: "application/zstd"})
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

// ReadManifest reads a manifest: each is called with its head and each of its lines. One that cannot be read to its end is an
// error, and so is one of another format.
func ReadManifest(packed io.Reader, each func(*ManifestHead, *Manifested) error) (err error) {
	plain, err := zstd.NewReader(packed, longestWindow)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, plain.Close()) }()
	lines := json.NewDecoder(bufio.NewReader(plain))
	var head ManifestHead
	if err := lines.Decode(&head); err != nil {
		return err
	}
	if head.Format != ManifestFormat {
		return &cooper.Error{Kind: cooper.KindRefused, Where: head.Run, Message: fmt.Sprintf("a manifest of format %d, which is not known here", head.Format), Remedy: "Use the version of cooper that archived, or a newer one."}
	}
	n := 0
	for ; ; n++ {
		var m Manifested
		if err := lines.Decode(&m); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return err
		}
		if err := each(&head, &m); err != nil {
			return err
		}
	}
	if n != head.Count {
		return io.ErrUnexpectedEOF
	}
	return nil
}

// longestWindow bounds the memory that a manifest may ask for.
const longestWindow = 1 << 27

// endingKind is the kind of an error that ends a run, whatever it was of.
func endingKind(k cooper.Kind) cooper.Kind {
	if k.EndsRun() {
		return k
	}
	return cooper.KindRefused
}

func (b *batch) manifestOf(live []*object) ([]byte, error) {
	var lines []Manifested
	for _, o := range live {
		for i, it := range o.items {
			m := Manifested{Bucket: o.bucket, Version: it.Version, For: it.args.For, Proof: it.out.Method, SHA256: it.out.Hash}
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
	var text bytes.Buffer
	to := json.NewEncoder(&text)
	to.SetEscapeHTML(false)
	err := to.Encode(ManifestHead{Format: ManifestFormat, Plan: b.shard.Plan, Run: b.run, Shard: b.shard.N, Scope: b.archiving.Scope, Time: cooper.InstantOf(b.opt.Clock()), Count: len(lines)})
	for i := range lines {
		if err == nil {
			err = to.Encode(&lines[i])
		}
	}
	return text.Bytes(), err
}
