package gcop

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"cooper"
	"cooper/internal/bucketop"
	"cooper/internal/plan"
)

// Forget is the verb that deletes one version of the archive bucket for good, and the kind of phase that consists of it
// and of Vanish. All versions of a key stand one behind the other, the oldest first, and are never cut. Plans with it
// have targets of ArchiveKind.
const Forget = "forget"

// Vanish is the verb that makes handles DELETED whose copies an inventory of the archive bucket does not have any
// more, or ARCHIVED again where a later one has them all the same. No object is touched.
const Vanish = "vanish"

// ForgottenAShard is about how many versions are deleted in one step.
const ForgottenAShard = 1000

// Class is why a copy may be deleted.
type Class string

// The classes.
const (
	Expired  Class = "unlinked"  // all of its handles have been ARCHIVED for long enough
	Orphaned Class = "unindexed" // no handle names it, and none did when it was moved
	Returned Class = "restored"  // its original is in its place again
)

// Forgotten is the deletion of one copy from the archive bucket.
type Forgotten struct {
	// Bucket and Key are those of the original; its copy is under ArchiveKey.
	Bucket, Key string
	// For is the key that the handles have, if it is another than Key.
	For   string
	Class Class
	// Origin and ETag are the version id and the ETag of the original, as Manifest, a key of the archive bucket, tells.
	Origin, ETag, Manifest string
	Last                   bool // the newest version of its key: it goes when all others have gone
	Guard                  bucketop.Guard
	// Versions is how many versions of the key go, on the first of them; 0 on the others, which have no Handles
	// either.
	Versions int
	Handles  []Holder
	Reason   string
}

// The names of arguments of a deletion, beside those that others have.
const (
	argClassOf  = "why"
	argOrigin   = "origin"
	argETag     = "etag"
	argManifest = "manifest"
	argEvent    = "event"
)

func (f *Forgotten) parameters() *parameters[Holder] {
	return &parameters[Holder]{texts: map[string]*string{
		argBucket: &f.Bucket, argObject: &f.Key, argFor: &f.For, argClassOf: (*string)(&f.Class), argOrigin: &f.Origin, argETag: &f.ETag, argManifest: &f.Manifest,
		argGuard: (*string)(&f.Guard), argReason: &f.Reason,
	}, flags: map[string]*bool{argLast: &f.Last}, versions: &f.Versions, handles: &f.Handles}
}

// Action writes the deletion of a version of the archive bucket as an action.
func (f *Forgotten) Action(v cooper.Version) (cooper.Action, error) {
	m, err := f.parameters().arguments(v.Key)
	return cooper.Action{Verb: Forget, Version: v, Args: m}, err
}

// ForgottenOf reads what Action wrote. Anything else is KindInvalid: it is not known what was meant.
func ForgottenOf(x *cooper.Action) (f Forgotten, err error) {
	if err := f.parameters().read(x); err != nil {
		return f, err
	}
	if why := f.wrong(x); why != "" {
		return f, invalid(x, why, nil)
	}
	return f, nil
}

// wrong tells why a deletion cannot be meant; empty if it can.
func (f *Forgotten) wrong(x *cooper.Action) string {
	v := &x.Version
	switch {
	case x.Verb != Forget:
		return "the verb " + cooper.Quote(x.Verb) + " deletes nothing"
	case f.Bucket == "" || strings.Contains(f.Bucket, "/") || f.Key == "" || v.Key != ArchiveKey(f.Bucket, f.Key) || strings.HasPrefix(v.Key, Internal):
		return "it is not known what it is a copy of"
	case v.DeleteMarker || v.ETag == "" || f.Origin == "" || f.ETag == "" || !strings.HasPrefix(f.Manifest, Internal):
		return "it is not known whether it is a copy of ours"
	case f.Guard != bucketop.ByID && f.Guard != bucketop.ByETag && f.Guard != bucketop.ByLook:
		return "it is not known what keeps another version from going in its place"
	case !slices.Contains([]Class{Expired, Orphaned, Returned}, f.Class) || f.Reason == "":
		return "it is not known why it goes"
	case f.Versions < 0, f.Versions == 0 && len(f.Handles) > 0, f.Versions > 0 && (f.Class == Orphaned) != (len(f.Handles) == 0):
		return "it is not known whose it is"
	case slices.ContainsFunc(f.Handles, func(h Holder) bool { return !h.known() }):
		return "it is not known which handles it has, and what they are"
	}
	return ""
}

