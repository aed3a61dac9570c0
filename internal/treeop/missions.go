package treeop

// The missions that mean something for what a tree shows from then on; to all others its
// target is indifferent.
const (
	// MissionBackup brings a tree to what a snapshot of its bucket shows.
	MissionBackup = "backup"
	// MissionRollback brings a tree back to what it showed at an earlier snapshot.
	MissionRollback = "rollback"
)

// Pins tells whether a mission pins the tree, so that no backup undoes it unasked.
func Pins(mission string) bool { return mission == MissionRollback }

// Follows tells whether a mission lets the tree follow its bucket.
func Follows(mission string) bool { return mission == MissionBackup }
