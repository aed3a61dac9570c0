// Package seal keeps files of our own what they were when they were written:
// documents that carry their digest, and sums of the blocks of large files with a
// reader that hands out no byte it has not checked.
//
// It promises that what a disk, a cable or a copy changes by accident is an error
// and never other words. It is no protection from who changes a file on purpose and
// seals it anew. Which files there are, what they mean, and what to do about a damaged one
// is left to their owners.
package seal

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
)

// ErrDamaged says that bytes are not those that were written.
var ErrDamaged = errors.New("it is not what was written: its checksum differs")

// ErrNone says that a document has no seal, as those of old formats.
var ErrNone = errors.New("it has no checksum")

// The end of a sealed document: a last field, and the end of the object.
const (
	mark = ",\n \"seal\": \""
	end  = "\"\n}\n"
	tail = len(mark) + 2*sha256.Size + len(end)
)

// Document adds the seal to a JSON object that has a field: the SHA-256, in
// hexadecimal, of all bytes before it, as the last field. So every bit of the text is covered, also
// those that do not change what it means.
func Document(object []byte) ([]byte, error) {
	object = bytes.TrimSpace(object)
	body, ok := bytes.CutSuffix(object, []byte("}"))
	body = bytes.TrimRight(body, " \n\t\r")
	if !ok || len(body) < 2 || body[0] != '{' {
		return nil, errors.New("seal: this is no JSON object with a field")
	}
	out := make([]byte, 0, len(body)+tail)
	out = append(out, body...)
	out = append(out, mark...)
	out = hex.AppendEncode(out, sum(body))
	return append(out, end...), nil
}

// Open gives the object without its seal, to be decoded strictly. ErrDamaged: the seal
// is broken. ErrNone: there is nothing that looks like one; whether that is fine, the
// format that the document tells decides.
func Open(text []byte) ([]byte, error) {
	at := len(text) - tail
	if at < 1 || !bytes.HasPrefix(text[at:], []byte(mark)) || !bytes.HasSuffix(text, []byte(end)) {
		return nil, ErrNone
	}
	body, digest := text[:at], text[at+len(mark):len(text)-len(end)]
	if want := hex.AppendEncode(nil, sum(body)); !bytes.Equal(want, digest) {
		return nil, ErrDamaged
	}
	return append(body[:at:at], '}'), nil
}

func sum(b []byte) []byte {
	s := sha256.Sum256(b)
	return s[:]
}

// Cause is what was found damaged, without what others have wrapped around it; err itself if
// that is not damage.
func Cause(err error) error {
	for {
		inner := errors.Unwrap(err)
		if inner == nil || inner == ErrDamaged || !errors.Is(inner, ErrDamaged) { //nolint:errorlint // the very one ends the chain
			return err
		}
		err = inner
	}
}

// Misplaced tells whether a document with an id lies in the directory of another: one that has a
// name like the id, and not the id for one.
func Misplaced(dir, id string) bool {
	name := filepath.Base(dir)
	return len(id) > 2 && len(name) == len(id) && name[:2] == id[:2] && name != id
}

// Newer is the error of a document whose format is one that the program does not know yet.
type Newer struct{ Format, Known int }

func (e *Newer) Error() string {
	return fmt.Sprintf("it has format %d, this program knows up to %d", e.Format, e.Known)
}

// Decode reads a document that has a field format, strictly: no unknown field, nothing
// behind it. Documents from format sealed on must have their seal, those before none. A greater format than
// known is *Newer; broken seals are ErrDamaged; what else is wrong is an error of its own.
func Decode(text []byte, sealed, known int, to any) error {
	object, err := Open(text)
	has := err == nil
	if errors.Is(err, ErrNone) {
		object = text
	} else if err != nil {
		return err
	}
	var first struct {
		Format int `json:"format"`
	}
	if err := json.Unmarshal(object, &first); err != nil {
		return err
	}
	switch f := first.Format; {
	case f > known:
		return &Newer{f, known}
	case f < 1:
		return fmt.Errorf("format %d", f)
	case has != (f >= sealed):
		return fmt.Errorf("%w (format %d)", ErrDamaged, f)
	}
	d := json.NewDecoder(bytes.NewReader(object))
	d.DisallowUnknownFields() // a name with a slip is no field that is absent
	if err := d.Decode(to); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("something stands behind its end")
	}
	return nil
}
