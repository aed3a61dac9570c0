package inventory

import (
	"context"
	"errors"
)

// Snapshot is a snapshot on disk, open for reading. It holds no resources.
type Snapshot struct {
	dir  string
	meta Meta
}

// Open reads a snapshot's description.
func Open(dir string) (*Snapshot, error) {
	return nil, errors.New("inventory: not built yet")
}

// Meta describes the snapshot.
func (s *Snapshot) Meta() Meta { return s.meta }

// Dir is where the snapshot lies.
func (s *Snapshot) Dir() string { return s.dir }

// IterOptions narrow what Versions gives.
type IterOptions struct {
	// Prefix selects keys as cooper.HasPrefix does.
	Prefix string
}

// Versions walks the versions in the order of cooper.Version.Compare.
func (s *Snapshot) Versions(ctx context.Context, opt IterOptions) Iterator {
	return nil
}

// RejectedKeys lists, bytewise sorted and each once, the keys of rejected
// rows that are UTF-8. Close it when done.
func (s *Snapshot) RejectedKeys(ctx context.Context) *KeyList {
	return &KeyList{}
}

// KeyList walks sorted keys.
type KeyList struct{}

// Next gives the next key, io.EOF after the last.
func (l *KeyList) Next() (string, error) { return "", errors.New("inventory: not built yet") }

// Close frees what the list holds.
func (l *KeyList) Close() error { return nil }

// Verify compares the data files with the digests in the snapshot's
// description. What differs is a KindCorrupt error, what is gone KindMissing.
func (s *Snapshot) Verify(ctx context.Context) error {
	return errors.New("inventory: not built yet")
}
