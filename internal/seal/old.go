package seal

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"sync"
)

// Learn gives the sums of a file of which only the SHA-256 was written down, in
// hexadecimal, and the size if it is not negative, as in old formats. It reads the file
// whole; one that is not what it was is ErrDamaged. From then on parts of it can be read by
// NewReader.
func Learn(ctx context.Context, f io.ReaderAt, size int64, digest string) (Sums, error) {
	var sums Summer
	sum := sha256.New()
	buf := buffers.Get().(*[256 << 10]byte)
	defer buffers.Put(buf)
	for at := int64(0); ; {
		if ctx.Err() != nil {
			return Sums{}, context.Cause(ctx)
		}
		n, err := f.ReadAt(buf[:], at)
		at += int64(n)
		_, _ = sums.Write(buf[:n]) // neither fails
		_, _ = sum.Write(buf[:n])
		if err == io.EOF {
			break
		} else if err != nil {
			return Sums{}, err
		}
	}
	if size >= 0 && sums.Size() != size {
		return Sums{}, fmt.Errorf("%w: it has %d bytes instead of %d", ErrDamaged, sums.Size(), size)
	}
	if hex.EncodeToString(sum.Sum(nil)) != digest {
		return Sums{}, ErrDamaged
	}
	return sums.Sums(), nil
}

// Learnt remembers what Learn gave, so that a process reads each file for it once. The
// zero value is ready; its methods may be called at the same time.
type Learnt struct {
	mu   sync.Mutex
	sums map[learntKey]Sums
}

type learntKey struct{ name, digest string }

// Of is Learn for the open file f, unless that was done before. Whoever comes second waits.
func (l *Learnt) Of(ctx context.Context, f *os.File, size int64, digest string) (Sums, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	key := learntKey{f.Name(), digest}
	if s, ok := l.sums[key]; ok {
		return s, nil
	}
	s, err := Learn(ctx, f, size, digest)
	if err != nil {
		return Sums{}, err
	}
	if l.sums == nil {
		l.sums = map[learntKey]Sums{}
	}
	l.sums[key] = s
	return s, nil
}
