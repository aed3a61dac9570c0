package mem

import (
	"encoding/xml"
	"maps"
	"net/http"
	"net/url"
	"slices"

	"cooper/internal/store"
)

// subresources are operations that a name in the query tells; those that this
// server does not know must not be mistaken for others.
var subresources = map[string]struct{ bucketGet, bucketPut, objectGet, objectPut string }{
	"acl":               {bucketGet: "GetBucketAcl", objectGet: "GetObjectAcl"},
	"encryption":        {bucketGet: "GetBucketEncryption"},
	"object-lock":       {bucketGet: "GetObjectLockConfiguration"},
	"ownershipControls": {bucketGet: "GetBucketOwnershipControls"},
	"tagging":           {objectGet: "GetObjectTagging", objectPut: "PutObjectTagging"},

	"legal-hold":          {objectGet: "GetObjectLegalHold"},
	"retention":           {objectGet: "GetObjectRetention"},
	"lifecycle":           {bucketGet: "GetBucketLifecycleConfiguration", bucketPut: "PutBucketLifecycleConfiguration"},
	"intelligent-tiering": {bucketGet: "ListBucketIntelligentTieringConfigurations", bucketPut: "PutBucketIntelligentTieringConfiguration"},

	"accelerate": {}, "analytics": {}, "attributes": {}, "cors": {}, "inventory": {},
	"logging": {}, "metrics": {}, "notification": {}, "policy": {}, "policyStatus": {}, "publicAccessBlock": {},
	"replication": {}, "requestPayment": {}, "select": {}, "torrent": {}, "website": {},
}

// subresource names the operation on a sub-resource; false if the query has
// none.
func subresource(method, key string, q url.Values) (op string, ok bool) {
	for name := range q {
		s, known := subresources[name]
		if !known {
			continue
		}
		switch {
		case !only(q, name, "versionId", "x-id") && !(name == "intelligent-tiering" && key == "" && only(q, name, "id", "x-id", "continuation-token") && q.Has("id") == (method == http.MethodPut)):
		case method == http.MethodGet && key == "":
			op = s.bucketGet
		case method == http.MethodPut && key == "":
			op = s.bucketPut
		case method == http.MethodGet:
			op = s.objectGet
		case method == http.MethodPut && key != "":
			op = s.objectPut
		}
		if op == "" {
			op = Unknown
		}
		return op, true
	}
	return "", false
}

// only tells whether a query has these names at most.
func only(q url.Values, names ...string) bool {
	for name := range q {
		if !slices.Contains(names, name) {
			return false
		}
	}
	return true
}

// The settings of bucket ownership that decide about ACLs.
const (
	ownerEnforced = "BucketOwnerEnforced" // ACLs are off: what new buckets have
	objectWriter  = "ObjectWriter"        // ACLs count
)

func (b *bucket) ownerEnforced() bool { return !b.acls }

// SetACLs says whether the ACLs of a bucket's versions count; they do not in a
// new bucket.
func (s *Server) SetACLs(bucket string, on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mustBucket(bucket).acls = on
}

// SetEncryption sets how a bucket encrypts what comes without a wish.
func (s *Server) SetEncryption(bucket string, e store.Encryption) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := inventoryNames[e.Method]; !ok {
		panic("mem: no encryption " + e.Method)
	}
	s.mustBucket(bucket).encryption = e
}

// EnableLock enables object lock, and versioning with it, for good.
func (s *Server) EnableLock(bucket string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.mustBucket(bucket)
	b.lock, b.versioning = true, enabled
}

// Protect puts a version under an object lock, or ends one.
func (s *Server) Protect(bucket, key, id string, l store.Lock) {
	s.change(bucket, key, id, func(v *version) { v.lock = l })
}

// bucketDocument answers with a document about a bucket.
func (s *Server) bucketDocument(c *call, write func(*bucket, *xmlWriter) error) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	b, err := s.bucketOf(c)
	if err != nil {
		return err
	}
	x := newXML()
	if err := write(b, x); err != nil {
		return err
	}
	x.send(c, http.StatusOK)
	return nil
}

func (s *Server) getBucketEncryption(c *call) error {
	return s.bucketDocument(c, func(b *bucket, x *xmlWriter) error {
		x.root("ServerSideEncryptionConfiguration")
		x.open("Rule")
		x.open("ApplyServerSideEncryptionByDefault")
		method := b.encryption.Method
		if method == "" {
			method = "AES256"
		}
		x.element("SSEAlgorithm", method)
		x.some("KMSMasterKeyID", b.encryption.KMSKey)
		x.close("ApplyServerSideEncryptionByDefault")
		if b.encryption.BucketKey {
			x.element("BucketKeyEnabled", "true")
		}
		x.close("Rule")
		x.close("ServerSideEncryptionConfiguration")
		return nil
	})
}

