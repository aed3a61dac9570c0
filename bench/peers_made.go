package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path"
	"path/filepath"

	"cooper/internal/inventory"
)

const invsyncPrefix = ".s3invsync"

// cooperTree is a tree that Cooper has written, and the snapshot that it shows.
type cooperTree struct {
	dir      string
	snapshot string
}

// newest finds the snapshot that a workspace got last: their ids sort by time.
func newest(tree, workspace string) (*cooperTree, error) {
	found, err := filepath.Glob(filepath.Join(workspace, "snapshot", "s-*"))
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, errors.New("no snapshot in " + workspace)
	}
	return &cooperTree{tree, found[len(found)-1]}, nil
}

// entry is what s3invsync notes of a file.
type entry struct {
	VersionID string `json:"version_id"`
	ETag      string `json:"etag"`
}

// each calls f for every latest object, in the order of keys, so that the
// objects of a directory without others below it follow each other.
func (t *cooperTree) each(ctx context.Context, f func(key string, e entry) error) (err error) {
	snap, err := inventory.Open(t.snapshot)
	if err != nil {
		return err
	}
	it := snap.Versions(ctx, inventory.IterOptions{})
	defer finally(&err, it.Close)
	for {
		v, err := it.Next()
		if errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if v.Latest && !v.DeleteMarker {
			if err := f(v.Key, entry{v.VersionID, v.ETag}); err != nil {
				return err
			}
		}
	}
}

// link makes dir a mirror of hard links. Nobody here changes a file in place, and
// a file has its object's time already.
func (t *cooperTree) link(ctx context.Context, dir string) error {
	made := ""
	return t.each(ctx, func(key string, _ entry) error {
		to := filepath.Join(dir, key)
		if parent := filepath.Dir(to); parent != made {
			if err := os.MkdirAll(parent, 0o755); err != nil {
				return err
			}
			made = parent
		}
		return os.Link(filepath.Join(t.dir, "mirror", key), to)
	})
}

// invsyncByHand makes the tree that s3invsync's first run leaves.
func invsyncByHand(ctx context.Context, from *cooperTree, tree string) error {
	if err := from.link(ctx, tree); err != nil {
		return err
	}
	at, known := "", map[string]entry{}
	store := func() error {
		if len(known) == 0 {
			return nil
		}
		return writeJSON(filepath.Join(tree, at, invsyncPrefix+".versions.json"), known)
	}
	err := from.each(ctx, func(key string, e entry) error {
		if dir := path.Dir(key); dir != at {
			if err := store(); err != nil {
				return err
			}
			at = dir
			clear(known)
		}
		known[path.Base(key)] = e
		return nil
	})
	if err != nil {
		return err
	}
	if err := store(); err != nil {
		return err
	}
	const date = "2026-11-01T00:00:00Z"
	return writeJSON(filepath.Join(tree, invsyncPrefix+".state.json"), map[string]string{"last_backup_started": date, "last_successful_backup_finished": date})
}

func writeJSON(path string, v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(b, '\n'), 0o600)
}
