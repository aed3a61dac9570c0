package mem_test

import (
	"bytes"
	"compress/gzip"
	"crypto/md5"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"cooper/internal/store"
	"cooper/internal/store/mem"
)

// request is one line of a probe: method, target, body and headers.
type request struct {
	line    string
	body    string
	headers map[string]string
}

func ask(line string, headers ...string) request {
	r := request{line: line, headers: map[string]string{}}
	for i := 0; i < len(headers); i += 2 {
		r.headers[headers[i]] = headers[i+1]
	}
	return r
}

func post(line, body string) request {
	sum := md5.Sum([]byte(body))
	return request{line: line, body: body, headers: map[string]string{"Content-Md5": base64.StdEncoding.EncodeToString(sum[:])}}
}

// probe shows a quirk: what is asked of a bucket, and what is in the answers
// only where the quirk is.
type probe struct {
	versioning string
	arrange    func(srv *mem.Server, b *probed)
	ask        []request
	want       string // a regular expression
}

// probed is what an arrangement tells the requests: $1, $2, … in them.
type probed struct{ ids []string }

func (p *probed) add(id string) { p.ids = append(p.ids, id) }

const deletion = "<Delete><Object><Key>%s</Key><VersionId>%s</VersionId></Object></Delete>"

const aComplete = "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>900150983cd24fb0d6963f7d28e17f72</ETag></Part></CompleteMultipartUpload>"

func twoKeys(srv *mem.Server, _ *probed) {
	srv.Put(bucket, "a b", []byte("1"), mem.PutOptions{})
	srv.Put(bucket, "c", []byte("2"), mem.PutOptions{})
}

func one(srv *mem.Server, p *probed) {
	p.add(srv.Put(bucket, "k", []byte("abc"), mem.PutOptions{ContentType: "text/csv", Tags: map[string]string{"a": "b"}}))
}

func twice(srv *mem.Server, p *probed) { one(srv, p); one(srv, p) }

func uploading(srv *mem.Server, p *probed) {
	one(srv, p)
	p.add(srv.BeginUpload(bucket, "k", mem.PutOptions{}, []byte("abc")))
}

func completing(header, value string) request {
	r := post("POST /b/k?uploadId=$2", aComplete)
	r.headers[header] = value
	return r
}

// marked is a version, and another one with other bytes.
func marked(srv *mem.Server, p *probed) {
	one(srv, p)
	srv.Put(bucket, "k", []byte("other"), mem.PutOptions{})
}

// copies is a request for a copy; $1 in its source is a version id.
func copies(line, source string, headers ...string) request {
	return ask(line, append(headers, "X-Amz-Copy-Source", source)...)
}

func gzipped(text string) []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = z.Write([]byte(text))
	_ = z.Close()
	return b.Bytes()
}

const (
	versions = "GET /b?versions&encoding-type=url&max-keys=%d"
	right    = `"900150983cd24fb0d6963f7d28e17f72"`
	signed   = "AWS4-HMAC-SHA256 Credential=a/20200101/us-east-1/s3/aws4_request, SignedHeaders=accept-encoding;host, Signature=00"
)

func listVersions(n int) request { return ask(fmt.Sprintf(versions, n)) }

