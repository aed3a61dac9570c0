package keypath

import (
	"strconv"
	"strings"

	"cooper"
)

const (
	// oddMark begins the name of a component that cannot stand as it is. It is
	// short because a key may have a thousand of them, and a path 4,096 bytes.
	oddMark = ".%"
	oldMark = ".old."
)

const (
	// Where Cooper keeps its own files; it is reserved in every directory.
	ownName = ".cooper"
	// theirPrefix begins the names of s3invsync's own files.
	theirPrefix = ".s3invsync"
)

// isLiteral tells whether a component of a key is its own name, as in s3invsync's
// trees: unless it is or begins like a file of ours or of theirs, or looks like
// an older version.
func isLiteral(c string) bool {
	if c == "" || c == "." || c == ".." || len(c) > maxName || strings.IndexByte(c, 0) >= 0 {
		return false
	}
	if c == ownName || strings.HasPrefix(c, oddMark) || strings.HasPrefix(c, theirPrefix) {
		return false
	}
	_, _, _, old := cutOld(c)
	return !old
}

// cutOld takes a name apart that looks like that of an older version. An ETag
// has no dot, but a version id may have some, also at its ends: so the ETag is
// what follows the last dot, and the version id what follows the last ".old.".
func cutOld(name string) (c, versionID, etag string, ok bool) {
	dot := strings.LastIndexByte(name, '.')
	if dot < 0 {
		return "", "", "", false
	}
	rest, etag := name[:dot], name[dot+1:]
	at := strings.LastIndex(rest, oldMark)
	if at <= 0 {
		return "", "", "", false
	}
	c, versionID = rest[:at], rest[at+len(oldMark):]
	return c, versionID, etag, versionID != "" && etag != ""
}

func isInlineOrdinary(key string) bool {
	for c := range strings.SplitSeq(key, "/") {
		if !isLiteral(c) {
			return false
		}
	}
	return true
}

// splitKey splits a key before its last component; dir keeps its slash.
func splitKey(key string) (dir, last string) {
	at := strings.LastIndexByte(key, '/') + 1
	return key[:at], key[at:]
}

func inlineMirror(key string) string {
	if isInlineOrdinary(key) {
		return key
	}
	dir, last := splitKey(key)
	return string(appendInline(appendInlineDir(make([]byte, 0, len(key)+32), dir), last))
}

func inlineDisplaced(key string) string {
	return string(append(appendMarked(make([]byte, 0, len(key)+32), key), displacedMark...))
}

// appendMarked writes a key so that its last component has the odd mark,
// whatever it is, and an end that no other form has can follow.
func appendMarked(dst []byte, key string) []byte {
	dir, last := splitKey(key)
	return appendOdd(appendInlineDir(dst, dir), last)
}

// appendInlineDir writes components that each end with a slash.
func appendInlineDir(dst []byte, dir string) []byte {
	for dir != "" {
		c, rest, _ := strings.Cut(dir, "/")
		dst = append(appendInline(dst, c), '/')
		dir = rest
	}
	return dst
}

func appendInline(dst []byte, c string) []byte {
	if isLiteral(c) {
		return append(dst, c...)
	}
	return appendOdd(dst, c)
}

func appendOdd(dst []byte, c string) []byte { return appendCut(dst, escapeAll(c), oddMark) }

func parseInlineMirror(path string) (key string, displaced, ok bool) {
	_, last := splitKey(path)
	if p, cut := strings.CutSuffix(path, displacedMark); cut && strings.HasPrefix(last, oddMark) {
		key, ok = decodeInline(p)
		return key, true, ok && inlineDisplaced(key) == path
	}
	key, ok = decodeInline(path)
	return key, false, ok && inlineMirror(key) == path
}

// decodeInline undoes appendInline and appendOdd; whether they would have given
// p is the caller's to check.
func decodeInline(p string) (string, bool) {
	key := make([]byte, 0, len(p))
	joined := false // the piece before goes on in this one
	for i, name := range strings.Split(p, "/") {
		if i > 0 && !joined {
			key = append(key, '/')
		}
		joined = false
		odd, isOdd := strings.CutPrefix(name, oddMark)
		if !isOdd {
			key = append(key, name...)
			continue
		}
		odd, joined = cutCont(odd)
		key = appendUnescaped(key, odd)
	}
	return string(key), !joined
}

func isNull(id *cooper.Identity) bool {
	return id.VersionID == "" || id.VersionID == cooper.NullVersion
}

