package serve

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"cooper"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// world is a server and its clients.
type world struct {
	*Server
	t      *testing.T
	client *http.Client
	log    buffer

	mu       sync.Mutex
	now      time.Time
	troubles []error
	over     chan time.Time // the end of the grace
	stop     func()
	ended    chan error
}

type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func (w *world) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *world) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

func (w *world) told() (text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, err := range w.troubles {
		text += err.Error() + "\n"
	}
	return text
}

func start(t *testing.T, opt Options, h http.HandlerFunc) *world {
	t.Helper()
	w := &world{t: t, now: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC), over: make(chan time.Time), ended: make(chan error, 1), client: &http.Client{Transport: &http.Transport{}}}
	if opt.Listen == "" {
		opt.Listen = "127.0.0.1:0"
	}
	opt.Log, opt.Clock = &w.log, w.clock
	opt.Troubled = func(err error) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.troubles = append(w.troubles, err)
	}
	opt.wait = func(time.Duration) (<-chan time.Time, func()) { return w.over, func() {} }
	var err error
	w.Server, err = Open(t.Context(), opt)
	must(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	w.stop = cancel
	go func() { w.ended <- w.Serve(ctx, h) }()
	t.Cleanup(func() {
		cancel()
		w.client.CloseIdleConnections()
		w.ended <- <-w.ended
	})
	return w
}

// end stops the server, and gives what it comes to.
func (w *world) end() error {
	w.stop()
	err := <-w.ended
	w.ended <- err
	return err
}

func (w *world) get(path string, header ...string) (status int, body string, h http.Header) {
	w.t.Helper()
	r, err := http.NewRequest(http.MethodGet, w.URL()+path, nil)
	must(w.t, err)
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
		if header[i] == "Host" {
			r.Host = header[i+1]
		}
	}
	res, err := w.client.Do(r)
	must(w.t, err)
	b, err := io.ReadAll(res.Body)
	must(w.t, err)
	must(w.t, res.Body.Close())
	return res.StatusCode, string(b), res.Header
}

func hello(w http.ResponseWriter, r *http.Request) {
	Note(r.Context(), "handle", "7")
	Answer(w, http.StatusOK, map[string]string{"to": ClientOf(r.Context()).Name})
}

// TestStrangers: who could be asked by others than this machine without tokens and TLS does not listen.
func TestStrangers(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "tokens")
	if _, err := AddToken(file, "a", []string{"s3://b"}); err != nil {
		t.Fatal(err)
	}
	cert, key := pair(t, dir)
	for name, c := range map[string]struct {
		opt  Options
		kind cooper.Kind
	}{
		"this machine":             {Options{Listen: "127.0.0.1:0"}, ""},
		"localhost":                {Options{Listen: "localhost:0"}, ""},
		"no port":                  {Options{Listen: "127.0.0.1"}, cooper.KindUsage},
		"all":                      {Options{Listen: ":0"}, cooper.KindRefused},
		"all of IPv4":              {Options{Listen: "0.0.0.0:0"}, cooper.KindRefused},
		"all of IPv6":              {Options{Listen: "[::]:0"}, cooper.KindRefused},
		"tokens alone":             {Options{Listen: "0.0.0.0:0", Tokens: file}, cooper.KindRefused},
		"TLS alone":                {Options{Listen: "0.0.0.0:0", Cert: cert, Key: key}, cooper.KindRefused},
		"a proxy alone":            {Options{Listen: "0.0.0.0:0", Proxied: true}, cooper.KindRefused},
		"tokens and TLS":           {Options{Listen: "0.0.0.0:0", Tokens: file, Cert: cert, Key: key}, ""},
		"tokens and a proxy":       {Options{Listen: "0.0.0.0:0", Tokens: file, Proxied: true}, ""},
		"TLS and a proxy":          {Options{Listen: "127.0.0.1:0", Cert: cert, Key: key, Proxied: true}, cooper.KindUsage},
		"a certificate and no key": {Options{Listen: "127.0.0.1:0", Cert: cert}, cooper.KindUsage},
		"no tokens":                {Options{Listen: "127.0.0.1:0", Tokens: file + "~"}, cooper.KindUsage},
		"nobody's address":         {Options{Listen: "192.0.2.1:0", Tokens: file, Proxied: true}, cooper.KindUsage},
	} {
		s, err := Open(t.Context(), c.opt)
		if err == nil {
			must(t, s.Close())
		}
		if cooper.KindOf(err) != c.kind {
			t.Errorf("%s: %v", name, err)
		}
	}
	must(t, os.Chmod(key, 0o644))
	if _, err := Open(t.Context(), Options{Listen: "127.0.0.1:0", Cert: cert, Key: key}); cooper.KindOf(err) != cooper.KindRefused {
		t.Errorf("a key that anybody can read: %v", err)
	}
}