var probes = map[mem.Quirk]probe{
	mem.RawNextMarker: {"", twoKeys, []request{listVersions(1)}, `<NextKeyMarker>a b<`},
	mem.NoNextMarker:  {"", twoKeys, []request{listVersions(1), ask("GET /b?list-type=2&max-keys=1")}, `(?s)IsTruncated>true</IsTruncated><KeyMarker></KeyMarker><VersionIdMarker></VersionIdMarker><Version>.*KeyCount><Contents`},
	mem.MarkerSuffix: {"", twoKeys, []request{listVersions(1), ask("GET /b?versions&key-marker=a%20b%5Bstore:1%5D")},
		`(?s)NextKeyMarker>a\+b%5Bstore.*<Key>c</Key>`},
	mem.MarkerIgnored:  {"", twoKeys, []request{ask("GET /b?versions&key-marker=a%20b")}, `<Key>a b</Key>`},
	mem.PagesOverlap:   {"Enabled", twice, []request{ask("GET /b?versions&key-marker=k&version-id-marker=$2")}, `<VersionId>$2</VersionId><IsLatest>`},
	mem.MarkersLast:    {"Enabled", func(srv *mem.Server, p *probed) { one(srv, p); srv.Delete(bucket, "k") }, []request{listVersions(9)}, `</Version><DeleteMarker>`},
	mem.ListNotEncoded: {"", func(srv *mem.Server, _ *probed) { srv.Put(bucket, "a\x01 b", nil, mem.PutOptions{}) }, []request{listVersions(9)}, `<MaxKeys>9</MaxKeys><IsTruncated>.*<Key>a` + "\ufffd" + ` b</Key>`},
	mem.ListNoETag:     {"", one, []request{listVersions(9)}, `LastModified><Size>`},
	mem.ListOtherTime:  {"", one, []request{listVersions(9)}, `<LastModified>2020-09-13T12:26:03.000Z`},
	mem.ListZoneTime:   {"", one, []request{listVersions(9)}, `<LastModified>2020-09-13T14:26:40\+02:00<`},

	mem.Redated: {"Enabled", func(srv *mem.Server, p *probed) {
		p.add(srv.Put(bucket, "k", nil, mem.PutOptions{LastModified: time.Unix(1000, 0)}))
		srv.Put(bucket, "k", nil, mem.PutOptions{})
	}, []request{listVersions(9)}, `<VersionId>$1</VersionId><IsLatest>false</IsLatest><LastModified>2020`},
	mem.MarkerPredated:    {"Enabled", one, []request{ask("DELETE /b/k"), listVersions(9)}, `<IsLatest>true</IsLatest><LastModified>2020-09-13T12:26:39`},
	mem.NoneLatest:        {"Suspended", one, []request{ask("DELETE /b/k"), listVersions(9)}, `<Key>k</Key><VersionId>null</VersionId><IsLatest>false`},
	mem.RemovesAll:        {"Enabled", twice, []request{ask("DELETE /b/k?versionId=$1"), ask("GET /b/k")}, `404`},
	mem.NullStays:         {"", one, []request{ask("DELETE /b/k?versionId=null"), ask("GET /b/k")}, `(?s)204.*200`},
	mem.NoVersionsAPI:     {"Enabled", one, []request{listVersions(9), ask("GET /b?versioning"), ask("GET /b/k?versionId=$1")}, `(?s)501.*501.*501`},
	mem.VersioningUnknown: {"", nil, []request{ask("GET /b?versioning")}, `501`},
	mem.VersionsUnknown:   {"", nil, []request{listVersions(9)}, `501`},
	mem.VersionsOtherRoot: {"", nil, []request{listVersions(9)}, `<ListBucketVersionsResult`},

	mem.Gunzips: {"", func(srv *mem.Server, _ *probed) {
		srv.Put(bucket, "k", gzipped("plain text"), mem.PutOptions{Headers: store.Headers{ContentEncoding: "gzip"}})
	}, []request{ask("GET /b/k", "Accept-Encoding", "identity")}, `plain text`},
	mem.Gzips:                 {"", one, []request{ask("GET /b/k")}, `Content-Encoding:\[gzip\]`},
	mem.AcceptEncodingChanged: {"", one, []request{ask("GET /b/k", "Authorization", signed)}, `SignatureDoesNotMatch`},
	mem.ReadMatchFails:        {"", one, []request{ask("GET /b/k", "If-Match", right)}, `412`},
	mem.ReadMatchIgnored:      {"", one, []request{ask("GET /b/k", "If-Match", `"other"`)}, `200`},
	mem.ReadNoETag:            {"", one, []request{ask("HEAD /b/k")}, `Content-Type:\[text/csv\] Last`},
	mem.ReadWeakETag:          {"", one, []request{ask("HEAD /b/k")}, `Etag:\[W/"`},
	mem.ETagNoMD5:             {"", one, []request{ask("HEAD /b/k"), ask("PUT /b/x"), ask("HEAD /b/x")}, `(?s)Etag:\["[^9][^0].*Etag:\["[^d][^4].*Etag:\["[^d][^4]`},
	mem.HeadNullMissing:       {"", one, []request{ask("HEAD /b/k?versionId=null")}, `404`},
	mem.HeadNullRefused:       {"", one, []request{ask("HEAD /b/k?versionId=null")}, `400`},
	mem.TagsNullMissing:       {"", one, []request{ask("GET /b/k?tagging&versionId=null")}, `404`},
	mem.TagCountNever:         {"", one, []request{ask("GET /b/k"), ask("HEAD /b/k")}, `(?s)X-Amz-Server-Side-Encryption:\[AES256\]\].*X-Amz-Server-Side-Encryption:\[AES256\]\]`},
	mem.TagCountByID:          {"Enabled", one, []request{ask("GET /b/k"), ask("GET /b/k?versionId=$1")}, `(?s)AES256\] X-Amz-Version.*X-Amz-Tagging-Count`},
	mem.TagsAreContent:        {"", one, []request{ask("GET /b/k?tagging")}, `\nabc`},
	mem.TagsUnknown:           {"", one, []request{ask("GET /b/k?tagging")}, `501`},

	mem.ChecksumsRefused: {"", one, []request{ask("PUT /b/x", "X-Amz-Checksum-Crc32", "AAAAAA=="), ask("GET /b/k", "X-Amz-Checksum-Mode", "ENABLED")}, `(?s)Unsupported.*Unsupported`},
	mem.ChecksumsUnknown: {"", one, []request{ask("PUT /b/x", "X-Amz-Checksum-Crc32", "AAAAAA=="), ask("GET /b/k", "X-Amz-Checksum-Mode", "ENABLED")}, `(?s)501.*200`},
	mem.ChecksumsIgnored: {"", nil, []request{ask("PUT /b/x", "X-Amz-Checksum-Crc32", "BBBBBB=="), ask("GET /b/x", "X-Amz-Checksum-Mode", "ENABLED")},
		`(?s)200 \[Etag:\["[^ ]*"\] X-Amz-Request-Id:\[1\] X-Amz-Server-Side-Encryption.*200`},
	mem.PutMatchFails:       {"", one, []request{ask("PUT /b/k", "If-Match", right)}, `412`},
	mem.PutMatchIgnored:     {"", one, []request{ask("PUT /b/k", "If-Match", `"other"`)}, `200`},
	mem.PutMatchUnknown:     {"", one, []request{ask("PUT /b/k", "If-Match", right)}, `501`},
	mem.PutNoneIgnored:      {"", one, []request{ask("PUT /b/k", "If-None-Match", "*")}, `200`},
	mem.CompleteUnguarded:   {"Enabled", uploading, []request{completing("If-Match", `"other"`)}, `200`},
	mem.CompleteNoneIgnored: {"Enabled", uploading, []request{completing("If-None-Match", "*")}, `200`},

	mem.CopyUnknown:        {"", one, []request{copies("PUT /b/l", "b/k")}, `501`},
	mem.PartCopyUnknown:    {"Enabled", uploading, []request{copies("PUT /b/k?partNumber=1&uploadId=$2", "b/k")}, `501`},
	mem.CopyOfCurrent:      {"Enabled", marked, []request{copies("PUT /b/l", "b/k?versionId=$1")}, `795f3202b17cb6bc3d4b771d8c6c9eaf`},
	mem.CopyMatchIgnored:   {"", one, []request{copies("PUT /b/l", "b/k", "X-Amz-Copy-Source-If-Match", `"other"`)}, `200`},
	mem.CopyNoneIgnored:    {"", one, []request{copies("PUT /b/k", "b/k", "X-Amz-Metadata-Directive", "REPLACE", "If-None-Match", "*")}, `200`},
	mem.CopyLosesTags:      {"", one, []request{copies("PUT /b/l", "b/k"), ask("GET /b/l?tagging")}, `(?s)200.*<TagSet></TagSet>`},
	mem.CopyRefusalsAre200: {"", nil, []request{copies("PUT /b/l", "b/k")}, `(?s)^200.*<Code>NoSuchKey`},
	mem.RestoreUnknown:     {"", one, []request{post("POST /b/k?restore", "<RestoreRequest><Days>1</Days></RestoreRequest>")}, `501`},

	mem.NoDeleteObjects:      {"", one, []request{post("POST /b?delete", fmt.Sprintf(deletion, "k", "null"))}, `501`},
	mem.DeleteObjectsInvalid: {"", one, []request{post("POST /b?delete", fmt.Sprintf(deletion, "k", "null"))}, `POST .delete is not implemented`},
	mem.NullRowsFail:         {"", one, []request{post("POST /b?delete", fmt.Sprintf(deletion, "k", "null"))}, `500`},
	mem.RowsWithoutIDs:       {"", one, []request{post("POST /b?delete", fmt.Sprintf(deletion, "k", "null"))}, `<Deleted><Key>k</Key></Deleted>`},
	mem.RowsNoSuchVersion:    {"", nil, []request{post("POST /b?delete", fmt.Sprintf(deletion, "k", "null"))}, `<Code>NoSuchVersion`},
	mem.UnknownIDRefused:     {"", nil, []request{ask("DELETE /b/k?versionId=null")}, `400`},
	mem.DeleteMatchIgnored:   {"", one, []request{ask("DELETE /b/k?versionId=null", "If-Match", `"other"`)}, `204`},
	mem.DeleteMatchUnknown:   {"", one, []request{ask("DELETE /b/k?versionId=null", "If-Match", right)}, `501`},
	mem.RowETagIgnored:       {"", one, []request{post("POST /b?delete", "<Delete><Object><Key>k</Key><VersionId>null</VersionId><ETag>other</ETag></Object></Delete>")}, `<Deleted>`},

	mem.OwnershipIsListing:  {"", one, []request{ask("GET /b?ownershipControls")}, `<ListBucketResult`},
	mem.OwnershipFails:      {"", one, []request{ask("GET /b?ownershipControls")}, `500`},
	mem.EncryptionIsListing: {"", one, []request{ask("GET /b?encryption")}, `<ListBucketResult`},
	mem.LockInvalid:         {"", one, []request{ask("GET /b?object-lock")}, `400`},
	mem.GrantWithoutID:      {"", one, []request{ask("GET /b?acl"), ask("GET /b/k?acl"), ask("GET /b?ownershipControls")}, `(?s)<ID></ID>.*<ID></ID>.*501`},
	mem.SettingsUnknown:     {"", one, []request{ask("GET /b?acl"), ask("GET /b/k?acl"), ask("GET /b?ownershipControls"), ask("GET /b?encryption"), ask("GET /b?object-lock")}, `(?s)501.*501.*501.*501.*501`},
}

