package kill

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"cooper/internal/store/fault"
	"cooper/internal/store/mem"
	"cooper/test/e2etest"
)

// assassin is a server that can kill who asks it, and on which somebody else writes.
type assassin struct {
	next   http.Handler
	mu     sync.Mutex
	op     string // kill at the nth request for this
	at, n  int
	served bool // after it was done, not before
	victim *os.Process
	others func() // called before each request
}

func (g *assassin) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	var victim *os.Process
	if mem.Operation(r) == g.op {
		if g.n++; g.n == g.at {
			victim = g.victim
		}
	}
	served := g.served
	if g.others != nil {
		g.others()
	}
	g.mu.Unlock()
	if victim == nil {
		g.next.ServeHTTP(w, r)
		return
	}
	if served {
		g.next.ServeHTTP(httptest.NewRecorder(), r)
	}
	_, _ = io.Copy(io.Discard, r.Body) // only then the server sees the connection end
	if err := victim.Kill(); err != nil {
		panic(err)
	}
	<-r.Context().Done()
	panic(http.ErrAbortHandler)
}

// aim says at which request whoever is run is killed; an empty op kills nobody.
func (g *assassin) aim(op string, at int, served bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.op, g.n, g.at, g.served = op, 0, at, served
}

// run runs a command to its end, whatever that is.
func (g *assassin) run(cmd *exec.Cmd) error {
	g.mu.Lock() // who asks before it is known waits
	err := cmd.Start()
	g.victim = cmd.Process
	g.mu.Unlock()
	if err != nil {
		return err
	}
	return cmd.Wait()
}

// purgeWorld has n versions of half as many keys below p/, and one beside.
func purgeWorld(t *testing.T, versioning string, n int) (*e2etest.World, *assassin) {
	t.Helper()
	w := e2etest.NewWorld(t, versioning)
	for i := range n {
		w.Server.Put("lab", fmt.Sprintf("p/%06d", i%(n/2)), []byte(fmt.Sprint(i)), mem.PutOptions{})
	}
	w.Server.Put("lab", "q", []byte("kept"), mem.PutOptions{})
	g := &assassin{next: w.Server}
	h := httptest.NewServer(g)
	t.Cleanup(h.Close)
	w.URL = h.URL
	return w, g
}

// TestKillPurge kills purges with SIGKILL at requests, and at what they do on
// the disk, and goes on. What was planned must be gone in the end, nothing else,
// and the ledger must tell of every version once.
func TestKillPurge(t *testing.T) {
	t.Parallel()
	rounds := 8
	if testing.Short() {
		rounds = 3
	}
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Log("without strace: killed at requests only")
	}
	const versions = 24_000 // three shards
	r := rand.New(rand.NewPCG(8, 0))
	kills := 0
	for round := range rounds {
		versioning := []string{"Enabled", ""}[round%2]
		w, g := purgeWorld(t, versioning, versions)
		want := len(w.Server.Versions("lab")) - 1
		_, ws := e2etest.Pair(t)
		e2etest.Must(t, w.URL, ws, "purge", "plan", "s3://lab/p/", "--list", "--share-stop", "100%", "--quiet")
		for range 1 + r.IntN(3) {
			cmd := e2etest.Command(t.Context(), w.URL, ws, "apply", "latest", "--quiet")
			var errs bytes.Buffer
			cmd.Stderr = &errs
			g.aim("", 0, false)
			if strace != "" && r.IntN(2) == 0 {
				call := []string{"fsync", "renameat", "unlinkat"}[r.IntN(3)]
				e2etest.KilledAt(cmd, strace, call, 1+r.IntN(8))
			} else {
				g.aim([]string{"DeleteObjects", "ListObjectVersions"}[r.IntN(2)], 1+r.IntN(24), r.IntN(2) == 0)
			}
			if err := g.run(cmd); err != nil && cmd.ProcessState.Exited() {
				t.Fatalf("not killed, but %v: %s", err, errs.String())
			} else if err != nil {
				kills++
			}
		}
		g.aim("", 0, false)
		e2etest.Must(t, w.URL, ws, "apply", "latest", "--quiet")
		if left := w.Server.Versions("lab"); len(left) != 1 || left[0].Key != "q" {
			t.Errorf("%d versions are left", len(left))
		}
		told := e2etest.Must(t, w.URL, ws, "ledger", "sql", "--json", "SELECT count(*) AS n, count(DISTINCT key || coalesce(version_id, '')) AS d FROM outcome WHERE verb = 'remove' AND status = 'done'").Object(t)
		if told["n"] != float64(want) || told["d"] != told["n"] {
			t.Errorf("the ledger tells of %v removals of %v versions, want %d", told["n"], told["d"], want)
		}
		if t.Failed() {
			t.Fatalf("round %d", round)
		}
	}
	t.Logf("%d kills", kills)
	if kills < rounds/2 {
		t.Errorf("only %d kills", kills)
	}
}

