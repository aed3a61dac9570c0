package rewrite

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"cooper"
	"cooper/internal/bucketop"
	"cooper/internal/codec"
	"cooper/internal/store"
)

// OriginName is the name of the user metadata that tells what a replacement
// came from (docs/formats/rewritten.md).
const OriginName = "cooper-origin"

// Origin is what a replacement came from.
type Origin struct {
	// Version is the original: its identity but for the key, which follows from
	// the replacement's.
	Version cooper.Identity
	Codec   codec.Chain
	// PlainSize is in bytes; SHA256 and SHA1 are of the plain content, and empty
	// where it was stored in parts.
	PlainSize    int64
	SHA256, SHA1 []byte
	// Was are user metadata of the original that were sums of its bytes, by name
	// (ofBytes).
	Was map[string]string
}

const (
	originFormat = "1"
	// wasPrefix begins the names of fields that hold what user metadata were.
	wasPrefix = "was."
)

// String is what ParseOrigin reads.
func (o Origin) String() string {
	var b strings.Builder
	b.WriteString(originFormat)
	add := func(name, value string) {
		if value != "" {
			b.WriteString(";" + name + "=" + url.QueryEscape(value))
		}
	}
	add("plain", strconv.FormatInt(o.PlainSize, 10))
	add("sha256", hex.EncodeToString(o.SHA256))
	add("sha1", hex.EncodeToString(o.SHA1))
	add("etag", o.Version.ETag)
	add("version", o.Version.VersionID)
	add("size", strconv.FormatInt(o.Version.Size, 10))
	add("modified", o.Version.LastModified.String())
	add("codec", o.Codec.String())
	for _, name := range slices.Sorted(maps.Keys(o.Was)) {
		add(wasPrefix+name, o.Was[name])
	}
	return b.String()
}

// ParseOrigin reads what String wrote; fields that it does not know are passed
// over.
func ParseOrigin(s string) (Origin, error) {
	var o Origin
	format, rest, _ := strings.Cut(s, ";")
	if format != originFormat {
		return o, &cooper.Error{Kind: cooper.KindInvalid, Message: "a note of origin that is not known: " + cooper.Quote(s)}
	}
	for field := range strings.SplitSeq(rest, ";") {
		name, value, _ := strings.Cut(field, "=")
		value, err := url.QueryUnescape(value)
		if err == nil {
			err = o.set(name, value)
		}
		if err != nil {
			return o, &cooper.Error{Kind: cooper.KindInvalid, Message: fmt.Sprintf("a broken note of origin: %s", cooper.Quote(s)), Err: err}
		}
	}
	return o, nil
}

func (o *Origin) set(name, value string) (err error) {
	if of, ok := strings.CutPrefix(name, wasPrefix); ok && (of == rcloneMD5 || of == s3cmdAttrs) {
		if o.Was == nil {
			o.Was = map[string]string{}
		}
		o.Was[of] = value
		return nil
	}
	switch name {
	case "plain":
		o.PlainSize, err = strconv.ParseInt(value, 10, 64)
	case "sha256":
		o.SHA256, err = hex.DecodeString(value)
	case "sha1":
		o.SHA1, err = hex.DecodeString(value)
	case "etag":
		o.Version.ETag = value
	case "version":
		o.Version.VersionID = value
	case "size":
		o.Version.Size, err = strconv.ParseInt(value, 10, 64)
	case "modified":
		err = o.Version.LastModified.UnmarshalText([]byte(value))
	case "codec":
		o.Codec, err = codec.ParseChain(value)
	}
	return err
}

// Of tells whether v is the version that o names.
func (o Origin) Of(v cooper.Identity) bool {
	w := o.Version
	if w.ETag != v.ETag || w.Size != v.Size || w.VersionID != v.VersionID && w.VersionID != "" && v.VersionID != "" {
		return false
	}
	if v.VersionID != "" && v.VersionID != cooper.NullVersion && w.VersionID == v.VersionID {
		return true
	}
	return store.SameSecond(w.LastModified, v.LastModified)
}

// describes tells whether sums are of the content that o names.
func (o Origin) describes(sums *codec.Sums) bool {
	return sums.PlainSize == o.PlainSize && (len(o.SHA256) == 0 || bytes.Equal(sums.SHA256[:], o.SHA256))
}

// origin is that of j's version; sums lack what is not known beforehand.
func (j *job) origin(sums *codec.Sums, hashed bool) Origin {
	o := Origin{Version: j.v.Identity, Codec: j.opt.Rewriting.Codec, PlainSize: sums.PlainSize}
	if hashed {
		o.SHA256, o.SHA1 = sums.SHA256[:], sums.SHA1[:]
	}
	return o
}

const (
	// metadataMost is S3's limit for user metadata in bytes; whether the prefix of
	// the names counts is not said, so it does.
	metadataMost   = 2 << 10
	metadataPrefix = "x-amz-meta-"
)

// withOrigin adds the origin to the user metadata of the original, as they are of
// body (ofBytes). Where there is no room it is left out, the sums of the original's
// bytes first, unless it is needed: the reason says so.
func (j *job) withOrigin(metadata map[string]string, origin Origin, body []byte) (_ map[string]string, reason string) {
	m, was := ofBytes(metadata, body)
	for _, origin.Was = range []map[string]string{was, nil} {
		if m[OriginName] = origin.String(); metadataSize(m) <= metadataMost {
			return m, ""
		}
	}
	delete(m, OriginName)
	if j.inPlace() && j.opt.Rewriting.Versioning != versioned {
		return m, bucketop.ReasonNoRoom
	}
	return m, ""
}

func metadataSize(m map[string]string) (size int) {
	for name, value := range m {
		size += len(metadataPrefix) + len(name) + len(value)
	}
	return size
}
