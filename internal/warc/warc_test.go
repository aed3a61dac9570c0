package warc

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"cooper"
)

var at = time.Date(2022, 11, 10, 10, 5, 0, 0, time.UTC)

// hostile are answers as measurements have them.
var hostile = []Response{
	{URL: "http://example.org/", At: at, Status: 200, Headers: []Header{{"Content-Type", "text/html"}}, Body: []byte("<html>")},
	{URL: "https://example.org/a b?q=ü&100%#[x]", At: at, Status: 302, Headers: []Header{{"Location", "/\r\nX-Injected: 1"}, {"Transfer-Encoding", "chunked"}, {"content-encoding", "gzip"}, {"Content-Length", "7"}}, Body: []byte("decoded")},
	{URL: "", At: at, Status: 0, Body: []byte("no address")},
	{URL: "http://[::1:bad/", At: at, Status: 999, Body: []byte("a bad one")},
	{URL: "http://[2001:db8::1]:80/x", At: at, Status: -7, Headers: []Header{{"", "no name"}, {"a b:c", "d\x00\xff"}, {"Empty", ""}}, Body: []byte("\r\n\r\nWARC/1.1\r\n\x00\x1f\x8b")},
	{URL: "ftp://example.org/", At: time.Time{}, Status: 12345, Body: bytes.Repeat([]byte("long "), 100_000)},
	{URL: "http://" + strings.Repeat("a", 20_000) + "/", At: at, Status: 200, Body: nil},
	{URL: "http://user:pass@example.org:99999/\x00\n", At: at.AddDate(9000, 0, 0), Status: 200, Body: []byte{0}},
}

func written(t *testing.T, all []Response) (file []byte, ends []int) {
	t.Helper()
	e, err := NewEncoder(6)
	if err != nil {
		t.Fatal(err)
	}
	b, err := e.Info("000001.warc.gz", at, Header{"software", "Cooper"})
	if err != nil {
		t.Fatal(err)
	}
	file = append(file, b...)
	ends = append(ends, len(file))
	for i := range all {
		b, digest, err := e.Response(&all[i])
		if err != nil || digest != Sum(all[i].Body) {
			t.Fatal(digest, err)
		}
		file = append(file, b...)
		ends = append(ends, len(file))
	}
	return file, ends
}

// TestRound: what was written is read, whatever is in it; alone, too; and is the same when it is
// written again.
func TestRound(t *testing.T) {
	file, ends := written(t, hostile)
	again, _ := written(t, hostile)
	if !bytes.Equal(file, again) {
		t.Error("the same answers are other bytes")
	}
	r := NewReader(bytes.NewReader(file), 0)
	info, err := r.Next()
	if err != nil || info.Type != "warcinfo" || !strings.Contains(string(info.Block), "software: Cooper\r\n") {
		t.Fatal(info, err)
	}
	ids := map[string]bool{info.ID: true}
	for i := range hostile {
		rec, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		want := &hostile[i]
		if !bytes.Equal(rec.Body(), want.Body) || rec.Digest != Sum(want.Body) || rec.Type != "response" || rec.Offset != int64(ends[i]) || rec.Offset+rec.Length != int64(ends[i+1]) {
			t.Errorf("%q: %+v", want.URL, rec)
		}
		if ids[rec.ID] || rec.ID == "" {
			t.Errorf("the id %q is not its own", rec.ID)
		}
		ids[rec.ID] = true
		if rec.URI != TargetURI(want.URL) && rec.URI != noAddress+rec.Digest.String() {
			t.Errorf("%q became %q", want.URL, rec.URI)
		}
		lines := strings.Split(strings.TrimSuffix(string(rec.Head()), "\r\n\r\n"), "\r\n")
		for _, line := range lines[1:] {
			name, value, ok := strings.Cut(line, ": ")
			if bare := strings.ReplaceAll(name, "%", ""); !ok || fieldName(bare) != bare || fieldValue(value) != value {
				t.Errorf("%q: the line %q", want.URL, line)
			}
			switch strings.ToLower(name) {
			case "x-injected", "transfer-encoding", "content-encoding":
				t.Errorf("%q: the line %q", want.URL, line)
			}
		}
		alone, err := NewReader(bytes.NewReader(file[ends[i]:ends[i+1]]), int64(ends[i])).Next()
		if err != nil || !bytes.Equal(alone.Block, rec.Block) || alone.Offset != rec.Offset {
			t.Errorf("alone: %v", err)
		}
	}
	if _, err := r.Next(); !errors.Is(err, io.EOF) {
		t.Errorf("behind the last: %v", err)
	}
}

