package job

import (
	"context"

	"cooper/internal/gc"
	"cooper/internal/gc/detect"
	"cooper/internal/ledger/gcfacts"
	"cooper/internal/query"
)

// GCUnindexed tells where the objects are that no handle names.
type GCUnindexed struct {
	// Config is the path of the configuration.
	Config string
	// Most is how many folders are told, the largest first.
	Most int
}

// GCUnindexedFound is what there is.
type GCUnindexedFound struct {
	Detection string      `json:"detection"`
	Folders   []GCFolder  `json:"folders"`
	More      int         `json:"more,omitempty"` // folders that are not told
	Unknown   []GCUnknown `json:"unknown,omitempty"`
}

// GCFolder is a folder at the top of a bucket; the empty one has what is in none.
type GCFolder struct {
	Bucket  string `json:"bucket"`
	Folder  string `json:"folder"`
	Objects int64  `json:"objects"`
	Bytes   int64  `json:"bytes"`
	// Apart: no handle lives there; it may be somebody else's.
	Apart bool `json:"apart,omitempty"`
}

// Run tells.
func (u *GCUnindexed) Run(ctx context.Context, e *Env) (r GCUnindexedFound, err error) {
	err = e.begin(func(w *work) (err error) {
		release, err := w.gcFacts().Hold(ctx)
		if err != nil {
			return err
		}
		defer finally(&err, release)
		s, _, err := w.lastScan(ctx, u.Config)
		if err != nil {
			return err
		}
		d, err := w.lastDetection(ctx, s.Server)
		if err != nil {
			return err
		}
		r.Detection = d.ID
		for _, x := range d.Unknown {
			if x.List == gcfacts.Unindexeds {
				r.Unknown = append(r.Unknown, GCUnknown{nameOfList(x.List), x.Bucket, x.Why})
			}
		}
		return w.large(ctx, w.Memory/2, query.Sources{Workspace: w.ws.Dir()}, func(db query.Engine) error {
			return query.Each(ctx, db, gc.UnindexedFolders, []any{d.ID, detect.NoHandleHere}, func(row []any) error {
				var f GCFolder
				if err := filled(row, &f.Bucket, &f.Folder, &f.Objects, &f.Bytes, &f.Apart); err != nil {
					return err
				}
				if len(r.Folders) == u.Most {
					r.More++
					return nil
				}
				r.Folders = append(r.Folders, f)
				return nil
			})
		})
	})
	return r, err
}
