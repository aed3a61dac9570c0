package orc

// MaxMemory is what a Reader may hold in tests, in bytes.
const MaxMemory = 256 << 20

// SetRows changes what the file says of a stripe.
func (f *File) SetRows(stripe int, rows int64) { f.tail.stripes[stripe].rows = rows }

// SetChunk changes what the file says of its chunks.
func (f *File) SetChunk(size int) { f.tail.blockSize = size }

// SetLimit changes how much may be held, in bytes.
func (r *Reader) SetLimit(n int64) { r.memory.limit = n }

// Held is how much is, in bytes.
func (r *Reader) Held() int64 { return r.memory.used }
