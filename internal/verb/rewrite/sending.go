package rewrite

import (
	"context"
	"crypto/sha256"
	"hash"
	"io"

	"cooper"
	"cooper/internal/codec"
	"cooper/internal/store"
)

// sending is a stored form on its way: gathered into parts, each given to the
// proof and sent.
type sending struct {
	*job
	put    store.Put
	proof  *codec.Proof // nil once it has ended
	parts  store.Parts  // nil while all of it may be stored with one request
	buf    []byte       // gathered and not yet sent
	total  int64        // gathered so far
	hashed hash.Hash    // of all that was gathered
}

func (j *job) newSending(p store.Put) (*sending, error) {
	proof, err := j.opt.Rewriting.Codec.Prove(codec.DecodeOptions{Key: j.secret.Key})
	if err != nil {
		return nil, err
	}
	return &sending{job: j, put: p, proof: proof, hashed: sha256.New(), buf: make([]byte, 0, firstPart)}, nil
}

func (s *sending) sha() []byte { return s.hashed.Sum(nil) }

// all sends everything but the last part, which it gives. It gives nil where so
// much has come that nothing is saved.
func (s *sending) all(ctx context.Context, from io.Reader) ([]byte, error) {
	for {
		want := firstPart
		if s.parts != nil {
			want = s.parts.PartSize()
		}
		ended, err := s.gather(from, want)
		switch {
		case err != nil:
			return nil, err
		case s.tooLarge(s.total):
			return nil, nil
		case ended:
			return s.buf, nil
		case s.parts == nil:
			if err := s.begin(ctx); err != nil {
				return nil, err
			}
		default:
			if err := s.part(ctx, s.buf[:want]); err != nil {
				return nil, err
			}
			s.buf = s.buf[:copy(s.buf, s.buf[want:])]
		}
	}
}

// gather fills the buffer up to want bytes, and one more: only then it is known
// that they are not the last.
func (s *sending) gather(from io.Reader, want int) (ended bool, err error) {
	if cap(s.buf) <= want {
		s.buf = append(make([]byte, 0, want+1), s.buf...)
	}
	for len(s.buf) <= want {
		n, err := from.Read(s.buf[len(s.buf) : want+1])
		fresh := s.buf[len(s.buf) : len(s.buf)+n]
		s.buf = s.buf[:len(s.buf)+n]
		s.total += int64(n)
		s.hashed.Write(fresh)
		if _, perr := s.proof.Write(fresh); perr != nil {
			return false, unproven(perr)
		}
		if err == io.EOF {
			return true, nil
		} else if err != nil {
			return false, s.unread(err)
		}
	}
	return false, nil
}

func unproven(err error) error {
	return &cooper.Error{Kind: cooper.KindCorrupt, Message: "what was encoded does not decode to what was read", Err: err}
}

// begin begins the upload, and has it noted.
func (s *sending) begin(ctx context.Context) error {
	if s.opt.Parts != nil {
		if err := s.opt.Parts(ctx); err != nil {
			return err
		}
	}
	s.put.Size = s.v.Size // more would be no saving
	s.tally.Requests++
	parts, err := s.bucket.Begin(ctx, s.put)
	if err != nil {
		return err
	}
	s.parts = parts
	if s.opt.Uploads == nil {
		return nil
	}
	return s.opt.Uploads(s.put.Key, parts.UploadID())
}

func (s *sending) part(ctx context.Context, b []byte) error {
	s.tally.Requests++
	if err := s.parts.Part(ctx, b); err != nil {
		return err
	}
	s.job.sent += int64(len(b))
	return nil
}

// proven ends the proof: all that was gathered decodes to what sums describe.
func (s *sending) proven(sums *codec.Sums) error {
	found, err := s.proof.Close()
	s.proof = nil
	if err == nil && !found.SamePlain(*sums) {
		err = &cooper.Error{Kind: cooper.KindCorrupt, Message: "another content"}
	}
	if err != nil {
		return unproven(err)
	}
	return nil
}

// complete sends the last part and makes the object.
func (s *sending) complete(ctx context.Context, last []byte, sums *codec.Sums) (*cooper.Content, error) {
	if err := s.part(ctx, last); err != nil {
		return nil, err
	}
	s.tally.Requests++
	made, err := s.parts.Complete(ctx)
	s.parts = nil // also if it failed: then it was aborted
	return s.written(ctx, &s.put, made, sums, s.sha, err)
}

// end gives up what is not complete. err is why, if anything failed; if nothing
// did, and giving up does, the note of the upload will do.
func (s *sending) end(ctx context.Context, err error) error {
	if s.proof != nil {
		s.proof.Abort()
	}
	if s.parts == nil {
		return err
	}
	s.tally.Requests++
	if aerr := s.parts.Abort(ctx); aerr != nil && err != nil {
		return partsRemain(aerr, err)
	}
	return err
}
