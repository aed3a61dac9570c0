package paging

import "cooper/internal/database"

// handing gives rows to a sink, in their order and one batch at a time, while the next
// are read: neither the server nor who takes them waits for the other.
type handing struct {
	rows  chan []database.Row
	ended chan struct{}
	err   error // the sink's, once it has ended
}

func handTo(sink database.Sink) *handing {
	h := &handing{rows: make(chan []database.Row), ended: make(chan struct{})}
	go func() {
		defer close(h.ended)
		for rows := range h.rows {
			if h.err = sink.Rows(rows); h.err != nil {
				return
			}
		}
	}()
	return h
}

// give waits until the sink takes them. Its error may be that of rows before.
func (h *handing) give(rows []database.Row) error {
	select {
	case h.rows <- rows:
		return nil
	case <-h.ended:
		return h.err
	}
}

// end waits until the sink is through with all.
func (h *handing) end() error {
	close(h.rows)
	<-h.ended
	return h.err
}