func TestThisMachine(t *testing.T) {
	w := start(t, Options{}, hello)
	if status, body, h := w.get("/x"); status != 200 || body != `{"to":""}`+"\n" || h.Get("Cache-Control") != "no-store" {
		t.Errorf("%d %s", status, body)
	}
	_, port, err := net.SplitHostPort(w.Addr().String())
	must(t, err)
	for host, want := range map[string]int{"localhost:" + port: 200, "LOCALHOST": 200, "[::1]:" + port: 200, "evil.example:" + port: 421, "localhost.evil.example": 421, "127.0.0.1.evil.example": 421} {
		if status, _, _ := w.get("/x", "Host", host); status != want {
			t.Errorf("called by %s: %d", host, status)
		}
	}
}

func TestTokens(t *testing.T) {
	file := filepath.Join(t.TempDir(), "tokens")
	a, err := AddToken(file, "portal", []string{"s3://example-data/uploads", "s3://example-other"})
	must(t, err)
	b, err := AddToken(file, "audit", []string{"s3://"})
	must(t, err)
	if _, err := AddToken(file, "audit", []string{"s3://"}); cooper.KindOf(err) != cooper.KindConflict {
		t.Errorf("a name twice: %v", err)
	}
	text, err := os.ReadFile(file)
	must(t, err)
	if strings.Contains(string(text), strings.TrimPrefix(a, tokenBegins)) {
		t.Error("the token itself stands in the file")
	}
	w := start(t, Options{Tokens: file}, func(w http.ResponseWriter, r *http.Request) {
		c := ClientOf(r.Context())
		Answer(w, http.StatusOK, []any{c.Name, c.May("example-data", "uploads/1"), c.May("example-data", "uploads"), c.May("example-data", "uploadsx"), c.May("example-other", "x"), c.May("example-others", "x")})
	})
	for _, c := range []struct {
		header []string
		status int
		body   string
	}{
		{[]string{"Authorization", "Bearer " + a}, 200, `["portal",true,true,false,true,false]`},
		{[]string{"authorization", "bearer  " + b}, 200, `["audit",true,true,true,true,true]`},
		{nil, 401, ""},
		{[]string{"Authorization", a}, 401, ""},
		{[]string{"Authorization", "Basic " + a}, 401, ""},
		{[]string{"Authorization", "Bearer " + a[:len(a)-1]}, 401, ""},
		{[]string{"Authorization", "Bearer "}, 401, ""},
		{[]string{"Authorization", "Bearer " + a, "Authorization", "Bearer " + b}, 401, ""},
	} {
		status, body, h := w.get("/x/"+a+"?token="+a, c.header...)
		if status != c.status || c.body != "" && body != c.body+"\n" || (status == 401) != (h.Get("WWW-Authenticate") != "") {
			t.Errorf("%q: %d %s", c.header, status, body)
		}
	}
	// With the right name of host, whoever calls.
	if status, _, _ := w.get("/", "Host", "files.example.org", "Authorization", "Bearer "+a); status != 200 {
		t.Error(status)
	}
	must(t, w.end())
	for _, secret := range []string{strings.TrimPrefix(a, tokenBegins), strings.TrimPrefix(b, tokenBegins), "?"} {
		if strings.Contains(w.log.String(), secret) {
			t.Errorf("the log has %q:\n%s", secret, w.log.String())
		}
	}
}

// TestTokensChange: a file that has changed counts from the next look on, and one that cannot be believed
// lets nobody in.
func TestTokensChange(t *testing.T) {
	file := filepath.Join(t.TempDir(), "tokens")
	a, err := AddToken(file, "a", []string{"s3://"})
	must(t, err)
	w := start(t, Options{Tokens: file}, hello)
	ask := func(token string) int {
		w.pass(lookEvery)
		status, _, _ := w.get("/", "Authorization", "Bearer "+token)
		return status
	}
	if got := ask(a); got != 200 {
		t.Fatal(got)
	}
	first, err := os.ReadFile(file)
	must(t, err)
	b, err := AddToken(file, "b", []string{"s3://"})
	must(t, err)
	if x, y := ask(a), ask(b); x != 200 || y != 200 {
		t.Error(x, y)
	}
	must(t, replace(file, bytes.TrimPrefix(must2(os.ReadFile(file)), first)))
	if x, y := ask(a), ask(b); x != 401 || y != 200 {
		t.Errorf("a token that was taken out: %d, %d", x, y)
	}
	good := must2(os.ReadFile(file))
	for what, spoil := range map[string]func(){
		"half a line":     func() { must(t, os.WriteFile(file, good[:40], 0o600)) },
		"nothing":         func() { must(t, os.WriteFile(file, nil, 0o600)) },
		"gone":            func() { must(t, os.Remove(file)) },
		"others write it": func() { must(t, os.WriteFile(file, good, 0o600)); must(t, os.Chmod(file, 0o620)) },
		"a name twice":    func() { must(t, os.WriteFile(file, append(good, good...), 0o600)) },
		"no prefix":       func() { must(t, os.WriteFile(file, bytes.ReplaceAll(good, []byte(`["s3://"]`), []byte(`[]`)), 0o600)) },
		"another field": func() {
			must(t, os.WriteFile(file, bytes.ReplaceAll(good, []byte(`"prefixes"`), []byte(`"prefix"`)), 0o600))
		},
	} {
		spoil()
		if got := ask(b); got != 503 {
			t.Errorf("%s: %d", what, got)
		}
		if !strings.Contains(w.told(), file) {
			t.Errorf("%s was not told: %s", what, w.told())
		}
		must(t, os.RemoveAll(file))
		must(t, os.WriteFile(file, good, 0o600))
		if got := ask(b); got != 200 {
			t.Errorf("behind %s: %d", what, got)
		}
	}
	if n := strings.Count(w.told(), "\n"); n != 7 {
		t.Errorf("%d troubles were told:\n%s", n, w.told())
	}
}

