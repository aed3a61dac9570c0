package duckdb

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"cooper"
	"cooper/internal/inventory"
	"cooper/internal/ledger"
	"cooper/internal/ledger/gcfacts"
	"cooper/internal/plan"
	"cooper/internal/query"
)

// guard checks the files that a query reads before it reads them: the engine itself
// compares no checksum, and takes what a flipped bit says for what was written.
type guard struct {
	mu     sync.Mutex
	src    query.Sources
	sound  map[string]stamp                       // files that were checked
	failed map[string]error                       // why a table could not be made
	empty  map[string]func(context.Context) error // makes a table that had no files, if it has some now
}

// stamp tells whether a file is the one that was checked. It is trusted for the short life
// of an engine alone.
type stamp struct {
	size int64
	time time.Time
}

func (g *guard) set(s query.Sources) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.src = s
}

func (g *guard) fails(table string, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.failed == nil {
		g.failed = map[string]error{}
	}
	g.failed[table] = err
}

// remake makes those tables of a statement anew that had no files when they were made: a table
// without links is a poor answer where there are some by now.
func (g *guard) remake(ctx context.Context, tree any) error {
	for _, table := range tablesOf(tree) {
		g.mu.Lock()
		again := g.empty[table]
		g.mu.Unlock()
		if again == nil {
			continue
		}
		if err := again(ctx); err != nil {
			return err
		}
	}
	return nil
}

// isEmpty notes that a table has no files, and how it is made if there are any later; nil: it has some.
func (g *guard) isEmpty(table string, again func(context.Context) error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.empty == nil {
		g.empty = map[string]func(context.Context) error{}
	}
	g.empty[table] = again
}

// check checks the files of the tables that a statement uses: all of them, but of snapshots
// and plans those alone which the engine's own plan reads.
func (g *guard) check(ctx context.Context, conn *sql.Conn, tree any, text string, args []any) error {
	g.mu.Lock()
	src := g.src
	g.mu.Unlock()
	many := map[string]files{}
	gc := gcTables()
	for _, table := range tablesOf(tree) {
		var err error
		switch {
		case table == catalogName:
			err = g.catalogs(ctx, src.Catalogs)
		case src.Workspace == "":
		case table == versionName || table == actionName || gc[table]:
			if many[table], err = filesOf(src, table); err == nil && len(many[table].there) > 0 {
				// The engine plans by what it finds in the first.
				err = g.files(ctx, many[table].there[:1])
			} else if err == nil {
				// The engine has a table without files, which its plan does not name.
				err = g.files(ctx, many[table].gone)
			}
		case table == snapshotName || table == planName:
			err = descriptions(src.Workspace, table)
		default:
			err = g.facts(ctx, src.Workspace, table)
		}
		if err != nil {
			return err
		}
		g.mu.Lock()
		err = g.failed[table]
		g.mu.Unlock()
		if err != nil {
			return err
		}
	}
	if len(many) == 0 {
		return nil
	}
	names, err := scanned(ctx, conn, text, args, many)
	if err != nil {
		return err
	}
	return g.files(ctx, names)
}

// tablesOf names our tables that a parsed query refers to.
func tablesOf(tree any) []string {
	used := map[string]bool{}
	var walk func(any)
	walk = func(node any) {
		switch node := node.(type) {
		case []any:
			for _, n := range node {
				walk(n)
			}
		case map[string]any:
			if name, ok := node["table_name"].(string); ok {
				used[strings.ToLower(strings.Trim(name, `"`))] = true
			}
			for _, n := range node {
				walk(n)
			}
		}
	}
	walk(tree)
	all := []string{catalogName, versionName, actionName, snapshotName, planName, ledger.Outcome, ledger.Content, ledger.Run}
	all = append(all, slices.Sorted(maps.Keys(gcTables()))...)
	return slices.DeleteFunc(all, func(t string) bool { return !used[t] })
}

func (g *guard) catalogs(ctx context.Context, catalogs []query.Catalog) error {
	for _, c := range catalogs {
		if c.Verify == nil {
			continue
		}
		if err := c.Verify(ctx); err != nil {
			return err
		}
	}
	return nil
}

// facts checks the files of a table of the ledger.
func (g *guard) facts(ctx context.Context, workspace, table string) error {
	if _, ok := gcTables()[table]; ok {
		names, _, err := gcStore(workspace).Files(table)
		if err != nil {
			return err
		}
		return g.files(ctx, names)
	}
	names, err := ledger.Open(filepath.Join(workspace, "ledger")).Files(table)
	if err != nil {
		return err
	}
	return g.once(names, func(names []string) error { return ledger.Verify(ctx, names) })
}

