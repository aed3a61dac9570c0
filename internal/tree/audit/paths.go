package audit

import (
	"hash/maphash"
	"iter"
	"sync/atomic"
)

const (
	// cellCount makes the cells take 12 MiB, however large the tree is.
	cellCount = 1 << 20
	// maxKnown bounds how many paths are held at once, as hashes, to tell foreign
	// files from others: some 100 MiB.
	maxKnown = 4 << 20
)

// paths adds up the paths that rows have, and takes off those that stand in the
// tree, in cells by key. What is left of a cell is 0 if they are the same. Hashes
// have a seed of their own each time: a file whose name was made to deceive
// cannot know it.
type paths struct {
	seed maphash.Seed
	left []atomic.Uint64 // what paths add up to
	rows []atomic.Uint32 // how many rows, for bounding memory
}

// cells are those from first on, up to the one before end.
type cells struct{ first, end int }

func newPaths() *paths {
	return &paths{maphash.MakeSeed(), make([]atomic.Uint64, cellCount), make([]atomic.Uint32, cellCount)}
}

func (p *paths) hash(s string) uint64 { return maphash.String(p.seed, s) }

func (p *paths) cell(key string) int { return int(p.hash(key) % cellCount) }

// expected is for the file of a row that is there.
func (p *paths) expected(key, path string) {
	c := p.cell(key)
	p.left[c].Add(p.hash(path))
	p.rows[c].Add(1)
}

// stands is for a file in the tree.
func (p *paths) stands(key, path string) { p.left[p.cell(key)].Add(-p.hash(path)) }

// suspect tells whether a key is in one of the cells, and that cell does not add up.
func (p *paths) suspect(part cells, key string) bool {
	c := p.cell(key)
	return part.first <= c && c < part.end && p.left[c].Load() != 0
}

// suspects gives all cells that do not add up, so many at a time that they have
// no more than most rows, or are one.
func (p *paths) suspects(most int64) iter.Seq[cells] {
	return func(yield func(cells) bool) {
		part, rows, any := cells{}, int64(0), false
		for c := range cellCount {
			if p.left[c].Load() == 0 {
				continue
			}
			n := int64(p.rows[c].Load())
			if any && rows+n > most {
				part.end = c
				if !yield(part) {
					return
				}
				part.first, rows = c, 0
			}
			rows, any = rows+n, true
		}
		if part.end = cellCount; any {
			yield(part)
		}
	}
}