func must2[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func TestRates(t *testing.T) {
	w := start(t, Options{Limits: Limits{Rate: 2, Burst: 3}}, hello)
	var got []int
	for range 5 {
		status, _, _ := w.get("/")
		got = append(got, status)
	}
	if _, _, h := w.get("/"); h.Get("Retry-After") != "1" {
		t.Errorf("%v", h)
	}
	w.pass(time.Second)
	for range 3 {
		status, _, _ := w.get("/")
		got = append(got, status)
	}
	for i, want := range []int{200, 200, 200, 429, 429, 200, 200, 429} {
		if got[i] != want {
			t.Fatalf("%v", got)
		}
	}
	// Many who ask take up no more memory than so many.
	r := newRates(1, 1)
	for i := range 3 * mostClients {
		r.take(time.Duration(i).String(), w.clock())
	}
	if len(r.who) > mostClients {
		t.Error(len(r.who))
	}
}

// TestOthersDoNotSuffer: what one client does takes nothing from another.
func TestOthersDoNotSuffer(t *testing.T) {
	file := filepath.Join(t.TempDir(), "tokens")
	a := must2(AddToken(file, "a", []string{"s3://"}))
	b := must2(AddToken(file, "b", []string{"s3://"}))
	w := start(t, Options{Tokens: file, Limits: Limits{Rate: 1, Burst: 1}}, hello)
	for i, c := range []struct {
		token string
		want  int
	}{{a, 200}, {a, 429}, {b, 200}, {"", 401}, {"", 429}} {
		if status, _, _ := w.get("/", "Authorization", "Bearer "+c.token); status != c.want {
			t.Errorf("%d: %d", i, status)
		}
	}
}

// TestTogether: beyond so many at once, others are asked to come again.
func TestTogether(t *testing.T) {
	in, out := make(chan bool), make(chan bool)
	w := start(t, Options{Limits: Limits{Together: 1}}, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			in <- true
			<-out
		}
		hello(w, r)
	})
	slow := make(chan int)
	go func() {
		status, _, _ := w.get("/slow")
		slow <- status
	}()
	<-in
	status, body, h := w.get("/")
	if status != 503 || h.Get("Retry-After") != "1" || !strings.Contains(body, `"kind":"locked"`) {
		t.Errorf("%d %s", status, body)
	}
	out <- true
	if got := <-slow; got != 200 {
		t.Error(got)
	}
}

func TestSizes(t *testing.T) {
	w := start(t, Options{Limits: Limits{Body: 10, Header: 1000}}, func(w http.ResponseWriter, r *http.Request) {
		_, err := io.ReadAll(r.Body)
		var large *http.MaxBytesError
		if errors.As(err, &large) {
			Problem(w, http.StatusRequestEntityTooLarge, &cooper.Error{Kind: cooper.KindUsage, Message: "too large"})
			return
		}
		hello(w, r)
	})
	for n, want := range map[int]int{10: 200, 11: 413} {
		res, err := w.client.Post(w.URL(), "text/plain", strings.NewReader(strings.Repeat("x", n)))
		must(t, err)
		must(t, res.Body.Close())
		if res.StatusCode != want {
			t.Errorf("%d bytes: %d", n, res.StatusCode)
		}
	}
	r, err := http.NewRequest(http.MethodGet, w.URL(), nil)
	must(t, err)
	r.Header.Set("X", strings.Repeat("x", 8000))
	res, err := w.client.Do(r)
	if err != nil { // the connection was closed in the middle of it
		return
	}
	must(t, res.Body.Close())
	if res.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Error(res.StatusCode)
	}
}

