package s3report

import (
	"context"
	"io"
	"strings"
)

// Location is where the files of reports are. Names are separated by slashes.
// Errors are *cooper.Error; what is not there is KindMissing.
type Location interface {
	// Open opens a file, and tells its size in bytes. A body that is cut short
	// ends with an error.
	Open(ctx context.Context, name string) (io.ReadCloser, int64, error)
	// Stat tells a file's size in bytes.
	Stat(ctx context.Context, name string) (int64, error)
	// List calls each for every file whose name begins with prefix, in no
	// promised order; it stops at each's first error and returns it.
	List(ctx context.Context, prefix string, each func(name string, size int64) error) error
	// Folders gives the names, each with a slash at its end, of the folders
	// right under prefix, which is empty or ends with a slash. It may leave off
	// when there are more than a hundred.
	Folders(ctx context.Context, prefix string) ([]string, error)
	// String is how a person names the location: a path, or s3://BUCKET.
	String() string
}

// full names a file of a location to a person.
func full(loc Location, name string) string {
	if name == "" {
		return loc.String()
	}
	return strings.TrimSuffix(loc.String(), "/") + "/" + name
}
