package apply

import "testing"

func TestWindow(t *testing.T) {
	for _, c := range []struct {
		name                     string
		shards, waiting, pending int
		open                     bool
	}{
		{"nothing under way", 0, 0, 0, true},
		{"few shards, all workers busy", 2, 0, 5, true},
		{"few shards, one waits", 2, 1, 5, true},
		{"many shards, all workers busy", 3, 0, 4, false},
		{"many shards, a worker idle", 3, 0, 3, true},
		{"many shards, workers idle because commits are slow", 3, 1, 0, false},
		{"as many shards as workers", 4, 0, 3, false},
	} {
		w := newWindow(4, 3)
		w.change(c.shards, c.waiting, c.pending)
		if got := w.tryEnter(); got != c.open {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}
