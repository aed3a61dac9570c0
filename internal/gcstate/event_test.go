package gcstate

import (
	"os"
	"strings"
	"testing"

	"cooper"
)

// every is what each status becomes by each event, written apart from the table: in the order of
// Events, - where it cannot happen.
var every = map[Status]string{
	//          unlink   relink    fence     give-back arrive   recall    return    beside   withhold vanish  seen-again wanted-again
	Available: "UNLINKED -         -         -         -        -         -         -        -        -       -          -",
	Unlinked:  "-        AVAILABLE ARCHIVING -         -        -         -         -        -        -       -          AVAILABLE",
	Archiving: "-        AVAILABLE -         UNLINKED  ARCHIVED -         -         -        -        -       -          AVAILABLE",
	Archived:  "-        -         -         -         -        RESTORING -         UNLINKED -        DELETED -          -",
	Restoring: "-        -         -         -         -        -         AVAILABLE UNLINKED ARCHIVED -       -          -",
	Deleted:   "-        -         -         -         -        -         -         -        -        -       ARCHIVED   -",
}

func TestEveryEventOfEveryStatus(t *testing.T) {
	if len(every) != len(Statuses) || len(table) != len(Statuses) {
		t.Fatal("not every status is in the table")
	}
	for _, s := range Statuses {
		for i, want := range strings.Fields(every[s]) {
			got, ok := After(s, Events[i])
			if !ok {
				got = "-"
			}
			if string(got) != want {
				t.Errorf("%s by %s is %s; want %s", s, Events[i], got, want)
			}
			r := Record{Handle: Handle{Scope: "s", ID: "1"}, Status: s, Since: 5}
			c, err := r.By(Events[i], 7, "why", "r-1")
			switch {
			case want == "-" && cooper.KindOf(err) != cooper.KindConflict:
				t.Errorf("%s by %s: %+v, %v", s, Events[i], c, err)
			case want != "-" && (err != nil || c.Check() != nil || c != Change{Handle: r.Handle, From: s, Since: 5, To: Status(want), At: 7, Reason: "why", Run: "r-1"}):
				t.Errorf("%s by %s: %+v, %v", s, Events[i], c, err)
			}
			if want != "-" && !Leads(s, got) {
				t.Errorf("nothing leads from %s to %s", s, got)
			}
		}
	}
	for _, no := range [][2]Status{{Available, Deleted}, {Unlinked, Deleted}, {Archiving, Deleted}, {Restoring, Deleted}, {Available, Archived}, {Unlinked, Archived}, {Archived, Available}, {Deleted, Available}} {
		if Leads(no[0], no[1]) {
			t.Errorf("something leads from %s to %s", no[0], no[1])
		}
	}
	for s := range table {
		for e := range table[s] {
			if n := strings.Count(" "+strings.Join(names(), " ")+" ", " "+string(e)+" "); n != 1 {
				t.Errorf("the event %s is %d times among all", e, n)
			}
		}
	}
}

func names() (all []string) {
	for _, e := range Events {
		all = append(all, string(e))
	}
	return all
}

// The table that people read is the one that holds.
func TestTheDocumentSaysTheSame(t *testing.T) {
	b, err := os.ReadFile("../../docs/gc-states.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range Statuses {
		for _, e := range Events {
			if to, ok := After(s, e); ok {
				if row := "| " + string(s) + " | `" + string(e) + "` | " + string(to) + " |"; !strings.Contains(string(b), row) {
					t.Errorf("docs/gc-states.md lacks the row %s", row)
				}
			}
		}
	}
	if n := strings.Count(string(b), "| `"); n < 14 {
		t.Errorf("%d rows of events", n)
	}
}
