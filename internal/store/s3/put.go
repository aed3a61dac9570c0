package s3

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"net/http"
	"strings"

	"cooper"
	"cooper/internal/store"
	"cooper/internal/store/retry"
)

// Put stores an object; from 64 MiB on in parts. The store is told the SHA-256 of
// what it gets, and the MD5 until it has shown that it minds the other; it
// refuses anything else.
func (b *Bucket) Put(ctx context.Context, p store.Put) (store.Object, error) {
	where := b.where(p.Key, "")
	if err := checkPut(p, where); err != nil {
		return store.Object{}, err
	}
	if p.Body == nil {
		return store.Object{}, &cooper.Error{Kind: cooper.KindInvalid, Where: where, Message: "no body"}
	}
	src := newSource(p.Body)
	if err := src.check(p.Size, where); err != nil {
		return store.Object{}, err
	}
	if err := b.addOwner(ctx, &p); err != nil {
		return store.Object{}, err
	}
	var (
		o   store.Object
		err error
	)
	if p.Size < b.partSize {
		o, err = b.putWhole(ctx, p, src, where)
	} else {
		o, err = b.putParts(ctx, p, src, where)
	}
	return o, refusedBy(&p, err, where)
}

// refusedBy gives the error of a write the kind that its condition has.
func refusedBy(p *store.Put, err error, where string) error {
	var (
		ce *cooper.Error
		f  *failure
	)
	if p.IfNoneMatch && errors.As(err, &ce) && ce.Kind == cooper.KindChanged {
		return &cooper.Error{Kind: cooper.KindConflict, Where: where, Message: "something is there already", Err: ce.Err}
	}
	// S3 answers 404 to an If-Match where nothing is.
	if p.IfMatch != "" && errors.As(err, &f) && f.status == http.StatusNotFound && f.code != "NoSuchBucket" && f.code != "NoSuchUpload" {
		return &cooper.Error{Kind: cooper.KindChanged, Where: where, Message: "nothing is there any more", Err: f}
	}
	return err
}

func checkPut(p store.Put, where string) error {
	bad := func(m string) error {
		return &cooper.Error{Kind: cooper.KindInvalid, Where: where, Message: m}
	}
	switch {
	case p.Key == "":
		return bad("an empty key")
	case p.Size < 0:
		return bad("a negative size")
	}
	if m := checkDescription(&p); m != "" {
		return bad(m)
	}
	return nil
}

// token tells whether s can be (part of) the name of a header.
func token(s string) bool {
	for i := range len(s) {
		c := s[i]
		if !plain(c, true) && !strings.ContainsRune("!#$%&'*+^`|", rune(c)) {
			return false
		}
	}
	return s != ""
}

// putWhole sends one request. When an earlier attempt ended without a word, it
// may have succeeded, and a condition would then take our own object for
// another's: what is there is compared with what was sent.
func (b *Bucket) putWhole(ctx context.Context, p store.Put, src *source, where string) (o store.Object, err error) {
	u := upload{key: p.Key, size: p.Size, header: description(&p, b.now())}
	condition(u.header, &p)
	if err := src.copy(p.Size, where); err != nil {
		return o, err
	}
	// MD5 takes longer than all the rest of a small PUT, and says nothing that a SHA-256 does not which the
	// store compares.
	sum := func(withMD5 bool) (err error) {
		if u.sums.sha256 == nil || withMD5 && u.sums.md5 == nil {
			u.sums, err = src.sums(0, p.Size, withMD5, where)
		}
		return err
	}
	uncertain := false
	err = b.do(ctx, where, func(ctx context.Context) (err error) {
		err = b.lacks.trying(LacksSums, func(named bool) error {
			if err := sum(!named || !b.vouches.Load()); err != nil {
				return err
			}
			var end func()
			u.body, end = src.attempt(0, p.Size)
			defer end()
			u.named = named
			var err error
			if o, err = b.client.put(ctx, u); err == nil && named {
				err = b.minds(o, u.sums)
			}
			return err
		})
		if uncertain && statusOf(err) == http.StatusPreconditionFailed {
			there, herr := b.there(ctx, p.Key)
			if herr == nil && there.Checksums["SHA256"] == "" {
				if err := sum(true); err != nil {
					return err
				}
			}
			switch {
			case herr == nil && ours(there, u) && sameMetadata(there, &p):
				o, err = there, nil
			case passes(herr):
				err = herr
			}
		}
		uncertain = uncertain || unanswered(err)
		return err
	})
	return o, err
}

// there asks, within an attempt at something else, what is at key. It is a request
// like others, and waits for its turn.
func (b *Bucket) there(ctx context.Context, key string) (store.Object, error) {
	if err := b.limit.Turn(ctx); err != nil {
		return store.Object{}, err
	}
	return b.client.head(ctx, store.Ref{Key: key}, 0)
}

// minds learns from an answer whether the store compares with SHA-256. One that
// did and does not any more has not compared what was sent with anything: it is
// asked again, with an MD5.
func (b *Bucket) minds(o store.Object, sent sums) error {
	named := o.Checksums["SHA256"] != ""
	if b.vouches.Load() != named {
		b.vouches.Store(named)
	}
	if !named && sent.md5 == nil {
		return malformed("an answer without the SHA-256 that earlier ones had")
	}
	return nil
}

// ours tells whether an object is what u sent.
func ours(o store.Object, u upload) bool {
	if o.Size != u.size {
		return false
	}
	if sum := o.Checksums["SHA256"]; sum != "" {
		return sum == base64.StdEncoding.EncodeToString(u.sums.sha256)
	}
	return o.ETag == hex.EncodeToString(u.sums.md5)
}

// statusOf is the status that made an attempt fail, 0 if there was none.
func statusOf(err error) int {
	var f *failure
	if errors.As(err, &f) {
		return f.status
	}
	return 0
}

// passes tells whether another attempt may end otherwise.
func passes(err error) bool {
	v, _ := judge(err)
	return v != retry.Stop
}

// unanswered tells whether an attempt failed in a way that leaves open whether
// the store did what was asked.
func unanswered(err error) bool {
	var f *failure
	if !errors.As(err, &f) || f.credentials {
		return false
	}
	v, _ := judge(f)
	return f.err != nil || f.status >= 500 && v != retry.Slow
}
