package cfb8

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"

	"cooper"
)

func paths() []path {
	var ps []path
	for p := portable; p <= best(); p++ {
		ps = append(ps, p)
	}
	return ps
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func encrypted(t *testing.T, e *Encryptor, plain []byte, key *Key, iv [16]byte, p path) []byte {
	t.Helper()
	b, err := io.ReadAll(e.reader(bytes.NewReader(plain), key, iv, p))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func decrypted(t *testing.T, stored []byte, key *Key, p path) []byte {
	t.Helper()
	r := newReader(bytes.NewReader(stored), key, p)
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// NIST SP 800-38A, F.3.17 and F.3.18 (CFB8-AES256).
func TestKnownAnswer(t *testing.T) {
	key := Key(unhex(t, "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4"))
	iv := unhex(t, "000102030405060708090a0b0c0d0e0f")
	plain := unhex(t, "6bc1bee22e409f96e93d7e117393172aae2d")
	stored := append(bytes.Clone(iv), unhex(t, "dc1f1a8520a64db55fcc8ac554844e889700")...)
	for _, p := range paths() {
		if got := encrypted(t, &Encryptor{}, plain, &key, [16]byte(iv), p); !bytes.Equal(got, stored) {
			t.Errorf("path %d encrypts to %x", p, got)
		}
		if got := decrypted(t, stored, &key, p); !bytes.Equal(got, plain) {
			t.Errorf("path %d decrypts to %x", p, got)
		}
	}
}

// Every path gives the same, however the bytes are cut.
func TestPathsAgree(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		key := Key(rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(rt, "key"))
		iv := [16]byte(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(rt, "iv"))
		plain := rapid.SliceOfN(rapid.Byte(), 0, 700).Draw(rt, "plain")
		if rapid.Bool().Draw(rt, "long") {
			plain = bytes.Repeat(plain, rapid.IntRange(1, 200).Draw(rt, "times"))
		}
		cut := rapid.SliceOfN(rapid.IntRange(1, 70_000), 1, 5).Draw(rt, "cut")
		want := encrypted(t, &Encryptor{}, plain, &key, iv, portable)
		for _, p := range paths() {
			var e Encryptor
			got, err := readCut(e.reader(&cutReader{r: bytes.NewReader(plain), cut: cut}, &key, iv, p), cut)
			if err != nil || !bytes.Equal(got, want) {
				rt.Fatalf("path %d encrypts otherwise than portable (%v)", p, err)
			}
			r := newReader(&cutReader{r: bytes.NewReader(want), cut: cut}, &key, p)
			got, err = readCut(r, cut)
			r.Close()
			if err != nil || !bytes.Equal(got, plain) {
				rt.Fatalf("path %d does not give back the plain bytes (%v)", p, err)
			}
		}
	})
}

// cutReader gives as many bytes at a time as cut says, over and over.
type cutReader struct {
	r   io.Reader
	cut []int
	i   int
}

func (c *cutReader) Read(p []byte) (int, error) {
	c.i++
	return c.r.Read(p[:min(len(p), c.cut[c.i%len(c.cut)])])
}

func readCut(r io.Reader, cut []int) ([]byte, error) {
	var all []byte
	for i := 0; ; i++ {
		p := make([]byte, cut[i%len(cut)])
		n, err := r.Read(p)
		all = append(all, p[:n]...)
		if err == io.EOF {
			return all, nil
		} else if err != nil {
			return all, err
		}
	}
}

// Streams that share an Encryptor do not mix, whatever their keys and lengths.
func TestManyStreams(t *testing.T) {
	for _, p := range paths() {
		var e Encryptor
		var wg sync.WaitGroup
		for i := range 60 {
			wg.Go(func() {
				r := rand.New(rand.NewPCG(uint64(i), 1))
				key, iv, plain := Key{}, [16]byte{}, make([]byte, r.IntN(40_000))
				for _, b := range [][]byte{key[:], iv[:], plain} {
					for j := range b {
						b[j] = byte(r.Uint32())
					}
				}
				var got bytes.Buffer
				if _, err := io.CopyBuffer(struct{ io.Writer }{&got}, e.reader(struct{ io.Reader }{bytes.NewReader(plain)}, &key, iv, p), make([]byte, 1+r.IntN(9000))); err != nil {
					t.Error(err)
					return
				}
				want, err := io.ReadAll((&Encryptor{}).reader(bytes.NewReader(plain), &key, iv, portable))
				if err != nil || !bytes.Equal(got.Bytes(), want) {
					t.Errorf("path %d: stream %d of %d bytes came out wrong", p, i, len(plain))
				}
			})
		}
		wg.Wait()
		if e.leaders != 0 || len(e.waiting) != 0 {
			t.Errorf("path %d: %d lead and %d wait, at the end", p, e.leaders, len(e.waiting))
		}
	}
}

func TestOpenSSL(t *testing.T) {
	tool, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("no openssl")
	}
	key, err := ParseKey("0123456789abcdefghijklmnopqrstuv")
	if err != nil {
		t.Fatal(err)
	}
	iv := [16]byte{3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9, 7, 9, 3}
	plain := []byte(strings.Repeat("timestamp,UTC time,accuracy,x,y,z\n", 999))
	cmd := exec.Command(tool, "enc", "-aes-256-cfb8", "-K", hex.EncodeToString(key[:]), "-iv", hex.EncodeToString(iv[:]))
	cmd.Stdin = bytes.NewReader(plain)
	out, err := cmd.Output()
	if err != nil {
		t.Skip("this openssl has no aes-256-cfb8:", err)
	}
	if got := encrypted(t, &Encryptor{}, plain, key, iv, best()); !bytes.Equal(got[16:], out) {
		t.Error("openssl encrypts otherwise")
	}
}

