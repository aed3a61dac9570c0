// Package treeop is the language in which the backup mission tells the verbs
// of a tree what to do: the names of the verbs, their arguments, and what the
// catalog says of a version once an action came to its end.
//
// It promises that an action carries all that is needed to carry it out and to
// write the row that follows from it, without looking anything up; and that
// Apply is a pure function, so that planning, doing, recovering and tests
// agree on it. Moving bytes is left to the verbs, choosing to the mission.
package treeop

import (
	"slices"

	"cooper"
	"cooper/internal/tree/catalog"
)

// The verbs of a tree.
const (
	// Fetch brings the bytes of a version to Args.To.
	Fetch = "fetch"
	// Unarchive brings the bytes of an archived version to Args.To if its
	// restored copy can be read (then it is done), or else asks for such a copy
	// (then it is deferred).
	Unarchive = "unarchive"
	// Defer lists an archived version whose bytes cannot be had; always deferred.
	Defer = "defer"
	// Retire moves a version from the mirror to history.
	Retire = "retire"
	// Promote moves a version from history to the mirror.
	Promote = "promote"
	// Record moves nothing: the catalog alone changes.
	Record = "record"
	// Verify compares the bytes of a version with what its ETag or hash says; what
	// comes of it goes to the catalog.
	Verify = "verify"
	// Prune deletes the bytes of a version from history. It is the one verb that
	// deletes from a tree.
	Prune = "prune"
	// CopyOut copies the bytes of a version out of the tree, to a directory or
	// a bucket; the tree and its catalog stay as they are.
	CopyOut = "copyout"
)

// Apply gives the catalog's row of a version after action a ended with out,
// where old was its row before (see Before). It is defined for every status:
// what the snapshot said of a version holds even if its bytes did not arrive,
// so that a version without bytes has the place Nowhere, and a later plan
// fetches it.
//
// If the identities of old and the result differ (the version id has become
// known), the catalog must drop old. A version that is pruned and gone from the
// bucket has a row that is Dropped.
func Apply(old catalog.Row, a cooper.Action, out cooper.Outcome) (catalog.Row, error) {
	args, err := Decode(a.Args)
	if err != nil {
		return catalog.Row{}, err
	}
	row := old
	row.Shown = slices.Clone(old.Shown)
	row.Identity = a.Version.Identity
	row.DeleteMarker = a.Version.DeleteMarker
	if row.FirstSeen == 0 {
		row.FirstSeen = args.At
	}
	switch open := len(row.Shown)%2 == 1; {
	case args.Show == On && !open:
		row.Shown = append(row.Shown, int64(args.At))
	case args.Show == Off && open:
		row.Shown = append(row.Shown, int64(until(&old, &args)))
	}
	if row.Pruned() && args.Show == On {
		// It is to be had again, and to be kept as any other.
		row.Reason, row.Method = "", ""
	}
	switch args.Absent {
	case Noted:
		row.AbsentSince = args.At
	case Gone:
		row.Gone = args.At
		// Nothing is left of it, neither here nor there.
		row.Dropped = row.Pruned()
	case Cleared:
		row.AbsentSince, row.Gone = 0, 0
	}
	if out.Status != cooper.Done {
		return row, nil
	}
	switch a.Verb {
	case Fetch, Unarchive:
		row.Check, row.Method, row.Hash = out.Check, out.Method, slices.Clone(out.Hash)
	case Verify:
		row.Check, row.Method, row.Hash = out.Check, out.Method, slices.Clone(out.Hash)
		if old.Adopted() && out.Check != cooper.Verified {
			row.Method = catalog.Adopted + ": " + out.Method
		}
		return row, nil
	case Retire, Promote:
	case Prune:
		row.Place, row.Reason = catalog.Nowhere, catalog.Pruned
		row.Check, row.Method, row.Hash = "", catalog.MethodPruned(out.At), nil
		row.Dropped = row.Gone != 0
		return row, nil
	default:
		return row, nil
	}
	row.Place, row.Reason, row.Superseded = args.To, "", 0
	if args.To == catalog.History {
		row.Reason, row.Superseded = args.Reason, args.Superseded
	}
	return row, nil
}

// until is the instant of the first snapshot that showed something else than
// old: for what is gone, the one that was first not to list it.
func until(old *catalog.Row, args *Args) cooper.Instant {
	if (args.Absent == Gone || args.Absent == Cleared && args.Reason == catalog.Vanished) && int64(old.AbsentSince) > old.Shown[len(old.Shown)-1] {
		return old.AbsentSince
	}
	return args.At
}

// Before gives the catalog's row of the version before the action, as the plan
// saw it; for a version the catalog did not know, a row with the place Nowhere.
func Before(a cooper.Action) (catalog.Row, error) {
	args, err := Decode(a.Args)
	if err != nil {
		return catalog.Row{}, err
	}
	return args.before(a.Version), nil
}

func (a Args) before(v cooper.Version) catalog.Row {
	row := catalog.Row{Identity: v.Identity, DeleteMarker: v.DeleteMarker}
	if w := a.Was; w != nil {
		if w.VersionID != nil {
			row.VersionID = *w.VersionID
		}
		if w.ETag != nil {
			row.ETag = *w.ETag
		}
		row.Place = w.Place
		row.Reason, row.Superseded = w.Reason, w.Superseded
		row.Shown = slices.Clone(w.Shown)
		row.FirstSeen, row.AbsentSince, row.Gone = w.FirstSeen, w.AbsentSince, w.Gone
		row.Check, row.Method, row.Hash = w.Check, w.Method, slices.Clone(w.Hash)
	}
	return row
}

// Settle looks at the outcomes of a shard before they are committed: a retire
// that needs its replacement is deferred, with the kind of the replacement's
// outcome, unless the action that brings the same key's replacement to the
// mirror is done. So a failed download never costs the mirror a name. It
// changes outs in place; outs[i] belongs to actions[i].
func Settle(actions []cooper.Action, outs []cooper.Outcome) error {
	if len(actions) != len(outs) {
		return &cooper.Error{Kind: cooper.KindInternal, Message: "actions and outcomes differ in number"}
	}
	for i := range actions {
		a := &actions[i]
		if a.Verb != Retire || a.Args[argNeeds] == "" || outs[i].Status != cooper.Done {
			continue
		}
		kind, arrived := replacement(actions, outs, i)
		if arrived {
			continue
		}
		outs[i].Status, outs[i].Kind = cooper.Deferred, kind
		outs[i].Message = "kept in the mirror until its replacement arrives"
	}
	return nil
}

// replacement looks among the actions of the key of action i, which stand
// together, for the one that brings another version to the mirror.
func replacement(actions []cooper.Action, outs []cooper.Outcome, i int) (kind cooper.Kind, arrived bool) {
	key := actions[i].Version.Key
	first := i
	for first > 0 && actions[first-1].Version.Key == key {
		first--
	}
	kind = cooper.KindInternal // the plan promised one
	for j := first; j < len(actions) && actions[j].Version.Key == key; j++ {
		a := &actions[j]
		if a.Verb == Retire || a.Args[argTo] != placeNames[catalog.Mirror] {
			continue
		}
		if outs[j].Status == cooper.Done {
			return "", true
		}
		kind = outs[j].Kind
	}
	return kind, false
}
