package zstd

import (
	"bytes"
	"errors"
	"io"
	"os/exec"
	"runtime"
	"testing"
	"testing/iotest"

	kzstd "github.com/klauspost/compress/zstd"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"cooper"
	"cooper/internal/codec/codectest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func encode(t testing.TB, src io.Reader, level int, size int64) []byte {
	t.Helper()
	e, err := NewEncoder(src, level, size)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	b, err := io.ReadAll(e)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func decode(src io.Reader, window int64) ([]byte, error) {
	r, err := NewReader(src, window)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}

// What comes back is what went in, and the frame depends on content, level and
// announced size alone: not on how the content was cut, nor on what the pooled
// state did before.
func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		size := rapid.OneOf(rapid.IntRange(0, 3000), rapid.IntRange(chunk-2, chunk+2), rapid.Just(2*chunk), rapid.IntRange(0, 3*chunk)).Draw(rt, "size")
		level := rapid.IntRange(1, 5).Draw(rt, "level")
		seed := rapid.Uint64Range(0, 9).Draw(rt, "seed")
		plain := codectest.CSV(seed, size)
		if rapid.Bool().Draw(rt, "noise") {
			plain = codectest.Noise(seed, size)
		}
		announced := rapid.SampledFrom([]int64{-1, int64(size)}).Draw(rt, "announced")
		frame := encode(t, bytes.NewReader(plain), level, announced)
		again := encode(t, iotest.HalfReader(iotest.DataErrReader(bytes.NewReader(plain))), level, announced)
		if !bytes.Equal(frame, again) {
			rt.Fatal("two frames of the same content differ")
		}
		back, err := decode(iotest.HalfReader(bytes.NewReader(frame)), 0)
		if err != nil || !bytes.Equal(back, plain) {
			rt.Fatalf("%d bytes come back as %d: %v", len(plain), len(back), err)
		}
		var h kzstd.Header
		if err := h.Decode(frame); err != nil {
			rt.Fatal(err)
		}
		known := announced >= 0 || size < chunk
		if !h.HasCheckSum || h.HasFCS != known || known && h.FrameContentSize != uint64(size) || h.WindowSize > DefaultWindow {
			rt.Fatalf("header %+v", h)
		}
	})
}

func TestAnnouncedSizeIsChecked(t *testing.T) {
	for _, size := range []int{0, 10, chunk, 2*chunk + 5} {
		for _, off := range []int64{-1, 1, chunk} {
			announced := int64(size) + off
			if announced < 0 {
				continue
			}
			e, err := NewEncoder(bytes.NewReader(make([]byte, size)), 3, announced)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadAll(e); cooper.KindOf(err) != cooper.KindInvalid {
				t.Errorf("%d bytes passed for %d: %v", size, announced, err)
			}
			e.Close()
		}
	}
}

// Anything but whole frames is an error, and never passes for an end.
func TestBroken(t *testing.T) {
	plain := codectest.CSV(1, 5000)
	frame := encode(t, bytes.NewReader(plain), 3, -1)
	for n := range frame {
		if b, err := decode(bytes.NewReader(frame[:n]), 0); cooper.KindOf(err) != cooper.KindInvalid {
			t.Fatalf("cut to %d of %d bytes: %d bytes, %v", n, len(frame), len(b), err)
		}
	}
	for i := range frame {
		for _, bit := range []byte{1, 0x80} {
			bad := bytes.Clone(frame)
			bad[i] ^= bit
			if b, err := decode(bytes.NewReader(bad), 0); err == nil && bytes.Equal(b, plain) {
				continue // a bit that does not count
			} else if k := cooper.KindOf(err); k != cooper.KindInvalid && k != cooper.KindCorrupt {
				t.Fatalf("byte %d changed: %v", i, err)
			}
		}
	}
	sum := bytes.Clone(frame)
	sum[len(sum)-1] ^= 1
	if _, err := decode(bytes.NewReader(sum), 0); cooper.KindOf(err) != cooper.KindCorrupt {
		t.Error("a wrong checksum:", err)
	}
	for _, tail := range []string{"\x00", "\n", "garbage", "\x28\xb5\x2f"} {
		if _, err := decode(bytes.NewReader(append(bytes.Clone(frame), tail...)), 0); cooper.KindOf(err) != cooper.KindInvalid {
			t.Errorf("followed by %q: %v", tail, err)
		}
	}
}

