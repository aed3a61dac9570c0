package report

import (
	"cooper"
)

// add counts what b counts, too.
func (a *Amount) add(b Amount) {
	a.Count += b.Count
	a.Bytes = cooper.AddBytes(a.Bytes, b.Bytes)
	a.Cost += b.Cost
}

// one counts a version.
func (a *Amount) one(size int64, cost float64) {
	a.Count++
	a.Bytes = cooper.AddBytes(a.Bytes, size)
	a.Cost += cost
}

// add counts what q counts, too.
func (p *Part) add(q *Part) {
	p.Current.add(q.Current)
	p.Noncurrent.add(q.Noncurrent)
	p.DeleteMarkers += q.DeleteMarkers
}

// one counts a version.
func (p *Part) one(v *cooper.Version, cost float64) {
	switch {
	case v.DeleteMarker:
		p.DeleteMarkers++
	case v.Latest:
		p.Current.one(v.Size, cost)
	default:
		p.Noncurrent.one(v.Size, cost)
	}
}

// All are current and noncurrent versions together.
func (p *Part) All() Amount {
	a := p.Current
	a.add(p.Noncurrent)
	return a
}

// empty tells that nothing was counted.
func (p *Part) empty() bool { return *p == Part{} }
