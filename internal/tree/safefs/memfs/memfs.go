// Package memfs is a file system in memory that forgets, for tests.
//
// It keeps apart what a process sees and what is on the disk: a crash takes
// away names that no sync covered, and loses, cuts or garbles bytes that were
// not synced, as a power failure may. It can also stop before any operation.
// It promises nothing beyond what safefs.FS says, and is no place for data.
package memfs

import (
	"errors"
	"maps"
	"math"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
	"sync"
	"syscall"

	"cooper/internal/tree/safefs"
)

// FS is such a file system. It is safe for use by several goroutines.
type FS struct {
	// Before is called before each operation that changes or syncs something,
	// with its name and paths; an error of it is the operation's. Set it while
	// nothing is under way.
	Before func(op string, paths ...string) error
	// Read is called before each operation that only looks.
	Read func(op string, paths ...string) error

	mu     sync.Mutex
	names  map[string]*node // what a process sees
	disk   map[string]*node // what is on the disk for sure
	log    []change         // what was done since
	inodes uint64
	now    int64 // a clock of its own: each write is later than the one before
}

// node is a file or directory.
type node struct {
	dir   bool
	inode uint64
	data  []byte
	mtime int64
	// What is on the disk of data and mtime.
	synced      []byte
	syncedMTime int64
	locked      bool
}

// change is one change of names.
type change struct {
	from, to string // from is empty for new files, to for removed ones
	node     *node
	hard     bool // it is on the disk
}

// New makes an empty file system.
func New() *FS {
	root := &node{dir: true, inode: 1}
	return &FS{names: map[string]*node{".": root}, disk: map[string]*node{".": root}, inodes: 1, now: 1e18}
}

// Crash gives the file system as another process finds it after the machine
// crashed and came up again. Of the changes of names not yet on the disk either
// some beginning is there, or any of them in any combination that keeps the
// order within each directory; of bytes not yet on the disk, whatever r decides.
func (m *FS) Crash(r *rand.Rand) *FS {
	m.mu.Lock()
	defer m.mu.Unlock()
	names := maps.Clone(m.disk)
	there := make([]bool, len(m.log))
	cut, share := r.IntN(len(m.log)+1), 0.0
	if r.IntN(2) == 0 {
		cut, share = 0, r.Float64()*r.Float64()
	}
	for i, c := range m.log {
		there[i] = i < cut || c.hard || r.Float64() < share
	}
	m.closure(there, map[string]bool{})
	for i, c := range m.log {
		if there[i] {
			c.apply(names)
		}
	}
	after := New()
	after.inodes, after.now = m.inodes, m.now+1e9
	copies := map[*node]*node{}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		n := names[name]
		if copies[n] == nil {
			copies[n] = n.crash(r, after.now)
		}
		after.names[name], after.disk[name] = copies[n], copies[n]
	}
	return after
}

// Kill gives the file system as another process finds it after this one was
// killed: everything is there, nothing more is on the disk.
func (m *FS) Kill() *FS {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, n := range m.names {
		n.locked = false
	}
	return &FS{names: m.names, disk: m.disk, log: m.log, inodes: m.inodes, now: m.now}
}

// closure adds the changes that the ones that are there need: earlier ones in
// the same directories. A renaming is one change, in both its directories.
func (m *FS) closure(there []bool, dirs map[string]bool) {
	for i := len(m.log) - 1; i >= 0; i-- {
		touched := m.log[i].dirs()
		there[i] = there[i] || slices.ContainsFunc(touched, func(d string) bool { return dirs[d] })
		if there[i] {
			for _, d := range touched {
				dirs[d] = true
			}
		}
	}
}

// dirs are the directories a change is made in, and the one that is made.
func (c change) dirs() []string {
	var dirs []string
	for _, p := range []string{c.from, c.to} {
		if p == "" {
			continue
		}
		dirs = append(dirs, path.Dir(p))
		if c.node.dir {
			dirs = append(dirs, p)
		}
	}
	return dirs
}

// apply makes a change if that is still possible.
func (c change) apply(names map[string]*node) {
	if c.from != "" {
		if names[c.from] != c.node {
			return
		}
		delete(names, c.from)
	}
	if c.to == "" {
		return
	}
	if up := names[path.Dir(c.to)]; up == nil || !up.dir {
		return
	}
	names[c.to] = c.node
}

func (n *node) crash(r *rand.Rand, now int64) *node {
	after := &node{dir: n.dir, inode: n.inode, data: n.data, mtime: n.mtime}
	if string(n.data) != string(n.synced) {
		kept := 0 // what was synced and not written over stays
		for kept < len(n.data) && kept < len(n.synced) && n.data[kept] == n.synced[kept] {
			kept++
		}
		switch r.IntN(4) {
		case 0:
			after.data = n.synced
		case 1: // all there
		case 2:
			after.data = n.data[:kept+r.IntN(len(n.data)-kept+1)]
		case 3:
			after.data = slices.Clone(n.data)
			for i := kept; i < len(after.data); i++ {
				after.data[i] = byte(r.Uint32())
			}
		}
	}
	if n.mtime != n.syncedMTime && r.IntN(2) == 0 {
		after.mtime = now
	}
	after.data = slices.Clone(after.data)
	after.synced, after.syncedMTime = slices.Clone(after.data), after.mtime
	return after
}

// Files lists all files with their content, for comparisons.
func (m *FS) Files() map[string]string {
	m.mu.Lock()
	defer m.mu.Unlock()
	files := map[string]string{}
	for name, n := range m.names {
		if n.dir {
			files[name+"/"] = ""
		} else {
			files[name] = string(n.data)
		}
	}
	return files
}

// Space is unlimited.
func (m *FS) Space() (safefs.Space, error) {
	return safefs.Space{Bytes: math.MaxInt64, Inodes: math.MaxInt64}, nil
}

// Close does nothing.
func (m *FS) Close() error { return nil }

// lookup finds a name; what is above it must be directories.
func (m *FS) lookup(name string) (*node, error) {
	if name == "" || name != path.Clean(name) || strings.HasPrefix(name, "/") || strings.HasPrefix(name, "..") && (len(name) == 2 || name[2] == '/') || strings.Contains(name, "\x00") {
		return nil, syscall.EINVAL
	}
	if n := m.names[name]; n != nil {
		return n, nil
	}
	return nil, m.up(name)
}

// up says why a name cannot be there, or ENOENT if it just is not.
func (m *FS) up(name string) error {
	for i := range len(name) {
		if name[i] != '/' {
			continue
		}
		switch n := m.names[name[:i]]; {
		case n == nil:
			return syscall.ENOENT
		case !n.dir:
			return syscall.ENOTDIR
		}
	}
	return syscall.ENOENT
}

// parent tells why nothing can be made at name.
func (m *FS) parent(name string) error {
	if name == "." {
		return syscall.EINVAL
	}
	if _, err := m.lookup(name); errors.Is(err, syscall.EINVAL) {
		return err
	}
	if up := m.names[path.Dir(name)]; up == nil || !up.dir {
		return m.up(name)
	}
	return nil
}

func (m *FS) record(c change) {
	c.apply(m.names)
	m.log = append(m.log, c)
}

func (m *FS) before(op string, paths ...string) error {
	if m.Before == nil {
		return nil
	}
	return m.Before(op, paths...)
}

func (m *FS) read(op string, paths ...string) error {
	if m.Read == nil {
		return nil
	}
	return m.Read(op, paths...)
}
