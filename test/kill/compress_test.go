package kill

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http/httptest"
	"net/url"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"cooper/internal/codec"
	"cooper/internal/store/fault"
	"cooper/internal/store/mem"
	"cooper/test/e2etest"
)

// compressWorld has n objects below p/, one of them large, and one beside.
func compressWorld(t *testing.T, versioning string, n int) (*e2etest.World, *assassin, contents) {
	t.Helper()
	w := e2etest.NewWorld(t, versioning)
	owed := contents{}
	for i := range n {
		owed.add(e2etest.Text("first", i))
		w.Server.Put("lab", fmt.Sprintf("p/%06d.csv", i), e2etest.Text("first", i), mem.PutOptions{ContentType: "text/csv"})
	}
	large := bytes.Repeat(e2etest.Text("large", 1), 30<<20/len(e2etest.Text("large", 1)))
	owed.add(large)
	w.Server.Put("lab", "p/large.csv", large, mem.PutOptions{PartSize: 8 << 20})
	w.Server.Put("lab", "q", []byte("kept"), mem.PutOptions{})
	g := &assassin{next: w.Server}
	h := httptest.NewServer(g)
	t.Cleanup(h.Close)
	w.URL = h.URL
	return w, g, owed
}

// contents are plain contents, by their hashes.
type contents map[[sha256.Size]byte]bool

func (c contents) add(plain []byte) { c[sha256.Sum256(plain)] = true }

// contentsOf gives what the current versions of a bucket hold, decoded.
func contentsOf(t *testing.T, s *mem.Server) contents {
	t.Helper()
	c := contents{}
	for _, v := range s.Versions("lab") {
		if v.DeleteMarker || !v.Latest {
			continue
		}
		body, ok := s.Body("lab", v.Key, v.VersionID)
		if !ok { // the server still does what somebody asked for who was killed since
			return contentsOf(t, s)
		}
		if bytes.HasPrefix(body, []byte("\x28\xb5\x2f\xfd")) {
			r, err := codec.Chain{Compress: codec.Compression{Method: codec.Zstd}}.Decode(bytes.NewReader(body), codec.DecodeOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if body, err = io.ReadAll(r); err != nil {
				t.Fatalf("%s@%s does not decode: %v", v.Key, v.VersionID, err)
			}
			if err := r.Close(); err != nil {
				t.Fatal(err)
			}
		}
		c.add(body)
	}
	return c
}

// lacks counts what is owed and not in c.
func (c contents) lacks(owed contents) (n int) {
	for h := range owed {
		if !c[h] {
			n++
		}
	}
	return n
}

// compressed counts versions that are stored anew, and names originals that are
// still there.
func compressed(s *mem.Server) (anew int, plain []string) {
	for _, v := range s.Versions("lab") {
		body, _ := s.Body("lab", v.Key, v.VersionID)
		switch {
		case !strings.HasPrefix(v.Key, "p/") || v.DeleteMarker:
		case strings.HasPrefix(v.Key, "p/.cooper-probe-"): // of a run that was killed
		case bytes.HasPrefix(body, []byte("\x28\xb5\x2f\xfd")):
			anew++
		default:
			plain = append(plain, v.Key)
		}
	}
	return anew, plain
}

// TestKillCompress kills runs with SIGKILL at requests, and at what they do on
// the disk, and goes on. Whenever it is killed every content is there; in the end
// each object is compressed, no original is left, and the ledger tells of each once.
func TestKillCompress(t *testing.T) {
	t.Parallel()
	rounds := 6
	if testing.Short() {
		rounds = 2
	}
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Log("without strace: killed at requests only")
	}
	const objects = 5000 // two shards
	r := rand.New(rand.NewPCG(11, 0))
	kills := 0
	for round := range rounds {
		versioning := []string{"Enabled", "", "Suspended"}[round%3]
		mode := []string{"suffix", "in-place"}[round%2]
		w, g, owed := compressWorld(t, versioning, objects)
		_, ws := e2etest.Pair(t)
		e2etest.Must(t, w.URL, ws, "compress", "plan", "s3://lab/p/", "--list", "--mode", mode, "--quiet")
		for range 1 + r.IntN(3) {
			if killCompress(t, w, g, r, ws, strace) {
				kills++
			}
			if n := contentsOf(t, w.Server).lacks(owed); n > 0 {
				t.Fatalf("round %d, versioning %q, %s: %d contents are lost", round, versioning, mode, n)
			}
		}
		g.aim("", 0, false)
		e2etest.Must(t, w.URL, ws, "apply", "latest", "--quiet")
		if anew, plain := compressed(w.Server); anew != objects+1 || len(plain) > 0 {
			t.Errorf("%d objects are compressed, and originals are left: %.300q", anew, plain)
		}
		if n := contentsOf(t, w.Server).lacks(owed); n > 0 {
			t.Errorf("%d contents are lost", n)
		}
		told := e2etest.Must(t, w.URL, ws, "ledger", "sql", "--json", "SELECT count(*) AS n, count(DISTINCT key) AS d FROM content WHERE state = 'rewritten' AND status = 'done'").Object(t)
		if told["n"] != float64(objects+1) || told["d"] != told["n"] {
			t.Errorf("the ledger tells of %v contents of %v keys, want %d", told["n"], told["d"], objects+1)
		}
		if t.Failed() {
			t.Fatalf("round %d, versioning %q, %s", round, versioning, mode)
		}
	}
	t.Logf("%d kills", kills)
	if kills < rounds/2 {
		t.Errorf("only %d kills", kills)
	}
}

