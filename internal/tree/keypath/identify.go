package keypath

import (
	"strings"

	"cooper"
)

// Identify gives as much of the identity of a version in history as its path tells:
// the key, and the version id, or ETag and time of a version that S3 gave none; in
// the layout inline the ETag always. Of a hash it tells the key alone. It is not ok if
// ParseHistory is not. The day is that in the path, empty if there is none.
func (l Layout) Identify(path string) (id cooper.Identity, day string, ok bool) {
	key, ok := l.ParseHistory(path)
	if !ok {
		return id, "", false
	}
	id.Key = key
	if l == Inline {
		return identifyInline(path, id), "", true
	}
	rest := strings.TrimPrefix(path, historyRoot)
	day, _, _ = strings.Cut(rest, "/")
	if day == unknownDay {
		day = ""
	}
	_, token, _ := ParseHistory(rest)
	return identifyToken(token, id), day, true
}

func identifyInline(path string, id cooper.Identity) cooper.Identity {
	_, name := splitKey(path)
	if strings.HasPrefix(name, oddMark) {
		_, token, _ := strings.Cut(name[len(oddMark):], versionMark)
		return identifyToken(token, id)
	}
	_, version, etag, _ := ParseOld(name)
	id.ETag = etag
	if ms, null := strings.CutPrefix(version, nullToken); null {
		id.LastModified = parseMillis(ms)
	} else if version != cooper.NullVersion {
		id.VersionID = version
	}
	return id
}

func identifyToken(token string, id cooper.Identity) cooper.Identity {
	if strings.HasPrefix(token, hashMark) {
		return id
	}
	if null, ok := nullOf(token); ok {
		id.ETag, id.LastModified = null.ETag, null.LastModified
		return id
	}
	id.VersionID = string(appendUnescaped(nil, token))
	return id
}
