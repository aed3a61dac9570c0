package fetch

import (
	"bytes"
	"context"
	"crypto/md5"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"syscall"
	"testing"

	"cooper"
	"cooper/internal/store"
	"cooper/internal/tree"
	"cooper/internal/verb/verbtest"
)

// scene is a store with one object, a staging, and the order of all that was
// done to either.
type scene struct {
	data    []byte
	version cooper.Version
	// faults are what the requests meet, one after the other: "cut 40" ends the
	// body after 40 bytes with an error, "end 40" ends it as if it were whole,
	// "flip 40" changes the 40th byte, "more" adds one, "whole" passes over the
	// range; "other size", "other etag", "other time", "other id" answer
	// with another identity; a kind fails with it.
	faults []string
	part   int64  // size of parts as HEAD tells it
	kms    bool   // the answer says aws:kms
	staged []byte // what was staged before
	full   int    // writing fails after so many bytes, if not 0
	trace  strings.Builder

	restoring store.Restoring // what was asked for last
}

func (s *scene) log(format string, args ...any) { fmt.Fprintf(&s.trace, format+"\n", args...) }

func (s *scene) next() (fault string) {
	if len(s.faults) > 0 {
		fault, s.faults = s.faults[0], s.faults[1:]
	}
	return fault
}

func (s *scene) object() store.Object {
	o := store.Object{Key: s.version.Key, VersionID: s.version.VersionID, ETag: s.version.ETag, Size: int64(len(s.data)), LastModified: s.version.LastModified / 1000 * 1000}
	if s.kms {
		o.Encryption = "aws:kms"
	}
	return o
}

func (s *scene) Get(ctx context.Context, ref store.Ref, r store.Range) (store.Object, io.ReadCloser, error) {
	line := fmt.Sprintf("GET %s version %s if-match %.8s", ref.Key, ref.VersionID, ref.IfMatch)
	if r.From > 0 {
		line += fmt.Sprintf(" from %d", r.From)
	}
	s.log("%s", line)
	if err := ctx.Err(); err != nil {
		return store.Object{}, nil, err
	}
	fault := s.next()
	o, data := s.object(), bytes.Clone(s.data[r.From:])
	o.Length = int64(len(data))
	end, n := io.EOF, 0
	word, rest, _ := strings.Cut(fault, " ")
	fmt.Sscan(rest, &n)
	switch word {
	case "":
	case "cut":
		data, end = data[:n], io.ErrUnexpectedEOF
	case "end":
		data = data[:n]
	case "flip":
		data[n] ^= 1
	case "more":
		data = append(data, 'x')
	case "whole":
		data = s.data
		o.Length = int64(len(data))
	case "other":
		switch rest {
		case "size":
			o.Size++
		case "etag":
			o.ETag = strings.Repeat("0", 32)
		case "time":
			o.LastModified += 5000
		case "id":
			o.VersionID = "v2"
		}
	default:
		return store.Object{}, nil, &cooper.Error{Kind: cooper.Kind(word), Where: ref.Key, Message: "no"}
	}
	return o, &body{s, io.MultiReader(bytes.NewReader(data), failing{end})}, nil
}

func (s *scene) Head(_ context.Context, ref store.Ref, part int) (store.Object, error) {
	s.log("HEAD %s version %s part %d", ref.Key, ref.VersionID, part)
	if fault := s.next(); fault != "" {
		return store.Object{}, &cooper.Error{Kind: cooper.Kind(fault), Where: ref.Key, Message: "no"}
	}
	o := s.object()
	if s.part > 0 {
		o.Parts = (len(s.data) + int(s.part) - 1) / int(s.part)
		o.Length = min(s.part, int64(len(s.data))-int64(part-1)*s.part)
	}
	return o, nil
}