// killCompress goes on with the latest plan, and kills that somewhere; false if
// it was over before.
func killCompress(t *testing.T, w *e2etest.World, g *assassin, r *rand.Rand, ws, strace string) bool {
	t.Helper()
	cmd := e2etest.Command(t.Context(), w.URL, ws, "apply", "latest", "--quiet")
	var errs bytes.Buffer
	cmd.Stderr = &errs
	g.aim("", 0, false)
	if strace != "" && r.IntN(3) == 0 {
		call := []string{"fsync", "renameat", "unlinkat"}[r.IntN(3)]
		e2etest.KilledAt(cmd, strace, call, 1+r.IntN(8))
	} else {
		op := []string{"GetObject", "PutObject", "DeleteObjects", "ListObjectVersions", "UploadPart", "CompleteMultipartUpload"}[r.IntN(6)]
		at := 1 + r.IntN(5)
		if op == "GetObject" || op == "PutObject" {
			at = 1 + r.IntN(5000)
		}
		g.aim(op, at, r.IntN(2) == 0)
	}
	err := g.run(cmd)
	if err != nil && cmd.ProcessState.Exited() {
		t.Fatalf("not killed, but %v: %s", err, errs.String())
	}
	return err != nil
}

// TestFaultyCompress compresses through a proxy that fails in many ways, while
// somebody uploads: no content that is not overwritten is lost, and no upload.
func TestFaultyCompress(t *testing.T) {
	t.Parallel()
	for i, versioning := range []string{"Enabled", "Suspended", ""} {
		for j, mode := range []string{"suffix", "in-place"} {
			if testing.Short() && i%2 != j {
				continue
			}
			const objects = 600
			w, g, _ := compressWorld(t, versioning, objects)
			target, err := url.Parse(w.URL)
			if err != nil {
				t.Fatal(err)
			}
			proxy, err := fault.New(target, fault.Plan{Seed: uint64(7 + i), Burst: 3, Rates: map[fault.Kind]float64{
				fault.Error: 0.02, fault.SlowDown: 0.01, fault.Drop: 0.02, fault.Cut: 0.02, fault.Flip: 0.01, fault.Twice: 0.05, fault.Lost: 0.05,
			}})
			if err != nil {
				t.Fatal(err)
			}
			h := httptest.NewServer(proxy)
			_, ws := e2etest.Pair(t)
			e2etest.Must(t, h.URL, ws, "compress", "plan", "s3://lab/p/", "--list", "--mode", mode, "--quiet")
			others := &uploader{server: w.Server, r: rand.New(rand.NewPCG(9, 0)), most: objects, latest: map[string][]byte{}}
			g.mu.Lock()
			g.others = others.upload
			g.mu.Unlock()
			res := e2etest.Run(t, h.URL, ws, "apply", "latest", "--quiet")
			if res.Code != 0 && res.Code != 3 {
				t.Errorf("versioning %q, %s: %v", versioning, mode, res)
			}
			owed := contents{}
			for i := range objects {
				if others.latest[fmt.Sprintf("p/%06d.csv", i)] == nil {
					owed.add(e2etest.Text("first", i))
				}
			}
			for _, body := range others.latest {
				owed.add(body)
			}
			if n := contentsOf(t, w.Server).lacks(owed); n > 0 {
				t.Errorf("versioning %q, %s: %d contents are lost", versioning, mode, n)
			}
			for key, want := range others.latest {
				if !shows(w.Server, key, want) {
					t.Errorf("versioning %q, %s: the upload of %s does not show", versioning, mode, key)
				}
			}
			anew, _ := compressed(w.Server)
			t.Logf("versioning %q, %s: %d compressed, %d faults, %d uploads", versioning, mode, anew, len(proxy.Log()), len(others.latest))
			if anew < objects/3 || len(proxy.Log()) < 50 || len(others.latest) < 30 {
				t.Errorf("only %d compressed, %d faults and %d uploads", anew, len(proxy.Log()), len(others.latest))
			}
			h.Close()
			proxy.Close()
		}
	}
}

// shows tells whether a reader of key gets want.
func shows(s *mem.Server, key string, want []byte) bool {
	body, ok := s.Body("lab", key, "")
	return ok && bytes.Equal(body, want)
}

// uploader is somebody else who writes, now and then, where originals are.
type uploader struct {
	server *mem.Server
	mu     sync.Mutex
	r      *rand.Rand
	most   int
	n      int
	latest map[string][]byte
}

func (u *uploader) upload() {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.n++; u.n%10 != 0 {
		return
	}
	key := fmt.Sprintf("p/%06d.csv", u.r.IntN(u.most))
	u.latest[key] = e2etest.Text("upload", u.n)
	u.server.Put("lab", key, u.latest[key], mem.PutOptions{})
}
