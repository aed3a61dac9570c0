package seal

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"testing"
	"testing/iotest"
)

func TestEveryFlipOfADocumentIsSeen(t *testing.T) {
	object, err := json.MarshalIndent(map[string]any{"format": 2, "runs": []string{"a", "b"}}, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := Document(object)
	if err != nil {
		t.Fatal(err)
	}
	if !json.Valid(sealed) {
		t.Fatalf("no JSON any more: %s", sealed)
	}
	open, err := Open(sealed)
	if err != nil {
		t.Fatal(err)
	}
	var a, b any
	if json.Unmarshal(object, &a) != nil || json.Unmarshal(open, &b) != nil || !equalJSON(a, b) {
		t.Errorf("sealed %s\nopened %s", object, open)
	}
	for i := range len(sealed) * 8 {
		flipped := bytes.Clone(sealed)
		flipped[i/8] ^= 1 << (i % 8)
		if got, err := Open(flipped); err == nil {
			t.Errorf("bit %d: opened as %s", i, got)
		}
	}
	for n := range sealed {
		if _, err := Open(sealed[:n]); err == nil {
			t.Errorf("opened after %d of %d bytes", n, len(sealed))
		}
	}
}

func equalJSON(a, b any) bool {
	x, _ := json.Marshal(a)
	y, _ := json.Marshal(b)
	return bytes.Equal(x, y)
}

func TestWhatIsNoObjectIsNotSealed(t *testing.T) {
	for _, s := range []string{"", "{}", "[1]", "null", "{ \n}", "7"} {
		if b, err := Document([]byte(s)); err == nil {
			t.Errorf("%q became %q", s, b)
		}
	}
	if _, err := Open([]byte(`{"format":1}`)); !errors.Is(err, ErrNone) {
		t.Errorf("without a seal: %v", err)
	}
}

// sizes meet every way in which blocks end and pair.
var sizes = []int64{0, 1, minBlock - 1, minBlock, minBlock + 1, maxBlocks*minBlock - 1, maxBlocks * minBlock, maxBlocks*minBlock + 1, 5*maxBlocks*minBlock + 12345}

func written(t *testing.T, size int64) ([]byte, Sums) {
	t.Helper()
	r := rand.New(rand.NewPCG(7, uint64(size)))
	b := make([]byte, size)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	var s Summer
	for at := int64(0); at < size; {
		n := min(size-at, 1+r.Int64N(3*minBlock))
		_, _ = s.Write(b[at : at+n])
		at += n
	}
	if s.Size() != size {
		t.Fatalf("%d bytes of %d", s.Size(), size)
	}
	return b, s.Sums()
}

func TestSumsOfBlocks(t *testing.T) {
	for _, size := range sizes {
		b, sums := written(t, size)
		if n := sums.blocks(); n > maxBlocks || !sums.fits(size) {
			t.Errorf("%d bytes: %d sums of %d bytes", size, n, sums.block)
		}
		for i := range sums.blocks() {
			got := sums.crc(int64(i))
			from := int64(i) * sums.block
			if want := crc32.Checksum(b[from:min(from+sums.block, size)], castagnoli); got != want {
				t.Errorf("%d bytes, block %d: %08x, not %08x", size, i, got, want)
			}
		}
		text, err := sums.MarshalText()
		var back Sums
		if err == nil {
			err = back.UnmarshalText(text)
		}
		again, _ := back.MarshalText()
		if err != nil || !bytes.Equal(text, again) || len(text) > 400 {
			t.Errorf("%d bytes: %s, then %s, %v", size, text, again, err)
		}
		r, err := NewReader(bytes.NewReader(b), size, back)
		if err != nil {
			t.Fatal(err)
		}
		if err := iotest.TestReader(io.NewSectionReader(r, 0, min(size, 3000)), b[:min(size, 3000)]); err != nil {
			t.Error(err)
		}
		if err := r.Verify(context.Background()); err != nil {
			t.Error(err)
		}
	}
}

func TestNoByteOfADamagedBlockIsHandedOut(t *testing.T) {
	const size = 3*maxBlocks*minBlock/2 + 77
	b, sums := written(t, size)
	r := rand.New(rand.NewPCG(1, 2))
	for range 20 {
		at := r.Int64N(size)
		was := b[at]
		b[at] ^= 1 << r.IntN(8)
		rd, err := NewReader(bytes.NewReader(b), size, sums)
		if err != nil {
			t.Fatal(err)
		}
		block := at / sums.block
		for i := range int64(sums.blocks()) {
			_, err := rd.ReadAt(make([]byte, 1), i*sums.block)
			if damaged := errors.Is(err, ErrDamaged); damaged != (i == block) {
				t.Errorf("byte %d changed, read of block %d: %v", at, i, err)
			}
		}
		if err := rd.Verify(context.Background()); !errors.Is(err, ErrDamaged) {
			t.Errorf("verified: %v", err)
		}
		b[at] = was
	}
	for _, n := range []int64{0, 1, minBlock, size - 1} {
		rd, err := NewReader(bytes.NewReader(b[:n]), size, sums)
		if err != nil {
			t.Fatal(err)
		}
		if err := rd.Verify(context.Background()); !errors.Is(err, ErrDamaged) {
			t.Errorf("%d of %d bytes: %v", n, size, err)
		}
		rd, err = NewReader(bytes.NewReader(b[:n]), n, sums)
		if err == nil {
			err = rd.Verify(context.Background())
		}
		if !errors.Is(err, ErrDamaged) {
			t.Errorf("the sums of %d bytes for %d: %v", size, n, err)
		}
	}
}

func FuzzSums(f *testing.F) {
	f.Add("65536:AAAAAA")
	f.Add("131072:")
	f.Fuzz(func(t *testing.T, text string) {
		var s Sums
		if s.UnmarshalText([]byte(text)) != nil {
			return
		}
		if back, err := s.MarshalText(); err != nil || string(back) != text {
			t.Errorf("%q became %q, %v", text, back, err)
		}
	})
}
