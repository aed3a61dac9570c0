package s3

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/credentials/ssocreds"

	"cooper"
	"cooper/internal/store/retry"
)

// failure is what one attempt came to when it did not succeed: an answer that
// says no, or no answer.
type failure struct {
	status    int    // of the answer; 0 without one
	code      string // S3's name for it; empty where the answer had no body
	message   string
	asked     string // what was sent: the method and what of the object it is about
	requestID string
	region    string        // the region that the store says is right
	after     time.Duration // Retry-After
	marker    bool          // the version is a delete marker
	// err is why there was no answer, or none that made sense.
	err error
	// credentials: err came from the credential chain, nothing was sent.
	credentials bool
	// malformed: the answer made no sense; another one may.
	malformed bool
	// foreign: the answer is to another question, as of a store that does not know
	// the one it was asked.
	foreign bool
	// corrupt: the store has other bytes than were sent.
	corrupt bool
	// renewed: the token had expired, and the next attempt will have another.
	renewed bool
}

func (f *failure) Error() string {
	switch {
	case f.credentials:
		return "no usable credentials: " + f.err.Error()
	case f.corrupt:
		return "the bytes were damaged: " + f.err.Error()
	case f.malformed, f.foreign:
		return "the store's answer makes no sense: " + f.err.Error()
	case f.err != nil:
		return "no whole answer from the store: " + f.err.Error()
	}
	var b strings.Builder
	fmt.Fprintf(&b, "the store answered %d", f.status)
	if f.code != "" {
		b.WriteString(" " + f.code)
	} else if t := http.StatusText(f.status); t != "" {
		b.WriteString(" " + t)
	}
	if f.asked != "" {
		b.WriteString(" to " + f.asked)
	}
	if f.message != "" {
		b.WriteString(" (" + strings.TrimRight(f.message, ". ") + ")")
	}
	if f.marker {
		b.WriteString(", it is a delete marker")
	}
	if f.requestID != "" {
		b.WriteString(", request " + f.requestID)
	}
	return b.String()
}

func (f *failure) Unwrap() error { return f.err }

// asked names a request, as documentation does: GET, GET ?acl, PUT ?partNumber.
// Key and version are named by the error.
func asked(r *http.Request) string {
	if r == nil || r.URL == nil {
		return ""
	}
	query := r.URL.Query()
	for _, name := range slices.Sorted(maps.Keys(query)) {
		if query.Get(name) == "" && name != "prefix" && name != "delimiter" || name == "partNumber" || name == "list-type" {
			return r.Method + " ?" + clip(name, 50)
		}
	}
	return r.Method
}

// maxErrorBody bounds the body of an answer that is no success: S3's are small,
// what is longer is not from S3.
const maxErrorBody = 64 << 10

// failureOf reads an answer that is no success and closes its body.
func failureOf(res *http.Response, now time.Time) *failure {
	f := &failure{
		status:    res.StatusCode,
		asked:     asked(res.Request),
		requestID: clip(res.Header.Get("X-Amz-Request-Id"), 100),
		region:    clip(res.Header.Get("X-Amz-Bucket-Region"), 100),
		after:     retry.After(res.Header.Get("Retry-After"), now),
		marker:    res.Header.Get("X-Amz-Delete-Marker") == "true",
	}
	// A body that cannot be read says no more than the status does.
	b, _ := io.ReadAll(res.Body)
	_ = res.Body.Close()
	f.read(b)
	return f
}

// read takes what an error document says; anything else is left alone.
func (f *failure) read(b []byte) {
	var doc struct {
		XMLName   xml.Name `xml:"Error"`
		Code      string
		Message   string
		RequestID string `xml:"RequestId"`
		Region    string
	}
	if xml.Unmarshal(b, &doc) != nil {
		return
	}
	f.code, f.message = clip(doc.Code, 100), clip(doc.Message, 500)
	if f.requestID == "" {
		f.requestID = clip(doc.RequestID, 100)
	}
	if f.region == "" {
		f.region = clip(doc.Region, 100)
	}
}

// clip makes outside text fit for a message: bounded and printable.
func clip(s string, n int) string {
	if len(s) > n {
		s = s[:n]
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == utf8.RuneError {
			return -1
		}
		return r
	}, s)
}

