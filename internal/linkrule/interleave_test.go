package linkrule

import (
	"fmt"
	"strings"
	"testing"
)

// actor is a session with steps that are still to be done.
type actor struct {
	do    session
	steps []func() (done bool)
}

// interleaved explores every order of the steps of two sessions on the server: an owner's transaction that reads the
// status and writes a link, and the fence, which closes the handle and looks for links then. With the triggers the bytes never
// go while a link stays; without them, or without their lock, an order is found in which they do.
func interleaved(t *testing.T, p *platform) {
	yaml := handles + "associations: {posts: {table: posts, object: id, handle: file}}\n"
	p.run(files, "CREATE TABLE posts (id BIGINT PRIMARY KEY, file BIGINT)")
	x := &explorer{p: p, a: p.connect(), b: p.connect()}
	for _, s := range []session{x.a, x.b} {
		_, err := s(p.impatient)
		must(t, err)
	}
	if p.mysql {
		x.orders = 7 // one that has to wait does so for a second
	}
	r := p.rules(yaml)
	without := x.lost(false)
	if p.engine != "sqlite" && len(without) == 0 {
		t.Error("without triggers nothing is lost: the orders show nothing")
	}
	p.create(r)
	for _, snapshot := range []bool{false, true} {
		if with := x.lost(snapshot); len(with) > 0 {
			t.Errorf("lost with the triggers, in %d orders of %d: %s", len(with), x.explored, with[0])
		}
		if x.refused == 0 || x.linked == 0 {
			t.Errorf("of %d orders the link was refused in %d, and made in %d", x.explored, x.refused, x.linked)
		}
	}
	t.Logf("%d orders; without triggers %d lose, as %v", x.explored, len(without), append(without, "")[0])
	if p.engine == "sqlite" {
		return
	}
	weak := *r
	for i := range weak.Tables {
		table := &weak.Tables[i]
		for n, s := range table.Create {
			table.Create[n] = strings.NewReplacer(" FOR SHARE OF h", "", " LOCK IN SHARE MODE", "").Replace(s)
		}
	}
	p.create(&weak)
	if len(x.lost(false)) == 0 {
		t.Error("without the lock nothing is lost")
	}
}

type explorer struct {
	p                         *platform
	a, b                      session
	orders                    int // at most so many of them, evenly spread; 0 for all
	next                      int // handle
	explored, refused, linked int
}

// lost are the orders that lose a link.
func (x *explorer) lost(snapshot bool) (all []string) {
	var orders []string
	var spread func(order string, a, b int)
	spread = func(order string, a, b int) {
		if a == 0 && b == 0 {
			orders = append(orders, order)
			return
		}
		if a > 0 {
			spread(order+"a", a-1, b)
		}
		if b > 0 {
			spread(order+"b", a, b-1)
		}
	}
	spread("", 4, 4)
	if x.orders > 0 {
		var some []string
		for i := 0; i < len(orders); i += len(orders) / x.orders {
			some = append(some, orders[i])
		}
		orders = append(some, "aaabbbba", "aaabbbab", "aabbbbaa") // of which two lose without a lock, and one cannot
	}
	x.explored, x.refused, x.linked = 0, 0, 0
	for _, order := range orders {
		x.explored++
		if x.loses(order, snapshot) {
			all = append(all, order)
		}
	}
	return all
}

