package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"

	"testing"

	kzstd "github.com/klauspost/compress/zstd"

	"cooper/internal/codec"
	"cooper/internal/codec/cfb8"
	"cooper/internal/codec/zstd"
	"cooper/internal/store/mem"
)

// What is measured is as large and as compressible as promised, and no key is
// there twice.
func TestSensors(t *testing.T) {
	var plain, stored [3]int64
	for c := range 800 {
		b := content(c)
		if len(b) < leastSize || len(b) > leastSize*sizesRange+300 {
			t.Fatalf("content %d has %d bytes", c, len(b))
		}
		if !bytes.Equal(b, content(c)) {
			t.Fatal("another content the second time")
		}
		for i := range 3 {
			e, err := codec.Chain{Compress: codec.Compression{Method: codec.Zstd, Level: i + 1}}.Encode(bytes.NewReader(b), codec.EncodeOptions{Size: int64(len(b))})
			if err != nil {
				t.Fatal(err)
			}
			n, err := io.Copy(io.Discard, e)
			if err != nil {
				t.Fatal(err)
			}
			plain[i] += int64(len(b))
			stored[i] += n
		}
	}
	for i := range plain {
		ratio := float64(plain[i]) / float64(stored[i])
		if ratio < 3 || ratio > 5 {
			t.Errorf("level %d makes %.2f times less", i+1, ratio)
		}
	}
	s := sensors{objects: 3 * distinct}
	seen := map[string]bool{}
	for i := range s.objects {
		seen[s.key(i)] = true
	}
	if len(seen) != s.objects {
		t.Errorf("%d keys of %d objects", len(seen), s.objects)
	}
}

// The floor and the lab's script leave what they are said to leave: for every
// object, one that decodes to it.
func TestCompressPrograms(t *testing.T) {
	for _, encrypted := range []bool{false, true} {
		for _, program := range []string{floorName, labName} {
			t.Run(fmt.Sprint(program, encrypted), func(t *testing.T) {
				what := sensors{checked, encrypted}
				bodies, err := what.bodies()
				if err != nil {
					t.Fatal(err)
				}
				store := fillSensors(what, bodies)
				web := httptest.NewServer(store)
				defer web.Close()
				tools, err := filepath.Abs("../build/tools")
				if err != nil {
					t.Fatal(err)
				}
				s := &setup{dir: t.TempDir(), peers: peerOptions{tools: tools}}
				c := &compression{setup: s, what: what, dir: s.dir, server: &server{url: web.URL}}
				if err := c.writeKeys(); err != nil {
					t.Fatal(err)
				}
				if program == floorName {
					err = runCompressFloor(t.Context(), web.URL, what, 4)
				} else {
					err = runLab(t, c)
				}
				if err != nil {
					t.Fatal(err)
				}
				if l := leftIn(store); l.Plain != 0 || l.Compressed != what.objects {
					t.Fatalf("left: %+v", l)
				}
				if err := c.check(t.Context(), program, what.objects); err != nil {
					t.Fatal(err)
				}
				// The check itself sees what is not right.
				store.Put(bucketName, what.key(7)+".zst", bodies[7], mem.PutOptions{})
				if err := c.check(t.Context(), program, what.objects); err == nil {
					t.Error("an object that was not compressed passed")
				}
			})
		}
	}
}

func runLab(t *testing.T, c *compression) error {
	cmd, err := c.command(t.Context(), labName, t.TempDir())
	if err != nil {
		return err
	}
	if _, err := os.Stat(cmd.Path); err != nil {
		t.Skip("no Python with what it needs: scripts/lab installs it")
	}
	cmd.Dir = ".."
	_, err = measured(cmd)
	return err
}

func TestSensorsEncrypted(t *testing.T) {
	var side cfb8.Encryptor
	s := sensors{objects: 10, encrypted: true}
	b, err := s.stored(3, &side)
	if err != nil {
		t.Fatal(err)
	}
	key, err := cfb8.ParseKey(studyKey(3))
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(cfb8.NewReader(bytes.NewReader(b), key))
	if err != nil || !bytes.Equal(got, content(3)) {
		t.Error("not the content encrypted:", err)
	}
}

// BenchmarkZstd compares encoders on what is measured, as
// docs/decisions/zstd.md tells.
func BenchmarkZstd(b *testing.B) {
	docs := make([][]byte, 1024)
	total := 0
	for c := range docs {
		docs[c] = content(c)
		total += len(docs[c])
	}
	run := func(name string, encode func(doc []byte) int) {
		b.Run(name, func(b *testing.B) {
			var out int
			before := cpuOf(os.Getpid())
			for b.Loop() {
				out = 0
				for _, doc := range docs {
					out += encode(doc)
				}
			}
			// By CPU time, which other work on the machine disturbs less.
			b.ReportMetric(float64(total)*float64(b.N)/1e6/(cpuOf(os.Getpid())-before), "MB/CPU-s")
			b.ReportMetric(float64(total)/float64(out), "ratio")
		})
	}
	for _, level := range []int{1, 2, 3, 4, 5, 6, 9} {
		var frame bytes.Buffer
		run("libzstd/"+strconv.Itoa(level), func(doc []byte) int {
			e, err := zstd.NewEncoder(bytes.NewReader(doc), level, int64(len(doc)))
			if err != nil {
				b.Fatal(err)
			}
			if err := readInto(&frame, e); err != nil {
				b.Fatal(err)
			}
			return frame.Len()
		})
	}
	for _, level := range []kzstd.EncoderLevel{kzstd.SpeedFastest, kzstd.SpeedDefault, kzstd.SpeedBetterCompression} {
		w, err := kzstd.NewWriter(nil, kzstd.WithEncoderLevel(level), kzstd.WithEncoderConcurrency(1))
		if err != nil {
			b.Fatal(err)
		}
		var out []byte
		run("go/"+level.String(), func(doc []byte) int {
			out = w.EncodeAll(doc, out[:0])
			return len(out)
		})
	}
	// What decoding for the proof takes, beside.
	var frames [][]byte
	for _, doc := range docs {
		e, err := zstd.NewEncoder(bytes.NewReader(doc), floorLevel, int64(len(doc)))
		if err != nil {
			b.Fatal(err)
		}
		var frame bytes.Buffer
		if err := readInto(&frame, e); err != nil {
			b.Fatal(err)
		}
		frames = append(frames, frame.Bytes())
	}
	var back bytes.Buffer
	at := 0
	run("decode", func(doc []byte) int {
		r, err := zstd.NewReader(bytes.NewReader(frames[at%len(frames)]), 0)
		if err != nil {
			b.Fatal(err)
		}
		at++
		if err := errors.Join(readInto(&back, r), r.Close()); err != nil {
			b.Fatal(err)
		}
		return back.Len()
	})
}