// judge says whether a failure passes.
func judge(err error) (retry.Verdict, time.Duration) {
	var f *failure
	if !errors.As(err, &f) {
		return retry.Stop, 0
	}
	switch {
	case f.credentials:
		var login *ssocreds.InvalidTokenError
		if errors.As(f.err, &login) {
			return retry.Stop, 0
		}
		return retry.Network(f.err), 0
	case f.malformed, f.corrupt, f.renewed:
		return retry.Again, 0
	case f.foreign:
		return retry.Stop, 0
	case f.err != nil:
		return retry.Network(f.err), 0
	}
	switch f.code {
	case "SlowDown", "Throttling", "ThrottlingException", "RequestThrottled", "RequestThrottledException",
		"ThrottledException", "TooManyRequestsException", "RequestLimitExceeded", "BandwidthLimitExceeded":
		return retry.Slow, f.after
	case "InternalError", "RequestTimeout", "OperationAborted", "ConditionalRequestConflict", "IncompleteBody",
		// Bytes were damaged on their way.
		"BadDigest", "XAmzContentSHA256Mismatch":
		return retry.Again, f.after
	}
	return retry.Status(f.status), f.after
}

// final turns what is left after all attempts into an error for a person.
func final(err error, where string) error {
	var f *failure
	if !errors.As(err, &f) {
		var ce *cooper.Error
		if errors.As(err, &ce) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
			return err
		}
		return &cooper.Error{Kind: cooper.KindInternal, Where: where, Err: err}
	}
	kind, remedy := f.meaning()
	e := &cooper.Error{Kind: kind, Where: where, Remedy: remedy, Err: f}
	if kind == cooper.KindChanged {
		e.Message = "is not what it was expected to be: somebody has written there since"
	}
	return e
}

// meaning classes a failure by what a person can do about it.
func (f *failure) meaning() (cooper.Kind, string) {
	switch {
	case f.credentials:
		return cooper.KindUsage, "log in again (for example: aws sso login), then run the same command"
	case f.corrupt:
		return cooper.KindCorrupt, ""
	case f.malformed, f.foreign:
		return cooper.KindInvalid, "check that the endpoint is an S3 store"
	case errors.Is(f.err, os.ErrDeadlineExceeded), errors.Is(f.err, context.DeadlineExceeded):
		return cooper.KindTimeout, ""
	case f.err != nil:
		return cooper.KindStore, ""
	}
	if v, _ := judge(f); v == retry.Slow {
		return cooper.KindStore, "the store has refused every request for minutes: try again later"
	}
	if kind, remedy, ok := f.codeMeaning(); ok {
		return kind, remedy
	}
	switch f.status {
	case http.StatusNotFound, http.StatusGone:
		return cooper.KindMissing, ""
	case http.StatusMethodNotAllowed:
		if f.marker {
			return cooper.KindMissing, ""
		}
	case http.StatusForbidden, http.StatusUnauthorized:
		return cooper.KindDenied, "ask for the right to do this, or use another --profile"
	case http.StatusPreconditionFailed:
		return cooper.KindChanged, "a new plan takes up what is there now"
	case http.StatusConflict:
		return cooper.KindConflict, ""
	case http.StatusRequestTimeout:
		return cooper.KindTimeout, ""
	case http.StatusMovedPermanently, http.StatusTemporaryRedirect:
		return cooper.KindInvalid, regionRemedy(f.region)
	}
	if f.status >= 500 && f.status != http.StatusNotImplemented {
		return cooper.KindStore, "the store itself kept failing: try again later, and ask those who run it if it goes on"
	}
	return cooper.KindInvalid, ""
}

func (f *failure) codeMeaning() (kind cooper.Kind, remedy string, ok bool) {
	switch f.code {
	case "InvalidObjectState", "ObjectNotInActiveTierError":
		return cooper.KindArchived, "request a restore first", true
	// These are about the configuration, not about an object: they end a run.
	case "ExpiredToken", "TokenRefreshRequired", "InvalidToken":
		return cooper.KindUsage, "the credentials have expired: log in again (for example: aws sso login), then run the same command", true
	case "InvalidAccessKeyId", "SignatureDoesNotMatch":
		return cooper.KindUsage, "check the access key and its secret", true
	case "RequestTimeTooSkewed":
		return cooper.KindUsage, "set this machine's clock", true
	case "AuthorizationHeaderMalformed", "PermanentRedirect", "IllegalLocationConstraintException":
		return cooper.KindInvalid, regionRemedy(f.region), true
	case "NoSuchBucket":
		return cooper.KindMissing, "check the bucket's name and --endpoint-url", true
	case "InvalidBucketName":
		return cooper.KindUsage, "check the bucket's name", true
	case "RequestTimeout":
		return cooper.KindTimeout, "", true
	}
	if strings.HasPrefix(f.code, "KMS.") {
		return cooper.KindDenied, "ask for the right to use the bucket's KMS key", true
	}
	return "", "", false
}

func regionRemedy(region string) string {
	if region == "" {
		return "give the bucket's --region"
	}
	return "give --region " + region
}
