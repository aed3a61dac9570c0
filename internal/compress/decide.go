package compress

import (
	"context"
	"errors"
	"io"
	"regexp"
	"slices"
	"strings"

	"cooper"
	"cooper/internal/bucketop"
	"cooper/internal/inventory"
	"cooper/internal/plan"
)

// pollEvery is after how many versions a cancelled context is noticed.
const pollEvery = 4096

// decider chooses, key by key. Of a key it holds the latest version and counts.
type decider struct {
	in     *Inputs
	meta   *inventory.Meta
	add    func(cooper.Action) error
	match  *regexp.Regexp // nil: everything
	suffix string         // of what is compressed
	known  *knower
	idle   []string // protected prefixes that have covered no key yet

	rejected     inventory.Keys
	nextRejected string
	moreRejected bool

	group
	tally
}

// group is what is known of the key at hand.
type group struct {
	first  cooper.Version // the latest, if there is one
	rows   int64          // of the key
	latest int            // rows that are said to be the latest
	behind plan.Tally     // rows but the first
	null   bool           // one of those behind is a null version
	twice  bool           // one of those behind has the first's id
}

func newDecider(in *Inputs, meta *inventory.Meta, add func(cooper.Action) error) (*decider, error) {
	d := &decider{in: in, meta: meta, add: add, suffix: in.Policy.Rewriting.Codec.Compress.Suffix(), idle: slices.Clone(in.Policy.Protect), tally: newTally(in)}
	if in.Policy.Match != "" {
		var err error
		if d.match, err = regexp.Compile(in.Policy.Match); err != nil {
			return nil, err
		}
	}
	var err error
	d.known, err = newKnower(in.Known)
	return d, err
}

// all walks the snapshot below the prefix.
func (d *decider) all(ctx context.Context) (err error) {
	d.rejected = d.in.Snapshot.RejectedKeys(ctx)
	versions := d.in.Snapshot.Versions(ctx, d.in.Policy.Prefix)
	defer func() { err = errors.Join(err, versions.Close(), d.rejected.Close()) }()
	if err := d.stepRejected(); err != nil {
		return err
	}
	for n := 1; ; n++ {
		if n%pollEvery == 0 && ctx.Err() != nil {
			return context.Cause(ctx)
		}
		v, err := versions.Next()
		if errors.Is(err, io.EOF) {
			return d.key()
		}
		if err != nil {
			return err
		}
		if err := d.take(v); err != nil {
			return err
		}
	}
}

// take adds a version to those of its key; the first of another key ends that.
func (d *decider) take(v *cooper.Version) error {
	if d.rows > 0 && d.first.Key != v.Key {
		if err := d.key(); err != nil {
			return err
		}
	}
	if d.rows++; d.rows == 1 {
		d.first = *v
	} else {
		d.behind = d.behind.Add(v.Size)
		d.null = d.null || orNull(v.VersionID) == cooper.NullVersion
		d.twice = d.twice || orNull(v.VersionID) == orNull(d.first.VersionID)
	}
	if v.Latest || d.meta.Scope.CurrentOnly {
		d.latest++
	}
	return nil
}

// key ends the key at hand.
func (d *decider) key() error {
	if d.rows == 0 {
		return nil
	}
	err := d.decide()
	d.group = group{}
	return err
}

// decide chooses what becomes of the latest version of the key at hand. The
// others stay as they are.
func (d *decider) decide() error {
	v := &d.first
	if err := d.reject(v.Key); err != nil {
		return err
	}
	if err := d.known.at(v.Key); err != nil {
		return err
	}
	d.idle = slices.DeleteFunc(d.idle, func(x string) bool { return bucketop.Protection{x}.Covers(v.Key) })
	all := plan.Tally{Count: d.rows, Bytes: cooper.AddBytes(v.Size, d.behind.Bytes)}
	switch {
	case d.latest > 1 || d.twice:
		d.skip(SkippedAmbiguous, all)
		return nil
	case d.latest == 0: // the key shows nothing
		d.skip(SkippedNoncurrent, all)
		return nil
	}
	if d.behind.Count > 0 {
		d.skip(SkippedNoncurrent, d.behind)
	}
	why := d.leaves(v)
	if why == "" && d.known.of(v) == ToldHeld {
		d.unchanged = d.unchanged.Add(v.Size)
		return nil
	}
	if why == "" && strings.HasSuffix(v.Key, d.suffix) {
		return d.measure(v)
	}
	if why == "" {
		why = d.keeps(v)
	}
	if why != "" {
		d.skip(why, plan.Tally{Count: 1, Bytes: v.Size})
		return nil
	}
	if d.known.of(v) == ToldReplaced && d.in.Policy.Rewriting.Originals == bucketop.KeepOriginals {
		d.unchanged = d.unchanged.Add(v.Size)
		return nil
	}
	guard, ok := d.guard(v)
	if !ok {
		d.skip(SkippedOverwritable, plan.Tally{Count: 1, Bytes: v.Size})
		return nil
	}
	args := bucketop.RewriteArgs{Guard: guard, Reason: ReasonPlain}
	if err := d.add(cooper.Action{Verb: bucketop.Rewrite, Version: *v, Args: args.Encode()}); err != nil {
		return err
	}
	d.count(v, guard)
	return nil
}

