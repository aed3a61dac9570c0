package guard

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"cooper"
	"cooper/internal/gcstate"
	"cooper/internal/handleid"
	"cooper/internal/ledger/gcfacts"
	"cooper/internal/serve"
	"cooper/internal/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is what a guard looks at.
type world struct {
	t *testing.T
	g *Guard

	mu      sync.Mutex
	now     time.Time
	rows    map[string][]Row
	records map[string]gcstate.Record
	rowsErr error
	asked   []gcfacts.Asked
	askErr  error
	tries   [][]gcfacts.Asked
	told    []string
	looks   int
	heads   int
	bucket  string // its versioning
	current string // version
	missing bool
	class   string
	restore string
	hold    chan error // what comes of each write, if there is one
	over    chan time.Time
	late    chan time.Time
}

func newWorld(t *testing.T) *world {
	w := &world{
		t: t, now: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC), bucket: "Enabled", current: "v1", rows: map[string][]Row{}, records: map[string]gcstate.Record{},
		over: make(chan time.Time), late: make(chan time.Time),
	}
	w.g = New(Options{
		Scope: "s/db", Kinds: map[string]func(string) (string, string){"blob": handleid.Integer.Parse, "doc": handleid.UUID.Parse}, Buckets: []string{"b", "c"},
		Rows: func(_ context.Context, kind string, ids []string) (map[string][]Row, error) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.looks++
			all := map[string][]Row{}
			for _, id := range ids {
				all[id] = w.rows[shown(kind, id)]
			}
			return all, w.rowsErr
		},
		Records: func(_ context.Context, hs []gcstate.Handle) (all []gcstate.Record, err error) {
			w.mu.Lock()
			defer w.mu.Unlock()
			for _, h := range hs {
				r, ok := w.records[shown(h.Kind, h.ID)]
				if !ok {
					r.Status = gcstate.Available
				}
				r.Handle = h
				all = append(all, r)
			}
			return all, nil
		},
		Bucket: func(_ context.Context, name string) (Bucket, error) { return &bucket{w, name}, nil },
		Ask: func(_ context.Context, asked []gcfacts.Asked) error {
			var held error
			if w.hold != nil {
				held = <-w.hold
			}
			w.mu.Lock()
			defer w.mu.Unlock()
			if held != nil {
				w.tries = append(w.tries, slices.Clone(asked))
				return held
			}
			w.tries = append(w.tries, slices.Clone(asked))
			if w.askErr == nil {
				w.asked = append(w.asked, asked...)
			}
			return w.askErr
		},
		Clock:    w.clock,
		Troubled: func(err error) { w.mu.Lock(); defer w.mu.Unlock(); w.told = append(w.told, err.Error()) },
		spacing:  func(context.Context, time.Duration) {},
		overdue: func(d time.Duration) (<-chan time.Time, func()) {
			if d == again {
				return w.late, func() {}
			}
			return w.over, func() {}
		},
	})
	t.Cleanup(func() {
		if err := w.g.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

func (w *world) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *world) set(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f()
}

type bucket struct {
	w    *world
	name string
}

func (b *bucket) Presign(_ context.Context, ref store.Ref, d time.Duration) (string, time.Time, error) {
	return fmt.Sprintf("https://%s/%s?v=%s&for=%s&signature=secret", b.name, ref.Key, ref.VersionID, d), b.w.clock().Add(d), nil
}

func (b *bucket) Head(_ context.Context, ref store.Ref, _ int) (store.Object, error) {
	b.w.mu.Lock()
	defer b.w.mu.Unlock()
	b.w.heads++
	if b.w.missing {
		return store.Object{}, &cooper.Error{Kind: cooper.KindMissing, Where: ref.Key, Message: "not there"}
	}
	return store.Object{Key: ref.Key, VersionID: b.w.current, StorageClass: b.w.class, Restore: b.w.restore}, nil
}

func (b *bucket) Versioning(context.Context) (string, error) {
	b.w.mu.Lock()
	defer b.w.mu.Unlock()
	return b.w.bucket, nil
}

// serve answers over HTTP, and gives who asks there.
func (w *world) serve() (get func(method, path string) (int, map[string]any, http.Header)) {
	s, err := serve.Open(w.t.Context(), serve.Options{Listen: "127.0.0.1:0", Clock: w.clock})
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- s.Serve(ctx, w.g.Handler()) }()
	client := &http.Client{Transport: &http.Transport{}, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	w.t.Cleanup(func() {
		cancel()
		client.CloseIdleConnections()
		if err := <-ended; err != nil {
			w.t.Error(err)
		}
	})
	return func(method, path string) (int, map[string]any, http.Header) {
		w.t.Helper()
		r, err := http.NewRequest(method, s.URL()+path, nil)
		if err != nil {
			w.t.Fatal(err)
		}
		res, err := client.Do(r)
		if err != nil {
			w.t.Fatal(err)
		}
		defer func() { _ = res.Body.Close() }()
		body := map[string]any{}
		if err := json.NewDecoder(res.Body).Decode(&body); err != nil && !errors.Is(err, io.EOF) {
			w.t.Fatalf("%s: %v", path, err)
		}
		return res.StatusCode, body, res.Header
	}
}

// TestHTTP: each answer, by its status.
func TestHTTP(t *testing.T) {
	w := newWorld(t)
	get := w.serve()
	w.rows["doc:00112233-4455-6677-8899-aabbccddeeff"] = []Row{{"c", "d k", ""}}
	w.rows["blob:9"] = []Row{{"other", "k", ""}}
	for i, s := range gcstate.Statuses {
		id := fmt.Sprint("blob:", i)
		w.rows[id], w.records[id] = []Row{{"b", "k", ""}}, gcstate.Record{Status: s, Since: 7}
	}
	for path, want := range map[string]int{
		"/v1/resolve/blob/0": 200, "/v1/resolve/blob/1": 200, "/v1/resolve/blob/2": 200, "/v1/resolve/blob/3": 409, "/v1/resolve/blob/4": 503, "/v1/resolve/blob/5": 410, "/v1/resolve/blob/6": 404,
		"/v1/resolve/blob/9": 403, "/v1/resolve/blob/x": 400, "/v1/resolve/blob/%30": 200, "/v1/resolve/doc/%7B00112233445566778899AABBCCDDEEFF%7D": 200, "/v1/resolve/blob/": 400, "/v1/resolve/": 400, "/v1/resolve/7": 400,
		"/v1/resolve/none/1": 400, "/v1/resolve/blob/1/2": 400, "/": 404, "/v1": 404,
	} {
		status, body, h := get(http.MethodGet, path)
		if status != want || (status != 200) != (body["error"] != nil) || (status == 503) != (h.Get("Retry-After") != "") {
			t.Errorf("%s: %d %v %v", path, status, body, h)
		}
	}
	if _, body, _ := get(http.MethodGet, "/v1/resolve/blob/3"); body["status"] != "ARCHIVED" || body["since"] == nil || !strings.Contains(fmt.Sprint(body["error"]), "cooper gc restore blob:3") {
		t.Errorf("%v", body)
	}
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete} {
		if status, _, _ := get(method, "/v1/resolve/blob/0"); status != http.StatusMethodNotAllowed {
			t.Errorf("%s: %d", method, status)
		}
	}
	status, _, h := get(http.MethodGet, "/v1/resolve/blob/1?redirect")
	if status != http.StatusTemporaryRedirect || !strings.HasPrefix(h.Get("Location"), "https://b/k?v=v1") || h.Get("Cache-Control") != "no-store" {
		t.Errorf("%d %v", status, h)
	}
	w.set(func() { w.rowsErr = errors.New("postgres://db.internal is away") })
	if status, body, h := get(http.MethodGet, "/v1/resolve/blob/1"); status != 503 || strings.Contains(fmt.Sprint(body), "internal is") || h.Get("Retry-After") == "" {
		t.Errorf("%d %v", status, body)
	}
}

