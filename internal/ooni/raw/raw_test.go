package raw

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"cooper"
	"cooper/internal/loosejson"
)

const given = "../../../../shared/ooni/nettests/raw_layout"

// got is what a file gives: ids of measurements, and reasons for what is none.
func got(t *testing.T, format Format, r io.Reader, longest int) (all []string, sum Summary) {
	t.Helper()
	var d loosejson.Doc
	sum, err := Read(t.Context(), format, r, longest, func(it *Item) error {
		if want := int64(len(all)); it.Position != want {
			t.Errorf("the item at %d is said to be at %d", want, it.Position)
		}
		m, uid, reason, err := it.Measurement(&d)
		if (reason == NoJSON) != (err != nil) && reason != NoObject {
			t.Errorf("%q: %v", reason, err)
		}
		switch {
		case reason != "":
			all = append(all, string(reason))
		default:
			report, _ := m.Get("report_id").Text()
			all = append(all, uid+" "+report)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all, sum
}

// TestGiven: of each file all that its makers' own readers give, under the ids that they give, and what
// they lose.
func TestGiven(t *testing.T) {
	b, err := os.ReadFile(given + "_upstream.json")
	if errors.Is(err, fs.ErrNotExist) {
		t.Skip("the files of all layouts are not there")
	}
	if err != nil {
		t.Fatal(err)
	}
	var upstream map[string]struct {
		TestName *string `json:"testname"`
		Country  *string `json:"probe_cc"`
		Time     *string `json:"timestamp"`
		Ext      *string `json:"ext"`
		Reads    []struct {
			UID    *string `json:"uid"`
			Report *string `json:"report_id"`
		} `json:"upstream_reads"`
		Stops string `json:"upstream_then_stops_with"`
	}
	if err := json.Unmarshal(b, &upstream); err != nil {
		t.Fatal(err)
	}
	// What they do not give: measurements after the one that stops them, and what is none.
	more := map[string][]string{
		"-probe.json.lz4":                      {"no-json"},
		"telegram.0.tar.lz4":                   {"no-json"},
		"x.411d9d2e15f1bd08.0.jsonl.gz":        {"blank", "20221027T000314Z_signal_AM_44395_n1_2Tjx8RckKKKGB5Fv"},
		"2022111010_US_telegram.n1.0.jsonl.gz": {"empty"},
		"2022111011_US_telegram.n1.0.jsonl.gz": {"empty"},
		"2022111011_US_telegram.n1.0.tar.gz":   {"no-json", "20230530T180834Z_signal_US_7922_n1_EJFlOKiE0boozDsJ", "20191203T122313Z_AS30722_53QEjcU6gIhMdgN3YCbEi7JQ5RYjdql8PEjy4rd2BtwEnbSpEQ"},
		"2022111012_US_telegram.n1.0.tar.gz":   {"no-member", "yaml", "empty"},
		"2022111013_US_telegram.n1.0.tar.gz":   {"20191203T122313Z_AS30722_53QEjcU6gIhMdgN3YCbEi7JQ5RYjdql8PEjy4rd2BtwEnbSpEQ", "20191203T122313Z_AS30722_53QEjcU6gIhMdgN3YCbEi7JQ5RYjdql8PEjy4rd2BtwEnbSpEQ"},
		"2022111014_US_telegram.n1.0.tar.gz":   {"cut-off"},
	}
	for key, u := range upstream {
		f := Parse(key)
		if u.Ext == nil {
			if f.Format != Index {
				t.Errorf("%s is %v", key, f.Format)
			}
			continue
		}
		text := func(s *string) string {
			if s == nil {
				return ""
			}
			return *s
		}
		if f.Format.String() != *u.Ext || f.Test != text(u.TestName) || f.Country != text(u.Country) || f.Hour.Format("2006-01-02 15:04:05") != text(u.Time) {
			t.Errorf("%s: %+v", key, f)
		}
		file, err := os.Open(filepath.Join(given, filepath.FromSlash(key)))
		if err != nil {
			t.Fatal(err)
		}
		all, sum := got(t, f.Format, file, Longest)
		if err := file.Close(); err != nil {
			t.Error(err)
		}
		var want []string
		for _, r := range u.Reads {
			if r.Report != nil {
				want = append(want, text(r.UID)+" "+*r.Report)
			}
		}
		for name, w := range more {
			if strings.HasSuffix(key, name) {
				want = append(want, w...)
			}
		}
		var left []string
		for _, a := range all {
			at := slices.IndexFunc(want, func(w string) bool { return a == w || strings.HasSuffix(a, w) })
			if at < 0 {
				left = append(left, a)
				continue
			}
			want = slices.Delete(want, at, at+1)
		}
		if len(left)+len(want) > 0 {
			t.Errorf("%s gives %q, not %q", key, left, want)
		}
		if (sum.Trouble != nil) != strings.Contains(u.Stops, "unexpected end of data") && !strings.Contains(u.Stops, "JSON") {
			t.Errorf("%s: %v", key, sum.Trouble)
		}
	}
}

func TestNames(t *testing.T) {
	for key, want := range map[string]string{
		"raw/20220101/05/IR/webconnectivity/2022010105_IR_webconnectivity.n0.0.tar.gz":        "tar.gz 2022010105 IR webconnectivity",
		"p/raw/20220101/05/IR/webconnectivity/2022010105_IR_webconnectivity.n1.12.jsonl.gz":   "jsonl.gz 2022010105 IR webconnectivity",
		"jsonl/telegram/IT/20180101/00/20180101_IT_telegram.x.411d9d2e15f1bd08.0.jsonl.gz":    "jsonl.gz 2018010100 IT telegram",
		"canned/2020-01-10/20200109T235900Z-US-AS1-web_connectivity-x_y-0.2.0-probe.json.lz4": "json.lz4 2020011000 US webconnectivity",
		"canned/2020-01-10/20200110T000000Z-US-AS1-http_requests-x-0.2.0-probe.yaml.lz4":      "yaml.lz4 2020011000 US httprequests",
		"canned/2020-01-10/web_connectivity.03.tar.lz4":                                       "tar.lz4 2020011000  webconnectivity",
		"canned/2020-01-10/index.json.gz":                                                     "index 2020011000  ",
		"raw/20220101/05/IR/webconnectivity/2022010105_IR_webconnectivity.n0.0.tar.gz.tmp":    "unknown 0001010100  ",
		"README.md": "unknown 0001010100  ",
		"":          "unknown 0001010100  ",
		"raw/20220199/05/IR/x/2022019905_IR_x.n0.0.jsonl.gz": "jsonl.gz 0001010100 IR x",
	} {
		f := Parse(key)
		if got := fmt.Sprint(f.Format, " ", f.Hour.Format("2006010215"), " ", f.Country, " ", f.Test); got != want {
			t.Errorf("%s: %s, not %s", key, got, want)
		}
	}
	a, b := Parse("raw/20220101/05/IR/x/2022010105_IR_x.n0.0.tar.gz"), Parse("raw/20220101/05/IR/x/2022010105_IR_x.n0.0.jsonl.gz")
	if a.Stem == "" || a.Stem != b.Stem {
		t.Errorf("%q and %q", a.Stem, b.Stem)
	}
}

// TestUID: the vector that the field's own readers are known by.
func TestUID(t *testing.T) {
	var d loosejson.Doc
	m, err := d.Parse([]byte(`{"measurement_start_time":"2021-02-03 10:11:12"}`))
	if err != nil {
		t.Fatal(err)
	}
	if got := UID(m); got != "01202102037f9c2ba4e88f827d61604550760585" {
		t.Error(got)
	}
	if got := UID(loosejson.Value{}, []byte("a")); !strings.HasPrefix(got, "0100000000") {
		t.Error(got)
	}
	if UID(m, []byte("a\n")) != UID(m, []byte("a"), []byte("\n")) {
		t.Error("parts count")
	}
}

func tarred(t *testing.T, members ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for i, m := range members {
		if err := w.WriteHeader(&tar.Header{Name: fmt.Sprintf("a/%d.post", i), Mode: 0o600, Size: int64(len(m))}); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, m); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

const post = `{"format":"json","content":{"report_id":"r"}}`

// TestDamage: what is damaged costs itself, and is told.
func TestDamage(t *testing.T) {
	whole := tarred(t, post, post, post)
	bad := slices.Clone(whole)
	bad[1024+148] ^= 1 // the checksum of the second header
	for name, c := range map[string]struct {
		text  []byte
		want  []string
		whole bool
	}{
		"undamaged":              {whole, []string{"0 r", "1 r", "2 r"}, true},
		"a header":               {bad, []string{"0 r", "damaged", "2 r"}, true},
		"another archive behind": {slices.Concat(whole, whole[:1024]), []string{"0 r", "1 r", "2 r", "0 r"}, true},
		"cut off in a member":    {whole[:1024+512+10], []string{"0 r", "cut-off"}, false},
		"cut off in a header":    {whole[:1024+100], []string{"0 r"}, false},
		"no archive":             {bytes.Repeat([]byte("no archive "), 500), []string{"damaged"}, false},
		"nothing":                {nil, nil, true},
	} {
		all, sum := got(t, Posts, bytes.NewReader(c.text), Longest)
		if !slices.Equal(all, c.want) || (sum.Trouble == nil) != c.whole {
			t.Errorf("%s: %q, %v", name, all, sum.Trouble)
		}
		if sum.Trouble != nil && cooper.KindOf(sum.Trouble) != cooper.KindCorrupt {
			t.Errorf("%s: %v", name, sum.Trouble)
		}
	}
}

func zipped(t *testing.T, text string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestLines(t *testing.T) {
	text := `{"report_id":"a"}` + "\n\n{}\n" + `{"report_id":"` + strings.Repeat("x", 100) + `"}` + "\r\n[1]\n7\nnull\n{\"report_id\":\n" + `{"report_id":"b"}`
	want := []string{"a", "blank", "empty", "too-long", "no-object", "no-object", "no-object", "no-json", "b"}
	compressed := zipped(t, text)
	check := func(name string, text []byte, want []string, whole bool) {
		t.Helper()
		all, sum := got(t, Lines, iotest.OneByteReader(bytes.NewReader(text)), 64)
		for i := range all {
			if _, report, ok := strings.Cut(all[i], " "); ok {
				all[i] = report
			}
		}
		if !slices.Equal(all, want) || (sum.Trouble == nil) != whole {
			t.Errorf("%s: %q, %v", name, all, sum.Trouble)
		}
	}
	check("gzip", compressed, want, true)
	check("plain", []byte(text), want, true)
	check("two members of gzip", slices.Concat(compressed, compressed), slices.Concat(want[:8], []string{"no-json"}, want[1:]), true)
	check("cut off", compressed[:len(compressed)-12], append(slices.Clone(want[:8]), "cut-off"), false)
	check("a wrong sum", append(slices.Clone(compressed[:len(compressed)-8]), 1, 2, 3, 4, 5, 6, 7, 8), append(slices.Clone(want[:8]), "cut-off"), false)
}

// TestPlaces: a line of a pair is the post at its place, also where that could not be read.
func TestPlaces(t *testing.T) {
	posts, _, err := Places(t.Context(), Posts, bytes.NewReader(tarred(t, post, "no post", "")))
	if err != nil {
		t.Fatal(err)
	}
	lines, _, err := Places(t.Context(), Lines, bytes.NewReader(zipped(t, "{\"a\":1}\n{}\n\n")))
	if err != nil {
		t.Fatal(err)
	}
	if posts != 3 || lines != 3 {
		t.Errorf("%d posts, %d lines", posts, lines)
	}
}

// TestStop: errors that are not the file's end it, and are no trouble with it.
func TestStop(t *testing.T) {
	mine := errors.New("mine")
	for _, format := range []Format{Posts, Lines, Can, CanLines} {
		text := tarred(t, post, post)
		if format == Lines || format == CanLines {
			text = []byte("{}\n{}\n")
		}
		sum, err := Read(t.Context(), format, bytes.NewReader(text), Longest, func(*Item) error { return mine })
		if !errors.Is(err, mine) || sum.Trouble != nil || sum.Items != 1 {
			t.Errorf("%v: %v, %+v", format, err, sum)
		}
		_, err = Read(t.Context(), format, io.MultiReader(bytes.NewReader(text[:3]), iotest.ErrReader(mine)), Longest, func(*Item) error { return nil })
		if !errors.Is(err, mine) {
			t.Errorf("%v, and the store fails: %v", format, err)
		}
	}
}

// FuzzRead: whatever the bytes are, it ends, gives positions in order, and keeps to the bound.
func FuzzRead(f *testing.F) {
	f.Add([]byte(post), uint8(Posts))
	f.Add([]byte("{}\n\n{\"a\":1}\n"), uint8(Lines))
	f.Fuzz(func(t *testing.T, text []byte, format uint8) {
		var d loosejson.Doc
		n := int64(0)
		if _, err := Read(t.Context(), Posts+Format(format%4), bytes.NewReader(text), 1000, func(it *Item) error {
			if it.Position != n || len(it.Text) > 1000 {
				t.Fatalf("%d of %d bytes", it.Position, len(it.Text))
			}
			n++
			_, uid, reason, _ := it.Measurement(&d) // the reason says all
			if (uid == "") != (reason != "") {
				t.Fatalf("%q, %q", uid, reason)
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	})
}
