// Package gcop is the language in which the mission gc tells its verbs what to read of
// an owner's database, and which handles get another status: the names of the verbs, a task
// or a change as an action, and what of a plan's policy both have to know.
//
// It promises that what was written into a plan is read back as it was, bounds of
// ranges byte for byte, and that what is not understood is KindInvalid and never a
// smaller task, or another change. Which tables are read, in which ranges, and what is marked is left to the
// mission; reading them to verb/scan, marking to verb/mark, archiving to verb/archive, bringing back to verb/recall, deleting to verb/forget; what is declared to config.
package gcop

import (
	"encoding/json"
	"slices"
	"strconv"

	"cooper"
)

// The verbs, and the phases that consist of them: handles are read first, what links to
// them after.
const (
	// Handles reads handles, what is derived from them, and what holds them.
	Handles = "handles"
	// Links reads what links to handles.
	Links = "links"
)

// TargetKind is the kind of target that plans with these verbs have: a database, of which
// nothing is changed. Its path is what the configuration calls it.
const TargetKind = "database"

// ActionsAShard is how many actions a shard of such a plan has: a range is read anew as a
// whole, and its facts appear as a whole. So the number of a shard is the id of its action.
const ActionsAShard = 1

// What says what is read.
type What string

// The values of What, with what Task.Name is for each.
const (
	Kind        What = "kind"        // handles; the kind, empty where it has no name
	Derived     What = "derived"     // what is derived from handles; the rule
	Hold        What = "hold"        // what holds handles; Protect or InFlight
	Association What = "association" // links; the association
)

// The names of holds.
const (
	Protect  = "protect"
	InFlight = "in_flight"
)

// Task is one range to be read.
type Task struct {
	What What
	Name string
	// Schema and Table are empty where a query is read, which has one range.
	Schema, Table string
	// Number is that of the range, from 0, among those of the same What, Name, table and
	// Hold.
	Number int
	// Key are the columns of the key that the ranges were cut by; none: the table is read
	// in one go.
	Key []string
	// After and To are bounds as the database gave them, a value for each column; nil is
	// none.
	After, To [][]byte
	// Rows is about how many there are; negative if nobody knows.
	Rows int64
	// Column, Where and Of are those of a hold: the column with handles, the condition, the
	// kind of handle. A plan says so itself, as they are no part of the configuration's
	// digest.
	Column, Where, Of string
}

// Verb is the verb that a task is for.
func (t *Task) Verb() string {
	if t.What == Association {
		return Links
	}
	return Handles
}

// String names the task for a person.
func (t *Task) String() string {
	s := string(t.What)
	if t.What == Association {
		s = ""
	}
	for _, part := range []string{t.Name, t.Schema, t.Table, t.Column, strconv.Itoa(t.Number)} {
		switch {
		case part == "":
		case s == "":
			s = part
		case part == t.Table && t.Schema != "":
			s += "." + part
		default:
			s += " " + part
		}
	}
	return s
}

// The names of arguments.
const (
	argWhat   = "what"
	argName   = "name"
	argSchema = "schema"
	argTable  = "table"
	argNumber = "number"
	argKey    = "key"
	argAfter  = "after"
	argTo     = "to"
	argRows   = "rows"
	argColumn = "column"
	argWhere  = "where"
	argOf     = "of"
)

// texts are the arguments that stand in an action as they are, and nowhere if they are
// empty.
func (t *Task) texts() map[string]*string {
	return map[string]*string{argName: &t.Name, argSchema: &t.Schema, argTable: &t.Table, argColumn: &t.Column, argWhere: &t.Where, argOf: &t.Of}
}

// Action writes a task as an action. Bounds are bytes, and texts of actions are not: they
// are in base64, in JSON.
func (t *Task) Action() cooper.Action {
	m := map[string]string{argWhat: string(t.What), argNumber: strconv.Itoa(t.Number), argRows: strconv.FormatInt(t.Rows, 10)}
	for name, text := range t.texts() {
		if *text != "" {
			m[name] = *text
		}
	}
	if len(t.Key) > 0 {
		m[argKey] = list(t.Key)
	}
	if t.After != nil {
		m[argAfter] = list(t.After)
	}
	if t.To != nil {
		m[argTo] = list(t.To)
	}
	return cooper.Action{Verb: t.Verb(), Version: cooper.Version{Identity: cooper.Identity{Key: t.String()}}, Args: m}
}

func list[T string | []byte](values []T) string {
	b, _ := json.Marshal(values) // texts and bytes always can
	return string(b)
}

// TaskOf reads what Action wrote. Anything else is KindInvalid: it is not known what was
// meant.
func TaskOf(a *cooper.Action) (t Task, err error) {
	texts := t.texts()
	for name, value := range a.Args {
		switch name {
		case argWhat:
			t.What = What(value)
		case argNumber:
			t.Number, err = strconv.Atoi(value)
		case argRows:
			t.Rows, err = strconv.ParseInt(value, 10, 64)
		case argKey:
			err = json.Unmarshal([]byte(value), &t.Key)
		case argAfter:
			err = json.Unmarshal([]byte(value), &t.After)
		case argTo:
			err = json.Unmarshal([]byte(value), &t.To)
		default:
			text := texts[name]
			if text == nil {
				return t, invalid(a, "an argument that is not known: "+cooper.Quote(name+"="+value), nil)
			}
			*text = value
		}
		if err != nil {
			return t, invalid(a, "an argument that makes no sense: "+cooper.Quote(name+"="+value), err)
		}
	}
	if why := t.wrong(a); why != "" {
		return t, invalid(a, why, nil)
	}
	return t, nil
}

// wrong tells why a task cannot be meant; empty if it can.
func (t *Task) wrong(a *cooper.Action) string {
	_, rows := a.Args[argRows]
	_, after := a.Args[argAfter]
	_, to := a.Args[argTo]
	switch {
	case !slices.Contains([]What{Kind, Derived, Hold, Association}, t.What):
		return "it is not known what is to be read: " + cooper.Quote(string(t.What))
	case a.Verb != t.Verb():
		return "the verb " + cooper.Quote(a.Verb) + " does not read what is to be read: " + string(t.What)
	case t.Name == "" && t.What != Kind, t.What == Hold && t.Name != Protect && t.Name != InFlight:
		return "what is to be read has no name"
	case t.Number < 0, !rows:
		return "it is not known which range is meant"
	case t.Table == "" && (t.Schema != "" || t.What == Association || t.What == Hold), t.What == Derived && t.Table != "":
		return "it is not known which table is meant"
	case t.What == Hold && t.Column == "", t.What != Hold && (t.Column != "" || t.Where != "" || t.Of != ""):
		return "a column, a condition and a kind go with holds, and with nothing else"
	case after && len(t.After) != len(t.Key), to && len(t.To) != len(t.Key), len(t.Key) == 0 && (after || to):
		return "a bound has other columns than the key"
	case slices.ContainsFunc(slices.Concat(t.After, t.To), func(b []byte) bool { return b == nil }):
		return "a bound has a column without a value"
	}
	return ""
}

func invalid(a *cooper.Action, why string, err error) error {
	return &cooper.Error{Kind: cooper.KindInvalid, Where: cooper.Quote(a.Version.Key), Message: why, Err: err,
		Remedy: "Make a new plan with this version of cooper."}
}