var stored = map[mem.Quirk]bool{mem.Redated: true, mem.MarkerPredated: true, mem.NoneLatest: true, mem.ETagNoMD5: true}

// transcript arranges a bucket and gives what the requests are answered.
func (p probe) transcript(t *testing.T, plain bool, quirks ...mem.Quirk) (string, *probed) {
	t.Helper()
	srv := mem.New(mem.Options{Clock: newClock().now, MinPartSize: 1})
	srv.SetQuirks(quirks...)
	srv.CreateBucket(bucket, p.versioning)
	told := &probed{}
	if p.arrange != nil {
		p.arrange(srv, told)
	}
	h := http.Handler(srv)
	if plain {
		h = srv.Plain()
	}
	var out strings.Builder
	for _, r := range p.ask {
		method, target, _ := strings.Cut(told.fill(r.line), " ")
		req := httptest.NewRequest(method, target, strings.NewReader(r.body))
		for name, value := range r.headers {
			req.Header.Set(name, told.fill(value))
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, req)
		header := fmt.Sprint(w.Header())
		fmt.Fprintf(&out, "%d %s\n%s\n", w.Code, strings.TrimPrefix(header, "map"), w.Body.String())
	}
	return out.String(), told
}

func (p *probed) fill(s string) string {
	for i, id := range p.ids {
		s = strings.ReplaceAll(s, fmt.Sprint("$", i+1), id)
	}
	return s
}