func (s *scene) Restore(_ context.Context, ref store.Ref, r store.Restoring) error {
	s.log("RESTORE %s version %s, %d days, %s", ref.Key, ref.VersionID, r.Days, r.Tier)
	s.restoring = r
	if fault := s.next(); fault != "" {
		return &cooper.Error{Kind: cooper.Kind(fault), Where: ref.Key, Message: "no"}
	}
	return nil
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

type body struct {
	s *scene
	io.Reader
}

func (b *body) Close() error { b.s.log("  close body"); return nil }

func (s *scene) Find(cooper.Identity) (tree.StagedInfo, bool) {
	if s.staged == nil {
		return tree.StagedInfo{}, false
	}
	s.log("found staged, %d bytes", len(s.staged))
	return tree.StagedInfo{Size: int64(len(s.staged))}, true
}

func (s *scene) Open(cooper.Identity) (File, error) {
	s.log("open staged")
	return opened{s, bytes.NewReader(s.staged)}, nil
}

type opened struct {
	s *scene
	*bytes.Reader
}

func (o opened) Close() error { o.s.log("  close staged"); return nil }

func (s *scene) Create(cooper.Identity) (Staged, error) {
	s.log("create staged")
	return &staged{s: s}, nil
}

func (s *scene) Discard(cooper.Identity) error {
	s.log("discard staged")
	s.staged = nil
	return nil
}

type staged struct {
	s    *scene
	data []byte
}

func (f *staged) Write(b []byte) (int, error) {
	if f.s.full > 0 && len(f.data)+len(b) > f.s.full {
		f.s.log("  write %d: full", len(b))
		return 0, &cooper.Error{Kind: cooper.KindFull, Message: "no space left"}
	}
	f.s.log("  write %d", len(b))
	f.data = append(f.data, b...)
	return len(b), nil
}

func (f *staged) ReadAt(b []byte, off int64) (int, error) {
	return bytes.NewReader(f.data).ReadAt(b, off)
}

func (f *staged) Done(mtime cooper.Instant) error {
	f.s.log("  done, mtime %s", mtime)
	f.s.staged = f.data
	return nil
}

func (f *staged) Abort() error { f.s.log("  abort"); return nil }

func pattern(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i * i >> 3)
	}
	return b
}

func newScene(data []byte, etag string) *scene {
	s := &scene{data: data}
	s.version = cooper.Version{
		Identity: cooper.Identity{Key: "a/b", VersionID: "v1", ETag: etag, Size: int64(len(data)), LastModified: 1700000000123},
		Latest:   true, StorageClass: "STANDARD",
	}
	return s
}

func plain(n int) *scene {
	data := pattern(n)
	return newScene(data, fmt.Sprintf("%x", md5.Sum(data)))
}

// inParts is an object uploaded in parts of a size no client uses.
func inParts() *scene {
	data := pattern(5 << 19)
	const size = 1<<20 + 7
	var sums []byte
	for rest := data; len(rest) > 0; {
		k := min(size, len(rest))
		sum := md5.Sum(rest[:k])
		sums, rest = append(sums, sum[:]...), rest[k:]
	}
	s := newScene(data, fmt.Sprintf("%x-3", md5.Sum(sums)))
	s.part = size
	return s
}

func with(s *scene, change func(s *scene)) *scene { change(s); return s }

func faulty(n int, faults ...string) *scene {
	return with(plain(n), func(s *scene) { s.faults = faults })
}

