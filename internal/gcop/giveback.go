package gcop

import (
	"slices"

	"cooper"
)

// GiveBack is the verb that gives the handles of an object back that are on their way to the archive, and are not to
// go: nothing of it has gone. It is the kind of phase that consists of it, too. All versions of an object stand
// one behind the other, the oldest first, and are never cut.
const GiveBack = "give-back"

// GivenBack is one version of an object whose handles are given back: it has to be in its place.
type GivenBack struct {
	Bucket string // of the version
	// Versions is how many versions the object has, on the first of them; 0 on the others, which have no
	// Handles either.
	Versions int
	// Handles are those that are given back, each ARCHIVING. Of one that is Linked a scan has seen a link: it becomes
	// AVAILABLE, the others UNLINKED.
	Handles []Holder
	Reason  string
}

func (g *GivenBack) parameters() *parameters[Holder] {
	return &parameters[Holder]{texts: map[string]*string{argBucket: &g.Bucket, argReason: &g.Reason}, versions: &g.Versions, handles: &g.Handles}
}

// Action writes it as an action.
func (g *GivenBack) Action(v cooper.Version) (cooper.Action, error) {
	m, err := g.parameters().arguments(v.Key)
	return cooper.Action{Verb: GiveBack, Version: v, Args: m}, err
}

// GivenBackOf reads what Action wrote. Anything else is KindInvalid: it is not known what was meant.
func GivenBackOf(x *cooper.Action) (g GivenBack, err error) {
	if err := g.parameters().read(x); err != nil {
		return g, err
	}
	unknown := func(h Holder) bool { return h.ID == "" || h.Status == "" || h.Since <= 0 }
	switch {
	case x.Verb != GiveBack:
		return g, invalid(x, "the verb "+cooper.Quote(x.Verb)+" gives nothing back", nil)
	case g.Bucket == "" || g.Reason == "":
		return g, invalid(x, "it is not known where it is, and why it stays", nil)
	case g.Versions < 0 || (g.Versions > 0) != (len(g.Handles) > 0) || slices.ContainsFunc(g.Handles, unknown):
		return g, invalid(x, "it is not known which handles it has, and what they are", nil)
	case !x.Version.DeleteMarker && x.Version.ETag == "":
		return g, invalid(x, "it is not known which bytes it has: the plan has no ETag", nil)
	}
	return g, nil
}
