//go:build !linux

package e2etest

import "testing"

// Memory gives a directory for the length of the test.
func Memory(t *testing.T) string {
	t.Helper()
	return t.TempDir()
}