func TestSeveralFrames(t *testing.T) {
	a := encode(t, bytes.NewReader([]byte("one ")), 3, -1)
	skip := []byte("\x50\x2a\x4d\x18\x03\x00\x00\x00abc")
	b := encode(t, bytes.NewReader([]byte("two")), 3, -1)
	got, err := decode(bytes.NewReader(bytes.Join([][]byte{a, skip, b}, nil)), 0)
	if err != nil || string(got) != "one two" {
		t.Errorf("%q, %v", got, err)
	}
}

// zeros is a frame of n bytes, hardly longer than its header.
type zeros struct{ n int64 }

func (z *zeros) Read(p []byte) (int, error) {
	n := min(int64(len(p)), z.n)
	clear(p[:n])
	if z.n -= n; n == 0 {
		return 0, io.EOF
	}
	return int(n), nil
}

// Memory is bounded by the window, not by what a frame expands to or says of
// itself.
func TestBombs(t *testing.T) {
	const size = 256 << 20
	frame := encode(t, &zeros{size}, 3, -1)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	r, err := NewReader(bytes.NewBuffer(frame), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{r}, make([]byte, 64<<10))
	if n != size || err != nil {
		t.Fatal(n, err)
	}
	runtime.ReadMemStats(&after)
	if used := after.TotalAlloc - before.TotalAlloc; used > 4*DefaultWindow {
		t.Errorf("%d bytes expand to %d with %d MiB allocated", len(frame), n, used>>20)
	}
	for name, header := range map[string]string{
		"a window of 16 MiB":           "\x28\xb5\x2f\xfd\x00\x70",
		"a window beyond all":          "\x28\xb5\x2f\xfd\x00\xff",
		"one segment of a terabyte":    "\x28\xb5\x2f\xfd\xe0\x00\x00\x00\x00\x00\x01\x00\x00",
		"one segment of 2^63 bytes":    "\x28\xb5\x2f\xfd\xe0\xff\xff\xff\xff\xff\xff\xff\x7f",
		"a dictionary that nobody has": "\x28\xb5\x2f\xfd\x01\x50\x07",
	} {
		in := header + "\x01\x00\x00"
		if _, err := decode(bytes.NewReader([]byte(in)), 0); cooper.KindOf(err) != cooper.KindInvalid {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := decode(bytes.NewReader([]byte("\x28\xb5\x2f\xfd\x00\x70\x01\x00\x00")), 16<<20); err != nil {
		t.Error("a window of 16 MiB where it is allowed:", err)
	}
}

func TestErrorsPass(t *testing.T) {
	broken := errors.New("broken")
	for _, n := range []int{0, 100, 2 * chunk} {
		plain := codectest.CSV(1, n)
		e, err := NewEncoder(io.MultiReader(bytes.NewReader(plain), iotest.ErrReader(broken)), 3, -1)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadAll(e); err != broken { //nolint:errorlint // as it is
			t.Error("encoding:", err)
		}
		e.Close()
		frame := encode(t, bytes.NewReader(plain), 3, -1)
		if _, err := decode(io.MultiReader(bytes.NewReader(frame[:len(frame)-1]), iotest.ErrReader(broken)), 0); err != broken { //nolint:errorlint // as it is
			t.Error("decoding:", err)
		}
	}
}

// A body cut short is a failure, not an end, whether it says so by a wrapped
// error or, as net/http does, by io.ErrUnexpectedEOF itself.
func TestCutShort(t *testing.T) {
	for _, failure := range []error{
		io.ErrUnexpectedEOF,
		&cooper.Error{Kind: cooper.KindStore, Message: "body cut short", Err: io.ErrUnexpectedEOF},
		&cooper.Error{Kind: cooper.KindStore, Message: "body cut short", Err: io.EOF},
	} {
		for _, n := range []int{0, 4, chunk - 1, chunk, chunk + 1} {
			e, err := NewEncoder(io.MultiReader(bytes.NewReader(make([]byte, n)), iotest.ErrReader(failure)), 3, -1)
			if err != nil {
				t.Fatal(err)
			}
			if b, err := io.ReadAll(e); err != failure { //nolint:errorlint // as it is
				t.Errorf("%d bytes make a frame of %d: %v", n, len(b), err)
			}
			e.Close()
		}
	}
}

func TestUseAfterClose(t *testing.T) {
	e, err := NewEncoder(bytes.NewReader([]byte("x")), 3, -1)
	if err != nil {
		t.Fatal(err)
	}
	r, err := NewReader(bytes.NewReader(encode(t, bytes.NewReader([]byte("x")), 3, -1)), 0)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		e.Close()
		r.Close()
	}
	for _, closed := range []io.Reader{e, r} {
		if n, err := closed.Read(make([]byte, 9)); n != 0 || err == nil || err == io.EOF {
			t.Errorf("%T: %d, %v", closed, n, err)
		}
	}
}

func TestLevels(t *testing.T) {
	for _, level := range []int{-1, 0, 20, 22, 1 << 40} {
		if _, err := NewEncoder(bytes.NewReader(nil), level, -1); err == nil {
			t.Error("no error of level", level)
		}
	}
	if Version() < "1.5.7" {
		t.Error("libzstd", Version())
	}
}

// A context takes a few megabytes, however long the stream.
func TestMemory(t *testing.T) {
	for _, c := range []struct{ level, size, most int }{{3, 6 << 20, 4 << 20}, {9, 6 << 20, 16 << 20}} {
		e, err := NewEncoder(bytes.NewReader(codectest.CSV(1, c.size)), c.level, int64(c.size))
		if err != nil {
			t.Fatal(err)
		}
		used := e.c
		if _, err := io.Copy(io.Discard, e); err != nil {
			t.Fatal(err)
		}
		if m := used.memory(); m > int64(c.most) {
			t.Errorf("level %d, %d bytes: the context takes %d KiB", c.level, c.size, m>>10)
		}
	}
}

// The reference program and we read each other.
func TestProgram(t *testing.T) {
	tool, err := exec.LookPath("zstd")
	if err != nil {
		t.Skip("no zstd")
	}
	for _, size := range []int{0, 1, 70_000, 3 * chunk} {
		plain := codectest.CSV(3, size)
		run := func(in []byte, args ...string) []byte {
			cmd := exec.Command(tool, args...)
			cmd.Stdin = bytes.NewReader(in)
			out, err := cmd.Output()
			if err != nil {
				t.Fatal(args, err)
			}
			return out
		}
		if got := run(encode(t, bytes.NewReader(plain), 3, int64(size)), "-dc"); !bytes.Equal(got, plain) {
			t.Errorf("zstd -d gives %d of %d bytes", len(got), size)
		}
		if got, err := decode(bytes.NewReader(run(plain, "-19", "-c")), 0); err != nil || !bytes.Equal(got, plain) {
			t.Errorf("%d bytes of zstd -19: %v", size, err)
		}
	}
}

// Whatever comes in: no panic, no memory beyond the window, and an error or an
// end.
func FuzzReader(f *testing.F) {
	frame := encode(f, bytes.NewReader(codectest.CSV(1, 400)), 3, -1)
	f.Add(frame)
	f.Add(frame[:len(frame)-3])
	f.Add(append(bytes.Clone(frame), frame...))
	f.Add([]byte("\x50\x2a\x4d\x18\x03\x00\x00\x00abc"))
	f.Add([]byte("\x28\xb5\x2f\xfd\xe0\xff\xff\xff\xff\xff\xff\xff\x7f\x01\x00\x00"))
	f.Fuzz(func(t *testing.T, in []byte) {
		r, err := NewReader(bytes.NewReader(in), 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		n, err := io.Copy(io.Discard, io.LimitReader(r, 64<<20))
		if err == nil && len(in) == 0 {
			t.Fatalf("nothing gives %d bytes", n)
		}
		if k := cooper.KindOf(err); err != nil && k != cooper.KindInvalid && k != cooper.KindCorrupt {
			t.Fatal(err)
		}
	})
}
