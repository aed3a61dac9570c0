package fence_test

import (
	"strings"
	"testing"
)

// The model explores every interleaving of the protocol of package verb/archive with an owner's transactions, a scan, a
// restore and crashes. A state is all that any of them can see; a move is one step of one of them, which
// nobody can divide. docs/decisions/fence.md tells what it has shown.

type status int8

const (
	available status = iota
	unlinked
	archiving
	archived
	restoring
)

// open tells whether links may be made, and bytes read.
func (s status) open() bool { return s <= unlinked }

// rules are one variant of the protocol, and what it is up against.
type rules struct {
	name     string
	lock     bool // the check of the status locks the row until the transaction ends
	trigger  bool // a trigger checks, and locks, when the link is written
	snapshot bool // the check sees what was committed when its transaction began (REPEATABLE READ)
	wait     bool // Settle
	blind    bool // links cannot be looked up: a scan has to tell
	handles  int8 // of one key, in two tables
	workers  int
	restore  bool
	back     bool // a later plan gives back what was left closed
	crashes  int8

	// reopened: the owner sets a closed handle to AVAILABLE by hand. sparing: but never between the last look at his column
	// and the removal, nor once the bytes have gone.
	reopened, sparing bool

	// What is done wrong: each must be found.
	lookFirst, scanEarly, markEarly, removeFirst, keepWaits, availableEarly, unread, backBlindly bool
}

// A transaction of the owner's: it checks the status of a handle, then writes a link, or moves one.
type tx struct {
	pc       int8 // 0 not begun, 1 begun, 2 checked, 3 written, 4 ended
	h        int8
	to       int8 // the place of the link: 1 or 2
	old      [2]status
	locks    bool
	ok, mark bool // allowed; was open at the mark
}

type worker struct {
	pc       int8
	distrust bool // the wait for a scan that is written down is not to be believed
	linked   bool
}

type state struct {
	col, rec [2]status
	link     [2]int8 // in which places there is one, as bits
	place    bool    // the bytes can be read there
	copied   bool
	proven   bool
	manifest bool
	waits    bool // the record says that it waits for a scan, which must begin after that
	scanned  bool // such a scan has ended
	seen     bool // a scan has seen a link
	scan     int8 // 0 none, 1 begun, 2 has read the first place
	counts   bool // the scan began after what it must
	saw      bool
	holder   int8 // of the lock of the key
	back     int8 // step of a restore
	crashes  int8
	tx       [2]tx
	w        [2]worker
}

// Steps of a worker.
const (
	idle int8 = iota
	intend
	trust
	closeFirst
	closeSecond
	mark
	settle
	lookFirst
	lookSecond
	copying
	prove
	manifest
	reread
	remove
	arriveOwner
	arrive
	giveOwner
	give
	inPlace
	backOwner
	backOwnerOpen
)

var stepNames = [...]string{"lock key", "state ARCHIVING", "trust wait", "fence", "fence second", "mark", "settle", "look 1", "look 2", "copy", "prove", "manifest", "read the owner's column again", "remove", "owner ARCHIVED", "state ARCHIVED", "give back owner", "give back state", "see it in its place", "give back owner", "give back what was not closed"}

// wrong says what must never be so.
func wrong(r *rules, s *state) string {
	for h := range r.handles {
		switch {
		case s.link[h] != 0 && !s.place:
			return "a linked file cannot be read"
		case s.col[h].open() && !s.place:
			return "it may be read and linked by its status, and is not there"
		}
	}
	if !s.place && !(s.copied && s.proven && s.manifest) {
		return "the original went without a proven copy and its manifest"
	}
	return ""
}

// moves gives all that may come next.
func moves(r *rules, s state, next func(string, state)) {
	for i := range s.tx {
		owner(r, s, i, next)
	}
	scan(r, s, next)
	for i := range r.workers {
		work(r, s, i, next)
		if w := s.w[i]; w.pc != idle && s.crashes < r.crashes {
			n := s
			n.crashes++
			n.w[i] = worker{}
			n.holder = 0
			next("crash", n)
			n.rec, n.waits, n.scanned, n.counts = [2]status{}, false, false, false
			next("crash, workspace lost", n)
		}
	}
	if r.restore {
		bringBack(r, s, next)
	}
	if r.reopened && s.col[0] == archiving && !(r.sparing && (!s.place || s.w[0].pc == remove || s.w[1].pc == remove)) {
		n := s
		n.col[0] = available
		next("owner AVAILABLE by hand", n)
	}
}

