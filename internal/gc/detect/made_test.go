package detect

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"cooper/internal/ledger/gcfacts"
)

// store answers as a store does that knows some origins, and notes about what it was asked.
type store struct {
	knows []string
	asked []string
	err   error
}

func (s *store) made(_ context.Context, bucket string, objects []Object) (answers []bool, err error) {
	for _, o := range objects {
		s.asked = append(s.asked, bucket+" "+o.Key+" "+strings.TrimLeft(o.Version, "0"))
		answers = append(answers, slices.Contains(s.knows, o.Key))
	}
	return answers, s.err
}

// TestOrigins: stores are asked about what a name alone tells of; what they know is the handle's object, and
// what they do not know is listed.
func TestOrigins(t *testing.T) {
	w := newWorld(t, plainConfig)
	w.scans(func(r *reading) {
		r.files("1", "2", "3", "4", "5", "6")
		r.handles(file("7", func(h *gcfacts.Handle) { h.Key = "keep/7" }))
		r.links("1", "2", "3", "4", "5", "6", "7")
	})
	w.stored("data", "files/5", 300, "files/5.zst", "55")
	objects := []object{
		{key: "files/1.zst", days: 100}, {key: "files/2", days: 100}, {key: "files/2.zst", days: 100}, {key: "files/3", days: 100, marker: true}, {key: "files/3.zst", days: 100},
		{key: "files/4.zst", days: 10}, {key: "files/5.zst", days: 100, etag: "55"}, {key: "files/6", days: 100}, {key: "files/6.zst", days: 100}, {key: "files/6.zst.zst", days: 100},
		{key: "keep/7.zst", days: 100}, {key: "files/nobody.zst", days: 100},
	}
	w.inventory("data", 0, objects...)
	s := &store{knows: []string{"files/1.zst", "files/2.zst", "files/nobody.zst", "files/6.zst.zst"}}
	w.change = func(in *Inputs) { in.Made = s.made }
	f := w.detect()
	f.want(t, "missing")
	f.want(t, "unindexed", "data files/6.zst.zst 500", "data files/nobody.zst 500")
	f.want(t, "unindexed_kept", "data files/3.zst made-of", "data files/4.zst young", "data files/6.zst made-of", "data keep/7.zst protected-prefix")
	if got, want := strings.Join(s.asked, ", "), "data files/1.zst , data files/2.zst 2, data files/3.zst 4, data files/6.zst 8"; got != want {
		t.Errorf("asked about %s", got)
	}
	if asked, told := f.figure(FigureAsked).Count, f.figure(FigureTold).Count; asked != 4 || told != 2 {
		t.Errorf("%d asked about, %d told", asked, told)
	}
	s.err = errors.New("stopped")
	if _, err := w.look(); !errors.Is(err, s.err) {
		t.Error(err)
	}
}

// TestOriginsAreBounded: a detection asks about some, and goes by the names of the others.
func TestOriginsAreBounded(t *testing.T) {
	w := newWorld(t, plainConfig)
	const all = 5000
	w.scans(func(r *reading) { many(r, 1000, 1000+all); r.links("1000") })
	var objects []object
	for i := range all {
		objects = append(objects, object{key: fmt.Sprintf("files/%d.zst", 1000+i), days: 100})
	}
	w.inventory("data", 0, objects...)
	s := &store{}
	for i := range all {
		s.knows = append(s.knows, objects[i].key)
	}
	w.change = func(in *Inputs) { in.Made = s.made }
	f := w.detect()
	f.want(t, "missing")
	f.want(t, "unindexed")
	if n := len(f.lists["unindexed_kept"]); len(s.asked) != mostAsked || n != all-mostAsked {
		t.Errorf("%d asked about, %d by their names", len(s.asked), n)
	}
}

// TestStands: what a candidate holds is what stands for its key, and none of what another handle names.
func TestStands(t *testing.T) {
	w := newWorld(t, plainConfig)
	w.scans(func(r *reading) {
		r.files("1", "2", "3", "4", "5")
		r.handles(
			file("6", func(h *gcfacts.Handle) { h.Key = "files/5.zst" }),
			file("7", func(h *gcfacts.Handle) { h.Key = "files/4.zst" }),
			file("8", func(h *gcfacts.Handle) { h.Size = -1 }), file("9", func(h *gcfacts.Handle) { h.Key = "files/8" }),
		)
		r.links("9")
	})
	w.stored("data", "files/3", 300, "files/3", "33")
	w.inventory("data", 0,
		object{key: "files/1", days: 100}, object{key: "files/1.zst", days: 100}, object{key: "files/2.zst", days: 100}, object{key: "files/3", days: 1, etag: "33"},
		object{key: "files/4", days: 100}, object{key: "files/4.zst", days: 100}, object{key: "files/5.zst", days: 100}, object{key: "files/8", days: 100},
	)
	f := w.detect()
	f.want(t, "missing")
	f.want(t, "unindexed_kept", "data files/1.zst made-of", "data files/2.zst made-of")
	f.want(t, "candidates", "1 1000", "2 500", "3 500", "4 1000", "5 500", "6 1000", "7 1000", "8 500")
	f.want(t, "alone", "1 1000", "2 500", "3 500", "4 1000", "5 0", "6 0", "7 1000", "8 0")
}
