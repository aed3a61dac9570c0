package apply

import (
	"fmt"
	"slices"
	"sync"

	"cooper"
)

// alikeAfter is how many actions of one verb must have failed alike, with none
// that did not, until the run ends and says that it is the store: more than an odd
// folder has in common by chance, far less than a bucket.
const alikeAfter = 256

// alike finds out that everything fails in one way.
type alike struct {
	mu    sync.Mutex
	verbs map[string]*failing
	// over: some of the plan was done by an earlier run.
	over bool
}

// failing is how all actions of a verb have failed so far.
type failing struct {
	kind  cooper.Kind
	like  string
	count int64
	over  bool // one did not
}

// ofStore tells of failures that, where every object has them, say nothing of the
// objects: the store contradicts itself or sends what makes no sense. That rights
// are missing, or objects, can be so of the first folder alone, and null versions
// may all have been written anew.
func ofStore(o *cooper.Outcome) bool {
	switch o.Kind {
	case cooper.KindInvalid, cooper.KindCorrupt:
		return true
	case cooper.KindChanged:
		return o.VersionID != "" && o.VersionID != cooper.NullVersion
	}
	return false
}

// ofStoreBecause is what it says of them.
func ofStoreBecause(k cooper.Kind) string {
	if k == cooper.KindChanged {
		return "Unless all of them were written anew since the snapshot, that is the store, and not the objects."
	}
	return "That is the store, the way to it, or what this run was given, and not the objects."
}

// see counts an outcome, and tells whether it is the one by which a run of
// failures has become too long.
func (a *alike) see(o *cooper.Outcome) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.over {
		return false
	}
	f, known := a.verbs[o.Verb]
	switch {
	case known && f.over:
		return false
	case o.Status != cooper.Failed || !ofStore(o):
		f = &failing{over: true}
	case !known:
		f = &failing{kind: o.Kind, like: likeness(o), count: 1}
	case f.kind != o.Kind || f.like != likeness(o):
		f.over = true
	default:
		f.count++
	}
	if a.verbs == nil {
		a.verbs = map[string]*failing{}
	}
	a.verbs[o.Verb] = f
	return !f.over && f.count == alikeAfter
}

// end says that not everything can fail any more: an earlier run did some of it.
func (a *alike) end() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.over = true
}

// sawStore ends the run where everything fails alike. Kinds that a person chose
// to pass over do not count: that is the way on where only the first objects are
// so.
func (r *run) sawStore(o *cooper.Outcome) error {
	if slices.Contains(r.job.Ignore, o.Kind) || !r.alike.see(o) {
		return nil
	}
	return &cooper.Error{
		Kind: cooper.KindStore, Where: "plan " + r.header.ID,
		Message: fmt.Sprintf("stopped: the first %d objects all failed alike. %s The last: %s", alikeAfter, ofStoreBecause(o.Kind), o.Message),
		Remedy:  fmt.Sprintf("Look at one of them, and take it up with those who run the store. If only the first objects are so, pass them over: --ignore %s", o.Kind),
	}
}