// measure has an object read that its name says is compressed.
func (d *decider) measure(v *cooper.Version) error {
	if d.in.Policy.Sampling != nil {
		d.skip(SkippedCompressed, plan.Tally{Count: 1, Bytes: v.Size})
		return nil
	}
	args := bucketop.MeasureArgs{Reason: ReasonCompressed}
	if err := d.add(cooper.Action{Verb: bucketop.Measure, Version: *v, Args: args.Encode()}); err != nil {
		return err
	}
	d.countMeasured(v)
	return nil
}

// leaves tells why an object is not even read; nothing if it may be.
func (d *decider) leaves(v *cooper.Version) string {
	p := &d.in.Policy
	name := v.Key[strings.LastIndexByte(v.Key, '/')+1:]
	switch {
	case v.DeleteMarker:
		return SkippedMarker
	case d.moreRejected && d.nextRejected == v.Key:
		return SkippedRejected
	case len(p.Protect) > 0 && (p.Protect.Covers(v.Key) || p.Protect.Covers(p.Rewriting.Replacement(v.Key))):
		return SkippedProtected
	case d.match != nil && !d.match.MatchString(v.Key):
		return SkippedFiltered
	case strings.HasPrefix(name, probeName):
		return SkippedProbe
	case v.Size == 0:
		return SkippedEmpty
	case v.Archived():
		return SkippedArchived
	case v.Encryption == "SSE-C":
		return SkippedSSEC
	}
	if !p.Encrypted() || d.in.Covered == nil {
		return ""
	}
	switch err := d.in.Covered(v.Key); {
	case err == nil:
		return ""
	case cooper.KindOf(err) == cooper.KindMissing:
		return SkippedNoKey
	}
	return SkippedUndeclared
}

// keeps tells why an object that could be read is not stored anew.
func (d *decider) keeps(v *cooper.Version) string {
	p := &d.in.Policy
	r := &p.Rewriting
	switch {
	case v.Size < p.MinSize:
		return SkippedSmall
	case len(r.Replacement(v.Key)) > maxKey:
		return SkippedLongKey
	case !p.Again && d.known.of(v) == ToldLeft:
		return SkippedRemembered
	case r.Mode == bucketop.Suffix && r.Originals == bucketop.RemoveOriginals && d.behind.Count > 0:
		return SkippedOlder
	case r.Mode == bucketop.InPlace && r.Versioning == "Suspended" && d.null:
		return SkippedOverwrites
	}
	return ""
}

// guard tells how a newer upload is kept from being hit; not ok if it cannot
// be.
//
// A version with an id is removed by that. While versioning is enabled nothing
// overwrites a null version. Otherwise the store must compare ETags: in place,
// in the write itself, which is the removal, whatever was said about removals.
func (d *decider) guard(v *cooper.Version) (g bucketop.Guard, ok bool) {
	r := &d.in.Policy.Rewriting
	null := orNull(v.VersionID) == cooper.NullVersion
	ok = v.ETag != "" // without one nothing is rewritten: the look could not tell what it sees
	switch {
	case r.Mode == bucketop.InPlace && r.Versioning != "Enabled":
		return bucketop.ByETag, ok
	case r.Originals == bucketop.KeepOriginals, !null:
		return bucketop.ByID, ok
	case r.Versioning == "Enabled", r.Unguarded:
		return bucketop.ByLook, ok
	}
	return bucketop.ByETag, ok
}

// reject goes on to a key among those of rejected rows.
func (d *decider) reject(key string) error {
	for d.moreRejected && d.nextRejected < key {
		if err := d.stepRejected(); err != nil {
			return err
		}
	}
	return nil
}

func (d *decider) stepRejected() (err error) {
	d.nextRejected, err = d.rejected.Next()
	d.moreRejected = err == nil
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}