func TestEveryQuirkShowsAndCanBeSwitchedOff(t *testing.T) {
	seen := map[mem.Quirk]bool{}
	for _, q := range mem.Quirks {
		if seen[q.Name] || q.Does == "" || q.Seen == "" {
			t.Errorf("%q stands twice in the table, or nothing is said of it", q.Name)
		}
		seen[q.Name] = true
		p, ok := probes[q.Name]
		if !ok {
			t.Errorf("%s has no probe", q.Name)
			continue
		}
		t.Run(string(q.Name), func(t *testing.T) {
			shows := func(plain bool, quirks ...mem.Quirk) bool {
				answers, told := p.transcript(t, plain, quirks...)
				found := regexp.MustCompile(told.fill(p.want)).MatchString(answers)
				if len(quirks) > 0 && !plain && !found {
					t.Logf("%s", answers)
				}
				return found
			}
			if !shows(false, q.Name) {
				t.Errorf("does not show")
			}
			if shows(false) {
				t.Errorf("shows without being there")
			}
			if shows(true, q.Name) != stored[q.Name] {
				t.Errorf("shows to those who are served plainly, or its deeds do not")
			}
		})
	}
}

func TestQuirksThatNobodyKnows(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	mem.New(mem.Options{}).SetQuirks("none-such")
}
