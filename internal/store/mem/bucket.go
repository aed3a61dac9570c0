package mem

import (
	"encoding/xml"
	"maps"
	"net/http"
	"slices"
)

func (s *Server) listBuckets(c *call) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	x := newXML()
	x.root("ListAllMyBucketsResult")
	x.open("Buckets")
	for _, name := range slices.Sorted(maps.Keys(s.buckets)) {
		x.open("Bucket")
		x.element("Name", name)
		x.element("CreationDate", s.buckets[name].created.Format(xmlTime))
		x.close("Bucket")
	}
	x.close("Buckets")
	x.close("ListAllMyBucketsResult")
	x.send(c, http.StatusOK)
	return nil
}

func (s *Server) createBucket(c *call) error {
	var req struct{ LocationConstraint string }
	doc, err := c.document()
	if err != nil {
		return err
	}
	if len(doc) > 0 && xml.Unmarshal(doc, &req) != nil {
		return errMalformedXML
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.buckets[c.bucket] != nil {
		return fail(http.StatusConflict, "BucketAlreadyOwnedByYou", "Your previous request to create the named bucket succeeded and you already own it.").with("BucketName", c.bucket)
	}
	b := newBucket("", s.now())
	b.region = req.LocationConstraint
	s.buckets[c.bucket] = b
	c.w.Header()["Location"] = []string{"/" + c.bucket}
	c.w.WriteHeader(http.StatusOK)
	return nil
}

func (s *Server) deleteBucket(c *call) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	b, err := s.bucketOf(c)
	if err != nil {
		return err
	}
	if len(b.entries) > 0 {
		return fail(http.StatusConflict, "BucketNotEmpty", "The bucket you tried to delete is not empty. You must delete all versions in the bucket.").with("BucketName", c.bucket)
	}
	delete(s.buckets, c.bucket)
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}

// inRegion is where a bucket is.
func (b *bucket) inRegion() string {
	if b.region == "" {
		return DefaultRegion
	}
	return b.region
}

func (s *Server) headBucket(c *call) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	b, err := s.bucketOf(c)
	if err != nil {
		return err
	}
	c.w.Header()["X-Amz-Bucket-Region"] = []string{b.inRegion()}
	c.w.WriteHeader(http.StatusOK)
	return nil
}

func (s *Server) getBucketLocation(c *call) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	b, err := s.bucketOf(c)
	if err != nil {
		return err
	}
	x := newXML()
	x.root("LocationConstraint")
	if b.inRegion() != DefaultRegion { // S3 says nothing for us-east-1
		x.text(b.region)
	}
	x.close("LocationConstraint")
	x.send(c, http.StatusOK)
	return nil
}

func (s *Server) getBucketVersioning(c *call) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	b, err := s.bucketOf(c)
	if err != nil {
		return err
	}
	x := newXML()
	x.root("VersioningConfiguration")
	x.some("Status", b.versioning)
	x.close("VersioningConfiguration")
	x.send(c, http.StatusOK)
	return nil
}

func (s *Server) putBucketVersioning(c *call) error {
	doc, err := c.document()
	if err != nil {
		return err
	}
	var req struct{ Status string }
	if xml.Unmarshal(doc, &req) != nil {
		return errMalformedXML
	}
	if req.Status != enabled && req.Status != suspended {
		return fail(http.StatusBadRequest, "IllegalVersioningConfigurationException", "The Versioning element must be specified")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	b, err := s.bucketOf(c)
	if err != nil {
		return err
	}
	if b.lock && req.Status != enabled {
		return fail(http.StatusConflict, "InvalidBucketState", "An Object Lock configuration is present on this bucket, so the versioning state cannot be changed.")
	}
	b.versioning = req.Status
	c.w.WriteHeader(http.StatusOK)
	return nil
}
