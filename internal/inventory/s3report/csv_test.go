package s3report

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/iotest"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	kgzip "github.com/klauspost/compress/gzip"
	"pgregory.net/rapid"

	"cooper"
)

// scan takes all records; malformed ones are given as one field, the reason in
// angle brackets.
func scan(r io.Reader) ([][]string, error) {
	var all [][]string
	sc := newScanner(r)
	for {
		fields, err := sc.next()
		var bad malformed
		switch {
		case errors.Is(err, io.EOF):
			return all, nil
		case errors.As(err, &bad):
			all = append(all, []string{"<" + string(bad) + ">"})
			continue
		case err != nil:
			return all, err
		}
		record := make([]string, len(fields))
		for i, f := range fields {
			record[i] = string(f)
		}
		all = append(all, record)
	}
}

func TestScanner(t *testing.T) {
	for text, want := range map[string][][]string{
		"":                           nil,
		"\n\r\n\n":                   nil,
		"a":                          {{"a"}},
		"a,b\nc,d":                   {{"a", "b"}, {"c", "d"}},
		"a,\n,\n":                    {{"a", ""}, {"", ""}},
		"\"a\",\"b\"\r\n\"c\",d\r\n": {{"a", "b"}, {"c", "d"}},
		"\"a\"\"b\",\"\"\"\"\n":      {{`a"b`, `"`}},
		"\"a\nb\",c\n":               {{"a\nb", "c"}},
		"\"a,b\"":                    {{"a,b"}},
		"\"\",\"\"\n":                {{"", ""}},
		"a\"b,c\nd\n":                {{"<a quote stands within a field>"}, {"d"}},
		"\"a\"b,c\nd\n":              {{"<something stands behind a quoted field>"}, {"d"}},
		"\"a\nb,c\nd":                {{"<a quote is not closed>"}, {"b", "c"}, {"d"}},
		// A lost quote costs its own line only.
		"\"k,\"1\"\n\"l\",\"2\"\n": {{"<something stands behind a quoted field>"}, {"l", "2"}},
	} {
		for name, r := range map[string]io.Reader{
			"whole": strings.NewReader(text), "bytewise": iotest.OneByteReader(strings.NewReader(text)), "data with EOF": iotest.DataErrReader(strings.NewReader(text)),
		} {
			got, err := scan(r)
			if err != nil {
				t.Errorf("%q: %v", text, err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%q, %s: %s", text, name, diff)
			}
		}
	}
}

func TestScannerBoundsRecords(t *testing.T) {
	long := strings.Repeat("x", 3*maxRecord)
	for _, text := range []string{"a\n" + long + "\nb\n", "a\n\"" + long + "\"\nb\n", "a\n\"" + strings.Repeat(`""`, maxRecord) + "\nb\n"} {
		sc := strings.NewReader(text)
		s := newScanner(sc)
		var got []string
		for {
			fields, err := s.next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				got = append(got, err.Error())
				continue
			}
			got = append(got, string(fields[0]))
		}
		if diff := cmp.Diff([]string{"a", "the row is longer than 1 MiB", "b"}, got); diff != "" {
			t.Error(diff)
		}
		if len(s.buf) > 4*maxRecord {
			t.Errorf("the buffer grew to %d bytes", len(s.buf))
		}
	}
	// A record just within the bound is read.
	if got, err := scan(strings.NewReader(`"` + long[:maxRecord-10] + `"`)); err != nil || len(got) != 1 || len(got[0][0]) != maxRecord-10 {
		t.Errorf("%d records, %v", len(got), err)
	}
}

func TestScannerReportsReadErrors(t *testing.T) {
	broken := errors.New("broken")
	_, err := scan(io.MultiReader(strings.NewReader("a,b\nc"), iotest.ErrReader(broken)))
	if !errors.Is(err, broken) {
		t.Errorf("%v", err)
	}
}

// What encoding/csv writes is read back as it was.
func TestScannerReadsWhatTheStandardLibraryWrites(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		field := rapid.OneOf(rapid.String(), rapid.StringOfN(rapid.SampledFrom([]rune("a\",\n ")), 0, 8, -1))
		records := rapid.SliceOf(rapid.SliceOfN(field, 2, 5)).Draw(t, "records")
		var b bytes.Buffer
		w := csv.NewWriter(&b)
		if err := w.WriteAll(records); err != nil {
			t.Fatal(err)
		}
		if bytes.IndexByte(b.Bytes(), '\r') >= 0 {
			t.Skip("the standard library's own ideas of carriage returns")
		}
		got, err := scan(iotest.HalfReader(bytes.NewReader(b.Bytes())))
		if err != nil {
			t.Fatal(err)
		}
		if len(got) != len(records) || (len(got) > 0 && !cmp.Equal(got, records)) {
			t.Fatal(cmp.Diff(records, got))
		}
	})
}

