// Package gcfacts keeps what a scan for garbage has read in somebody's database, as Parquet files
// that any engine can query: handles, what is derived from what, holds, links, values that cannot
// be read, the ranges that were read; what came of the scan as a whole; what detections have found in
// scans; which handles have changed their status, and which were asked for although nothing links to them; and what persons have acknowledged, or said about
// handles and links.
//
// It promises:
//
//   - A scan is what one plan says, so that its facts are named by plan and shard, whichever run
//     writes them. The facts of a shard appear together or not at all, and once.
//   - Finish tells what came of a scan and names all that belongs to it. Whatever of that is gone,
//     damaged or another's afterwards is an error that names the file, and never fewer links.
//   - A detection appears with all its lists at once. A batch of transitions is there once, whoever tells
//     it how often. The words of persons have an order. Of all these, what is gone is an error, too.
//   - Drop takes all facts of a scan away at once, and not while anybody holds them.
//   - Ids, keys and objects come out as the very bytes that went in. Nothing is compared here.
//   - Memory does not depend on the number of rows.
//
// Whether a scan is complete, what it means that a handle has no link, and when a scan may go is
// left to the mission; SQL over the facts to package query; whose turn it is to write to locks of
// others: of two writers of one shard, one wins, and the other's facts are nowhere.
package gcfacts

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"cooper"
	"cooper/internal/ledger/sealed"
)

// Format is the version of the tables, kept in each file's metadata.
const Format = 1

// The tables, under the names by which SQL knows them.
const (
	Handles      = "gc_handle"
	Deriveds     = "gc_derived"
	Holds        = "gc_hold"
	Links        = "gc_link"
	Malformeds   = "gc_malformed"
	Ranges       = "gc_range"
	Scans        = "gc_scan"
	Acknowledged = "gc_acknowledged"

	Transitions    = "gc_transition"
	Askeds         = "gc_asked"
	KeptsByHand    = "gc_kept_by_hand"
	LinksByHand    = "gc_linked_by_hand"
	Detections     = "gc_detection"
	Candidates     = "gc_candidate"
	Kepts          = "gc_kept"
	Relinkeds      = "gc_relinked"
	Missings       = "gc_missing"
	Unindexeds     = "gc_unindexed"
	UnindexedKeeps = "gc_unindexed_kept"
	NearMisses     = "gc_near_miss"
	Ripes          = "gc_ripe"
)

// Where things are in the ledger:
//
//	gc/PLAN/shard-00007/gc_link.parquet    the links of a shard, and so on; no file without rows
//	gc/PLAN/scan.parquet                   what came of the scan, and which files it has
//	gc/PLAN/new-00007-…/                   a shard that is being written
//	gc_acknowledged/ID.parquet
//	gc_detection/ID/gc_detection.parquet   what a detection comes to, and which lists it has
//	gc_detection/ID/gc_candidate.parquet   its candidates, and so on; no file without rows
//	gc_transition/STATE-00000007.parquet   a batch of transitions
//	gc_asked/GUARD-00000007.parquet        what a guard was asked for, and should not have been
//	gc_word/00000007/gc_kept_by_hand.parquet   a word of a person's
//	gc-dropped/PLAN/                       a scan that is being removed
//	gc.lock
const (
	scansDir    = "gc"
	droppedDir  = "gc-dropped"
	lockName    = "gc.lock"
	suffix      = ".parquet"
	scanName    = "scan" + suffix
	shardPrefix = "shard-"
	newPrefix   = "new-"
)

// ShardTables are the tables of which a shard has files.
var ShardTables = []string{Handles, Deriveds, Holds, Links, Malformeds, Ranges}

// Store is the facts of all scans. Its methods may be called at the same time.
type Store struct {
	dir string
	// before is called before each operation that changes something; tests stop there.
	before func(op string, paths ...string) error
}

// Open gives those in the ledger at dir, which come into being with the first.
func Open(dir string) *Store {
	return &Store{dir: dir, before: func(string, ...string) error { return nil }}
}

func (s *Store) scanDir(scan string) string { return filepath.Join(s.dir, scansDir, scan) }

func (s *Store) shardDir(scan string, shard int) string {
	return filepath.Join(s.scanDir(scan), shardName(shard))
}

func shardName(shard int) string { return fmt.Sprintf("%s%05d", shardPrefix, shard) }

