//go:build !linux

package versity

import "syscall"

// dieWithParent does nothing where no kernel would do it: a test binary that is
// killed leaves its server behind.
func dieWithParent() *syscall.SysProcAttr { return nil }

// lock does nothing: two test binaries may build the same thing, and whoever
// is last wins.
func lock(string) (unlock func(), err error) { return func() {}, nil }
