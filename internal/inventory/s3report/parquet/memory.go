package parquet

import (
	"cooper/internal/parquetrows/layout"
)

// memory counts what is held, in bytes. What was once taken is used again, and given
// back when the Reader goes.
type memory struct{ used, limit int64 }

// take counts n bytes more.
func (m *memory) take(n int64) error {
	if n > m.limit-m.used {
		return &layout.TooLargeError{What: "what the file asks for", Bytes: m.used + n, Most: m.limit}
	}
	m.used += n
	return nil
}

// room gives a buffer of n bytes, the given one where it is large enough; what is in
// it does not stay.
func (m *memory) room(b []byte, n int) ([]byte, error) {
	if n <= cap(b) {
		return b[:n], nil
	}
	if err := m.take(int64(n - cap(b))); err != nil {
		return nil, err
	}
	return make([]byte, n), nil
}
