package cooper

import (
	"net/url"
	"strings"
)

// Store says which store a bucket is in. A bucket of the same name in another
// one, or of another owner, is another bucket.
type Store struct {
	// Endpoint is the store's URL; empty for Amazon S3.
	Endpoint string `json:"endpoint"`
	// Owner is the canonical id of the bucket's owner; empty where nobody tells.
	Owner string `json:"owner,omitempty"`
}

// String names the store for a message.
func (s Store) String() string {
	if s.Endpoint == "" {
		return "Amazon S3"
	}
	return Quote(s.Endpoint)
}

// whose is String with the owner.
func (s Store) whose() string { return s.String() + " that " + Quote(s.Owner) + " owns" }

// Contradicts tells whether s and t cannot be the same store. What is not known,
// a nil or an owner, contradicts nothing.
func (s *Store) Contradicts(t *Store) bool {
	if s == nil || t == nil {
		return false
	}
	return placeOf(s.Endpoint) != placeOf(t.Endpoint) || s.Owner != "" && t.Owner != "" && s.Owner != t.Owner
}

// With is what s and t, which do not contradict each other, tell together; nil if
// neither tells anything.
func (s *Store) With(t *Store) *Store {
	switch {
	case s == nil:
		return t
	case t == nil || s.Owner != "" || t.Owner == "":
		return s
	}
	return &Store{Endpoint: s.Endpoint, Owner: t.Owner}
}

// placeOf is what endpoints of one store have in common: Amazon S3 has many of
// them, and a bucket's name is its own in all.
// https://docs.aws.amazon.com/general/latest/gr/s3.html
func placeOf(endpoint string) string {
	u, err := url.Parse(endpoint)
	if err != nil || endpoint == "" {
		return endpoint
	}
	scheme, host, port := strings.ToLower(u.Scheme), strings.ToLower(u.Hostname()), u.Port()
	if strings.HasSuffix(host, ".amazonaws.com") || strings.HasSuffix(host, ".amazonaws.com.cn") {
		return ""
	}
	if scheme == "http" && port == "80" || scheme == "https" && port == "443" {
		port = ""
	}
	return scheme + "://" + host + ":" + port + strings.TrimRight(u.Path, "/")
}

// AnotherStore refuses what belongs to one store at another. what is what is
// refused, such as "the tree follows the bucket"; where names it, and remedy is
// the next step.
func AnotherStore(where, what string, known, now *Store, remedy string) *Error {
	was, is := known.String(), now.String()
	if placeOf(known.Endpoint) == placeOf(now.Endpoint) {
		was, is = known.whose(), now.whose()
	}
	return &Error{Kind: KindRefused, Where: where, Remedy: remedy, Message: what + " at " + was + ", and this is the one at " + is}
}

// ParseURL takes s3://bucket/key apart; the key may be empty, and is not
// decoded: "s3://b/a%20b" means the key "a%20b".
func ParseURL(s string) (bucket, key string, err error) {
	rest, ok := strings.CutPrefix(s, "s3://")
	if !ok {
		return "", "", &Error{Kind: KindUsage, Where: QuoteURL(s),
			Message: "not an S3 address", Remedy: "write it as s3://BUCKET/KEY"}
	}
	if strings.HasPrefix(rest, "arn:") {
		// The resource of an access point's ARN has one slash of its own:
		// arn:aws:s3:REGION:ACCOUNT:accesspoint/NAME.
		if i := strings.Index(rest, ":accesspoint/"); i >= 0 {
			i += len(":accesspoint/")
			name, k, _ := strings.Cut(rest[i:], "/")
			if name != "" {
				return rest[:i] + name, k, nil
			}
		}
	}
	bucket, key, _ = strings.Cut(rest, "/")
	if bucket == "" {
		return "", "", &Error{Kind: KindUsage, Where: Quote(s),
			Message: "the address names no bucket", Remedy: "write it as s3://BUCKET/KEY"}
	}
	return bucket, key, nil
}
