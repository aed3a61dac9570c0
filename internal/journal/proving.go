package journal

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"sync"

	"cooper"
	"cooper/internal/tree/safefs"
)

// longestNote bounds a line of an outcome, in bytes: keys have 1,024 at most.
const longestNote = 1 << 20

// notes are the open files of what is proven, by shard.
type notes struct {
	mu    sync.Mutex
	files map[int]safefs.File
}

// Note keeps what came of an action of a shard, until Prove or Write keep what
// came of all. It is for sparing work, not for safety: the line is not synced,
// so that a process that is killed loses nothing of it, a machine that loses its
// power a little.
func (p *Plan) Note(shard int, o *cooper.Outcome) error {
	b, err := json.Marshal(o)
	if err != nil {
		return p.local(err)
	}
	line := p.noteText(shard, b)
	p.notes.mu.Lock()
	defer p.notes.mu.Unlock()
	f, err := p.noteFile(shard)
	if err == nil {
		_, err = f.Write(line)
	}
	if err != nil {
		return p.local(err)
	}
	return nil
}

// noteFile is the file of a shard, open at its end. What it held before was
// read by Proven, which has cut off what does not count.
func (p *Plan) noteFile(shard int) (safefs.File, error) {
	if f, ok := p.notes.files[shard]; ok {
		return f, nil
	}
	var f safefs.File
	err := p.with(func(fsys safefs.FS) (err error) {
		f, err = fsys.OpenWrite(p.id + "/" + shardName(provingPrefix, shard))
		return err
	})
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil {
		err = f.Truncate(info.Size) // the lines go to the end
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	p.notes.files[shard] = f
	return f, nil
}

// noteText is a line: the checksum of plan, shard and outcome, and the outcome.
func (p *Plan) noteText(shard int, outcome []byte) []byte {
	return lineText(fmt.Sprintf("%s %d ", p.id, shard), outcome)
}

// endNotes closes the file of a shard of which nothing more will be noted.
func (p *Plan) endNotes(shard int) error {
	p.notes.mu.Lock()
	defer p.notes.mu.Unlock()
	f, ok := p.notes.files[shard]
	if !ok {
		return nil
	}
	delete(p.notes.files, shard)
	if err := f.Close(); err != nil {
		return p.local(err)
	}
	return nil
}

// Close closes what Note has opened.
func (p *Plan) Close() error {
	p.notes.mu.Lock()
	defer p.notes.mu.Unlock()
	var errs []error
	for shard, f := range p.notes.files {
		delete(p.notes.files, shard)
		if err := f.Close(); err != nil {
			errs = append(errs, p.local(err))
		}
	}
	return errors.Join(errs...)
}

// noted adds to proven what was noted of shards that are not done, and removes
// the files of those that are.
func (p *Plan) noted(fsys safefs.FS, proven map[int64]cooper.Outcome) error {
	infos, err := fsys.ReadDir(p.id)
	if err != nil {
		return p.local(err)
	}
	for _, info := range infos {
		number, ok := strings.CutPrefix(info.Name, provingPrefix)
		number, suffixed := strings.CutSuffix(number, shardSuffix)
		shard, err := strconv.Atoi(number)
		name := p.id + "/" + info.Name
		switch {
		case !ok, !suffixed, err != nil, info.Name != shardName(provingPrefix, shard):
			continue
		case p.done[shard]:
			err = fsys.Remove(name)
		default:
			err = p.readNotes(fsys, name, shard, proven)
		}
		if err != nil {
			return p.local(err)
		}
	}
	return nil
}

// readNotes reads the file of a shard up to the first line that a crash has cut
// off or garbled, and cuts off the rest: that is done again.
func (p *Plan) readNotes(fsys safefs.FS, name string, shard int, proven map[int64]cooper.Outcome) (err error) {
	f, err := fsys.OpenWrite(name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	good, err := p.eachNote(f, shard, func(o cooper.Outcome) { proven[o.Action] = o })
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err != nil || info.Size == good {
		return err
	}
	return f.Truncate(good)
}

// eachNote gives the outcomes of a file, and how many bytes of it count.
func (p *Plan) eachNote(f safefs.File, shard int, each func(cooper.Outcome)) (good int64, err error) {
	lines := bufio.NewScanner(f)
	lines.Buffer(make([]byte, 0, 64<<10), longestNote)
	lines.Split(scanWhole)
	for lines.Scan() {
		line := lines.Text()
		_, outcome, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		var o cooper.Outcome
		whole := line == string(p.noteText(shard, []byte(outcome)))
		if whole = whole && json.Unmarshal([]byte(outcome), &o) == nil; !whole {
			break
		}
		good += int64(len(line))
		each(o)
	}
	if err := lines.Err(); err != nil && !errors.Is(err, bufio.ErrTooLong) {
		return good, err
	}
	return good, nil
}

// scanWhole splits into lines with their ends; what has none is no line.
func scanWhole(data []byte, _ bool) (advance int, line []byte, err error) {
	i := bytes.IndexByte(data, '\n')
	if i < 0 {
		return 0, nil, nil
	}
	return i + 1, data[:i+1], nil
}

// forget removes files of a shard, if they are there.
func forget(fsys safefs.FS, id string, names ...string) error {
	for _, name := range names {
		if err := fsys.Remove(id + "/" + name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}
