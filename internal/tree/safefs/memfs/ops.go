package memfs

import (
	"errors"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"syscall"

	"cooper/internal/tree/safefs"
)

func (m *FS) info(name string, n *node) safefs.Info {
	i := safefs.Info{Name: path.Base(name), Size: int64(len(n.data)), Mode: 0o644, MTime: n.mtime, Dev: 1, Inode: n.inode}
	if n.dir {
		i.Mode = fs.ModeDir | 0o755
	}
	return i
}

// Open opens a file for reading.
func (m *FS) Open(name string) (safefs.File, error) {
	if err := m.read("open", name); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	n, err := m.lookup(name)
	if err == nil && n.dir {
		err = syscall.EISDIR
	}
	if err != nil {
		return nil, safefs.Fail("cannot open", name, err)
	}
	return &file{fs: m, name: name, node: n}, nil
}

// Lstat describes a name.
func (m *FS) Lstat(name string) (safefs.Info, error) {
	if err := m.read("lstat", name); err != nil {
		return safefs.Info{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	n, err := m.lookup(name)
	if err != nil {
		return safefs.Info{}, safefs.Fail("cannot look at", name, err)
	}
	return m.info(name, n), nil
}

// ReadDir lists a directory.
func (m *FS) ReadDir(name string) ([]safefs.Info, error) {
	if err := m.read("readdir", name); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	n, err := m.lookup(name)
	if err == nil && !n.dir {
		err = syscall.ENOTDIR
	}
	if err != nil {
		return nil, safefs.Fail("cannot list the directory", name, err)
	}
	var infos []safefs.Info
	for _, other := range slices.Sorted(maps.Keys(m.names)) {
		if other != "." && path.Dir(other) == name {
			i := m.info(other, m.names[other])
			infos = append(infos, safefs.Info{Name: i.Name, Mode: i.Mode.Type()})
		}
	}
	return infos, nil
}

// Create makes a new file.
func (m *FS) Create(name string) (safefs.File, error) {
	return m.openWrite("create", name, true)
}

// OpenWrite opens a file for writing, or makes it.
func (m *FS) OpenWrite(name string) (safefs.File, error) {
	return m.openWrite("open-write", name, false)
}

func (m *FS) openWrite(op, name string, exclusive bool) (safefs.File, error) {
	if err := m.before(op, name); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.parent(name); err != nil {
		return nil, safefs.Fail("cannot "+op, name, err)
	}
	n := m.names[name]
	switch {
	case n != nil && exclusive:
		return nil, safefs.Fail("cannot "+op, name, syscall.EEXIST)
	case n != nil && n.dir:
		return nil, safefs.Fail("cannot "+op, name, syscall.EISDIR)
	case n == nil:
		m.inodes++
		m.now++
		n = &node{inode: m.inodes, mtime: m.now}
		m.record(change{to: name, node: n})
	}
	return &file{fs: m, name: name, node: n, writable: true}, nil
}

// MkdirAll makes directories. Each is an operation of its own.
func (m *FS) MkdirAll(name string) error {
	if name == "." {
		return nil
	}
	if err := m.before("mkdir", name); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if n, err := m.lookup(name); errors.Is(err, syscall.EINVAL) {
		return safefs.Fail("cannot make the directory", name, err)
	} else if err == nil && n.dir {
		return nil
	}
	for i := 0; i <= len(name); i++ {
		if i < len(name) && name[i] != '/' {
			continue
		}
		n := m.names[name[:i]]
		if n != nil && !n.dir {
			return safefs.Fail("cannot make the directory", name, syscall.ENOTDIR)
		}
		if n == nil {
			m.inodes++
			m.record(change{to: name[:i], node: &node{dir: true, inode: m.inodes}})
		}
	}
	return nil
}

// Move renames a file to a free name.
func (m *FS) Move(from, to string) error { return m.rename("move", from, to, false) }

// Replace renames a file over another.
func (m *FS) Replace(from, to string) error { return m.rename("replace", from, to, true) }

func (m *FS) rename(op, from, to string, replace bool) error {
	if err := m.before(op, from, to); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	n, err := m.lookup(from)
	if err == nil {
		err = m.parent(to)
	}
	if err == nil && n.dir {
		err = syscall.EISDIR
	}
	if old := m.names[to]; err == nil && old != nil && (!replace || old.dir) {
		err = syscall.EEXIST
	}
	if err != nil {
		return safefs.Fail("cannot "+op+" "+from, to, err)
	}
	m.record(change{from: from, to: to, node: n})
	return nil
}

// Remove removes a file.
func (m *FS) Remove(name string) error {
	if err := m.before("remove", name); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	n, err := m.lookup(name)
	if err == nil && n.dir {
		err = syscall.EISDIR
	}
	if err != nil {
		return safefs.Fail("cannot remove", name, err)
	}
	m.record(change{from: name, node: n})
	return nil
}

// RemoveDir removes an empty directory.
func (m *FS) RemoveDir(name string) error {
	if err := m.before("rmdir", name); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	n, err := m.lookup(name)
	if err == nil && !n.dir {
		err = syscall.ENOTDIR
	}
	for other := range m.names {
		if err == nil && strings.HasPrefix(other, name+"/") {
			err = syscall.ENOTEMPTY
		}
	}
	if err != nil {
		return safefs.Fail("cannot remove the directory", name, err)
	}
	m.record(change{from: name, node: n})
	return nil
}

// SyncDir puts the names in one directory on the disk, and what they need.
func (m *FS) SyncDir(name string) error {
	if err := m.before("sync-dir", name); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if n, err := m.lookup(name); err != nil || !n.dir {
		if err == nil {
			err = syscall.ENOTDIR
		}
		return safefs.Fail("cannot sync the directory", name, err)
	}
	hard := make([]bool, len(m.log))
	for i, c := range m.log {
		hard[i] = c.hard
	}
	m.closure(hard, map[string]bool{name: true})
	for i := range m.log {
		m.log[i].hard = hard[i]
	}
	return nil
}

// SyncAll puts everything on the disk.
func (m *FS) SyncAll() error {
	if err := m.before("sync-all"); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.disk, m.log = maps.Clone(m.names), nil
	for _, n := range m.names {
		n.sync()
	}
	return nil
}

func (n *node) sync() { n.synced, n.syncedMTime = slices.Clone(n.data), n.mtime }