func gcStore(workspace string) *gcfacts.Store {
	return gcfacts.Open(filepath.Join(workspace, "ledger"))
}

// holds keeps facts of scans from being dropped while a statement that asks for them is carried out:
// until release is called.
func (g *guard) holds(ctx context.Context, tree any) (release func() error, err error) {
	g.mu.Lock()
	workspace := g.src.Workspace
	g.mu.Unlock()
	gc := gcTables()
	if workspace == "" || !slices.ContainsFunc(tablesOf(tree), func(t string) bool { _, ok := gc[t]; return ok }) {
		return func() error { return nil }, nil
	}
	return gcStore(workspace).Hold(ctx)
}

// files checks files of snapshots, plans and scans.
func (g *guard) files(ctx context.Context, names []string) error {
	return g.once(names, func(names []string) error {
		dirs := map[string][]string{}
		var facts []string
		for _, n := range names {
			if strings.HasPrefix(n, g.ledger()) {
				facts = append(facts, n)
				continue
			}
			dirs[filepath.Dir(n)] = append(dirs[filepath.Dir(n)], filepath.Base(n))
		}
		for _, dir := range slices.Sorted(maps.Keys(dirs)) {
			if err := checkFiles(ctx, dir, dirs[dir]); err != nil {
				return err
			}
		}
		return gcfacts.Verify(ctx, facts)
	})
}

// ledger is what the names of facts begin with.
func (g *guard) ledger() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return filepath.Join(g.src.Workspace, "ledger") + string(filepath.Separator)
}

func checkFiles(ctx context.Context, dir string, names []string) error {
	if filepath.Base(filepath.Dir(dir)) == planName {
		p, err := plan.Open(dir)
		if err != nil {
			return err
		}
		return p.Check(ctx, names...)
	}
	s, err := inventory.Open(dir)
	if err != nil {
		return err
	}
	return s.Verify(ctx, names...)
}

