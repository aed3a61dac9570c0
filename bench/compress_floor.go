package main

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"

	"cooper/internal/codec"
	"cooper/internal/codec/cfb8"
)

// compressFloor is what is left of compressing a bucket when everything that
// makes it safe is taken away but the proof: GET, decrypt, hash, compress,
// decode and compare, encrypt, PUT, and DELETE of a thousand with one request. It
// is told the keys, and neither asks what is there, nor sets conditions, nor
// remembers anything.
type compressFloor struct {
	what   sensors
	client *floorClient
	to     codec.Chain
	side   cfb8.Encryptor
	keys   [studies]*cfb8.Key

	next atomic.Int64

	mu   sync.Mutex
	gone []string // replaced, and not yet deleted
}

// floorDeletes is the most keys that one request deletes.
const floorDeletes = 1000

// floorLevel is Cooper's default.
const floorLevel = 3

// runCompressFloor compresses a bucket so, some objects at once.
func runCompressFloor(ctx context.Context, url string, what sensors, concurrency int) error {
	f := &compressFloor{what: what, client: newFloorClient(url, concurrency), to: codec.Chain{Compress: codec.Compression{Method: codec.Zstd, Level: floorLevel}}}
	if what.encrypted {
		f.to.Encrypt = codec.AES256CFB8
	}
	for i := range f.keys {
		var err error
		if f.keys[i], err = cfb8.ParseKey(studyKey(i * len(streams))); err != nil {
			return err
		}
	}
	failed := make(chan error, concurrency)
	for range concurrency {
		go func() { failed <- f.work(ctx) }()
	}
	var err error
	for range concurrency {
		err = errors.Join(err, <-failed)
	}
	return errors.Join(err, f.remove(ctx, f.gone))
}

func (f *compressFloor) work(ctx context.Context) error {
	var b floorBuffers
	for {
		i := int(f.next.Add(1)) - 1
		if i >= f.what.objects {
			return nil
		}
		if err := f.one(ctx, f.what.key(i), f.keys[i%distinct/len(streams)%studies], &b); err != nil {
			return err
		}
	}
}

// floorBuffers are used for one object after the other.
type floorBuffers struct {
	stored         bytes.Buffer
	plain, out, up []byte
}

func (f *compressFloor) one(ctx context.Context, key string, secret *cfb8.Key, b *floorBuffers) error {
	body, err := f.client.get(ctx, key)
	if err != nil {
		return err
	}
	err = readInto(&b.stored, body)
	body.Close()
	if err != nil {
		return err
	}
	plain := b.stored.Bytes()
	if f.what.encrypted {
		b.plain = slices.Grow(b.plain[:0], len(plain))
		if plain, err = cfb8.Open(b.plain[:len(plain)], plain, secret); err != nil {
			return err
		}
	}
	h1, h256 := sha1.Sum(plain), sha256.Sum256(plain) // what a run would have to remember
	if b.out, err = f.to.Append(b.out[:0], plain, codec.EncodeOptions{Key: secret, Encryptor: &f.side}); err != nil {
		return err
	}
	if b.up, err = f.to.ProveSame(b.out, plain, b.up, secret); err != nil {
		return err
	}
	if err := f.put(ctx, key+".zst", b.out, hex.EncodeToString(h1[:]), hex.EncodeToString(h256[:])); err != nil {
		return err
	}
	return f.replaced(ctx, key)
}

func readInto(b *bytes.Buffer, r io.Reader) error {
	b.Reset()
	_, err := b.ReadFrom(r)
	return err
}

// put stores an object, which the store compares with its SHA-256.
func (f *compressFloor) put(ctx context.Context, key string, body []byte, ofSHA1, ofSHA256 string) error {
	sum := sha256.Sum256(body)
	res, err := f.client.send(ctx, http.MethodPut, "/"+key, "", body, hex.EncodeToString(sum[:]), []header{
		{"content-type", "text/csv"}, {"x-amz-meta-sha1", ofSHA1}, {"x-amz-meta-sha256", ofSHA256},
	})
	if err != nil {
		return err
	}
	return drop(res)
}

// drop gives a connection back.
func drop(res *http.Response) error {
	_, err := io.Copy(io.Discard, res.Body)
	res.Body.Close()
	return err
}

// replaced lets an original go, with others.
func (f *compressFloor) replaced(ctx context.Context, key string) error {
	f.mu.Lock()
	f.gone = append(f.gone, key)
	var full []string
	if len(f.gone) == floorDeletes {
		full, f.gone = f.gone, nil
	}
	f.mu.Unlock()
	return f.remove(ctx, full)
}

func (f *compressFloor) remove(ctx context.Context, keys []string) error {
	if len(keys) == 0 {
		return nil
	}
	type object struct{ Key string }
	doc := struct {
		XMLName xml.Name `xml:"Delete"`
		Quiet   bool
		Object  []object
	}{Quiet: true}
	for _, key := range keys {
		doc.Object = append(doc.Object, object{key})
	}
	body, err := xml.Marshal(doc)
	if err != nil {
		return err
	}
	sum, md := sha256.Sum256(body), md5.Sum(body)
	res, err := f.client.send(ctx, http.MethodPost, "", "delete=", body, hex.EncodeToString(sum[:]), []header{
		{"content-md5", base64.StdEncoding.EncodeToString(md[:])},
	})
	if err != nil {
		return err
	}
	return drop(res)
}
