package detect

import (
	"cmp"

	"cooper"
	"cooper/internal/config"
	"cooper/internal/gcstate"
	"cooper/internal/ledger/gcfacts"
)

// statusOf is what a handle is: what its owner says where he says something else than AVAILABLE, else
// what we know, or what we know by now, if that is newer. It is empty where nobody knows.
func (d *detection) statusOf(c *config.Handles, said string, ours gcstate.Status, since cooper.Instant) gcstate.Status {
	if since > d.looked.clock { // what we know is newer than the scan in which its owner says that
		return cmp.Or(ours, gcstate.Available)
	}
	return statusOf(c, said, ours)
}

// statusOf is what a handle is by both words, as old as they are.
func statusOf(c *config.Handles, said string, ours gcstate.Status) gcstate.Status {
	if c != nil && c.Status != nil {
		if s := gcstate.Status(c.Status.State(said)); s != gcstate.Available {
			return gcstate.Said(s, ours)
		}
	}
	if ours == "" {
		return gcstate.Available
	}
	return ours
}

// judge lists a handle without a link.
func (d *detection) judge(h *handle) error {
	status := cmp.Or(h.status, gcstate.Available)
	if h.flags&isOther != 0 {
		status = statusOf(d.kind(h.branch.name), h.said, h.status)
	}
	if status == gcstate.Unlinked && h.status == gcstate.Available && d.writes(h.branch.name) {
		// It was linked after it was UNLINKED, and the column does not say so: it was not written, or an old database was
		// put back. Since when there is no link is not known: it begins anew.
		status = gcstate.Available
	}
	switch status {
	case gcstate.Available:
	case "":
		d.figures.strange++
		return nil
	default:
		if d.Config.Archive == nil {
			return nil
		}
		return d.ripen(h, status)
	}
	d.figures.unlinked++
	if why := d.keeps(h); why != "" {
		return d.to.Kept(gcfacts.Kept{Kind: h.branch.name, ID: h.id, Reason: why})
	}
	c := gcfacts.Candidate{Kind: h.branch.name, ID: h.id, Bucket: h.bucket, Key: h.key, Size: h.size, Modified: h.changed}
	if h.stored >= 0 {
		c.Size = h.stored
	}
	if c.Alone = c.Size; h.flags&(isCommon|isShared) != 0 {
		c.Alone = 0
	}
	// All handles are summed by what their rows say: candidates are held against that.
	bytes := max(h.size, h.stored)
	d.figures.candidates.add(bytes)
	if h.flags&wasKnown == 0 {
		d.figures.fresh.add(bytes)
	}
	return d.to.Candidate(c)
}

// kind is the declaration of a kind of handles.
func (d *detection) kind(name string) *config.Handles {
	for _, h := range d.Config.Handles {
		if h.Kind == name {
			return h
		}
	}
	return nil
}

// writes tells whether the owner's column of a kind is written by Cooper.
func (d *detection) writes(kind string) bool {
	c := d.kind(kind)
	return c != nil && c.Status != nil && c.Status.Write
}

// protects is the first reason for which a handle is left alone, whatever its age; empty if there is none.
func (d *detection) protects(h *handle) string {
	switch {
	case h.flags&isCandidate == 0 || h.bucket == "" || h.key == "":
		return NotAnObject
	case !d.Config.Judged(h.bucket):
		return OtherBucket
	case h.flags&isHeld != 0:
		return Held
	case h.protected:
		return ProtectedPrefix
	case h.flags&lives != 0:
		return DerivedLives
	case h.flags&isDerived != 0 && h.flags&isReleased == 0:
		return DerivedGoes
	}
	return ""
}

// keeps is the first reason for which a handle is no candidate; empty if there is none.
func (d *detection) keeps(h *handle) string {
	incomplete := d.Incomplete != nil && d.Incomplete(h.branch.name, h.created)
	switch why := d.protects(h); {
	case why != "":
		return why
	case h.changed == 0:
		return TimeUnknown
	case h.changed >= d.looked.ago(d.Config.Detect.Unmodified):
		return Young
	case h.flags&isKept != 0:
		return KeptByHand
	case incomplete:
		return RegistryLacks
	case h.flags&(wasAbsent|wasLinked) != 0:
		return NotInAllScans
	}
	return ""
}

// guarded tells whether a key lies below one of some prefixes.
func guarded(guards []*config.Guard, bucket, key string) bool {
	for _, g := range guards {
		if g.Prefix != "" && (g.Bucket == "" || g.Bucket == bucket) && cooper.HasPrefix(key, g.Prefix) {
			return true
		}
	}
	return false
}
