package workspace

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"cooper"
	"cooper/internal/seal"
)

const (
	storesName   = "stores.json"
	storesFormat = 1
	// lacksFor is how long it is believed that a store lacks something.
	lacksFor = 24 * time.Hour
	// mostLacks bounds what is kept.
	mostLacks = 10_000
)

// lack is something that a store was found not to have.
type lack struct {
	Endpoint string         `json:"endpoint"` // empty: Amazon S3
	Bucket   string         `json:"bucket"`
	Lack     string         `json:"lack"`
	Since    cooper.Instant `json:"since"`
}

type storesFile struct {
	Format int    `json:"format"`
	Lacks  []lack `json:"lacks"`
}

// Lacks are what a store was found to lack within the last day, for the workspace at
// dir. A file that is absent or damaged tells of nothing: it is found out again.
func Lacks(dir, endpoint, bucket string, now time.Time) []string {
	var names []string
	for _, l := range readStores(dir, now) {
		if l.Endpoint == endpoint && l.Bucket == bucket {
			names = append(names, l.Lack)
		}
	}
	return names
}

// readStores gives what still counts.
func readStores(dir string, now time.Time) []lack {
	b, err := os.ReadFile(filepath.Join(dir, storesName))
	if err != nil {
		return nil
	}
	var f storesFile
	if seal.Decode(b, storesFormat, storesFormat, &f) != nil {
		return nil
	}
	return slices.DeleteFunc(f.Lacks, func(l lack) bool {
		age := now.Sub(l.Since.Time())
		return age < 0 || age >= lacksFor
	})
}

// NoteLack keeps for a day that a store lacks something, where there is a workspace at
// dir. Of two processes that note something at once, one may be forgotten.
func NoteLack(dir, endpoint, bucket, name string, now time.Time) error {
	if _, err := os.Stat(filepath.Join(dir, versionName)); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	f := storesFile{Format: storesFormat, Lacks: slices.DeleteFunc(readStores(dir, now), func(l lack) bool {
		return l.Endpoint == endpoint && l.Bucket == bucket && l.Lack == name
	})}
	f.Lacks = append(f.Lacks, lack{endpoint, bucket, name, cooper.InstantOf(now)})
	f.Lacks = f.Lacks[max(0, len(f.Lacks)-mostLacks):]
	b, err := json.MarshalIndent(f, "", " ")
	if err == nil {
		b, err = seal.Document(b)
	}
	if err != nil {
		return err
	}
	tmp, err := os.CreateTemp(dir, storesName+".tmp-*")
	if err != nil {
		return local(dir, err)
	}
	_, err = tmp.Write(b)
	err = errors.Join(err, tmp.Chmod(0o644), tmp.Close())
	if err == nil {
		err = os.Rename(tmp.Name(), filepath.Join(dir, storesName))
	}
	if err != nil {
		return errors.Join(local(tmp.Name(), err), os.Remove(tmp.Name()))
	}
	return nil
}
