package kill

import (
	"bufio"
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

// compresses: every content is there in the end, with its tags and metadata,
// and the summary is true.
func (o *oddStore) compresses(mode string) {
	p := mode + "/"
	want := map[string][]byte{}
	put := func(key string, body []byte, options mem.PutOptions) {
		o.Put("lab", p+key, body, options)
		want[p+key] = body
	}
	for i := range 10 {
		put(fmt.Sprintf("%02d.csv", i), csv(i, 200), mem.PutOptions{})
	}
	put("older.csv", csv(79, 200), mem.PutOptions{})
	o.suspend()
	if mode == "in-place" { // beside originals that have older versions nothing is put
		put("00.csv", csv(77, 200), mem.PutOptions{})
	}
	put("told.csv", csv(78, 200), mem.PutOptions{Tags: map[string]string{"study": "7"}, Metadata: map[string]string{"by": "somebody"}, ContentType: "text/csv", Headers: store.Headers{CacheControl: "max-age=60"}})
	before := o.there()
	may := refusals{
		mem.MarkerIgnored: always, mem.RemovesAll: always, mem.PutNoneIgnored: always, mem.PutMatchFails: always, mem.PutMatchIgnored: always, mem.PutMatchUnknown: always,
		mem.NoVersionsAPI: always, mem.VersionsUnknown: always, mem.VersionsOtherRoot: always, mem.NullStays: nulls, mem.VersioningUnknown: always,
		mem.CompleteUnguarded: always, mem.CompleteNoneIgnored: always,
		mem.RowETagIgnored: nulls, mem.DeleteMatchIgnored: nulls, mem.DeleteMatchUnknown: nulls, mem.NoDeleteObjects: nulls, mem.DeleteObjectsInvalid: nulls, mem.NullRowsFail: nulls,
		mem.TagsAreContent: always, // of what is said to have a tag, and gives none: see told
	}
	r := o.cooper(may, "compress", "run", "s3://lab/"+p, "--list", "--mode", mode, "--yes", "--min-size", "1")
	suffix := ""
	if mode == "suffix" {
		suffix = ".zst"
	}
	now, after := o.current(), o.there()
	anew, left := 0, 0
	for key, body := range want {
		stored, isAnew := now[key+suffix]
		isAnew = isAnew && isZstd(stored)
		for _, form := range [][]byte{stored, now[key]} {
			if form != nil && !bytes.Equal(o.plain(form), body) {
				o.Errorf("%q has other bytes", key)
			}
		}
		switch _, plain := now[key]; {
		case isAnew:
			anew++
			if plain && suffix != "" {
				left++
			}
		case !plain:
			o.Errorf("%q is lost: %s", key, brief(r))
		}
	}
	for v := range before {
		if id := v[1]; after[v] && suffix == "" && id != "null" && strings.HasPrefix(v[0], p) && isZstd(now[v[0]]) && v[0] != p+"00.csv" {
			left++
		}
	}
	for key := range now {
		// A null version that goes in no way stays: without an id a removal would only hide it.
		stays := o.is(mem.NullStays) && o.versioning == "Suspended" && strings.Contains(key, "/.cooper-probe-")
		if plain := strings.TrimSuffix(key, ".zst"); strings.HasPrefix(key, p) && want[key] == nil && want[plain] == nil && !stays {
			o.Errorf("a strange object: %q", key)
		}
	}
	whole := len(want)
	if o.is(mem.ListNoETag) || o.is(mem.ETagNoMD5) {
		whole = 0 // what has no ETag, or one that vouches for nothing, is left, with a reason
	}
	if r.Code == 0 && (anew != whole || left > 0) {
		o.Errorf("exit code 0; %d of %d compressed, %d originals left: %s", anew, whole, left, brief(r))
	}
	// Tags that are counted and cannot be read would be lost: what has none alone is compressed.
	if told := p + "told.csv"; o.is(mem.TagsAreContent) && (r.Code == 0 || isZstd(now[told+suffix]) || !bytes.Equal(now[told], want[told])) {
		o.Errorf("%q is stored anew without the tag that it has: exit code %d", told, r.Code)
	}
	if len(o.quirks) == 1 && o.is(mem.TagsAreContent) && anew != whole-1 {
		o.Errorf("%d of %d compressed; all but the one with a tag were to be", anew, whole)
	}
	o.summary(r, anew, left)
	o.keeps(p+"told.csv", suffix)
}

// summary compares what a compression says of itself with what is there.
func (o *oddStore) summary(r e2etest.Result, anew, left int) {
	lines := strings.Split(strings.TrimSpace(r.Stdout), "\n")
	var said struct {
		Became *struct{ Before, Found struct{ Count int } }
	}
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &said); err != nil || said.Became == nil {
		return // it had nothing to say
	}
	if n := said.Became.Before.Count + said.Became.Found.Count; n > anew || n < anew-left {
		o.Errorf("it says that %d became compressed; %d are, %d of them beside their originals", n, anew, left)
	}
}

