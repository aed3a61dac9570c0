//go:build !unix

package config

import "os"

// trusted: who can write a file cannot be told here.
func trusted(path string, _ *os.File) error {
	return &doubt{path, "does not say who can write it", "Leave commands out."}
}