// owner is the next step of a transaction.
func owner(r *rules, s state, i int, next func(string, state)) {
	t := &s.tx[i]
	name := string(rune('a' + i))
	switch t.pc {
	case 0:
		for h := range r.handles {
			for to := int8(1); to <= 2; to++ {
				n := s
				n.tx[i] = tx{pc: 1, h: h, to: to}
				if r.snapshot {
					n.tx[i].old = s.col
				}
				next(name+" begins", n)
			}
		}
	case 1:
		seen := s.col[t.h]
		if r.snapshot && !r.lock {
			seen = t.old[t.h]
		}
		t.old = [2]status{} // no more matters
		t.pc, t.ok, t.locks = 2, seen.open(), r.lock
		next(name+" checks", s)
	case 2:
		if r.trigger {
			t.ok, t.locks = t.ok && s.col[t.h].open(), true
		}
		t.pc = 3
		if !t.ok {
			*t = tx{pc: 4}
		}
		next(name+" writes", s)
	case 3:
		n := s
		n.tx[i] = tx{pc: 4}
		next(name+" rolls back", n)
		// One that is linked elsewhere is moved.
		n.link[t.h] = t.to
		next(name+" commits", n)
	}
}

// scan reads one place, then the other.
func scan(r *rules, s state, next func(string, state)) {
	if !r.blind {
		return
	}
	in := func(place int8) bool { return (s.link[0]|s.link[1])&place != 0 }
	switch s.scan {
	case 0:
		s.scan, s.saw, s.counts = 1, false, s.waits || r.scanEarly
		next("scan begins", s)
	case 1:
		s.scan, s.saw = 2, in(1)
		next("scan reads 1", s)
	case 2:
		s.saw = s.saw || in(2)
		s.seen = s.saw
		s.scanned = !s.saw && (s.counts || s.scanned)
		s.scan, s.saw, s.counts = 0, false, false
		next("scan reads 2", s)
	}
}

// bringBack is a restore of the first handle; the second has the same key.
func bringBack(r *rules, s state, next func(string, state)) {
	me := int8(3)
	set := func(h int8, to status) {
		if h < r.handles {
			s.col[h], s.rec[h] = to, to
		}
	}
	if s.back > 0 && s.crashes < r.crashes {
		n := s
		n.crashes, n.back, n.holder = n.crashes+1, 0, 0
		next("crash of the restore", n)
	}
	switch s.back {
	case 0:
		if s.holder == 0 && s.col[0] >= archived {
			s.holder, s.back = me, 1
			next("restore: lock", s)
		}
	case 1:
		for h := range r.handles {
			set(h, restoring)
		}
		if r.availableEarly {
			set(0, available)
		}
		s.back = 2
		next("restore: RESTORING", s)
	case 2:
		s.place, s.back = true, 3
		next("restore: bytes", s)
	case 3:
		set(1, unlinked)
		s.back = 4
		next("restore: second UNLINKED", s)
	case 4:
		set(0, available)
		s.back, s.holder = 0, 0
		next("restore: AVAILABLE", s)
	}
}

// fenced closes a handle in the owner's column; false while a transaction has locked its row.
func fenced(r *rules, s *state, h int8) bool {
	if h >= r.handles {
		return true
	}
	for i := range s.tx {
		if s.tx[i].locks && s.tx[i].h == h {
			return false
		}
	}
	if s.col[h] == unlinked {
		s.col[h] = archiving
	}
	return true
}

