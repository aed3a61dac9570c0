package copyout

import (
	"context"
	"fmt"
	"io"
	"strings"

	"cooper"
	"cooper/internal/apply"
	"cooper/internal/checksum"
	"cooper/internal/permit"
	"cooper/internal/plan"
	"cooper/internal/store"
	"cooper/internal/tree/safefs"
)

// Bucket copies versions to a bucket, beneath a prefix. A PUT appears whole or
// not at all, and may be repeated; so the verb does everything, and there is
// nothing to recover.
type Bucket struct {
	from   Source
	look   store.Reader
	write  store.Writer
	prefix string
	permit permit.Permit
}

// ToBucket makes the target of a restore to a bucket. Keys are put beneath
// prefix, which gets a slash at its end if it has none.
func ToBucket(from Source, look store.Reader, write store.Writer, prefix string) *Bucket {
	if prefix != "" && !strings.HasSuffix(prefix, "/") {
		prefix += "/"
	}
	return &Bucket{from: from, look: look, write: write, prefix: prefix}
}

var (
	_ apply.Target = (*Bucket)(nil)
	_ apply.Verb   = (*Bucket)(nil)
)

// Do copies one version, unless its bytes are there already.
func (b *Bucket) Do(ctx context.Context, a *cooper.Action) cooper.Outcome {
	v, err := versionOf(a)
	if err != nil {
		return outcome(ctx, &v, checksum.Result{}, err)
	}
	c := upload{Bucket: b, v: &v, key: b.prefix + v.Key}
	res, err := c.run(ctx)
	o := outcome(ctx, &v, res, err)
	o.Requests, o.Bytes = c.requests, c.bytes
	return o
}

// upload is the work on one version.
type upload struct {
	*Bucket
	v               *version
	key             string
	requests, bytes int64
}

func (u *upload) run(ctx context.Context) (checksum.Result, error) {
	var none checksum.Result
	u.requests++
	there, err := u.look.Head(ctx, store.Ref{Key: u.key}, 0)
	missing := cooper.KindOf(err) == cooper.KindMissing
	if err != nil && !missing {
		return none, err
	}
	file, err := u.from.OpenRow(&u.v.row)
	if err != nil {
		return none, err
	}
	defer func() { _ = file.Close() }() // it was only read
	if !missing {
		res, same, err := u.same(ctx, &there, file)
		if same || err != nil {
			return res, err
		}
		if !u.v.replace {
			return none, conflict(cooper.Quote(u.key), "another object is there already")
		}
		if !u.permit.Valid() {
			return none, &cooper.Error{Kind: cooper.KindInternal, Where: cooper.Quote(u.key), Message: "was to be replaced without a permit"}
		}
	}
	info, err := file.Stat()
	if err != nil {
		return none, err
	}
	res, err := checksum.Recheck(ctx, io.NewSectionReader(file, 0, info.Size), u.v.row.Known())
	if err != nil {
		return res, err
	}
	res, ok := u.v.judge(res)
	if !ok {
		return res, nil
	}
	u.requests++
	_, err = u.write.Put(ctx, store.Put{Key: u.key, Size: info.Size, Body: io.NewSectionReader(file, 0, info.Size), IfNoneMatch: missing})
	if err == nil {
		u.bytes = info.Size
	}
	return res, err
}

func section(file safefs.File, v *version) *io.SectionReader {
	return io.NewSectionReader(file, 0, v.Size)
}

// same tells whether the object there has the version's bytes: by its ETag, or
// if the bytes in the tree are what the store vouches for there; and what these
// are worth then.
func (u *upload) same(ctx context.Context, there *store.Object, file safefs.File) (known checksum.Result, same bool, err error) {
	if there.Size != u.v.Size {
		return known, false, nil
	}
	if there.ETag == u.v.ETag && there.ETag != "" {
		// Whatever became of the bytes in the tree, these are not from there.
		if known.Method = alreadyThere; u.v.row.Check != cooper.Corrupt {
			known.Check = u.v.row.Check
		}
		return known, true, nil
	}
	check := u.v.recheck()
	h := checksum.New(checksum.Claim{ETag: there.ETag, Size: there.Size, Encryption: there.Encryption, Checksums: there.Checksums, ChecksumType: there.ChecksumType})
	if _, err := pump(ctx, io.MultiWriter(h, check), section(file, u.v)); err != nil {
		return known, false, err
	}
	res, err := h.Result(ctx, checksum.Evidence{Bytes: file, PartSize: func(ctx context.Context, part int) (int64, error) {
		u.requests++
		o, err := u.look.Head(ctx, store.Ref{Key: u.key, IfMatch: there.ETag}, part)
		if err != nil || o.Parts == 0 {
			return 0, err
		}
		return o.Length, nil
	}})
	if err != nil || res.Check != cooper.Verified {
		return known, false, err
	}
	if known, _ = u.v.judge(check.Result()); known.Check != cooper.Corrupt {
		known.Method = alreadyThere
	}
	return known, true, nil
}

// Recover finds nothing: no PUT is ever half done.
func (b *Bucket) Recover(context.Context, permit.Permit, bool) ([]apply.Recovered, error) {
	return nil, nil
}

// Check wants a plan for a bucket.
func (b *Bucket) Check(h plan.Header) error {
	if h.Target.Kind == "bucket" {
		return nil
	}
	return wrongTarget(h, "a bucket")
}

func wrongTarget(h plan.Header, wanted string) error {
	return &cooper.Error{
		Kind: cooper.KindRefused, Where: "plan " + h.ID,
		Message: fmt.Sprintf("was made for the %s %s, not for %s", h.Target.Kind, cooper.Quote(h.Target.Path), wanted),
		Remedy:  "Make a new plan for this destination.",
	}
}

// Begin keeps the permit that replacing objects needs.
func (b *Bucket) Begin(_ context.Context, p permit.Permit, _ plan.Header) error {
	b.permit = p
	return nil
}

// Done knows of nothing: looking at the destination is what makes starting
// again cheap.
func (b *Bucket) Done(int) bool { return false }

// Commit has nothing left to do.
func (b *Bucket) Commit(_ context.Context, _ permit.Permit, _ apply.Shard, _ []cooper.Action, outs []cooper.Outcome) ([]cooper.Outcome, error) {
	return outs, nil
}

// Settled has nothing to let go.
func (b *Bucket) Settled(context.Context, string, int) error { return nil }

// End has nothing to note.
func (b *Bucket) End(context.Context, permit.Permit, apply.Summary) error { return nil }
