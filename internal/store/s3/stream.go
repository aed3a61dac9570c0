package s3

import (
	"bytes"
	"context"
	"fmt"
	"hash/crc64"

	"cooper"
	"cooper/internal/store"
)

const (
	defaultStreamPart = 16 << 20
	// smallParts have the least size, however much may come: most objects end
	// before they are used up, and parts are held in memory.
	smallParts = 1000
)

// stream is an upload whose parts come one after the other.
type stream struct {
	m      *multipart
	bound  int64
	sum    uint64 // CRC-64/NVME of what was sent
	closed string // why no part may follow; empty if one may
	broken bool   // a part could not be sent
}

// Begin begins an upload in parts of at most p.Size bytes.
func (b *Bucket) Begin(ctx context.Context, p store.Put) (store.Parts, error) {
	where := b.where(p.Key, "")
	err := checkPut(p, where)
	if err == nil && streamPartSize(p.Size, b.streamPart, smallParts) > maxPart {
		err = &cooper.Error{Kind: cooper.KindInvalid, Where: where, Message: fmt.Sprintf("%d bytes are more than a store takes", p.Size)}
	}
	if err == nil {
		err = b.addOwner(ctx, &p)
	}
	if err != nil {
		return nil, err
	}
	s := &stream{m: &multipart{b: b, p: p, where: where}, bound: p.Size}
	s.m.crc = func() (uint64, error) { return s.sum, nil }
	if err := s.m.create(ctx); err != nil {
		return nil, err
	}
	return s, nil
}

// Discard aborts an upload that an earlier process began.
func (b *Bucket) Discard(ctx context.Context, key, uploadID string) error {
	where := b.where(key, "")
	if err := checkRef(store.Ref{Key: key}, where); err != nil {
		return err
	}
	if uploadID == "" { // that would delete the object
		return &cooper.Error{Kind: cooper.KindInternal, Where: where, Message: "an upload was to be discarded that has no id"}
	}
	return b.discard(ctx, key, uploadID, where)
}

func (s *stream) UploadID() string { return s.m.id }

func (s *stream) PartSize() int {
	return int(streamPartSize(s.bound, s.m.b.streamPart, len(s.m.etags)))
}

// streamPartSize is the size of part i, counted from 0, of an object of at most
// bound bytes: least for the first ones, and for the others as much as lets
// all be sent, in whole MiB.
func streamPartSize(bound, least int64, i int) int64 {
	const mib = 1 << 20
	if i < smallParts || bound <= least*maxParts {
		return least
	}
	return max(least, ((bound-least*smallParts)/(maxParts-smallParts)/mib+1)*mib)
}

func (s *stream) Part(ctx context.Context, b []byte) error {
	if len(b) == 0 {
		return nil
	}
	m, size := s.m, s.PartSize()
	wrong := s.closed
	switch i := len(m.etags); {
	case wrong != "":
	case i >= maxParts:
		wrong = fmt.Sprintf("more than the %d bytes that were announced", s.bound)
	case len(b) > size:
		wrong = fmt.Sprintf("%d bytes as a part of %d", len(b), size)
	}
	if wrong != "" {
		return &cooper.Error{Kind: cooper.KindInternal, Where: m.where, Message: "a part cannot be sent: " + wrong}
	}
	return s.send(ctx, b)
}

func (s *stream) send(ctx context.Context, b []byte) error {
	m := s.m
	if len(b) < s.PartSize() {
		s.closed = "the last one, which was shorter, is sent"
	}
	m.etags, m.md5s = append(m.etags, ""), append(m.md5s, nil)
	if err := m.part(ctx, len(m.etags)-1, newSource(bytes.NewReader(b)), 0, int64(len(b))); err != nil {
		s.closed, s.broken = "an earlier one could not be sent", true
		return err
	}
	m.size += int64(len(b))
	s.sum = crc64.Update(s.sum, nvme, b)
	return nil
}

// Complete makes the object. If that fails the upload is aborted.
func (s *stream) Complete(ctx context.Context) (store.Object, error) {
	if s.broken {
		return store.Object{}, &cooper.Error{Kind: cooper.KindInternal, Where: s.m.where, Message: "an upload cannot be completed without one of its parts"}
	}
	if len(s.m.etags) == 0 { // an object needs one part, which may be empty
		if err := s.send(ctx, nil); err != nil {
			return store.Object{}, s.m.aborted(ctx, err)
		}
	}
	s.closed = "the upload was completed"
	o, err := s.m.complete(ctx)
	if err != nil {
		return o, s.m.aborted(ctx, err)
	}
	return o, nil
}

// Abort gives the parts up, also when ctx has ended.
func (s *stream) Abort(ctx context.Context) error {
	s.closed = "the upload was aborted"
	return s.m.abort(ctx)
}
