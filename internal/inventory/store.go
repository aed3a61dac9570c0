package inventory

import "cooper"

// CheckStore refuses, as KindRefused, a snapshot of a bucket in another store than
// the one at hand, which has a bucket of that name, too. What neither tells
// contradicts nothing.
func CheckStore(meta *Meta, now *cooper.Store) error {
	if !meta.Store.Contradicts(now) {
		return nil
	}
	return cooper.AnotherStore("snapshot "+meta.ID, "was taken of the bucket", meta.Store, now,
		"Give the --endpoint-url and --profile that it was taken with, or take a new one; if it is the same bucket, which has moved, give --moved.")
}
