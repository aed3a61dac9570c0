package gcop

import (
	"encoding/json"
	"maps"
	"strconv"

	"cooper"
	"cooper/internal/plan"
)

// Mark is the verb that changes the status of a handle, and the kind of phase that
// consists of it.
const Mark = "mark"

// StateKind is the kind of target that plans with it have: the state of a collection of
// handles, of which no object is touched. Its path is the scope.
const StateKind = "state"

// MarksAShard is how many marks are made in one step.
const MarksAShard = 2000

// Change is a mark: the status of a handle that is, and the one that is to be.
type Change struct {
	Kind, ID string // of the handle
	From     string
	Since    cooper.Instant // since when it is From; 0 where it never changed
	To       string
	Reason   string
	// Bytes are those that no other handle holds. They are told, and decide nothing.
	Bytes int64
}

// Handle names a handle for a person.
func Handle(kind, id string) string {
	if kind == "" {
		return id
	}
	return kind + ":" + id
}

// The names of arguments of a mark.
const (
	argKind   = "kind"
	argID     = "id"
	argFrom   = "from"
	argSince  = "since"
	argStatus = "to_status"
	argReason = "reason"
)

func (c *Change) texts() map[string]*string {
	return map[string]*string{argKind: &c.Kind, argID: &c.ID, argFrom: &c.From, argStatus: &c.To, argReason: &c.Reason}
}

// Action writes a mark as an action.
func (c *Change) Action() cooper.Action {
	m := map[string]string{argSince: strconv.FormatInt(int64(c.Since), 10)}
	for name, text := range c.texts() {
		if *text != "" {
			m[name] = *text
		}
	}
	return cooper.Action{Verb: Mark, Version: cooper.Version{Identity: cooper.Identity{Key: Handle(c.Kind, c.ID), Size: max(0, c.Bytes)}}, Args: m}
}

// ChangeOf reads what Action wrote. Anything else is KindInvalid: it is not known what was
// meant.
func ChangeOf(a *cooper.Action) (c Change, err error) {
	texts := c.texts()
	for name, value := range a.Args {
		if text := texts[name]; text != nil {
			*text = value
		} else if name != argSince {
			return c, invalid(a, "an argument that is not known: "+cooper.Quote(name+"="+value), nil)
		}
	}
	since, err := strconv.ParseInt(a.Args[argSince], 10, 64)
	c.Since, c.Bytes = cooper.Instant(since), a.Version.Size
	switch {
	case err != nil, since < 0:
		return c, invalid(a, "it is not known since when the handle is what it is", err)
	case a.Verb != Mark:
		return c, invalid(a, "the verb "+cooper.Quote(a.Verb)+" marks nothing", nil)
	case c.ID == "", Handle(c.Kind, c.ID) != a.Version.Key:
		return c, invalid(a, "it is not known which handle is meant", nil)
	case c.From == "", c.To == "", c.From == c.To:
		return c, invalid(a, "it is not known what the handle is, and what it is to be", nil)
	case c.Reason == "":
		return c, invalid(a, "it is not known why", nil)
	}
	return c, nil
}

// Marking is what all marks of a plan have in common. A plan's policy has it under
// "marking".
type Marking struct {
	// Config is the absolute path of the configuration, Declared the digest of the file:
	// marks are not made by another.
	Config   string `json:"config"`
	Declared string `json:"declared"`
	// Scope names the collection of handles, Server is the own identity of its database.
	Scope  string `json:"scope"`
	Server string `json:"server"`
	// Detection is the one that found what is marked.
	Detection string `json:"detection"`
	// Read says what had been read of the database when it began to look: marks are not
	// made once more has been.
	Read Reads `json:"read"`
	// Words is the number of the last word of a person's that it heeded.
	Words int `json:"words"`
}

// Reads are how many ranges have been read by each scan, ended or not.
type Reads map[string]Reading

// Reading is how far a scan has come.
type Reading struct {
	Ranges int64 `json:"ranges"`
	Ended  bool  `json:"ended"`
}

// MarkingOf reads it from a plan's policy.
func MarkingOf(h *plan.Header) (Marking, error) {
	var p struct {
		Marking *Marking `json:"marking"`
	}
	err := json.Unmarshal(h.Policy, &p)
	if m := p.Marking; err == nil && m != nil && m.whole() && h.Target.Kind == StateKind && h.Target.Path == m.Scope {
		return *m, nil
	}
	return Marking{}, &cooper.Error{Kind: cooper.KindInvalid, Where: "plan " + h.ID, Message: "does not say what its marks rest on", Err: err,
		Remedy: "Look anew: cooper gc detect"}
}

// Outdated says what of that on which a plan rests is another by now; empty: nothing. declared, read and words are as they
// are, as Marking has them.
func (m *Marking) Outdated(declared string, read Reads, words int) string {
	switch {
	case m.Declared != declared:
		return m.Config + " has changed since"
	case !maps.Equal(m.Read, read):
		return "more of the database has been read since: a link may have been found"
	case m.Words != words:
		return "a person has said since that handles are kept, or linked"
	}
	return ""
}

// whole tells whether all is said.
func (m *Marking) whole() bool {
	return m.Config != "" && m.Declared != "" && m.Scope != "" && m.Server != "" && m.Detection != "" && len(m.Read) > 0
}
