package e2e

import (
	"bytes"
	"compress/gzip"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"cooper"
	"cooper/internal/store/mem"
	"cooper/test/e2etest"
)

// place is where an object is.
type place struct{ bucket, key string }

// kept is what an object was before it was archived.
type kept struct {
	body []byte
	said string // of it, by the store
}

// TestGarbageApplied: of the made-up platforms what their makers list may be archived, and nothing else, is moved, once a
// scan that began behind the fence has seen no link; all of it comes back as it was, out of each class.
func TestGarbageApplied(t *testing.T) {
	for _, set := range []string{"platform", "rails"} {
		t.Run(set, func(t *testing.T) {
			t.Parallel()
			p := newPlatform(t, set)
			p.soon()
			p.gc(3, "scan") // some values cannot be read
			p.gc(0, "acknowledge", "--all-listed")
			p.gc(0, "scan")
			sizes := p.ripe()
			before := p.stock(sizes)
			p.detectedAgain(before, true)
			if set == "rails" { // what has become UNLINKED now may go at once
				p.detectedAgain(before, true)
				p.same("archive", lines(p.gc(0, "list", "archive", "--tsv")), toBeListed(sizes)...)
			} else {
				p.compare(map[string]string{"archive": "archive.tsv", "archive-delayed": "archive_delayed.tsv", "archive-small": "archive_small.tsv", "archive-missing": "archive_missing.tsv"})
			}
			if t.Failed() {
				return
			}
			var left []string
			if set == "platform" {
				// Of another handle of it the owner alone says that it is ARCHIVED, and the state knows nothing: such an
				// object is listed, and no plan moves it.
				delete(before, place{"example-data", "shared/other archived.bin"})
				left = []string{"example-data\tshared/other archived.bin\t1000000"}
			}
			p.moved(before, left)
			p.back(before)
		})
	}
}

// toBeListed are objects as lists have them.
func toBeListed(sizes map[place]int) (all []string) {
	for at, size := range sizes {
		all = append(all, at.bucket+"\t"+strings.Trim(strconv.QuoteToASCII(at.key), `"`)+"\t"+strconv.Itoa(size))
	}
	slices.Sort(all)
	return all
}

func lines(text string) (all []string) {
	for line := range strings.Lines(text) {
		all = append(all, strings.TrimSuffix(line, "\n"))
	}
	return all
}

// soon lets scans follow each other at once; and on rails, which declares no archive, files move there at once.
func (p *platform) soon() {
	p.t.Helper()
	declared, err := os.ReadFile(p.config)
	p.must(err)
	text := strings.Replace(string(declared), "settle: 0h", "settle: 0h, apart: 0s", 1)
	if p.set == "rails" {
		text += "archive: {bucket: example-archive, class: STANDARD_IA, after: 0s, smallest: 128KiB}\n"
	}
	p.must(os.WriteFile(p.config, []byte(text), 0o600))
	before := time.Now().Add(-2 * time.Hour)
	p.must(os.Chtimes(p.config, before, before))
}

// ripe are the objects that are to move, and how large they are said to be. Rails has no list of them: there, nothing
// that became UNLINKED waits any longer, and an object may go if each of its handles is a candidate.
func (p *platform) ripe() map[place]int {
	p.t.Helper()
	all := map[place]int{}
	if p.set == "platform" {
		text, err := os.ReadFile(p.given("expected/archive.tsv"))
		p.must(err)
		for _, line := range lines(string(text)) {
			c := strings.Split(line, "\t")
			var key string
			p.must(json.Unmarshal([]byte(`"`+c[1]+`"`), &key))
			size, err := strconv.Atoi(c[2])
			p.must(err)
			all[place{c[0], key}] = size
		}
		return all
	}
	text, err := os.ReadFile(p.given("expected/candidates.tsv"))
	p.must(err)
	candidate := map[string]bool{}
	for _, line := range lines(string(text)) {
		handle, _, _ := strings.Cut(line, "\t")
		candidate[handle] = true
	}
	stays := map[place]bool{}
	for _, row := range p.asked(`SELECT 'blob:' || id, 'example-app', key, byte_size FROM active_storage_blobs UNION ALL SELECT 'legacy:' || id, 'example-legacy', s3_key, size FROM legacy_files`) {
		at := place{row[1], row[2]}
		size, err := strconv.Atoi(row[3])
		p.must(err)
		if all[at] = max(all[at], size); !candidate[row[0]] {
			stays[at] = true
		}
	}
	there := map[place]bool{}
	for _, b := range p.buckets() {
		for _, row := range p.inventory(b) {
			there[place{b, unescaped(row[1])}] = true
		}
	}
	maps.DeleteFunc(all, func(at place, size int) bool { return stays[at] || !there[at] || size < 128<<10 })
	return all
}

