package gcfacts

import (
	"context"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"cooper"
)

// Asked says that a guard was asked for a handle to which nothing linked any more: so often, by one client,
// while it had one status.
type Asked struct {
	ID          string // unique for ever
	Scope, Kind string
	Handle      string // its id
	Status      string
	Since       cooper.Instant // of the status; 0 where it is the owner's word alone
	First, Last cooper.Instant
	Count       int64
	Client      string // empty where there are no tokens
}

// Asking is what a guard tells at once. A guard numbers it from 1 on.
type Asking struct {
	Guard  string // which it is
	Number int
	Asked  []Asked
}

// Ask writes it down; on the disk it is when this has returned. What is there under its number stays.
func (s *Store) Ask(ctx context.Context, a Asking) error {
	return s.createNumbered(ctx, Askeds, a.Guard, a.Number, len(a.Asked), func(p *page, i int) { p.asked(a.Guard, a.Number, &a.Asked[i]) })
}

// AskedOf is a handle of a scope.
type AskedOf struct{ Kind, ID string }

// AskedSince gives the handles of a scope that a guard was asked for at a time or later, with when that was
// last. What was asked for is in use, whatever scans say: it may not be archived until a complete scan that
// began later has judged it, so that since is the time when the newest complete one began; or until a person
// has decided, so that those are left out that were released by hand after they were asked for last.
//
// Guards write down what they were asked for before they answer, unless that takes too long: what a
// guard that was killed had not written down is not here.
func (s *Store) AskedSince(ctx context.Context, scope string, since cooper.Instant) (map[AskedOf]cooper.Instant, error) {
	last := map[AskedOf]cooper.Instant{}
	err := eachNumbered(ctx, s, Askeds, func(_ string, _ int, r *askedRow) {
		if of := (AskedOf{r.Kind, idText(r.IDNumber, r.IDUUID, r.IDText)}); r.Scope == scope && cooper.Instant(r.Last) >= since {
			last[of] = max(last[of], cooper.Instant(r.Last))
		}
	})
	if err != nil || len(last) == 0 {
		return last, err
	}
	words, missing, err := s.wordFiles(KeptsByHand)
	if err != nil {
		return nil, err
	}
	if len(missing) > 0 {
		return nil, gone(missing[0], nil)
	}
	for _, name := range words {
		err := readRows(ctx, name, func(rows []keptByHandRow) error {
			for i := range rows {
				r := &rows[i]
				of := AskedOf{r.Kind, idText(r.IDNumber, r.IDUUID, r.IDText)}
				if at, ok := last[of]; ok && r.Scope == scope && !r.Keep && cooper.Instant(r.Made) > at {
					delete(last, of)
				}
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return last, nil
}

// Told is what was told under one number: by a state, or by a guard. One of the two has rows.
type Told struct {
	Table       string // Transitions or Askeds
	Who         string
	Number      int
	Transitions []Transition
	Asked       []Asked
}

// Source is who has told: a state, or a guard.
func (t *Told) Source() string { return sourceOf(t.Table, t.Who) }

func sourceOf(table, who string) string { return table + "/" + who }

// Numbers gives what was told, without its rows, in the order of numbers of each who has told: of each source
// behind the number that past has for it. What is gone is among it, and an error when it is read.
func (s *Store) Numbers(past map[string]int) (all []Told, err error) {
	for _, table := range []string{Transitions, Askeds} {
		last, err := s.lastNumbers(table)
		if err != nil {
			return nil, err
		}
		for who, n := range last {
			for i := past[sourceOf(table, who)] + 1; i <= n; i++ {
				all = append(all, Told{Table: table, Who: who, Number: i})
			}
		}
	}
	slices.SortFunc(all, func(a, b Told) int {
		if c := strings.Compare(a.Source(), b.Source()); c != 0 {
			return c
		}
		return a.Number - b.Number
	})
	return all, nil
}

// ReadTold reads the rows of what was told; none where a person has said that they are lost.
func (s *Store) ReadTold(ctx context.Context, t *Told) error {
	name := s.numbered(t.Table, t.Who, t.Number)
	if lost, err := there(strings.TrimSuffix(name, suffix) + "." + lostName); err != nil || lost {
		return err
	}
	if t.Table == Askeds {
		return readRows(ctx, name, func(rows []askedRow) error {
			for i := range rows {
				t.Asked = append(t.Asked, rows[i].asked())
			}
			return nil
		})
	}
	return readRows(ctx, name, func(rows []numberedTransition) error {
		for i := range rows {
			r := &rows[i]
			t.Transitions = append(t.Transitions, Transition{ID: r.ID, Scope: r.Scope, Kind: r.Kind, Handle: idText(r.IDNumber, r.IDUUID, r.IDText), From: r.From, FromSince: cooper.Instant(r.FromSince),
				To: r.To, Since: cooper.Instant(r.Since), Reason: r.Reason, Run: r.Run})
		}
		return nil
	})
}

// eachNumbered gives each row of a table of numbered files. What is gone is an error.
func eachNumbered[R any](ctx context.Context, s *Store, table string, each func(who string, number int, row *R)) error {
	are, missing, err := s.numberedFiles(table)
	if err != nil {
		return err
	}
	if len(missing) > 0 {
		return gone(missing[0], nil)
	}
	for _, name := range are {
		base := strings.TrimSuffix(filepath.Base(name), suffix)
		at := strings.LastIndexByte(base, '-')
		number, err := strconv.Atoi(base[at+1:])
		if err != nil {
			return err
		}
		err = readRows(ctx, name, func(rows []R) error {
			for i := range rows {
				each(base[:at], number, &rows[i])
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

type askedColumns struct {
	Guard    string   `parquet:"guard,dict"`
	Number   int32    `parquet:"number,delta"`
	ID       string   `parquet:"asked,delta"`
	Scope    string   `parquet:"scope,dict"`
	Kind     string   `parquet:"kind,dict"`
	IDNumber int64    `parquet:"id_number,optional,delta"`
	IDUUID   [16]byte `parquet:"id_uuid,optional,uuid"`
	IDText   string   `parquet:"id_text,optional,delta"`
	Status   string   `parquet:"status,dict"`
	Since    int64    `parquet:"since,optional,delta,timestamp(millisecond)"`
	First    int64    `parquet:"first,optional,delta,timestamp(millisecond)"`
	Last     int64    `parquet:"last,optional,delta,timestamp(millisecond)"`
	Count    int64    `parquet:"count,delta"`
	Client   string   `parquet:"client,optional,dict"`
}

func (p *page) asked(guard string, number int, a *Asked) {
	p.must(text(guard))
	p.small(number)
	p.must(text(a.ID))
	p.must(text(a.Scope))
	p.must(text(a.Kind))
	p.id(a.Handle)
	p.must(text(a.Status))
	p.instant(a.Since)
	p.instant(a.First)
	p.instant(a.Last)
	p.number(a.Count)
	p.text(text(a.Client))
}

type askedRow struct {
	ID       string `parquet:"asked"`
	Scope    string `parquet:"scope"`
	Kind     string `parquet:"kind"`
	IDNumber *int64 `parquet:"id_number,optional"`
	IDUUID   string `parquet:"id_uuid,optional,uuid"`
	IDText   string `parquet:"id_text,optional"`
	Status   string `parquet:"status"`
	Since    int64  `parquet:"since,optional"`
	First    int64  `parquet:"first,optional"`
	Last     int64  `parquet:"last,optional"`
	Count    int64  `parquet:"count"`
	Client   string `parquet:"client,optional"`
}

func (r *askedRow) asked() Asked {
	return Asked{ID: r.ID, Scope: r.Scope, Kind: r.Kind, Handle: idText(r.IDNumber, r.IDUUID, r.IDText), Status: r.Status, Since: cooper.Instant(r.Since),
		First: cooper.Instant(r.First), Last: cooper.Instant(r.Last), Count: r.Count, Client: r.Client}
}

// numberedTransition is a row of transitions with its handle.
type numberedTransition struct {
	transitionRow

	IDNumber *int64 `parquet:"id_number,optional"`
	IDUUID   string `parquet:"id_uuid,optional,uuid"`
	IDText   string `parquet:"id_text,optional"`
}

type keptByHandRow struct {
	Scope    string `parquet:"scope"`
	Kind     string `parquet:"kind"`
	IDNumber *int64 `parquet:"id_number,optional"`
	IDUUID   string `parquet:"id_uuid,optional,uuid"`
	IDText   string `parquet:"id_text,optional"`
	Keep     bool   `parquet:"keep"`
	Made     int64  `parquet:"made,optional"`
}
