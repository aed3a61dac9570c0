package gcop

import (
	"encoding/json"
	"slices"
	"strings"

	"cooper"
	"cooper/internal/plan"
)

// Recall is the verb that brings an object back from the archive bucket, with all its versions, or
// says that one that has not gone yet stays; and the kind of phase that consists of it. Plans with it have
// targets of ArchiveKind: the bucket from which objects come back.
const Recall = "recall"

// RecallsAShard is how many objects are brought back in one step.
const RecallsAShard = 1000

// Want is a handle of an object that is wanted, as the state had it when the plan was made.
type Want struct {
	Kind   string         `json:"kind,omitempty"`
	ID     string         `json:"id"`
	Status string         `json:"status"`
	Since  cooper.Instant `json:"since"` // 0 where the state never changed it
	// Asked: it is this one that is wanted. The others of its object begin anew as UNLINKED.
	Asked bool `json:"asked,omitempty"`
}

// Recalled is an object that is to be in its place again.
type Recalled struct {
	Bucket, Key string // of the object, as its handles name it
	// Stays: it has not gone yet, and is not to go. All its Handles are Asked then.
	Stays bool
	// Handles are all handles of the object that may change by this.
	Handles []Want
	// Bytes are about how many it has. They are told, and decide nothing.
	Bytes  int64
	Reason string
}

const (
	argObject = "object"
	argStays  = "stays"
)

func (r *Recalled) parameters() *parameters[Want] {
	return &parameters[Want]{texts: map[string]*string{argBucket: &r.Bucket, argObject: &r.Key, argReason: &r.Reason}, flags: map[string]*bool{argStays: &r.Stays}, handles: &r.Handles}
}

// Action writes the bringing back of an object as an action.
func (r *Recalled) Action() (cooper.Action, error) {
	m, err := r.parameters().arguments(r.Key)
	return cooper.Action{Verb: Recall, Version: cooper.Version{Identity: cooper.Identity{Key: ArchiveKey(r.Bucket, r.Key), Size: max(0, r.Bytes)}}, Args: m}, err
}

// RecalledOf reads what Action wrote. Anything else is KindInvalid: it is not known what was
// meant.
func RecalledOf(x *cooper.Action) (r Recalled, err error) {
	if err := r.parameters().read(x); err != nil {
		return r, err
	}
	r.Bytes = x.Version.Size
	if why := r.wrong(x); why != "" {
		return r, invalid(x, why, nil)
	}
	return r, nil
}

// wrong tells why it cannot be meant; empty if it can.
func (r *Recalled) wrong(x *cooper.Action) string {
	unknown := func(w Want) bool { return w.ID == "" || w.Status == "" || w.Since < 0 }
	asked := func(w Want) bool { return w.Asked }
	switch {
	case x.Verb != Recall:
		return "the verb " + cooper.Quote(x.Verb) + " brings nothing back"
	case r.Bucket == "" || strings.Contains(r.Bucket, "/") || r.Key == "" || x.Version.Key != ArchiveKey(r.Bucket, r.Key):
		return "it is not known where it belongs"
	case slices.ContainsFunc(r.Handles, unknown):
		return "it is not known which handles it has, and what they are"
	case len(r.Handles) > 0 && !slices.ContainsFunc(r.Handles, asked), r.Stays && len(r.Handles) == 0:
		return "it is not known for which handle it is wanted"
	case r.Stays && slices.ContainsFunc(r.Handles, func(w Want) bool { return !w.Asked }):
		return "a handle that nobody asked for would become AVAILABLE"
	case r.Reason == "":
		return "it is not known why"
	}
	return ""
}

// The tiers in which a store brings back what lies in an archive class.
var tiers = []string{"Standard", "Bulk", "Expedited"}

// Recalling is what all actions of a plan that brings objects back have in common. A plan's policy has it
// under "recalling".
type Recalling struct {
	// Scope names the collection of handles.
	Scope string `json:"scope"`
	// Bucket is the archive.
	Bucket string `json:"bucket"`
	// Buckets are those that objects come back to.
	Buckets []string `json:"buckets"`
	// Config is the absolute path of the configuration, and Declared the digest of the file, by which the
	// owner is told; empty where he is not.
	Config   string `json:"config,omitempty"`
	Declared string `json:"declared,omitempty"`
	// FromArchive: the archive bucket alone says what there is; a state, if there is one, is not asked.
	FromArchive bool `json:"from_archive,omitempty"`
	// Days is for how long a temporary copy is to be readable, and Tier how fast, where the class of a copy
	// has to be asked for it.
	Days int    `json:"days"`
	Tier string `json:"tier"`
}

// RecallingOf reads it from a plan's policy.
func RecallingOf(h *plan.Header) (Recalling, error) {
	var p struct {
		Recalling *Recalling `json:"recalling"`
	}
	err := json.Unmarshal(h.Policy, &p)
	if r := p.Recalling; err == nil && r != nil && r.whole() && h.Target.Kind == ArchiveKind && h.Target.Path == "s3://"+r.Bucket+"/" {
		return *r, nil
	}
	return Recalling{}, &cooper.Error{Kind: cooper.KindInvalid, Where: "plan " + h.ID, Message: "does not say from where objects come back, and how", Err: err,
		Remedy: "Make a new plan with this version of cooper."}
}

func (r *Recalling) whole() bool {
	return r.Scope != "" && r.Bucket != "" && !slices.Contains(r.Buckets, r.Bucket) && r.Days > 0 && slices.Contains(tiers, r.Tier) && (r.Config == "") == (r.Declared == "")
}
