//go:build !linux

package safefs

import (
	"runtime"

	"cooper"
)

// Open refuses: what makes it safe are system calls of Linux.
func Open(dir string) (FS, error) {
	return nil, &cooper.Error{Kind: cooper.KindUsage, Where: dir,
		Message: "backup trees are kept on Linux only, not on " + runtime.GOOS,
		Remedy:  "run this on Linux"}
}
