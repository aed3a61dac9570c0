package e2e

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"cooper"
	"cooper/internal/codec"
	"cooper/internal/store/mem"
)

// stage is the server of one script.
type stage struct {
	*mem.Server
	signed atomic.Int64 // requests that came with credentials
	now    atomic.Bool  // it dates what is written by this machine's clock
}

func (s *stage) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Authorization") != "" {
		s.signed.Add(1)
	}
	s.Server.ServeHTTP(w, r)
}

// s3Usage is what scripts can do to the bucket lab. Keys and contents may be
// Go strings.
const s3Usage = `s3 put KEY CONTENT [class=C] [tier=T] [sse=E] [parts=N] [sum=ALGORITHM] [at=TIME] [times=N] [by=CODEC] [key=K] [type=T] [meta=M]
s3 begin KEY CONTENT [at=TIME]  # an upload of one part that is never finished
s3 now  # what is written from now on is dated by this machine's clock
s3 delete KEY | erase KEY [N] | null KEY CONTENT | class KEY CLASS [TIER] | restored KEY | deny PREFIX | corrupt KEY
s3 versioning STATE | bucket NAME STATE | region NAME REGION
s3 lock  # enables object lock
s3 reset | counts OPERATION N | signed N | has BUCKET KEY CONTENT | holds KEY CONTENT [times=N] [by=CODEC] [key=K] | gone KEY`

func s3Cmd(ts *testscript.TestScript, neg bool, args []string) {
	s := ts.Value("server").(*stage)
	if neg || len(args) < 1 {
		ts.Fatalf("usage:\n%s", s3Usage)
	}
	for i := range args {
		args[i] = unquote(ts, args[i])
	}
	do, args := args[0], append(args[1:], "", "")[:max(2, len(args)-1)]
	switch do {
	case "put":
		s.put(ts, args[0], args[1], args[2:])
	case "begin":
		var o options
		o.read(ts, args[2:])
		s.BeginUpload("lab", args[0], o.PutOptions, []byte(args[1]))
	case "now":
		s.now.Store(true)
	case "delete":
		s.Delete("lab", args[0])
	case "erase":
		s.erase(args[0], args[1])
	case "null":
		s.OverwriteNull("lab", args[0], []byte(args[1]), mem.PutOptions{})
	case "class":
		s.SetClass("lab", args[0], s.latest(ts, args[0]), args[1], strings.Join(args[2:], ""))
	case "restored":
		s.CompleteRestore("lab", args[0], s.latest(ts, args[0]))
	case "deny":
		s.Deny("lab", args[0])
	case "corrupt":
		s.Corrupt("lab", args[0], s.latest(ts, args[0]))
	case "versioning":
		s.SetVersioning("lab", args[0])
	case "lock":
		s.EnableLock("lab")
	case "bucket":
		s.CreateBucket(args[0], args[1])
	case "region":
		s.SetRegion(args[0], args[1])
	case "reset":
		s.ResetCounts()
		s.signed.Store(0)
	default:
		s.check(ts, do, args)
	}
}

// check is about what the server saw and has.
func (s *stage) check(ts *testscript.TestScript, do string, args []string) {
	switch do {
	case "counts":
		if got := s.Counts()[args[0]]; got != number(ts, args[1]) {
			ts.Fatalf("the server counted %d %s requests, want %s: %v", got, args[0], args[1], s.Counts())
		}
	case "signed":
		if got := s.signed.Load(); got != number(ts, args[0]) {
			ts.Fatalf("%d requests were signed, want %s", got, args[0])
		}
	case "has":
		if body, ok := s.Body(args[0], args[1], ""); !ok || string(body) != args[2] {
			ts.Fatalf("s3://%s/%s holds %q (%v), want %q", args[0], args[1], body, ok, args[2])
		}
	case "holds":
		o := options{times: 1}
		o.read(ts, args[2:])
		body, _ := s.Body("lab", args[0], "")
		if got := o.decode(ts, body); string(got) != strings.Repeat(args[1], o.times) {
			ts.Fatalf("%s holds %d bytes, which are others than expected: %.200q", args[0], len(got), got)
		}
	case "gone":
		if body, ok := s.Body("lab", args[0], ""); ok {
			ts.Fatalf("%s is there, with %d bytes", args[0], len(body))
		}
	default:
		ts.Fatalf("usage:\n%s", s3Usage)
	}
}