func (w *world) resolve(kind, id string) (*Resolved, error) {
	return w.g.Resolve(context.Background(), kind, id, "portal", func(_, key string) bool { return !strings.HasPrefix(key, "secret/") })
}

// TestResolve: what is answered about a handle, by what database and state say of it.
func TestResolve(t *testing.T) {
	w := newWorld(t)
	row := func(s gcstate.Status) []Row { return []Row{{"b", "k", s}} }
	for i, c := range []struct {
		owner, state gcstate.Status
		want         gcstate.Status // empty: it is not in its place
		alarm        bool
	}{
		{"", gcstate.Available, gcstate.Available, false},
		{gcstate.Available, gcstate.Available, gcstate.Available, false},
		{"", gcstate.Unlinked, gcstate.Unlinked, true},
		{gcstate.Available, gcstate.Unlinked, gcstate.Unlinked, true},
		{gcstate.Unlinked, gcstate.Available, gcstate.Unlinked, true},
		{gcstate.Unlinked, gcstate.Archiving, gcstate.Archiving, true},
		{gcstate.Archived, gcstate.Archiving, gcstate.Archiving, true}, // its owner may have no word for that
		{gcstate.Available, gcstate.Archived, "", false},
		{gcstate.Archived, gcstate.Available, "", false},
		{gcstate.Archived, gcstate.Restoring, "", false},
		{gcstate.Restoring, gcstate.Archived, "", false},
		{"", gcstate.Deleted, "", false},
	} {
		id := fmt.Sprint(i + 1)
		w.set(func() {
			w.rows["blob:"+id] = row(c.owner)
			w.records["blob:"+id] = gcstate.Record{Status: c.state, Since: 7}
		})
		r, err := w.resolve("blob", "0"+id)
		if c.want == "" {
			if gone, ok := IsGone(err); !ok || cooper.KindOf(err) != cooper.KindArchived || gone.Status == "" || cooper.RemedyOf(err) == "" {
				t.Errorf("%s, %s: %v", c.owner, c.state, err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		want := Resolved{Handle: "blob:" + id, Status: c.want, Bucket: "b", Key: "k", Version: "v1", URL: "https://b/k?v=v1&for=15m0s&signature=secret",
			Expires: cooper.InstantOf(w.clock().Add(15 * time.Minute)), Alarm: c.alarm, Noted: c.alarm}
		if *r != want {
			t.Errorf("%s, %s: %+v", c.owner, c.state, *r)
		}
	}
	var alarms []string
	w.set(func() {
		for _, a := range w.asked {
			alarms = append(alarms, fmt.Sprint(a.Scope, " ", shown(a.Kind, a.Handle), " ", a.Status, " ", int64(a.Since), " ", a.Count, " ", a.Client))
		}
	})
	if want := []string{"s/db blob:3 UNLINKED 7 1 portal", "s/db blob:4 UNLINKED 7 1 portal", "s/db blob:5 UNLINKED 7 1 portal", "s/db blob:6 ARCHIVING 7 1 portal", "s/db blob:7 ARCHIVING 7 1 portal"}; !slices.Equal(alarms, want) {
		t.Errorf("%q", alarms)
	}
}

func TestRefused(t *testing.T) {
	w := newWorld(t)
	w.rows = map[string][]Row{
		"blob:1": {{"b", "k", ""}, {"c", "k", ""}}, "blob:2": {{"b", "", ""}}, "blob:3": {{"other", "k", ""}}, "blob:4": {{"b", "secret/k", gcstate.Unlinked}}, "blob:5": {{"b", "k", ""}, {"b", "k", ""}},
	}
	for id, want := range map[string]cooper.Kind{"1": cooper.KindConflict, "2": cooper.KindMissing, "3": cooper.KindDenied, "4": cooper.KindDenied, "5": "", "6": cooper.KindMissing, "x": cooper.KindUsage, "-1": cooper.KindUsage, " 1": cooper.KindUsage} {
		if _, err := w.resolve("blob", id); cooper.KindOf(err) != want {
			t.Errorf("%s: %v", id, err)
		}
	}
	if _, err := w.resolve("other", "1"); cooper.KindOf(err) != cooper.KindUsage {
		t.Error(err)
	}
	// What its owner has put into a cold class cannot be read by any address, whatever its handle is.
	w.rows["blob:8"] = []Row{{"b", "k8", ""}}
	w.set(func() { w.class = "GLACIER" })
	if _, err := w.resolve("blob", "8"); cooper.KindOf(err) != cooper.KindArchived {
		t.Error(err)
	}
	w.set(func() { w.restore = `ongoing-request="true"` })
	if _, err := w.resolve("blob", "8"); cooper.KindOf(err) != cooper.KindArchived {
		t.Error(err)
	} else if gone, ok := IsGone(err); !ok || gone.Status != gcstate.Restoring {
		t.Error(err)
	}
	w.set(func() { w.restore = `ongoing-request="false", expiry-date="Fri, 20 Mar 2026 00:00:00 GMT"` })
	if _, err := w.resolve("blob", "8"); err != nil {
		t.Error(err)
	}
	w.set(func() { w.missing, w.class = true, "" })
	w.rows["blob:7"] = []Row{{"b", "k7", gcstate.Unlinked}}
	if _, err := w.resolve("blob", "7"); cooper.KindOf(err) != cooper.KindMissing {
		t.Error(err)
	}
	// Its owner has been told that it is in the archive, and the state not yet.
	w.rows["blob:9"] = []Row{{"b", "k9", gcstate.Archived}}
	w.set(func() { w.records["blob:9"] = gcstate.Record{Status: gcstate.Archiving, Since: 7} })
	if _, err := w.resolve("blob", "9"); err == nil {
		t.Error("it can be read")
	} else if gone, ok := IsGone(err); !ok || gone.Status != gcstate.Archived {
		t.Error(err)
	}
	w.set(func() {
		w.rowsErr = &cooper.Error{Kind: cooper.KindStore, Where: "postgres://db.internal", Message: "away"}
	})
	for range 2 {
		if _, err := w.resolve("blob", "5"); cooper.KindOf(err) != cooper.KindStore {
			t.Error(err)
		}
	}
	if len(w.told) != 1 {
		t.Errorf("%q", w.told)
	}
}

// TestVersions: an address names the current version, which is known for a moment, unless the status has changed.
func TestVersions(t *testing.T) {
	w := newWorld(t)
	w.rows["blob:1"] = []Row{{"b", "k", ""}}
	version := func() string {
		r, err := w.resolve("blob", "1")
		if err != nil {
			t.Fatal(err)
		}
		return r.Version
	}
	if got := version(); got != "v1" {
		t.Error(got)
	}
	w.set(func() { w.current = "v2" })
	if got := version(); got != "v1" || w.heads != 1 {
		t.Error(got, w.heads)
	}
	w.set(func() { w.records["blob:1"] = gcstate.Record{Status: gcstate.Available, Since: 9} }) // went and came back
	if got := version(); got != "v2" {
		t.Error(got)
	}
	w.set(func() { w.current, w.now = "v3", w.now.Add(moment) })
	if got := version(); got != "v3" {
		t.Error(got)
	}
	w.set(func() { w.bucket, w.now = "", w.now.Add(moment) })
	if got := version(); got != "" || w.heads != 3 {
		t.Errorf("in a bucket without versions: %q, %d", got, w.heads)
	}
}

// TestNoted: an alarm is on the disk before the answer; if that takes too long the answer says so, and it
// is written later, and once.
func TestNoted(t *testing.T) {
	w := newWorld(t)
	w.rows["blob:1"] = []Row{{"b", "k", gcstate.Unlinked}}
	w.rows["blob:2"] = []Row{{"b", "k2", gcstate.Unlinked}}
	w.hold = make(chan error)
	answers := make(chan *Resolved)
	go func() {
		r, err := w.resolve("blob", "1")
		if err != nil {
			t.Error(err)
		}
		answers <- r
	}()
	w.over <- w.now // it has waited for long enough
	if r := <-answers; !r.Alarm || r.Noted || r.URL == "" {
		t.Errorf("%+v", r)
	}
	w.hold <- errors.New("no space")
	w.hold <- errors.New("no space")
	go close(w.hold) // from now on there is
	r, err := w.resolve("blob", "2")
	if err != nil || !r.Noted {
		t.Errorf("%+v, %v", r, err)
	}
	w.set(func() {
		if len(w.asked) != 2 || w.asked[0].Handle != "1" || w.asked[1].Handle != "2" {
			t.Errorf("%+v", w.asked)
		}
		for _, try := range w.tries[:len(w.tries)-1] {
			if len(try) != 1 || try[0].Handle != "1" {
				t.Errorf("another batch under the same number: %+v", try)
			}
		}
		if len(w.told) != 1 || !strings.Contains(w.told[0], "no space") {
			t.Errorf("%q", w.told)
		}
	})
}

// TestAskedAgain: what is asked for again and again is written once a minute, and at the end.
func TestAskedAgain(t *testing.T) {
	w := newWorld(t)
	w.rows["blob:1"] = []Row{{"b", "k", gcstate.Unlinked}}
	ask := func(n int) {
		for range n {
			w.set(func() { w.now = w.now.Add(time.Second) })
			if r, err := w.resolve("blob", "1"); err != nil || !r.Noted {
				t.Fatalf("%+v, %v", r, err)
			}
		}
	}
	start := cooper.InstantOf(w.now)
	ask(20)
	w.late <- w.now // a minute is over
	w.late <- w.now // and what was written behind it is there
	ask(5)
	if err := w.g.Close(); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, a := range w.asked {
		got = append(got, fmt.Sprint(a.Count, " ", int64(a.First-start)/1000, "-", int64(a.Last-start)/1000))
	}
	if want := []string{"1 1-1", "19 2-20", "5 21-25"}; !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

// TestLost: what cannot be written at the end is an error.
func TestLost(t *testing.T) {
	w := newWorld(t)
	w.rows["blob:1"] = []Row{{"b", "k", gcstate.Unlinked}}
	w.set(func() { w.askErr = &cooper.Error{Kind: cooper.KindFull, Message: "no space"} })
	done := make(chan bool)
	go func() {
		_, _ = w.resolve("blob", "1")
		done <- true
	}()
	w.over <- w.now
	<-done
	if err := w.g.Close(); cooper.KindOf(err) != cooper.KindFull || !strings.Contains(err.Error(), "1 handle") {
		t.Error(err)
	}
}

// TestTogether: many who ask at once share few questions, and each hears what was read after it had asked.
func TestTogether(t *testing.T) {
	w := newWorld(t)
	const n = 1000
	for i := range n {
		w.rows[fmt.Sprint("blob:", i)] = []Row{{"b", fmt.Sprint("k", i), ""}}
	}
	var group sync.WaitGroup
	for i := range n {
		group.Go(func() {
			if r, err := w.resolve("blob", fmt.Sprint(i)); err != nil || r.Key != fmt.Sprint("k", i) {
				t.Errorf("%d: %+v, %v", i, r, err)
			}
		})
	}
	group.Wait()
	t.Logf("%d questions", w.looks)
	for i := range 100 {
		want := gcstate.Available
		if i%2 == 1 {
			want = gcstate.Unlinked
		}
		w.set(func() { w.records["blob:5"] = gcstate.Record{Status: want, Since: cooper.Instant(i)} })
		if r, err := w.resolve("blob", "5"); err != nil || r.Status != want {
			t.Fatalf("%+v, %v", r, err)
		}
	}
	if err := w.g.Close(); err != nil {
		t.Error(err)
	}
	if _, err := w.resolve("blob", "1"); cooper.KindOf(err) != cooper.KindInterrupted {
		t.Error(err)
	}
}
