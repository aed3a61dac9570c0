package seal

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

type doc struct {
	Format int    `json:"format"`
	Name   string `json:"name"`
}

// Formats below 2 have no seal; 3 is the newest.
func decode(text string) (d doc, err error) { return d, Decode([]byte(text), 2, 3, &d) }

func TestDecodeIsStrict(t *testing.T) {
	sealed := func(format int, more string) string {
		b, err := Document(fmt.Appendf(nil, `{"format": %d, "name": "a"%s}`, format, more))
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	for _, good := range []string{`{"format": 1, "name": "a"}`, `{"format": 1, "name": "a"}` + "\n", sealed(2, ""), sealed(3, "")} {
		if d, err := decode(good); err != nil || d.Name != "a" {
			t.Errorf("%s: %+v, %v", good, d, err)
		}
	}
	for name, bad := range map[string]string{
		"no seal":                 `{"format": 2, "name": "a"}`,
		"a seal too early":        sealed(1, ""),
		"an unknown field":        `{"format": 1, "name": "a", "names": "b"}`,
		"an unknown sealed field": sealed(2, `, "names": "b"`),
		"more behind":             `{"format": 1, "name": "a"}{}`,
		"more behind the seal":    sealed(2, "") + " ",
		"no format":               `{"name": "a"}`,
		"format 0":                `{"format": 0}`,
		"no JSON":                 `{"format": 1`,
		"nothing":                 "",
	} {
		if d, err := decode(bad); err == nil {
			t.Errorf("%s: %+v", name, d)
		}
	}
	var newer *Newer
	for _, text := range []string{`{"format": 4, "what": "ever"}`, sealed(4, `, "what": "ever"`)} {
		if _, err := decode(text); !errors.As(err, &newer) || newer.Format != 4 || newer.Known != 3 {
			t.Errorf("%s: %v", text, err)
		}
	}
	good := sealed(2, "")
	for i := range 8 * len(good) {
		bad := []byte(good)
		bad[i/8] ^= 1 << (i % 8)
		if d, err := decode(string(bad)); err == nil {
			t.Errorf("bit %d: %+v", i, d)
		}
	}
}

func TestSumsOfOldFilesAreLearntFromTheirDigest(t *testing.T) {
	b, want := written(t, 3*minBlock+17)
	digest := sha256.Sum256(b)
	name := filepath.Join(t.TempDir(), "f")
	read := func(size int64) (Sums, error) {
		return Learn(context.Background(), bytes.NewReader(b), size, hex.EncodeToString(digest[:]))
	}
	for _, size := range []int64{int64(len(b)), -1} {
		if got, err := read(size); err != nil || got != want {
			t.Errorf("%+v, %v", got, err)
		}
	}
	if _, err := read(int64(len(b)) + 1); !errors.Is(err, ErrDamaged) {
		t.Errorf("another size: %v", err)
	}
	b[minBlock] ^= 4
	if _, err := read(int64(len(b))); !errors.Is(err, ErrDamaged) {
		t.Errorf("a flipped bit: %v", err)
	}
	b[minBlock] ^= 4

	// A process reads each file once.
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
	var l Learnt
	for i := range 2 {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		if i == 1 {
			cancel() // nothing is read any more
		}
		got, err := l.Of(ctx, f, int64(len(b)), hex.EncodeToString(digest[:]))
		cancel()
		if err = errors.Join(err, f.Close()); err != nil || got != want {
			t.Errorf("%+v, %v", got, err)
		}
	}
}

func TestCauseIsWhatWasFound(t *testing.T) {
	found := fmt.Errorf("%w, between byte 0 and 7", ErrDamaged)
	if got := Cause(fmt.Errorf("a page: %w", fmt.Errorf("a header: %w", found))); !errors.Is(got, ErrDamaged) || got.Error() != found.Error() {
		t.Errorf("%v", got)
	}
	other := fmt.Errorf("x: %w", &json.SyntaxError{})
	for _, err := range []error{nil, other, ErrDamaged, found} {
		if got := Cause(err); fmt.Sprint(got) != fmt.Sprint(err) {
			t.Errorf("%v became %v", err, got)
		}
	}
}
