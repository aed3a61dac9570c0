package s3

import (
	"cmp"
	"context"
	"errors"
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
	for more := true; more; {
		var p *page
		err := b.do(ctx, where, func(ctx context.Context) (err error) {
			p, err = b.client.list(ctx, next)
			return err
		})
		if err == nil {
			more = p.truncated
			next, err = w.accept(p, next)
		}
		if err != nil {
			return b.unlisted(final(err, where), q.Current)
		}
		if len(p.versions)+len(p.prefixes) > 0 {
			if err := fn(p.versions, p.prefixes); err != nil {
				return err
			}
		}
	}
	return nil
}

// unlisted names the way that is left where a store has no listing of versions.
func (b *Bucket) unlisted(err error, current bool) error {
	var f *failure
	if current || !errors.As(err, &f) || !f.unknown() {
		return err
	}
	return &cooper.Error{Kind: cooper.KindOf(err), Where: b.where("", ""), Message: "this store does not list versions", Err: f,
		Remedy: "List current objects alone, with --current."}
}

// walk is what must be remembered of a listing to see that it gets on.
type walk struct {
	query     store.ListQuery
	unordered bool // directory buckets list in no order
	// tail is the last key's rows on the page before, and those set apart.
	tail       []cooper.Version
	lastKey    string
	lastPrefix string
	barren     int
	// markers are the version markers seen under one key, which have no order.
	markers map[string]bool
	raw     bool // see onward
}

// accept checks a page that answers asked, takes out of it what came before, and
// says what to ask for next.
func (w *walk) accept(p *page, asked listing) (next listing, err error) {
	apart := p.setApart()
	if !slices.IsSortedFunc(p.versions, byKey) {
		sortPage(p.versions)
	}
	if !w.unordered {
		slices.Sort(p.prefixes)
	}
	key, version := p.last() // also if it came before
	repeated, err := w.trim(p, apart)
	if err != nil {
		return asked, err
	}
	if len(p.versions)+len(p.prefixes) > 0 {
		w.barren = 0
	} else if w.barren++; w.barren > maxBarren {
		return asked, malformed("a listing of %d empty pages", w.barren)
	}
	switch {
	case !p.truncated:
		return asked, nil
	case repeated && len(p.versions)+len(p.prefixes) == 0:
		return asked, malformed("a listing that brings again what came before, up to %s", cooper.Quote(clip(key, 200)))
	case w.query.Current:
		return w.token(p, asked, key)
	}
	return w.marker(p, asked, key, version, len(apart) > 0)
}

// token says how to go on by a token, or without one behind the last key.
func (w *walk) token(p *page, asked listing, last string) (listing, error) {
	switch {
	case p.token == "" && (last <= asked.after || w.unordered):
		return asked, malformed("a listing that does not say how to go on")
	case p.token == "":
		asked.after, asked.token = last, ""
	case p.token == asked.token:
		return asked, malformed("a listing that goes round in circles at %s", cooper.Quote(clip(last, 200)))
	default:
		asked.token = p.token
	}
	return asked, nil
}

// marker says how to go on by the last key and its version.
func (w *walk) marker(p *page, asked listing, last, version string, apart bool) (listing, error) {
	if last == "" && (p.marker == "" || apart) {
		return asked, malformed("a listing that does not say how to go on")
	}
	key, own, err := onward(p.marker, p.encoded, asked.after, last, &w.raw)
	switch {
	case err != nil:
		return asked, err
	case !own:
		version = p.nextVersion
	case apart && store.Garbled(p.marker):
		version = "" // the page went beyond all versions of that key
	}
	switch {
	case key < asked.after:
		return asked, backwards(asked.after, key)
	case key > asked.after:
		clear(w.markers)
	}
	if w.markers == nil {
		w.markers = map[string]bool{}
	}
	// The first page was asked for without a version marker; that one key may
	// come back with one.
	if w.markers[version] || key == asked.after && version == "" {
		return asked, malformed("a listing that goes round in circles at %s", cooper.Quote(clip(key, 200)))
	}
	w.markers[version] = true
	asked.after, asked.versionMarker = key, version
	return asked, nil
}

// trim drops what was asked not to come, and repeats of the page before. It keeps
// the slices' memory. What was set apart goes to whom it was asked for, or back
// among the others.
func (w *walk) trim(p *page, apart []cooper.Version) (repeated bool, err error) {
	came := func(v cooper.Version) bool {
		seen := slices.ContainsFunc(w.tail, func(t cooper.Version) bool { return same(t, v) })
		repeated = repeated || seen
		return seen
	}
	rows := p.versions[:0]
	for i := range p.versions {
		v := &p.versions[i]
		switch {
		case !strings.HasPrefix(v.Key, w.query.Prefix):
			return false, malformed("key %s in a listing of %s", cooper.Quote(v.Key), cooper.Quote(w.query.Prefix))
		case v.Key <= w.query.After && w.query.After != "":
		case v.Key == w.lastKey && came(*v):
		case v.Key < w.lastKey && !w.unordered:
			return false, backwards(w.lastKey, v.Key)
		default:
			rows = append(rows, *v)
		}
	}
	p.versions = rows
	apart = slices.DeleteFunc(apart, func(v cooper.Version) bool { return !strings.HasPrefix(v.Key, w.query.Prefix) || came(v) })
	if n := len(rows) - 1; n >= 0 {
		w.lastKey = rows[n].Key
		for n > 0 && rows[n-1].Key == w.lastKey {
			n--
		}
		w.tail = slices.Clone(rows[n:])
	}
	w.tail = append(w.tail, apart...)
	if err := w.trimPrefixes(p, &repeated); err != nil {
		return false, err
	}
	switch {
	case len(apart) == 0:
	case w.query.Garbled != nil:
		err = w.query.Garbled(apart)
	default:
		p.versions = append(p.versions, apart...)
		sortPage(p.versions)
	}
	return repeated, err
}

func (w *walk) trimPrefixes(p *page, repeated *bool) error {
	prefixes := p.prefixes[:0]
	for _, x := range p.prefixes {
		switch {
		case !strings.HasPrefix(x, w.query.Prefix):
			return malformed("prefix %s in a listing of %s", cooper.Quote(x), cooper.Quote(w.query.Prefix))
		case x == w.lastPrefix:
			*repeated = true
		case x < w.lastPrefix && !w.unordered:
			return backwards(w.lastPrefix, x)
		default:
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

// Versioning is "Enabled", "Suspended" or "" for never. A store that does not know
// the question has no versions. The root element has the name of the old API at some
// (moto: GetBucketVersioningResponse).
func (b *Bucket) Versioning(ctx context.Context) (status string, err error) {
	err = b.do(ctx, b.where("", ""), func(ctx context.Context) error {
		out, err := b.sdk.GetBucketVersioning(ctx, &sdk.GetBucketVersioningInput{Bucket: &b.name}, expecting("VersioningConfiguration", "GetBucketVersioningResponse"))
		if err != nil {
			return b.pageFailure(ctx, err)
		}
		status = string(out.Status)
		return nil
	})
	var f *failure
	if errors.As(err, &f) && f.unknown() {
		return "", nil
	}
	return status, err
}