// Has tells whether the facts of a shard are there: a plan that is gone on with passes it over.
func (s *Store) Has(scan string, shard int) (bool, error) {
	if err := checkScan(scan); err != nil {
		return false, err
	}
	return there(s.shardDir(scan, shard))
}

func there(name string) (bool, error) {
	_, err := os.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	} else if err != nil {
		return false, sealed.Local(name, err)
	}
	return true, nil
}

// Files are those of a table that are there, and those that a finished scan had and that are gone.
// Whoever answers from a table has to Verify both, while he holds them.
func (s *Store) Files(table string) (there, gone []string, err error) { return s.filesIn(table, "") }

// filesIn are those of one scan, or of one detection: whoever looks for a row there need not hear of the others. Of the
// other tables, and with in empty, they are all.
func (s *Store) filesIn(table, in string) (there, gone []string, err error) {
	pattern := filepath.Join(escape(s.dir), scansDir, cmp.Or(escape(in), aScan))
	switch table {
	case Scans:
		there, err = filepath.Glob(filepath.Join(pattern, scanName))
		return there, nil, err
	case Acknowledged:
		there, err = filepath.Glob(filepath.Join(escape(s.dir), Acknowledged, "*"+suffix))
		return there, nil, err
	case Detections:
		return s.detectionFiles()
	case Transitions, Askeds:
		return s.numberedFiles(table)
	case KeptsByHand, LinksByHand:
		return s.wordFiles(table)
	}
	if slices.Contains(ListTables, table) {
		return s.listFiles(table, cmp.Or(escape(in), aDetection))
	}
	if there, err = filepath.Glob(filepath.Join(pattern, shardPrefix+"*", table+suffix)); err != nil {
		return nil, nil, sealed.Local(s.dir, err)
	}
	are := map[string]bool{}
	for _, name := range there {
		are[name] = true
	}
	finished, err := filepath.Glob(filepath.Join(pattern, scanName))
	if err != nil {
		return nil, nil, sealed.Local(s.dir, err)
	}
	for _, name := range finished {
		row, err := readScan(context.Background(), name)
		if err != nil {
			return nil, nil, err
		}
		for _, sh := range row.Shards {
			of := filepath.Join(filepath.Dir(name), shardName(int(sh.Shard)), table+suffix)
			if sh.rows(table) > 0 && !are[of] {
				gone = append(gone, of)
			}
		}
	}
	return there, gone, nil
}

// escape makes a path stand for itself in a pattern.
func escape(path string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}

// place is what a file's name says it holds, as its metadata says it, too.
func place(name string) string {
	dir, base := filepath.Split(name)
	dir = filepath.Clean(dir)
	base = strings.TrimSuffix(base, suffix)
	up := filepath.Base(dir)
	if above := filepath.Base(filepath.Dir(dir)); above == Detections {
		return base + " " + up
	} else if above == wordsDir {
		return base + " " + strings.TrimLeft(up, "0")
	}
	switch {
	case up == Acknowledged, up == Transitions, up == Askeds:
		return up + " " + base
	case base+suffix == scanName:
		return Scans + " " + up
	default:
		shard, err := strconv.Atoi(strings.TrimPrefix(up, shardPrefix))
		if err != nil || up != shardName(shard) {
			return "nothing"
		}
		return placeOf(base, filepath.Base(filepath.Dir(dir)), shard)
	}
}

// tableOf is the table that a file of this name is of.
func tableOf(name string) string {
	table, _, _ := strings.Cut(place(name), " ")
	return table
}

func placeOf(table, scan string, shard int) string {
	return table + " " + scan + " " + strconv.Itoa(shard)
}

// aScan is the pattern of the ids of plans: under other names, SQL would not see a scan.
const aScan = "p-????????T??????Z-????"

func checkScan(id string) error {
	if ok, err := filepath.Match(aScan, id); !ok || err != nil {
		return &cooper.Error{Kind: cooper.KindInternal, Message: fmt.Sprintf("%q is not the id of a plan", id)}
	}
	return checkName(id)
}

// checkName makes sure that an id can name files.
func checkName(id string) error {
	if id == "" || strings.ContainsAny(id, "/\\*?[ ") || strings.HasPrefix(id, ".") {
		return &cooper.Error{Kind: cooper.KindInternal, Message: fmt.Sprintf("%q cannot be the id of facts", id)}
	}
	return nil
}
