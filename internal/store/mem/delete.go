package mem

import (
	"encoding/xml"
	"errors"
	"net/http"

	"cooper"
)

// removal is what deleting one key did.
type removal struct {
	version string // the version removed; empty if none was named
	marker  string // the delete marker written or removed
}

// erase deletes a key or one version of it, under the condition that the
// current version, and no other, has the ETag match, unless that is empty.
// Deleting what is not there is no error. The request
// may lift the lock of mode GOVERNANCE.
func (s *Server) erase(c *call, b *bucket, key, id, match string) (removal, error) {
	if match != "" {
		current := b.get(key, "")
		if current == nil || current.marker {
			return removal{}, errNoSuchKey.with("Key", key)
		}
		if !etagMatches(match, current.etag) {
			return removal{}, errPrecondition.with("Condition", "If-Match")
		}
	}
	if id == "" {
		if v := s.remove(b, key); v != nil {
			return removal{marker: v.id}, nil
		}
		return removal{}, nil
	}
	v := b.get(key, id)
	switch {
	case v != nil && v.protects(s.now(), c.bypasses()):
		return removal{}, errLocked
	case v == nil && c.has(UnknownIDRefused):
		return removal{}, invalidArgument("Invalid version id specified")
	case v == nil && c.has(RowsNoSuchVersion) && c.op == "DeleteObjects":
		return removal{}, fail(http.StatusNotFound, "NoSuchVersion", "The specified version does not exist.")
	}
	done := removal{version: id}
	if id == cooper.NullVersion && c.has(NullStays) {
		return done, nil
	}
	if c.has(RemovesAll) {
		defer func() {
			for b.entries[key] != nil {
				b.drop(key, b.entries[key][0].id)
			}
		}()
	}
	if v := b.drop(key, id); v != nil && v.marker {
		done.marker = v.id
	}
	return done, nil
}

func (s *Server) deleteObject(c *call) error {
	id, err := c.versionArg()
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	b, err := s.bucketOf(c)
	if err != nil {
		return err
	}
	match := c.r.Header.Get("If-Match")
	if c.has(DeleteMatchIgnored) {
		match = ""
	}
	done, err := s.erase(c, b, c.key, id, match)
	if err != nil {
		return err
	}
	h := c.w.Header()
	if done.marker != "" {
		h["X-Amz-Delete-Marker"] = []string{"true"}
		h["X-Amz-Version-Id"] = []string{done.marker}
	} else if done.version != "" {
		h["X-Amz-Version-Id"] = []string{done.version}
	}
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}

// bypasses tells whether a request asks to lift locks of mode GOVERNANCE.
func (c *call) bypasses() bool { return c.r.Header.Get("X-Amz-Bypass-Governance-Retention") == "true" }

// maxDeletes is the most keys that one DeleteObjects may name.
const maxDeletes = 1000

func (s *Server) deleteObjects(c *call) error {
	doc, err := c.document()
	if err != nil {
		return err
	}
	if c.r.Header.Get("Content-Md5") == "" {
		if algorithm, _ := declared(c.r.Header); algorithm == "" && c.r.Header.Get("X-Amz-Trailer") == "" {
			return fail(http.StatusBadRequest, "InvalidRequest", "Missing required header for this request: Content-MD5 OR x-amz-checksum-*")
		}
	}
	var req struct {
		Quiet  bool
		Object []struct{ Key, VersionId, ETag string }
	}
	if err := xml.Unmarshal(doc, &req); err != nil || len(req.Object) == 0 || len(req.Object) > maxDeletes {
		return errMalformedXML
	}
	for _, o := range req.Object {
		if o.VersionId == cooper.NullVersion && c.has(NullRowsFail) {
			return fail(http.StatusInternalServerError, "InternalError", "We encountered an internal error. Please try again.")
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	b, err := s.bucketOf(c)
	if err != nil {
		return err
	}
	x := newXML()
	x.root("DeleteResult")
	for _, o := range req.Object {
		done, err := removal{}, error(errDenied)
		if c.has(RowETagIgnored) {
			o.ETag = ""
		}
		if !b.isDenied(o.Key) {
			done, err = s.erase(c, b, o.Key, o.VersionId, o.ETag)
		}
		var f *failure
		switch {
		case errors.As(err, &f):
			x.open("Error")
			x.element("Key", o.Key)
			x.some("VersionId", o.VersionId)
			x.element("Code", f.code)
			x.element("Message", f.message)
			x.close("Error")
		case !req.Quiet:
			x.open("Deleted")
			x.element("Key", o.Key)
			if c.has(RowsWithoutIDs) {
				done = removal{}
			}
			x.some("VersionId", done.version)
			if done.marker != "" {
				x.element("DeleteMarker", "true")
				x.element("DeleteMarkerVersionId", done.marker)
			}
			x.close("Deleted")
		}
	}
	x.close("DeleteResult")
	x.send(c, http.StatusOK)
	return nil
}

// restoreObject answers RestoreObject: the copy is under way until a test
// calls CompleteRestore.
func (s *Server) restoreObject(c *call) error {
	id, err := c.versionArg()
	if err != nil {
		return err
	}
	doc, err := c.document()
	if err != nil {
		return err
	}
	var req struct {
		Days                 int
		Tier                 string
		GlacierJobParameters struct{ Tier string }
	}
	if err := xml.Unmarshal(doc, &req); err != nil {
		return errMalformedXML
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	b, err := s.bucketOf(c)
	if err != nil {
		return err
	}
	old, err := wanted(b, c.key, id)
	if err != nil {
		return err
	}
	described := cooper.Version{StorageClass: old.class, Tier: old.tier}
	forGood := old.class == "INTELLIGENT_TIERING"
	tier := req.GlacierJobParameters.Tier + req.Tier
	switch {
	case !described.Archived():
		return invalidState(old, "Restore is not allowed for the object's current storage class")
	case req.Days < 1 && !forGood, req.Days != 0 && forGood:
		return errMalformedXML
	case tier != "" && tier != "Standard" && tier != "Bulk" && tier != "Expedited":
		return errMalformedXML
	case tier == "Expedited" && old.class == "DEEP_ARCHIVE":
		return invalidArgument("Retrieval option is not supported by this storage class")
	case old.restore != nil && old.restore.until.IsZero():
		return fail(http.StatusConflict, "RestoreAlreadyInProgress", "Object restore is already in progress")
	}
	v := *old
	v.restore = &restore{days: req.Days}
	status := http.StatusAccepted
	if old.restored(s.now()) { // only its days change
		v.finishRestore(s.now())
		status = http.StatusOK
	}
	b.swap(c.key, &v)
	c.w.Header()["Content-Length"] = []string{"0"}
	c.w.WriteHeader(status)
	return nil
}
