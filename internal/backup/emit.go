package backup

import (
	"strings"

	"cooper"
	"cooper/internal/plan"
	"cooper/internal/tree/catalog"
	"cooper/internal/treeop"
)

// Writer takes a plan's actions in order; *plan.Writer is one. When planning
// fails, giving it up is left to the caller.
type Writer interface {
	plan.Sink
	Transfers(verbs ...string)
	Circumstances(is func(name, value string) bool)
}

// emitter writes actions and counts everything that goes by.
type emitter struct {
	w Writer
	cutter
	estimator
	reasons map[string]plan.Tally
	skipped map[string]plan.Tally
	same    plan.Tally
	share   plan.Share
	missed  int64  // versions in the mirror of keys not listed for the first time
	kept    int64  // versions in the mirror whose successor cannot be read
	damaged int64  // versions in the mirror whose bytes are known to be wrong, and that stay there
	pruned  string // the last day on which one of those left out was pruned

	mirrored bool // the mirror shows a version of the key at hand
}

// newEmitter emits for a plan as of at, 0 where no time enters it.
func newEmitter(w Writer, shareLimit float64, at cooper.Instant) *emitter {
	w.Circumstances(treeop.Circumstance(at))
	return &emitter{
		w: w, estimator: newEstimator(), share: plan.Share{Limit: shareLimit},
		reasons: map[string]plan.Tally{}, skipped: map[string]plan.Tally{},
	}
}

// begin starts a key that is in scope.
func (e *emitter) begin(known []catalog.Row) {
	e.mirrored = false
	for j := range known {
		if known[j].Place == catalog.Mirror {
			e.mirrored = true
			e.inMirrorDamaged(&known[j])
			e.share.Scope++
			e.inMirror(known[j].Key)
		}
	}
}

// unchanged counts a key with one version, which is as it was.
func (e *emitter) unchanged(v *cooper.Version, r *catalog.Row) {
	e.unchanged1(v)
	if !v.DeleteMarker {
		e.inMirrorDamaged(r)
		e.share.Scope++
		e.inMirror(v.Key)
	}
}

func (e *emitter) inMirrorDamaged(r *catalog.Row) {
	if !sound(r) {
		e.damaged++
	}
}

func (e *emitter) unchanged1(v *cooper.Version) { e.same = e.same.Add(v.Size) }

func (e *emitter) skip1(why string, v *cooper.Version) { e.skipped[why] = e.skipped[why].Add(v.Size) }

// absent counts a version whose bytes are wanted, and not in the tree, or
// damaged there.
func (e *emitter) absent(r *catalog.Row) {
	v := versionOf(r)
	switch {
	case r.Place != catalog.Nowhere:
		e.skip1(SkippedDamaged, &v)
		return
	case !r.Pruned():
		e.skip1(SkippedMissing, &v)
		return
	}
	e.skip1(SkippedPruned, &v)
	e.pruned = max(e.pruned, r.PrunedOn())
}

// stays counts the version that the mirror goes on showing in place of one that
// is absent.
func (e *emitter) stays(rows []catalog.Row) {
	for i := range rows {
		if rows[i].Place == catalog.Mirror {
			v := versionOf(&rows[i])
			e.skip1(SkippedNewer, &v)
		}
	}
}

func (e *emitter) skip(why string, vs []cooper.Version) {
	for i := range vs {
		e.skip1(why, &vs[i])
	}
}

// skipKey counts a key once, with the bytes of all its versions.
func (e *emitter) skipKey(why string, vs []cooper.Version) {
	var bytes int64
	for i := range vs {
		bytes = cooper.AddBytes(bytes, vs[i].Size)
	}
	e.skipped[why] = e.skipped[why].Add(bytes)
}

// add writes an action on v, of which r is the row, nil if there is none.
func (e *emitter) add(verb string, v *cooper.Version, r *catalog.Row, args treeop.Args) error {
	if r != nil {
		args.Was = treeop.FactsOf(r, v)
	}
	if args.Reason != "" {
		e.reasons[args.Reason] = e.reasons[args.Reason].Add(v.Size)
	}
	if verb == treeop.Retire && !args.NeedsReplacement {
		e.share.Removed++
	}
	if verb == treeop.Retire && r != nil && !sound(r) {
		e.damaged--
	}
	e.count(verb, v, &args)
	return e.w.Add(cooper.Action{Verb: verb, Version: *v, Args: args.Encode()}, e.cut(v.Key))
}

// cutter decides where a shard may end: never within a key, and not between
// keys of which one, as a path, is a directory of the other, while both may
// have actions. Keys come in order; where they do not, it is cautious.
type cutter struct {
	above []string // keys with actions that may yet turn out to be directories
	last  string
	tied  int // actions since a cut was allowed
}

// cut tells whether a shard may end before the next action, which is of key.
func (c *cutter) cut(key string) bool {
	c.tied++
	if key == c.last && len(c.above) > 0 {
		return false
	}
	n := len(c.above)
	for n > 0 && behind(key, c.above[n-1]) {
		n--
	}
	free := n == 0 || c.tied > tiedActions
	c.above, c.last = append(c.above[:n], key), key
	if free {
		c.tied = 0
	}
	return free
}

// behind tells whether key sorts behind all keys that begin with dir and a
// slash.
func behind(key, dir string) bool {
	return !strings.HasPrefix(key, dir) || len(key) > len(dir) && key[len(dir)] > '/'
}