func (s *Server) getObjectLockConfiguration(c *call) error {
	return s.bucketDocument(c, func(b *bucket, x *xmlWriter) error {
		switch {
		case b.lock:
		case c.has(LockInvalid):
			return fail(http.StatusBadRequest, "InvalidRequest", "Bucket is missing Object Lock Configuration")
		default:
			return fail(http.StatusNotFound, "ObjectLockConfigurationNotFoundError", "Object Lock configuration does not exist for this bucket").with("BucketName", c.bucket)
		}
		x.root("ObjectLockConfiguration")
		x.element("ObjectLockEnabled", enabled)
		x.close("ObjectLockConfiguration")
		return nil
	})
}

func (s *Server) getBucketOwnershipControls(c *call) error {
	return s.bucketDocument(c, func(b *bucket, x *xmlWriter) error {
		x.root("OwnershipControls")
		x.open("Rule")
		if b.ownerEnforced() {
			x.element("ObjectOwnership", ownerEnforced)
		} else {
			x.element("ObjectOwnership", objectWriter)
		}
		x.close("Rule")
		x.close("OwnershipControls")
		return nil
	})
}

func (s *Server) getBucketACL(c *call) error {
	return s.bucketDocument(c, func(_ *bucket, x *xmlWriter) error {
		x.acl(c, []store.Grant{{ID: Owner, Permission: fullControl}})
		return nil
	})
}

func (s *Server) getObjectACL(c *call) error {
	v, versioned, err := s.lookup(c)
	if err != nil {
		return err
	}
	if versioned {
		c.w.Header()["X-Amz-Version-Id"] = []string{v.id}
	}
	x := newXML()
	x.acl(c, v.acl())
	x.send(c, http.StatusOK)
	return nil
}

// acl writes an AccessControlPolicy.
func (x *xmlWriter) acl(c *call, grants []store.Grant) {
	owner := Owner
	if c.has(GrantWithoutID) {
		owner, grants = "", []store.Grant{{Permission: fullControl}}
	}
	x.root("AccessControlPolicy")
	x.open("Owner")
	x.element("ID", owner)
	x.close("Owner")
	x.open("AccessControlList")
	for _, g := range grants {
		x.open("Grant")
		kind := "CanonicalUser"
		switch {
		case g.URI != "":
			kind = "Group"
		case g.Email != "":
			kind = "AmazonCustomerByEmail"
		}
		x.open(`Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="` + kind + `"`)
		x.some("ID", g.ID)
		x.some("URI", g.URI)
		x.some("EmailAddress", g.Email)
		x.close("Grantee")
		x.element("Permission", g.Permission)
		x.close("Grant")
	}
	x.close("AccessControlList")
	x.close("AccessControlPolicy")
}

func (s *Server) getObjectTagging(c *call) error {
	v, versioned, err := s.lookup(c)
	if err != nil {
		return err
	}
	if versioned {
		c.w.Header()["X-Amz-Version-Id"] = []string{v.id}
	}
	x := newXML()
	x.root("Tagging")
	x.open("TagSet")
	for _, k := range slices.Sorted(maps.Keys(v.tags)) {
		x.open("Tag")
		x.element("Key", k)
		x.element("Value", v.tags[k])
		x.close("Tag")
	}
	x.close("TagSet")
	x.close("Tagging")
	x.send(c, http.StatusOK)
	return nil
}

func (s *Server) putObjectTagging(c *call) error {
	id, err := c.versionArg()
	if err != nil {
		return err
	}
	doc, err := c.document()
	if err != nil {
		return err
	}
	var req struct {
		TagSet struct {
			Tag []struct{ Key, Value string }
		}
	}
	if xml.Unmarshal(doc, &req) != nil {
		return errMalformedXML
	}
	tags := map[string]string{}
	for _, t := range req.TagSet.Tag {
		if _, twice := tags[t.Key]; twice {
			return fail(http.StatusBadRequest, "InvalidTag", "Cannot provide multiple Tags with the same key")
		}
		tags[t.Key] = t.Value
	}
	if err := checkTags(tags); err != nil {
		return err
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
	v := *old
	v.tags = tags
	b.swap(c.key, &v)
	c.w.WriteHeader(http.StatusOK)
	return nil
}
