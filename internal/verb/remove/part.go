package remove

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"unicode/utf8"

	"cooper"
	"cooper/internal/bucketop"
	"cooper/internal/look"
	"cooper/internal/permit"
	"cooper/internal/store"
)

// partSize is how many versions at least are looked at and removed together:
// as many as fit in one request.
const partSize = store.MaxRemovals

// item is one version on its way.
type item struct {
	*cooper.Action
	args bucketop.Args
	out  *cooper.Outcome
	// present: the look has found it. unlike: it may be another of the same bytes.
	// settled: out is final.
	present, unlike, settled bool
}

// part is some keys of a shard, with all their versions in it.
type part struct {
	*Target
	keys  []*keyed
	index map[string]*keyed
	size  int // how many versions
}

// keyed is a key and what the plan has of it.
type keyed struct {
	key   string
	items []*item
	byID  map[string]*item
	// What the look has found beside them.
	latest  string // the id of the latest version; empty if there is none
	unknown int    // older than it, or delete markers, and not in the plan
	other   bool   // any that is not in the plan, or not as it is there
}

// divide cuts a shard between keys.
func (t *Target) divide(actions []cooper.Action, outs []cooper.Outcome) ([]*part, error) {
	var parts []*part
	var p *part
	before := "" // the last key
	for i := range actions {
		a := &actions[i]
		where := cooper.Quote(a.Version.Key)
		args, err := bucketop.Decode(a.Args)
		if err != nil {
			return nil, err
		}
		if a.Verb != bucketop.Remove || !cooper.HasPrefix(a.Version.Key, t.opt.Prefix) {
			return nil, &cooper.Error{Kind: cooper.KindInvalid, Where: where, Message: "the plan would " + a.Verb + " it, which does not belong into a purge of " + t.opt.Path}
		}
		if a.Version.VersionID == "" { // an inventory of current versions of a bucket that has no others
			a.Version.VersionID = cooper.NullVersion
		}
		null := a.Version.VersionID == cooper.NullVersion
		if null == (args.Guard == bucketop.ByID) {
			return nil, &cooper.Error{Kind: cooper.KindInvalid, Where: where, Message: fmt.Sprintf("version %s with the guard %q", cooper.Quote(a.Version.VersionID), args.Guard)}
		}
		newKey := p == nil || p.keys[len(p.keys)-1].key != a.Version.Key
		if p == nil || newKey && p.size >= partSize {
			p = &part{Target: t, index: map[string]*keyed{}}
			parts = append(parts, p)
		}
		if newKey {
			if a.Version.Key <= before { // a look goes through them in order
				return nil, &cooper.Error{Kind: cooper.KindInvalid, Where: where, Message: "the plan's keys are not in order"}
			}
			before = a.Version.Key
			k := &keyed{key: a.Version.Key, byID: map[string]*item{}}
			p.keys = append(p.keys, k)
			p.index[k.key] = k
		}
		k := p.keys[len(p.keys)-1]
		it := &item{Action: a, args: args, out: &outs[i]}
		if args.Guard == bucketop.ByETag && a.Version.ETag == "" {
			return nil, &cooper.Error{Kind: cooper.KindInvalid, Where: where, Message: "nothing to be compared: the plan has no ETag"}
		}
		if k.byID[a.Version.VersionID] != nil {
			return nil, &cooper.Error{Kind: cooper.KindInvalid, Where: where, Message: "the plan has version " + cooper.Quote(a.Version.VersionID) + " twice"}
		}
		k.items = append(k.items, it)
		k.byID[a.Version.VersionID] = it
		p.size++
	}
	return parts, nil
}

// run looks and removes. An error is one that ends the run.
func (p *part) run(ctx context.Context, pm permit.Permit) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	// Before the look: nothing is to come between that and the removals.
	if err := p.probeAlone(ctx, pm); err != nil {
		return err
	}
	if err := p.look(ctx); err != nil {
		return err
	}
	var first, last []*item
	for _, k := range p.keys {
		k.judge()
		if p.opt.Whole && k.other {
			k.leave()
		}
		for _, it := range k.items {
			switch {
			case it.settled:
			case it.args.Last:
				last = append(last, it)
			default:
				first = append(first, it)
			}
		}
	}
	if err := p.remove(ctx, pm, first); err != nil {
		return err
	}
	n := 0
	for _, it := range last {
		if why := p.index[it.Version.Key].obstacle(it); why != "" {
			it.fail(cooper.KindConflict, why)
			continue
		}
		last[n] = it
		n++
	}
	if err := p.remove(ctx, pm, last[:n]); err != nil {
		return err
	}
	if err := p.misnamed(ctx); err != nil {
		return err
	}
	return p.check()
}

// misnamed looks once more at keys with U+FFFD in them. A store that lists keys as
// they are puts that in the place of characters that XML has not, and answers
// success to the removal of what it never had: what is listed still has not gone,
// and has another name than the one that is known.
func (p *part) misnamed(ctx context.Context) error {
	var keys []string
	var asked []*keyed
	for _, k := range p.keys {
		if strings.ContainsRune(k.key, utf8.RuneError) {
			keys, asked = append(keys, k.key), append(asked, k)
		}
	}
	if len(keys) == 0 {
		return nil
	}
	requests, err := look.Keys(ctx, p.eyes, p.opt.Prefix, keys, func(i int, v *cooper.Version) {
		it := asked[i].byID[v.VersionID]
		if it != nil && it.settled && it.out.Status == cooper.Done && (look.Own(v.VersionID) || look.Is(&it.Version, v) == look.Itself) {
			it.out.Method = ""
			it.fail(cooper.KindInvalid, "the store says that it has removed it, and lists it still: it seems to list another name than the key has")
			it.out.Remedy = "Its true name has a character that the store's listings cannot tell: remove it by a program that knows the name."
		}
	})
	asked[0].items[0].out.Requests += requests
	return err
}

