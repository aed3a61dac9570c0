package mem

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

const xmlTime = "2006-01-02T15:04:05.000Z"

// encode renders a key as encoding-type asks: percent-encoded as in a form,
// with slashes left alone, or as it is.
func (c *call) encode(key string) string {
	if c.has(ListNotEncoded) {
		return inXML(key)
	}
	if c.query.Get("encoding-type") != "url" {
		return key
	}
	return strings.ReplaceAll(url.QueryEscape(key), "%2F", "/")
}

// listing is the part of a listing that all kinds share.
type listing struct {
	prefix, delimiter string
	limit             int
	prefixes          []string // common prefixes found
	rows              int      // of the page: versions and common prefixes
	truncated         bool
}

// newListing reads the arguments that all kinds of listing have; most names
// the one that bounds a page.
func (s *Server) newListing(c *call, most string) (*listing, error) {
	l := &listing{prefix: c.query.Get("prefix"), delimiter: c.query.Get("delimiter")}
	var err error
	if l.limit, err = s.pageLimit(c, most); err != nil {
		return nil, err
	}
	if e := c.query.Get("encoding-type"); e != "" && e != "url" {
		return nil, invalidArgument("Invalid Encoding Method specified in Request").with("ArgumentName", "encoding-type")
	}
	return l, nil
}

// pageLimit is how many rows a page may have: what the request's argument
// called most says, within the server's own bound.
func (s *Server) pageLimit(c *call, most string) (int, error) {
	text := c.query.Get(most)
	if text == "" {
		return s.opts.PageSize, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return 0, invalidArgument("Argument "+most+" must be an integer between 0 and 2147483647").with("ArgumentName", most)
	}
	return min(n, s.opts.PageSize), nil
}

// common gives the common prefix that key falls under, if it does.
func (l *listing) common(key string) (string, bool) {
	if l.delimiter == "" {
		return "", false
	}
	i := strings.Index(key[len(l.prefix):], l.delimiter)
	if i < 0 {
		return "", false
	}
	return key[:len(l.prefix)+i+len(l.delimiter)], true
}

// walk calls row for each visible key of the page after marker, with how many
// rows there is room for; row gives how many it took and whether these were all
// the key has. A marker that is a common prefix stands for all keys under it;
// resume says that the marker's own key was not done.
func (l *listing) walk(keys *keyList, marker string, resume bool, visible func(key string) bool, row func(key string, room int) (int, bool)) (last string) {
	from := keys.seek(max(marker, l.prefix))
	switch {
	case resume:
	case strings.HasPrefix(marker, l.prefix) && l.isCommon(marker):
		from.pass(marker)
	case from.more() && from.key() == marker:
		from.next()
	}
	for from.more() && strings.HasPrefix(from.key(), l.prefix) {
		key := from.key()
		if !visible(key) {
			from.next()
			continue
		}
		if l.rows >= l.limit {
			l.truncated = l.limit > 0
			return last
		}
		if p, ok := l.common(key); ok {
			l.prefixes = append(l.prefixes, p)
			l.rows++
			last = p
			from.pass(p)
			continue
		}
		n, all := row(key, l.limit-l.rows)
		l.rows += n
		if n > 0 {
			last = key
		}
		if !all {
			l.truncated = true
			return last
		}
		from.next()
	}
	return last
}

// isCommon tells whether a marker is itself a common prefix.
func (l *listing) isCommon(marker string) bool {
	p, ok := l.common(marker)
	return ok && p == marker
}

// head writes what listings of versions and objects begin with.
func (l *listing) head(c *call, x *xmlWriter) {
	x.element("Name", c.bucket)
	x.element("Prefix", c.encode(l.prefix))
	x.element("MaxKeys", strconv.Itoa(l.limit))
	x.some("Delimiter", c.encode(l.delimiter))
	x.some("EncodingType", c.encodingType())
	x.element("IsTruncated", strconv.FormatBool(l.truncated))
}

// tail writes what all kinds end with.
func (l *listing) tail(c *call, x *xmlWriter) {
	for _, p := range l.prefixes {
		x.open("CommonPrefixes")
		x.element("Prefix", c.encode(p))
		x.close("CommonPrefixes")
	}
}

