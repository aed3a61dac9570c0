package gcfacts

import "cooper"

// Transition is a change of the status of a handle.
type Transition struct {
	ID          string // unique for ever
	Scope, Kind string
	Handle      string // its id
	From        string
	FromSince   cooper.Instant // 0 of a handle that had never changed
	To          string
	Since       cooper.Instant // when it changed
	Reason, Run string
}

// Batch is a number of transitions that a state tells at once. A state numbers its batches from 1 on,
// and one that is told again is the same.
type Batch struct {
	State       string // which state it is
	Number      int
	Transitions []Transition
}
