package gc

import (
	"cooper"
	"cooper/internal/gcop"
)

// Why handles are given back that are ARCHIVING, by the last detection.
const (
	BackLinked    = "closed, and linked"
	BackAvailable = "closed, and its owner has it as AVAILABLE"
	BackNeeded    = "closed, and another handle needs its object"
	BackSmall     = "closed, and smaller than archive.smallest"
	BackUnripe    = "closed, and may not go any more: held, kept, asked for, made from something that lives, or written again"
)

// giveBack plans to give the handles of an object back, of which all versions have to be in their place.
func (a *archiver) giveBack(c *candidate, rows []cooper.Version) error {
	if len(rows) > mostVersionsOfAKey {
		a.skip(SkippedMost, 0)
		return nil
	}
	if !a.givesBack {
		if err := a.sink.Phase(gcop.GiveBack); err != nil {
			return err
		}
		a.givesBack = true
	}
	for i := len(rows) - 1; i >= 0; i-- {
		first := i == len(rows)-1
		x := gcop.GivenBack{Bucket: c.Bucket, Reason: c.Why}
		if first {
			x.Versions, x.Handles = len(rows), c.holders
		}
		action, err := x.Action(rows[i])
		if err != nil {
			return err
		}
		if err := a.sink.Add(action, first); err != nil {
			return err
		}
		a.reasons[c.Why] = a.reasons[c.Why].Add(rows[i].Size)
	}
	return nil
}