// keeps: what became compressed has the tags and metadata that it had.
func (o *oddStore) keeps(key, suffix string) {
	now := o.current()
	if !isZstd(now[key+suffix]) || suffix != "" && now[key] != nil {
		return
	}
	w := httptest.NewRecorder()
	o.Plain().ServeHTTP(w, httptest.NewRequest("GET", "/lab/"+key+suffix+"?tagging", nil))
	if !o.is(mem.TagsAreContent) && !o.is(mem.TagsUnknown) && !strings.Contains(w.Body.String(), "<Key>study</Key><Value>7</Value>") {
		o.Errorf("the tags of %s are lost: %s", key, w.Body)
	}
	w = httptest.NewRecorder()
	o.Plain().ServeHTTP(w, httptest.NewRequest("HEAD", "/lab/"+key+suffix, nil))
	if h := w.Header(); h.Get("X-Amz-Meta-By") != "somebody" || h.Get("Content-Type") != "text/csv" || h.Get("Cache-Control") != "max-age=60" {
		o.Errorf("metadata or headers of %s are lost: %v", key, h)
	}
}

func isZstd(b []byte) bool { return bytes.HasPrefix(b, []byte("\x28\xb5\x2f\xfd")) }

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

// purges: nothing goes but what was planned, and what is said to be gone is.
func (o *oddStore) purges() {
	keys := []string{"junk/a b", "junk/c", "junk/\x01", "keep/c", "junkyard"}
	for round := range 2 {
		if round == 1 {
			o.suspend()
		}
		for i, key := range keys {
			o.Put("lab", key, csv(10*round+i, 5), mem.PutOptions{})
		}
	}
	o.Delete("lab", "junk/c")
	before, kept, stays := o.there(), o.current()["keep/c"], o.unsure()
	may := refusals{
		mem.MarkerIgnored: always, mem.RemovesAll: always, mem.NoVersionsAPI: always, mem.VersionsUnknown: always, mem.VersionsOtherRoot: always, mem.NullStays: nulls,
		mem.DeleteMatchIgnored: nulls, mem.DeleteMatchUnknown: nulls,
		mem.ListNotEncoded: always, mem.RowETagIgnored: nulls, mem.NoDeleteObjects: nulls, mem.DeleteObjectsInvalid: nulls, mem.NullRowsFail: nulls, mem.VersioningUnknown: always,
	}
	gone := filepath.Join(o.dir, "deleted")
	r := o.cooper(may, "purge", "run", "s3://lab/junk/", "--list", "--yes", "--share-stop", "100%", "--deleted", gone)
	after := o.there()
	for v := range before {
		planned := strings.HasPrefix(v[0], "junk/")
		if !planned && !after[v] {
			o.Errorf("%q is gone, which nobody planned", v)
		}
		planned = planned && !stays[v] && !(o.is(mem.ListNoETag) && v[1] == "null") // left, with a reason
		if planned && after[v] && r.Code == 0 {
			o.Errorf("exit code 0, and %q is there: %s", v, brief(r))
		}
	}
	if !bytes.Equal(o.current()["keep/c"], kept) {
		o.Error("what is kept shows other bytes")
	}
	told, err := os.Open(gone)
	if os.IsNotExist(err) {
		return
	}
	if err != nil {
		o.Fatal(err)
	}
	defer told.Close()
	for lines := bufio.NewScanner(told); lines.Scan(); {
		var row struct {
			Key string `json:"key"`
			ID  string `json:"version_id"`
		}
		if err := json.Unmarshal(lines.Bytes(), &row); err != nil {
			o.Fatal(err)
		}
		if v := [2]string{row.Key, row.ID}; after[v] || !before[v] {
			o.Errorf("%q is said to be removed; it is there, or never was", v)
		}
	}
}

// unsure are the versions that a purge leaves, with a reason: null delete markers,
// as no condition tells them from what came since, and where a key has no latest
// version, those that it has.
func (o *oddStore) unsure() map[[2]string]bool {
	out, current := map[[2]string]bool{}, o.current()
	for _, v := range o.Versions("lab") {
		if v.DeleteMarker && v.VersionID == "null" || o.is(mem.NoneLatest) && o.versioning == suspended && current[v.Key] == nil {
			out[[2]string{v.Key, v.VersionID}] = true
		}
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
