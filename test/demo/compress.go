package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/klauspost/compress/zstd"
	"golang.org/x/sync/errgroup"
)

// study is a folder of the phone bucket, named as such studies are.
const study = "5f3a9c1e2b7d4a6088e1c0fa"

// putSensors uploads n files of readings of phones and remembers their hashes.
func (b *bucket) putSensors(ctx context.Context, n int) (hashes map[string][sha256.Size]byte, size int64, err error) {
	hashes = map[string][sha256.Size]byte{}
	var mu sync.Mutex
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(uploads)
	for i := range n {
		g.Go(func() error {
			key, body := sensorFile(i)
			mu.Lock()
			hashes[key] = sha256.Sum256(body)
			size += int64(len(body))
			mu.Unlock()
			return b.put(gctx, key, body)
		})
	}
	return hashes, size, g.Wait()
}

// sensorFile is the i-th file: an hour of a participant's accelerometer or GPS.
func sensorFile(i int) (string, []byte) {
	r := rand.New(rand.NewPCG(7, uint64(i)))
	stream := []string{"accelerometer", "gps"}[i%2]
	at := time.Date(2024, 3, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(i) * time.Hour)
	var b bytes.Buffer
	b.WriteString("timestamp,UTC time,accuracy,x,y,z\n")
	x, y, z := r.NormFloat64(), r.NormFloat64(), 9.81
	for range 150 + r.IntN(300) {
		at = at.Add(time.Duration(80+r.IntN(40)) * time.Millisecond)
		x, y, z = x+r.NormFloat64()/50, y+r.NormFloat64()/50, z+r.NormFloat64()/50
		fmt.Fprintf(&b, "%d,%s,unknown,%.5f,%.5f,%.5f\n", at.UnixMilli(), at.Format("2006-01-02T15:04:05.000"), x, y, z)
	}
	return fmt.Sprintf("%s/p%02d/%s/%06d.csv", study, i%7, stream, i), b.Bytes()
}

func (s *stage) compressed(ctx context.Context) error {
	s.tell("A smaller bill", "Another bucket: two years of phone sensors, as plain CSV. What would compressing them save?")
	began := time.Now()
	hashes, size, err := s.phones.putSensors(ctx, 4000)
	if err != nil {
		return err
	}
	fmt.Printf("Uploaded %d files (%d MB) in %.1f s.\n", len(hashes), size/1e6, time.Since(began).Seconds())
	if err := s.cooper(ctx, "compress", "estimate", "s3://phones", "--list", "--sample", "200"); err != nil {
		return err
	}
	if err := s.cut(ctx); err != nil {
		return err
	}
	if err := s.cooper(ctx, "apply", "latest"); err != nil {
		return err
	}
	if err := s.readable(ctx, hashes); err != nil {
		return err
	}
	return s.cooper(ctx, "stats", "s3://phones", "--by", "stream")
}

// cut kills a run that compresses once some originals have gone.
func (s *stage) cut(ctx context.Context) error {
	cmd := s.command(ctx, "compress", "run", "s3://phones", "--list", "--yes")
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for {
		keys, err := s.phones.list(ctx, study+"/")
		if err != nil {
			return err
		}
		if len(keys) > 4500 {
			break
		}
		select {
		case err := <-ended:
			return errors.Join(errors.New("the run was over before it could be killed"), err)
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(5 * time.Millisecond):
		}
	}
	if err := cmd.Process.Kill(); err != nil {
		return err
	}
	if err := <-ended; err == nil {
		return errors.New("the run was over before it could be killed")
	}
	fmt.Printf("\n  %s half-way; the plan goes on from there\n", bold("killed"))
	return nil
}

// readable decompresses every object with a program that is not Cooper and
// compares it with what was uploaded.
func (s *stage) readable(ctx context.Context, hashes map[string][sha256.Size]byte) error {
	keys, err := s.phones.list(ctx, study+"/")
	if err != nil {
		return err
	}
	if len(keys) != len(hashes) {
		return fmt.Errorf("%d objects instead of %d", len(keys), len(hashes))
	}
	var size int64
	var mu sync.Mutex
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(uploads)
	for key, hash := range hashes {
		g.Go(func() error {
			name := key + ".zst"
			o, err := s.phones.client.GetObject(gctx, &s3.GetObjectInput{Bucket: &s.phones.name, Key: &name})
			if err != nil {
				return err
			}
			stored, err := io.ReadAll(o.Body)
			if err = errors.Join(err, o.Body.Close()); err != nil {
				return err
			}
			mu.Lock()
			size += int64(len(stored))
			mu.Unlock()
			d, err := zstd.NewReader(bytes.NewReader(stored), zstd.WithDecoderConcurrency(1))
			if err != nil {
				return err
			}
			defer d.Close()
			h := sha256.New()
			if _, err := io.Copy(h, d); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			if [sha256.Size]byte(h.Sum(nil)) != hash {
				return fmt.Errorf("%s holds something else than was uploaded", name)
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	fmt.Printf("\nEvery file was read back and decompressed by another program: %d contents, all as they were uploaded, in %.1f MB.\n", len(hashes), float64(size)/1e6)
	return nil
}
