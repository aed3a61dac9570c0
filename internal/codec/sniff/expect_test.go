package sniff

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"io"
	"math"
	"strings"
	"testing"

	"cooper"
	"cooper/internal/codec/cfb8"
	"cooper/internal/codec/codectest"
)

const header = "timestamp,UTC time,accuracy,x,y,z"

func TestDeclareRefuses(t *testing.T) {
	for _, d := range [][]string{
		{}, {""}, {"csv"}, {"csv:"}, {"csv:a,b"}, {"csv:8_bytes,"}, // 64 bits are not more than 64
		{"json:x"}, {"text:9"}, {"xml"}, {"magic"}, {"magic:"}, {"magic:doc"},
		{"magic:zstd"}, {"magic:gzip"}, {"magic:zip"}, // 32, 24 and 32 bits
		{"bytes:"}, {"bytes:0"}, {"bytes:zz"}, {"bytes:0001020304050607"}, {"bytes:000102030405060708@-1"},
		{"bytes:000102030405060708@99999999999999999999"}, {"bytes:000102030405060708@65537"},
		{"csv:" + header, "magic:zip"}, // one weak way is a way
	} {
		e, err := Declare(d...)
		if cooper.KindOf(err) != cooper.KindUsage {
			t.Errorf("%q: %v, %v", d, e, err)
		}
	}
}

func TestCheck(t *testing.T) {
	long := strings.Repeat("ä ", 40)
	for _, c := range []struct {
		declared []string
		content  string
		want     Verdict
	}{
		{[]string{"csv:" + header}, header + "\n1,2", Matches},
		{[]string{"csv:" + header}, header + "\r\n1,2", Matches},
		{[]string{"csv:" + header}, header, Matches},
		{[]string{"csv:" + header}, header + ",more\n", Differs},
		{[]string{"csv:" + header}, header + "\rx", Differs},
		{[]string{"csv:" + header}, header[:9], Short},
		{[]string{"csv:" + header}, "", Short},
		{[]string{"csv:" + header}, "Timestamp", Differs},
		{[]string{"csv:123456789"}, "123456789\n", Matches},
		{[]string{"json"}, "{" + long, Matches},
		{[]string{"json"}, "[" + long, Matches},
		{[]string{"json"}, " {" + long, Differs},
		{[]string{"json"}, "{}", Short},
		{[]string{"json"}, "", Short},
		{[]string{"text"}, long, Matches},
		{[]string{"text"}, long[:64], Matches},
		{[]string{"text"}, long[:63], Short},
		{[]string{"text"}, long[:63] + "\x00", Differs},
		{[]string{"text"}, strings.Repeat("a", textMost-1) + "é", Matches}, // cut by us
		{[]string{"text"}, strings.Repeat("a", textMost-1) + "\x01", Differs},
		{[]string{"text"}, "\x80", Differs},
		{[]string{"magic:png"}, "\x89PNG\r\n\x1a\n\x00\x00\x00\x0dIHDRxx", Matches},
		{[]string{"magic:png"}, "\x89PNG\r\n\x1a\n", Short},
		{[]string{"magic:png"}, "\x89PNG\r\n\x1a\n\x01", Differs},
		{[]string{"magic:bzip2"}, "BZh91AY&SY", Matches},
		{[]string{"magic:bzip2"}, "BZh01AY&SY", Differs},
		{[]string{"magic:xz"}, "\xfd7zXZ\x00\x00\x04\xe6\xd6\xb4\x46", Matches},
		{[]string{"bytes:000102030405060708@2"}, "ab\x00\x01\x02\x03\x04\x05\x06\x07\x08z", Matches},
		{[]string{"bytes:000102030405060708@2"}, "ab\x00\x01\x02\x03\x04\x05\x06\x07\x09z", Differs},
		{[]string{"bytes:000102030405060708@2"}, "ab\x00\x01\x02", Short},
		{[]string{"csv:" + header, "text"}, long, Matches},
		{[]string{"csv:" + header, "text"}, "short", Short},
		{[]string{"csv:" + header, "text"}, "\x00", Differs},
	} {
		e, err := Declare(c.declared...)
		if err != nil {
			t.Fatal(err)
		}
		if e.String() != strings.Join(c.declared, " | ") {
			t.Error(e)
		}
		if got := e.Check([]byte(c.content)); got != c.want {
			t.Errorf("%v of %.20q…: %v, not %v", e, c.content, got, c.want)
		}
		head := []byte(c.content)[:min(len(c.content), e.Need())]
		if got := e.Check(head); got != c.want {
			t.Errorf("%v by its first %d bytes: %v, not %v", e, e.Need(), got, c.want)
		}
	}
}

