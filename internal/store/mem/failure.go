package mem

import (
	"cmp"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"unicode/utf8"
)

// failure is an answer that refuses.
type failure struct {
	status        int
	code, message string
	fields        [][2]string // further elements of the XML answer
	header        http.Header
}

func (f *failure) Error() string { return f.code + ": " + f.message }

func fail(status int, code, message string) *failure {
	return &failure{status: status, code: code, message: message}
}

// with gives the failure with one more element.
func (f *failure) with(name, value string) *failure {
	g := *f
	g.fields = append(slices.Clip(f.fields), [2]string{name, value})
	return &g
}

// head gives the failure with one more header.
func (f *failure) head(name, value string) *failure {
	g := *f
	g.header = f.header.Clone()
	if g.header == nil {
		g.header = http.Header{}
	}
	g.header.Set(name, value)
	return &g
}

// The refusals that more than one operation gives.
var (
	errNoSuchBucket = fail(http.StatusNotFound, "NoSuchBucket", "The specified bucket does not exist")
	errNoSuchKey    = fail(http.StatusNotFound, "NoSuchKey", "The specified key does not exist.")
	errPrecondition = fail(http.StatusPreconditionFailed, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold")
	errMalformedXML = fail(http.StatusBadRequest, "MalformedXML", "The XML you provided was not well-formed or did not validate against our published schema")
	errDenied       = fail(http.StatusForbidden, "AccessDenied", "Access Denied")
	errLocked       = fail(http.StatusForbidden, "AccessDenied", "Access Denied because object protected by object lock.")
	errNoSuchUpload = fail(http.StatusNotFound, "NoSuchUpload", "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed.")
	errIncomplete   = fail(http.StatusBadRequest, "IncompleteBody", "You did not provide the number of bytes specified by the Content-Length HTTP header")
)

func invalidArgument(message string) *failure {
	return fail(http.StatusBadRequest, "InvalidArgument", message)
}

// refuse answers with err.
func (c *call) refuse(err error) { c.refuseAs(err, 0) }

// refuseAs answers with err and another status than its own, unless that is 0.
func (c *call) refuseAs(err error, status int) {
	var f *failure
	if !errors.As(err, &f) {
		f = fail(http.StatusInternalServerError, "InternalError", err.Error())
	}
	for name, values := range f.header {
		c.w.Header()[name] = values
	}
	if f.status == http.StatusNotModified {
		c.w.WriteHeader(f.status)
		return
	}
	x := newXML()
	x.open("Error")
	x.element("Code", f.code)
	x.element("Message", f.message)
	for _, field := range f.fields {
		x.element(field[0], field[1])
	}
	x.element("Resource", c.raw)
	x.element("RequestId", strconv.FormatUint(c.id, 10))
	x.close("Error")
	x.send(c, cmp.Or(status, f.status))
}

// xmlWriter writes the simple XML of S3, which encoding/xml cannot: S3 writes
// characters as references that XML does not allow.
type xmlWriter struct{ b []byte }

func newXML() *xmlWriter {
	return &xmlWriter{append(make([]byte, 0, 1024), `<?xml version="1.0" encoding="UTF-8"?>`+"\n"...)}
}

const namespace = ` xmlns="http://s3.amazonaws.com/doc/2006-03-01/"`

func (x *xmlWriter) open(name string)  { x.b = append(append(append(x.b, '<'), name...), '>') }
func (x *xmlWriter) close(name string) { x.b = append(append(append(x.b, "</"...), name...), '>') }

// root opens the outermost element of an answer.
func (x *xmlWriter) root(name string) { x.open(name + namespace) }

func (x *xmlWriter) element(name, value string) {
	x.open(name)
	x.text(value)
	x.close(name)
}

// some is element unless value is empty.
func (x *xmlWriter) some(name, value string) {
	if value != "" {
		x.element(name, value)
	}
}

// isPlain tells whether a text can stand in XML as it is.
func isPlain(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c >= utf8.RuneSelf || c == '<' || c == '>' || c == '&' || c == '"' {
			return false
		}
	}
	return true
}

func (x *xmlWriter) text(s string) {
	if isPlain(s) {
		x.b = append(x.b, s...)
		return
	}
	for _, r := range s { // what is no UTF-8 becomes U+FFFD
		switch {
		case r < ' ', r == '<', r == '>', r == '&', r == '"':
			x.b = append(strconv.AppendInt(append(x.b, "&#x"...), int64(r), 16), ';')
		default:
			x.b = utf8.AppendRune(x.b, r)
		}
	}
}

// send answers with the document.
func (x *xmlWriter) send(c *call, status int) {
	h := c.w.Header()
	h["Content-Type"] = []string{"application/xml"}
	h["Content-Length"] = []string{strconv.Itoa(len(x.b))}
	c.w.WriteHeader(status)
	c.write(x.b)
}

// write sends a body. A client that has gone is nobody's error here.
func (c *call) write(b []byte) {
	_, _ = c.w.Write(b)
}
