package keypath

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"
	"time"

	"cooper"
)

const (
	nullToken = "null-"
	// hashMark begins a token that is a hash, because the proper one would be
	// too long for a file name.
	hashMark = "%~"
	hashLen  = 32 // hex digits
	dayForm  = "2006-01-02"
	// unknownDay is the directory of what was superseded nobody knows when.
	unknownDay = "0000-00-00"
)

// History is the path of a version in history: the day (UTC) it was
// superseded, the key, and a token that tells versions of the key apart.
func History(id cooper.Identity, superseded cooper.Instant) string {
	dst := make([]byte, 0, len(dayForm)+1+len(id.Key)+len(versionMark)+48)
	dst = append(dst, day(superseded)...)
	dst = append(dst, '/')
	dst = appendKey(dst, id.Key)
	name := len(dst) - 1 - strings.LastIndexByte(string(dst), '/')
	dst = append(dst, versionMark...)
	token := Token(id)
	if name+len(versionMark)+len(token) > maxName {
		token = hashToken(id)
	}
	return string(append(dst, token...))
}

// day names the directory of an instant. Years that four digits do not hold
// count as unknown: no bucket has them, but a hostile report might.
func day(i cooper.Instant) string {
	t := i.Time()
	if i == 0 || t.Year() < 1 || t.Year() > 9999 {
		return unknownDay
	}
	return t.Format(dayForm)
}

// Token names a version among the versions of its key: its version id with
// odd bytes escaped, or ETag and time where S3 gave it none.
func Token(id cooper.Identity) string {
	if id.VersionID == "" || id.VersionID == cooper.NullVersion {
		return string(appendToken([]byte(nullToken), id.ETag)) + "-" + formatMillis(id.LastModified)
	}
	if strings.HasPrefix(id.VersionID, nullToken) {
		// A version id that looks like one of ours.
		return string(appendToken([]byte("%6E"), id.VersionID[1:]))
	}
	return string(appendToken(nil, id.VersionID))
}

// formatMillis writes no '-', so that the last one in a token always stands
// before the time.
func formatMillis(i cooper.Instant) string {
	if i < 0 {
		return "b" + strconv.FormatUint(uint64(-i), 10)
	}
	return strconv.FormatInt(int64(i), 10)
}

func isMillis(s string) bool {
	digits, before := strings.CutPrefix(s, "b")
	n, err := strconv.ParseUint(digits, 10, 64)
	if err != nil || strconv.FormatUint(n, 10) != digits {
		return false
	}
	if before {
		return n > 0 && n <= 1<<63
	}
	return n < 1<<63
}

func appendToken(dst []byte, s string) []byte {
	for i := 0; i < len(s); i++ {
		if isOddByte(s[i]) || s[i] == '/' || s[i] == '%' {
			dst = appendEscape(dst, s[i])
		} else {
			dst = append(dst, s[i])
		}
	}
	return dst
}

// hashToken stands for a token that is too long. It covers the whole identity.
func hashToken(id cooper.Identity) string {
	h := sha256.New()
	for _, s := range []string{id.Key, id.VersionID, id.ETag,
		strconv.FormatInt(id.Size, 10), strconv.FormatInt(int64(id.LastModified), 10)} {
		h.Write([]byte(strconv.Itoa(len(s)) + ":" + s))
	}
	return hashMark + hex.EncodeToString(h.Sum(nil))[:hashLen]
}

// ParseHistory gives the key and the version token of a path in history. It is
// not ok if History gives no such path. (Of a token that is a hash only the
// form can be checked.)
func ParseHistory(path string) (key, token string, ok bool) {
	d, rest, found := strings.Cut(path, "/")
	if !found {
		return "", "", false
	}
	if d != unknownDay {
		if t, err := time.Parse(dayForm, d); err != nil || t.Format(dayForm) != d {
			return "", "", false
		}
	}
	slash := strings.LastIndexByte(rest, '/')
	at := strings.Index(rest[slash+1:], versionMark)
	if at < 0 {
		return "", "", false
	}
	at += slash + 1
	key, ok = decodeKey(rest[:at])
	token = rest[at+len(versionMark):]
	if !ok || !isToken(token) || len(rest)-(slash+1) > maxName {
		return "", "", false
	}
	return key, token, true
}

// isToken tells whether Token or hashToken could have given s.
func isToken(s string) bool {
	if h, isHash := strings.CutPrefix(s, hashMark); isHash {
		b, err := hex.DecodeString(h)
		return err == nil && len(h) == hashLen && hex.EncodeToString(b) == h
	}
	if n, isNull := strings.CutPrefix(s, nullToken); isNull {
		dash := strings.LastIndexByte(n, '-')
		return dash >= 0 && isMillis(n[dash+1:]) &&
			string(appendToken(nil, string(appendUnescaped(nil, n[:dash])))) == n[:dash]
	}
	id := string(appendUnescaped(nil, s))
	return id != "" && id != cooper.NullVersion && Token(cooper.Identity{VersionID: id}) == s
}