// TestEnd: what is under way is finished.
func TestEnd(t *testing.T) {
	in, out := make(chan bool), make(chan bool)
	w := start(t, Options{}, func(w http.ResponseWriter, r *http.Request) {
		in <- true
		<-out
		if r.Context().Err() != nil {
			w.WriteHeader(http.StatusTeapot)
			return
		}
		hello(w, r)
	})
	status := make(chan int)
	go func() {
		s, _, _ := w.get("/")
		status <- s
	}()
	<-in
	w.stop()
	out <- true
	if got := <-status; got != 200 {
		t.Error(got)
	}
	must(t, w.end())
	var l line
	must(t, json.Unmarshal([]byte(w.log.String()), &l))
	if l.Status != 200 || l.Path != "/" || l.Notes["handle"] != "7" || l.Bytes != 10 || l.Method != "GET" || l.Remote == "" {
		t.Errorf("%+v", l)
	}
}

// TestEndOfPatience: what takes longer than the grace is cut short, and that is told.
func TestEndOfPatience(t *testing.T) {
	in := make(chan bool)
	w := start(t, Options{}, func(_ http.ResponseWriter, r *http.Request) {
		in <- true
		<-r.Context().Done()
	})
	failed := make(chan error)
	go func() {
		res, err := w.client.Get(w.URL())
		if err == nil {
			err = res.Body.Close()
		}
		failed <- err
	}()
	<-in
	w.stop()
	close(w.over)
	if err := w.end(); cooper.KindOf(err) != cooper.KindInterrupted {
		t.Error(err)
	}
	<-failed
}

func TestPanic(t *testing.T) {
	w := start(t, Options{}, func(http.ResponseWriter, *http.Request) { panic("oh") })
	if status, body, _ := w.get("/x"); status != 500 || strings.Contains(body, "oh") || !strings.Contains(w.told(), "GET /x: an answer failed: oh") {
		t.Errorf("%d %s, told: %s", status, body, w.told())
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space") }

func TestLogFails(t *testing.T) {
	w := start(t, Options{}, hello)
	w.Server.log.to = full{}
	if status, _, _ := w.get("/"); status != 200 {
		t.Error(status)
	}
	if err := w.end(); err == nil || !strings.Contains(err.Error(), "1 requests could not be written to the log: no space") {
		t.Error(err)
	}
}

// pair makes a certificate for 127.0.0.1, and its key.
func pair(t *testing.T, dir string) (cert, key string) {
	t.Helper()
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<60))
	must(t, err)
	tmpl := &x509.Certificate{SerialNumber: serial, Subject: pkix.Name{CommonName: "test"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &k.PublicKey, k)
	must(t, err)
	private, err := x509.MarshalPKCS8PrivateKey(k)
	must(t, err)
	must(t, replace(cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	must(t, replace(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})))
	return cert, key
}

// TestTLS: a certificate that was renewed is shown from then on, and one that does not fit its key never.
func TestTLS(t *testing.T) {
	dir := t.TempDir()
	cert, key := pair(t, dir)
	w := start(t, Options{Cert: cert, Key: key}, hello)
	serial := func() string {
		w.pass(lookEvery)
		w.client.CloseIdleConnections()
		pool := x509.NewCertPool()
		c, err := tls.Dial("tcp", w.Addr().String(), &tls.Config{InsecureSkipVerify: true, RootCAs: pool}) //nolint:gosec // what it shows is looked at
		must(t, err)
		defer func() { _ = c.Close() }()
		return c.ConnectionState().PeerCertificates[0].SerialNumber.String()
	}
	first := serial()
	pair(t, dir)
	second := serial()
	if first == second {
		t.Error("the old certificate is shown")
	}
	good := must2(os.ReadFile(cert))
	must(t, replace(cert, []byte("nothing")))
	if third := serial(); third != second || !strings.Contains(w.told(), cert) {
		t.Errorf("%s, told: %s", third, w.told())
	}
	must(t, replace(cert, good))
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(good)
	w.client.Transport = &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}}
	w.pass(lookEvery)
	if status, _, _ := w.get("/"); status != 200 {
		t.Error(status)
	}
}

// TestConnections: no more are open than so many.
func TestConnections(t *testing.T) {
	in, out := make(chan bool), make(chan bool)
	w := start(t, Options{Limits: Limits{Open: 1}}, func(w http.ResponseWriter, r *http.Request) {
		in <- true
		<-out
		w.Header().Set("Connection", "close")
		hello(w, r)
	})
	done := make(chan int)
	for range 2 {
		go func() {
			c := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
			res, err := c.Get(w.URL())
			if err != nil {
				done <- 0
				return
			}
			_ = res.Body.Close()
			done <- res.StatusCode
		}()
	}
	<-in
	select {
	case <-in:
		t.Error("two at once")
	default:
	}
	out <- true
	<-done
	<-in
	out <- true
	if got := <-done; got != 200 {
		t.Error(got)
	}
}
