// Package manifest is how an archive bucket tells of the objects in it: a file for each step of archiving, JSON lines in
// zstd, below .cooper/archive/ of the bucket. docs/formats/gc.md describes it for others.
//
// It promises that a manifest is read whole or is an error that names it: one that cannot be read could tell of anything. Memory does
// not depend on how many there are. When one is written, and what follows from it, is left to the verbs.
package manifest

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"cooper"
	"cooper/internal/codec/zstd"
	"cooper/internal/gcop"
	"cooper/internal/store"
)

// Format is the version of manifests that this package writes.
const Format = 1

// Prefix is where manifests are, in the archive bucket.
const Prefix = gcop.Internal + "archive/"

const suffix = ".jsonl.zst"

// longestWindow bounds the memory that a manifest may ask for.
const longestWindow = 1 << 27

// Key is the key of the manifest of a shard.
func Key(run string, shard int) string { return fmt.Sprintf("%s%s/%05d%s", Prefix, run, shard, suffix) }

// Head is the first line of a manifest. A line for each version follows.
type Head struct {
	Format int            `json:"format"`
	Plan   string         `json:"plan"`
	Run    string         `json:"run"`
	Shard  int            `json:"shard"`
	Scope  string         `json:"scope"`
	Time   cooper.Instant `json:"time"`
	Count  int            `json:"count"` // of lines that follow
}

// Line is a version in the archive, and all that was known of its original.
type Line struct {
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

// Pack makes a manifest of lines; head needs neither Format nor Count.
func Pack(head Head, lines []Line) ([]byte, error) {
	head.Format, head.Count = Format, len(lines)
	var text bytes.Buffer
	to := json.NewEncoder(&text)
	to.SetEscapeHTML(false)
	err := to.Encode(head)
	for i := range lines {
		if err == nil {
			err = to.Encode(&lines[i])
		}
	}
	if err != nil {
		return nil, err
	}
	return zstd.Append(nil, text.Bytes(), 3)
}

// Bucket is an archive bucket, as it is read.
type Bucket interface {
	store.Reader
	store.Lister
}

// Each reads all manifests of an archive bucket: each is called with the key of one, its head, and each of its lines. An error of each, or
// of the store, ends it as it is; a manifest that cannot be read is KindCorrupt, one of another format KindRefused.
func Each(ctx context.Context, from Bucket, each func(key string, h *Head, l *Line) error) error {
	var refs []store.Ref
	err := from.List(ctx, store.ListQuery{Prefix: Prefix}, func(vs []cooper.Version, _ []string) error {
		for i := range vs {
			if v := &vs[i]; !v.DeleteMarker && strings.HasSuffix(v.Key, suffix) {
				refs = append(refs, store.Ref{Key: v.Key, VersionID: v.VersionID, Size: v.Size})
			}
		}
		return nil
	})
	for i := range refs {
		if err == nil {
			err = one(ctx, from, refs[i], each)
		}
	}
	return err
}

// source keeps apart what the store has said.
type source struct {
	io.Reader
	err error
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.Reader.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = err
	}
	return n, err
}

func one(ctx context.Context, from Bucket, ref store.Ref, each func(string, *Head, *Line) error) (err error) {
	_, body, err := from.Get(ctx, ref, store.Range{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, body.Close()) }()
	src := &source{Reader: body}
	var theirs error
	err = read(src, func(h *Head, l *Line) error {
		theirs = each(ref.Key, h, l)
		return theirs
	})
	switch {
	case err == nil || theirs != nil:
		return theirs
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case src.err != nil && cooper.KindOf(src.err) != cooper.KindInternal:
		return src.err
	case cooper.KindOf(err) == cooper.KindRefused:
		return err
	}
	return &cooper.Error{Kind: cooper.KindCorrupt, Where: cooper.Quote(ref.Key), Message: "a manifest cannot be read: of which handles it tells is not known", Err: err,
		Remedy: "Look at it, and put it back as it was. Without it, copies themselves tell of one of their handles each."}
}

func read(packed io.Reader, each func(*Head, *Line) error) (err error) {
	plain, err := zstd.NewReader(packed, longestWindow)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, plain.Close()) }()
	lines := json.NewDecoder(bufio.NewReader(plain))
	var head Head
	if err := lines.Decode(&head); err != nil {
		return err
	}
	if head.Format != Format {
		return &cooper.Error{Kind: cooper.KindRefused, Where: head.Run, Message: fmt.Sprintf("a manifest of format %d, which is not known here", head.Format), Remedy: "Use the version of cooper that archived, or a newer one."}
	}
	n := 0
	for ; ; n++ {
		var l Line
		if err := lines.Decode(&l); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return err
		}
		if err := each(&head, &l); err != nil {
			return err
		}
	}
	if n != head.Count {
		return io.ErrUnexpectedEOF
	}
	return nil
}
