package workspace

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"cooper"
)

// The kinds of things that have a directory and an id here.
const (
	Snapshot = "snapshot"
	Plan     = "plan"
	// Background is a run in the background.
	Background = "background"
)

// names are what a person calls them.
var names = map[string]string{Snapshot: "snapshot", Plan: "plan", Background: "run in the background"}

// Latest stands for the newest id.
const Latest = "latest"

var idPattern = regexp.MustCompile(`^[sprbd]-\d{8}T\d{6}Z-[0-9a-f]{4}$`)

// NewID makes an id for a snapshot ("s"), a plan ("p"), a run ("r"), a run in the
// background ("b"), a detection ("d") or whatever else has a letter: s-20261120T010000Z-4f1c. It is greater than every id of its kind that is here
// or that this Workspace gave, so that the newest is always the last, also when
// two are made within a second or the clock was set back.
func (w *Workspace) NewID(prefix string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	last := w.last[prefix]
	// An unreadable directory will be noticed by whoever writes there.
	if ids, err := w.known(prefix); err == nil && len(ids) > 0 {
		last = max(last, ids[len(ids)-1])
	}
	n := w.opt.Rand()
	id := format(prefix, w.opt.Clock(), n)
	if id <= last {
		id = successor(last, n)
	}
	w.last[prefix] = id
	return id
}

const timeLayout = "20060102T150405Z"

func format(prefix string, t time.Time, n uint16) string {
	return fmt.Sprintf("%s-%s-%04x", prefix, t.UTC().Format(timeLayout), n)
}

// successor is a greater id, by n more than the next. A run's is written down when it ends: of
// two that begin meanwhile, each must have its own, as facts of one id are taken for those of one run.
func successor(id string, n uint16) string {
	const second = 1 << 16 // so many ids has one
	var tail int64
	t, terr := time.Parse(timeLayout, id[2:2+len(timeLayout)])
	if _, err := fmt.Sscanf(id[len(id)-4:], "%x", &tail); err != nil || terr != nil {
		tail = second - 1
	}
	tail += int64(n) + 1
	return format(id[:1], t.Add(time.Duration(tail/second)*time.Second), uint16(tail%second))
}

// known lists the ids with a prefix that are here, in order: those of snapshots
// and plans have directories, those of runs and detections are in the ledger.
func (w *Workspace) known(prefix string) ([]string, error) {
	switch prefix {
	case "s":
		return w.ids(Snapshot)
	case "p":
		return w.ids(Plan)
	case "b":
		return w.ids(Background)
	case "r":
		return idsIn(filepath.Join(w.LedgerDir(), "run"))
	case "d":
		return idsIn(filepath.Join(w.LedgerDir(), "gc_detection"))
	}
	return nil, nil
}

func idsIn(dir string) (ids []string, err error) {
	files, err := os.ReadDir(dir)
	for _, f := range files { // in order
		if id := strings.TrimSuffix(f.Name(), ".parquet"); idPattern.MatchString(id) {
			ids = append(ids, id)
		}
	}
	return ids, err
}

// Snapshots lists the ids of the snapshots, oldest first.
func (w *Workspace) Snapshots() ([]string, error) { return w.ids(Snapshot) }

// Backgrounds lists the ids of the runs in the background, oldest first.
func (w *Workspace) Backgrounds() ([]string, error) { return w.ids(Background) }

// Plans lists the ids of the plans, oldest first.
func (w *Workspace) Plans() ([]string, error) { return w.ids(Plan) }

func (w *Workspace) ids(kind string) ([]string, error) {
	dir := filepath.Join(w.dir, kind)
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, local(dir, err)
	}
	var ids []string
	for _, e := range entries {
		if e.IsDir() && e.Name()[0] == kind[0] && idPattern.MatchString(e.Name()) {
			ids = append(ids, e.Name())
		}
	}
	slices.Sort(ids)
	return ids, nil
}

// Resolve finds the id of a kind (Snapshot, Plan, Background) that s means: the id itself,
// a beginning that no other has, or "latest".
func (w *Workspace) Resolve(kind, s string) (string, error) {
	ids, err := w.ids(kind)
	if err != nil {
		return "", err
	}
	name, remedy := names[kind], fmt.Sprintf("See `cooper %s ls`.", kind)
	if kind == Background {
		remedy = "See `cooper runs --all`."
	}
	if len(ids) == 0 {
		switch kind {
		case Snapshot:
			remedy = "Take one: cooper snapshot s3://BUCKET --inventory s3://REPORTS/PREFIX/BUCKET/CONFIG/, or with --list."
		case Plan:
			remedy = "Make one: see cooper backup plan --help."
		case Background:
			remedy = "Start one: see cooper start --help."
		}
		return "", &cooper.Error{Kind: cooper.KindUsage, Where: w.dir, Message: fmt.Sprintf("there is no %s", name), Remedy: remedy}
	}
	if s == Latest {
		return ids[len(ids)-1], nil
	}
	var found []string
	if s != "" {
		for _, id := range ids {
			if strings.HasPrefix(id, s) {
				found = append(found, id)
			}
		}
	}
	switch len(found) {
	case 0:
		return "", &cooper.Error{Kind: cooper.KindUsage, Where: w.dir, Message: fmt.Sprintf("there is no %s %s", name, cooper.Quote(s)), Remedy: remedy}
	case 1:
		return found[0], nil
	}
	const shown = 8
	list := strings.Join(found[:min(len(found), shown)], ", ")
	if len(found) > shown {
		list += fmt.Sprintf(" and %d more", len(found)-shown)
	}
	return "", &cooper.Error{Kind: cooper.KindUsage, Where: w.dir,
		Message: fmt.Sprintf("%s could be any of %s", cooper.Quote(s), list), Remedy: "Give more of the id."}
}

// RemoveSnapshot removes the snapshot id. It is renamed first, so that no
// reader finds half of one and what a crash leaves is cleared by a later Open.
func (w *Workspace) RemoveSnapshot(id string) error {
	ids, err := w.Snapshots()
	if err != nil {
		return err
	}
	if !slices.Contains(ids, id) {
		return &cooper.Error{Kind: cooper.KindUsage, Where: w.dir, Message: fmt.Sprintf("there is no snapshot %s", cooper.Quote(id)), Remedy: "See `cooper snapshot ls`."}
	}
	return w.remove(w.SnapshotDir(id))
}

// RemovePlan removes the plan id in the same way. What came of its actions
// stays in the ledger.
func (w *Workspace) RemovePlan(id string) error {
	ids, err := w.Plans()
	if err != nil {
		return err
	}
	if !slices.Contains(ids, id) {
		return &cooper.Error{Kind: cooper.KindUsage, Where: w.dir, Message: fmt.Sprintf("there is no plan %s", cooper.Quote(id)), Remedy: "See `cooper plan ls`."}
	}
	return w.remove(w.PlanDir(id))
}

func (w *Workspace) remove(dir string) error {
	tmp, err := w.TempDir()
	if err != nil {
		return err
	}
	if err := os.Rename(dir, filepath.Join(tmp, filepath.Base(dir))); err != nil {
		return local(dir, errors.Join(err, os.Remove(tmp)))
	}
	if err := os.RemoveAll(tmp); err != nil {
		return local(tmp, err)
	}
	return nil
}
