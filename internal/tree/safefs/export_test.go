package safefs

// OpenWalking is Open as on a kernel without openat2.
func OpenWalking(dir string) (FS, error) { return open(dir, true) }
