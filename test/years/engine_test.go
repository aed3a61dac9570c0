package years

import (
	"context"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"cooper/internal/job"
	"cooper/internal/query"
)

// engines keeps what answers SQL open from one command to the next: a world has hundreds, and to open it takes as long
// as all that is asked.
type engines struct {
	mu   sync.Mutex
	dir  string
	free []*engine
}

// engine is one that is not closed when it is closed.
type engine struct {
	query.Engine
	of    *engines
	shows query.Sources
	files string
}

func (p *engines) open(opt job.EngineOptions) (query.Engine, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if n := len(p.free); n > 0 {
		e := p.free[n-1]
		p.free = p.free[:n-1]
		return e, nil
	}
	if err := os.MkdirAll(p.dir, 0o700); err != nil {
		return nil, err
	}
	e, err := job.DuckDB(job.EngineOptions{Memory: opt.Memory, TempDir: p.dir})
	return &engine{Engine: e, of: p}, err
}

// Views makes the tables known, unless they are: what is added to one is seen.
func (e *engine) Views(ctx context.Context, s query.Sources) error {
	files := tablesIn(s.Workspace)
	if len(s.Catalogs) == 0 && s.Workspace != "" && s.Workspace == e.shows.Workspace && s.Snapshot == e.shows.Snapshot && files == e.files {
		return nil
	}
	e.shows, e.files = s, files
	return e.Engine.Views(ctx, s)
}

// tablesIn names the tables that have files in a workspace.
func tablesIn(workspace string) string {
	all := map[string]bool{}
	_ = filepath.WalkDir(filepath.Join(workspace, "ledger"), func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			if name := d.Name(); strings.ContainsAny(name, "0123456789") {
				all[filepath.Base(filepath.Dir(path))] = true // numbered, in a folder of the table's own
			} else {
				all[name] = true
			}
		}
		return nil
	})
	return strings.Join(slices.Sorted(maps.Keys(all)), " ")
}

func (e *engine) Close() error {
	e.of.mu.Lock()
	defer e.of.mu.Unlock()
	e.of.free = append(e.of.free, e)
	return nil
}

func (p *engines) close() (err error) {
	for _, e := range p.free {
		err = e.Engine.Close()
	}
	p.free = nil
	return err
}
