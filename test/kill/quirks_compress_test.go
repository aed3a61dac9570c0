package kill

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"strings"

	"cooper/internal/store"
	"cooper/internal/store/mem"
	"cooper/test/e2etest"
)

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
