package gc

import (
	"slices"
	"time"

	"cooper"
	"cooper/internal/gcop"
	"cooper/internal/gcstate"
)

// copyOf is what manifests tell of a version.
func (k *kept) copyOf(v *cooper.Version) *StoredCopy {
	id := func(s string) string {
		if s == "" {
			return cooper.NullVersion
		}
		return s
	}
	var last *StoredCopy // of a null version, the one that was told of last
	for i := range k.Copies {
		if c := &k.Copies[i]; id(c.VersionID) == id(v.VersionID) && (last == nil || c.At >= last.At) {
			last = c
		}
	}
	return last
}

// judge tells why an object may be deleted, or is left.
func (f *forgetter) judge(k *kept, records []gcstate.Record) (class gcop.Class, why string) {
	if why = f.leaves(k); why != "" {
		return "", why
	}
	switch {
	case k.Other, !slices.Contains(f.in.Forgetting.Buckets, k.Bucket):
		return "", SkippedOther
	case k.Returning:
		return "", SkippedReturning
	}
	told, archived, away, ready := false, 0, 0, true
	for i, h := range k.Handles {
		r := &records[i]
		switch {
		case h.Told && !h.Named:
			return "", SkippedElsewhere
		case r.Since >= f.in.Looked:
			return "", SkippedRestated
		}
		told = told || h.Told
		switch r.Status {
		case gcstate.Archived:
			archived++
			ready = ready && f.long(r.Since, f.in.Now)
		case gcstate.Archiving, gcstate.Restoring, gcstate.Deleted:
			away++
		}
	}
	switch {
	case len(k.Handles) == 0:
		class = gcop.Orphaned
	case !told:
		return "", SkippedNamed
	case archived+away == 0 && f.in.Forgetting.Restored:
		return gcop.Returned, "" // since when does not matter
	case archived+away == 0:
		return "", SkippedBack
	case archived < len(k.Handles):
		return "", SkippedMixed
	default:
		class = gcop.Expired
	}
	for i := range k.rows {
		v := &k.rows[i]
		ready = ready && f.long(v.LastModified, f.in.Forgetting.Taken) && f.long(k.copyOf(v).At, f.in.Now)
	}
	if !ready {
		return "", SkippedEarly
	}
	for _, h := range k.Handles {
		if !h.Expired {
			return "", SkippedKept
		}
	}
	return class, ""
}

// long tells whether a time is the term ago; one that nobody knows is not.
func (f *forgetter) long(t, now cooper.Instant) bool {
	return t > 0 && now.Time().Sub(t.Time()) >= time.Duration(f.in.Forgetting.Keep)*time.Second
}

func (f *forgetter) skip(why string, bytes int64) { f.skipped[why] = f.skipped[why].Add(bytes) }

// leaves tells why the versions under a key are left, whatever their handles are; empty if they may go.
func (f *forgetter) leaves(k *kept) string {
	if k.why != "" {
		return k.why
	}
	latest := 0
	ids := map[string]bool{}
	for i := range k.rows {
		v := &k.rows[i]
		if v.Latest {
			latest++
		}
		ids[v.VersionID] = true
		_, guarded := guardOf(v, f.in.Forgetting.Versioning, f.in.Forgetting.Unguarded)
		switch {
		case v.DeleteMarker:
			return SkippedHidden
		case k.copyOf(v) == nil:
			return SkippedForeign
		case v.ETag == "" || !guarded:
			return SkippedUnguarded
		}
	}
	switch {
	case latest != 1 || len(ids) < len(k.rows):
		return SkippedAmbiguous
	case len(k.rows) > mostVersionsOfAKey:
		return SkippedMost
	}
	return ""
}