func FuzzScanner(f *testing.F) {
	for _, s := range []string{"a,b\n", "\"a\"\"b\",\"c\nd\"\n", "\"", "a\"b", "\"a\"b\n\"c\"\n", "\r\n\r", ",", "\"\"\"\"\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := scan(bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		if again, _ := scan(iotest.OneByteReader(bytes.NewReader(b))); !cmp.Equal(got, again) {
			t.Fatalf("bytewise: %s", cmp.Diff(got, again))
		}
		if bytes.IndexByte(b, '\r') >= 0 {
			return
		}
		// What the standard library finds valid means the same here.
		r := csv.NewReader(bytes.NewReader(b))
		r.FieldsPerRecord = -1
		want, err := r.ReadAll()
		if err == nil && !cmp.Equal(want, got) && len(want)+len(got) > 0 {
			t.Fatal(cmp.Diff(want, got))
		}
	})
}

func TestRejectedRows(t *testing.T) {
	const good = `"src","k","v","true","false","1","2024-05-01T10:00:00.000Z","e","STANDARD"`
	for name, c := range map[string]struct{ row, reason, key string }{
		"too few fields":        {`"src","k"`, badFields, "k"},
		"too many fields":       {good + `,"x"`, badFields, "k"},
		"another bucket":        {strings.Replace(good, "src", "other", 1), badBucket, "k"},
		"no bucket":             {strings.Replace(good, "src", "", 1), badBucket, "k"},
		"not UTF-8":             {strings.Replace(good, `"k"`, `"k%FF%C3"`, 1), badUTF8, "k\xff\xc3"},
		"surrogate":             {strings.Replace(good, `"k"`, `"%ED%A0%80"`, 1), badUTF8, "\xed\xa0\x80"},
		"raw bytes":             {strings.Replace(good, `"k"`, "\"k\xff\"", 1), badUTF8, "k\xff"},
		"half an escape":        {strings.Replace(good, `"k"`, `"k%4"`, 1), badEscape, "k%4"},
		"no hexadecimal":        {strings.Replace(good, `"k"`, `"k%4g"`, 1), badEscape, "k%4g"},
		"a lone percent sign":   {strings.Replace(good, `"k"`, `"100%"`, 1), badEscape, "100%"},
		"empty key":             {strings.Replace(good, `"k"`, `""`, 1), emptyKey, ""},
		"long key":              {strings.Replace(good, `"k"`, `"`+strings.Repeat("k", 1025)+`"`, 1), longKey, strings.Repeat("k", 1025)},
		"no size":               {strings.Replace(good, `"1"`, `""`, 1), noSize, "k"},
		"negative size":         {strings.Replace(good, `"1"`, `"-1"`, 1), badSize, "k"},
		"size with a fraction":  {strings.Replace(good, `"1"`, `"1.0"`, 1), badSize, "k"},
		"size beyond 63 bits":   {strings.Replace(good, `"1"`, `"9223372036854775808"`, 1), badSize, "k"},
		"no time":               {strings.Replace(good, `2024-05-01T10:00:00.000Z`, ``, 1), badTime, "k"},
		"February 30":           {strings.Replace(good, `2024-05-01`, `2024-02-30`, 1), badTime, "k"},
		"IsLatest":              {strings.Replace(good, `"true"`, `"yes"`, 1), badLatest, "k"},
		"IsDeleteMarker":        {strings.Replace(good, `"false"`, `""`, 1), badMarker, "k"},
		"version id not UTF-8":  {strings.Replace(good, `"v"`, "\"\xff\"", 1), badVersionID, "k"},
		"quote within a field":  {`"src","k",v"w,"true"`, "a quote stands within a field", "k"},
		"garbage":               {"\x00\x01,%\xff", badFields, "%\xff"},
		"text behind a quote":   {`"src","k%20"x`, "something stands behind a quoted field", "k "},
		"only a bucket":         {`"src"`, badFields, ""},
		"quotes lost at an end": {`"src","k","v`, "something stands behind a quoted field", "k"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := readAll(aReport(t, allColumns, good+"\n"+c.row+"\n"+good+"\n"))
			if err != nil {
				t.Fatal(err)
			}
			if len(got.versions) != 2 || len(got.rejected) != 1 {
				t.Fatalf("%+v", got)
			}
			r := got.rejected[0]
			if r.Row != 2 || r.Reason != c.reason || string(r.Key) != c.key || r.File != "x.csv.gz" {
				t.Errorf("%+v, key %q", r, r.Key)
			}
			// Of a row that is no more than its wrong value, the key is certain.
			values := []string{badUTF8, longKey, badVersionID, noSize, badSize, badTime, badLatest, badMarker, badBucket}
			if r.Torn == slices.Contains(values, r.Reason) {
				t.Errorf("torn: %v, though %s", r.Torn, r.Reason)
			}
		})
	}
}

