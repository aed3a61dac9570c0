package s3

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"cooper"
	"cooper/internal/store"
)

var _ store.Presigner = (*Bucket)(nil)

// presigner signs addresses. The zero presigner is of a bucket that has none.
type presigner struct {
	at     address
	signer *signer
}

// Presign implements store.Presigner.
func (b *Bucket) Presign(ctx context.Context, ref store.Ref, within time.Duration) (string, time.Time, error) {
	where := b.where(ref.Key, ref.VersionID)
	if err := checkRef(ref, where); err != nil {
		return "", time.Time{}, err
	}
	switch {
	case ref.IfMatch != "":
		return "", time.Time{}, &cooper.Error{Kind: cooper.KindUsage, Where: where, Message: "an address carries no condition"}
	case within < time.Second || within > store.MostPresigned:
		return "", time.Time{}, &cooper.Error{Kind: cooper.KindUsage, Where: where, Message: "an address is good for a second at least, and for " + store.MostPresigned.String() + " at most"}
	case b.presign.signer == nil:
		return "", time.Time{}, &cooper.Error{Kind: cooper.KindDenied, Where: where, Message: "addresses of this kind of bucket cannot be signed", Remedy: "Name the bucket itself, and no access point of many regions."}
	case b.creds == nil:
		return "", time.Time{}, &cooper.Error{Kind: cooper.KindDenied, Where: where, Message: "an address can be signed with credentials alone, and there are none", Remedy: "Give credentials that may read the bucket."}
	}
	c, err := b.creds.Retrieve(ctx)
	if err != nil {
		return "", time.Time{}, final(noAnswer(ctx, &failure{credentials: true, err: err}), where)
	}
	now := b.now().UTC().Truncate(time.Second)
	until := now.Add(within.Truncate(time.Second))
	if c.CanExpire && c.Expires.Before(until) { // the address does not outlive them
		if until = c.Expires.UTC().Truncate(time.Second); !until.After(now) {
			return "", time.Time{}, &cooper.Error{Kind: cooper.KindDenied, Where: where, Message: "the credentials have expired"}
		}
	}
	return b.presign.url(ref, c, now, until.Sub(now)), until, nil
}

// url signs an address by Signature Version 4, in the query.
// https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html
func (p *presigner) url(ref store.Ref, c aws.Credentials, now time.Time, within time.Duration) string {
	stamp := now.Format(longTime)
	date := stamp[:8]
	scope := date + "/" + p.signer.region + "/" + p.signer.service + "/aws4_request"
	q := params{
		{"X-Amz-Algorithm", algorithm}, {"X-Amz-Credential", c.AccessKeyID + "/" + scope}, {"X-Amz-Date", stamp},
		{"X-Amz-Expires", strconv.Itoa(int(within / time.Second))}, {"X-Amz-SignedHeaders", "host"},
	}
	if c.SessionToken != "" {
		q = append(q, [2]string{"X-Amz-Security-Token", c.SessionToken})
	}
	if ref.VersionID != "" {
		q = append(q, [2]string{"versionId", ref.VersionID})
	}
	u := p.at.url(ref.Key, q)
	canonical := sha256.Sum256([]byte(http.MethodGet + "\n" + u.EscapedPath() + "\n" + u.RawQuery + "\nhost:" + u.Host + "\n\nhost\nUNSIGNED-PAYLOAD"))
	mac := hmacSHA256(p.signer.signingKey(date, c.SecretAccessKey), algorithm+"\n"+stamp+"\n"+scope+"\n"+hex.EncodeToString(canonical[:]))
	u.RawQuery += "&X-Amz-Signature=" + hex.EncodeToString(mac)
	return u.String()
}