// work is the next step of a worker: docs of package verb/archive name them.
func work(r *rules, s state, i int, next func(string, state)) {
	w := &s.w[i]
	name := stepNames[w.pc]
	switch w.pc {
	case idle:
		if r.back && s.holder == 0 && (s.rec[0] == archiving || r.handles > 1 && s.rec[1] == archiving) {
			n := s
			n.holder, n.w[i].pc = int8(i+1), inPlace
			next("lock key, to give back", n)
		}
		if s.holder != 0 || s.rec[0] == archived && s.col[0] == archived {
			return
		}
		s.holder, w.pc = int8(i+1), intend
	case intend:
		for h := range r.handles {
			if s.col[h] == available || s.col[h] == restoring || s.rec[h] == restoring {
				s.holder, *w = 0, worker{}
				next("not ripe", s)
				return
			}
		}
		for h := range r.handles {
			s.rec[h] = archiving
		}
		w.pc = trust
		if !s.place {
			w.pc = arriveOwner
		}
	case trust:
		for h := range r.handles {
			if s.waits && s.col[h] != archiving { // it was open since
				w.distrust = true
				if !r.keepWaits {
					s.waits, s.scanned, s.counts = false, false, false
				}
			}
		}
		w.pc = closeFirst
		if r.lookFirst {
			w.pc = lookFirst
		}
		if r.markEarly {
			markOpen(&s)
		}
	case closeFirst, closeSecond:
		h := w.pc - closeFirst
		if !fenced(r, &s, h) {
			return
		}
		w.pc++
		if h < r.handles && s.col[h] != archiving {
			w.pc = giveOwner
		}
	case mark:
		if r.wait && !r.markEarly {
			markOpen(&s)
		}
		w.pc = settle
	case settle:
		n := s
		for j := range n.tx {
			n.tx[j].mark = false
		}
		n.w[i].pc = giveOwner
		next("patience ends", n)
		for _, t := range s.tx {
			if t.mark {
				return
			}
		}
		w.pc = lookFirst
		if r.lookFirst {
			w.pc = copying
		}
	case lookFirst, lookSecond:
		if r.blind {
			w.pc = copying
			if s.seen {
				w.pc = giveOwner
			} else if !s.scanned || w.distrust {
				if !s.waits || w.distrust {
					s.waits, s.scanned, s.counts = true, false, false
				}
				s.holder, *w = 0, worker{} // stays closed
			}
			next("waits for a scan", s)
			return
		}
		w.linked = w.linked || (s.link[0]|s.link[1])&(w.pc-lookFirst+1) != 0
		w.pc++
		if w.pc == copying {
			if w.linked {
				w.pc = giveOwner
			} else if r.lookFirst {
				w.pc = closeFirst
			}
		}
	case copying:
		s.copied, w.pc = true, prove
		if r.removeFirst {
			w.pc = remove
		}
	case prove:
		s.proven, w.pc = true, manifest
	case manifest:
		s.manifest, w.pc = true, reread
	case reread:
		w.pc = remove
		for h := range r.handles {
			if s.col[h] != archiving && !r.unread {
				w.pc = giveOwner
			}
		}
	case remove:
		s.place, w.pc = false, arriveOwner
	case arriveOwner:
		for h := range r.handles {
			if s.col[h] == archiving {
				s.col[h] = archived
			}
		}
		w.pc = arrive
	case arrive:
		for h := range r.handles {
			s.rec[h] = archived
		}
		s.waits, s.scanned, s.counts = false, false, false
		s.holder, *w = 0, worker{}
	case giveOwner:
		for h := range r.handles {
			if s.col[h] == archiving {
				s.col[h] = unlinked
			}
		}
		w.pc = give
	case give:
		for h := range r.handles {
			s.rec[h] = s.col[h]
		}
		s.waits, s.scanned, s.counts, s.seen = false, false, false, false
		s.holder, *w = 0, worker{}
	case inPlace:
		if w.pc = backOwner; !s.place && !r.backBlindly {
			s.holder, *w = 0, worker{}
		}
	case backOwner: // UNLINKED, or AVAILABLE where a scan has seen a link
		n := s
		for h := range r.handles {
			if s.col[h] == archiving {
				s.col[h], n.col[h] = unlinked, available
			}
		}
		w.pc, n.w[i].pc = give, backOwnerOpen
		next(name+" AVAILABLE", n)
	case backOwnerOpen:
		for h := range r.handles {
			if s.col[h] == unlinked {
				s.col[h] = available
			}
		}
		w.pc = give
	}
	next(name, s)
}

func markOpen(s *state) {
	for j := range s.tx {
		s.tx[j].mark = s.tx[j].pc >= 1 && s.tx[j].pc < 4
	}
}