// probeAlone is the probe for keys that are removed by a request of their own,
// where there are any.
func (p *part) probeAlone(ctx context.Context, pm permit.Permit) error {
	for _, k := range p.keys {
		for _, it := range k.items {
			if it.args.Guard == bucketop.ByETag && store.Alone(k.key) {
				return p.probes.SeeAlone(ctx, pm)
			}
		}
	}
	return nil
}

// look finds out how the versions of the part are now.
func (p *part) look(ctx context.Context) error {
	keys := make([]string, len(p.keys))
	for i, k := range p.keys {
		keys[i] = k.key
	}
	seen := make([]bool, len(p.keys))
	requests, err := look.Keys(ctx, p.eyes, p.opt.Prefix, keys, func(i int, v *cooper.Version) {
		seen[i] = true
		p.keys[i].found(v)
	})
	p.keys[0].items[0].out.Requests += requests
	for i, k := range p.keys {
		if err != nil {
			break
		}
		if !seen[i] && p.opt.Store.Endpoint != "" && encoded(k.key) {
			err = p.lookAgain(ctx, k)
		}
	}
	return err
}

// lookAgain asks about one key alone. There is a store (LocalStack) that compares a
// marker with encoded keys, so that a listing behind it passes over keys of which
// an encoding changes something, and what is there would count as gone.
func (p *part) lookAgain(ctx context.Context, k *keyed) error {
	requests, err := look.Keys(ctx, look.Singly(p.eyes), k.key, []string{k.key}, func(_ int, v *cooper.Version) { k.found(v) })
	k.items[0].out.Requests += requests
	return err
}

// encoded tells whether a listing that is URL-encoded has a key in other characters.
func encoded(key string) bool { return strings.ReplaceAll(url.QueryEscape(key), "%2F", "/") != key }

// found takes in a version that is there now.
func (k *keyed) found(v *cooper.Version) {
	id := v.VersionID
	if v.Latest {
		k.latest = id
	}
	it := k.byID[id]
	switch {
	case it == nil:
		k.other = true
		if !v.Latest {
			k.unknown++
		}
	case look.Own(id): // whatever the listing says of it now
		it.present = true
	default:
		like := look.Is(&it.Version, v)
		it.present, it.unlike = like == look.Itself, like == look.Redated
		if it.present {
			return
		}
		k.other = true
		if it.fail(cooper.KindChanged, "was overwritten since the snapshot"); it.unlike {
			it.fail(cooper.KindChanged, fmt.Sprintf("is dated %s, and was %s in the snapshot: an upload of the same bytes, or dated anew by the store; it stays", v.LastModified, it.Version.LastModified))
		}
		if !v.Latest {
			k.unknown++
		}
	}
}

// check makes sure that nothing counts as done of which nobody knows.
func (p *part) check() error {
	for _, k := range p.keys {
		for _, it := range k.items {
			if it.out.Method == wasAbsent {
				p.absent.Add(1)
			}
			if !it.settled {
				return &cooper.Error{Kind: cooper.KindInternal, Where: cooper.Quote(k.key), Message: "nothing is known of its removal"}
			}
		}
	}
	return nil
}

// wasAbsent is the method of a removal of what the look did not find.
const wasAbsent = "was not there any more"

// judge settles what the look has decided already.
func (k *keyed) judge() {
	for _, it := range k.items {
		switch {
		case it.settled:
		case it.present && k.latest == "":
			it.fail(cooper.KindConflict, "the store does not say which version of the key is the current one")
		// One with an id of its own is removed all the same: should the listing
		// be behind, nothing else can be hit.
		case !it.present && it.args.Guard != bucketop.ByID && store.Garbled(k.key):
			// The look asks for the key that the snapshot has, and the object
			// is under another.
			it.fail(cooper.KindInvalid, "the store's listing cannot tell this key's name")
		case !it.present && it.args.Guard != bucketop.ByID:
			it.done(wasAbsent)
		case !it.args.Last && k.latest == it.Version.VersionID:
			it.fail(cooper.KindChanged, "has become the current version since the snapshot")
		}
	}
}

// leave leaves all of a key that has become another object.
func (k *keyed) leave() {
	for _, it := range k.items {
		if !it.settled {
			it.fail(cooper.KindChanged, "has other versions than the plan knows: somebody has written there since")
		}
	}
}

// obstacle tells why the latest version must stay; nothing if it may go.
func (k *keyed) obstacle(it *item) string {
	if k.latest != it.Version.VersionID {
		return "" // something newer is current, and stays so
	}
	for _, other := range k.items {
		if other != it && (!other.settled || other.out.Status != cooper.Done) {
			return "an older version is still there, which would become the current one"
		}
	}
	if k.unknown > 0 {
		return fmt.Sprintf("the snapshot does not know %d other versions, of which one would become the current one", k.unknown)
	}
	return ""
}

func (it *item) done(method string) {
	it.settled, it.out.Status, it.out.Method = true, cooper.Done, method
}

func (it *item) fail(kind cooper.Kind, message string) {
	it.settled, it.out.Status, it.out.Kind, it.out.Message = true, cooper.Failed, kind, message
}