func (s *stage) put(ts *testscript.TestScript, key, content string, args []string) {
	o := options{times: 1}
	o.read(ts, args)
	s.Put("lab", key, o.encode(ts, []byte(strings.Repeat(content, o.times))), o.PutOptions)
}

// options are those of contents in scripts.
type options struct {
	mem.PutOptions
	times int
	by    codec.Chain
	key   string
}

func (o *options) read(ts *testscript.TestScript, args []string) {
	for _, a := range args {
		if a == "" {
			continue
		}
		name, value, _ := strings.Cut(a, "=")
		switch name {
		case "class":
			o.Class = value
		case "tier":
			o.Tier = value
		case "sse":
			o.Encryption = value
		case "sum":
			o.Checksum = value
		case "parts":
			o.PartSize = number(ts, value)
		case "times":
			o.times = int(number(ts, value))
		case "by":
			ts.Check(o.by.UnmarshalText([]byte(value)))
		case "key":
			o.key = value
		case "type":
			o.ContentType = value
		case "meta":
			o.Metadata = map[string]string{"note": value}
		case "at":
			at, err := time.Parse(time.RFC3339, value)
			ts.Check(err)
			o.LastModified = at
		default:
			ts.Fatalf("unknown option %s\n%s", a, s3Usage)
		}
	}
}

// secret is the application's key; nil if there is none.
func (o *options) secret(ts *testscript.TestScript) *codec.Key {
	if o.key == "" {
		return nil
	}
	if len(o.key) != len(codec.Key{}) {
		ts.Fatalf("a key of %d characters", len(o.key))
	}
	return (*codec.Key)([]byte(o.key))
}

func (o *options) encode(ts *testscript.TestScript, plain []byte) []byte {
	if o.by.Compress.Method == codec.Gzip { // which codec reads alone
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		_, err := w.Write(plain)
		ts.Check(errors.Join(err, w.Close()))
		return b.Bytes()
	}
	s, err := o.by.Encode(bytes.NewReader(plain), codec.EncodeOptions{Size: -1, Key: o.secret(ts)})
	ts.Check(err)
	stored, err := io.ReadAll(s)
	ts.Check(err)
	ts.Check(s.Close())
	return stored
}

func (o *options) decode(ts *testscript.TestScript, stored []byte) []byte {
	s, err := o.by.Decode(bytes.NewReader(stored), codec.DecodeOptions{Key: o.secret(ts)})
	ts.Check(err)
	plain, err := io.ReadAll(s)
	ts.Check(err)
	ts.Check(s.Close())
	return plain
}

// erase removes all versions of a key for good, or the nth, counted from the
// latest, which is the first.
func (s *stage) erase(key, nth string) {
	n := 0
	for _, v := range s.Versions("lab") {
		if v.Key != key {
			continue
		}
		if n++; nth == "" || nth == strconv.Itoa(n) {
			s.DeleteVersion("lab", key, v.VersionID)
		}
	}
}

func (s *stage) latest(ts *testscript.TestScript, key string) string {
	all := s.Versions("lab")
	i := slices.IndexFunc(all, func(v cooper.Version) bool { return v.Key == key && v.Latest })
	if i < 0 {
		ts.Fatalf("no latest version of %q", key)
	}
	return all[i].VersionID
}

func number(ts *testscript.TestScript, s string) int64 {
	n, err := strconv.ParseInt(s, 10, 64)
	ts.Check(err)
	return n
}

// unquote lets scripts write keys as Go strings, and long ones as "text"*N.
func unquote(ts *testscript.TestScript, s string) string {
	if !strings.HasPrefix(s, `"`) {
		return s
	}
	times := 1
	if i := strings.LastIndex(s, `"*`); i > 0 {
		if _, err := fmt.Sscanf(s[i:], `"*%d`, &times); err == nil {
			s = s[:i+1]
		}
	}
	k, err := strconv.Unquote(s)
	ts.Check(err)
	return strings.Repeat(k, times)
}