func (p *platform) must(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}

// buckets are those that are judged.
func (p *platform) buckets() []string {
	return map[string][]string{"platform": {"example-data"}, "rails": {"example-app", "example-legacy"}}[p.set]
}

// inventory has the rows that are given for a bucket.
func (p *platform) inventory(bucket string) [][]string {
	p.t.Helper()
	rows, err := csv.NewReader(unzipped(p.t, p.given("inventory/"+bucket+"/daily/data/part-0001.csv.gz"))).ReadAll()
	p.must(err)
	return rows
}

func unescaped(key string) string {
	key, err := url.QueryUnescape(key)
	if err != nil {
		panic(err) // no report has such a key
	}
	return key
}

// stock puts into the store what the inventories list: what is to move with as many bytes as it is said to have, and all
// else as something that must be there afterwards. It gives what is to move.
func (p *platform) stock(sizes map[place]int) map[place]kept {
	p.t.Helper()
	noise := make([]byte, 64<<20)
	_, _ = rand.NewChaCha8([32]byte{13}).Read(noise) // it never fails
	before := map[place]kept{}
	p.store.CreateBucket("example-archive", "Enabled")
	for _, bucket := range p.buckets() {
		p.store.CreateBucket(bucket, "Enabled")
		for i, row := range p.inventory(bucket) {
			at := place{bucket, unescaped(row[1])}
			size, moves := sizes[at]
			if !moves {
				p.store.Put(bucket, at.key, []byte("not to be touched"), mem.PutOptions{})
				continue
			}
			modified, err := time.Parse(time.RFC3339, row[6])
			p.must(err)
			body := noise[i : i+size]
			o := mem.PutOptions{LastModified: modified, ContentType: "text/x-of-" + row[7], Metadata: map[string]string{"by": "eva " + strconv.Itoa(i), "empty": ""}, Tags: map[string]string{"lab": "a b/ü", "n": strconv.Itoa(i)}}
			if i%3 == 0 {
				o.PartSize = 8 << 20
			}
			if i%5 == 0 {
				o.Headers.ContentEncoding, o.Headers.CacheControl = "identity", "no-store"
			}
			p.store.Put(bucket, at.key, body, o)
			before[at] = kept{body, p.said(bucket, at.key)}
		}
	}
	if len(before) != len(sizes) {
		p.t.Fatalf("of %d objects that are to move, %d are in the inventories", len(sizes), len(before))
	}
	return before
}

// said is all that the store says of an object, but which version it is and since when.
func (p *platform) said(bucket, key string) string {
	p.t.Helper()
	address := p.url + "/" + bucket + "/" + strings.ReplaceAll(url.PathEscape(key), "%2F", "/")
	ask := func(method, query string) *http.Response {
		r, err := http.NewRequestWithContext(p.t.Context(), method, address+query, nil)
		p.must(err)
		answer, err := http.DefaultClient.Do(r)
		p.must(err)
		if answer.StatusCode != http.StatusOK {
			p.t.Fatalf("%s %s%s: %s", method, address, query, answer.Status)
		}
		return answer
	}
	head, tags := ask(http.MethodHead, ""), ask(http.MethodGet, "?tagging")
	defer head.Body.Close()
	defer tags.Body.Close()
	body, err := io.ReadAll(tags.Body)
	p.must(err)
	var all []string
	for name, values := range head.Header {
		if !slices.Contains([]string{"Date", "Last-Modified", "X-Amz-Version-Id", "X-Amz-Request-Id", "X-Amz-Id-2"}, name) {
			all = append(all, name+": "+strings.Join(values, ", "))
		}
	}
	slices.Sort(all)
	return strings.Join(all, "\n") + "\n" + string(body)
}

