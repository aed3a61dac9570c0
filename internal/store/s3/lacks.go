package s3

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
)

// Lack is something that not every store has and that can be done without. The
// values are names to be kept.
type Lack string

// What a store may lack. What is only not set in a bucket, as ACLs where its owner
// owns everything, is no lack.
const (
	LacksSums       Lack = "checksum-headers" // it refuses x-amz-checksum-… with what is sent
	LacksSumMode    Lack = "checksum-mode"    // it refuses to be asked for checksums
	LacksDeleteMany Lack = "delete-objects"   // it has no DeleteObjects
	LacksOwnership  Lack = "ownership-controls"
	LacksACL        Lack = "acl"
	LacksLock       Lack = "object-lock"
	LacksEncryption Lack = "encryption"
	LacksTags       Lack = "tagging"
)

var allLacks = []Lack{LacksSums, LacksSumMode, LacksDeleteMany, LacksOwnership, LacksACL, LacksLock, LacksEncryption, LacksTags}

// Without says what is done where a store lacks something.
func (l Lack) Without() string {
	switch l {
	case LacksSums:
		return "the store takes no x-amz-checksum headers, and is told the MD5 of what it gets"
	case LacksSumMode:
		return "the store cannot be asked for checksums: objects are checked by ETag alone"
	case LacksDeleteMany:
		return "the store has no DeleteObjects: each version is removed by a request of its own"
	case LacksOwnership:
		return "the store knows no ownership controls: ACLs are taken to count"
	case LacksACL:
		return "the store has no ACLs"
	case LacksLock:
		return "the store has no object lock"
	case LacksEncryption:
		return "the store does not tell how the bucket is encrypted by default"
	case LacksTags:
		return "the store has no tags"
	}
	return "the store lacks " + string(l)
}

// lacks is what is known of one store; nil: that of one that has everything. Its
// methods are safe for concurrent use.
type lacks struct {
	state  [8]atomic.Int32 // by place in allLacks: see below
	learnt func(Lack)
	told   map[Lack]bool // who is to learn it knows it already
}

const (
	notTried int32 = iota
	has
	lacking
)

func newLacks(known []Lack, learnt func(Lack)) *lacks {
	if learnt == nil {
		learnt = func(Lack) {}
	}
	l := &lacks{learnt: learnt, told: map[Lack]bool{}}
	for _, one := range known {
		if one == LacksTags || one == LacksACL {
			// One wrong answer would cost the tags, or ACLs, of all that is stored anew
			// within a day: it is found out again by each process.
			l.told[one] = true
		} else if i := slices.Index(allLacks, one); i >= 0 {
			l.state[i].Store(lacking)
		}
	}
	return l
}

func (l *lacks) of(what Lack) *atomic.Int32 { return &l.state[slices.Index(allLacks, what)] }

// lacks tells whether the store is known to lack something.
func (l *lacks) lacks(what Lack) bool { return l != nil && l.of(what).Load() == lacking }

// open tells whether it is not known yet.
func (l *lacks) open(what Lack) bool { return l != nil && l.of(what).Load() == notTried }

func (l *lacks) found(what Lack) {
	if l == nil {
		return
	}
	if s := l.of(what); s.Load() == notTried {
		s.CompareAndSwap(notTried, has)
	}
}

// missing notes a lack, and tells of it the first time.
func (l *lacks) missing(what Lack) {
	if l != nil && l.of(what).Swap(lacking) != lacking && !l.told[what] {
		l.learnt(what)
	}
}

// unknown tells of an answer that says that a store does not know what it was asked
// for: by name, by status, or by answering something else.
func (f *failure) unknown() bool {
	switch f.code {
	case "NotImplemented", "XNotImplemented", "NotSupported", "UnsupportedOperation":
		return true
	}
	return f.foreign || f.status == http.StatusNotImplemented || f.status == http.StatusBadRequest && strings.Contains(strings.ToLower(f.message), "not implemented")
}

// refusesSums tells whether an answer may be about a header with a checksum. Stores
// that do not know them name the header (Backblaze B2:
// "Unsupported header 'x-amz-checksum-crc32' received for this API call"), or say
// only that some header is not implemented (S3Proxy).
func refusesSums(err error) bool {
	var f *failure
	if !errors.As(err, &f) || f.err != nil || f.status/100 == 2 {
		return false
	}
	if f.unknown() {
		return true
	}
	text := strings.ToLower(f.message)
	return f.status == http.StatusBadRequest && (f.code == "" && text == "" || // HEAD has no words
		strings.Contains(text, "checksum") || strings.Contains(text, "header")) &&
		!strings.Contains(f.code, "Digest") && !strings.Contains(f.code, "Mismatch")
}

// trying sends a request with something that a store may lack, and without it if
// that is refused. Only what then is not refused is a lack. A store that does not
// know the request without it either lacks the request, and says so; what got no
// answer the second time may have been done.
func (l *lacks) trying(what Lack, send func(with bool) error) error {
	if l.lacks(what) {
		return send(false)
	}
	err := send(true)
	if err == nil {
		l.found(what)
		return nil
	}
	switch {
	case l.lacks(what): // somebody has found out meanwhile
		return send(false)
	case !l.open(what) || !refusesSums(err):
		return err
	}
	again := send(false)
	var f *failure
	if errors.As(again, &f) && f.err == nil && !f.unknown() && refusesSums(again) {
		return err
	}
	if again == nil {
		l.missing(what)
	}
	return again
}
