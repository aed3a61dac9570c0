package job

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"cooper"
	"cooper/internal/gcstate"
	"cooper/internal/hook"
	"cooper/internal/ledger/gcfacts"
	"cooper/internal/serve"
)

// guarded is a platform in a file whose objects are in the bucket lab, which has versions.
func guarded(t *testing.T) *world {
	w := newFilePlatform(t, "CREATE TABLE files (id INTEGER PRIMARY KEY, path TEXT, status TEXT)",
		"INSERT INTO files VALUES (1, 'a/1', 'AVAILABLE'), (2, 'b/2', 'AVAILABLE'), (3, 'b/3', 'ARCHIVED'), (4, 'a/gone', NULL), (5, NULL, NULL)")
	t.Setenv("AWS_ACCESS_KEY_ID", "access")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	w.at = time.Now()
	w.store.CreateBucket("lab", "Enabled")
	w.put("old", "a/1", "b/2")
	w.put("new", "a/1")
	w.declare("version: 1\ndatabase: sqlite:lab.db\nbuckets: [lab]\nhandles: {table: files, id: id, bucket: =lab, key: path, status: {column: status}}\nassociations:\n  own: {table: files, object: id, handle: id}\n")
	return w
}

// unlinked sets the status of handles in the state, past all missions.
func (w *world) unlinked(ids ...string) {
	w.t.Helper()
	w.ok(w.begin(func(work *work) error {
		c, err := declaredConfig(work.Env, w.path("cooper.yaml"))
		if err != nil {
			return err
		}
		s, err := work.openState(w.t.Context())
		if err != nil {
			return err
		}
		defer func() { w.ok(s.Close()) }()
		var changes []gcstate.Change
		for _, id := range ids {
			changes = append(changes, gcstate.Change{Handle: gcstate.Handle{Scope: c, ID: id}, From: gcstate.Available, To: gcstate.Unlinked, At: work.now(), Reason: "no link", Run: "r-1"})
		}
		if _, err = s.Change(w.t.Context(), changes); err != nil {
			return err
		}
		return tellState(w.t.Context(), s, work.gcFacts())
	}))
}

// declaredConfig gives the scope of the database that a configuration names.
func declaredConfig(e *Env, path string) (at string, err error) {
	w := &work{Env: e}
	err = w.owner(context.Background(), path, func(o *owner) error {
		s, err := o.database.Server(context.Background())
		if err == nil {
			at = scope(s.Identity)
		}
		return err
	})
	return at, err
}

// guard runs one, and gives who asks it and who stops it.
func (w *world) guard() (get func(path string) (int, string, http.Header), stop func()) {
	w.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	url, ended := make(chan string, 1), make(chan error, 1)
	g := &GCGuard{Config: w.path("cooper.yaml"), Serve: serve.Options{Listen: "127.0.0.1:0"}, Listening: func(at string) error { url <- at; return nil }}
	go func() { ended <- g.Run(ctx, w.Env) }()
	var at string
	select {
	case at = <-url:
	case err := <-ended:
		cancel()
		w.t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{}}
	stop = func() {
		cancel()
		client.CloseIdleConnections()
		w.ok(<-ended)
	}
	return func(path string) (int, string, http.Header) {
		res, err := client.Get(at + path)
		w.ok(err)
		b, err := io.ReadAll(res.Body)
		w.ok(err)
		w.ok(res.Body.Close())
		return res.StatusCode, string(b), res.Header
	}, stop
}

func (w *world) events(g *GCEvents) (all []string, err error) {
	g.Each = func(x *GCTold) error {
		all = append(all, x.Type+" "+x.Handle+" "+x.From+">"+x.To+" "+x.Reason)
		return nil
	}
	err = g.Run(w.t.Context(), w.Env)
	return all, err
}

