package backup

import (
	"fmt"

	"cooper"
	"cooper/internal/inventory"
	"cooper/internal/plan"
	"cooper/internal/tree/catalog"
)

// into fills in what was counted and what a person should be told about it.
func (e *emitter) into(h *plan.Header) {
	h.Reasons, h.Skipped, h.Unchanged, h.Share = e.reasons, e.skipped, e.same, e.share
	warn := func(n int64, format string, args ...any) {
		if n > 0 {
			h.Warnings = append(h.Warnings, fmt.Sprintf(format, append([]any{n}, args...)...))
		}
	}
	archived := e.skipped[SkippedArchived]
	if e.requests[classRestore] > 0 {
		warn(archived.Count, "versions in an archive class: %d (%d bytes); readable copies are asked for, a later run with --archived restore fetches them", archived.Bytes)
	} else {
		warn(archived.Count, "versions in an archive class, deferred: %d (%d bytes); --archived restore asks for readable copies", archived.Bytes)
	}
	warn(e.kept, "keys that go on showing an older version in the mirror, as their latest is archived: %d")
	warn(e.skipped[SkippedAmbiguous].Count, "keys left alone, as the snapshot contradicts itself about their latest version: %d")
	warn(e.skipped[SkippedRejected].Count, "keys left alone, as the report has rows of theirs that make no sense: %d")
	warn(e.skipped[SkippedMissing].Count, "versions left out, as the tree does not have their bytes: %d")
	warn(e.skipped[SkippedDamaged].Count, "versions left out, as their bytes in the tree are known to be corrupt: %d; `cooper backup verify DIR --content --repair` fetches them again")
	warn(e.damaged, "versions in the mirror whose bytes are known to be corrupt: %d; `cooper backup verify DIR --content --repair` fetches them again")
	warn(e.skipped[SkippedPruned].Count, "versions left out, as they were pruned: %d, the last of them on %s", e.pruned)
	warn(e.skipped[SkippedNewer].Count, "keys that would keep other contents in the mirror than they had then, as the tree does not have those any more: %d; --fetch gets what the bucket still has")
	warn(e.missed, "keys of the mirror that are not shown any more, without a delete marker: %d; if the next complete snapshot does not show them either, they go to history")
	warn(e.unverifiable, "versions encrypted so that their ETags are no checksums, which will count as unverifiable: %d")
	if e.share.Exceeded() {
		warn(e.share.Removed, "versions that would leave the mirror without a replacement: %d of %d, more than the limit of %.3g %%; applying asks for the decision's digest",
			e.share.Scope, 100*e.share.Limit)
	}
}

// forgotten warns where rows of what the bucket showed at a time are dropped.
func forgotten(state *catalog.State, at cooper.Instant) []string {
	if at > state.Forgotten {
		return nil
	}
	return []string{fmt.Sprintf("versions superseded up to %s were pruned, and are gone from the bucket: some that were shown at %s may not be known any more, and look as if they had never been",
		state.Forgotten, at)}
}

func snapshotWarnings(meta *inventory.Meta, older bool) []string {
	var ws []string
	if !meta.Complete {
		ws = append(ws, "the snapshot is incomplete: what it does not list is not taken for deleted")
	}
	if meta.Torn > 0 {
		ws = append(ws, fmt.Sprintf("rows whose keys cannot be read: %d; any key that the snapshot does not list could be one of them, so none is taken for deleted", meta.Torn))
	}
	if meta.Unnamed > 0 {
		ws = append(ws, fmt.Sprintf("keys that the store's listing cannot tell, as XML has no word for a character of theirs: %d; what is there under other names fails as invalid", meta.Unnamed))
	}
	if older {
		ws = append(ws, "the snapshot is older than one the tree has followed: what it does not list is not taken for deleted")
	}
	if meta.Scope.CurrentOnly {
		ws = append(ws, "the snapshot lists current versions only: older ones and delete markers are not seen")
	}
	return ws
}

func spaceWarnings(est plan.Estimate, free *Space) []string {
	if free == nil {
		return nil
	}
	var ws []string
	if est.Disk > free.Bytes {
		ws = append(ws, fmt.Sprintf("the target needs about %d bytes, but only %d are free", est.Disk, free.Bytes))
	}
	if est.Inodes > free.Inodes {
		ws = append(ws, fmt.Sprintf("the target needs about %d files and directories, but it has room for only %d", est.Inodes, free.Inodes))
	}
	return ws
}
