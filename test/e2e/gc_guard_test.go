package e2e

import (
	"bufio"
	"database/sql"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	_ "modernc.org/sqlite" // the driver, to make a platform with

	"cooper/internal/store/mem"
	"cooper/test/e2etest"
)

// TestGarbageGuard: the built binary answers clients with tokens, raises an alarm, tells it as an event, and ends
// when it is told to, with everything written.
func TestGarbageGuard(t *testing.T) {
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	db, err := sql.Open("sqlite", in("lab.db"))
	must(err)
	for _, s := range []string{"CREATE TABLE files (id INTEGER PRIMARY KEY, path TEXT, status TEXT)", "INSERT INTO files VALUES (1, 'public/1', 'AVAILABLE'), (2, 'public/2', 'UNLINKED'), (3, 'private/3', 'AVAILABLE')"} {
		_, err := db.Exec(s)
		must(err)
	}
	must(db.Close())
	must(os.WriteFile(in("cooper.yaml"), []byte("version: 1\ndatabase: sqlite:lab.db\nbuckets: [lab]\nhandles: {table: files, id: id, bucket: =lab, key: path, status: {column: status}}\nassociations:\n  own: {table: files, object: id, handle: id}\n"), 0o600))
	store := mem.New(mem.Options{})
	server := httptest.NewServer(store)
	defer server.Close()
	store.CreateBucket("lab", "Enabled")
	for _, key := range []string{"public/1", "public/2", "private/3"} {
		store.Put("lab", key, []byte("bytes of "+key), mem.PutOptions{})
	}
	ws, config := in("ws"), in("cooper.yaml")
	token := strings.TrimSpace(e2etest.Must(t, server.URL, ws, "gc", "guard", "token", "portal", "--tokens", in("tokens"), "--prefix", "s3://lab/public").Stdout)

	// Strangers are answered nowhere.
	if r := e2etest.Run(t, server.URL, ws, "gc", "guard", "--config", config, "--listen", "0.0.0.0:0", "--tokens", in("tokens")); r.Code != 4 || !strings.Contains(r.Stderr, "no TLS") {
		t.Errorf("%v", r)
	}
	cmd := e2etest.Command(t.Context(), server.URL, ws, "gc", "guard", "--config", config, "--listen", "127.0.0.1:0", "--tokens", in("tokens"))
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.StdoutPipe()
	must(err)
	must(cmd.Start())
	lines := bufio.NewReader(out)
	first, err := lines.ReadBytes('\n')
	must(err)
	var at struct{ Listening string }
	must(json.Unmarshal(first, &at))
	get := func(path, token string) (int, string) {
		r, err := http.NewRequest(http.MethodGet, at.Listening+path, nil)
		must(err)
		if token != "" {
			r.Header.Set("Authorization", "Bearer "+token)
		}
		res, err := http.DefaultClient.Do(r)
		must(err)
		defer res.Body.Close()
		b, err := io.ReadAll(res.Body)
		must(err)
		return res.StatusCode, string(b)
	}
	for path, want := range map[string]string{"/v1/resolve/1?redirect": "bytes of public/1", "/v1/resolve/2?redirect": "bytes of public/2"} {
		if status, body := get(path, token); status != http.StatusOK || body != want {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
	for path, want := range map[string]int{"/v1/resolve/3": 403, "/v1/resolve/4": 404, "/v1/resolve/x": 400} {
		if status, body := get(path, token); status != want {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
	if status, _ := get("/v1/resolve/1", ""); status != http.StatusUnauthorized {
		t.Error(status)
	}
	http.DefaultClient.CloseIdleConnections()
	must(cmd.Process.Signal(syscall.SIGTERM))
	log, err := io.ReadAll(lines)
	must(err)
	if err := cmd.Wait(); err != nil {
		t.Errorf("%v: %s", err, said.String())
	}
	if got := strings.Count(string(log), "\n"); got != 6 || strings.Contains(string(log), "Signature") || strings.Contains(string(log), token) || !strings.Contains(string(log), `"alarm"`) {
		t.Errorf("%s", log)
	}
	events := e2etest.Must(t, server.URL, ws, "gc", "events", "--json", "--consumer", "portal").Stdout
	if strings.Count(events, "\n") != 1 || !strings.Contains(events, `"type":"asked"`) || !strings.Contains(events, `"handle":"2"`) || !strings.Contains(events, `"client":"portal"`) {
		t.Errorf("%s", events)
	}
	if again := e2etest.Must(t, server.URL, ws, "gc", "events", "--json", "--consumer", "portal").Stdout; again != "" {
		t.Errorf("%s", again)
	}
	if r := e2etest.Must(t, server.URL, ws, "gc", "events"); !strings.Contains(r.Stdout, "2: ALARM: it is UNLINKED, and was asked for by portal") {
		t.Errorf("%v", r)
	}
}
