package s3

import (
	"bytes"
	"net/url"
	"strconv"
	"strings"
	"time"

	"cooper"
)

// maxPage bounds a page of a listing: a thousand rows of the longest keys,
// percent-encoded, are 4 MB.
const maxPage = 32 << 20

// listing asks for one page.
type listing struct {
	prefix, delimiter string
	current           bool // ListObjectsV2 instead of ListObjectVersions
	// Where to go on; versionMarker and token only after a first page.
	after, versionMarker, token string
}

func (q listing) params() params {
	p := params{{"encoding-type", "url"}, {"prefix", q.prefix}}
	if q.delimiter != "" {
		p = append(p, [2]string{"delimiter", q.delimiter})
	}
	if q.current {
		p = append(p, [2]string{"list-type", "2"})
		if q.token != "" {
			return append(p, [2]string{"continuation-token", q.token})
		}
		if q.after != "" {
			p = append(p, [2]string{"start-after", q.after})
		}
		return p
	}
	p = append(p, [2]string{"versions", ""})
	if q.after != "" {
		p = append(p, [2]string{"key-marker", q.after})
		if q.versionMarker != "" {
			p = append(p, [2]string{"version-id-marker", q.versionMarker})
		}
	}
	return p
}

// page is one answer to a listing.
type page struct {
	versions  []cooper.Version
	prefixes  []string
	truncated bool
	// encoded: keys were written percent-encoded, so that all of them can be told.
	encoded bool
	// Where to go on, as it was written.
	marker, nextVersion, token string
}

// parsePage reads a ListVersionsResult or ListBucketResult.
func parsePage(b []byte) (*page, error) {
	s := &scanner{b: b}
	kind, name, err := s.next()
	if err != nil {
		return nil, err
	}
	root := string(name)
	switch {
	case kind == tokenOpen && (root == "ListVersionsResult" || root == "ListBucketResult"):
	case kind == tokenOpen && root == "Error":
		f := &failure{status: 500}
		f.read(b)
		return nil, f
	default:
		f := malformed("no listing, but %q", clip(string(b[:min(len(b), 200)]), 80))
		if f.foreign = kind == tokenOpen && !strings.EqualFold(root, "html"); f.foreign {
			f.malformed = false
		}
		return nil, f
	}
	p := &pageParser{page: &page{}, current: root == "ListBucketResult"}
	for {
		kind, text, err := s.next()
		if err == nil {
			switch kind {
			case tokenEnd:
				return p.finish()
			case tokenOpen:
				err = p.open(s.depth, text)
			case tokenText:
				p.addText(text)
			case tokenClose:
				err = p.close(s.depth + 1)
			}
		}
		if err != nil {
			return nil, err
		}
	}
}

// pageParser collects what a scanner finds. Elements of interest are at depth 2
// (the page's own) and 3 (a row's).
type pageParser struct {
	*page
	current bool
	row     *cooper.Version // the one being read
	prefix  bool            // inside CommonPrefixes
	leaf    string          // the name of the innermost element
	text    []byte
	ends    bool // it says whether the listing goes on
}

func (p *pageParser) open(depth int, name []byte) error {
	p.leaf, p.text = intern(name), nil
	if depth != 2 {
		return nil
	}
	switch p.leaf {
	case "Version", "DeleteMarker", "Contents":
		p.versions = append(p.versions, cooper.Version{DeleteMarker: p.leaf == "DeleteMarker", Latest: p.current})
		p.row = &p.versions[len(p.versions)-1]
	case "CommonPrefixes":
		p.prefix = true
	}
	return nil
}

func (p *pageParser) addText(text []byte) {
	if p.text == nil {
		p.text = text
	} else {
		p.text = append(bytes.Clone(p.text), text...)
	}
}

func (p *pageParser) close(depth int) error {
	leaf := p.leaf
	p.leaf = ""
	switch {
	case depth == 2:
		row := p.row
		p.row, p.prefix = nil, false
		if row != nil {
			return complete(row, p.current)
		}
		if leaf != "" {
			return p.scalar(leaf)
		}
	case depth == 3 && leaf != "" && p.row != nil:
		return p.field(leaf)
	case depth == 3 && leaf == "Prefix" && p.prefix:
		v, err := unescapeXML(p.text)
		p.prefixes = append(p.prefixes, v)
		return err
	}
	return nil
}

