package purge

import (
	"errors"
	"io"
	"strings"

	"cooper"
)

// Choice names a key, or one version of it.
type Choice struct {
	Key string
	// VersionID counts unless Any is set. It is empty where an inventory tells
	// of none.
	VersionID string
	Any       bool // every version of the key
}

// Choices are sorted by key, bytewise; the versions of a key come in any order.
// io.EOF comes after the last.
type Choices interface {
	Next() (Choice, error)
	Close() error
}

// examples is how many of the choices that the snapshot does not have are named.
const examples = 5

// chooser walks choices beside a snapshot.
type chooser struct {
	from    Choices
	prefix  string
	next    Choice
	more    bool
	here    map[string]bool // version ids chosen of the key at hand; true once met
	any     bool            // every version of it is
	key     string
	unknown int64
	outside int64
	named   []string // some of them
}

func newChooser(from Choices, prefix string) (*chooser, error) {
	c := &chooser{from: from, prefix: prefix, here: map[string]bool{}}
	return c, c.step()
}

func (c *chooser) step() (err error) {
	before := c.next.Key
	c.next, err = c.from.Next()
	c.more = err == nil
	if errors.Is(err, io.EOF) {
		return nil
	}
	if err == nil && c.next.Key < before {
		return &cooper.Error{Kind: cooper.KindInternal, Where: cooper.Quote(c.next.Key), Message: "the choices are not sorted"}
	}
	return err
}

// at goes on to a key of the snapshot. What was chosen before it, and is not in
// the snapshot, is counted.
func (c *chooser) at(key string) error {
	c.leave()
	c.key = key
	for c.more && c.next.Key < key {
		c.miss(c.next.Key)
		if err := c.step(); err != nil {
			return err
		}
	}
	for c.more && c.next.Key == key {
		if id := orNull(c.next.VersionID); c.next.Any {
			c.any = true
		} else if !c.here[id] {
			c.here[id] = false
		}
		if err := c.step(); err != nil {
			return err
		}
	}
	return nil
}

// has tells whether a version of the key at hand is chosen.
func (c *chooser) has(version string) bool {
	version = orNull(version)
	if _, chosen := c.here[version]; chosen {
		c.here[version] = true
		return true
	}
	return c.any
}

// orNull is a version id that can be compared. An inventory that tells of none
// counts only for buckets in which every version is null.
func orNull(id string) string {
	if id == "" {
		return cooper.NullVersion
	}
	return id
}

// leave counts what was chosen of the key at hand and did not turn up.
func (c *chooser) leave() {
	for _, met := range c.here {
		if !met {
			c.miss(c.key)
		}
	}
	clear(c.here)
	c.any = false
}

// rest counts what lies behind the snapshot's last key.
func (c *chooser) rest() error {
	c.leave()
	for c.more {
		c.miss(c.next.Key)
		if err := c.step(); err != nil {
			return err
		}
	}
	return nil
}

func (c *chooser) miss(key string) {
	if !strings.HasPrefix(key, c.prefix) {
		c.outside++
		return
	}
	c.unknown++
	if len(c.named) < examples && (len(c.named) == 0 || c.named[len(c.named)-1] != cooper.Quote(key)) {
		c.named = append(c.named, cooper.Quote(key))
	}
}
