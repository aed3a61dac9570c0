package apply

import (
	"cmp"
	"regexp"
	"slices"
	"strings"

	"cooper"
)

// toldApart is how many reasons for failures a Summary tells apart; what comes
// after these counts by kind alone.
const toldApart = 100

// Reason is why some actions failed: what of their messages is the same for all.
type Reason struct {
	Kind  cooper.Kind `json:"kind"`
	Count int64       `json:"count"`
	// Below is the folder that all of their keys lie in; empty for the top.
	Below string `json:"below,omitempty"`
	// Key and Message are of the first. Without a message these are the failures
	// of a kind that were too various to be told apart.
	Key     string `json:"key,omitempty"`
	Message string `json:"message,omitempty"`
	// Remedy is what can be done about them, where that is known.
	Remedy string `json:"remedy,omitempty"`
	// Again counts those of them whose very version failed alike in an earlier
	// run, as far as the ledger was asked; see Summary.FailedBefore.
	Again int64 `json:"again,omitempty"`
	// All: everything that the run tried with their verb failed so, and that says
	// something of the store rather than of the objects.
	All bool `json:"all,omitempty"`

	like  string // equal for equal reasons
	store bool   // each of them is one of those that, all together, say something of the store
}

// requestID is what a store calls one request.
var requestID = regexp.MustCompile(`, request [^ ,:;)]+`)

// values are those of a part of an identity that differs (store.Difference).
var values = regexp.MustCompile(`\(found [^()]*, planned [^()]*\)`)

// likeness is a message without what differs from object to object.
func likeness(o *cooper.Outcome) string {
	s := values.ReplaceAllString(requestID.ReplaceAllString(o.Message, ""), "")
	for _, own := range []string{strings.Trim(cooper.Quote(o.Key), `"`), o.VersionID, o.ETag} {
		if own != "" {
			s = strings.ReplaceAll(s, own, "\x00")
		}
	}
	return s
}

// failed counts one more failure, by its reason.
func (s *Summary) failed(o *cooper.Outcome) {
	like := likeness(o)
	i := slices.IndexFunc(s.Reasons, func(r Reason) bool { return r.Kind == o.Kind && r.like == like })
	if i < 0 && len(s.Reasons) >= toldApart {
		like = ""
		i = slices.IndexFunc(s.Reasons, func(r Reason) bool { return r.Kind == o.Kind && r.like == "" && r.Message == "" })
	}
	if i < 0 {
		r := Reason{Kind: o.Kind, Count: 1, Below: folder(o.Key), like: like, store: ofStore(o)}
		if like != "" {
			r.Key, r.Message, r.Remedy = o.Key, o.Message, o.Remedy
		}
		s.Reasons = append(s.Reasons, r)
		return
	}
	r := &s.Reasons[i]
	r.Count++
	r.store = r.store && ofStore(o)
	for !strings.HasPrefix(o.Key, r.Below) {
		r.Below = folder(strings.TrimSuffix(r.Below, "/"))
	}
}

// FailedBefore is told of a failure of this run, and of what an earlier one said
// of the same version: it counts where both are alike.
func (s *Summary) FailedBefore(now, before *cooper.Outcome) {
	like := likeness(now)
	if now.Kind != before.Kind || like != likeness(before) {
		return
	}
	for i := range s.Reasons {
		if r := &s.Reasons[i]; r.Kind == now.Kind && r.like == like {
			r.Again++
		}
	}
}

// allFrom is how many failures are needed to say so: fewer may be chance.
const allFrom = 16

// everything marks the reason for which all of a run failed that it tried with one
// verb, where that says something of the store.
func (s *Summary) everything() {
	for _, verb := range s.Verbs {
		failed := verb[cooper.Failed]
		if failed < allFrom || s.Earlier > 0 || verb[cooper.Done]+verb[cooper.Ignored] > 0 {
			continue
		}
		for i := range s.Reasons {
			if r := &s.Reasons[i]; r.Count == failed && r.store {
				r.All = true
			}
		}
	}
}

// folder is a key up to its last slash.
func folder(key string) string { return key[:strings.LastIndexByte(key, '/')+1] }

// rank puts the reasons of the most failures first.
func (s *Summary) rank() {
	slices.SortStableFunc(s.Reasons, func(a, b Reason) int { return cmp.Compare(b.Count, a.Count) })
}
