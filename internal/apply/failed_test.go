package apply

import (
	"fmt"
	"strings"
	"testing"

	"cooper"
)

// TestReasons: failures for one reason count together, whatever object, version
// and request their messages name, and those for others apart.
func TestReasons(t *testing.T) {
	s := &Summary{Verbs: map[string]map[cooper.Status]int64{}, Kinds: map[cooper.Kind]int64{}, counts: map[string]int64{}}
	fail := func(kind cooper.Kind, key, version, message, remedy string) {
		o := cooper.Outcome{Verb: "rewrite", Status: cooper.Failed, Kind: kind, Message: message, Remedy: remedy}
		o.Key, o.VersionID = key, version
		s.add([]cooper.Outcome{o})
	}
	fail(cooper.KindConflict, "p/x", "", `p/x.zst: another content`, "Look at it.")
	for i := range 30 {
		key := fmt.Sprintf("p/%d/k\x01%d", i%2, i)
		fail(cooper.KindInvalid, key, "", cooper.Quote(key)+": a wrong key", "Check the key.")
		key = fmt.Sprintf("q/1/%d", i)
		fail(cooper.KindStore, key, fmt.Sprint("v", i), fmt.Sprintf("%s (version v%d): the store answered 500, request R%d", key, i, i), "")
	}
	fail(cooper.KindStore, "q/1/1", "v1", "q/1/1 (version v1): the store answered 503, request R", "")
	s.rank()
	var got []string
	for _, r := range s.Reasons {
		got = append(got, fmt.Sprintf("%d %s below %q, %q: %s|%s", r.Count, r.Kind, r.Below, r.Key, r.Message, r.Remedy))
	}
	want := `30 invalid below "p/", "p/0/k\x010": "p/0/k\x010": a wrong key|Check the key.
30 store below "q/1/", "q/1/0": q/1/0 (version v0): the store answered 500, request R0|
1 conflict below "p/", "p/x": p/x.zst: another content|Look at it.
1 store below "q/1/", "q/1/1": q/1/1 (version v1): the store answered 503, request R|`
	if strings.Join(got, "\n") != want {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), want)
	}

	for i := range 3 * toldApart {
		fail(cooper.KindStore, "z", "", fmt.Sprint("message ", i), "")
	}
	all := int64(0)
	for _, r := range s.Reasons {
		all += r.Count
	}
	if all != 62+3*toldApart || len(s.Reasons) > toldApart+1 {
		t.Errorf("%d failures in %d reasons", all, len(s.Reasons))
	}
}
