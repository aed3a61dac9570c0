package s3

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"cooper"
	"cooper/internal/store"
)

// Headers that both requests and answers have.
const (
	headerClass     = "X-Amz-Storage-Class"
	headerRedirect  = "X-Amz-Website-Redirect-Location"
	headerSSE       = "X-Amz-Server-Side-Encryption"
	headerKMSKey    = "X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id"
	headerBucketKey = "X-Amz-Server-Side-Encryption-Bucket-Key-Enabled"
	headerLockMode  = "X-Amz-Object-Lock-Mode"
	headerLockUntil = "X-Amz-Object-Lock-Retain-Until-Date"
	headerHold      = "X-Amz-Object-Lock-Legal-Hold"
)

// description says in headers what p is, beside its bytes and the condition.
// now is the time at which a retention may have ended.
func description(p *store.Put, now time.Time) http.Header {
	h := make(http.Header, 4+len(p.Metadata))
	set := func(name, value string) {
		if value != "" {
			h[name] = []string{value}
		}
	}
	set("Content-Type", p.ContentType)
	for k, v := range p.Metadata {
		h.Set(metadataPrefix+k, v)
	}
	set("Content-Encoding", p.Headers.ContentEncoding)
	set("Cache-Control", p.Headers.CacheControl)
	set("Content-Disposition", p.Headers.ContentDisposition)
	set("Content-Language", p.Headers.ContentLanguage)
	set("Expires", p.Headers.Expires)
	set(headerRedirect, p.Headers.Redirect)
	set(headerClass, p.StorageClass)
	set("X-Amz-Tagging", tagging(p.Tags))
	set(headerSSE, p.Encryption.Method)
	set(headerKMSKey, p.Encryption.KMSKey)
	if p.Encryption.BucketKey {
		set(headerBucketKey, "true")
	}
	for name, value := range grantHeaders(p.Grants) {
		set(name, value)
	}
	if p.Lock.Mode != "" && p.Lock.Until > cooper.InstantOf(now) {
		set(headerLockMode, p.Lock.Mode)
		set(headerLockUntil, p.Lock.Until.Time().Format("2006-01-02T15:04:05.000Z"))
	}
	if p.Lock.LegalHold {
		set(headerHold, "ON")
	}
	return h
}

// condition adds to h under which condition p may be stored.
func condition(h http.Header, p *store.Put) {
	if p.IfNoneMatch {
		h["If-None-Match"] = []string{"*"}
	}
	if p.IfMatch != "" {
		h["If-Match"] = []string{`"` + p.IfMatch + `"`}
	}
}

// tagging writes tags as a query, sorted.
func tagging(tags map[string]string) string {
	if len(tags) == 0 {
		return ""
	}
	q := make(params, 0, len(tags))
	for k, v := range tags {
		q = append(q, [2]string{k, v})
	}
	return q.encode()
}

// permissions are what a grant can give, and the header that gives it.
var permissions = map[string]string{
	"FULL_CONTROL": "X-Amz-Grant-Full-Control",
	"READ":         "X-Amz-Grant-Read",
	"READ_ACP":     "X-Amz-Grant-Read-Acp",
	"WRITE_ACP":    "X-Amz-Grant-Write-Acp",
}

// grantHeaders names, for each permission, who has it.
func grantHeaders(grants []store.Grant) map[string]string {
	if len(grants) == 0 {
		return nil
	}
	to := map[string][]string{}
	for _, g := range grants {
		name := permissions[g.Permission]
		switch {
		case g.ID != "":
			to[name] = append(to[name], `id="`+g.ID+`"`)
		case g.URI != "":
			to[name] = append(to[name], `uri="`+g.URI+`"`)
		default:
			to[name] = append(to[name], `emailAddress="`+g.Email+`"`)
		}
	}
	h := make(map[string]string, len(to))
	for name, who := range to {
		slices.Sort(who)
		h[name] = strings.Join(slices.Compact(who), ", ")
	}
	return h
}

// checkDescription says what of p no header can carry; empty if all is well.
func checkDescription(p *store.Put) string {
	for _, v := range []string{
		p.ContentType, p.Headers.ContentEncoding, p.Headers.CacheControl, p.Headers.ContentDisposition, p.Headers.ContentLanguage,
		p.Headers.Expires, p.Headers.Redirect, p.StorageClass, p.Encryption.Method, p.Encryption.KMSKey, p.Lock.Mode, p.IfMatch,
	} {
		if !printable(v) {
			return "a header that cannot be sent: " + cooper.Quote(v)
		}
	}
	for k, v := range p.Metadata {
		if !token(k) || !printable(v) {
			return "metadata that cannot be sent: " + cooper.Quote(k) + "=" + cooper.Quote(v)
		}
	}
	for _, g := range p.Grants {
		given := 0
		for _, who := range []string{g.ID, g.URI, g.Email} {
			if who != "" {
				given++
			}
			if !printable(who) || strings.ContainsAny(who, `"\`) {
				return "a grant that cannot be sent, to " + cooper.Quote(who)
			}
		}
		if given != 1 || permissions[g.Permission] == "" {
			return "a grant of " + cooper.Quote(g.Permission) + " that makes no sense"
		}
	}
	switch {
	case p.Lock.Mode != "" && p.Lock.Until == 0:
		return "a retention without end"
	case p.Encryption.Method == "" && (p.Encryption.KMSKey != "" || p.Encryption.BucketKey):
		return "a key of KMS without KMS"
	case p.IfNoneMatch && p.IfMatch != "":
		return "conditions that exclude each other"
	}
	return ""
}

// sameMetadata tells whether an object has the metadata that p gave it.
func sameMetadata(o store.Object, p *store.Put) bool {
	if len(o.Metadata) != len(p.Metadata) {
		return false
	}
	lower := make(map[string]string, len(p.Metadata))
	for k, v := range p.Metadata {
		lower[strings.ToLower(k)] = strings.TrimSpace(v)
	}
	return maps.Equal(o.Metadata, lower)
}
