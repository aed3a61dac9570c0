package retry

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"strconv"
	"time"
)

// Status judges an HTTP status: throttling is 429 and 503, passing faults are
// 408 and the other 5xx, but for 501 and 505, which say "never".
func Status(code int) Verdict {
	switch code {
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		return Slow
	case http.StatusRequestTimeout:
		return Again
	case http.StatusNotImplemented, http.StatusHTTPVersionNotSupported:
		return Stop
	}
	if code >= 500 {
		return Again
	}
	return Stop
}

// Network judges an error that came instead of an answer, or in the middle of
// one: resets, refusals, timeouts and cut connections pass; certificates that
// do not fit and names that do not exist do not. What it does not know passes
// too: the attempts bound it.
func Network(err error) Verdict {
	var (
		dns         *net.DNSError
		unknownCA   x509.UnknownAuthorityError
		wrongHost   x509.HostnameError
		invalidCert x509.CertificateInvalidError
		verify      *tls.CertificateVerificationError
		notTLS      tls.RecordHeaderError
	)
	switch {
	case errors.Is(err, context.Canceled):
		return Stop
	case errors.As(err, &dns):
		if dns.IsNotFound {
			return Stop
		}
	case errors.As(err, &unknownCA), errors.As(err, &wrongHost), errors.As(err, &invalidCert),
		errors.As(err, &verify), errors.As(err, &notTLS):
		return Stop
	}
	return Again
}

// After reads a Retry-After header, in seconds or as a date; 0 if there is none
// or it makes no sense.
func After(header string, now time.Time) time.Duration {
	if header == "" {
		return 0
	}
	if s, err := strconv.Atoi(header); err == nil {
		return max(0, min(time.Duration(min(s, 86400))*time.Second, longestAsked))
	}
	t, err := http.ParseTime(header)
	if err != nil {
		return 0
	}
	return max(0, min(t.Sub(now), longestAsked))
}
