package journal

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"

	"cooper"
	"cooper/internal/tree/safefs"
)

// Shard is what came of one shard.
type Shard struct {
	Run, Plan string
	N         int
	Target    string // as the plan names it
	Outcomes  []cooper.Outcome
}

// head is what the first line of a shard's file says; the outcomes follow, one a
// line.
type head struct {
	Format int    `json:"format"`
	Run    string `json:"run"`
	Plan   string `json:"plan"`
	Shard  int    `json:"shard"`
	Path   string `json:"path"`
	Count  int    `json:"count"`
}

func shardName(prefix string, n int) string { return fmt.Sprintf("%s%05d%s", prefix, n, shardSuffix) }

// Prove keeps what was proven of a shard by a run, before anything of it is
// removed.
func (p *Plan) Prove(run string, shard int, outs []cooper.Outcome) error {
	return p.write(provenPrefix, run, shard, outs)
}

// Write keeps what came of a shard in the end. Nothing is noted of it any more.
func (p *Plan) Write(run string, shard int, outs []cooper.Outcome) error {
	if err := p.endNotes(shard); err != nil {
		return err
	}
	return p.write(shardPrefix, run, shard, outs)
}

func (p *Plan) write(prefix, run string, shard int, outs []cooper.Outcome) error {
	return p.with(func(fsys safefs.FS) error {
		err := replaceFile(fsys, p.id, shardName(prefix, shard), func(w io.Writer) error {
			err := p.writeLine(w, shardName(prefix, shard), 0, head{Format: Format, Run: run, Plan: p.id, Shard: shard, Path: p.target, Count: len(outs)})
			for i := range outs {
				if err == nil {
					err = p.writeLine(w, shardName(prefix, shard), i+1, &outs[i])
				}
			}
			return err
		})
		if err != nil {
			return p.local(err)
		}
		return nil
	})
}

// inShard is the place of line n of a shard's file, for its checksum.
func inShard(id, name string, n int) string { return fmt.Sprintf("%s %s %d ", id, name, n) }

func (p *Plan) writeLine(w io.Writer, name string, n int, v any) error {
	b, err := json.Marshal(v)
	if err == nil {
		_, err = w.Write(lineText(inShard(p.id, name, n), b))
	}
	return err
}

// replaceFile lets a file of the directory dir appear whole, durably.
func replaceFile(fsys safefs.FS, dir, name string, fill func(io.Writer) error) error {
	temp := dir + "/" + name + tempSuffix
	f, err := fsys.OpenWrite(temp)
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(f, 1<<16)
	if err = f.Truncate(0); err == nil {
		err = fill(w)
	}
	if err == nil {
		err = w.Flush()
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = fsys.Replace(temp, dir+"/"+name)
	}
	if err != nil {
		return err
	}
	return fsys.SyncDir(dir)
}

// Proven gives, by the ids of their actions, what was noted or proven of shards
// that are not done. It is asked before anything is noted.
func (p *Plan) Proven() (map[int64]cooper.Outcome, error) {
	proven := map[int64]cooper.Outcome{}
	return proven, p.with(func(fsys safefs.FS) error {
		if err := p.noted(fsys, proven); err != nil {
			return err
		}
		shards, err := p.shards(fsys, p.id, provenPrefix)
		if err != nil {
			return err
		}
		for _, s := range shards {
			if p.done[s.N] {
				continue
			}
			for _, o := range s.Outcomes {
				proven[o.Action] = o
			}
		}
		return nil
	})
}

// Moving tells whether there is a shard of a plan of which something was proven, and whose end nobody knows: what follows a
// proof may have begun. A plan that never began has none.
func (d Dir) Moving(id string) (moving bool, err error) {
	err = d.with(func(fsys safefs.FS) error {
		infos, err := fsys.ReadDir(id)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return d.local(err)
		}
		for _, info := range infos {
			moving = moving || strings.HasPrefix(info.Name, provenPrefix) && strings.HasSuffix(info.Name, shardSuffix)
		}
		return nil
	})
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return moving, err
}

