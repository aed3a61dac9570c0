package gcfacts

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"

	"cooper"
	"cooper/internal/ledger/sealed"
)

// Words of persons. They are facts, as they have to survive the loss of everything else. They are
// numbered from 1 on, so that one that is gone is missed: without it there might be more garbage. The
// last about a handle counts.
const (
	wordsDir = "gc_word"
	aWord    = "????????"
	// lostName is a file by which a person says that what stood in its place is gone.
	lostName = "lost"
)

func (s *Store) wordDir(number int) string {
	return filepath.Join(s.dir, wordsDir, fmt.Sprintf("%08d", number))
}

// KeptByHand says that a person keeps a handle from becoming garbage, or no longer does.
type KeptByHand struct {
	Scope, Kind, ID string
	Keep            bool // false: released
	Person, Reason  string
	Made            cooper.Instant
}

// LinkedByHand says that an object has a link to a handle, or no longer has.
type LinkedByHand struct {
	Scope, Association, Object string
	Kind, ID                   string
	Linked                     bool // false: unlinked
	Person, Reason             string
	Made                       cooper.Instant
}

// KeepByHand writes down what a person says about handles, at once.
func (s *Store) KeepByHand(ctx context.Context, all []KeptByHand) error {
	return s.word(ctx, KeptsByHand, len(all), func(p *page, number, i int) { p.keptByHand(number, &all[i]) })
}

// LinkByHand writes down what a person says about links, at once.
func (s *Store) LinkByHand(ctx context.Context, all []LinkedByHand) error {
	return s.word(ctx, LinksByHand, len(all), func(p *page, number, i int) { p.linkedByHand(number, &all[i]) })
}

// Words is the number of the last word that is there.
func (s *Store) Words() (int, error) {
	dirs, err := filepath.Glob(filepath.Join(escape(s.dir), wordsDir, aWord))
	if err != nil {
		return 0, sealed.Local(s.dir, err)
	}
	last := 0
	for _, dir := range dirs {
		n, err := strconv.Atoi(filepath.Base(dir))
		if err != nil || dir != s.wordDir(n) {
			return 0, sealed.Damaged(dir, errors.New("it is no word of a person's"))
		}
		last = max(last, n)
	}
	return last, nil
}

// word writes one down under the next number. Of two who take the same one, one gets it, as a directory is
// not renamed over another, and the other writes it anew under the next.
func (s *Store) word(ctx context.Context, table string, rows int, put func(p *page, number, i int)) error {
	if rows == 0 {
		return nil
	}
	if err := s.mkdir(filepath.Join(s.dir, wordsDir)); err != nil {
		return err
	}
	if err := s.makeLock(); err != nil {
		return err
	}
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		last, err := s.lastWord()
		if err != nil {
			return err
		}
		if err := s.removeLost(last); err != nil {
			return err
		}
		done, err := s.wordAs(last+1, table, rows, put)
		if err == nil && done {
			return nil
		}
		if taken, terr := there(s.wordDir(last + 1)); terr != nil || !taken {
			return errors.Join(err, terr)
		}
	}
}

// wordAs writes a word under a number, unless that is another's.
func (s *Store) wordAs(number int, table string, rows int, put func(p *page, number, i int)) (ours bool, err error) {
	dir := s.wordDir(number)
	f, err := s.newFiles(filepath.Dir(dir), newPrefix+filepath.Base(dir)+"-", func(table string) string { return table + " " + strconv.Itoa(number) })
	if err != nil {
		return false, err
	}
	for i := range rows {
		if err := f.row(table, func(p *page) { put(p, number, i) }); err != nil {
			return false, errors.Join(err, f.discard())
		}
	}
	ours, err = f.appears([]string{table}, dir)
	return ours, errors.Join(err, f.discard())
}

// removeLost removes what is left of words under numbers that are taken, up to the last: whoever still
// writes there will not get the number.
func (s *Store) removeLost(last int) error {
	names, err := filepath.Glob(filepath.Join(escape(s.dir), wordsDir, newPrefix+"*"))
	if err != nil {
		return sealed.Local(s.dir, err)
	}
	for _, name := range names {
		number, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(name), newPrefix), "-")
		if n, err := strconv.Atoi(number); err == nil && n <= last {
			if err := s.removeAll(name); err != nil {
				return err
			}
		}
	}
	return nil
}

// lastWord is the number of the last word that is there, or that a detection has seen.
func (s *Store) lastWord() (int, error) {
	last, err := s.Words()
	if err != nil {
		return 0, err
	}
	all, err := s.Detections(context.Background())
	for i := range all {
		last = max(last, all[i].Words)
	}
	return last, err
}

// wordFiles are the files of a table of words, and those that are gone: of numbers that have none.
func (s *Store) wordFiles(table string) (are, gone []string, err error) {
	last, err := s.lastWord()
	if err != nil {
		return nil, nil, err
	}
	for n := 1; n <= last; n++ {
		var some bool
		for _, t := range []string{KeptsByHand, LinksByHand} {
			name := filepath.Join(s.wordDir(n), t+suffix)
			has, err := there(name)
			if err != nil {
				return nil, nil, err
			}
			if some = some || has; has && t == table {
				are = append(are, name)
			}
		}
		if lost, err := there(filepath.Join(s.wordDir(n), lostName)); err != nil {
			return nil, nil, err
		} else if !some && !lost {
			gone = append(gone, filepath.Join(s.wordDir(n), table+suffix))
		}
	}
	return are, gone, nil
}
