// Package bucketop is the language in which missions tell the verbs of a bucket
// what to do to it: the names of the verbs, and their arguments.
//
// It promises that an action carries all that a verb must know beside its
// version. Choosing versions is left to missions, doing to the verbs.
package bucketop

import (
	"cooper"
	"cooper/internal/plan"
)

// The verbs.
const (
	// Remove removes one version of a bucket for good.
	Remove = "remove"
	// Rewrite stores a current version in another form, proves it, and lets the
	// original go.
	Rewrite = "rewrite"
	// Measure reads a version and tells what it holds and would come to.
	Measure = "measure"
	// Abort ends an unfinished upload in parts. Its version is the upload: the id of
	// the upload stands for that of a version, Size is what its parts come to, and
	// LastModified when it was begun.
	Abort = "abort"
)

// TargetKind is the kind of target that plans with these verbs have.
const TargetKind = "bucket"

// ClassProbe is the price class of the one request that is no look and no
// removal: it writes the object of the probe that ByETag needs.
const ClassProbe = "PUT"

// Probes tells whether a plan with this estimate has removals by ETag.
func Probes(e plan.Estimate) bool { return e.Requests[ClassProbe] > 0 }

// The names of arguments, and their values.
const (
	argLast   = "last"
	argGuard  = "guard"
	argReason = "reason"
	yes       = "yes"
)

// Guard is what keeps a removal from hitting another version than was meant.
type Guard string

// The guards. A look at the bucket right before comes with all of them.
const (
	// ByID: the version id names one version for ever.
	ByID Guard = ""
	// ByETag: a null version that the store must compare before it removes it.
	ByETag Guard = "etag"
	// ByLook: a null version, and the look alone: what is written between the
	// look and the removal is not seen. The plan's policy says why that will do.
	ByLook Guard = "look"
)

// Args are the arguments of Remove.
type Args struct {
	// Last: it may go only after every other version of its key has. Otherwise
	// an older version would become the current one.
	Last   bool
	Guard  Guard
	Reason string // why the version was chosen
}

// Encode writes the arguments as an action has them.
func (a Args) Encode() map[string]string {
	m := map[string]string{argReason: a.Reason}
	if a.Last {
		m[argLast] = yes
	}
	if a.Guard != ByID {
		m[argGuard] = string(a.Guard)
	}
	return m
}

// Decode reads what Encode wrote. Anything else is KindInvalid: it is not known
// what was meant.
func Decode(m map[string]string) (Args, error) {
	var a Args
	for name, value := range m {
		switch {
		case name == argReason:
			a.Reason = value
		case name == argLast && value == yes:
			a.Last = true
		case name == argGuard && (value == string(ByETag) || value == string(ByLook)):
			a.Guard = Guard(value)
		default:
			return a, unknownArgument(name, value)
		}
	}
	return a, nil
}

func unknownArgument(name, value string) error {
	return &cooper.Error{Kind: cooper.KindInvalid, Message: "an argument that is not known: " + cooper.Quote(name+"="+value),
		Remedy: "Make a new plan with this version of cooper."}
}