func TestOddRowsThatAreLegal(t *testing.T) {
	key := strings.Repeat("é", 512)
	text := `"src","` + url.QueryEscape(key) + `","v","TRUE","False","9223372036854775807","2024-02-29T23:59:59Z","""e-2""","NEW_CLASS"` + "\n" +
		`"src","k/%00%0A","v","true","true","0","1970-01-01T00:00:00.001Z","ignored","STANDARD"` + "\n"
	got, err := readAll(aReport(t, allColumns, text))
	if err != nil || len(got.rejected) > 0 {
		t.Fatalf("%v %+v", err, got.rejected)
	}
	want := []cooper.Version{
		{Identity: cooper.Identity{Key: key, VersionID: "v", ETag: "e-2", Size: 1<<63 - 1, LastModified: at(t, "2024-02-29T23:59:59Z")}, Latest: true, StorageClass: "NEW_CLASS"},
		{Identity: cooper.Identity{Key: "k/\x00\n", VersionID: "v", LastModified: 1}, Latest: true, DeleteMarker: true, StorageClass: "STANDARD"},
	}
	if diff := cmp.Diff(want, got.versions); diff != "" {
		t.Error(diff)
	}
}

func TestFewClassesAreInterned(t *testing.T) {
	var in interner
	for i := range 3 * maxInterned {
		if s := fmt.Sprint(i); in.get([]byte(s)) != s {
			t.Fatal(s)
		}
	}
	if len(in.known) > maxInterned {
		t.Errorf("%d strings kept", len(in.known))
	}
}

func TestTimesAgainstTheStandardLibrary(t *testing.T) {
	agree := func(t interface{ Fatalf(string, ...any) }, s string) {
		var c dayCache
		got, ok := c.instant([]byte(s))
		want, err := time.Parse(time.RFC3339Nano, s)
		legal := err == nil && strings.HasSuffix(s, "Z") && want.Year() >= 1970 && len(s) <= 30 && !strings.Contains(s, ",")
		if ok != legal || (ok && got.Time() != want.Truncate(time.Millisecond) && got != 0) {
			t.Fatalf("%q: %v %v, want %v %v", s, got, ok, want, err)
		}
	}
	for _, s := range []string{
		"1970-01-01T00:00:00Z", "9999-12-31T23:59:59.999999999Z", "2000-02-29T00:00:00.1Z", "1900-02-29T00:00:00Z", "2100-02-29T00:00:00Z",
		"2024-00-01T00:00:00Z", "2024-13-01T00:00:00Z", "2024-04-31T00:00:00Z", "2024-04-00T00:00:00Z", "2024-04-01T24:00:00Z", "2024-04-01T00:60:00Z",
		"2024-04-01T00:00:60Z", "2024-04-01T00:00:00.Z", "2024-04-01T00:00:00", "2024-04-01 00:00:00Z", "2024-04-01T00:00:00+00:00", "20240401T000000Z", "",
		"2024-04-01T00:00:00.000Z ", "2024-4-01T00:00:00.000Z", "-024-04-01T00:00:00Z", "2024-04-01T00:00:00.0000000000Z",
	} {
		agree(t, s)
	}
	rapid.Check(t, func(t *rapid.T) {
		ms := rapid.Int64Range(0, maxInstant).Draw(t, "ms")
		s := time.UnixMilli(ms).UTC().Format("2006-01-02T15:04:05.000Z")
		var c dayCache
		for range 2 { // the second time from the cache
			if got, ok := c.instant([]byte(s)); !ok || int64(got) != ms {
				t.Fatalf("%s: %d %v", s, got, ok)
			}
		}
		b := []byte(s)
		b[rapid.IntRange(0, len(b)-1).Draw(t, "place")] = rapid.Byte().Draw(t, "byte")
		agree(t, string(b))
	})
}

