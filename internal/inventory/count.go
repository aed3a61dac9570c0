package inventory

import "cooper"

// keyCounter counts versions as they come by in order.
type keyCounter struct {
	meta    *Meta
	any     bool
	latest  int   // versions of the present key that are the latest
	size    int64 // of the latest
	deleted bool  // the latest is a delete marker
}

// add counts a record; same tells whether its key is that of the one before.
func (c *keyCounter) add(key, data []byte, same bool) {
	if !same {
		c.end()
	}
	c.any = true
	size, deleteMarker := peek(data)
	if deleteMarker {
		c.meta.DeleteMarkers++
	} else {
		c.meta.Versions++
	}
	c.meta.Bytes = cooper.AddBytes(c.meta.Bytes, size)
	if key[len(key)-9] == 0 {
		c.latest++
		c.size, c.deleted = size, deleteMarker
	}
}

// end counts the key that is complete.
func (c *keyCounter) end() {
	switch {
	case !c.any:
	case c.latest == 0:
		c.meta.Hidden++
	case c.latest > 1:
		if !c.meta.Scope.CurrentOnly {
			c.meta.Ambiguous++
		}
	case !c.deleted:
		c.meta.Latest++
		c.meta.LatestBytes = cooper.AddBytes(c.meta.LatestBytes, c.size)
	}
	if c.any {
		c.meta.Keys++
	}
	c.any, c.latest = false, 0
}