func (p *pageParser) scalar(name string) (err error) {
	switch name {
	case "IsTruncated":
		p.ends = true
		p.truncated, err = boolean(p.text)
	case "NextKeyMarker":
		p.marker, err = unescapeXML(p.text)
	case "NextVersionIdMarker":
		p.nextVersion, err = unescapeXML(p.text)
	case "NextContinuationToken":
		p.token, err = unescapeXML(p.text)
	case "EncodingType":
		p.encoded = string(p.text) == "url"
	}
	return err
}

func (p *pageParser) field(name string) (err error) {
	v := p.row
	switch name {
	case "Key":
		v.Key, err = unescapeXML(p.text)
	case "VersionId":
		v.VersionID, err = unescapeXML(p.text)
	case "IsLatest":
		v.Latest, err = boolean(p.text)
	case "ETag":
		v.ETag, err = unescapeXML(p.text)
		v.ETag = etagOf(v.ETag)
	case "StorageClass":
		v.StorageClass = intern(p.text)
	case "ChecksumAlgorithm":
		v.Checksum = intern(p.text)
	case "Size":
		v.Size, err = strconv.ParseInt(string(p.text), 10, 64)
		if err != nil || v.Size < 0 {
			return malformed("size %q", clip(string(p.text), 40))
		}
	case "LastModified":
		t, terr := time.Parse(time.RFC3339Nano, string(p.text))
		if terr != nil {
			return malformed("time %q", clip(string(p.text), 40))
		}
		v.LastModified = cooper.InstantOf(t)
	}
	return err
}

// complete checks a row, and gives it the id that S3 means by none.
func complete(v *cooper.Version, current bool) error {
	if v.Key == "" {
		return malformed("a row without a key")
	}
	if v.VersionID == "" && !current {
		v.VersionID = cooper.NullVersion
	}
	if v.DeleteMarker {
		v.Size, v.ETag = 0, ""
	}
	return nil
}

func (p *pageParser) finish() (*page, error) {
	if !p.ends && (p.marker != "" || p.token != "") {
		// Taken for the last page, all behind it would look deleted.
		return nil, malformed("a listing that says how to go on, but not whether")
	}
	if !p.encoded {
		return p.page, nil
	}
	return p.page, p.decode()
}

// decode undoes encoding-type=url, which writes a space as "+", but for the
// marker: some stores leave it as it is.
func (p *page) decode() (err error) {
	un := func(s *string) {
		if err != nil || !strings.ContainsAny(*s, "%+") {
			return
		}
		d, e := url.QueryUnescape(*s)
		if e != nil {
			err = malformed("key %q, which is not percent-encoded as was said", clip(*s, 80))
			return
		}
		*s = d
	}
	for i := range p.versions {
		un(&p.versions[i].Key)
	}
	for i := range p.prefixes {
		un(&p.prefixes[i])
	}
	return err
}

func boolean(b []byte) (bool, error) {
	switch string(b) {
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	return false, malformed("%q for true or false", clip(string(b), 40))
}

// intern spares a copy of words that come in every row.
func intern(b []byte) string {
	switch string(b) {
	case "Key":
		return "Key"
	case "VersionId":
		return "VersionId"
	case "IsLatest":
		return "IsLatest"
	case "LastModified":
		return "LastModified"
	case "ETag":
		return "ETag"
	case "Size":
		return "Size"
	case "StorageClass":
		return "StorageClass"
	case "Version":
		return "Version"
	case "Contents":
		return "Contents"
	case "Owner":
		return "Owner"
	case "ID":
		return "ID"
	case "DisplayName":
		return "DisplayName"
	case "ChecksumAlgorithm":
		return "ChecksumAlgorithm"
	case "ChecksumType":
		return "ChecksumType"
	case "STANDARD":
		return "STANDARD"
	case "CRC64NVME":
		return "CRC64NVME"
	}
	return string(b)
}
