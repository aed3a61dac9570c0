package look

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"cooper"
	"cooper/internal/permit"
	"cooper/internal/store"
)

// row is a version in a shop.
type row struct {
	key, id, etag string
	size          int64
}

// shop is a store of objects in memory, with faults that real stores have.
type shop struct {
	versioned bool
	faults    string // in words
	rows      []row  // the newest of a key last
	written   int
	again     bool   // what is delivered twice is under way
	stop      func() // called at each write; may be nil
}

func (s *shop) has(fault string) bool { return strings.Contains(s.faults, fault) }

func (s *shop) latest(key string) *row {
	for i := len(s.rows) - 1; i >= 0; i-- {
		if s.rows[i].key == key {
			return &s.rows[i]
		}
	}
	return nil
}

func (s *shop) Put(ctx context.Context, p store.Put) (store.Object, error) {
	if s.stop != nil {
		s.stop()
	}
	if ctx.Err() != nil {
		return store.Object{}, ctx.Err()
	}
	if s.has("may not write") {
		return store.Object{}, &cooper.Error{Kind: cooper.KindDenied, Message: "AccessDenied"}
	}
	is := s.latest(p.Key)
	switch {
	case p.IfNoneMatch && s.has("no If-None-Match"):
		return store.Object{}, &cooper.Error{Kind: cooper.KindStore, Message: "501 NotImplemented"}
	case p.IfNoneMatch && is != nil && !s.has("ignores If-None-Match"):
		return store.Object{}, &cooper.Error{Kind: cooper.KindConflict, Message: "something is there"}
	case p.IfMatch != "" && (s.has("refuses If-Match") || (is == nil || is.etag != p.IfMatch) && !s.has("ignores If-Match")):
		return store.Object{}, &cooper.Error{Kind: cooper.KindChanged, Message: "somebody has written there since"}
	}
	if s.has("delivers twice") && (p.IfMatch != "" || p.IfNoneMatch) && !s.again {
		s.again = true
		_, err := s.Put(ctx, p)
		if err == nil {
			_, err = s.Put(ctx, p)
		}
		s.again = false
		return store.Object{}, err
	}
	s.written++
	r := row{p.Key, cooper.NullVersion, fmt.Sprintf("%032x", s.written), p.Size}
	if s.versioned {
		r.id = fmt.Sprint("v", s.written)
	} else {
		s.rows = slices.DeleteFunc(s.rows, func(x row) bool { return x.key == p.Key })
	}
	s.rows = append(s.rows, r)
	return store.Object{Key: r.key, VersionID: r.id, ETag: r.etag, Size: r.size}, nil
}

func (s *shop) Remove(_ context.Context, _ permit.Permit, rs []store.Removal) []error {
	errs := make([]error, len(rs))
	for i, r := range rs {
		is := s.latest(r.Key)
		switch {
		case r.VersionID == cooper.NullVersion && s.has("fails for null"):
			errs[i] = &cooper.Error{Kind: cooper.KindStore, Message: "500 InternalError"}
		case r.VersionID == cooper.NullVersion && s.has("ignores null"):
		case r.IfMatch != "" && is == nil:
			errs[i] = &cooper.Error{Kind: cooper.KindMissing}
		case r.IfMatch != "" && is.etag != r.IfMatch && !s.has("removes anyway"):
			if s.has("removes and refuses") {
				s.rows = slices.DeleteFunc(s.rows, func(x row) bool { return x.key == r.Key })
			}
			errs[i] = &cooper.Error{Kind: cooper.KindChanged}
		case r.VersionID == aStrangerID && s.has("minds ids"):
			errs[i] = &cooper.Error{Kind: cooper.KindInvalid, Message: "400 InvalidArgument"}
		default:
			s.rows = slices.DeleteFunc(s.rows, func(x row) bool {
				return x.key == r.Key && (x.id == r.VersionID || s.has("removes them all")) && !(s.has("keeps what is older") && s.latest(r.Key).id != x.id)
			})
		}
	}
	return errs
}

func (s *shop) RemoveProbe(ctx context.Context, p permit.Permit, key, id string) error {
	if s.stop != nil && ctx.Err() != nil {
		return ctx.Err()
	}
	switch {
	case id == cooper.NullVersion && s.has("ignores null") || id == "" && s.has("ignores keys"):
		return nil
	case id == "":
		id = s.latest(key).id
	}
	s.rows = slices.DeleteFunc(s.rows, func(x row) bool { return x.key == key && x.id == id })
	return nil
}

