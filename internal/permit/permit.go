// Package permit holds the token without which nothing is removed, moved away
// or overwritten.
//
// Only package apply issues permits (a test of import rules sees to it), and
// only while it holds the target's lock and has checked the plan. Functions
// that retire, replace or remove take a Permit, so that no other path can
// reach them.
package permit

// Permit allows changing one target on behalf of one run. The zero Permit
// allows nothing.
type Permit struct{ run string }

// Issue makes a permit for a run, by its id.
func Issue(run string) Permit { return Permit{run: run} }

// Run is the id of the run that holds the permit.
func (p Permit) Run() string { return p.run }

// Valid tells whether p was issued.
func (p Permit) Valid() bool { return p.run != "" }
