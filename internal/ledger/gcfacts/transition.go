package gcfacts

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"cooper"
	"cooper/internal/ledger/sealed"
)

// aBatch is the pattern of the files of transitions, without their suffix.
const aBatch = "?*-????????"

// Transition is a change of the status of a handle.
type Transition struct {
	ID          string // unique for ever
	Scope, Kind string
	Handle      string // its id
	From        string
	FromSince   cooper.Instant // 0 of a handle that had never changed
	To          string
	Since       cooper.Instant // when it changed
	Reason, Run string
}

// Batch is a number of transitions that a state tells at once. A state numbers its batches from 1 on,
// and one that is told again is the same.
type Batch struct {
	State       string // which state it is
	Number      int
	Transitions []Transition
}

func batchName(state string, number int) string { return fmt.Sprintf("%s-%08d", state, number) }

// Tell writes a batch down. What is there under its number already stays.
func (s *Store) Tell(ctx context.Context, b Batch) error {
	return s.createNumbered(ctx, Transitions, b.State, b.Number, len(b.Transitions), func(p *page, i int) { p.transition(b.State, b.Number, &b.Transitions[i]) })
}

// Told gives the number of the last batch that is written down of each state, or that a person
// says is gone.
func (s *Store) Told() (map[string]int, error) { return s.lastNumbers(Transitions) }

// lastNumbers gives the number of the last file of a table of each who writes there, by name.
func (s *Store) lastNumbers(table string) (map[string]int, error) {
	told := map[string]int{}
	for _, suffix := range []string{suffix, "." + lostName} {
		names, err := filepath.Glob(filepath.Join(escape(s.dir), table, aBatch+suffix))
		if err != nil {
			return nil, sealed.Local(s.dir, err)
		}
		for _, name := range names {
			base := strings.TrimSuffix(filepath.Base(name), suffix)
			at := strings.LastIndexByte(base, '-')
			n, err := strconv.Atoi(base[at+1:])
			if err != nil || n < 1 {
				return nil, sealed.Damaged(name, errors.New("it has no number"))
			}
			told[base[:at]] = max(told[base[:at]], n)
		}
	}
	return told, nil
}

// numberedFiles are those of a table that are there, and those that are gone: numbers before the last.
func (s *Store) numberedFiles(table string) (are, gone []string, err error) {
	told, err := s.lastNumbers(table)
	if err != nil {
		return nil, nil, err
	}
	for who, last := range told {
		for n := 1; n <= last; n++ {
			name := s.numbered(table, who, n)
			has, err := there(name)
			if err != nil {
				return nil, nil, err
			}
			lost, err := there(strings.TrimSuffix(name, suffix) + "." + lostName)
			switch {
			case err != nil:
				return nil, nil, err
			case has:
				are = append(are, name)
			case !lost:
				gone = append(gone, name)
			}
		}
	}
	slices.Sort(are)
	slices.Sort(gone)
	return are, gone, nil
}

func (s *Store) numbered(table, who string, number int) string {
	return filepath.Join(s.dir, table, batchName(who, number)+suffix)
}

// createNumbered writes a file of such a table down. What is there under its number already stays.
func (s *Store) createNumbered(ctx context.Context, of, who string, number, rows int, put func(p *page, i int)) error {
	if err := errors.Join(checkName(who), ctx.Err()); err != nil {
		return err
	}
	if number < 1 || rows == 0 {
		return &cooper.Error{Kind: cooper.KindInternal, Where: who, Message: "there is nothing to tell"}
	}
	name := s.numbered(of, who, number)
	if done, err := there(name); err != nil || done {
		return err
	}
	if err := s.mkdir(filepath.Dir(name)); err != nil {
		return err
	}
	if err := s.makeLock(); err != nil {
		return err
	}
	return s.createTable(name, schemas[of], func(t *table) error {
		for i := range rows {
			t.page.next = 0
			put(&t.page, i)
			if err := t.added(); err != nil {
				return err
			}
		}
		return nil
	})
}
