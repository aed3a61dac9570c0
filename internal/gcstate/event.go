package gcstate

import (
	"slices"

	"cooper"
)

// Event is what happens to a handle, and may change its status.
type Event string

// The events. What each leads to is in the table below, and nowhere else.
const (
	Unlink   Event = "unlink"       // complete scans have seen no link
	Relink   Event = "relink"       // a link was seen
	Fence    Event = "fence"        // it is to be archived: no new link may be made to it
	GiveBack Event = "give-back"    // what was to be archived cannot be now: it waits again
	Arrive   Event = "arrive"       // its object is proven in the archive, and gone from its place
	Recall   Event = "recall"       // a person, or a link, wants it back
	Return   Event = "return"       // its object can be read in its place again
	Beside   Event = "beside"       // its object is back for another handle of the same key
	Withhold Event = "withhold"     // it cannot be brought back now; it stays where it is
	Vanish   Event = "vanish"       // an inventory of the archive shows that its object is gone
	Reappear Event = "seen-again"   // a later one shows it all the same
	Spare    Event = "wanted-again" // a person wants it, before anything was moved
)

// Events are all of them.
var Events = []Event{Unlink, Relink, Fence, GiveBack, Arrive, Recall, Return, Beside, Withhold, Vanish, Reappear, Spare}

// table says what each status becomes by an event. What is not in it does not happen: bytes that are on
// their way arrive or are given back, a handle is never DELETED unless it was ARCHIVED, and none is
// AVAILABLE again whose object is not in its place. The status of a handle that an event finds as it leaves
// it is no change, and may be met twice: after a crash.
var table = map[Status]map[Event]Status{
	Available: {Unlink: Unlinked},
	Unlinked:  {Relink: Available, Spare: Available, Fence: Archiving},
	Archiving: {Relink: Available, Spare: Available, GiveBack: Unlinked, Arrive: Archived},
	Archived:  {Recall: Restoring, Beside: Unlinked, Vanish: Deleted},
	Restoring: {Return: Available, Beside: Unlinked, Withhold: Archived},
	Deleted:   {Reappear: Archived},
}

// After is what a status becomes by an event; ok is false if that cannot happen to it.
func After(s Status, e Event) (to Status, ok bool) {
	to, ok = table[s][e]
	return to, ok
}

// By is the change of a record by an event; KindConflict if that cannot happen to what it is.
func (r *Record) By(e Event, at cooper.Instant, reason, run string) (Change, error) {
	to, ok := After(r.Status, e)
	if !ok {
		return Change{}, &cooper.Error{Kind: cooper.KindConflict, Where: r.ID, Message: "it is " + string(r.Status) + ": " + string(e) + " is nothing that can happen to it",
			Remedy: "See what became of it: cooper gc history " + r.ID}
	}
	return Change{Handle: r.Handle, From: r.Status, Since: r.Since, To: to, At: at, Reason: reason, Run: run}, nil
}

// Said is what a handle is that its owner says something else of than AVAILABLE. A column that has no value for
// ARCHIVING, RESTORING or DELETED says ARCHIVED of them: our own record tells them apart.
func Said(owner, ours Status) Status {
	if owner == Archived && (ours == Archiving || ours == Restoring || ours == Deleted) {
		return ours
	}
	return owner
}

// Leads tells whether an event leads from a status to another.
func Leads(from, to Status) bool {
	return slices.ContainsFunc(Events, func(e Event) bool { s, ok := After(from, e); return ok && s == to })
}
