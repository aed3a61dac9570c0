package s3

import (
	"net/url"
	"slices"
	"strings"

	"cooper"
	"cooper/internal/store"
)

// onward gives the key behind which the next page begins: the last one of this
// page, if it has any. marker is what the store says, as it was written; own tells
// that it is not that key, so that what else the store says of the place does not
// count. after is where this page began. raw remembers that markers come as they are where keys come encoded, as
// Ceph's did for long (https://github.com/ceph/ceph/pull/23371).
func onward(marker string, encoded bool, after, last string, raw *bool) (key string, own bool, err error) {
	decoded := marker
	if encoded {
		if d, derr := url.QueryUnescape(marker); derr == nil {
			decoded = d
		} else {
			*raw = true // what cannot be decoded was not encoded
		}
	}
	switch {
	case last == "" && *raw:
		return marker, false, nil
	case last == "":
		return decoded, false, nil
	case decoded == last:
		return last, false, nil
	case marker == last:
		*raw = true
		return last, false, nil
	case noted(marker, last), noted(decoded, last):
		return last, false, nil
	case marker == "", !encoded && store.Garbled(marker):
		return last, true, nil
	case marker < after && decoded < after:
		return "", false, backwards(after, decoded)
	case marker > last && decoded > last:
		return "", false, malformed("a marker, %s, beyond the last row, %s", cooper.Quote(clip(marker, 200)), cooper.Quote(clip(last, 200)))
	}
	return last, true, nil
}

func backwards(from, to string) *failure {
	return malformed("a listing that goes backwards, from %s to %s", cooper.Quote(clip(from, 200)), cooper.Quote(clip(to, 200)))
}

// noted tells whether a marker is a key and a note of the store's own, by which it finds
// the place again, and without which it finds it, too: KEY[minio_cache:v2,…], as MinIO
// writes it.
func noted(marker, key string) bool {
	rest, ok := strings.CutPrefix(marker, key)
	return ok && strings.HasPrefix(rest, "[") && strings.HasSuffix(rest, "]")
}

// setApart takes the rows out of a page whose names cannot be believed. They stand
// anywhere in its order, and nothing can be concluded from where.
func (p *page) setApart() (rows []cooper.Version) {
	if p.encoded {
		return nil
	}
	p.versions = slices.DeleteFunc(p.versions, func(v cooper.Version) bool {
		if store.Garbled(v.Key) {
			rows = append(rows, v)
			return true
		}
		return false
	})
	p.prefixes = slices.DeleteFunc(p.prefixes, store.Garbled)
	return rows
}

// last is the last row of a page, or its last common prefix; rows are sorted.
func (p *page) last() (key, version string) {
	if n := len(p.versions); n > 0 {
		key, version = p.versions[n-1].Key, p.versions[n-1].VersionID
	}
	if n := len(p.prefixes); n > 0 && p.prefixes[n-1] > key {
		return p.prefixes[n-1], ""
	}
	return key, version
}
