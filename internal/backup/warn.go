package backup

import (
	"fmt"

	"cooper/internal/inventory"
	"cooper/internal/plan"
)

// into fills in what was counted and what a person should be told about it.
func (e *emitter) into(h *plan.Header) {
	h.Reasons, h.Skipped, h.Unchanged, h.Share = e.reasons, e.skipped, e.same, e.share
	warn := func(n int64, format string, args ...any) {
		if n > 0 {
			h.Warnings = append(h.Warnings, fmt.Sprintf("%d ", n)+fmt.Sprintf(format, args...))
		}
	}
	archived := e.skipped[SkippedArchived]
	if restores := e.requests[classRestore]; restores > 0 {
		warn(archived.Count, "versions (%d bytes) lie in an archive class: readable copies are asked for, a later run fetches them", archived.Bytes)
	} else {
		warn(archived.Count, "versions (%d bytes) lie in an archive class and cannot be read: deferred; --archived restore asks for readable copies", archived.Bytes)
	}
	warn(e.kept, "keys go on showing an older version in the mirror: their latest lies in an archive class")
	warn(e.skipped[SkippedAmbiguous].Count, "keys are left alone: the snapshot contradicts itself about their latest version")
	warn(e.skipped[SkippedRejected].Count, "keys are left alone: the report holds rows of theirs that make no sense")
	warn(e.skipped[SkippedMissing].Count, "versions are left out: the tree does not have their bytes")
	warn(e.missed, "keys of the mirror are not listed any more, without a delete marker; if the next complete snapshot does not list them either, they go to history")
	warn(e.unverifiable, "versions are encrypted so that their ETags are no checksums: they will count as unverifiable")
	if e.share.Exceeded() {
		warn(e.share.Removed, "of %d versions would leave the mirror without a replacement, more than the limit of %.3g %%: applying asks for the plan's digest",
			e.share.Scope, 100*e.share.Limit)
	}
}

func snapshotWarnings(meta *inventory.Meta, older bool) []string {
	var ws []string
	if !meta.Complete {
		ws = append(ws, "the snapshot is incomplete: what it does not list is not taken for deleted")
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
