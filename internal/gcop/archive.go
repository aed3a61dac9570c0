package gcop

import (
	"encoding/json"
	"slices"

	"cooper"
	"cooper/internal/bucketop"
	"cooper/internal/plan"
)

// Archive is the verb that moves one version of an object into the archive bucket, and the
// kind of phase that consists of it. All versions of an object that go stand one behind the
// other, the oldest first, and are never cut.
const Archive = "archive"

// ArchiveKind is the kind of target that plans with it have: a bucket into which others are
// archived. Its path is s3://BUCKET/.
const ArchiveKind = "archive"

// HandlesAShard is about how many handles, or versions, are archived in one step.
const HandlesAShard = 1000

// Proof is how it is to be proven that a copy has the bytes of its original.
type Proof string

// The proofs. What a plan says is what is expected, and paid for; which one holds, the store
// tells when the copy is there.
const (
	ByETag     Proof = "etag"     // the same MD5, of the whole or of the same parts
	ByChecksum Proof = "checksum" // the same checksum of all bytes
	ByReading  Proof = "read"     // both are read
	Unneeded   Proof = "none"     // a delete marker, of which there is no copy
)

// Holder is a handle of an object that is to be archived, as the state had it when the plan was made.
type Holder struct {
	Kind   string         `json:"kind,omitempty"`
	ID     string         `json:"id"`
	Status string         `json:"status"`
	Since  cooper.Instant `json:"since"` // 0 where the state never changed it
	// Scanned: a complete scan that began after the fence was closed has seen no link to it.
	Scanned bool `json:"scanned,omitempty"`
	// Linked: a scan has seen a link to it since it was closed. Of handles that are given back.
	Linked bool `json:"linked,omitempty"`
}

// Archival is the archiving of one version. Its key is that of the version.
type Archival struct {
	Bucket string // that of the version
	To     string // the key in the archive bucket
	Class  string // the storage class there
	Proof  Proof
	Last   bool // the newest version of its object: it goes when all others have gone
	Guard  bucketop.Guard
	// Versions is how many versions of the object go, on the first of them; 0 on the others, which
	// have no Handles either.
	Versions int
	// Handles are all handles of the object; none where no handle names it.
	Handles []Holder
	// For is the key that the handles have, if it is another than the version's: the object was compressed.
	For    string
	Reason string
}

// The names of arguments of an archival, beside those that others have.
const (
	argTarget = "target"
	argClass  = "class"
	argProof  = "proof"
	argLast   = "last"
	argGuard  = "guard"
	argFor    = "for"
)

func (a *Archival) parameters() *parameters[Holder] {
	return &parameters[Holder]{texts: map[string]*string{
		argBucket: &a.Bucket, argTarget: &a.To, argClass: &a.Class, argProof: (*string)(&a.Proof), argGuard: (*string)(&a.Guard), argFor: &a.For, argReason: &a.Reason,
	}, flags: map[string]*bool{argLast: &a.Last}, versions: &a.Versions, handles: &a.Handles}
}

// Action writes the archiving of a version as an action.
func (a *Archival) Action(v cooper.Version) (cooper.Action, error) {
	m, err := a.parameters().arguments(v.Key)
	return cooper.Action{Verb: Archive, Version: v, Args: m}, err
}

// ArchivalOf reads what Action wrote. Anything else is KindInvalid: it is not known what was
// meant.
func ArchivalOf(x *cooper.Action) (a Archival, err error) {
	if err := a.parameters().read(x); err != nil {
		return a, err
	}
	if why := a.wrong(x); why != "" {
		return a, invalid(x, why, nil)
	}
	return a, nil
}

// wrong tells why an archival cannot be meant; empty if it can.
func (a *Archival) wrong(x *cooper.Action) string {
	v := &x.Version
	known := func(h Holder) bool { return h.ID != "" && h.Status != "" && h.Since >= 0 && !h.Linked }
	switch {
	case x.Verb != Archive:
		return "the verb " + cooper.Quote(x.Verb) + " archives nothing"
	case a.Bucket == "" || a.To != ArchiveKey(a.Bucket, v.Key):
		return "it is not known where it is to go"
	case v.DeleteMarker != (a.Proof == Unneeded) || !slices.Contains([]Proof{ByETag, ByChecksum, ByReading, Unneeded}, a.Proof):
		return "it is not known how its copy is to be proven"
	case !v.DeleteMarker && v.ETag == "":
		return "it is not known which bytes it has: the plan has no ETag"
	case a.Guard != bucketop.ByID && a.Guard != bucketop.ByETag && a.Guard != bucketop.ByLook:
		return "it is not known what keeps another version from going in its place"
	case a.Versions < 0, a.Versions == 0 && len(a.Handles) > 0, a.Class == "" || a.Reason == "":
		return "it is not known what goes with it, whereto, and why"
	case slices.ContainsFunc(a.Handles, func(h Holder) bool { return !known(h) }):
		return "it is not known which handles it has, and what they are"
	}
	return ""
}

// ArchiveKey is the key of an object in the archive bucket.
func ArchiveKey(bucket, key string) string { return bucket + "/" + key }

// Archiving is what all archivals of a plan have in common. A plan's policy has it under
// "archiving".
type Archiving struct {
	Marking
	// Bucket is the archive.
	Bucket string `json:"bucket"`
	// Versioning is that of each bucket, and of the archive, as it was planned with.
	Versioning map[string]string `json:"versioning"`
	// Unfenced: the owner's database is not told, and new links are not kept out
	// (--without-fence). Unindexed: no handle names the objects, and nobody is asked.
	Unfenced  bool `json:"without_fence,omitempty"`
	Unindexed bool `json:"unindexed,omitempty"`
	// Unguarded: null versions that an upload could overwrite go after a look alone.
	Unguarded bool `json:"unguarded,omitempty"`
}

// ArchivingOf reads it from a plan's policy.
func ArchivingOf(h *plan.Header) (Archiving, error) {
	var p struct {
		Archiving *Archiving `json:"archiving"`
	}
	err := json.Unmarshal(h.Policy, &p)
	if a := p.Archiving; err == nil && a != nil && a.whole() && a.Bucket != "" && h.Target.Kind == ArchiveKind && h.Target.Path == "s3://"+a.Bucket+"/" {
		return *a, nil
	}
	return Archiving{}, &cooper.Error{Kind: cooper.KindInvalid, Where: "plan " + h.ID, Message: "does not say what is archived, and what that rests on", Err: err,
		Remedy: "Make a new plan with this version of cooper."}
}

// ReasonWaits begins the reason of handles that wait, ARCHIVING, for a complete scan that begins after
// one whose id follows: what could link to them can be seen by a scan alone.
const ReasonWaits = "waits for a complete scan after "