// Keys are decoded as the standard library decodes queries.
func FuzzUnescape(f *testing.F) {
	for _, s := range []string{"a", "a+b", "%C3%A9", "%", "%4", "%zz", "%%41", "a%2fb%2B"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var r row
		got, ok := r.unescape([]byte(s))
		want, err := url.QueryUnescape(s)
		if ok != (err == nil) || (ok && string(got) != want) {
			t.Fatalf("%q: %q %v, want %q %v", s, got, ok, want, err)
		}
		if back, ok := r.unescape(appendEscaped(nil, s)); !ok || string(back) != s {
			t.Fatalf("%q came back as %q", s, back)
		}
	})
}

// Whatever a CSV file holds, every row is delivered or set aside, and what is
// delivered makes sense.
func FuzzCSVFile(f *testing.F) {
	f.Add([]byte(rowOf("k")))
	f.Add(gzipped(f, rowOf("k")))
	f.Add([]byte("\x1f\x8b\x08\x00"))
	s, err := newSchema(strings.Split(allColumns, ", "))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		p := &part{memory: 256 << 20, file: dataFile{loc: Dir("."), name: "f"}, schema: s, bucket: "src", format: CSV}
		var got rows
		if err := p.readCSV(bytes.NewReader(b), &got); err != nil && cooper.KindOf(err) != cooper.KindCorrupt {
			t.Fatal(err)
		}
		for _, v := range got.versions {
			if v.Key == "" || len(v.Key) > maxKey || !utf8.ValidString(v.Key) || v.VersionID == "" || v.Size < 0 || (v.DeleteMarker && v.Size > 0) {
				t.Fatalf("%+v", v)
			}
		}
	})
}

func FuzzManifest(f *testing.F) {
	f.Add(aManifest(f, CSV, allColumns, map[string][]byte{"d/x": {1}}))
	f.Add(aManifest(f, Parquet, fileSchema(Parquet, false), map[string][]byte{"d/x": {1}}))
	f.Add([]byte(`{"sourceBucket":"b","creationTimestamp":1514944800000,"files":null}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := parseManifest(b, true)
		if err != nil {
			return
		}
		if m.SourceBucket == "" || m.taken <= 0 {
			t.Fatalf("%+v", m)
		}
		if s, err := m.schema("x"); err == nil && s.at[colKey] < 0 {
			t.Fatalf("%+v", s)
		}
	})
}

// benchmarkText is n rows such as S3 writes them, of hierarchical keys.
func benchmarkText(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `"src","zarr/%08x-5be1-4a3c-9c8f-2f6d1b7a9c01/0/0/0/%d/%d","%032x","true","false","%d","2024-05-%02dT10:%02d:00.000Z","%032x","STANDARD"`+"\n",
			i/5000*2654435761, i%5000/70, i%70, uint64(i)*0x9E3779B97F4A7C15, i*7919%2_000_000, i/5000%28+1, i%60, uint64(i)*0xC2B2AE3D27D4EB4F)
	}
	return b.String()
}

type countSink struct{ rows }

func (c *countSink) Version(*cooper.Version) error { return nil }

func benchmarkPart(b *testing.B, data []byte, format string, n int) {
	dir := writeFiles(b, map[string][]byte{"f": data})
	s, err := newSchema(strings.Split(allColumns, ", "))
	if err != nil {
		b.Fatal(err)
	}
	p := &part{memory: 256 << 20, file: dataFile{loc: Dir(dir), name: "f", size: int64(len(data)), md5: md5Hex(data)}, schema: s, bucket: "src", format: format}
	b.ReportAllocs()
	before := cpu(b)
	for b.Loop() {
		if err := p.Read(context.Background(), &countSink{}); err != nil {
			b.Fatal(err)
		}
	}
	// By processor time, too: a busy machine changes that little.
	b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds()/1e6, "Mrows/s")
	b.ReportMetric(float64(n)*float64(b.N)/(cpu(b)-before).Seconds()/1e6, "Mrows/cpu-s")
}

// cpu is the processor time this process has used.
func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func BenchmarkCSVGzip(b *testing.B) {
	const n = 400_000
	benchmarkPart(b, gzipped(b, benchmarkText(n)), CSV, n)
}

// The floor: what decompressing alone costs.
func BenchmarkGunzipAlone(b *testing.B) {
	const n = 400_000
	data := gzipped(b, benchmarkText(n))
	before := cpu(b)
	for b.Loop() {
		z, err := kgzip.NewReader(bytes.NewReader(data))
		if err != nil {
			b.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, z); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(n)*float64(b.N)/(cpu(b)-before).Seconds()/1e6, "Mrows/cpu-s")
}

func BenchmarkCSVPlain(b *testing.B) {
	const n = 400_000
	benchmarkPart(b, []byte(benchmarkText(n)), CSV, n)
}
