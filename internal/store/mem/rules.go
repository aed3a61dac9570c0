package mem

import (
	"encoding/xml"
	"maps"
	"net/http"
	"slices"

	"cooper/internal/store"
)

// GetObjectRetention and GetObjectLegalHold.

var errNoLock = fail(http.StatusBadRequest, "InvalidRequest", "Bucket is missing Object Lock Configuration")

// locked finds the version whose lock a request asks for.
func (s *Server) locked(c *call) (store.Lock, error) {
	s.mu.RLock()
	b, err := s.bucketOf(c)
	enabled := err == nil && b.lock
	s.mu.RUnlock()
	if err != nil {
		return store.Lock{}, err
	}
	v, _, err := s.lookup(c)
	switch {
	case err != nil:
		return store.Lock{}, err
	case !enabled:
		return store.Lock{}, errNoLock
	}
	return v.lock, nil
}

var errNotLocked = fail(http.StatusNotFound, "NoSuchObjectLockConfiguration", "The specified object does not have a ObjectLock configuration")

func (s *Server) getObjectRetention(c *call) error {
	l, err := s.locked(c)
	switch {
	case err != nil:
		return err
	case l.Mode == "":
		return errNotLocked
	}
	x := newXML()
	x.root("Retention")
	x.element("Mode", l.Mode)
	x.element("RetainUntilDate", l.Until.Time().Format(xmlTime))
	x.close("Retention")
	x.send(c, http.StatusOK)
	return nil
}

func (s *Server) getObjectLegalHold(c *call) error {
	l, err := s.locked(c)
	switch {
	case err != nil:
		return err
	case !l.LegalHold:
		return errNotLocked
	}
	x := newXML()
	x.root("LegalHold")
	x.element("Status", "ON")
	x.close("LegalHold")
	x.send(c, http.StatusOK)
	return nil
}

// Rules of lifecycle and Intelligent-Tiering are kept and given back as they came;
// nothing is done by them: see SetClass.

// lifecycle is all of a rule that is looked at.
type lifecycle struct {
	XMLName xml.Name `xml:"LifecycleConfiguration"`
	Rule    []struct{ Status string }
}

func (s *Server) putLifecycle(c *call) error {
	doc, err := c.document()
	if err != nil {
		return err
	}
	var req lifecycle
	if xml.Unmarshal(doc, &req) != nil || len(req.Rule) == 0 {
		return errMalformedXML
	}
	return s.configure(c, func(b *bucket) { b.lifecycle = doc })
}

func (s *Server) getLifecycle(c *call) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	b, err := s.bucketOf(c)
	switch {
	case err != nil:
		return err
	case b.lifecycle == nil:
		return fail(http.StatusNotFound, "NoSuchLifecycleConfiguration", "The lifecycle configuration does not exist").with("BucketName", c.bucket)
	}
	(&xmlWriter{b.lifecycle}).send(c, http.StatusOK)
	return nil
}

func (s *Server) putTiering(c *call) error {
	doc, err := c.document()
	if err != nil {
		return err
	}
	var req struct {
		XMLName xml.Name `xml:"IntelligentTieringConfiguration"`
		Id      string
		Inner   string `xml:",innerxml"`
	}
	id := c.query.Get("id")
	if xml.Unmarshal(doc, &req) != nil || req.Id == "" || req.Id != id {
		return errMalformedXML
	}
	return s.configure(c, func(b *bucket) {
		if b.tierings == nil {
			b.tierings = map[string]string{}
		}
		b.tierings[id] = req.Inner
	})
}

// configure changes what a bucket is set to.
func (s *Server) configure(c *call, change func(*bucket)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	b, err := s.bucketOf(c)
	if err != nil {
		return err
	}
	change(b)
	c.w.WriteHeader(http.StatusOK)
	return nil
}

func (s *Server) listTierings(c *call) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	b, err := s.bucketOf(c)
	if err != nil {
		return err
	}
	after := c.query.Get("continuation-token")
	x := newXML()
	x.root("ListBucketIntelligentTieringConfigurationsOutput")
	rows := 0
	for _, id := range slices.Sorted(maps.Keys(b.tierings)) {
		if id <= after {
			continue
		}
		if rows++; rows > s.opts.PageSize {
			break
		}
		x.open("IntelligentTieringConfiguration")
		x.b = append(x.b, b.tierings[id]...)
		x.close("IntelligentTieringConfiguration")
		after = id
	}
	if rows > s.opts.PageSize {
		x.element("IsTruncated", "true")
		x.element("NextContinuationToken", after)
	} else {
		x.element("IsTruncated", "false")
	}
	x.close("ListBucketIntelligentTieringConfigurationsOutput")
	x.send(c, http.StatusOK)
	return nil
}
