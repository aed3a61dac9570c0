package detect_test

import (
	"fmt"
	"math/rand/v2"
	"slices"

	"cooper"
)

// A cell is a small platform by itself: some handles, what links to them, what is derived from
// them, what holds them, and objects. Many live in one database, so that one detection judges
// all of them; none has to do with another, and each goes by chances of its own, so that one is the same
// whichever others are there.
type cell struct {
	n       int
	r       *rand.Rand
	kinds   []string
	serial  int
	names   map[string]bool // of its handles, those that are gone, too
	state   cellState
	objects map[place]object // a database that is restored leaves them
}

// cellState is what the database has of it.
type cellState struct {
	rows    []row
	links   []link
	derived []edge
	holds   []hold
}

type name struct{ kind, id string }

type place struct{ bucket, key string }

// row is a handle in the owner's index.
type row struct {
	name
	at                []place // each way in which its address can be read; none: it is no object
	size              int64
	modified, created cooper.Instant
	status            string
	candidate         bool
}

// link is a value that leads somewhere, in a row of an association's table.
type link struct {
	association string
	part        int // of the table: which range has it
	object      string
	readings    []target
	bad         bool           // it cannot be read
	since       cooper.Instant // it is there as it is
}

// target is a handle by its id, or a place.
type target struct {
	name
	place
}

type edge struct{ derived, source name }

type hold struct {
	role string
	name
}

type object struct {
	size     int64
	modified cooper.Instant
}

func newCell(seed uint64, n int, kinds []string) *cell {
	return &cell{n: n, r: rand.New(rand.NewPCG(seed, uint64(n)+1)), kinds: kinds, objects: map[place]object{}, names: map[string]bool{}}
}

func (s *cellState) clone() cellState {
	return cellState{slices.Clone(s.rows), slices.Clone(s.links), slices.Clone(s.derived), slices.Clone(s.holds)}
}

func pick[T any](r *rand.Rand, of ...T) T { return of[r.IntN(len(of))] }

// one tells, of so many times, once.
func (c *cell) one(in int) bool { return c.r.IntN(in) == 0 }

func (c *cell) owns(n name) bool { return c.names[n.id] }

// id is a new one, of any form. Those that differ in case alone are different; two kinds may have
// the same.
func (c *cell) id() (id string) {
	defer func() { c.names[id] = true }()
	c.serial++
	switch n := c.serial; c.r.IntN(5) {
	case 0:
		return fmt.Sprintf("%08x-0000-4000-8000-%012x", c.n, n)
	case 1:
		return fmt.Sprintf("%s%d-%d", pick(c.r, "t", "T", "é", "0"), c.n, n/2)
	default:
		return fmt.Sprint(c.n*1000 + n/2 + 1)
	}
}

func (c *cell) place() place {
	bucket := pick(c.r, "app", "app", "app", "media", "media", "outside", "nowhere")
	folder := pick(c.r, "up", "up", "up", "up", "keep", "keepsake", "tmp", "tmporary")
	return place{bucket, fmt.Sprintf("%s/c%d/%s", folder, c.n, pick(c.r, "a", "A", "a ", "é", "%41", "b", "b.zst", "c", "d", "e"))}
}

func (c *cell) has(n name) bool {
	return slices.ContainsFunc(c.state.rows, func(r row) bool { return r.name == n })
}

// upload makes a handle and its object; sometimes one of them is not there.
func (c *cell) upload(now, made cooper.Instant) {
	h := row{name: name{pick(c.r, c.kinds...), c.id()}, size: int64(1 + c.r.IntN(1000)), modified: made, candidate: !c.one(12), status: "0"}
	if c.has(h.name) {
		return
	}
	if h.at = []place{c.place()}; h.kind != "old" && c.one(10) { // an address that can be read in two ways
		h.at = append(h.at, c.place())
	}
	switch c.r.IntN(16) {
	case 0:
		h.modified = 0
	case 1:
		h.at = nil
	case 2:
		h.size = -1
	case 3:
		h.created = made
	case 4: // brought from elsewhere, with its time
		h.created, h.modified = made, made-300*day
	case 5, 6: // the same, and nobody says so
		h.modified = made - cooper.Instant(c.r.IntN(100))*day
	}
	c.state.rows = append(c.state.rows, h)
	for _, at := range h.at {
		if !c.one(8) {
			c.objects[at] = object{max(h.size, 0), min(made, max(h.modified, made-100*day))}
		}
	}
	if !c.one(3) {
		c.link(h, now)
	}
	if c.one(4) {
		c.derive(h.name)
	}
}

