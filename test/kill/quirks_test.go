package kill

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"cooper/internal/codec"
	"cooper/internal/store"
	"cooper/internal/store/mem"
	"cooper/test/e2etest"
)

// oddStore is a bucket of a server with quirks, and what must be true of it.
type oddStore struct {
	*testing.T
	*mem.Server
	url, dir   string
	versioning string
	quirks     []mem.Quirk
}

func newOddStore(t *testing.T, versioning string, quirks ...mem.Quirk) *oddStore {
	o := &oddStore{T: t, Server: mem.New(mem.Options{Clock: e2etest.NewClock(), PageSize: 7}), dir: t.TempDir(), versioning: versioning, quirks: quirks}
	o.SetQuirks(quirks...)
	h := httptest.NewServer(o)
	t.Cleanup(h.Close)
	o.url = h.URL
	if versioning == suspended {
		versioning = "Enabled" // until suspend
	}
	o.CreateBucket("lab", versioning)
	return o
}

const suspended = "Suspended"

// suspend suspends the versioning of a bucket that is to be so: versions with
// ids are there before the first null one.
func (o *oddStore) suspend() {
	if o.versioning == suspended {
		o.SetVersioning("lab", suspended)
	}
}

// brief is what is worth reading of a e2etest.Result.
func brief(r e2etest.Result) string {
	_, applied, _ := strings.Cut(r.Stdout, `"applied":`)
	return fmt.Sprintf("exit code %d\n%s\n%s", r.Code, applied, r.Stderr)
}

// cooper runs a command that may be refused only where that is expected.
func (o *oddStore) cooper(may refusals, args ...string) e2etest.Result {
	o.Helper()
	args = append(args, "--json")
	r := e2etest.Run(o.T, o.url, filepath.Join(o.dir, "ws"), args...)
	if r.Code != 0 && !o.may(may) {
		o.Errorf("cooper %s: %s", strings.Join(args, " "), brief(r))
	}
	if r.Code == 1 || r.Code == 2 || r.Code == 4 {
		var said struct {
			Error struct{ Message, Remedy string }
		}
		lines := strings.Split(strings.TrimSpace(r.Stderr), "\n")
		if err := json.Unmarshal([]byte(lines[len(lines)-1]), &said); err != nil || said.Error.Message == "" || said.Error.Remedy == "" {
			o.Errorf("cooper %s: does not say what is wrong and what can be done: %s", strings.Join(args, " "), brief(r))
		}
	}
	return r
}

// refusals are the quirks under which a job may end with another code than 0,
// always or where the bucket has one state of versioning.
type refusals map[mem.Quirk]string

const (
	always = "always"
	nulls  = "nulls" // where there are null versions: versioning never was, or is suspended
)

func (o *oddStore) may(refuse refusals) bool {
	return slices.ContainsFunc(o.quirks, func(q mem.Quirk) bool {
		state, ok := refuse[q]
		return ok && (state == always || o.versioning != "Enabled")
	})
}

// current gives what the bucket shows, by key.
func (o *oddStore) current() map[string][]byte {
	all := map[string][]byte{}
	for _, v := range o.Versions("lab") {
		if v.Latest && !v.DeleteMarker {
			all[v.Key], _ = o.Body("lab", v.Key, v.VersionID)
		}
	}
	return all
}

// there are all versions.
func (o *oddStore) there() map[[2]string]bool {
	all := map[[2]string]bool{}
	for _, v := range o.Versions("lab") {
		all[[2]string{v.Key, v.VersionID}] = true
	}
	return all
}

func csv(seed, lines int) []byte {
	var b bytes.Buffer
	for i := range lines {
		fmt.Fprintf(&b, "%d,%d,station-%d,ok\n", i, (i*7+seed)%91, i%9)
	}
	return b.Bytes()
}