// once calls f with those of the files that were not found sound before.
func (g *guard) once(names []string, f func([]string) error) error {
	stamps := map[string]stamp{}
	g.mu.Lock()
	sound := maps.Clone(g.sound)
	g.mu.Unlock()
	for _, n := range names {
		info, err := os.Stat(n)
		if errors.Is(err, fs.ErrNotExist) { // whoever looks for it says whether that is well
			stamps[n] = stamp{}
			continue
		} else if err != nil {
			return &cooper.Error{Kind: cooper.KindInternal, Where: n, Err: err}
		}
		if s := (stamp{info.Size(), info.ModTime()}); sound[n] != s {
			stamps[n] = s
		}
	}
	if len(stamps) == 0 {
		return nil
	}
	if err := f(slices.Sorted(maps.Keys(stamps))); err != nil {
		return err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.sound == nil {
		g.sound = map[string]stamp{}
	}
	for n, s := range stamps {
		if s != (stamp{}) {
			g.sound[n] = s
		}
	}
	return nil
}

// descriptions checks those of all snapshots or plans.
func descriptions(workspace, table string) error {
	dirs, err := filepath.Glob(escape(workspace) + "/" + table + "/" + table[:1] + strings.TrimSuffix(anID, "/"))
	if err != nil {
		return &cooper.Error{Kind: cooper.KindInternal, Where: workspace, Err: err}
	}
	for _, dir := range dirs {
		if table == planName {
			_, err = plan.Open(dir)
		} else {
			_, err = inventory.Open(dir)
		}
		if k := cooper.KindOf(err); err != nil && k != cooper.KindMissing && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// files are those of the tables version or action: those that are there, and those that are
// gone, which the engine would count for nothing.
type files struct{ there, gone []string }

func filesOf(src query.Sources, table string) (f files, err error) {
	if gcTables()[table] {
		f.there, f.gone, err = gcStore(src.Workspace).Files(table)
		return f, err
	}
	of := "p" + anID
	if table == versionName {
		of = "s" + anID
		if src.Snapshot != "" {
			of = escape(src.Snapshot) + "/"
		}
	}
	kind, pattern := planName, "/actions-*.parquet"
	if table == versionName {
		kind, pattern = snapshotName, "/versions-*.parquet"
	}
	dirs, err := filepath.Glob(escape(src.Workspace) + "/" + kind + "/" + strings.TrimSuffix(of, "/"))
	if err != nil {
		return f, &cooper.Error{Kind: cooper.KindInternal, Where: src.Workspace, Err: err}
	}
	for _, dir := range dirs {
		there, err := filepath.Glob(escape(dir) + pattern)
		if err != nil {
			return f, &cooper.Error{Kind: cooper.KindInternal, Where: dir, Err: err}
		}
		f.there = append(f.there, there...)
		for _, name := range named(dir, kind) {
			if name = filepath.Join(dir, name); !slices.Contains(there, name) {
				f.gone = append(f.gone, name)
			}
		}
	}
	return f, nil
}

// named are the files that the description of a snapshot or plan names. One that cannot be read
// has to have some: whoever checks these hears why.
func named(dir, kind string) (names []string) {
	if kind == planName {
		p, err := plan.Open(dir)
		if err != nil {
			return []string{"actions-00000.parquet"}
		}
		for _, f := range p.Header().Files {
			names = append(names, f.Name)
		}
		return names
	}
	s, err := inventory.Open(dir)
	if err != nil {
		return []string{"versions-00000.parquet"}
	}
	for _, f := range s.Meta().Files {
		names = append(names, f.Name)
	}
	return names
}

// escape makes a path stand for itself in a pattern of package filepath.
func escape(path string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}

// scanned are those of the files that a query reads. The engine passes over files by conditions
// on their names, and its plan tells the condition and how many are left; it counts only if
// it leaves as many of ours. Whatever is not understood reads everything.
func scanned(ctx context.Context, conn *sql.Conn, text string, args []any, many map[string]files) ([]string, error) {
	var kind, tree string
	if err := conn.QueryRowContext(ctx, "EXPLAIN (FORMAT json) "+text, args...).Scan(&kind, &tree); err != nil {
		return nil, failed(ctx, err)
	}
	var nodes []node
	if err := json.Unmarshal([]byte(tree), &nodes); err != nil {
		return nil, failed(ctx, err)
	}
	names := map[string]bool{}
	for len(nodes) > 0 {
		n := nodes[len(nodes)-1]
		nodes = append(nodes[:len(nodes)-1], n.Children...)
		constant := n.Name == "COLUMN_DATA_SCAN" // of a single file it may be the count, taken from its footer
		if len(n.Children) > 0 || readsNothing[n.Name] || n.Info.Function == "READ_PARQUET" || n.Info.Function == "READ_JSON" {
			continue
		}
		for _, f := range many {
			if constant && len(f.there) > 1 {
				continue
			}
			left, ok := n.left(ctx, conn, f)
			if !ok {
				left = slices.Concat(f.there, f.gone)
			}
			for _, f := range left {
				names[f] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(names)), nil
}

// node is one of the engine's plan.
type node struct {
	Name     string `json:"name"`
	Children []node `json:"children"`
	Info     struct {
		Function string `json:"Function"`
		Filter   any    `json:"File Filters"`
		Files    string `json:"Scanning Files"` // 2/12
	} `json:"extra_info"`
}

// readsNothing are ends of a plan that are no files. The tables of the ledger and of catalogs,
// and files that the query names itself, are read by other functions than ours.
var readsNothing = map[string]bool{
	"EMPTY_RESULT": true, "DUMMY_SCAN": true, "CTE_SCAN": true, "REC_CTE_SCAN": true,
	"DELIM_SCAN": true, "CHUNK_SCAN": true, "EXPRESSION_SCAN": true,
}

// left are those of files that the node's condition leaves; ok tells that these may be the node's
// files, and that there is a condition.
func (n *node) left(ctx context.Context, conn *sql.Conn, f files) (left []string, ok bool) {
	filter, _ := n.Info.Filter.(string)
	some, all, _ := strings.Cut(n.Info.Files, "/")
	k, err := strconv.Atoi(some)
	if filter == "" || err != nil || all != strconv.Itoa(len(f.there)) {
		return nil, false
	}
	var quoted []string
	for _, name := range f.there {
		quoted = append(quoted, "("+query.Text(name)+", true)")
	}
	for _, name := range f.gone {
		quoted = append(quoted, "("+query.Text(name)+", false)")
	}
	rows, err := conn.QueryContext(ctx, "SELECT filename, there FROM (VALUES "+strings.Join(quoted, ", ")+") AS t(filename, there) WHERE "+filter)
	if err != nil {
		return nil, false // it is said in words that are no SQL
	}
	for rows.Next() {
		var name string
		var there bool
		if rows.Scan(&name, &there) != nil {
			break
		}
		if left = append(left, name); !there {
			k++
		}
	}
	err = errors.Join(rows.Err(), rows.Close())
	return left, err == nil && len(left) == k
}