// TestFaultyPurge purges through a proxy that fails in many ways, while somebody
// uploads. What was planned is gone or was overwritten; no upload is lost.
func TestFaultyPurge(t *testing.T) {
	t.Parallel()
	for _, versioning := range []string{"Enabled", "Suspended", ""} {
		const versions = 6000
		w, g := purgeWorld(t, versioning, versions)
		target, err := url.Parse(w.URL)
		if err != nil {
			t.Fatal(err)
		}
		proxy, err := fault.New(target, fault.Plan{Seed: 7, Burst: 3, Rates: map[fault.Kind]float64{
			fault.Error: 0.05, fault.SlowDown: 0.02, fault.Drop: 0.05, fault.Cut: 0.05, fault.Twice: 0.1, fault.Lost: 0.1,
		}})
		if err != nil {
			t.Fatal(err)
		}
		h := httptest.NewServer(proxy)
		_, ws := e2etest.Pair(t)
		e2etest.Must(t, h.URL, ws, "purge", "plan", "s3://lab/p/", "--list", "--share-stop", "100%", "--quiet")
		old := map[string]bool{}
		for _, v := range w.Server.Versions("lab") {
			old[v.Key+"@"+v.VersionID+v.ETag] = strings.HasPrefix(v.Key, "p/")
		}
		uploads := map[string]string{}
		r := rand.New(rand.NewPCG(9, 0))
		g.mu.Lock()
		g.others = func() {
			for range 5 {
				key := fmt.Sprintf("p/%06d", r.IntN(versions/2))
				uploads[key] = fmt.Sprint("new ", r.Uint64())
				w.Server.Put("lab", key, []byte(uploads[key]), mem.PutOptions{})
			}
		}
		g.mu.Unlock()
		res := e2etest.Run(t, h.URL, ws, "apply", "latest", "--quiet")
		if res.Code != 0 && (res.Code != 3 || versioning == "Enabled") {
			t.Errorf("versioning %q: %v", versioning, res)
		}
		for _, v := range w.Server.Versions("lab") {
			if old[v.Key+"@"+v.VersionID+v.ETag] {
				t.Errorf("versioning %q: %s@%s is still there", versioning, v.Key, v.VersionID)
			}
		}
		g.mu.Lock()
		for key, want := range uploads {
			if body, ok := w.Server.Body("lab", key, ""); !ok || string(body) != want {
				t.Errorf("versioning %q: the upload of %s is lost", versioning, key)
			}
		}
		g.mu.Unlock()
		t.Logf("versioning %q: %d faults, %d uploads", versioning, len(proxy.Log()), len(uploads))
		if len(proxy.Log()) < 2 || len(uploads) < 25 {
			t.Errorf("only %d faults and %d uploads", len(proxy.Log()), len(uploads))
		}
		h.Close()
		proxy.Close()
	}
}