// inlineHistory is s3invsync's name where that is safe and says which version
// it is; otherwise a marked one with a token, as in a sidecar tree.
func inlineHistory(id *cooper.Identity) string {
	dir, last := splitKey(id.Key)
	version := id.VersionID
	if isNull(id) {
		version = nullToken + formatMillis(id.LastModified)
	} else if strings.HasPrefix(version, nullToken) {
		version = "" // looks like ours
	}
	if name, ok := oldName(last, version, id.ETag); ok {
		return string(append(appendInlineDir(make([]byte, 0, len(id.Key)+80), dir), name...))
	}
	dst := appendMarked(make([]byte, 0, len(id.Key)+80), id.Key)
	name := len(dst) - 1 - strings.LastIndexByte(string(dst), '/')
	token := Token(*id)
	if name+len(versionMark)+len(token) > maxName {
		token = hashToken(*id)
	}
	return string(append(append(dst, versionMark...), token...))
}

// oldName is not ok where the name would be read as something else.
func oldName(c, version, etag string) (string, bool) {
	name := c + oldMark + version + "." + etag
	gotC, gotVersion, gotETag, ok := ParseOld(name)
	return name, ok && gotC == c && gotVersion == version && gotETag == etag
}

// ParseOld takes apart the name (not the path) of an older version in
// s3invsync's form: the last component of its key, version id and ETag. The version
// id is NullVersion where s3invsync knew none, and "null-" with milliseconds
// where Cooper wrote the name of a null version.
func ParseOld(name string) (c, versionID, etag string, ok bool) {
	c, versionID, etag, ok = cutOld(name)
	return c, versionID, etag, ok && len(name) <= maxName && isLiteral(c) && isSafe(versionID) && isSafe(etag)
}

// isSafe tells whether an id can stand in a name as it is.
func isSafe(id string) bool {
	for i := 0; i < len(id); i++ {
		if isOddByte(id[i]) || id[i] == '/' {
			return false
		}
	}
	return id != ""
}

func parseInlineHistory(path string) (key string, ok bool) {
	dir, name := splitKey(path)
	if strings.HasPrefix(name, oddMark) {
		return parseMarked(path, len(dir))
	}
	c, version, _, ok := ParseOld(name)
	if ms, isNull := strings.CutPrefix(version, nullToken); isNull {
		ok = ok && isMillis(ms)
	}
	if !ok {
		return "", false
	}
	key, ok = decodeInline(dir + c)
	return key, ok && string(append(appendInlineDir(nil, key[:len(key)-len(c)]), c...)) == dir+c
}

// parseMarked reads the path of a version whose name, from at on, has the odd
// mark and a token.
func parseMarked(path string, at int) (string, bool) {
	from := at + len(oddMark) // the end of this mark and an '@' look like the other one
	mark := strings.Index(path[from:], versionMark)
	if mark < 0 || len(path)-at > maxName {
		return "", false
	}
	mark += from
	key, ok := decodeInline(path[:mark])
	token := path[mark+len(versionMark):]
	if !ok || !isToken(token) || string(appendMarked(nil, key)) != path[:mark] {
		return "", false
	}
	if id, isNull := nullOf(token); isNull {
		id.Key = key
		return key, inlineHistory(&id) == path
	}
	return key, true
}

// nullOf gives what the token of a null version says.
func nullOf(token string) (id cooper.Identity, ok bool) {
	n, ok := strings.CutPrefix(token, nullToken)
	if !ok {
		return id, false
	}
	dash := strings.LastIndexByte(n, '-')
	id.ETag = string(appendUnescaped(nil, n[:dash]))
	id.LastModified = parseMillis(n[dash+1:])
	return id, true
}

// parseMillis undoes formatMillis.
func parseMillis(s string) cooper.Instant {
	if digits, before := strings.CutPrefix(s, "b"); before {
		n, _ := strconv.ParseUint(digits, 10, 64) // isMillis was asked
		return cooper.Instant(-n)
	}
	n, _ := strconv.ParseInt(s, 10, 64)
	return cooper.Instant(n)
}

func inlinePart(name string, dir bool) string {
	part := name
	if c, _, _, ok := ParseOld(name); ok && !dir {
		return c
	}
	if odd, isOdd := strings.CutPrefix(name, oddMark); isOdd {
		if at := strings.Index(odd, versionMark); at >= 0 && !dir {
			odd = odd[:at]
		}
		odd = strings.TrimSuffix(strings.TrimSuffix(odd, displacedMark), contMark)
		part = string(appendUnescaped(nil, odd))
	}
	return part
}