func (s *Server) listObjectVersions(c *call) error {
	l, err := s.newListing(c, "max-keys")
	if err != nil {
		return err
	}
	marker, id := c.query.Get("key-marker"), c.query.Get("version-id-marker")
	if id != "" && marker == "" {
		return invalidArgument("A version-id marker cannot be specified without a key marker.")
	}
	if c.has(MarkerIgnored) {
		marker, id = "", ""
	}
	if c.has(MarkerSuffix) {
		marker = strings.TrimSuffix(marker, ownSuffix)
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	b, err := s.bucketOf(c)
	if err != nil {
		return err
	}
	rows := &xmlWriter{}
	markers := rows
	if c.has(MarkersLast) {
		markers = &xmlWriter{}
	}
	lastID := ""
	last := l.walk(&b.keys, marker, id != "", func(string) bool { return true }, func(key string, room int) (int, bool) {
		vs := b.entries[key]
		n := len(vs)
		if key == marker { // what was not on the page before; nothing if its last version is gone
			n = max(0, find(vs, id))
			if c.has(PagesOverlap) {
				n = min(n+1, len(vs))
			}
		}
		took := 0
		for ; n > 0 && took < room; n-- {
			v := vs[n-1]
			to := rows
			if v.marker {
				to = markers
			}
			to.version(c, key, v, b.isLatest(key, n-1))
			lastID = v.id
			took++
		}
		return took, n == 0
	})
	x := newXML()
	root := "ListVersionsResult"
	if c.has(VersionsOtherRoot) {
		root = "ListBucketVersionsResult"
	}
	x.root(root)
	l.head(c, x)
	x.element("KeyMarker", c.encode(marker))
	x.element("VersionIdMarker", id)
	if l.truncated && !c.has(NoNextMarker) {
		x.element("NextKeyMarker", c.nextMarker(last))
		if !l.isCommon(last) {
			x.element("NextVersionIdMarker", lastID)
		}
	}
	x.b = append(x.b, rows.b...)
	if markers != rows {
		x.b = append(x.b, markers.b...)
	}
	l.tail(c, x)
	x.close(root)
	x.send(c, http.StatusOK)
	return nil
}

// version writes a row of ListObjectVersions.
func (x *xmlWriter) version(c *call, key string, v *version, latest bool) {
	name := "Version"
	if v.marker {
		name = "DeleteMarker"
	}
	x.open(name)
	x.element("Key", c.encode(key))
	x.element("VersionId", v.id)
	x.element("IsLatest", strconv.FormatBool(latest))
	x.element("LastModified", c.listedTime(v))
	if !v.marker {
		x.content(c, v)
	}
	x.close(name)
}

// content writes what both kinds of listing say about bytes.
func (x *xmlWriter) content(c *call, v *version) {
	if !c.has(ListNoETag) {
		x.element("ETag", "\""+v.etag+"\"")
	}
	if !c.has(ChecksumsIgnored) {
		x.some("ChecksumAlgorithm", v.sum.algorithm)
		x.some("ChecksumType", v.sum.kind)
	}
	x.element("Size", strconv.Itoa(len(v.body)))
	x.element("StorageClass", v.storageClass())
}

func (s *Server) listObjects(c *call) error {
	l, err := s.newListing(c, "max-keys")
	if err != nil {
		return err
	}
	marker := c.query.Get("start-after")
	if token := c.query.Get("continuation-token"); token != "" {
		raw, err := base64.URLEncoding.DecodeString(token)
		if err != nil {
			return invalidArgument("The continuation token provided is incorrect").with("ArgumentName", "continuation-token")
		}
		marker = string(raw)
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	b, err := s.bucketOf(c)
	if err != nil {
		return err
	}
	rows := &xmlWriter{}
	visible := func(key string) bool { v := b.get(key, ""); return v != nil && !v.marker }
	last := l.walk(&b.keys, marker, false, visible, func(key string, _ int) (int, bool) {
		v := b.get(key, "")
		rows.open("Contents")
		rows.element("Key", c.encode(key))
		rows.element("LastModified", c.listedTime(v))
		rows.content(c, v)
		rows.close("Contents")
		return 1, true
	})
	x := newXML()
	x.root("ListBucketResult")
	l.head(c, x)
	x.element("KeyCount", strconv.Itoa(l.rows))
	x.some("StartAfter", c.encode(c.query.Get("start-after")))
	x.some("ContinuationToken", c.query.Get("continuation-token"))
	if l.truncated && !c.has(NoNextMarker) {
		x.element("NextContinuationToken", base64.URLEncoding.EncodeToString([]byte(last)))
	}
	x.b = append(x.b, rows.b...)
	l.tail(c, x)
	x.close("ListBucketResult")
	x.send(c, http.StatusOK)
	return nil
}