// explore visits every state that can be reached, the nearest first. It returns how many there are, and the steps to
// the first that is wrong; moved says that an original went in one of them.
func explore(r *rules) (states int, moved bool, trace []string, why string) {
	type from struct {
		parent int
		by     string
	}
	first := state{col: [2]status{unlinked, unlinked}, rec: [2]status{unlinked, unlinked}, place: true}
	known := map[state]struct{}{first: {}}
	queue, how := []state{first}, []from{{parent: -1}}
	for at := 0; at < len(queue); at++ {
		moved = moved || !queue[at].place
		if why = wrong(r, &queue[at]); why != "" {
			for i := at; how[i].parent >= 0; i = how[i].parent {
				trace = append([]string{how[i].by}, trace...)
			}
			return len(queue), moved, trace, why
		}
		moves(r, queue[at], func(by string, s state) {
			if _, seen := known[s]; !seen {
				known[s] = struct{}{}
				queue, how = append(queue, s), append(how, from{at, by})
			}
		})
	}
	return len(queue), moved, nil, ""
}

// TestEveryInterleaving: what is right holds in every state; what is wrong is found.
func TestEveryInterleaving(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		rules
		loses bool
	}{
		{rules: rules{name: "lock", lock: true, handles: 1, workers: 1, restore: true, crashes: 1}},
		{rules: rules{name: "wait, read committed", wait: true, handles: 1, workers: 1, restore: true, crashes: 1}},
		{rules: rules{name: "wait, snapshot", wait: true, snapshot: true, handles: 1, workers: 1, restore: true, crashes: 1}},
		{rules: rules{name: "trigger", trigger: true, handles: 1, workers: 1, restore: true, crashes: 1}},
		{rules: rules{name: "two handles, wait", wait: true, handles: 2, workers: 1, restore: true, crashes: 1}},
		{rules: rules{name: "two handles, lock", lock: true, handles: 2, workers: 1, crashes: 1}},
		{rules: rules{name: "two workers, wait", wait: true, handles: 1, workers: 2, restore: true, crashes: 1}},
		{rules: rules{name: "blind, wait, two crashes", wait: true, blind: true, handles: 1, workers: 1, crashes: 2}},
		{rules: rules{name: "blind, lock, two crashes", lock: true, blind: true, handles: 1, workers: 1, crashes: 2}},
		{rules: rules{name: "given back, wait", wait: true, back: true, handles: 1, workers: 1, restore: true, crashes: 2}},
		{rules: rules{name: "given back, two handles, wait", wait: true, back: true, handles: 2, workers: 1, crashes: 1}},
		{rules: rules{name: "given back, two workers, wait", wait: true, back: true, handles: 1, workers: 2, crashes: 1}},
		{rules: rules{name: "given back, blind, wait", wait: true, blind: true, back: true, handles: 1, workers: 1, crashes: 1}},
		{rules: rules{name: "reopened by hand, not at the last moment", wait: true, reopened: true, sparing: true, handles: 1, workers: 1, restore: true, crashes: 1}},

		{loses: true, rules: rules{name: "neither lock nor wait", handles: 1, workers: 1}},
		{loses: true, rules: rules{name: "neither, snapshot", snapshot: true, handles: 1, workers: 1}},
		{loses: true, rules: rules{name: "look before the fence", wait: true, lookFirst: true, handles: 1, workers: 1}},
		{loses: true, rules: rules{name: "scan begun after UNLINKED", wait: true, blind: true, scanEarly: true, handles: 1, workers: 1}},
		{loses: true, rules: rules{name: "mark before the owner's commit", wait: true, markEarly: true, handles: 1, workers: 1}},
		{loses: true, rules: rules{name: "remove before proof", wait: true, removeFirst: true, handles: 1, workers: 1}},
		{loses: true, rules: rules{name: "AVAILABLE before the bytes", wait: true, availableEarly: true, handles: 1, workers: 1, restore: true}},
		{loses: true, rules: rules{name: "wait for a scan kept over a reopening", wait: true, blind: true, keepWaits: true, handles: 1, workers: 1, crashes: 2}},
		{loses: true, rules: rules{name: "given back without a look", wait: true, back: true, backBlindly: true, handles: 1, workers: 1, crashes: 1}},
		{loses: true, rules: rules{name: "reopened by hand, and the column not read again", wait: true, reopened: true, sparing: true, unread: true, handles: 1, workers: 1}},
		{loses: true, rules: rules{name: "reopened by hand at the last moment", wait: true, reopened: true, handles: 1, workers: 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			states, moved, trace, why := explore(&c.rules)
			t.Logf("%s: %d states; %s %s", c.name, states, why, strings.Join(trace, ", "))
			if !moved {
				t.Error("nothing was moved: it proves nothing")
			}
			if c.loses != (why != "") {
				t.Errorf("loses: %t, wanted %t", why != "", c.loses)
			}
		})
	}
}