// detectedAgain takes inventories of what is there now, which differ from those that are given in what is to move alone,
// scans and detects, the latter by a clock that may be an hour behind.
func (p *platform) detectedAgain(moving map[place]kept, hourAgo bool) {
	p.t.Helper()
	for _, bucket := range p.buckets() {
		now := map[string]cooper.Version{}
		for _, v := range p.store.Versions(bucket) {
			now[v.Key] = v
		}
		var rows [][]string
		for _, row := range p.inventory(bucket) {
			at := place{bucket, unescaped(row[1])}
			if _, moves := moving[at]; moves {
				v, there := now[at.key]
				if !there {
					continue
				}
				row[2], row[5], row[6], row[7] = v.VersionID, strconv.FormatInt(v.Size, 10), v.LastModified.Time().Format("2006-01-02T15:04:05.000Z"), v.ETag
				row[9] = strconv.FormatBool(strings.Contains(v.ETag, "-"))
			}
			rows = append(rows, row)
		}
		dir := p.t.TempDir()
		p.report(dir, bucket, rows)
		p.cooper(0, "snapshot", "s3://"+bucket, "--inventory", dir)
	}
	p.gc(0, "scan")
	p.hourAgo = hourAgo
	p.gc(0, "detect", "--yes")
	p.hourAgo = false
}

// report writes an inventory report of today.
func (p *platform) report(dir, bucket string, rows [][]string) {
	p.t.Helper()
	var data bytes.Buffer
	z := gzip.NewWriter(&data)
	for _, row := range rows {
		for i, c := range row {
			row[i] = strconv.Quote(c)
		}
		_, err := fmt.Fprintln(z, strings.Join(row, ","))
		p.must(err)
	}
	p.must(z.Close())
	p.must(e2etest.Save(filepath.Join(dir, "data", "part.csv.gz"), data.Bytes()))
	now := time.Now().UTC()
	manifest, err := json.Marshal(map[string]any{
		"sourceBucket": bucket, "destinationBucket": "arn:aws:s3:::example-inventory", "version": "2016-11-30", "creationTimestamp": strconv.FormatInt(now.UnixMilli(), 10), "fileFormat": "CSV",
		"fileSchema": "Bucket, Key, VersionId, IsLatest, IsDeleteMarker, Size, LastModifiedDate, ETag, StorageClass, IsMultipartUploaded",
		"files":      []map[string]any{{"key": bucket + "/daily/data/part.csv.gz", "size": data.Len(), "MD5checksum": e2etest.Sum(data.Bytes())}},
	})
	p.must(err)
	date := now.Format("2006-01-02T15-04Z")
	p.must(e2etest.Save(filepath.Join(dir, date, "manifest.json"), manifest))
	p.must(e2etest.Save(filepath.Join(dir, date, "manifest.checksum"), []byte(e2etest.Sum(manifest))))
}

// there are the keys of a bucket that show something, less manifests.
func (p *platform) there(bucket string) map[string]cooper.Version {
	all := map[string]cooper.Version{}
	for _, v := range p.store.Versions(bucket) {
		if v.Latest && !v.DeleteMarker && !strings.HasPrefix(v.Key, ".cooper/") {
			all[v.Key] = v
		}
	}
	return all
}

// moved archives all but what is left: first what may go is closed, and waits; after a scan that began later, it goes.
func (p *platform) moved(before map[place]kept, left []string) {
	p.t.Helper()
	args := []string{"run", "archive", "--yes", "--share-stop", "100%"}
	if p.set == "rails" {
		args = append(args, "--without-fence")
	}
	was := map[string]map[string]cooper.Version{}
	for _, b := range p.buckets() {
		was[b] = p.there(b)
	}
	p.hourAgo = true
	p.gc(0, args...)
	if n := len(p.there("example-archive")); n > 0 {
		p.t.Errorf("%d objects moved, though values that hold links cannot be looked up", n)
	}
	p.hourAgo = false
	if p.set == "platform" { // closed an hour ago, also by the clock of the database
		p.database("UPDATE FILES SET UPDATED_ON = UPDATED_ON - INTERVAL 1 HOUR WHERE STATUS = 'ARCHIVED' AND UPDATED_ON > NOW() - INTERVAL 1 HOUR")
	}
	p.detectedAgain(before, false)
	if got := len(lines(p.gc(0, "list", "archive", "--tsv"))); got != len(before)+len(left) {
		p.t.Errorf("of %d objects that are closed, %d may go", len(before), got)
	}
	p.gc(0, args...)
	archived := p.there("example-archive")
	for at, k := range before {
		v, there := archived[at.bucket+"/"+at.key]
		if !there || v.StorageClass != "STANDARD_IA" {
			p.t.Errorf("%v is not in the archive, but %+v", at, v)
			continue
		}
		if body, _ := p.store.Body("example-archive", v.Key, ""); !bytes.Equal(body, k.body) {
			p.t.Errorf("%v: its copy has other bytes", at)
		}
		delete(was[at.bucket], at.key)
	}
	if len(archived) != len(before) {
		p.t.Errorf("%d objects are in the archive, of %d", len(archived), len(before))
	}
	for _, b := range p.buckets() {
		if now := p.there(b); !maps.Equal(now, was[b]) {
			p.t.Errorf("%s has %d objects, not the %d that were to stay", b, len(now), len(was[b]))
		}
	}
	p.same("outcomes", p.rows("SELECT status || ' ' || count(*) || ' ' || count(DISTINCT action) AS x FROM outcome WHERE verb = 'archive' GROUP BY status ORDER BY status"),
		fmt.Sprintf("deferred %d %d", len(before), len(before)), fmt.Sprintf("done %d %d", len(before), len(before)))
	p.same("handles that were told to be ARCHIVED twice", p.rows("SELECT id AS x FROM gc_transition WHERE to_status = 'ARCHIVED' GROUP BY kind, id HAVING count(*) > 1"))
	p.detectedAgain(before, false)
	p.same("left", lines(p.gc(0, "list", "archive", "--tsv")), left...)
}

