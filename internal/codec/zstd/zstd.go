// Package zstd writes and reads Zstandard frames (RFC 8878) as streams.
//
// It promises frames that bear a checksum and, where it can be known, the size
// of their content; the same bytes for the same content and level, however they
// were cut into reads; a few megabytes a stream, whatever its length; and from
// hostile input an error, never a panic, an endless wait or more memory than
// the window that was allowed.
//
// Frames are written by libzstd and read by an independent implementation in
// Go (docs/decisions/zstd.md): reading back what was written is a proof in
// which one bug does not vouch for itself, and foreign bytes never reach C.
//
// What a frame is for, encryption and hashes are left to others.
package zstd

import "fmt"

// The levels that there are. Beyond 19, frames need windows that other readers
// refuse: of more than 8 MiB in HTTP (RFC 9659).
const (
	MinLevel     = 1
	MaxLevel     = 19
	DefaultLevel = 3
)

// DefaultWindow is the largest window, in bytes, that a Reader accepts unless
// told otherwise: what RFC 8878 asks every decoder to support, and what every
// frame of an Encoder keeps to.
const DefaultWindow = 8 << 20

// CheckLevel tells whether there is such a level.
func CheckLevel(level int) error {
	if level < MinLevel || level > MaxLevel {
		return fmt.Errorf("zstd has the levels %d to %d, not %d", MinLevel, MaxLevel, level)
	}
	return nil
}