func TestMagicNames(t *testing.T) {
	names := MagicNames()
	if strings.Join(names, " ") != "bzip2 hdf5 jfif png sqlite xz" {
		t.Error(names)
	}
	for _, name := range names {
		if _, err := Declare("magic:" + name); err != nil {
			t.Error(err)
		}
	}
	// The flags of xz are guarded by their CRC-32.
	for _, flags := range beginnings["xz"][1] {
		sum := binary.LittleEndian.AppendUint32(nil, crc32.ChecksumIEEE([]byte(flags[:2])))
		if string(sum) != flags[2:] {
			t.Errorf("flags %x have the checksum %x", flags[:2], sum)
		}
	}
	// What programs write begins as we say.
	for name, content := range made(t) {
		if e, err := Declare("magic:" + name); err == nil && e.Check(content) != Matches {
			t.Errorf("a real %s does not match", name)
		}
	}
}

// textBits counts right: compared with all strings of up to three bytes.
func TestTextBits(t *testing.T) {
	for n := 1; n <= 3; n++ {
		texts := 0
		b := make([]byte, 4)
		for i := range 1 << (8 * n) {
			binary.LittleEndian.PutUint32(b, uint32(i))
			if isText(b[:n]) {
				texts++
			}
		}
		exact := float64(8*n) - math.Log2(float64(texts))
		if got := textBits(n); got > exact+1e-9 || got < exact-0.3 {
			t.Errorf("%d bytes: %.4f bits, and there are %.4f", n, got, exact)
		}
	}
	if textBits(textLeast) <= enough || textBits(textLeast) > 8*textLeast {
		t.Errorf("%d bytes of text are %.1f bits", textLeast, textBits(textLeast))
	}
	for n := 2; n < 200; n++ {
		if textBits(n) < textBits(n-1) {
			t.Errorf("%d bytes say less than %d", n, n-1)
		}
	}
}

// wrongKeys decrypts stored with n keys that are all wrong, and gives the heads.
func wrongKeys(t *testing.T, stored []byte, n, size int, see func(head []byte)) {
	t.Helper()
	var key cfb8.Key
	head := make([]byte, size)
	for i := range n {
		binary.LittleEndian.PutUint64(key[8:], uint64(i)+1)
		r := cfb8.NewReader(bytes.NewReader(stored), &key)
		m, err := io.ReadFull(r, head)
		r.Close()
		if err != nil && m < len(stored)-cfb8.IVSize {
			t.Fatal(err)
		}
		see(head[:m])
	}
}

// What garbage passes is as much as was calculated: for ways so weak that it can
// be seen, and none for those that may be declared.
func TestWrongKeys(t *testing.T) {
	plain := codectest.CSV(7, 300)
	stored, err := io.ReadAll(new(cfb8.Encryptor).Reader(bytes.NewReader(plain), &cfb8.Key{}, [16]byte{1, 2, 3}))
	if err != nil {
		t.Fatal(err)
	}
	const tries = 100_000
	weak := []expectation{}
	for _, w := range []string{"74", "20@3"} {
		x, err := fixed(w)
		if err != nil {
			t.Fatal(err)
		}
		weak = append(weak, x)
	}
	weak = append(weak, expectation{bits: textBits(6), check: func(h []byte) Verdict {
		if isText(h[:6]) {
			return Matches
		}
		return Differs
	}})
	passed := make([]float64, len(weak))
	strong, err := Declare("csv:"+codectest.Header[:len(codectest.Header)-1], "json", "text", "magic:png", "magic:hdf5")
	if err != nil {
		t.Fatal(err)
	}
	if strong.Check(plain) != Matches {
		t.Fatal("the right key is refused")
	}
	wrongKeys(t, stored, tries, len(plain), func(head []byte) {
		for i, w := range weak {
			if w.check(head) == Matches {
				passed[i]++
			}
		}
		if strong.Check(head) != Differs {
			t.Fatalf("garbage passed: %q", head)
		}
	})
	for i, w := range weak {
		// textBits is a bound, and 8 bits are exact: a little fewer may pass, and no more than by chance.
		want := tries * math.Exp2(-w.bits)
		if passed[i] > want+5*math.Sqrt(want) || passed[i] < want/2 {
			t.Errorf("way %d let %v of %d pass, where %.0f were to be expected", i, passed[i], tries, want)
		}
	}
}

// Whatever is declared: an error, or something that nothing does not match.
func FuzzDeclare(f *testing.F) {
	for _, d := range []string{"csv:" + header, "json", "text", "magic:xz", "bytes:000102030405060708@2", "bytes:@1"} {
		f.Add(d, []byte(header))
	}
	f.Fuzz(func(t *testing.T, d string, head []byte) {
		e, err := Declare(d)
		if err != nil {
			if cooper.KindOf(err) != cooper.KindUsage {
				t.Fatal(err)
			}
			return
		}
		if v := e.Check(nil); v == Matches {
			t.Fatal("nothing matches")
		}
		if whole := e.Check(head); whole != e.Check(head[:min(len(head), e.Need())]) {
			t.Fatal("more than Need bytes count")
		}
	})
}