// link makes something link to a handle: by id, by key, or by a value that may be read in two ways.
func (c *cell) link(h row, now cooper.Instant) {
	l := link{association: pick(c.r, associations...), part: c.r.IntN(parts), object: fmt.Sprintf("c%d.%d", c.n, c.r.IntN(50)), bad: c.one(40), since: now}
	l.readings = []target{{name: h.name}}
	if len(h.at) > 0 && c.one(3) {
		l.readings[0] = target{name{pick(c.r, "", h.kind), ""}, h.at[c.r.IntN(len(h.at))]}
	}
	if c.one(5) {
		other := target{name: name{h.kind, c.id()}}
		if len(c.state.rows) > 0 && c.one(2) {
			other = target{name: pick(c.r, c.state.rows...).name}
		}
		if l.readings = append(l.readings, other); c.one(2) {
			slices.Reverse(l.readings)
		}
	}
	c.state.links = append(c.state.links, l)
}

// derive says that a handle is made from another, from itself, or from one that is gone.
func (c *cell) derive(n name) {
	source := name{n.kind, c.id()}
	for _, r := range c.r.Perm(len(c.state.rows)) {
		if c.state.rows[r].kind == n.kind && !c.one(6) {
			source = c.state.rows[r].name
			break
		}
	}
	c.state.derived = append(c.state.derived, edge{n, source})
}

// move is a link that is taken from one row and put into another, at one moment.
func (c *cell) move(now cooper.Instant) {
	if len(c.state.links) > 0 {
		i := c.r.IntN(len(c.state.links))
		l := c.state.links[i]
		c.state.links = slices.Delete(c.state.links, i, i+1)
		l.association, l.part, l.object = pick(c.r, associations...), c.r.IntN(parts), fmt.Sprintf("c%d.%d", c.n, c.r.IntN(50))
		l.since = now
		c.state.links = append(c.state.links, l)
	}
}

func drop[T any](c *cell, all []T) []T {
	if len(all) == 0 {
		return all
	}
	i := c.r.IntN(len(all))
	return slices.Delete(all, i, i+1)
}

// begin is what the platform was like before anybody looked.
func (c *cell) begin(now cooper.Instant) {
	for range 1 + c.r.IntN(5) {
		c.upload(now, now-cooper.Instant(c.r.IntN(120))*day)
	}
	for range c.r.IntN(4) {
		c.objects[c.place()] = object{7, now - cooper.Instant(c.r.IntN(90))*day}
	}
}

// live is a moment in which something may happen.
func (c *cell) live(now cooper.Instant, often int) {
	if !c.one(often) {
		return
	}
	s := &c.state
	switch c.r.IntN(30) {
	case 0, 1:
		c.upload(now, now)
	case 2, 3, 4:
		if len(s.rows) > 0 {
			c.link(pick(c.r, s.rows...), now)
		}
	case 5, 6, 7, 8:
		s.links = drop(c, s.links)
	case 9, 10, 11, 12, 13:
		c.move(now)
	case 14:
		s.derived = drop(c, s.derived)
	case 15:
		if len(s.rows) > 0 {
			c.derive(pick(c.r, s.rows...).name)
		}
	case 16:
		if len(s.rows) > 0 {
			s.holds = append(s.holds, hold{pick(c.r, roles...), pick(c.r, s.rows...).name})
		}
	case 17, 18:
		s.holds = drop(c, s.holds)
	case 19: // a row goes; links to it dangle, its object stays
		if c.one(4) {
			s.rows = drop(c, s.rows)
		}
	case 20, 21, 26, 27:
		c.change(now)
	case 22:
		if len(s.links) > 0 {
			i := c.r.IntN(len(s.links))
			s.links[i].bad, s.links[i].since = !s.links[i].bad, now
		}
	case 23:
		c.objects[c.place()] = object{5, now}
	case 24:
		for _, r := range s.rows {
			if len(r.at) > 0 && c.one(2) {
				delete(c.objects, r.at[0])
				break
			}
		}
	case 25: // all links to everything go, as of a project that is deleted
		if c.one(3) {
			s.links = nil
		}
	}
}

// change is one of a handle itself.
func (c *cell) change(now cooper.Instant) {
	if len(c.state.rows) == 0 {
		return
	}
	h := &c.state.rows[c.r.IntN(len(c.state.rows))]
	switch c.r.IntN(5) {
	case 0:
		h.modified = now
	case 1:
		h.status = pick(c.r, "0", "0", "1", "2", "3", "9")
	case 2: // it moves, and who moves it does not always say when
		if h.at = []place{c.place()}; c.one(2) {
			h.modified = now
		}
		c.objects[h.at[0]] = object{max(h.size, 0), pick(c.r, now, now-60*day)} // as a copy, or by another name
	case 3:
		h.candidate = !h.candidate
	case 4:
		if len(h.at) > 0 {
			c.objects[h.at[0]] = object{max(h.size, 0), now}
		}
	}
}