// TestGuard: files are read by what a guard answers, and one that should not be asked for is an alarm that the
// ledger has.
func TestGuard(t *testing.T) {
	w := guarded(t)
	w.unlinked("2")
	began := w.now()
	get, stop := w.guard()
	if status, body, _ := get("/v1/resolve/1?redirect"); status != 200 || body != "a/1 new" {
		t.Errorf("%d %s", status, body)
	}
	status, body, _ := get("/v1/resolve/1")
	var found struct{ URL, Version string }
	w.ok(json.Unmarshal([]byte(body), &found))
	if status != 200 || found.Version == "" || !strings.Contains(found.URL, "versionId="+found.Version) {
		t.Errorf("%d %s", status, body)
	}
	if status, body, _ := get("/v1/resolve/2"); status != 200 || !strings.Contains(body, `"status":"UNLINKED"`) || !strings.Contains(body, `"alarm":true,"noted":true`) {
		t.Errorf("%d %s", status, body)
	}
	for path, want := range map[string]int{"3": 409, "4": 404, "5": 404, "6": 404, "x": 400} {
		if status, body, _ := get("/v1/resolve/" + path); status != want {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
	// While it runs, others change what it answers.
	w.unlinked("1")
	if _, body, _ := get("/v1/resolve/1"); !strings.Contains(body, `"status":"UNLINKED"`) {
		t.Error(body)
	}
	w.sqlite("UPDATE files SET status = 'DELETED' WHERE id = 1")
	if status, _, _ := get("/v1/resolve/1"); status != 410 {
		t.Error(status)
	}
	// It is on the disk while the guard runs.
	w.same("asked", w.rows("SELECT concat_ws(' ', id, status, count) FROM gc_asked ORDER BY id"), "1 UNLINKED 1", "2 UNLINKED 1")
	_, err := w.scan(false).Run(t.Context(), w.Env)
	w.ok(err)
	told, err := (&GCHistory{Config: w.path("cooper.yaml"), Handle: "2"}).Run(t.Context(), w.Env)
	if w.ok(err); len(told) != 2 || told[1].Said() != "asked for by somebody while it was UNLINKED: an alarm" {
		t.Errorf("history: %+v", told)
	}
	at, err := declaredConfig(w.Env, w.path("cooper.yaml"))
	w.ok(err)
	w.ok(w.begin(func(work *work) error {
		asked, err := work.gcFacts().AskedSince(t.Context(), at, began)
		if len(asked) != 2 {
			t.Errorf("%v", asked)
		}
		return err
	}))
	stop()
	if all, err := w.events(&GCEvents{}); err != nil || !slices.Equal(all, []string{"status 2 AVAILABLE>UNLINKED no link", "asked 2 >UNLINKED asked for, and nothing links to it",
		"status 1 AVAILABLE>UNLINKED no link", "asked 1 >UNLINKED asked for, and nothing links to it"}) {
		t.Errorf("%q, %v", all, err)
	}
	if entries, err := os.ReadDir(filepath.Join(w.Workspace, guardDir)); err != nil || len(entries) > 0 {
		t.Errorf("%v, %v", entries, err)
	}
	w.ok(os.WriteFile(filepath.Join(w.Workspace, guardDir, "a-20261120T120000Z-0000"), nil, 0o600)) // of one that was killed
	_, stop = w.guard()
	stop()
	if !w.heard("a-20261120T120000Z-0000 was killed") {
		t.Errorf("%q", w.told)
	}
}

// TestGuardRefuses: what could only be answered by reading whole tables is not begun.
func TestGuardRefuses(t *testing.T) {
	w := guarded(t)
	for _, handles := range []string{"{table: files, id: path, bucket: =lab, key: path}", "{table: files, id: id + 1, bucket: =lab, key: path}", "{query: SELECT * FROM files, id: id, bucket: =lab, key: path}"} {
		w.declare("version: 1\ndatabase: sqlite:lab.db\nbuckets: [lab]\nhandles: " + handles + "\nassociations:\n  own: {table: files, object: id, handle: id}\n")
		err := (&GCGuard{Config: w.path("cooper.yaml"), Serve: serve.Options{Listen: "127.0.0.1:0"}}).Run(t.Context(), w.Env)
		w.refused(err, cooper.KindUsage)
	}
}

// TestEvents: a consumer is told each event, goes on where he was, and hears again what he has not taken.
func TestEvents(t *testing.T) {
	w := guarded(t)
	w.unlinked("1", "2")
	consumer := func(f func(*GCEvents)) ([]string, error) {
		g := &GCEvents{Consumer: "portal", Wait: func(ctx context.Context, _ time.Duration) error { return ctx.Err() }}
		f(g)
		return w.events(g)
	}
	first, second := "status 1 AVAILABLE>UNLINKED no link", "status 2 AVAILABLE>UNLINKED no link"
	all, err := consumer(func(*GCEvents) {})
	w.ok(err)
	w.same("told", all, first, second)
	all, err = consumer(func(*GCEvents) {})
	w.ok(err)
	w.same("told again", all)
	w.unlinked("3", "4")

	// One who takes one of them and no more is told the other again.
	var got []string
	broken := true
	secret := "0123456789abcdef"
	server := httptest.NewServer(http.HandlerFunc(func(a http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || !strings.HasPrefix(r.Header.Get(hook.SignatureHeader), "t=") {
			t.Error(err, r.Header)
		}
		var x GCTold
		w.ok(json.Unmarshal(body, &x))
		if x.ID != r.Header.Get(hook.EventHeader) {
			t.Error(x.ID)
		}
		if broken && len(got) == 1 {
			a.WriteHeader(http.StatusBadGateway)
			return
		}
		got = append(got, x.Handle)
	}))
	defer server.Close()
	post := func(g *GCEvents) { g.URL, g.Secret = server.URL, secret }
	_, err = consumer(post)
	w.refused(err, cooper.KindStore)
	w.same("taken", got, "3")
	broken = false
	_, err = consumer(post)
	w.ok(err)
	w.same("taken", got, "3", "4")

	// Who follows hears what comes later, and goes on until he is stopped.
	ctx, cancel := context.WithCancel(t.Context())
	looks := 0
	g := &GCEvents{Consumer: "other", Follow: true, Since: w.now(), Wait: func(ctx context.Context, _ time.Duration) error {
		switch looks++; looks {
		case 1:
			w.unlinked("5")
		case 3:
			cancel()
		}
		return ctx.Err()
	}}
	got = nil
	g.Each = func(x *GCTold) error { got = append(got, fmt.Sprint(looks, " ", x.Handle)); return nil }
	w.ok(g.Run(ctx, w.Env))
	w.same("followed", got, "1 5")

	// A program; who fails is tried again.
	out := w.path("out")
	_, err = consumer(func(g *GCEvents) { g.Command = []string{"sh", "-c", "cat >> " + out} })
	w.ok(err)
	if b, err := os.ReadFile(out); err != nil || !strings.Contains(string(b), `"handle":"5","from":"AVAILABLE","to":"UNLINKED"`) {
		t.Errorf("%s, %v", b, err)
	}
	for _, wrong := range []func(*GCEvents){
		func(g *GCEvents) { g.Consumer = "../x" },
		func(g *GCEvents) { g.Consumer, g.Command = "", []string{"true"} },
		func(g *GCEvents) { g.URL, g.Secret = server.URL, "" },
	} {
		_, err = consumer(wrong)
		w.refused(err, cooper.KindUsage)
	}
	w.ok(os.WriteFile(filepath.Join(w.Workspace, "events", "portal.json"), []byte("{"), 0o600))
	_, err = consumer(func(*GCEvents) {})
	w.refused(err, cooper.KindInternal)
	stop := errors.New("no")
	if _, err := w.events(&GCEvents{Consumer: "third"}); err != nil {
		t.Error(err)
	}
	g = &GCEvents{Each: func(*GCTold) error { return stop }}
	if err := g.Run(t.Context(), w.Env); !errors.Is(err, stop) {
		t.Error(err)
	}
}

// TestAskedSinceTheScan: a handle was asked for if that was since the newest scan that counts began, and no person
// has said anything since.
func TestAskedSinceTheScan(t *testing.T) {
	w := guarded(t)
	ask := func(number int, id string) {
		w.ok(w.begin(func(work *work) error {
			return work.gcFacts().Ask(t.Context(), gcfacts.Asking{Guard: "a-1", Number: number, Asked: []gcfacts.Asked{{ID: id, Scope: "s", Handle: id, Status: "UNLINKED", First: work.now(), Last: work.now(), Count: 1}}})
		}))
	}
	ask(1, "1")
	_, err := w.scan(false).Run(t.Context(), w.Env)
	w.ok(err)
	ask(2, "2")
	ask(3, "3")
	w.ok(w.begin(func(work *work) error {
		facts := work.gcFacts()
		scans, err := facts.Scans(t.Context())
		w.ok(err)
		d := &detecting{owner: &owner{work: work}}
		d.marking.Scope, d.standing.Counted = "s", []string{scans[0].ID}
		w.ok(facts.KeepByHand(t.Context(), []gcfacts.KeptByHand{{Scope: "s", ID: "3", Made: work.now() + 1}}))
		asked, err := d.askedSince(t.Context(), facts)
		if err != nil || asked("", "1") || !asked("", "2") || asked("", "3") || asked("x", "2") {
			t.Errorf("%v, %v, %v, %v, %v", err, asked("", "1"), asked("", "2"), asked("", "3"), asked("x", "2"))
		}
		return nil
	}))
}
