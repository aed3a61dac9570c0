package extsort

import "bytes"

// Merge walks all records of a Sorter in order. Key and Data are good until
// the following Next.
type Merge struct {
	sources []source
	// losers is a tournament: losers[0] is the source with the smallest
	// record, losers[i] the one that lost the match at node i.
	losers  []int
	compare func(a, b []byte) int
	started bool
	runs    int
	err     error
}

// source is a run, in a file or in a slab.
type source struct {
	file *runReader
	slab *slab
	at   int // in slab
	key  []byte
	data []byte
	done bool
}

func (s *source) advance() error {
	if s.slab != nil {
		if s.done = s.at == s.slab.len(); !s.done {
			if s.at%touchAhead == 0 {
				s.slab.touch(s.at)
			}
			s.key, s.data = s.slab.record(s.at)
			s.at++
		}
		return nil
	}
	ok, err := s.file.next()
	if err != nil {
		return err
	}
	s.done = !ok
	s.key, s.data = s.file.key, s.file.dat
	return nil
}

func (s *Sorter) open(files []*runFile, slabs []*slab, runs int) (*Merge, error) {
	m := &Merge{compare: s.opt.Compare, runs: runs}
	for _, f := range files {
		m.sources = append(m.sources, source{file: newRunReader(f)})
	}
	for _, b := range slabs {
		m.sources = append(m.sources, source{slab: b})
	}
	for i := range m.sources {
		if err := m.sources[i].advance(); err != nil {
			return nil, err
		}
	}
	m.plant()
	return m, nil
}

// plant plays the first tournament.
func (m *Merge) plant() {
	n := len(m.sources)
	m.losers = make([]int, max(n, 1))
	winners := make([]int, 2*n)
	for i := range n {
		winners[n+i] = i
	}
	for i := n - 1; i > 0; i-- {
		a, b := winners[2*i], winners[2*i+1]
		if m.less(b, a) {
			a, b = b, a
		}
		winners[i], m.losers[i] = a, b
	}
	if n > 0 {
		m.losers[0] = winners[1]
	}
}

// less tells whether the record of source a comes before that of b.
func (m *Merge) less(a, b int) bool {
	s, t := &m.sources[a], &m.sources[b]
	if s.done || t.done {
		return !s.done
	}
	if c := bytes.Compare(s.key, t.key); c != 0 {
		return c < 0
	}
	return m.compare(s.data, t.data) < 0
}

// Next moves to the next record. It is false after the last one, and when a
// run cannot be read: then Err says why.
func (m *Merge) Next() bool {
	if m.err != nil || len(m.sources) == 0 {
		return false
	}
	w := m.losers[0]
	if m.started {
		if m.err = m.sources[w].advance(); m.err != nil {
			return false
		}
		for i := (w + len(m.sources)) / 2; i > 0; i /= 2 {
			if m.less(m.losers[i], w) {
				w, m.losers[i] = m.losers[i], w
			}
		}
		m.losers[0] = w
	}
	m.started = true
	return !m.sources[w].done
}

// Key is that of the present record.
func (m *Merge) Key() []byte { return m.sources[m.losers[0]].key }

// Data is that of the present record.
func (m *Merge) Data() []byte { return m.sources[m.losers[0]].data }

// Err is why Next ended early, nil if it did not.
func (m *Merge) Err() error { return m.err }

// Runs is how many sorted runs there were.
func (m *Merge) Runs() int { return m.runs }
