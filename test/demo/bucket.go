package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"golang.org/x/sync/errgroup"
)

const (
	accessKey = "demo"
	secretKey = "demo-secret-key"
	uploads   = 32 // at once
)

type bucket struct {
	client *s3.Client
	name   string
}

func newClient(endpoint string) *s3.Client {
	return s3.New(s3.Options{
		BaseEndpoint: &endpoint, Region: "us-east-1", UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider(accessKey, secretKey, ""),
	})
}

func createBucket(ctx context.Context, c *s3.Client, name string) (*bucket, error) {
	if _, err := c.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: &name}); err != nil {
		return nil, err
	}
	_, err := c.PutBucketVersioning(ctx, &s3.PutBucketVersioningInput{Bucket: &name,
		VersioningConfiguration: &types.VersioningConfiguration{Status: types.BucketVersioningStatusEnabled}})
	return &bucket{c, name}, err
}

func (b *bucket) put(ctx context.Context, key string, body []byte) error {
	_, err := b.client.PutObject(ctx, &s3.PutObjectInput{Bucket: &b.name, Key: &key, Body: bytes.NewReader(body)})
	return err
}

func (b *bucket) get(ctx context.Context, key string) ([]byte, error) {
	o, err := b.client.GetObject(ctx, &s3.GetObjectInput{Bucket: &b.name, Key: &key})
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(o.Body)
	return body, errors.Join(err, o.Body.Close())
}

func (b *bucket) remove(ctx context.Context, key string) error {
	_, err := b.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &b.name, Key: &key})
	return err
}

// abandon begins an upload in parts and never finishes it.
func (b *bucket) abandon(ctx context.Context, key string, size int) error {
	begun, err := b.client.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: &b.name, Key: &key})
	if err != nil {
		return err
	}
	_, err = b.client.UploadPart(ctx, &s3.UploadPartInput{Bucket: &b.name, Key: &key, UploadId: begun.UploadId,
		PartNumber: aws.Int32(1), Body: bytes.NewReader(make([]byte, size))})
	return err
}

// putTree uploads the regular files below dir.
func (b *bucket) putTree(ctx context.Context, dir, prefix string) (files, size int64, err error) {
	var sum atomic.Int64
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(uploads)
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		files++
		g.Go(func() error {
			body, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			sum.Add(int64(len(body)))
			return b.put(gctx, prefix+"/"+filepath.ToSlash(rel), body)
		})
		return gctx.Err()
	})
	if e := g.Wait(); e != nil {
		err = e
	}
	return files, sum.Load(), err
}

// putChunks uploads n small chunks under prefix/y/x with contents that follow
// from seed.
func (b *bucket) putChunks(ctx context.Context, prefix string, n int, seed uint64) (int, error) {
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(uploads)
	for i := range n {
		g.Go(func() error {
			r := rand.New(rand.NewPCG(seed, uint64(i)))
			body := make([]byte, 1000+r.IntN(8000))
			for j := range body {
				body[j] = byte(r.Uint32())
			}
			return b.put(gctx, fmt.Sprintf("%s/%d/%d", prefix, i/100, i%100), body)
		})
	}
	return n, g.Wait()
}

// list gives the current keys under prefix.
func (b *bucket) list(ctx context.Context, prefix string) ([]string, error) {
	var keys []string
	for p := s3.NewListObjectsV2Paginator(b.client, &s3.ListObjectsV2Input{Bucket: &b.name, Prefix: aws.String(prefix)}); p.HasMorePages(); {
		page, err := p.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, o := range page.Contents {
			keys = append(keys, *o.Key)
		}
	}
	return keys, nil
}