func (h *Holder) known() bool { return h.ID != "" && h.Status != "" && h.Since >= 0 }

// Internal is where Cooper keeps what is its own in an archive bucket: nothing there is ever deleted.
const Internal = ".cooper/"

// Vanished are handles whose copies an inventory of the archive does not have, or has again.
type Vanished struct {
	Bucket, Key string // of the original, as the handles name it
	Event       string // of gcstate: vanish, or seen-again
	Handles     []Holder
	Reason      string
}

func (v *Vanished) parameters() *parameters[Holder] {
	return &parameters[Holder]{texts: map[string]*string{argBucket: &v.Bucket, argObject: &v.Key, argEvent: &v.Event, argReason: &v.Reason}, handles: &v.Handles}
}

// Action writes it as an action.
func (v *Vanished) Action() (cooper.Action, error) {
	key := ArchiveKey(v.Bucket, v.Key)
	m, err := v.parameters().arguments(key)
	return cooper.Action{Verb: Vanish, Version: cooper.Version{Identity: cooper.Identity{Key: key}}, Args: m}, err
}

// VanishedOf reads what Action wrote. Anything else is KindInvalid.
func VanishedOf(x *cooper.Action) (v Vanished, err error) {
	if err := v.parameters().read(x); err != nil {
		return v, err
	}
	switch {
	case x.Verb != Vanish:
		return v, invalid(x, "the verb "+cooper.Quote(x.Verb)+" makes no handle DELETED", nil)
	case v.Bucket == "" || strings.Contains(v.Bucket, "/") || v.Key == "" || x.Version.Key != ArchiveKey(v.Bucket, v.Key):
		return v, invalid(x, "it is not known which object is meant", nil)
	case len(v.Handles) == 0 || slices.ContainsFunc(v.Handles, func(h Holder) bool { return !h.known() }):
		return v, invalid(x, "it is not known which handles it has, and what they are", nil)
	case v.Event == "" || v.Reason == "":
		return v, invalid(x, "it is not known what has happened", nil)
	}
	return v, nil
}

// Forgetting is what all deletions of a plan have in common. A plan's policy has it under "forgetting".
type Forgetting struct {
	Marking
	// Bucket is the archive, Buckets those that its objects are from.
	Bucket  string   `json:"bucket"`
	Buckets []string `json:"buckets"`
	// Snapshot is the inventory of the archive bucket that the plan rests on, and Taken when it was taken.
	Snapshot string         `json:"snapshot"`
	Taken    cooper.Instant `json:"taken"`
	// Keep is after how many seconds in the archive an object may be deleted.
	Keep int64 `json:"keep_seconds"`
	// Versioning is that of the archive bucket, as it was planned with.
	Versioning string `json:"versioning"`
	// Restored: copies of what is in its place again go, too (--restored).
	Restored bool `json:"restored,omitempty"`
	// Unfenced: the owner's database is not told what handles are (--without-fence).
	Unfenced bool `json:"without_fence,omitempty"`
	// Unguarded: null versions that an upload could overwrite go after a look alone.
	Unguarded bool `json:"unguarded,omitempty"`
}

// ForgettingOf reads it from a plan's policy.
func ForgettingOf(h *plan.Header) (Forgetting, error) {
	var p struct {
		Forgetting *Forgetting `json:"forgetting"`
	}
	err := json.Unmarshal(h.Policy, &p)
	if f := p.Forgetting; err == nil && f != nil {
		err = f.wrong()
		if err == nil && h.Target.Kind == ArchiveKind && h.Target.Path == "s3://"+f.Bucket+"/" {
			return *f, nil
		}
	}
	return Forgetting{}, &cooper.Error{Kind: cooper.KindInvalid, Where: "plan " + h.ID, Message: "does not say what is deleted from the archive, and what that rests on", Err: err,
		Remedy: "Make a new plan with this version of cooper."}
}

func (f *Forgetting) wrong() error {
	if !f.whole() || f.Bucket == "" || f.Snapshot == "" || f.Taken <= 0 || f.Keep <= 0 || slices.Contains(f.Buckets, f.Bucket) {
		return errors.New("something is missing")
	}
	return nil
}
