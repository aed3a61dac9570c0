package sniff

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"strings"
	"testing"

	"cooper/internal/codec/codectest"
)

// made are contents as the programs make them that people use.
func made(t *testing.T) map[string][]byte {
	t.Helper()
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	m := map[string]*bytes.Buffer{}
	at := func(name string) *bytes.Buffer {
		m[name] = new(bytes.Buffer)
		return m[name]
	}
	text := codectest.CSV(1, 5000)

	gz := gzip.NewWriter(at("gzip"))
	_, err := gz.Write(text)
	check(err)
	check(gz.Close())

	zw := zip.NewWriter(at("zip"))
	f, err := zw.Create("a.csv")
	check(err)
	_, err = f.Write(text)
	check(err)
	check(zw.Close())

	tw := tar.NewWriter(at("tar"))
	check(tw.WriteHeader(&tar.Header{Name: "a.csv", Size: int64(len(text)), Mode: 0o644}))
	_, err = tw.Write(text)
	check(err)
	check(tw.Close())

	img := image.NewPaletted(image.Rect(0, 0, 9, 9), []color.Color{color.Black, color.White})
	check(png.Encode(at("png"), img))
	check(jpeg.Encode(at("jpeg"), img, nil))
	check(gif.Encode(at("gif"), img, nil))

	out := map[string][]byte{}
	for name, b := range m {
		out[name] = b.Bytes()
	}
	return out
}

func TestSniff(t *testing.T) {
	pad := func(n int, s string) string { return strings.Repeat("\x00", n) + s + strings.Repeat("\x00", 200) }
	cases := map[string][]string{
		"empty":    {""},
		"text":     {"a,b\n1,2\n", "{\"a\": 1}", "\ufeffx", "é", "é"[:1], "日本"[:4], "PAR1S is a city", "ORCHIDS,n\n", "PAREidolia", "FEA1,b\n", "CDF 1\n", "PMTiles are maps", "GIF8 is a word", "ID3,x\n", "abcdftyp text"},
		"noise":    {string(codectest.Noise(1, 4096)), string(codectest.Noise(2, 512))},
		"unknown":  {"\x00\x01", "a\x00b", "\xff\xfe", "\xc3(", string(codectest.Noise(1, 100))},
		"zstd":     {"\x28\xb5\x2f\xfd\x04", "\x50\x2a\x4d\x18\x00\x00\x00\x00", "\x5f\x2a\x4d\x18"},
		"bzip2":    {"BZh91AY&SY\x00"},
		"xz":       {"\xfd7zXZ\x00\x00\x04"},
		"mp4":      {"\x00\x00\x00\x20ftypisom"},
		"webp":     {"RIFF\x10\x00\x00\x00WEBPVP8 "},
		"wav":      {"RIFF\x10\x00\x00\x00WAVEfmt "},
		"pdf":      {"%PDF-1.7\n%\xe2\xe3"},
		"hdf5":     {"\x89HDF\r\n\x1a\n\x00", "MATLAB 7.3 MAT-file, Platform: GLNXA64"},
		"parquet":  {"PAR1\x15\x04\x15", "PARE\x15\x04\x15"},
		"dicom":    {pad(128, "DICM")},
		"nifti":    {pad(344, "n+1\x00")},
		"sqlite":   {"SQLite format 3\x00\x10\x00"},
		"openssl":  {"Salted__\x01\x02"},
		"compress": {"\x1f\x9d\x90"},
		"netcdf":   {"CDF\x01\x00", "CDF\x02\x00", "CDF\x05\x00"},
		"tiff":     {"II*\x00\x08", "MM\x00*\x00", "II+\x00\x08", "MM\x00+\x00"},
		"arrow":    {"ARROW1\x00\x00", "FEA1\x00\x00"},
		"orc":      {"ORC\x0a\x00"},
		"avro":     {"Obj\x01\x04"},
		"duckdb":   {pad(8, "DUCK")},
		"pmtiles":  {"PMTiles\x03\x7f"},
	}
	for want, heads := range cases {
		for _, head := range heads {
			if got := Sniff([]byte(head)); got.Name != want {
				t.Errorf("%.20q is said to be %s, not %s", head, got.Name, want)
			}
		}
	}
	for want, content := range made(t) {
		if got := Sniff(content); got.Name != want {
			t.Errorf("a %s is said to be %s", want, got.Name)
		}
	}
}

func TestShrinks(t *testing.T) {
	for _, c := range []struct {
		head       []byte
		shrinks    Shrinks
		compressed bool
	}{
		{codectest.CSV(1, 9000), Likely, false},
		{codectest.Noise(1, 9000), Unlikely, false},
		{made(t)["gzip"], Unlikely, true},
		{made(t)["png"], Unlikely, false},
		{made(t)["tar"], Likely, false},
		{[]byte("\x00"), Maybe, false},
		{nil, Unlikely, false},
	} {
		if f := Sniff(c.head); f.Shrinks != c.shrinks || f.Compressed() != c.compressed {
			t.Errorf("%.9q…: %+v, compressed %v", c.head, f, f.Compressed())
		}
	}
}

// What is called noise is noise, and noise is hardly ever called something else.
func TestNoise(t *testing.T) {
	other := 0
	for seed := range uint64(3000) {
		if Sniff(codectest.Noise(seed, HeadSize)) != Noise {
			other++
		}
		if Sniff(codectest.CSV(seed, HeadSize)) != Text {
			t.Fatal("text is not text, seed", seed)
		}
	}
	if other > 2 {
		t.Errorf("%d of 3000 random contents are not called noise", other)
	}
}

func FuzzSniff(f *testing.F) {
	f.Add([]byte("RIFF\x10\x00\x00\x00WEBP"))
	f.Add([]byte("é"[:1]))
	f.Add(codectest.Noise(1, HeadSize))
	f.Fuzz(func(t *testing.T, head []byte) {
		got := Sniff(head)
		if got.Name == "" || got.Shrinks == "" {
			t.Fatalf("%+v", got)
		}
		if (got == Empty) != (len(head) == 0) {
			t.Fatalf("%d bytes are %+v", len(head), got)
		}
	})
}
