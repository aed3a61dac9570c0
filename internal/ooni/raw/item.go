package raw

import (
	"crypto/sha3"
	"encoding/hex"
	"path"
	"strings"
	"time"

	"cooper"
	"cooper/internal/loosejson"
)

// Item is one measurement as a file has it, or what stands where one should be.
type Item struct {
	Position int64  // among the members or lines of the file, from 0
	Member   string // its name in the archive; "" in a file of lines
	Text     []byte // its bytes, a line without its end; valid until the next item
	Newline  bool   // a line that had an end: that of a can belongs to its id
	Post     bool   // what is wanted is the content of an envelope
	// Unread says why it cannot be read; "" if it can be tried. Text is what there is of it, and no
	// longer than allowed.
	Unread Reason
}

// Reason says why an item gives no measurement.
type Reason string

// The reasons.
const (
	TooLong  Reason = "too-long"  // longer than allowed; the text is its beginning
	CutOff   Reason = "cut-off"   // the file ended within it
	Damaged  Reason = "damaged"   // bytes between two members that are no header
	Blank    Reason = "blank"     // a line without anything
	NoMember Reason = "no-member" // a member of the archive that is no measurement by its name
	YAMLPost Reason = "yaml"      // a post in YAML
	Empty    Reason = "empty"     // {}, as for a post that did not parse, or a post without content
	NoJSON   Reason = "no-json"   // not even loosely
	NoObject Reason = "no-object" // JSON of another kind
)

// Measurement parses an item into d: the measurement, and its id. The reason says why there is none;
// then the error, if there is one, says more.
func (it *Item) Measurement(d *loosejson.Doc) (m loosejson.Value, uid string, reason Reason, err error) {
	if it.Unread != "" {
		return m, "", it.Unread, nil
	}
	root, err := d.Parse(it.Text)
	if err != nil {
		return m, "", NoJSON, err
	}
	m = root
	if it.Post {
		if root.Kind() != loosejson.Object {
			return m, "", NoObject, nil
		}
		if format := root.Get("format"); format.Is("yaml") {
			return m, "", YAMLPost, nil
		}
		if m = root.Get("content"); m.Missing() {
			return m, "", Empty, nil
		}
	}
	switch {
	case m.Kind() != loosejson.Object:
		return m, "", NoObject, &cooper.Error{Kind: cooper.KindInvalid, Message: "a " + m.Kind().String() + " is no measurement"}
	case m.Len() == 0:
		return m, "", Empty, nil
	case it.Post && path.Base(it.Member) != ".post":
		return m, strings.ToValidUTF8(strings.TrimSuffix(path.Base(it.Member), ".post"), "\ufffd"), "", nil
	case it.Newline:
		return m, UID(m, it.Text, []byte("\n")), "", nil
	default:
		return m, UID(m, it.Text), "", nil
	}
}

// UID is the id of a measurement that has none of its own: "01", the day on which it says that it
// began, and SHAKE-128 of the line in which it stands, in parts, with its end.
// So the observatory's own readers make it for cans (github.com/ooni/data, 2026-08).
func UID(m loosejson.Value, line ...[]byte) string {
	day := "00000000"
	if text, ok := m.Get("measurement_start_time").Text(); ok {
		if at, err := time.Parse(time.DateTime, text); err == nil {
			day = at.Format("20060102")
		}
	}
	h := sha3.NewSHAKE128()
	for _, part := range line {
		h.Write(part) //nolint:gosec // it never fails
	}
	var sum [15]byte
	h.Read(sum[:]) //nolint:gosec // nor does this
	return "01" + day + hex.EncodeToString(sum[:])
}
