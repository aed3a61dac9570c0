package safefs

import (
	"container/list"
	"sync"

	"golang.org/x/sys/unix"
)

// handle is an open directory. It stays open while somebody uses it, also
// after the cache let go of it.
type handle struct {
	fd    int
	name  string
	users int
	stale bool // no longer in the cache
}

// handleCache keeps the directories used last open. Neighbouring keys share
// their directories, so that most operations cost one system call.
type handleCache struct {
	open  func(name string) (int, error)
	limit int

	mu     sync.Mutex
	byName map[string]*list.Element
	order  *list.List // of *handle, the one used last in front
}

func newHandleCache(limit int, open func(string) (int, error)) *handleCache {
	return &handleCache{open: open, limit: limit, byName: map[string]*list.Element{}, order: list.New()}
}

// get gives an open handle, to be released.
func (c *handleCache) get(name string) (*handle, error) {
	c.mu.Lock()
	if e, ok := c.byName[name]; ok {
		c.order.MoveToFront(e)
		h := e.Value.(*handle)
		h.users++
		c.mu.Unlock()
		return h, nil
	}
	c.mu.Unlock()

	fd, err := c.open(name) // not under the lock: it may go to the disk
	if err != nil {
		return nil, err
	}
	h := &handle{fd: fd, name: name, users: 1}
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.byName[name]; ok {
		h.stale = true // somebody else was faster; this one goes with its user
		return h, nil
	}
	c.byName[name] = c.order.PushFront(h)
	for c.order.Len() > c.limit {
		c.evict(c.order.Back()) //nolint:errcheck // a directory that was only read; nothing to lose
	}
	return h, nil
}

// release must be called once for each get.
func (c *handleCache) release(h *handle) {
	c.mu.Lock()
	defer c.mu.Unlock()
	h.users--
	if h.stale && h.users == 0 {
		unix.Close(h.fd) //nolint:errcheck // as above
	}
}

// drop forgets the handle of a directory that was removed.
func (c *handleCache) drop(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.byName[name]; ok {
		c.evict(e) //nolint:errcheck // as above
	}
}

// clear forgets all handles.
func (c *handleCache) clear() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	var first error
	for c.order.Len() > 0 {
		if err := c.evict(c.order.Back()); err != nil && first == nil {
			first = err
		}
	}
	return first
}

func (c *handleCache) evict(e *list.Element) error {
	h := c.order.Remove(e).(*handle)
	delete(c.byName, h.name)
	h.stale = true
	if h.users == 0 {
		return unix.Close(h.fd)
	}
	return nil
}