func (s *shop) Head(_ context.Context, ref store.Ref, _ int) (store.Object, error) {
	if ref.VersionID == cooper.NullVersion && s.has("no HEAD of null") {
		return store.Object{}, &cooper.Error{Kind: cooper.KindMissing, Message: "404"}
	}
	for _, r := range s.rows {
		if r.key == ref.Key && (r.id == ref.VersionID || ref.VersionID == "" && r == *s.latest(r.key)) {
			return store.Object{Key: r.key, VersionID: r.id, ETag: r.etag, Size: r.size}, nil
		}
	}
	return store.Object{}, &cooper.Error{Kind: cooper.KindMissing}
}

func (s *shop) Get(ctx context.Context, ref store.Ref, _ store.Range) (store.Object, io.ReadCloser, error) {
	o, err := s.Head(ctx, ref, 0)
	b := make([]byte, o.Size)
	if s.has("others write") {
		b = []byte("of somebody else")
	}
	return o, io.NopCloser(bytes.NewReader(b)), err
}

func (s *shop) Versioning(context.Context) (string, error) { return "", nil }

func (s *shop) List(_ context.Context, q store.ListQuery, page func([]cooper.Version, []string) error) error {
	if s.has("no versions listed") && !q.Current {
		return &cooper.Error{Kind: cooper.KindStore, Message: "501 NotImplemented"}
	}
	var vs []cooper.Version
	for _, r := range s.rows {
		if strings.HasPrefix(r.key, q.Prefix) && r.key > q.After {
			vs = append(vs, cooper.Version{Identity: cooper.Identity{Key: r.key, VersionID: r.id, ETag: r.etag, Size: r.size}, Latest: r == *s.latest(r.key)})
		}
	}
	return page(vs, nil)
}

// TestProbes: what each fault of a store comes to, and what the remedy may name.
func TestProbes(t *testing.T) {
	suffix, inPlace := Conditions{New: true, Exact: true}, Conditions{Taking: true, Exact: true}
	for _, c := range []struct {
		name       string
		versioning string
		c          Conditions
		faults     string
		want       string // in the message; empty: it is well
		remedy     string // in the remedy
		stays      bool   // the probe's object
	}{
		{"a good one", "Enabled", Conditions{New: true, Overwriting: true, Taking: true, Exact: true}, "", "", "", false},
		{"a good one without versions", "", Conditions{New: true, Overwriting: true, Removal: true, Exact: true}, "", "", "", false},
		{"one that gets all twice", "Enabled", Conditions{New: true, Overwriting: true, Taking: true, Exact: true}, "delivers twice", "", "", false},
		{"one that gets all twice, without versions", "", Conditions{New: true, Overwriting: true, Removal: true, Exact: true}, "delivers twice", "", "", false},
		{"one that knows what an id looks like", "", Conditions{Exact: true}, "minds ids", "", "", false},
		{"nothing may be written", "", suffix, "may not write", "cannot be written", "Ask for the right", false},
		{"If-None-Match is not known", "Enabled", suffix, "no If-None-Match", "does not write it where nothing is", "heeds conditions", false},
		{"Ceph, beside", "Enabled", suffix, "ignores If-None-Match refuses If-Match", "has overwritten it although it was told to write only where nothing is", "heeds conditions", false},
		{"Ceph, in place", "Enabled", inPlace, "ignores If-None-Match refuses If-Match", "its ETag is the one that it was told", "heeds conditions", false},
		{"in place would do", "Enabled", suffix, "ignores If-None-Match", "only where nothing is", "--mode in-place", false},
		{"in place would not do", "", suffix, "ignores If-None-Match ignores If-Match", "only where nothing is", "heeds conditions", false},
		{"in place, never versioned", "", Conditions{Overwriting: true}, "ignores If-Match", "its ETag was another", "--mode suffix --originals keep", false},
		{"in place, versioned, wrong conditions do not matter", "Enabled", inPlace, "ignores If-Match", "", "", false},
		{"beside would do", "Enabled", inPlace, "refuses If-Match", "its ETag is the one that it was told", "--mode suffix", false},
		{"moto, versioned", "Enabled", inPlace, "removes them all", "removed the newer one, too", "Remove nothing", false},
		{"moto, suspended", "Suspended", Conditions{Exact: true}, "removes them all", "that it does not have", "Remove nothing", false},
		{"what is older stays", "Enabled", Conditions{Exact: true}, "keeps what is older", "lists it still", "Remove nothing", false},
		{"gofakes3", "", Conditions{Exact: true}, "ignores null", "lists it still", "Remove nothing", false},
		{"gofakes3, suspended", "Suspended", Conditions{Exact: true}, "ignores null", "lists it still", "Remove it by other means", true},
		{"removes in no way", "", Conditions{Exact: true}, "ignores null ignores keys", "lists it still", "Remove it by other means", true},
		{"somebody else's by now", "", Conditions{Exact: true}, "ignores null others write", "lists it still", "Remove it by other means", true},
		{"S3Proxy", "", Conditions{New: true, Exact: true}, "fails for null", "does not remove it by its version id", "Remove nothing", false},
		{"S3Proxy, ETags of removals", "", Conditions{Removal: true}, "fails for null", "did not say that its ETag was another", "--unguarded", false},
		{"versitygw, moto", "", Conditions{Removal: true}, "no HEAD of null", "", "", false},
		{"no HEAD, and removed anyway", "", Conditions{Removal: true}, "no HEAD of null removes and refuses", "is not listed any more", "--unguarded", false},
		{"ETags of removals", "", Conditions{Removal: true}, "removes anyway", "has removed it although", "--unguarded", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := &shop{versioned: c.versioning == "Enabled", faults: c.faults, rows: []row{{"p/.cooper-probe-r-", "null", "e", 1}, {"p/k", "null", "e", 1}}}
			p := permit.Issue("r-1")
			probes := Probes{Bucket: s, Path: "s3://lab/p/", Prefix: "p/"}
			if _, err := probes.Open(t.Context(), c.versioning); err != nil {
				t.Fatal(err)
			}
			err := probes.See(t.Context(), p, c.c)
			var ce *cooper.Error
			switch {
			case c.want == "" && err != nil:
				t.Error(err)
			case c.want != "" && (!errors.As(err, &ce) || ce.Kind != cooper.KindRefused || !strings.Contains(ce.Message, c.want) || !strings.Contains(ce.Remedy, c.remedy)):
				t.Errorf("%v, remedy %q", err, cooper.RemedyOf(err))
			case err != nil && strings.Contains(err.Error(), "somebody"):
				t.Errorf("nobody has written there: %v", err)
			case strings.Contains(fmt.Sprint(err), "stays: ") != c.stays:
				t.Errorf("what stays is not told: %v", err)
			}
			if left := len(s.rows) > 2; left != c.stays {
				t.Errorf("left: %v", s.rows)
			}
			if s.rows[0].key != "p/.cooper-probe-r-" || s.rows[1].key != "p/k" {
				t.Errorf("others' objects: %v", s.rows)
			}
		})
	}
}

