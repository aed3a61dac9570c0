package serve

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"cooper"
)

// Client is who asks.
type Client struct {
	// Name is that of the token; empty where there are no tokens.
	Name string
	// Prefixes are those of the objects that it may ask for, as s3://BUCKET/PREFIX; s3:// is all of them.
	Prefixes []string
}

// May tells whether a client may ask for an object. Prefixes have the boundaries of cooper.HasPrefix.
func (c *Client) May(bucket, key string) bool {
	return c.Name == "" || slices.ContainsFunc(c.Prefixes, func(p string) bool {
		return cooper.HasPrefix(bucket+"/"+key, strings.TrimPrefix(p, everything))
	})
}

// everything begins each prefix, and is that of all objects.
const everything = "s3://"

type clientKey struct{}

// ClientOf is who has made the request of a context.
func ClientOf(ctx context.Context) *Client {
	if c, ok := ctx.Value(clientKey{}).(*Client); ok {
		return c
	}
	return &Client{Name: "?"} // nobody, who may ask for nothing
}

// A token is this, and 32 random bytes: so it can be told from other secrets, and found in a log.
const tokenBegins = "cooper_"

// aToken finds them in a text.
var aToken = regexp.MustCompile(tokenBegins + `[A-Za-z0-9_-]{20,}`)

// record is a line of a file of tokens.
type record struct {
	Name     string   `json:"name"`
	Hash     string   `json:"hash"` // sha256: and hex digits
	Prefixes []string `json:"prefixes"`

	sum [sha256.Size]byte
}

const hashBegins = "sha256:"

