package mem

import (
	"maps"
	"net/http"
	"slices"
	"sort"
	"strconv"
)

// listMultipartUploads gives the uploads under way, by key and, within a key,
// by id.
func (s *Server) listMultipartUploads(c *call) error {
	l, err := s.newListing(c, "max-uploads")
	if err != nil {
		return err
	}
	marker, id := c.query.Get("key-marker"), c.query.Get("upload-id-marker")
	if marker == "" {
		id = "" // S3 ignores it then
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	b, err := s.bucketOf(c)
	if err != nil {
		return err
	}
	ids := map[string][]string{}
	for id, u := range b.uploads {
		ids[u.key] = append(ids[u.key], id)
	}
	rows := &xmlWriter{}
	lastID := ""
	last := l.walk(listOf(slices.Sorted(maps.Keys(ids))), marker, id != "", func(string) bool { return true }, func(key string, room int) (int, bool) {
		all := ids[key]
		slices.Sort(all)
		if key == marker {
			all = all[sort.Search(len(all), func(i int) bool { return all[i] > id }):]
		}
		n := min(room, len(all))
		for _, one := range all[:n] {
			rows.upload(c, one, b.uploads[one])
			lastID = one
		}
		return n, n == len(all)
	})
	x := newXML()
	x.root("ListMultipartUploadsResult")
	x.element("Bucket", c.bucket)
	x.element("KeyMarker", c.encode(marker))
	x.element("UploadIdMarker", id)
	if l.truncated {
		x.element("NextKeyMarker", c.encode(last))
		if !l.isCommon(last) {
			x.element("NextUploadIdMarker", lastID)
		}
	}
	x.element("Prefix", c.encode(l.prefix))
	x.some("Delimiter", c.encode(l.delimiter))
	x.some("EncodingType", c.encodingType())
	x.element("MaxUploads", strconv.Itoa(l.limit))
	x.element("IsTruncated", strconv.FormatBool(l.truncated))
	x.b = append(x.b, rows.b...)
	l.tail(c, x)
	x.close("ListMultipartUploadsResult")
	x.send(c, http.StatusOK)
	return nil
}

// upload writes a row of ListMultipartUploads.
func (x *xmlWriter) upload(c *call, id string, u *upload) {
	x.open("Upload")
	x.element("Key", c.encode(u.key))
	x.element("UploadId", id)
	x.element("StorageClass", u.draft.storageClass())
	x.element("Initiated", u.begun.Format(xmlTime))
	x.some("ChecksumAlgorithm", u.draft.sum.algorithm)
	x.some("ChecksumType", u.draft.sum.kind)
	x.close("Upload")
}

// listParts gives the parts of an upload that have come so far, by number.
func (s *Server) listParts(c *call) error {
	limit, err := s.pageLimit(c, "max-parts")
	if err != nil {
		return err
	}
	marker := 0
	if text := c.query.Get("part-number-marker"); text != "" {
		if marker, err = strconv.Atoi(text); err != nil || marker < 0 {
			return invalidArgument("Argument part-number-marker must be an integer between 0 and 2147483647").with("ArgumentName", "part-number-marker")
		}
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	_, u, err := s.uploadOf(c)
	if err != nil {
		return err
	}
	numbers := slices.Sorted(maps.Keys(u.parts))
	numbers = numbers[sort.SearchInts(numbers, marker+1):]
	truncated := len(numbers) > limit
	numbers = numbers[:min(limit, len(numbers))]
	x := newXML()
	x.root("ListPartsResult")
	x.element("Bucket", c.bucket)
	x.element("Key", c.key)
	x.element("UploadId", c.query.Get("uploadId"))
	x.element("StorageClass", u.draft.storageClass())
	x.element("PartNumberMarker", strconv.Itoa(marker))
	if n := len(numbers); n > 0 {
		x.element("NextPartNumberMarker", strconv.Itoa(numbers[n-1]))
	}
	x.element("MaxParts", strconv.Itoa(limit))
	x.element("IsTruncated", strconv.FormatBool(truncated && limit > 0))
	for _, n := range numbers {
		p := u.parts[n]
		x.open("Part")
		x.element("PartNumber", strconv.Itoa(n))
		x.element("LastModified", p.modified.Format(xmlTime))
		x.element("ETag", `"`+p.etag+`"`)
		x.element("Size", strconv.Itoa(len(p.body)))
		x.close("Part")
	}
	x.close("ListPartsResult")
	x.send(c, http.StatusOK)
	return nil
}
