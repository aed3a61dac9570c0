package job

import (
	"cooper"
	"cooper/internal/gc"
	"cooper/internal/gc/detect"
	"cooper/internal/ledger/gcfacts"
)

// GCDetected is what a detection comes to.
type GCDetected struct {
	ID    string         `json:"id"`
	Made  cooper.Instant `json:"made"`
	Clock cooper.Instant `json:"clock"` // the database's, by which ages are counted
	Scans []string       `json:"scans"` // that count, the newest first
	// Waits says why these are not enough to mark.
	Waits     string         `json:"waits,omitempty"`
	Snapshots []GCInventory  `json:"snapshots"`
	Unknown   []GCUnknown    `json:"unknown,omitempty"`
	Refusals  []GCRefusal    `json:"refusals,omitempty"`
	Figures   []GCFigure     `json:"figures"`
	Lists     []GCListed     `json:"lists"`
	Kept      []GCKeptReason `json:"kept,omitempty"`
}

// GCInventory is the snapshot of a bucket that a detection rests on.
type GCInventory struct {
	Bucket   string         `json:"bucket"`
	Snapshot string         `json:"snapshot"`
	Taken    cooper.Instant `json:"taken_at"`
}

// GCUnknown says that a list tells nothing of a bucket.
type GCUnknown struct {
	List   string `json:"list"`
	Bucket string `json:"bucket"`
	Why    string `json:"why"`
}

// GCRefusal is why nothing is marked, or not unasked.
type GCRefusal struct {
	What string `json:"what"`
	Why  string `json:"why"`
	// Confirmable: a person may have it marked all the same.
	Confirmable bool `json:"confirmable"`
}

// GCFigure is a number that a detection comes to; bytes are negative where it has none.
type GCFigure struct {
	Name  string `json:"name"`
	Count int64  `json:"count"`
	Bytes int64  `json:"bytes"`
}

// GCListed is how long a list is.
type GCListed struct {
	Name  string `json:"list"`
	Rows  int64  `json:"rows"`
	Bytes int64  `json:"bytes"`
}

// GCKeptReason is for how many handles without a link a reason holds.
type GCKeptReason struct {
	Reason string `json:"reason"`
	Count  int64  `json:"count"`
}

func detected(d *gcfacts.Detection) *GCDetected {
	r := &GCDetected{ID: d.ID, Made: d.Made, Clock: d.Clock, Scans: d.Scans, Waits: d.Waits}
	for _, x := range d.Snapshots {
		r.Snapshots = append(r.Snapshots, GCInventory(x))
	}
	for _, x := range d.Unknown {
		r.Unknown = append(r.Unknown, GCUnknown{nameOfList(x.List), x.Bucket, x.Why})
	}
	for i := range d.Refusals {
		x := &d.Refusals[i]
		r.Refusals = append(r.Refusals, GCRefusal{x.What, x.Why, detect.Confirmable(x)})
	}
	for _, x := range d.Figures {
		r.Figures = append(r.Figures, GCFigure(x))
	}
	for _, x := range d.Lists {
		if x.Name != gcfacts.Ripes {
			r.Lists = append(r.Lists, GCListed{nameOfList(x.Name), x.Rows, x.Bytes})
		}
	}
	// One table has the objects of several lists, and a row for each of their handles.
	for _, l := range gc.Lists {
		for _, x := range d.Figures {
			if l.Verdict != "" && x.Name == detect.FigureOf(l.Verdict) {
				r.Lists = append(r.Lists, GCListed{l.Name, x.Count, max(0, x.Bytes)})
			}
		}
	}
	return r
}