func TestShort(t *testing.T) {
	for n := range IVSize {
		r := NewReader(bytes.NewReader(make([]byte, n)), new(Key))
		if _, err := io.ReadAll(r); cooper.KindOf(err) != cooper.KindInvalid {
			t.Errorf("%d bytes: %v", n, err)
		}
		r.Close()
	}
	if got := decrypted(t, make([]byte, IVSize), new(Key), best()); len(got) != 0 {
		t.Errorf("an IV alone gives %q", got)
	}
}

func TestErrorsPass(t *testing.T) {
	broken := errors.New("broken")
	r := NewReader(io.MultiReader(bytes.NewReader(make([]byte, 20)), iotest.ErrReader(broken)), new(Key))
	defer r.Close()
	if _, err := io.ReadAll(r); err != broken { //nolint:errorlint // as it is
		t.Error("decrypting:", err)
	}
	for n := range IVSize {
		early := NewReader(io.MultiReader(bytes.NewReader(make([]byte, n)), iotest.ErrReader(io.ErrUnexpectedEOF)), new(Key))
		if _, err := io.ReadAll(early); err != io.ErrUnexpectedEOF { //nolint:errorlint // as it is
			t.Error("in the IV:", err)
		}
		early.Close()
	}
	if _, err := io.ReadAll(new(Encryptor).Reader(iotest.ErrReader(broken), new(Key), [16]byte{})); err != broken { //nolint:errorlint // as it is
		t.Error("encrypting:", err)
	}
}

func TestKeysDoNotShow(t *testing.T) {
	key, err := ParseKey("0123456789abcdefghijklmnopqrstuv")
	if err != nil {
		t.Fatal(err)
	}
	j, err := json.Marshal(map[string]any{"key": key})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{fmt.Sprintf("%v %+v %#v %s %x %d %q", key, *key, *key, *key, *key, *key, key), string(j)} {
		if strings.Contains(s, "0123") || strings.Contains(s, "3031") || strings.Contains(s, "48") {
			t.Error(s)
		}
	}
	for _, s := range []string{"", "short", string(key[:]) + "\n"} {
		if _, err := ParseKey(s); cooper.KindOf(err) != cooper.KindUsage {
			t.Errorf("%q: %v", s, err)
		}
	}
}