// backups: what is restored are the bytes that were there, and where all runs
// say that all is well, all of them.
func (o *oddStore) backups() {
	for i := range 16 {
		o.Put("lab", fmt.Sprintf("data/%02d+a b.csv", i), csv(i, 20), mem.PutOptions{ContentType: "text/csv"})
	}
	o.Put("lab", "packed", gzipOf(csv(99, 50)), mem.PutOptions{Headers: store.Headers{ContentEncoding: "gzip"}})
	tree := filepath.Join(o.dir, "tree")
	run := []string{"backup", "run", "s3://lab", tree, "--list", "--no-space-check", "--share-stop", "60%"}
	if o.is(mem.NoVersionsAPI) || o.is(mem.VersionsUnknown) || o.is(mem.VersionsOtherRoot) {
		if r := e2etest.Run(o.T, o.url, filepath.Join(o.dir, "ws"), run...); r.Code == 0 || !strings.Contains(r.Stderr, "--current") {
			o.Errorf("no word of --current: %s", brief(r))
		}
		run = append(run, "--current")
	}
	may := refusals{mem.MarkerIgnored: always}
	first := o.cooper(may, run...)
	day1 := o.current()
	o.suspend()
	for i := range 4 {
		o.Put("lab", fmt.Sprintf("data/%02d+a b.csv", i), csv(100+i, 20), mem.PutOptions{ContentType: "text/csv"})
	}
	o.Delete("lab", "data/05+a b.csv")
	o.Delete("lab", "data/00+a b.csv") // overwritten just now
	second := o.cooper(may, run...)
	o.cooper(may, run...)
	third := o.cooper(may, run...) // what is only absent goes after two snapshots
	whole := first.Code == 0 && second.Code == 0 && third.Code == 0
	o.restored(tree, "now", o.current(), day1, whole, may)
	if !bytes.Equal(day1["data/00+a b.csv"], csv(0, 20)) {
		o.Errorf("the test's own bucket is wrong")
	}
}

// restored restores a tree and compares: no other bytes than one of what was
// there, and where whole, exactly want.
func (o *oddStore) restored(tree, name string, want, earlier map[string][]byte, whole bool, may refusals) {
	to := filepath.Join(o.dir, "restored-"+name)
	o.cooper(may, "backup", "restore", tree, "--to", to)
	found := map[string]bool{}
	err := filepath.WalkDir(to, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		key, err := filepath.Rel(to, path)
		if err != nil {
			return err
		}
		body, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		found[key] = true
		if !bytes.Equal(body, want[key]) && (whole || !bytes.Equal(body, earlier[key])) {
			o.Errorf("%q is restored with other bytes", key)
		}
		return nil
	})
	if err != nil && !os.IsNotExist(err) {
		o.Fatal(err)
	}
	for key := range want {
		if whole && !found[key] {
			o.Errorf("%q is not restored, though all runs said that all is well", key)
		}
	}
}

func (o *oddStore) is(q mem.Quirk) bool { return slices.Contains(o.quirks, q) }

func gzipOf(b []byte) []byte {
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	_, _ = z.Write(b)
	_ = z.Close()
	return out.Bytes()
}

func (o *oddStore) plain(b []byte) []byte {
	if !isZstd(b) {
		return b
	}
	r, err := codec.Chain{Compress: codec.Compression{Method: codec.Zstd}}.Decode(bytes.NewReader(b), codec.DecodeOptions{})
	if err != nil {
		o.Fatal(err)
	}
	defer r.Close()
	out, err := io.ReadAll(r)
	if err != nil {
		o.Fatal(err)
	}
	return out
}

// TestJobsUnderQuirks has the e2etest.Binary() back up, compress and purge on stores with
// a quirk: a sample of them, and in a soak all, and pairs.
func TestJobsUnderQuirks(t *testing.T) {
	t.Parallel()
	var cases [][]mem.Quirk
	for _, q := range mem.Quirks {
		cases = append(cases, []mem.Quirk{q.Name})
	}
	seed := rand.Uint64()
	dice := rand.New(rand.NewPCG(seed, 0))
	if os.Getenv("COOPER_SOAK") == "" {
		dice.Shuffle(len(cases), func(i, j int) { cases[i], cases[j] = cases[j], cases[i] })
		cases = append(cases[:3], []mem.Quirk{mem.ListNotEncoded}, []mem.Quirk{mem.ListNoETag}, []mem.Quirk{mem.NoneLatest}, []mem.Quirk{mem.TagsAreContent}) // under which false was said once
	} else {
		for range 200 {
			i, j := dice.IntN(len(mem.Quirks)), dice.IntN(len(mem.Quirks))
			cases = append(cases, []mem.Quirk{mem.Quirks[i].Name, mem.Quirks[j].Name})
		}
	}
	t.Logf("drawn with %d", seed)
	for _, quirks := range cases {
		for _, versioning := range []string{"Enabled", suspended, ""} {
			t.Run(fmt.Sprintf("%s %q", quirks, versioning), func(t *testing.T) {
				newOddStore(t, versioning, quirks...).backups()
				newOddStore(t, versioning, quirks...).purges()
				for _, mode := range []string{"suffix", "in-place"} {
					newOddStore(t, versioning, quirks...).compresses(mode)
				}
			})
		}
	}
}
