package s3report

import (
	"context"

	"cooper"
)

// TakenAt is when the report of a date was taken, as its manifest says. Nothing
// but the manifest needs to be there any more.
func TakenAt(ctx context.Context, loc Location, d Date) (cooper.Instant, error) {
	m, err := readManifest(ctx, loc, d.Folder+manifestName, 0)
	if err != nil {
		return 0, err
	}
	return m.taken, nil
}
