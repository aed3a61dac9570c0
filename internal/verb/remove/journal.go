package remove

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"cooper"
	"cooper/internal/apply"
	"cooper/internal/plan"
)

// Format is the version of the journal's files.
const Format = 1

// The files in a plan's directory: a line with its number for each shard that is
// done, and what came of each that is not yet settled.
const (
	doneName    = "done"
	shardPrefix = "shard-"
	shardSuffix = ".jsonl"
	tempSuffix  = ".tmp"
)

// journal is what is kept of one plan, in a directory with its id.
type journal struct {
	dir        string
	plan, path string
	done       map[int]bool
}

// shardHead is the first line of a shard's file; the outcomes follow, one a line.
type shardHead struct {
	Format int    `json:"format"`
	Run    string `json:"run"`
	Plan   string `json:"plan"`
	Shard  int    `json:"shard"`
	Path   string `json:"path"` // the target, as the plan names it
	Count  int    `json:"count"`
}

// openJournal reads what is done of a plan.
func openJournal(dir string, h plan.Header) (*journal, error) {
	j := &journal{dir: filepath.Join(dir, h.ID), plan: h.ID, path: h.Target.Path, done: map[int]bool{}}
	if err := os.MkdirAll(j.dir, 0o755); err != nil {
		return nil, local(j.dir, err)
	}
	if err := syncDir(dir); err != nil {
		return nil, err
	}
	name := filepath.Join(j.dir, doneName)
	b, err := os.ReadFile(name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, local(name, err)
	}
	// What stands behind the last line end was cut off by a crash; settle takes
	// it away.
	whole := b[:bytes.LastIndexByte(b, '\n')+1]
	for line := range strings.Lines(string(whole)) {
		n, err := strconv.Atoi(strings.TrimSuffix(line, "\n"))
		if err != nil || n < 0 {
			return nil, damaged(name, err)
		}
		j.done[n] = true
	}
	return j, nil
}

// complete tells whether every shard of a plan is done.
func (j *journal) complete(h plan.Header) bool {
	for _, ph := range h.Phases {
		for n := ph.First; n < ph.First+ph.Shards; n++ {
			if !j.done[n] {
				return false
			}
		}
	}
	return true
}

// write keeps what came of a shard: it appears whole, durably, or not at all.
func (j *journal) write(run string, shard int, outs []cooper.Outcome) error {
	name := filepath.Join(j.dir, shardName(shard))
	f, err := os.Create(name + tempSuffix)
	if err != nil {
		return local(name, err)
	}
	w := bufio.NewWriter(f)
	enc := json.NewEncoder(w)
	err = enc.Encode(shardHead{Format: Format, Run: run, Plan: j.plan, Shard: shard, Path: j.path, Count: len(outs)})
	for i := range outs {
		if err == nil {
			err = enc.Encode(&outs[i])
		}
	}
	if err == nil {
		err = w.Flush()
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(name+tempSuffix, name)
	}
	if err != nil {
		return local(name, err)
	}
	return syncDir(j.dir)
}

func shardName(n int) string { return fmt.Sprintf("%s%05d%s", shardPrefix, n, shardSuffix) }

// settle notes that a shard is done, then forgets what came of it: the ledger
// knows. A crash between leaves a file that Recover gives back once more, and
// writing its facts again changes nothing.
func settle(dir, id string, shard int) error {
	dir = filepath.Join(dir, id)
	name := filepath.Join(dir, doneName)
	f, err := os.OpenFile(name, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return local(name, err)
	}
	end, err := wholeLines(f)
	if err == nil {
		_, err = f.WriteAt(fmt.Appendf(nil, "%d\n", shard), end)
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return local(name, err)
	}
	if err := syncDir(dir); err != nil {
		return err
	}
	shardFile := filepath.Join(dir, shardName(shard))
	if err := os.Remove(shardFile); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return local(shardFile, err)
	}
	return nil
}

// wholeLines cuts off what stands behind the last line end, and gives the size
// that is left: with a number behind it, half a line would name another shard,
// which would then never be done.
func wholeLines(f *os.File) (int64, error) {
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return 0, err
	}
	end := size
	for last := []byte{0}; end > 0; end-- {
		if _, err := f.ReadAt(last, end-1); err != nil {
			return 0, err
		}
		if last[0] == '\n' {
			break
		}
	}
	if end < size {
		err = f.Truncate(end)
	}
	return end, err
}

// unsettled reads what came of shards whose facts may be missing, of all plans.
func unsettled(dir string) ([]apply.Recovered, error) {
	names, err := filepath.Glob(filepath.Join(escapeGlob(dir), "*", shardPrefix+"*"+shardSuffix))
	if err != nil {
		return nil, local(dir, err)
	}
	var found []apply.Recovered
	for _, name := range names {
		r, err := readShard(name)
		if err != nil {
			return found, err
		}
		found = append(found, r)
	}
	return found, nil
}

func readShard(name string) (r apply.Recovered, err error) {
	f, err := os.Open(name)
	if err != nil {
		return r, local(name, err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	d := json.NewDecoder(bufio.NewReader(f))
	var head shardHead
	if err := d.Decode(&head); err != nil || head.Run == "" || head.Plan != filepath.Base(filepath.Dir(name)) || filepath.Base(name) != shardName(head.Shard) {
		return r, damaged(name, err)
	}
	if head.Format != Format {
		return r, damaged(name, fmt.Errorf("it has format %d; this program knows %d", head.Format, Format))
	}
	r = apply.Recovered{Run: head.Run, Plan: head.Plan, Shard: head.Shard, Path: head.Path}
	for {
		var o cooper.Outcome
		err := d.Decode(&o)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return r, damaged(name, err)
		}
		r.Outcomes = append(r.Outcomes, o)
	}
	if len(r.Outcomes) != head.Count {
		return r, damaged(name, fmt.Errorf("it has %d outcomes instead of %d", len(r.Outcomes), head.Count))
	}
	return r, nil
}

func escapeGlob(path string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}

func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return local(dir, err)
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return local(dir, err)
	}
	return nil
}

func local(where string, err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return &cooper.Error{Kind: cooper.KindFull, Where: where, Message: "no space left", Remedy: "Make room, and run the same command again: it goes on where it stopped.", Err: err}
	}
	return &cooper.Error{Kind: cooper.KindInternal, Where: where, Err: err}
}

func damaged(name string, err error) error {
	return &cooper.Error{Kind: cooper.KindInvalid, Where: name, Message: "the file is damaged", Err: err,
		Remedy: "Move it away to go on: what it says of the removals is lost, no object is."}
}