// loses goes through one order. A step that would have to wait is put off to the next turn.
func (x *explorer) loses(order string, snapshot bool) bool {
	t := x.p.t
	x.next++
	id := fmt.Sprint(x.next + 1000)
	x.p.run("INSERT INTO files VALUES (" + id + ", 'k', 'UNLINKED')")
	begin := "BEGIN"
	if snapshot && x.p.engine == "postgres" {
		begin = "BEGIN ISOLATION LEVEL REPEATABLE READ"
	} else if !snapshot && x.p.engine == "mysql" {
		_, err := x.a("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")
		must(t, err)
	} else if x.p.engine == "mysql" {
		_, err := x.a("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
		must(t, err)
	}
	var gone, over, open bool
	// try runs a statement of a session: whether it had to wait, or was refused.
	try := func(s session, sql string) (busy bool, err error) {
		save := x.p.engine == "postgres"
		if save {
			_, err = s("SAVEPOINT here")
			must(t, err)
		}
		_, err = s(sql)
		if err != nil && save {
			_, back := s("ROLLBACK TO here")
			must(t, back)
		}
		if err == nil || strings.Contains(err.Error(), "cannot be linked") || strings.Contains(err.Error(), "could not serialize") {
			return false, err
		}
		for _, wait := range []string{"lock timeout", "Lock wait timeout", "locked", "SQLITE_BUSY"} {
			if strings.Contains(err.Error(), wait) {
				return true, nil
			}
		}
		t.Fatalf("%s: %v", sql, err)
		return false, nil
	}
	must1 := func(_ string, err error) bool { must(t, err); return true }
	a := &actor{do: x.a}
	a.steps = []func() bool{
		func() bool { open = true; return must1(x.a(begin)) },
		func() bool { return must1(x.a("SELECT status FROM files WHERE id = " + id)) },
		func() bool {
			busy, err := try(x.a, "INSERT INTO posts VALUES ("+id+", "+id+")")
			if err != nil {
				x.refused++
				over, open = true, false
				must1(x.a("ROLLBACK"))
			}
			return !busy
		},
		func() bool {
			if over {
				return true
			}
			if _, err := x.a("COMMIT"); err != nil {
				return false // of a file that somebody reads
			}
			over, open = true, false
			return true
		},
	}
	b := &actor{do: x.b}
	b.steps = []func() bool{
		func() bool { return must1(x.b("BEGIN")) },
		func() bool {
			busy, err := try(x.b, "UPDATE files SET status = 'ARCHIVING' WHERE id = "+id+" AND status = 'UNLINKED'")
			must(t, err)
			return !busy
		},
		func() bool { _, err := x.b("COMMIT"); return err == nil },
		func() bool {
			n, err := x.b("SELECT COUNT(*) FROM posts WHERE file = " + id)
			must(t, err)
			gone = n == "0"
			return true
		},
	}
	for _, who := range order + order { // those that were put off
		s := a
		if who == 'b' {
			s = b
		}
		if len(s.steps) > 0 && s.steps[0]() {
			s.steps = s.steps[1:]
		}
	}
	for range 8 {
		if len(b.steps) == 0 {
			break
		}
		if open { // they wait for each other: the owner's program gives up
			must1(x.a("ROLLBACK"))
			open, a.steps = false, nil
		}
		if b.steps[0]() {
			b.steps = b.steps[1:]
		}
	}
	for len(a.steps) > 0 && a.steps[0]() {
		a.steps = a.steps[1:]
	}
	if open || len(b.steps) > 0 {
		t.Fatalf("%s: does not end", order)
	}
	n, err := x.p.owner("SELECT COUNT(*) FROM posts WHERE file = " + id)
	must(t, err)
	if n != "0" {
		x.linked++
	}
	return gone && n != "0"
}

// waiting has each wait for the other, really: who comes second goes by what the first has done.
func waiting(t *testing.T, p *platform) {
	if p.engine == "sqlite" {
		t.Skip("who comes second does not wait, but is told")
	}
	p.run(files, some, "CREATE TABLE posts (id BIGINT PRIMARY KEY, file BIGINT)")
	p.create(p.rules(handles + "associations: {posts: {table: posts, object: id, handle: file}}\n"))
	program, fence := p.connect(), p.connect()
	later := func(s session, sql string) chan error {
		ended := make(chan error, 1)
		go func() {
			_, err := s(sql)
			ended <- err
		}()
		return ended
	}
	do := func(s session, sql string) {
		t.Helper()
		_, err := s(sql)
		must(t, err)
	}
	do(fence, "BEGIN")
	do(fence, "UPDATE files SET status = 'ARCHIVING' WHERE id = 2")
	link := later(program, "INSERT INTO posts VALUES (1, 2)") // which cannot end before the fence does
	do(fence, "COMMIT")
	if err := <-link; err == nil || !strings.Contains(err.Error(), "cannot be linked") {
		t.Errorf("linked behind the fence: %v", err)
	}
	do(program, "BEGIN")
	do(program, "INSERT INTO posts VALUES (1, 1)")
	closed := later(fence, "UPDATE files SET status = 'ARCHIVING' WHERE id = 1")
	do(program, "COMMIT")
	must(t, <-closed)
	n, err := fence("SELECT COUNT(*) FROM posts WHERE file = 1")
	if must(t, err); n != "1" {
		t.Error("the fence was closed while a link was being made, and does not see it")
	}
}
