package s3report

import (
	"bytes"
	"unicode/utf8"
	"unsafe"

	"cooper"
)

// Reasons why a row is set aside.
const (
	badFields    = "wrong number of fields"
	badBucket    = "the row is about another bucket"
	badEscape    = "the key's percent-encoding is malformed"
	badUTF8      = "the key is not UTF-8"
	emptyKey     = "the key is empty"
	longKey      = "the key is longer than 1,024 bytes"
	badSize      = "the size is no number of bytes"
	noSize       = "an object without a size"
	badTime      = "the last-modified date is no time"
	badLatest    = "IsLatest is neither true nor false"
	badMarker    = "IsDeleteMarker is neither true nor false"
	badVersionID = "the version id is not UTF-8"
)

const (
	maxKey = 1024 // bytes, S3's limit
	// maxRejectedKey bounds what is kept of a key that makes no sense.
	maxRejectedKey = 4 << 10
)

// row is one row while it is made into a version. Its strings point into
// buffers of the part and are good until the next row.
type row struct {
	schema *schema
	bucket []byte

	version cooper.Version
	key     []byte // as far as it could be read
	hasSize bool

	decoded              []byte // where keys with escapes go
	class, tier          interner
	encryption, checksum interner
	day                  dayCache
}

func newRow(s *schema, bucket string) *row {
	return &row{schema: s, bucket: []byte(bucket)}
}

// csv makes a version of the fields of a CSV record; the reason is empty, or
// says why the row is set aside.
func (r *row) csv(fields [][]byte) (reason string) {
	s := r.schema
	r.version, r.hasSize = cooper.Version{Latest: true}, false
	reason = r.csvKey(fields)
	if len(fields) != len(s.names) {
		return badFields
	}
	if reason != "" {
		return reason
	}
	for c := range s.at {
		if i := s.at[c]; i >= 0 {
			if reason := r.text(column(c), fields[i]); reason != "" {
				return reason
			}
		}
	}
	return r.finish()
}

// csvKey decodes the key, if the record reaches as far.
func (r *row) csvKey(fields [][]byte) (reason string) {
	r.key = nil
	i := r.schema.at[colKey]
	if i >= len(fields) {
		return ""
	}
	key, ok := r.unescape(fields[i])
	r.key = key
	if !ok {
		return badEscape
	}
	return ""
}

// text takes the value of a column in text form. Keys are set before.
func (r *row) text(c column, b []byte) (reason string) {
	v := &r.version
	switch c {
	case colBucket:
		if !bytes.Equal(b, r.bucket) {
			return badBucket
		}
	case colVersionID:
		v.VersionID = alias(b)
	case colIsLatest:
		return boolean(b, &v.Latest, badLatest)
	case colIsDeleteMarker:
		return boolean(b, &v.DeleteMarker, badMarker)
	case colSize:
		if len(b) == 0 {
			return ""
		}
		r.hasSize = true
		return number(b, &v.Size)
	case colLastModified:
		at, ok := r.day.instant(b)
		if !ok {
			return badTime
		}
		v.LastModified = at
	case colETag:
		v.ETag = alias(bytes.Trim(b, `"`))
	case colStorageClass:
		v.StorageClass = r.class.get(b)
	case colTier:
		v.Tier = r.tier.get(b)
	case colEncryption:
		v.Encryption = r.encryption.get(b)
	case colChecksum:
		v.Checksum = r.checksum.get(b)
	}
	return ""
}

// finish normalises the version and checks it as a whole.
func (r *row) finish() (reason string) {
	v := &r.version
	switch {
	case len(r.key) == 0:
		return emptyKey
	case !utf8.Valid(r.key):
		return badUTF8
	case len(r.key) > maxKey:
		return longKey
	case !utf8.ValidString(v.VersionID):
		return badVersionID
	case v.DeleteMarker:
		v.Size, v.ETag = 0, ""
	case !r.hasSize:
		return noSize
	case v.Size < 0:
		return badSize
	}
	v.Key = alias(r.key)
	if !r.schema.currentOnly && v.VersionID == "" {
		v.VersionID = cooper.NullVersion
	}
	return ""
}

// rejectedKey is what is known of the key of a row that was set aside.
func (r *row) rejectedKey() []byte {
	return r.key[:min(len(r.key), maxRejectedKey)]
}

// torn tells whether a row set aside for a reason leaves its key, or that of a
// row it may have swallowed, in doubt: whenever more than a value is wrong.
func torn(reason string) bool {
	switch reason {
	case badUTF8, longKey, badVersionID, noSize, badSize, badTime, badLatest, badMarker, badBucket:
		return false
	}
	return true
}

// unescape undoes the encoding of keys in CSV reports: percent signs, and plus
// signs for spaces. What is malformed is returned as it is.
func (r *row) unescape(b []byte) ([]byte, bool) {
	// Most keys have neither, and stay where they are.
	i := bytes.IndexByte(b, '%')
	if i < 0 && bytes.IndexByte(b, '+') < 0 {
		return b, true
	}
	out := r.decoded[:0]
	for i := 0; i < len(b); i++ {
		c := b[i]
		switch c {
		case '+':
			c = ' '
		case '%':
			if i+2 >= len(b) || hexValue[b[i+1]] < 0 || hexValue[b[i+2]] < 0 {
				return b, false
			}
			c = byte(hexValue[b[i+1]])<<4 | byte(hexValue[b[i+2]])
			i += 2
		}
		out = append(out, c)
	}
	r.decoded = out
	return out, true
}

// hexValue is the value of each hexadecimal digit, -1 for other bytes.
var hexValue = func() (t [256]int8) {
	for i := range t {
		t[i] = -1
	}
	for i := range int8(16) {
		t["0123456789abcdef"[i]], t["0123456789ABCDEF"[i]] = i, i
	}
	return t
}()

func boolean(b []byte, to *bool, reason string) string {
	switch {
	case string(b) == "true" || bytes.EqualFold(b, []byte("true")):
		*to = true
	case string(b) == "false" || bytes.EqualFold(b, []byte("false")):
		*to = false
	default:
		return reason
	}
	return ""
}

// number reads a size: digits alone, within 63 bits.
func number(b []byte, to *int64) string {
	if len(b) == 0 || len(b) > 19 {
		return badSize
	}
	var n uint64
	for _, c := range b {
		if c < '0' || c > '9' {
			return badSize
		}
		n = n*10 + uint64(c-'0')
	}
	if n > 1<<63-1 {
		return badSize
	}
	*to = int64(n)
	return ""
}

// interner gives one string for equal bytes, of which there are few: classes,
// tiers, algorithms.
type interner struct {
	last  string
	known map[string]string
}

// maxInterned bounds what a file of nonsense can make an interner keep.
const maxInterned = 256

func (t *interner) get(b []byte) string {
	if string(b) == t.last {
		return t.last
	}
	s, ok := t.known[string(b)]
	if !ok {
		if len(t.known) >= maxInterned {
			return alias(b)
		}
		if t.known == nil {
			t.known = map[string]string{}
		}
		s = string(b)
		t.known[s] = s
	}
	t.last = s
	return s
}

// alias makes a string that shares b's memory: it is good as long as b is left
// alone, which is what a Sink is promised.
func alias(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