// back brings all back: at once what can be read; what lies deeper is asked for, RESTORING until the store has brought
// it, and AVAILABLE then.
func (p *platform) back(before map[place]kept) {
	p.t.Helper()
	handles := p.rows("SELECT CASE WHEN kind <> '' THEN kind || ':' ELSE '' END || id AS x FROM gc_transition WHERE to_status = 'ARCHIVED' ORDER BY 1")
	deep := map[string]cooper.Version{}
	for i, key := range slices.Sorted(maps.Keys(p.there("example-archive"))) {
		v := p.there("example-archive")[key]
		class := [][2]string{{"STANDARD_IA", ""}, {"GLACIER", ""}, {"DEEP_ARCHIVE", ""}, {"INTELLIGENT_TIERING", "ARCHIVE"}, {"INTELLIGENT_TIERING", "DEEP_ARCHIVE"}, {"INTELLIGENT_TIERING", "INFREQUENT"}}[i%6]
		p.store.SetClass("example-archive", key, v.VersionID, class[0], class[1])
		if i%6 != 0 && i%6 != 5 {
			deep[key] = v
		}
	}
	args := append([]string{"restore", "--yes"}, handles...)
	p.gc(0, args...)
	p.cameBack(before, deep)
	for range 2 { // asked for twice is asked for once
		p.gc(0, args...)
	}
	p.cameBack(before, deep)
	for _, v := range deep {
		p.store.CompleteRestore("example-archive", v.Key, v.VersionID)
	}
	p.gc(0, args...)
	p.cameBack(before, nil)
	p.same("statuses", p.rows("SELECT DISTINCT arg_max(to_status, since) AS x FROM gc_transition WHERE kind || ':' || id IN (SELECT kind || ':' || id FROM gc_transition WHERE to_status = 'ARCHIVED') GROUP BY kind, id"), "AVAILABLE")
	if p.set == "platform" {
		p.same("the owner's statuses", p.owned(handles), fmt.Sprintf("AVAILABLE %d", len(handles)))
	}
}

// owned counts statuses that the owner has.
func (p *platform) owned(handles []string) (all []string) {
	p.t.Helper()
	for _, row := range p.asked("SELECT STATUS, COUNT(*) FROM FILES WHERE ID IN (" + strings.Join(handles, ", ") + ") GROUP BY STATUS ORDER BY STATUS") {
		all = append(all, strings.Join(row, " "))
	}
	return all
}

// cameBack wants all that is not deep to be where it was, and as it was; and what is deep to be nowhere.
func (p *platform) cameBack(before map[place]kept, deep map[string]cooper.Version) {
	p.t.Helper()
	for at, k := range before {
		body, there := p.store.Body(at.bucket, at.key, "")
		if _, is := deep[at.bucket+"/"+at.key]; is {
			if there {
				p.t.Errorf("%v is there, and cannot be read in the archive", at)
			}
			continue
		}
		if !there || !bytes.Equal(body, k.body) {
			p.t.Errorf("%v did not come back as it was", at)
		} else if said := p.said(at.bucket, at.key); said != k.said {
			p.t.Errorf("%v came back as\n%s\nand was\n%s", at, said, k.said)
		}
	}
}
