// Package adopttest writes backups as s3invsync does, for tests: its names, times
// and JSON files, without a server. That s3invsync's own are like that is left to
// the tests that run it.
package adopttest

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// Version is one version in a backup.
type Version struct {
	Key string
	// ID is "null" for a null version; nil where the inventory did not give ids.
	ID      *string
	ETag    string
	Content string
	Time    time.Time
	Latest  bool
}

// ID is a version id for a Version.
func ID(s string) *string { return &s }

// Write writes a backup of versions to dir, as after a run that ended well. What
// it makes of keys that s3invsync refuses is nothing to go by.
func Write(dir string, versions []Version) error {
	type entry struct {
		VersionID *string `json:"version_id"`
		ETag      string  `json:"etag"`
	}
	known := map[string]map[string]entry{} // by directory and name
	for _, v := range versions {
		path := filepath.Join(dir, filepath.FromSlash(v.Key))
		if v.Latest {
			parent := filepath.Dir(path)
			if known[parent] == nil {
				known[parent] = map[string]entry{}
			}
			known[parent][filepath.Base(path)] = entry{v.ID, v.ETag}
		} else {
			id := "null"
			if v.ID != nil {
				id = *v.ID
			}
			path += fmt.Sprintf(".old.%s.%s", id, v.ETag)
		}
		if err := write(path, []byte(v.Content), v.Time); err != nil {
			return err
		}
	}
	for parent, names := range known {
		b, err := json.MarshalIndent(names, "", "  ")
		if err != nil {
			return err
		}
		if err := write(filepath.Join(parent, ".s3invsync.versions.json"), append(b, '\n'), time.Time{}); err != nil {
			return err
		}
	}
	return write(filepath.Join(dir, ".s3invsync.state.json"),
		[]byte("{\n  \"last_backup_started\": \"2026-11-01T10:00:00Z\",\n  \"last_successful_backup_finished\": \"2026-11-01T11:00:00.5Z\"\n}\n"), time.Time{})
}

func write(path string, b []byte, at time.Time) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(path, b, 0o600); err != nil || at.IsZero() {
		return err
	}
	return os.Chtimes(path, at, at)
}