var aName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$`)

func (r *record) check() (err error) {
	digits, ok := strings.CutPrefix(r.Hash, hashBegins)
	sum, herr := hex.DecodeString(digits)
	switch {
	case !aName.MatchString(r.Name):
		return fmt.Errorf("%s is no name: letters, digits, and . _ @ - behind the first", cooper.Quote(r.Name))
	case !ok || herr != nil || len(sum) != sha256.Size:
		return errors.New("the hash is no " + hashBegins + " with 64 hex digits")
	case len(r.Prefixes) == 0:
		return errors.New("no prefix is named: s3:// is for all objects")
	}
	for _, p := range r.Prefixes {
		if !strings.HasPrefix(p, everything) || strings.HasPrefix(p, everything+"/") {
			return fmt.Errorf("%s is no prefix: it begins with s3://BUCKET", cooper.Quote(p))
		}
	}
	r.sum = [sha256.Size]byte(sum)
	return nil
}

// tokens are those of a file, which is looked at again and again.
type tokens struct {
	path string

	mu     sync.Mutex
	looked time.Time
	of     stamp
	all    []record
	bad    error // nobody is let in
}

// read reads the file.
func (t *tokens) read() error {
	if t.of, t.bad = stampOf(t.path); t.bad == nil {
		t.all, t.bad = readTokens(t.path)
	}
	if t.bad == nil && len(t.all) == 0 {
		t.bad = &cooper.Error{Kind: cooper.KindUsage, Where: t.path, Message: "no token is in it", Remedy: "Make one for each client: cooper gc guard token NAME --tokens FILE --prefix s3://BUCKET/PREFIX"}
	}
	return t.bad
}

func readTokens(path string) (all []record, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, &cooper.Error{Kind: cooper.KindUsage, Where: path, Message: "the file of tokens cannot be read", Err: err}
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := unwritable(path, f); err != nil {
		return nil, err
	}
	s := bufio.NewScanner(f)
	s.Buffer(nil, 1<<20)
	for n := 1; s.Scan(); n++ {
		line := bytes.TrimSpace(s.Bytes())
		if len(line) == 0 || line[0] == '#' {
			continue
		}
		var r record
		d := json.NewDecoder(bytes.NewReader(line))
		d.DisallowUnknownFields()
		err := d.Decode(&r)
		if err == nil && d.More() {
			err = errors.New("more than one token is in the line")
		}
		if err == nil {
			err = r.check()
		}
		if err == nil && slices.ContainsFunc(all, func(o record) bool { return o.Name == r.Name }) {
			err = fmt.Errorf("%s has two tokens", r.Name)
		}
		if err != nil {
			return nil, &cooper.Error{Kind: cooper.KindUsage, Where: fmt.Sprintf("%s:%d", path, n), Message: "this is no token", Err: err, Remedy: "Correct the line, or leave it out."}
		}
		all = append(all, r)
	}
	if err := s.Err(); err != nil {
		return nil, &cooper.Error{Kind: cooper.KindUsage, Where: path, Message: "the file of tokens cannot be read", Err: err}
	}
	return all, nil
}

// find gives whose a token is; nil for nobody's. All hashes are compared, whichever it is.
func (t *tokens) find(token string, now time.Time) (c *Client, err error) {
	t.mu.Lock()
	if d := now.Sub(t.looked); d >= lookEvery || d < 0 {
		t.looked = now
		if of, serr := stampOf(t.path); t.bad != nil || serr != nil || of != t.of {
			_ = t.read() // it is in t.bad
		}
	}
	all, bad := t.all, t.bad
	t.mu.Unlock()
	if bad != nil {
		return nil, bad
	}
	sum := sha256.Sum256([]byte(token))
	found := -1
	for i := range all {
		found = subtle.ConstantTimeSelect(subtle.ConstantTimeCompare(sum[:], all[i].sum[:]), i, found)
	}
	if found < 0 {
		return nil, nil
	}
	return &Client{Name: all[found].Name, Prefixes: all[found].Prefixes}, nil
}

// stamp tells one state of a file from another.
type stamp struct {
	size     int64
	modified time.Time
	mode     fs.FileMode
	file     string
}

func stampOf(path string) (stamp, error) {
	info, err := os.Stat(path)
	if err != nil {
		return stamp{}, &cooper.Error{Kind: cooper.KindUsage, Where: path, Message: "the file cannot be looked at", Err: err}
	}
	return stamp{info.Size(), info.ModTime(), info.Mode(), fileID(info)}, nil
}

// AddToken makes a token for a client, adds its hash to a file, which is made if it is not there, and gives
// the token: it stands nowhere else. The file is another from one moment to the next.
func AddToken(path, name string, prefixes []string) (token string, err error) {
	b := make([]byte, 32)
	if _, err := rand.Read(b); err != nil {
		return "", err
	}
	token = tokenBegins + base64.RawURLEncoding.EncodeToString(b)
	r := record{Name: name, Hash: fmt.Sprintf("%s%x", hashBegins, sha256.Sum256([]byte(token))), Prefixes: prefixes}
	if err := r.check(); err != nil {
		return "", &cooper.Error{Kind: cooper.KindUsage, Message: "this is no token", Err: err}
	}
	before, err := os.ReadFile(path) //nolint:gosec // the file that a person names
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return "", &cooper.Error{Kind: cooper.KindUsage, Where: path, Message: "the file of tokens cannot be read", Err: err}
	default:
		all, err := readTokens(path)
		if err != nil {
			return "", err
		}
		if slices.ContainsFunc(all, func(o record) bool { return o.Name == name }) {
			return "", &cooper.Error{Kind: cooper.KindConflict, Where: path, Message: name + " has a token already", Remedy: "Take its line out of the file, if the token is to be another."}
		}
	}
	if len(before) > 0 && before[len(before)-1] != '\n' {
		before = append(before, '\n')
	}
	line, err := json.Marshal(r)
	if err != nil {
		return "", err
	}
	if err := replace(path, append(append(before, line...), '\n')); err != nil {
		return "", &cooper.Error{Kind: cooper.KindUsage, Where: path, Message: "the file of tokens cannot be written", Err: err}
	}
	return token, nil
}

// replace puts a file that its owner alone can read in the place of another.
func replace(path string, content []byte) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*") // 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
