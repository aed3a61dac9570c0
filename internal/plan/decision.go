package plan

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"hash"
	"slices"
	"strconv"
	"strings"

	"cooper"
)

const (
	// leastStart is how much of a digest must be given: enough not to be a slip.
	leastStart = 8
	// shownStart is how much of it is proposed.
	shownStart = 12
)

// ConfirmedBy tells whether start is what a person confirms this plan by: the
// beginning of its decision's digest or of its own, 8 characters or more.
func (h *Header) ConfirmedBy(start string) bool {
	return len(start) >= leastStart && (strings.HasPrefix(h.Decision, start) || strings.HasPrefix(h.Digest, start))
}

// Stopped tells whether the plan is carried out only once a person has confirmed it by a
// digest.
func (h *Header) Stopped() bool { return h.Share.Exceeded() || len(h.Confirm) > 0 }

// Confirmation is what to give to confirm this plan, and whichever is made of the
// same decision: of plans that have none, the beginning of their digest.
func (h *Header) Confirmation() string {
	digest := h.Decision
	if digest == "" {
		digest = h.Digest
	}
	return digest[:min(len(digest), shownStart)]
}

// decision sums what is decided, as docs/formats/plan.md has it: a line of JSON for
// each action, and one for all that they have in common. What follows from when a
// plan was made stays out.
type decision struct {
	sum          hash.Hash
	circumstance func(name, value string) bool // nil: no argument is one
	line         []byte
}

func newDecision() decision { return decision{sum: sha256.New()} }

// add sums an action of a phase.
func (d *decision) add(phase string, a *cooper.Action) {
	v := &a.Version
	b := append(d.line[:0], '[')
	for _, s := range [...]string{phase, a.Verb, v.Key, v.VersionID, v.ETag} {
		b = append(appendRaw(b, s), ',')
	}
	b = append(strconv.AppendInt(b, v.Size, 10), ',')
	b = append(strconv.AppendInt(b, int64(v.LastModified), 10), ',')
	b = append(strconv.AppendBool(b, v.DeleteMarker), ',')
	b = append(d.args(b, a.Args), "]\n"...)
	d.sum.Write(b) // a hash never fails
	d.line = b
}

// args writes arguments by name, without circumstances.
func (d *decision) args(b []byte, args map[string]string) []byte {
	var few [16]string
	names := few[:0]
	for n, v := range args {
		if d.circumstance == nil || !d.circumstance(n, v) {
			names = append(names, n)
		}
	}
	slices.Sort(names)
	b = append(b, '{')
	for i, n := range names {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendRaw(append(appendRaw(b, n), ':'), args[n])
	}
	return append(b, '}')
}

// appendRaw writes a text in quotes, byte for byte but for what JSON must escape. No
// two texts are written alike.
func appendRaw(b []byte, s string) []byte {
	const hexDigits = "0123456789abcdef"
	b = append(b, '"')
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c < ' ':
			b = append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		default:
			b = append(b, c)
		}
	}
	return append(b, '"')
}

// common is what all actions of a decision have in common.
type common struct {
	Mission string        `json:"mission"`
	Target  decidedTarget `json:"target"`
	Store   *cooper.Store `json:"store,omitempty"`
	Source  string        `json:"source"`
	// Leads is where the target comes by it, as far as it is not a matter of when.
	Leads   *destination    `json:"leads,omitempty"`
	Partial bool            `json:"partial"`
	Policy  json.RawMessage `json:"policy,omitempty"`
}

type decidedTarget struct {
	Kind   string `json:"kind"`
	Path   string `json:"path"`
	Layout string `json:"layout,omitempty"`
}

type destination struct {
	Bucket      string `json:"bucket"`
	Prefix      string `json:"prefix"`
	CurrentOnly bool   `json:"current_only"`
	Complete    bool   `json:"complete"`
}

// of ends the decision with the header of its plan, and gives its digest.
func (d *decision) of(h *Header) (string, error) {
	c := common{Mission: h.Mission, Target: decidedTarget{h.Target.Kind, h.Target.Path, h.Target.Layout}, Store: h.Store, Source: h.Source, Partial: h.Partial}
	if s := h.Snapshot; s != nil {
		c.Leads = &destination{s.Bucket, s.Scope.Prefix, s.Scope.CurrentOnly, s.Complete}
	}
	policy := h.Policy
	if h.Decided != nil {
		policy = h.Decided
	}
	var err error
	if c.Policy, err = canonical(policy); err != nil {
		return "", invalid(h.ID, "the policy cannot be written", err)
	}
	b, err := json.Marshal(c)
	if err != nil {
		return "", invalid(h.ID, "the header cannot be written", err)
	}
	d.sum.Write(b)
	return hex.EncodeToString(d.sum.Sum(nil)), nil
}

// canonical is JSON with sorted names and without blanks; numbers stay as they are
// written.
func canonical(policy json.RawMessage) (json.RawMessage, error) {
	if len(policy) == 0 {
		return nil, nil
	}
	var v any
	from := json.NewDecoder(bytes.NewReader(policy))
	from.UseNumber()
	if err := from.Decode(&v); err != nil {
		return nil, err
	}
	return json.Marshal(v)
}
