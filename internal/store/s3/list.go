package s3

import (
	"cmp"
	"context"
	"slices"
	"strings"

	sdk "github.com/aws/aws-sdk-go-v2/service/s3"

	"cooper"
	"cooper/internal/store"
)

// maxBarren is how many pages in a row may bring nothing: a store that skips
// many deleted keys answers so, but not for ever.
const maxBarren = 10000

// List calls fn for each page that brings anything. Rows that a store repeats
// where two pages meet come once; a listing that goes backwards, or on without
// end, is KindInvalid.
func (b *Bucket) List(ctx context.Context, q store.ListQuery, fn func(vs []cooper.Version, prefixes []string) error) error {
	where := b.where(q.Prefix, "")
	w := walk{query: q, unordered: strings.HasSuffix(b.name, "--x-s3")}
	next := listing{prefix: q.Prefix, delimiter: q.Delimiter, current: q.Current, after: q.After}
	for {
		var p *page
		err := b.do(ctx, where, func(ctx context.Context) (err error) {
			p, err = b.client.list(ctx, next)
			return err
		})
		if err == nil {
			err = w.accept(p, next)
		}
		if err != nil {
			return final(err, where)
		}
		if len(p.versions)+len(p.prefixes) > 0 {
			if err := fn(p.versions, p.prefixes); err != nil {
				return err
			}
		}
		if !p.truncated {
			return nil
		}
		next.after, next.versionMarker, next.token = p.nextKey, p.nextVersion, p.token
	}
}

// walk is what must be remembered of a listing to see that it gets on.
type walk struct {
	query     store.ListQuery
	unordered bool // directory buckets list in no order
	// tail is the last key's rows on the page before.
	tail       []cooper.Version
	lastPrefix string
	barren     int
	// markers are the version markers seen under one key, which have no order.
	markers map[string]bool
}

// accept checks a page that answers asked, and takes out of it what came before.
func (w *walk) accept(p *page, asked listing) error {
	if err := w.trim(p); err != nil {
		return err
	}
	if len(p.versions)+len(p.prefixes) > 0 {
		w.barren = 0
	} else if w.barren++; w.barren > maxBarren {
		return malformed("a listing of %d empty pages", w.barren)
	}
	if !p.truncated {
		return nil
	}
	if w.query.Current {
		if p.token == "" || p.token == asked.token {
			return malformed("a listing that does not say how to go on")
		}
		return nil
	}
	switch {
	case p.nextKey == "":
		return malformed("a listing that does not say how to go on")
	case p.nextKey < asked.after:
		return malformed("a listing that goes backwards, from %s to %s", cooper.Quote(asked.after), cooper.Quote(p.nextKey))
	case p.nextKey > asked.after:
		clear(w.markers)
	}
	if w.markers == nil {
		w.markers = map[string]bool{}
	}
	// The first page was asked for without a version marker; that one key may
	// come back with one.
	if w.markers[p.nextVersion] || p.nextKey == asked.after && p.nextVersion == "" {
		return malformed("a listing that goes round in circles at %s", cooper.Quote(p.nextKey))
	}
	w.markers[p.nextVersion] = true
	return nil
}

// trim drops what was asked not to come, and repeats of the page before, and
// sorts what some stores give as two lists, versions and delete markers. It
// keeps the slices' memory.
func (w *walk) trim(p *page) error {
	lastKey := ""
	if len(w.tail) > 0 {
		lastKey = w.tail[0].Key
	}
	rows := p.versions[:0]
	for i := range p.versions {
		v := &p.versions[i]
		switch {
		case !strings.HasPrefix(v.Key, w.query.Prefix):
			return malformed("key %s in a listing of %s", cooper.Quote(v.Key), cooper.Quote(w.query.Prefix))
		case v.Key <= w.query.After && w.query.After != "":
		case v.Key == lastKey && slices.ContainsFunc(w.tail, func(t cooper.Version) bool { return same(t, *v) }):
		case v.Key < lastKey && !w.unordered:
			return malformed("a listing that goes backwards, from %s to %s", cooper.Quote(lastKey), cooper.Quote(v.Key))
		default:
			rows = append(rows, *v)
		}
	}
	if !slices.IsSortedFunc(rows, byKey) {
		sortPage(rows)
	}
	p.versions = rows
	if len(rows) > 0 {
		n := len(rows) - 1
		for n > 0 && rows[n-1].Key == rows[n].Key {
			n--
		}
		w.tail = slices.Clone(rows[n:])
	}
	prefixes := p.prefixes[:0]
	for _, x := range p.prefixes {
		if !strings.HasPrefix(x, w.query.Prefix) {
			return malformed("prefix %s in a listing of %s", cooper.Quote(x), cooper.Quote(w.query.Prefix))
		}
		if x != w.lastPrefix {
			prefixes = append(prefixes, x)
			w.lastPrefix = x
		}
	}
	p.prefixes = prefixes
	return nil
}

func same(a, b cooper.Version) bool {
	return a.Identity == b.Identity && a.DeleteMarker == b.DeleteMarker
}

// byKey is the order of a listing as far as every store keeps it: by key, the
// latest version first.
func byKey(a, b cooper.Version) int {
	switch c := strings.Compare(a.Key, b.Key); {
	case c != 0 || a.Latest == b.Latest:
		return c
	case a.Latest:
		return -1
	}
	return 1
}

// sortPage brings rows into the order of a listing: by key, the newest first.
func sortPage(vs []cooper.Version) {
	slices.SortStableFunc(vs, func(a, b cooper.Version) int {
		return cmp.Or(byKey(a, b), cmp.Compare(b.LastModified, a.LastModified))
	})
}

// Versioning is "Enabled", "Suspended" or "" for never.
func (b *Bucket) Versioning(ctx context.Context) (status string, err error) {
	err = b.do(ctx, b.where("", ""), func(ctx context.Context) error {
		out, err := b.sdk.GetBucketVersioning(ctx, &sdk.GetBucketVersioningInput{Bucket: &b.name})
		if err != nil {
			return sdkFailure(ctx, err, b.now())
		}
		status = string(out.Status)
		return nil
	})
	return status, err
}
