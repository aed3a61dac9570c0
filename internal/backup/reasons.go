package backup

// The reasons a plan gives besides the catalog's own (older, replaced,
// deleted, vanished), as they stand in Header.Reasons.
const (
	New        = "new"        // a key the mirror does not show yet
	Changed    = "changed"    // the new version of a key that the mirror shows
	Again      = "again"      // a version from history is the latest again
	Marker     = "marker"     // a delete marker
	Shown      = "shown"      // a version has become the latest, or ceased to be
	Kept       = "kept"       // stays in the mirror, since the latest version cannot be read
	Absent     = "absent"     // not listed for the first time
	GoneReason = "gone"       // not listed for the second time; the bytes are in history already
	Listed     = "listed"     // listed again after an absence
	Identified = "identified" // its version id became known
	Doubtful   = "doubtful"   // it was taken over under the id of another version
)

// The reasons for which versions or keys are left alone, in Header.Skipped.
const (
	SkippedArchived  = "archived"  // versions in a class that cannot be read
	SkippedAmbiguous = "ambiguous" // keys of which the snapshot contradicts itself
	SkippedRejected  = "rejected"  // keys with rows that made no sense
	SkippedFiltered  = "filtered"  // versions of keys outside prefix or match
	SkippedMissing   = "missing"   // versions whose bytes the tree does not have
	SkippedDamaged   = "damaged"   // versions whose bytes in the tree are known to be wrong
	SkippedPruned    = "pruned"    // versions whose bytes the tree does not have any more, as a prune deleted them
	SkippedNewer     = "newer"     // versions that a rollback leaves in the mirror, as the ones to come in their place are missing, pruned or damaged; those count, too
)