// TestTraces compares every request and file operation, in order, with
// testdata/traces.txt.
func TestTraces(t *testing.T) {
	var got strings.Builder
	for _, c := range []struct {
		name string
		s    *scene
	}{
		{"fresh", plain(100)},
		{"fresh, no bytes", plain(0)},
		{"fresh, without versioning", with(plain(100), func(s *scene) { s.version.VersionID = cooper.NullVersion })},
		{"the inventory does not tell version ids", with(plain(100), func(s *scene) { s.version.VersionID = "" })},
		{"staged already", with(plain(100), func(s *scene) { s.staged = s.data })},
		{"staged already, but zeros after a crash", with(plain(100), func(s *scene) { s.staged = make([]byte, 100) })},
		{"staged already, but too short", with(plain(100), func(s *scene) { s.staged = s.data[:50] })},
		{"staged already, but nothing to check it by", with(plain(100), func(s *scene) {
			s.staged, s.version.ETag, s.version.Encryption = s.data, strings.Repeat("1", 32), "SSE-KMS"
		})},
		{"body cut short", faulty(100, "cut 40")},
		{"body cut short, silently, twice", faulty(100, "end 40", "end 0")},
		{"body cut short too often", faulty(100, "cut 40", "cut 0", "cut 0", "cut 1", "cut 0", "cut 0")},
		{"cut body, then changed", faulty(100, "cut 40", "other etag")},
		{"cut body, then the store passes over the range", faulty(100, "cut 40", "whole")},
		{"error after the last byte", faulty(100, "cut 100")},
		{"corrupt once", faulty(100, "flip 7")},
		{"corrupt every time", faulty(100, "flip 7", "flip 8", "flip 9")},
		{"more bytes than there should be", faulty(100, "more")},
		{"changed: the precondition failed", faulty(100, "changed")},
		{"changed: another ETag", faulty(100, "other etag")},
		{"changed: another size", faulty(100, "other size")},
		{"changed: another time of a null version", with(faulty(100, "other time"), func(s *scene) { s.version.VersionID = cooper.NullVersion })},
		{"another time of a version with an id of its own", faulty(100, "other time")},
		{"changed: another version id", faulty(100, "other id")},
		{"missing", faulty(100, "missing")},
		{"denied", faulty(100, "denied")},
		{"archived", faulty(100, "archived")},
		{"no room", with(plain(100), func(s *scene) { s.full = 50 })},
		{"multipart of an unusual part size", inParts()},
		{"multipart, the store does not tell", with(inParts(), func(s *scene) { s.part = 0 })},
		{"multipart, asking is denied", with(inParts(), func(s *scene) { s.faults = []string{"", "denied"} })},
		{"multipart, asking times out", with(inParts(), func(s *scene) { s.faults = []string{"", "timeout"} })},
		{"SSE-KMS", with(plain(100), func(s *scene) { s.kms, s.version.ETag = true, strings.Repeat("1", 32) })},
	} {
		o := traced(t, c.s)
		fmt.Fprintf(&got, "%s\n----\n%s=> %s\n\n", c.name, collapse(c.s.trace.String()), describe(o))
		if o.Status == cooper.Done && !bytes.Equal(c.s.staged, c.s.data) {
			t.Errorf("%s: done, but other bytes are staged", c.name)
		}
	}
	verbtest.Golden(t, "testdata/traces.txt", got.String())
}

func traced(t *testing.T, s *scene) cooper.Outcome {
	verb := New(s, s, Options{Pause: func(_ context.Context, n int) error { s.log("pause %d", n); return nil }})
	return verb.Do(t.Context(), &cooper.Action{Verb: "fetch", Version: s.version})
}

// collapse writes a run of equal lines once, with how often.
func collapse(trace string) string {
	var b strings.Builder
	lines := strings.SplitAfter(trace, "\n")
	for i := 0; i < len(lines); {
		n := 1
		for i+n < len(lines) && lines[i+n] == lines[i] && lines[i] != "" {
			n++
		}
		if n > 1 {
			fmt.Fprintf(&b, "%s, %d times\n", strings.TrimSuffix(lines[i], "\n"), n)
		} else {
			b.WriteString(lines[i])
		}
		i += n
	}
	return b.String()
}

func describe(o cooper.Outcome) string {
	parts := []string{string(o.Status)}
	for _, p := range []string{string(o.Kind), o.Message, string(o.Check), o.Method} {
		if p != "" {
			parts = append(parts, p)
		}
	}
	if o.Hash != nil {
		parts = append(parts, "hashed")
	}
	return fmt.Sprintf("%s; %d bytes, %d requests", strings.Join(parts, "; "), o.Bytes, o.Requests)
}

func TestUnarchive(t *testing.T) {
	for _, c := range []struct {
		name   string
		faults []string
		status cooper.Status
		kind   cooper.Kind
		trace  []string
	}{
		{"asked for", []string{"archived", ""}, cooper.Deferred, cooper.KindArchived, []string{"GET", "RESTORE"}},
		{"refused", []string{"archived", "denied"}, cooper.Failed, cooper.KindDenied, []string{"GET", "RESTORE"}},
		{"there already", nil, cooper.Done, "", []string{"GET"}},
	} {
		s := faulty(10, c.faults...)
		o := NewUnarchive(s, s, Options{}).Do(t.Context(), &cooper.Action{Version: s.version})
		var requests []string
		for line := range strings.Lines(s.trace.String()) {
			if w, _, _ := strings.Cut(line, " "); w == strings.ToUpper(w) && w != "" {
				requests = append(requests, w)
			}
		}
		if o.Status != c.status || o.Kind != c.kind || !slices.Equal(requests, c.trace) || o.Requests != int64(len(c.trace)) {
			t.Errorf("%s: %+v\n%s", c.name, o, s.trace.String())
		}
	}
}

