package years

import (
	"fmt"
	"hash/fnv"
	"maps"
	"math/rand/v2"
	"slices"
)

// by is chance for one thing at one moment: whatever else happens, or does not, it stays what it is.
func by(of ...any) *rand.Rand {
	h := fnv.New64a()
	fmt.Fprintln(h, of...)
	return rand.New(rand.NewPCG(h.Sum64(), 0))
}

// what tenants do, each so often in a hundred times.
var acts = []struct {
	often int
	do    func(*tenant)
}{
	{26, (*tenant).uploads}, {14, (*tenant).links}, {24, (*tenant).unlinks}, {8, (*tenant).moves}, {3, (*tenant).aliases}, {2, (*tenant).overwrites},
	{3, (*tenant).reuses}, {2, (*tenant).deletesRow}, {2, (*tenant).deletesFile}, {2, (*tenant).holds}, {3, (*tenant).releases}, {2, (*tenant).derives}, {1, (*tenant).renames},
	{3, (*tenant).asks}, {5, (*tenant).wishes},
}

// tenant is one of the platform's, at a moment.
type tenant struct {
	*world
	n int
	r *rand.Rand
}

// lives has the tenants do things, one in so many each.
func (w *world) lives(moment string, often int) {
	w.p.within(func() {
		for n := range w.tenants {
			if w.only >= 0 && w.only != n {
				continue
			}
			t := &tenant{w, n, by(w.seed, n, w.day, moment)}
			for t.r.IntN(often) == 0 {
				t.acts()
			}
		}
	})
}

func (t *tenant) acts() {
	n := t.r.IntN(100)
	for i := range acts {
		if n -= acts[i].often; n < 0 {
			acts[i].do(t)
			return
		}
	}
}

// files are his, in order.
func (t *tenant) files(such func(*file) bool) (all []*file) {
	for _, id := range slices.Sorted(maps.Keys(t.p.files)) {
		if f := t.p.files[id]; f.tenant == t.n && (such == nil || such(f)) {
			all = append(all, f)
		}
	}
	return all
}

// one is some file of his; nil: there is none.
func (t *tenant) one(such func(*file) bool) *file {
	all := t.files(such)
	if len(all) == 0 {
		return nil
	}
	return all[t.r.IntN(len(all))]
}

// places are those of his links, in order.
func (t *tenant) places() (all []place) {
	for at, id := range t.p.links {
		if f := t.p.files[id]; f != nil && f.tenant == t.n {
			all = append(all, at)
		}
	}
	slices.SortFunc(all, func(a, b place) int { return int(a.id - b.id) })
	return all
}

// table is where he makes a link.
func (t *tenant) table() string {
	all := []string{"posts", "posts"}
	if t.kind.notes {
		all = append(all, "notes")
	}
	if t.p.pins {
		all = append(all, "pins")
	}
	return all[t.r.IntN(len(all))]
}

func (t *tenant) body() []byte {
	size := []int{10, 40, 300, 2000}[t.r.IntN(4)] // the first is too small for the archive
	b := fmt.Appendf(nil, "%d/%d/%x ", t.n, t.day, t.r.Uint32())
	for len(b) < size {
		b = append(b, "all work and no play "...)
	}
	return b[:max(size, 9)]
}

func (t *tenant) key() string {
	if t.r.IntN(4) == 0 {
		return fmt.Sprintf("z/%03d/%d.txt", t.n, t.p.next()) // is compressed now and then
	}
	return fmt.Sprintf("u/%03d/%d", t.n, t.p.next())
}

func (t *tenant) uploads() {
	f := t.p.upload(t.n, t.key(), t.body())
	for t.r.IntN(4) > 0 && len(t.p.linksOf(f.id)) < 2 {
		t.p.link(f, t.table())
	}
}

// links makes a link; to what nothing links any more, if he can.
func (t *tenant) links() {
	linked := t.p.linked()
	f := t.one(func(f *file) bool { return !linked[f.id] && t.p.may(f) })
	if f == nil || t.r.IntN(3) == 0 {
		f = t.one(nil)
	}
	if f != nil {
		t.p.link(f, t.table())
	}
}

func (t *tenant) unlinks() {
	if all := t.places(); len(all) > 0 {
		t.p.unlink(all[t.r.IntN(len(all))])
	}
}

func (t *tenant) moves() {
	if all := t.places(); len(all) > 0 {
		t.p.move(all[t.r.IntN(len(all))], t.table())
	}
}

func (t *tenant) aliases() {
	if f := t.one(nil); f != nil && t.p.may(f) && t.readable(f) {
		t.p.alias(f)
	}
}

func (t *tenant) overwrites() {
	if f := t.one(t.p.may); f != nil {
		t.p.overwrite(f, t.body())
	}
}

// reuses uploads another file under the key of one that is in the archive.
func (t *tenant) reuses() {
	f := t.one(func(f *file) bool { return t.p.status(f.id) == "ARCHIVED" && t.inPlace(f) == nil })
	if f == nil || slices.ContainsFunc(t.p.of(f.key), t.p.may) {
		return
	}
	t.again[f.key] = true
	t.p.link(t.p.upload(t.n, f.key, t.body()), "posts")
}

func (t *tenant) deletesRow() {
	if f := t.one(t.p.may); f != nil {
		t.p.remove(f, false)
	}
}

func (t *tenant) deletesFile() {
	if f := t.one(t.p.may); f != nil {
		t.p.remove(f, true)
	}
}

func (t *tenant) holds() {
	if f := t.one(t.p.may); f != nil && !t.p.rows.holds[f.id] {
		t.p.rows.holds[f.id] = true
		t.p.exec("INSERT INTO holds (file_id) VALUES (?)", f.id)
		t.did(f.id, "held")
	}
}

func (t *tenant) releases() {
	if f := t.one(func(f *file) bool { return t.p.rows.holds[f.id] }); f != nil {
		delete(t.p.rows.holds, f.id)
		t.p.exec("DELETE FROM holds WHERE file_id = ?", f.id)
		t.did(f.id, "no longer held")
	}
}

// derives uploads a preview of a file.
func (t *tenant) derives() {
	f := t.one(t.p.may)
	if f == nil {
		return
	}
	of := t.p.upload(t.n, t.key(), t.body())
	t.p.exec("INSERT INTO variants VALUES (?, ?)", of.id, f.id)
	t.p.variants[of.id] = f.id
	t.did(of.id, "is made of %d", f.id)
}

func (t *tenant) renames() {
	if f := t.one(t.p.may); f != nil && !t.again[f.key] {
		t.p.rename(f, t.key())
	}
}

// asks asks a guard for a file that nothing links to.
func (t *tenant) asks() {
	if f := t.one(func(f *file) bool { return t.p.status(f.id) == "UNLINKED" }); f != nil {
		t.toAsk = append(t.toAsk, f.id)
		t.did(f.id, "asked for")
	}
}

// wishes wants a file back from the archive.
func (t *tenant) wishes() {
	if f := t.one(func(f *file) bool { return !t.p.may(f) }); f != nil {
		t.wanted[f.id] = true
		t.did(f.id, "wanted back")
	}
}
