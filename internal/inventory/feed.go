package inventory

import (
	"context"
	"encoding/binary"
	"errors"
	"math"
	"sync"
	"unicode/utf8"

	"golang.org/x/sync/errgroup"

	"cooper"
	"cooper/internal/inventory/extsort"
)

// Limits of what is kept of one row, in bytes.
const (
	maxRow          = extsort.MaxRecord / 4 // a key may double on its way
	maxRejectedKey  = 64 << 10
	maxRejectedText = 1 << 10
)

// MaxSize is the most that S3 takes for one object, in bytes. What is larger is a
// mistake of a report, and would spoil every sum that it is in.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/upload-objects.html
const MaxSize = 50 << 40

// Times a row may have, so that every engine can show them: years 1 to 9999.
const (
	minTime = -62135596800000
	maxTime = 253402300799999
)

// intake reads the parts of a source into two sorters.
type intake struct {
	scope    Scope
	versions *extsort.Sorter
	rejects  *extsort.Sorter
	classes  *classes
	progress func(read int64)

	mu       sync.Mutex
	read     int64
	outside  int64
	rejected int64
	torn     int64
	unnamed  int64
}

// run reads the parts, several at once.
func (in *intake) run(ctx context.Context, parts []Part, workers int) error {
	g, ctx := errgroup.WithContext(ctx)
	queue := make(chan Part, len(parts))
	for _, p := range parts {
		queue <- p
	}
	close(queue)
	for range workers {
		g.Go(func() error {
			s := &sink{in: in, ctx: ctx, versions: in.versions.Feeder(), rejects: in.rejects.Feeder()}
			for p := range queue {
				if err := s.take(p); err != nil {
					return err
				}
			}
			s.versions.Close()
			s.rejects.Close()
			return nil
		})
	}
	return g.Wait()
}

// sink takes the rows of one part after the other.
type sink struct {
	in                *intake
	ctx               context.Context
	versions, rejects *extsort.Feeder
	part              string
	row               int64 // of the part
	key, data         []byte
	class             class  // the one seen last
	number            uint64 // of class
	numbered          bool
	// What in has not been told yet.
	read, outside, rejected, torn, unnamed int64
}

// take reads a part whole.
func (s *sink) take(p Part) error {
	if s.ctx.Err() != nil {
		return context.Cause(s.ctx)
	}
	s.part, s.row = p.Name(), 0
	err := p.Read(s.ctx, s)
	s.tell()
	var known *cooper.Error
	if err == nil || errors.As(err, &known) {
		return err
	}
	return &cooper.Error{Kind: cooper.KindOf(err), Where: p.Name(), Message: "cannot be read whole", Err: err}
}

// tell adds to what all sinks have counted.
func (s *sink) tell() {
	s.in.mu.Lock()
	defer s.in.mu.Unlock()
	s.in.read += s.read
	s.in.outside += s.outside
	s.in.rejected += s.rejected
	s.in.torn += s.torn
	s.in.unnamed += s.unnamed
	s.read, s.outside, s.rejected, s.torn, s.unnamed = 0, 0, 0, 0, 0
	s.in.progress(s.in.read)
}

func (s *sink) count() error {
	s.row++
	if s.read++; s.read%4096 == 0 {
		s.tell()
		if s.ctx.Err() != nil {
			return context.Cause(s.ctx)
		}
	}
	return nil
}

// Version takes a row.
func (s *sink) Version(v *cooper.Version) error {
	if err := s.count(); err != nil {
		return err
	}
	if reason := s.flaw(v); reason != "" {
		return s.reject(Rejected{File: s.part, Row: s.row, Key: []byte(v.Key), Reason: reason})
	}
	if !cooper.HasPrefix(v.Key, s.in.scope.Prefix) {
		s.outside++
		return nil
	}
	s.key = appendSortKey(s.key[:0], v)
	s.data = appendData(s.data[:0], v, s.number)
	return s.versions.Add(s.ctx, s.key, s.data)
}

// flaw says why a row makes no sense.
func (s *sink) flaw(v *cooper.Version) string {
	switch {
	case v.Key == "":
		return "no key"
	case len(v.Key)+len(v.VersionID)+len(v.ETag)+len(v.StorageClass)+len(v.Tier)+len(v.Encryption)+len(v.Checksum) > maxRow:
		return "row is too long"
	case !utf8.ValidString(v.Key):
		return "key is not UTF-8"
	case !utf8.ValidString(v.VersionID):
		return "version id is not UTF-8"
	case !utf8.ValidString(v.ETag):
		return "ETag is not UTF-8"
	case v.Size < 0:
		return "negative size"
	case v.Size > MaxSize:
		return "the size is beyond 50 TiB, the most that S3 takes"
	case v.LastModified < minTime || v.LastModified > maxTime:
		return "time is out of range"
	}
	if c := classOf(v); !s.numbered || c != s.class {
		if !utf8.ValidString(c.storage) || !utf8.ValidString(c.tier) || !utf8.ValidString(c.encryption) || !utf8.ValidString(c.checksum) {
			return "text is not UTF-8"
		}
		s.number, s.class = s.in.classes.number(c)
		s.numbered = true
	}
	return ""
}

// Unnamed counts keys that are not told.
func (s *sink) Unnamed(keys int64) { s.unnamed += keys }

// Reject takes a row that its part could not make sense of.
func (s *sink) Reject(r Rejected) error {
	if err := s.count(); err != nil {
		return err
	}
	return s.reject(r)
}

func (s *sink) reject(r Rejected) error {
	s.rejected++
	if r.Torn || len(r.Key) == 0 {
		s.torn++
	}
	s.key = appendObjectKey(s.key[:0], r.Key[:min(len(r.Key), maxRejectedKey)])
	s.data = appendText(s.data[:0], r.File[:min(len(r.File), maxRejectedText)])
	s.data = binary.BigEndian.AppendUint64(s.data, uint64(max(r.Row, 0)))
	s.data = append(s.data, r.Reason[:min(len(r.Reason), maxRejectedText)]...)
	return s.rejects.Add(s.ctx, s.key, s.data)
}

// parseRejected undoes what reject makes.
func parseRejected(key, data []byte) Rejected {
	file, data := cutText(data)
	return Rejected{
		File: string(file), Row: int64(binary.BigEndian.Uint64(data) & math.MaxInt64),
		Key: appendUnescaped(nil, key[:len(key)-2]), Reason: string(data[8:]),
	}
}
