package replace

import (
	"fmt"
	"strings"

	"cooper"
	"cooper/internal/bucketop"
	"cooper/internal/look"
)

// seen is what a look has found of an object.
type seen struct {
	replacement bool   // is current, as it was proven
	original    bool   // is there, by its id
	latest      bool   // and is the current version
	unlike      string // how it differs from the one that was read; empty if it does not
	other       bool   // another version is current under the original's key
	older       int    // further versions there that a reader could get to see
	between     bool   // something came after the original and before the replacement, under one key
}

// found takes in a version that is there now.
func (it *item) found(v *cooper.Version) {
	if v.Key == it.stored.Key && it.isReplacement(v) {
		it.seen.replacement = v.Latest
		it.stored.LastModified = v.LastModified
		return
	}
	if v.Key != it.Version.Key {
		return
	}
	if v.VersionID == it.Version.VersionID && it.foundOriginal(v) {
		return
	}
	switch {
	case v.DeleteMarker:
	case v.Latest:
		it.seen.other = true
	default:
		it.seen.older++
	}
	// The newest version of a key is listed first.
	it.seen.between = it.seen.between || it.stored.Key == v.Key && it.seen.replacement && !it.seen.original
}

// foundOriginal takes in what has the original's id. That is the original, gone
// only once its id is not listed any more; but for a null version, whose id
// others get, too: beside the original with other content it is another.
func (it *item) foundOriginal(v *cooper.Version) bool {
	unlike := ""
	switch look.Is(&it.Version, v) {
	case look.Itself:
	case look.Redated:
		unlike = fmt.Sprintf("is dated %s, and was %s when it was read", v.LastModified, it.Version.LastModified)
	default:
		if !look.Own(v.VersionID) && it.stored.Key != v.Key {
			return false
		}
		unlike = "has another content than was read, by its size and ETag"
	}
	it.seen.original, it.seen.latest, it.seen.unlike = true, v.Latest, unlike
	return true
}

// isReplacement tells whether v is what was proven: ETag and size tell its content,
// and its time does not (some stores tell another by listing than by HEAD).
func (it *item) isReplacement(v *cooper.Version) bool {
	s := it.stored
	if v.DeleteMarker || v.VersionID != s.VersionID || v.Size != s.Size {
		return false
	}
	return strings.EqualFold(v.ETag, s.ETag) || v.ETag == "" && look.Own(v.VersionID) // which is the one that was written
}

// judge decides after a look what becomes of an object: whether its original is
// to be removed, as far as that may be tried again. Otherwise its outcome is
// final.
func (t *Target) judge(it *item, again bool) (remove bool) {
	inPlace := t.opt.Rewriting.Mode == bucketop.InPlace
	s := &it.seen
	name := cooper.Quote(it.stored.Key)
	switch {
	case !s.replacement && inPlace:
		it.fail(cooper.KindChanged, "was overwritten or deleted since it was compressed: what is there stays")
	case !s.replacement && s.original:
		it.fail(cooper.KindChanged, name+" is not there as it was proven: the original stays")
	case !s.replacement:
		it.fail(cooper.KindMissing, "neither it nor "+name+" is there as it was: what is there stays")
	case inPlace && it.Version.VersionID == it.stored.VersionID: // it took the place itself
	case inPlace && s.original && s.between:
		it.fail(cooper.KindConflict, "was uploaded or deleted by somebody between being read and being compressed, and the store did not mind: all versions stay; make the right one the current one")
	case inPlace && s.original, !inPlace && s.original && s.latest:
		return t.mayGo(it, inPlace, again)
	case inPlace, it.sent && !s.original: // it is gone: its id is not listed
	case s.original:
		it.fail(cooper.KindChanged, "was overwritten or deleted since it was read: it stays as an older version, beside "+name)
	case s.other:
		it.fail(cooper.KindChanged, "was overwritten since it was read: what is there stays; "+name+" holds what it was")
	}
	return false
}

// mayGo decides about an original that is there beside its replacement, and
// hides nothing.
func (t *Target) mayGo(it *item, inPlace, again bool) bool {
	switch {
	case t.opt.Rewriting.Originals == bucketop.KeepOriginals:
	case it.seen.unlike != "":
		it.fail(cooper.KindChanged, "the original stayed: it is there under its id, but "+it.seen.unlike)
		it.out.Remedy = "It may be an upload of the same bytes, or the store may date versions anew that are superseded. Look at it; cooper purge removes versions by what a listing shows of them now."
	case it.lacks != "":
		it.fail(cooper.KindConflict, "the original stayed: "+cooper.Quote(it.stored.Key)+" holds the same content, but not what the original has beside it: "+it.lacks)
		it.out.Remedy = "Add it there, and remove the original; or remove that object, so that it is made anew by the next plan."
	case it.untold != nil:
		it.fail(cooper.KindOf(it.untold), "the original stayed: what it has beside its content cannot be compared: "+it.untold.Error())
	case !inPlace && it.seen.older > 0:
		it.fail(cooper.KindConflict, fmt.Sprintf("has older versions, %d of them, of which one would become the current one: it stays, beside %s", it.seen.older, cooper.Quote(it.stored.Key)))
	case it.doubt != nil && cooper.KindOf(it.doubt) == cooper.KindMissing:
		it.fail(cooper.KindChanged, "is not the current version any more: it stays")
	case it.doubt != nil && (!again || cooper.KindOf(it.doubt) == cooper.KindInvalid):
		it.fail(cooper.KindOf(it.doubt), "cannot be removed: "+it.doubt.Error())
	default:
		return true
	}
	return false
}
