package mem

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// The parameters by which a presigned address is known.
const (
	presignedAlgorithm = "X-Amz-Algorithm"
	presignedSignature = "X-Amz-Signature"
)

// presigned reads a signature that stands in the query, and refuses one whose time is over.
func (s *Server) presigned(c *call) (signature, error) {
	malformed := func(what string) error {
		return fail(http.StatusBadRequest, "AuthorizationQueryParametersError", what)
	}
	get := c.query.Get
	sig, ok := parseSignature(signatureAlgorithm + " Credential=" + get("X-Amz-Credential") + ",SignedHeaders=" + get("X-Amz-SignedHeaders") + ",Signature=" + get(presignedSignature))
	at, err := time.Parse("20060102T150405Z", get("X-Amz-Date"))
	seconds, serr := strconv.Atoi(get("X-Amz-Expires"))
	switch {
	case get(presignedAlgorithm) != signatureAlgorithm || !ok || err != nil || serr != nil || !strings.HasPrefix(get("X-Amz-Date"), sig.date):
		return sig, malformed("Query-string authentication requires the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters.")
	case seconds < 0 || seconds > 7*24*3600:
		return sig, malformed("X-Amz-Expires must be between 0 and 604800 seconds")
	}
	now := s.now()
	if at.After(now.Add(15 * time.Minute)) {
		return sig, fail(http.StatusForbidden, "AccessDenied", "Request is not valid yet")
	}
	if now.After(at.Add(time.Duration(seconds) * time.Second)) {
		return sig, fail(http.StatusForbidden, "AccessDenied", "Request has expired").with("X-Amz-Expires", strconv.Itoa(seconds))
	}
	return sig, nil
}
