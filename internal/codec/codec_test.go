package codec

import (
	"bytes"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"sync"
	"testing"
	"testing/iotest"

	"github.com/klauspost/compress/gzip"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"cooper"
	"cooper/internal/codec/cfb8"
	"cooper/internal/codec/codectest"
	"cooper/internal/codec/sniff"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	zstd3     = Chain{Compress: Compression{Zstd, 3}}
	encrypted = Chain{Encrypt: AES256CFB8}
	both      = Chain{Compression{Zstd, 3}, AES256CFB8}
)

func testKey(seed byte) *Key {
	k := new(Key)
	for i := range k {
		k[i] = seed + byte(i)
	}
	return k
}

func expect(t testing.TB, declared ...string) *sniff.Expectations {
	t.Helper()
	e, err := sniff.Declare(declared...)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func encode(t testing.TB, c Chain, plain []byte, key *Key) ([]byte, Sums) {
	t.Helper()
	s, err := c.Encode(bytes.NewReader(plain), EncodeOptions{Size: int64(len(plain)), Key: key, Random: bytes.NewReader([]byte("0123456789abcdef"))})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	stored, err := io.ReadAll(s)
	if err != nil {
		t.Fatal(err)
	}
	sums, err := s.Sums()
	if err != nil {
		t.Fatal(err)
	}
	return stored, sums
}

func decode(c Chain, stored io.Reader, o DecodeOptions) ([]byte, Sums, error) {
	s, err := c.Decode(stored, o)
	if err != nil {
		return nil, Sums{}, err
	}
	defer s.Close()
	plain, err := io.ReadAll(s)
	if err != nil {
		return plain, Sums{}, err
	}
	sums, err := s.Sums()
	return plain, sums, err
}

func TestNames(t *testing.T) {
	for _, s := range []string{"none", "gzip", "zstd:1", "zstd:19", "aes256-cfb8", "zstd:3+aes256-cfb8", "gzip+aes256-cfb8"} {
		c, err := ParseChain(s)
		if err != nil || c.String() != s {
			t.Errorf("%s becomes %s: %v", s, c, err)
		}
		var back Chain
		if j, err := json.Marshal(c); err != nil || json.Unmarshal(j, &back) != nil || back != c {
			t.Errorf("%s as JSON: %s, %v, %v", s, j, back, err)
		}
	}
	if c, err := ParseCompression("zstd"); err != nil || c != (Compression{Zstd, 3}) {
		t.Error(c, err)
	}
	for _, s := range []string{"", "zst", "zstd:", "zstd:0", "zstd:20", "zstd:-1", "zstd:3 ", "zstd:3x", "none:1", "gzip:9", "ZSTD",
		"+", "+aes256-cfb8", "none+aes256-cfb8", "zstd:3+", "zstd:3+none", "zstd:3+aes256-cfb8+", "aes256-cfb8+zstd:3"} {
		if c, err := ParseChain(s); cooper.KindOf(err) != cooper.KindUsage {
			t.Errorf("%q becomes %s: %v", s, c, err)
		}
	}
	for c, want := range map[Compression]string{{}: "", {Zstd, 3}: ".zst", {Gzip, 0}: ".gz"} {
		if c.Suffix() != want {
			t.Errorf("%s has the suffix %q", c, c.Suffix())
		}
	}
}

// Every chain gives back what it was given, and tells the same of it both ways.
func TestRoundTrip(t *testing.T) {
	var shared cfb8.Encryptor
	rapid.Check(t, func(rt *rapid.T) {
		c := rapid.SampledFrom([]Chain{{}, zstd3, encrypted, both}).Draw(rt, "chain")
		size := rapid.OneOf(rapid.IntRange(0, 5000), rapid.IntRange(250_000, 600_000)).Draw(rt, "size")
		plain := codectest.CSV(rapid.Uint64Range(0, 9).Draw(rt, "seed"), size)
		key := testKey(rapid.Byte().Draw(rt, "key"))
		announced := rapid.SampledFrom([]int64{-1, int64(size)}).Draw(rt, "announced")
		in, err := c.Encode(iotest.HalfReader(bytes.NewReader(plain)), EncodeOptions{Size: announced, Key: key, Encryptor: &shared})
		if err != nil {
			rt.Fatal(err)
		}
		defer in.Close()
		p, err := c.Prove(DecodeOptions{Key: key})
		if err != nil {
			rt.Fatal(err)
		}
		stored, err := io.ReadAll(io.TeeReader(in, p))
		if err != nil {
			rt.Fatal(err)
		}
		proven, err := p.Close()
		if err != nil {
			rt.Fatal(err)
		}
		was, err := in.Sums()
		if err != nil {
			rt.Fatal(err)
		}
		back, is, err := decode(c, iotest.HalfReader(bytes.NewReader(stored)), DecodeOptions{Key: key})
		if err != nil || !bytes.Equal(back, plain) {
			rt.Fatalf("%s: %d bytes come back as %d: %v", c, size, len(back), err)
		}
		want := Sums{int64(size), int64(len(stored)), sha256.Sum256(plain), sha1.Sum(plain), sniff.Sniff(plain)}
		if was != want || is != want || proven != want {
			rt.Fatalf("%s: sums\n%+v\n%+v\n%+v, not\n%+v", c, was, is, proven, want)
		}
	})
}

func TestAnnouncedSizeIsChecked(t *testing.T) {
	for _, c := range []Chain{{}, zstd3, both} {
		for _, announced := range []int64{0, 99, 101} {
			s, err := c.Encode(bytes.NewReader(make([]byte, 100)), EncodeOptions{Size: announced, Key: testKey(1)})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadAll(s); cooper.KindOf(err) != cooper.KindInvalid {
				t.Errorf("%s: 100 bytes pass for %d: %v", c, announced, err)
			}
			if sums, err := s.Sums(); err == nil {
				t.Errorf("sums of what failed: %+v", sums)
			}
			s.Close()
		}
	}
}

func TestSumsOnlyAtTheEnd(t *testing.T) {
	s, err := zstd3.Encode(bytes.NewReader([]byte("abc")), EncodeOptions{Size: -1})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := s.Sums(); cooper.KindOf(err) != cooper.KindInternal {
			t.Error(err)
		}
		if _, err := s.Read(make([]byte, 5)); err != nil {
			t.Fatal(err)
		}
	}
	s.Close()
	if _, err := s.Sums(); err == nil {
		t.Error("sums after Close")
	}
	if _, err := s.Read(make([]byte, 5)); err == nil || errors.Is(err, io.EOF) {
		t.Error("read after Close:", err)
	}
}