// TestStopWithinAProbe: whoever stops a run while it tries the store out, at whatever
// request, finds nothing of that in the bucket, and nothing noted.
func TestStopWithinAProbe(t *testing.T) {
	for versioning, c := range map[string]Conditions{"Enabled": {New: true, Taking: true, Exact: true}, "": {New: true, Overwriting: true, Removal: true, Exact: true}} {
		for at, stopped := 1, true; stopped; at++ {
			ctx, cancel := context.WithCancel(t.Context())
			puts := 0
			s := &shop{versioned: versioning == "Enabled"}
			noted := map[string]bool{}
			probes := Probes{Bucket: s, Path: "s3://lab/p/", Prefix: "p/",
				Note: func(key string) error { noted[key] = true; return nil }, Over: func(key string) error { delete(noted, key); return nil }}
			if _, err := probes.Open(ctx, versioning); err != nil {
				t.Fatal(err)
			}
			s.stop = func() {
				if puts++; puts == at {
					cancel()
				}
			}
			err := probes.See(ctx, permit.Issue("r-1"), c)
			stopped = puts >= at
			cancel()
			if len(s.rows) > 0 || len(noted) > 0 {
				t.Errorf("%q, stopped at write %d: left %v, noted %v", versioning, at, s.rows, noted)
			}
			if stopped != (cooper.KindOf(err) == cooper.KindInterrupted) && !(err == nil && puts == at) {
				t.Errorf("%q, stopped at write %d of %d: %v", versioning, at, puts, err)
			}
		}
	}
}

// TestLookBeforeWriting: where no look is possible nothing is written at all.
func TestLookBeforeWriting(t *testing.T) {
	// Who may remove need not be allowed to write.
	denied := Probes{Bucket: &shop{faults: "may not write"}, Path: "s3://lab/p/", Prefix: "p/"}
	if err := denied.See(t.Context(), permit.Issue("r-1"), Conditions{Exact: true}); !errors.Is(err, ErrUntried) {
		t.Error(err)
	}
	for versioning, want := range map[string]cooper.Kind{"": "", "Enabled": cooper.KindStore} {
		s := &shop{faults: "no versions listed"}
		probes := Probes{Bucket: s, Path: "s3://lab/p/", Prefix: "p/"}
		p := permit.Issue("r-1")
		_, err := probes.Open(t.Context(), versioning)
		if cooper.KindOf(err) != want || s.written > 0 {
			t.Errorf("%q: %v, %d written", versioning, err, s.written)
		}
		if err == nil { // and by then it is looked at in the way that there is
			if err := probes.See(t.Context(), p, Conditions{New: true, Exact: true}); err != nil || len(s.rows) > 0 {
				t.Errorf("%q: %v, left %v", versioning, err, s.rows)
			}
		}
	}
}
