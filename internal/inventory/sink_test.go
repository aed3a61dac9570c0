package inventory_test

import (
	"cooper"
	"cooper/internal/inventory"
)

// discard is a Sink that wants nothing.
type discard struct{}

func (discard) Version(*cooper.Version) error   { return nil }
func (discard) Reject(inventory.Rejected) error { return nil }