// TestCutOff: nothing that was cut off passes for a record.
func TestCutOff(t *testing.T) {
	file, ends := written(t, hostile[:3])
	for n := range len(file) {
		r := NewReader(bytes.NewReader(file[:n]), 0)
		whole := 0
		for {
			_, err := r.Next()
			if err == nil {
				whole++
				continue
			}
			atEnd := n == 0 || whole > 0 && n == ends[whole-1]
			if errors.Is(err, io.EOF) != atEnd || !atEnd && cooper.KindOf(err) != cooper.KindCorrupt {
				t.Fatalf("cut at %d, after %d records: %v", n, whole, err)
			}
			break
		}
		want := 0
		for want < len(ends) && ends[want] <= n {
			want++
		}
		if whole != want {
			t.Fatalf("cut at %d: %d records, not %d", n, whole, want)
		}
	}
}

// TestFlipped: nothing that was changed passes for a record, but for what a gzip head says of itself.
func TestFlipped(t *testing.T) {
	file, ends := written(t, hostile[:1])
	want, err := NewReader(bytes.NewReader(file[ends[0]:]), 0).Next()
	if err != nil {
		t.Fatal(err)
	}
	for n := range 8 * (ends[1] - ends[0]) {
		b := bytes.Clone(file[ends[0]:])
		b[n/8] ^= 1 << (n % 8)
		rec, err := NewReader(bytes.NewReader(b), 0).Next()
		if err == nil && (!bytes.Equal(rec.Block, want.Block) || rec.URI != want.URI || rec.ID != want.ID) {
			t.Fatalf("bit %d: %+v", n, rec)
		}
	}
}

func TestDigests(t *testing.T) {
	d := Sum([]byte("abc"))
	for _, text := range []string{"VGMT4NSHA2AWVOR6EVYXQUGCNSONBWE5", "sha1:vgmt4nsha2awvor6evyxqugcnsonbwe5", "a9993e364706816aba3e25717850c26c9cd0d89d", "SHA1:A9993E364706816ABA3E25717850C26C9CD0D89D"} {
		if got, err := ParseDigest(text); err != nil || got != d {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
	if d.String() != "VGMT4NSHA2AWVOR6EVYXQUGCNSONBWE5" {
		t.Error(d)
	}
	for _, text := range []string{"", "sha1:", "VGMT4NSHA2AWVOR6EVYXQUGCNSONBWE1", "a9993e36", "sha256:abc"} {
		if got, err := ParseDigest(text); cooper.KindOf(err) != cooper.KindInvalid {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
}

func TestAddresses(t *testing.T) {
	for address, want := range map[string]string{
		"http://example.org":         "http://example.org",
		" HTTPS://example.org/a b#c": "https://example.org/a%20b#c",
		"http://example.org/100%/%4": "http://example.org/100%25/%254",
		"http://example.org/%41[1]|": "http://example.org/%41%5B1%5D%7C",
		"http://bücher.example/":     "http://b%C3%BCcher.example/",
		"http://[2001:db8::1]/":      "http://[2001:db8::1]/",
		"http://[::1:bad/":           "",
		"http://[1.2.3.4]/":          "",
		"http:///x":                  "",
		"http://a@b@c/":              "",
		"urn:sha1:x":                 "",
		"":                           "",
		"http://example.org\\x":      "http://example.org%5Cx",
	} {
		if got := TargetURI(address); got != want {
			t.Errorf("%q became %q, not %q", address, got, want)
		}
	}
}

func FuzzResponse(f *testing.F) {
	for i := range hostile {
		f.Add(hostile[i].URL, hostile[i].Status, "A", "b", hostile[i].Body[:min(len(hostile[i].Body), 100)])
	}
	f.Fuzz(func(t *testing.T, url string, status int, name, value string, body []byte) {
		e, err := NewEncoder(1)
		if err != nil {
			t.Fatal(err)
		}
		b, digest, err := e.Response(&Response{URL: url, At: at, Status: status, Headers: []Header{{name, value}}, Body: body})
		if err != nil {
			t.Fatal(err)
		}
		rec, err := NewReader(bytes.NewReader(b), 0).Next()
		if err != nil || rec.Digest != digest || !bytes.Equal(rec.Body(), body) || int(rec.Length) != len(b) {
			t.Fatalf("%q, %q, %q: %v, %+v", url, name, value, err, rec)
		}
	})
}