// Unsettled gives what came of shards whose facts may be missing, of all plans,
// in order.
func (d Dir) Unsettled() (found []Shard, err error) {
	return found, d.with(func(fsys safefs.FS) error {
		return d.plans(fsys, func(id string) error {
			shards, err := d.shards(fsys, id, shardPrefix)
			found = append(found, shards...)
			if err != nil || len(shards) == 0 {
				return err
			}
			// A process that was killed may not have come to it: once the ledger
			// has the facts, no crash of the machine may take the file away.
			if err := fsys.SyncDir(id); err != nil {
				return d.local(err)
			}
			return nil
		})
	})
}

// plans calls f for the directory of each plan, in order.
func (d Dir) plans(fsys safefs.FS, f func(id string) error) error {
	infos, err := fsys.ReadDir(".")
	if err != nil {
		return d.local(err)
	}
	slices.SortFunc(infos, func(a, b safefs.Info) int { return strings.Compare(a.Name, b.Name) })
	for _, info := range infos {
		if info.IsDir() {
			if err := f(info.Name); err != nil {
				return err
			}
		}
	}
	return nil
}

// shards reads the files of a plan that have a prefix, in the order of their
// names.
func (d Dir) shards(fsys safefs.FS, id, prefix string) (found []Shard, err error) {
	infos, err := fsys.ReadDir(id)
	if err != nil {
		return nil, d.local(err)
	}
	slices.SortFunc(infos, func(a, b safefs.Info) int { return strings.Compare(a.Name, b.Name) })
	for _, info := range infos {
		if !strings.HasPrefix(info.Name, prefix) || !strings.HasSuffix(info.Name, shardSuffix) {
			continue
		}
		s, err := d.readShard(fsys, id, prefix, info.Name)
		if err != nil {
			return found, err
		}
		found = append(found, s)
	}
	return found, nil
}

// readShard believes nothing of a file that is not as it was written.
func (d Dir) readShard(fsys safefs.FS, id, prefix, name string) (s Shard, err error) {
	path := id + "/" + name
	f, err := fsys.Open(path)
	if err != nil {
		return s, d.local(err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	var h head
	n, old := 0, false
	err = eachLine(f, func(line []byte) error {
		text, ok := lineOf(inShard(id, name, n), line)
		if n == 0 {
			old = line[0] == '{'
		}
		n++
		switch {
		case old: // formats 1 and 2 have no checksums
			text = line
		case !ok:
			return errLine
		}
		if n == 1 {
			if err := strictly(text, &h); err != nil {
				return err
			}
			if !old && h.Format != Format || old && (h.Format < 1 || h.Format > unsummed) {
				return fmt.Errorf("it has format %d; this program knows 1 to %d", h.Format, Format)
			}
			return nil
		}
		var o cooper.Outcome
		if err := strictly(text, &o); err != nil {
			return err
		}
		s.Outcomes = append(s.Outcomes, o)
		return nil
	})
	switch {
	case err != nil:
		return s, d.unreadable(path, err)
	case n == 0:
		return s, d.damaged(path, io.ErrUnexpectedEOF)
	case h.Run == "" || h.Plan != id || name != shardName(prefix, h.Shard):
		return s, d.damaged(path, errors.New("it belongs to another shard"))
	case len(s.Outcomes) != h.Count:
		return s, d.damaged(path, fmt.Errorf("it has %d outcomes instead of %d", len(s.Outcomes), h.Count))
	}
	s.Run, s.Plan, s.N, s.Target = h.Run, h.Plan, h.Shard, h.Path
	return s, nil
}

// unreadable tells a file that makes no sense from one that cannot be read.
func (d Dir) unreadable(path string, err error) error {
	var known *cooper.Error
	var failed *fs.PathError
	if errors.As(err, &known) || errors.As(err, &failed) {
		return d.local(err)
	}
	return d.damaged(path, err)
}