func TestWrongUse(t *testing.T) {
	for _, c := range []Chain{encrypted, both, {Encrypt: "rot13"}, {Compress: Compression{Gzip, 0}}, {Compress: Compression{"lzw", 1}}, {Compress: Compression{Zstd, 0}}} {
		if _, err := c.Encode(bytes.NewReader(nil), EncodeOptions{}); cooper.KindOf(err) != cooper.KindUsage {
			t.Errorf("encoding %+v: %v", c, err)
		}
	}
	for _, c := range []Chain{encrypted, {Encrypt: "rot13"}, {Compress: Compression{"lzw", 1}}} {
		if _, err := c.Decode(bytes.NewReader(nil), DecodeOptions{}); cooper.KindOf(err) != cooper.KindUsage {
			t.Errorf("decoding %+v: %v", c, err)
		}
	}
	_, err := both.Encode(bytes.NewReader(nil), EncodeOptions{Key: testKey(1), Random: bytes.NewReader(make([]byte, 15))})
	if cooper.KindOf(err) != cooper.KindInternal {
		t.Error("an IV of 15 bytes:", err)
	}
}

func gzipped(t testing.TB, plain []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(plain); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestGzip(t *testing.T) {
	c := Chain{Compress: Compression{Method: Gzip}}
	plain := codectest.CSV(1, 3000)
	stored := gzipped(t, plain)
	if back, sums, err := decode(c, bytes.NewReader(append(bytes.Clone(stored), stored...)), DecodeOptions{}); err != nil ||
		!bytes.Equal(back, append(bytes.Clone(plain), plain...)) || sums.PlainSize != 6000 {
		t.Errorf("two members: %d bytes, %+v, %v", len(back), sums, err)
	}
	for n := range stored {
		if _, _, err := decode(c, bytes.NewReader(stored[:n]), DecodeOptions{}); cooper.KindOf(err) != cooper.KindInvalid {
			t.Fatalf("cut to %d of %d bytes: %v", n, len(stored), err)
		}
	}
	for _, tail := range []string{"\x00", "garbage", "\x1f\x8b"} {
		if _, _, err := decode(c, bytes.NewReader(append(bytes.Clone(stored), tail...)), DecodeOptions{}); cooper.KindOf(err) != cooper.KindInvalid {
			t.Errorf("followed by %q: %v", tail, err)
		}
	}
	for _, failure := range []error{io.ErrUnexpectedEOF, &cooper.Error{Kind: cooper.KindStore, Message: "body cut short", Err: io.EOF}} {
		for n := 0; n <= len(stored); n += len(stored) / 4 {
			r := io.MultiReader(bytes.NewReader(stored[:n]), iotest.ErrReader(failure))
			if _, _, err := decode(c, r, DecodeOptions{}); err != failure { //nolint:errorlint // as it is
				t.Errorf("the source fails at %d of %d: %v", n, len(stored), err)
			}
		}
	}
	bad := bytes.Clone(stored)
	bad[len(bad)-6] ^= 1
	if _, _, err := decode(c, bytes.NewReader(bad), DecodeOptions{}); cooper.KindOf(err) != cooper.KindCorrupt {
		t.Error("a wrong checksum:", err)
	}
}

// What is wrong with a key or a declaration is told before the first byte.
func TestExpectations(t *testing.T) {
	plain := codectest.CSV(1, 20_000)
	e := expect(t, "csv:"+codectest.Header[:len(codectest.Header)-1])
	under := func(c Chain, content []byte, key *Key) []byte {
		b, _ := encode(t, c, content, key)
		return b
	}
	key, wrong := testKey(1), testKey(2)
	for name, c := range map[string]struct {
		chain  Chain
		stored []byte
		want   string // a part of the error; "" if all is well
	}{
		"right":                      {encrypted, under(encrypted, plain, key), ""},
		"right, clear":               {Chain{}, plain, ""},
		"right, compressed":          {both, under(both, plain, key), ""},
		"wrong key":                  {encrypted, under(encrypted, plain, wrong), "wrong key"},
		"wrong key, compressed":      {both, under(both, plain, wrong), "wrong key"},
		"clear":                      {encrypted, plain, "not encrypted, where"},
		"another header":             {encrypted, under(encrypted, []byte("a,b\n1,2\n"), key), "wrong key"},
		"empty":                      {encrypted, under(encrypted, nil, key), "too short"},
		"header cut":                 {encrypted, under(encrypted, plain[:20], key), "too short"},
		"nothing at all":             {encrypted, nil, "empty"},
		"fewer bytes than an IV":     {encrypted, plain[:9], "shorter than"},
		"gzip, clear":                {encrypted, gzipped(t, plain), "looks like gzip"},
		"another clear one":          {Chain{}, []byte("a,b\n1,2\n"), "looks like text"},
		"encrypted, taken for clear": {Chain{}, under(encrypted, plain, key), "looks like noise"},
	} {
		s, err := c.chain.Decode(bytes.NewReader(c.stored), DecodeOptions{Key: key, Expect: e})
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(s)
		s.Close()
		if c.want == "" {
			if err != nil || !bytes.Equal(got, plain) {
				t.Errorf("%s: %d bytes, %v", name, len(got), err)
			}
			continue
		}
		if len(got) > 0 || cooper.KindOf(err) != cooper.KindInvalid || !bytes.Contains([]byte(err.Error()), []byte(c.want)) {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
	}
}

// A store's failure stays what it is, wherever it comes; a body cut short is
// neither an end nor a wrong key.
func TestErrorsPass(t *testing.T) {
	plain := codectest.CSV(1, 400_000)
	cut := &cooper.Error{Kind: cooper.KindStore, Message: "body cut short", Err: io.ErrUnexpectedEOF}
	odd := &cooper.Error{Kind: cooper.KindInvalid, Message: "odd", Err: io.EOF}
	for _, failure := range []error{cut, odd, io.ErrUnexpectedEOF} {
		for _, c := range []Chain{{}, zstd3, encrypted, both} {
			stored, _ := encode(t, c, plain, testKey(1))
			for _, at := range []int{0, 3, 100, len(stored) - 1, len(stored)} {
				for _, e := range []*sniff.Expectations{nil, expect(t, "text")} {
					r := io.MultiReader(bytes.NewReader(stored[:at]), iotest.ErrReader(failure))
					if _, _, err := decode(c, r, DecodeOptions{Key: testKey(1), Expect: e}); err != failure { //nolint:errorlint // as it is
						t.Errorf("%s at %d of %d: %v", c, at, len(stored), err)
					}
				}
			}
			s, err := c.Encode(io.MultiReader(bytes.NewReader(plain[:300_000]), iotest.ErrReader(failure)), EncodeOptions{Size: -1, Key: testKey(1)})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadAll(s); err != failure { //nolint:errorlint // as it is
				t.Errorf("encoding %s: %v", c, err)
			}
			s.Close()
		}
	}
}

func TestNested(t *testing.T) {
	once, sums := encode(t, zstd3, codectest.CSV(1, 9000), nil)
	if sums.Looks != sniff.Text || sums.Looks.Compressed() {
		t.Errorf("%+v", sums.Looks)
	}
	twice, sums := encode(t, zstd3, once, nil)
	if sums.Looks.Name != "zstd" || !sums.Looks.Compressed() {
		t.Errorf("going in: %+v", sums.Looks)
	}
	_, sums, err := decode(zstd3, bytes.NewReader(twice), DecodeOptions{})
	if err != nil || sums.Looks.Name != "zstd" {
		t.Errorf("coming out: %+v, %v", sums.Looks, err)
	}
}

// No change of a stored byte passes a proof as the content that went in.
func TestProofOfDamage(t *testing.T) {
	plain := codectest.CSV(1, 2000)
	for _, c := range []Chain{zstd3, encrypted, both} {
		stored, want := encode(t, c, plain, testKey(1))
		for i := range stored {
			bad := bytes.Clone(stored)
			bad[i] ^= 0x10
			p, err := c.Prove(DecodeOptions{Key: testKey(1)})
			if err != nil {
				t.Fatal(err)
			}
			for chunk := range slices.Chunk(bad, 100) {
				if _, err := p.Write(chunk); err != nil {
					break
				}
			}
			if got, err := p.Close(); err == nil && got.SamePlain(want) {
				if back, _, err := decode(c, bytes.NewReader(bad), DecodeOptions{Key: testKey(1)}); err != nil || !bytes.Equal(back, plain) {
					t.Fatalf("%s: byte %d changed, and proven nevertheless", c, i)
				}
			}
		}
		p, err := c.Prove(DecodeOptions{Key: testKey(1)})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.Write(stored[:len(stored)/2]); err != nil {
			t.Fatal(err)
		}
		if got, err := p.Close(); err == nil && got.SamePlain(want) {
			t.Errorf("%s: half is proven", c)
		}
	}
}

func TestProofGivenUp(t *testing.T) {
	p, err := both.Prove(DecodeOptions{Key: testKey(1)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Write(make([]byte, 5)); err != nil {
		t.Fatal(err)
	}
	p.Abort()
	if _, err := p.Close(); err == nil {
		t.Error("a proof that was given up succeeds")
	}
	if _, err := p.Write([]byte("x")); err == nil {
		t.Error("it still takes bytes")
	}
}

// Many at once, sharing what is pooled.
func TestTogether(t *testing.T) {
	var shared cfb8.Encryptor
	var wg sync.WaitGroup
	for i := range 32 {
		wg.Go(func() {
			for j := range 5 {
				plain, key := codectest.CSV(uint64(i*10+j), 3000*(j+1)), testKey(byte(i))
				s, err := both.Encode(bytes.NewReader(plain), EncodeOptions{Size: -1, Key: key, Encryptor: &shared})
				if err != nil {
					t.Error(err)
					return
				}
				stored, err := io.ReadAll(s)
				s.Close()
				if err != nil {
					t.Error(err)
				}
				if back, _, err := decode(both, bytes.NewReader(stored), DecodeOptions{Key: key}); err != nil || !bytes.Equal(back, plain) {
					t.Errorf("%d.%d: %v", i, j, err)
				}
			}
		})
	}
	wg.Wait()
}

// Whatever is stored: no panic, and an error or an end.
func FuzzDecode(f *testing.F) {
	plain := codectest.CSV(1, 300)
	f.Add(byte(0), gzipped(f, plain))
	for i, c := range []Chain{zstd3, encrypted, both} {
		stored, _ := encode(f, c, plain, testKey(1))
		f.Add(byte(i+1), stored)
	}
	e := expect(f, "text", "csv:"+codectest.Header[:len(codectest.Header)-1])
	chains := []Chain{{Compress: Compression{Method: Gzip}}, zstd3, encrypted, both}
	f.Fuzz(func(t *testing.T, which byte, stored []byte) {
		o := DecodeOptions{Key: testKey(1), Window: 1 << 20}
		if which&4 != 0 {
			o.Expect = e
		}
		s, err := chains[which&3].Decode(bytes.NewReader(stored), o)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		n, err := io.Copy(io.Discard, io.LimitReader(s, 16<<20))
		if k := cooper.KindOf(err); err != nil && k != cooper.KindInvalid && k != cooper.KindCorrupt {
			t.Fatal(err)
		}
		if sums, err := s.Sums(); err == nil && (sums.PlainSize != n || sums.StoredSize != int64(len(stored))) {
			t.Fatalf("%d bytes of %d: %+v", n, len(stored), sums)
		}
	})
}