// TestUnarchiveByClass: the class decides whether what comes back is for days.
func TestUnarchiveByClass(t *testing.T) {
	for class, want := range map[string]string{"DEEP_ARCHIVE": "7 days", "INTELLIGENT_TIERING": "for good"} {
		s := faulty(10, "archived", "")
		v := s.version
		v.StorageClass = class
		o := NewUnarchive(s, s, Options{}).Do(t.Context(), &cooper.Action{Version: v})
		if o.Status != cooper.Deferred || s.restoring.Class != class || !strings.Contains(o.Message, want) {
			t.Errorf("%s: asked for %+v, %+v", class, s.restoring, o)
		}
	}
}

func TestDeferredSaysWhere(t *testing.T) {
	o := Deferred{}.Do(t.Context(), &cooper.Action{Version: cooper.Version{StorageClass: "INTELLIGENT_TIERING", Tier: "ARCHIVE"}})
	if o.Status != cooper.Deferred || o.Kind != cooper.KindArchived || !strings.Contains(o.Message, "INTELLIGENT_TIERING ARCHIVE") {
		t.Errorf("%+v", o)
	}
}

func TestStopped(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s := plain(10)
	o := New(s, s, Options{}).Do(ctx, &cooper.Action{Version: s.version})
	if o.Status != cooper.Failed || o.Kind != cooper.KindInterrupted {
		t.Errorf("%+v", o)
	}
	// Stopped while waiting to take a body up again: nothing is left behind.
	ctx, cancel = context.WithCancel(t.Context())
	s = faulty(10, "cut 5")
	o = New(s, s, Options{Pause: func(ctx context.Context, _ int) error { cancel(); return pause(ctx, 1) }}).Do(ctx, &cooper.Action{Version: s.version})
	if o.Kind != cooper.KindInterrupted || !strings.Contains(s.trace.String(), "abort") || s.staged != nil {
		t.Errorf("%+v\n%s", o, s.trace.String())
	}
}

func TestFaultOfStagingIsNoFaultOfTheStore(t *testing.T) {
	for _, broken := range []error{
		errors.New("input/output error"),
		&cooper.Error{Kind: cooper.KindDenied, Message: "read-only file system"},
		&cooper.Error{Kind: cooper.KindMissing, Message: "no such directory"},
		&cooper.Error{Kind: cooper.KindConflict, Message: "a link is in the way"},
	} {
		s := plain(10)
		o := New(s, brokenStaging{s, broken}, Options{}).Do(t.Context(), &cooper.Action{Version: s.version})
		if o.Kind != cooper.KindInternal || !strings.Contains(s.trace.String(), "close body") {
			t.Errorf("%v: %+v\n%s", broken, o, s.trace.String())
		}
	}
}

type brokenStaging struct {
	*scene
	err error
}

func (b brokenStaging) Create(cooper.Identity) (Staged, error) { return nil, b.err }

// TestStagedBytesThatCannotBeReadAreFetchedAgain: else every run would stop at
// them.
func TestStagedBytesThatCannotBeReadAreFetchedAgain(t *testing.T) {
	s := plain(10)
	s.staged = pattern(10)
	o := New(s, unreadableStaging{s}, Options{}).Do(t.Context(), &cooper.Action{Version: s.version})
	if o.Status != cooper.Done || o.Check != cooper.Verified || !strings.Contains(s.trace.String(), "discard staged") {
		t.Errorf("%+v\n%s", o, s.trace.String())
	}
}

type unreadableStaging struct{ *scene }

func (u unreadableStaging) Open(cooper.Identity) (File, error) {
	return onBadSector{opened{u.scene, bytes.NewReader(nil)}}, nil
}

// onBadSector is on a bad sector.
type onBadSector struct{ opened }

func (onBadSector) Read([]byte) (int, error) { return 0, syscall.EIO }
