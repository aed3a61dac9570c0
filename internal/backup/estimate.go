package backup

import (
	"strconv"
	"strings"

	"cooper"
	"cooper/internal/plan"
	"cooper/internal/price"
	"cooper/internal/tree/catalog"
	"cooper/internal/treeop"
)

// The price classes of requests.
const (
	classGet     = "GET"
	classHead    = "HEAD"
	classPut     = "PUT"
	classRestore = "RESTORE"
)

// Space is what is free on the target: bytes, and files and directories (a
// very large number where the file system sets no limit).
type Space struct{ Bytes, Inodes int64 }

// estimator adds up what carrying out a plan will take.
type estimator struct {
	requests     map[string]int64
	toBucket     bool  // what is copied out goes to a bucket
	bytes        int64 // to be transferred
	leaving      int64 // of them, those that leave the store
	disk         int64
	inodes       int64
	actions      int64
	unverifiable int64 // fetches that nothing vouches for

	lastMirrored string           // the last key seen that is or will be in the mirror
	lastOfDay    map[int64]string // the last key moved to a day of history
}

func newEstimator() estimator {
	return estimator{requests: map[string]int64{}, lastOfDay: map[int64]string{}}
}

// inMirror tells of keys in the mirror, in order, so that their directories are
// not counted as new.
func (e *estimator) inMirror(key string) { e.lastMirrored = key }

func (e *estimator) count(verb string, v *cooper.Version, args *treeop.Args) {
	e.actions++
	switch verb {
	case treeop.CopyOut:
		e.copied(v)
		return
	case treeop.Prune: // makes room
		return
	}
	e.disk += catalogRow
	switch verb {
	case treeop.Fetch:
		e.requests[classGet]++
		if needsHead(v) {
			e.requests[classHead]++
		}
		e.bytes = cooper.AddBytes(e.bytes, v.Size)
		e.leaving = cooper.AddBytes(e.leaving, v.Size)
		e.file(v.Size)
		if unverifiable(v) {
			e.unverifiable++
		}
	case treeop.Unarchive:
		// Nothing arrives before a copy is ready.
		e.requests[classGet]++
		e.requests[classRestore]++
	}
	switch args.To {
	case catalog.Mirror:
		e.directories(v.Key, e.lastMirrored)
		e.inMirror(v.Key)
	case catalog.History:
		const day = 24 * 60 * 60 * 1000
		d := int64(args.Superseded) / day
		last, seen := e.lastOfDay[d]
		if !seen {
			if len(e.lastOfDay) == daysTracked {
				clear(e.lastOfDay)
			}
			e.directories("/", "") // that of the day
		}
		e.directories(v.Key, last)
		e.lastOfDay[d] = v.Key
	}
}

// copied counts a version that is copied out of the tree: to a bucket, after a
// look at what is there already, or to a directory.
func (e *estimator) copied(v *cooper.Version) {
	e.bytes = cooper.AddBytes(e.bytes, v.Size)
	if e.toBucket {
		e.requests[classHead]++
		e.requests[classPut]++
		return
	}
	e.file(v.Size)
	e.directories(v.Key, e.lastMirrored)
	e.inMirror(v.Key)
}

func (e *estimator) file(size int64) {
	e.inodes++
	e.disk = cooper.AddBytes(e.disk, (size+blockSize-1)/blockSize*blockSize)
}

// directories counts those of key that it does not share with last, a key
// before it in order.
func (e *estimator) directories(key, last string) {
	n := 0
	for n < len(key) && n < len(last) && key[n] == last[n] {
		n++
	}
	dirs := int64(strings.Count(key[n:], "/"))
	e.inodes += dirs
	e.disk = cooper.AddBytes(e.disk, dirs*blockSize)
}

// needsHead tells whether the part size of a multipart upload has to be asked
// for: no whole number of MiB or MB gives as many parts.
func needsHead(v *cooper.Version) bool {
	_, tail, multipart := strings.Cut(v.ETag, "-")
	parts, err := strconv.ParseInt(tail, 10, 64)
	if !multipart || err != nil || parts < 2 || v.Size < parts {
		return false
	}
	for _, unit := range []int64{1 << 20, 1e6} {
		least := (v.Size + parts - 1) / parts
		size := (least + unit - 1) / unit * unit
		if (v.Size+size-1)/size == parts {
			return false
		}
	}
	return true
}

// unverifiable tells whether neither the ETag nor a checksum vouches for the
// content.
func unverifiable(v *cooper.Version) bool {
	switch v.Encryption {
	case "SSE-KMS", "DSSE-KMS", "SSE-C":
		return v.Checksum == ""
	}
	return false
}

func (e *estimator) estimate(rates Rates, prices price.Costs) plan.Estimate {
	est := plan.Estimate{Requests: e.requests, Bytes: e.bytes, Disk: e.disk, Inodes: e.inodes}
	var all int64
	for _, n := range e.requests {
		all += n
	}
	if prices != nil {
		est.USD, est.Prices = prices.Cost(e.requests, e.leaving), prices.Name()
	}
	est.Seconds = max(per(all, rates.Requests), per(e.bytes, rates.Bytes)) + per(e.actions, rates.Changes)
	return est
}

func per(n int64, rate float64) float64 {
	if rate <= 0 {
		return 0
	}
	return float64(n) / rate
}
