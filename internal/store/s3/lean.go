package s3

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"cooper/internal/store"
	"cooper/internal/store/limit"
)

// lean is the short way: net/http's transport and a signature, nothing between.
type lean struct {
	rt     http.RoundTripper
	at     address
	signer signer
	// creds is nil for anonymous requests.
	creds     *aws.CredentialsCache
	userAgent string
	now       func() time.Time
	lacks     *lacks
	transfer  transfer
	limit     *limit.Limiter // nil: none
}

// turn waits until another request of the same attempt may be sent.
func (c *lean) turn(ctx context.Context) error {
	if c.limit == nil {
		return nil
	}
	return c.limit.Turn(ctx)
}

// send signs and sends one request. An answer other than 2xx is a failure.
func (c *lean) send(ctx context.Context, method, key string, q params, h http.Header, body io.Reader, size int64, payload string) (*http.Response, error) {
	return c.sendAs(ctx, method, key, q, h, body, size, payload, acceptAsIs)
}

// sendAs says in which encoding a body may come.
func (c *lean) sendAs(ctx context.Context, method, key string, q params, h http.Header, body io.Reader, size int64, payload, accept string) (*http.Response, error) {
	u := c.at.url(key, q)
	r := (&http.Request{Method: method, URL: u, Host: u.Host, Header: h, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1}).WithContext(ctx)
	if c.creds != nil {
		cr, err := c.creds.Retrieve(ctx)
		if err != nil {
			return nil, noAnswer(ctx, &failure{credentials: true, err: err})
		}
		c.signer.sign(r, cr, payload, c.now())
	}
	// What follows is not signed: proxies may change it.
	h["User-Agent"] = []string{c.userAgent}
	if method == http.MethodGet || method == http.MethodHead {
		h["Accept-Encoding"] = []string{accept}
	}
	if body != nil {
		r.ContentLength = size
		r.Body = http.NoBody
		if size > 0 {
			r.Body = io.NopCloser(body)
		}
		if size >= expectFrom {
			h["Expect"] = []string{"100-continue"}
		}
	}
	res, err := c.rt.RoundTrip(r)
	if err != nil {
		return nil, noAnswer(ctx, &failure{err: err})
	}
	if res.StatusCode < 200 || res.StatusCode > 299 {
		return nil, failureOf(res, c.now())
	}
	return res, nil
}

// expectFrom is from what size on it pays to ask first whether a body is
// welcome: a store that throttles answers without taking it.
const expectFrom = 1 << 20

// noAnswer is f, or the context's error where that is the reason.
func noAnswer(ctx context.Context, f *failure) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return f
}

func (c *lean) get(ctx context.Context, ref store.Ref, r store.Range) (o store.Object, body io.ReadCloser, err error) {
	err = c.asStored(ctx, r, func(accept string, s strictness) (differs bool, err error) {
		res, err := c.readSums(ctx, http.MethodGet, ref, nil, accept, rangeHeader(r))
		if err != nil {
			return false, err
		}
		o, err = describe(res.StatusCode, res.Header, res.ContentLength, ref, r)
		if err != nil || !s.asIs(res, &o, ref) {
			_ = res.Body.Close() // nothing was read that could be lost
			return err == nil, err
		}
		body = res.Body
		return false, nil
	})
	if err == nil && o.Length < 0 {
		c.transfer.untold.Store(true)
	}
	return o, body, err
}

func (c *lean) head(ctx context.Context, ref store.Ref, part int) (o store.Object, err error) {
	var q params
	if part > 0 {
		q = params{{"partNumber", strconv.Itoa(part)}}
	}
	err = c.asStored(ctx, store.Range{}, func(accept string, s strictness) (differs bool, err error) {
		res, err := c.readSums(ctx, http.MethodHead, ref, q, accept, "")
		if err != nil {
			return false, err
		}
		_ = res.Body.Close() // a HEAD has no body
		o, err = describe(res.StatusCode, res.Header, res.ContentLength, ref, store.Range{})
		return err == nil && part == 0 && !s.asIs(res, &o, ref), err
	})
	return o, err
}

// readSums asks for checksums, too, unless the store refuses that.
func (c *lean) readSums(ctx context.Context, method string, ref store.Ref, q params, accept, span string) (res *http.Response, err error) {
	err = c.lacks.trying(LacksSumMode, func(with bool) (err error) {
		h := make(http.Header, 8)
		if with {
			h["X-Amz-Checksum-Mode"] = []string{"ENABLED"}
		}
		if span != "" {
			h["Range"] = []string{span}
		}
		res, err = c.read(ctx, method, ref, q, h, accept) //nolint:bodyclose // the caller closes it
		return err
	})
	return res, err
}

func (c *lean) read(ctx context.Context, method string, ref store.Ref, q params, h http.Header, accept string) (*http.Response, error) {
	if ref.VersionID != "" {
		q = append(q, [2]string{"versionId", ref.VersionID})
	}
	if ref.IfMatch != "" {
		h["If-Match"] = []string{`"` + ref.IfMatch + `"`}
	}
	return c.sendAs(ctx, method, ref.Key, q, h, nil, 0, emptyHash, accept)
}

// rangeHeader is empty for the whole object.
func rangeHeader(r store.Range) string {
	switch {
	case r.Length > 0:
		return fmt.Sprintf("bytes=%d-%d", r.From, r.From+r.Length-1)
	case r.From > 0:
		return fmt.Sprintf("bytes=%d-", r.From)
	}
	return ""
}

func (c *lean) put(ctx context.Context, u upload) (o store.Object, err error) {
	h := make(http.Header, 8+len(u.header))
	if u.sums.md5 != nil {
		h["Content-Md5"] = []string{base64.StdEncoding.EncodeToString(u.sums.md5)}
	}
	var q params
	if u.uploadID != "" {
		q = params{{"partNumber", strconv.Itoa(int(u.part))}, {"uploadId", u.uploadID}}
	} else {
		// Parts go without: a multipart object whose parts have SHA-256 sums
		// must be declared so beforehand.
		if u.named {
			h["X-Amz-Checksum-Sha256"] = []string{base64.StdEncoding.EncodeToString(u.sums.sha256)}
		}
		maps.Copy(h, u.header)
	}
	res, err := c.send(ctx, http.MethodPut, u.key, q, h, u.body, u.size, u.sums.hexSHA256())
	if err != nil {
		return store.Object{}, err
	}
	_, err = io.Copy(io.Discard, io.LimitReader(res.Body, maxErrorBody))
	_ = res.Body.Close()
	if err != nil {
		return store.Object{}, noAnswer(ctx, &failure{err: err})
	}
	if o, err = objectOf(u.key, res.Header, u.size); err == nil {
		err = vouched(o, u.sums)
	}
	return o, err
}

func (c *lean) list(ctx context.Context, q listing) (*page, error) {
	res, err := c.send(ctx, http.MethodGet, "", q.params(), make(http.Header, 4), nil, 0, emptyHash)
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(io.LimitReader(res.Body, maxPage+1))
	_ = res.Body.Close() // what was read is judged by itself
	switch {
	case err != nil:
		return nil, noAnswer(ctx, &failure{err: err})
	case len(b) > maxPage:
		return nil, malformed("a page of more than %d bytes", maxPage)
	}
	return parsePage(b)
}
