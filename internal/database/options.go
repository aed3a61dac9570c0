package database

import (
	"context"
	"time"
)

// Options are how a database is opened.
type Options struct {
	// Application is what sessions are called on the server; "cooper" if empty.
	Application string
	// SearchPath are the schemas in which names without one are looked for; as the
	// server has it if empty. MySQL knows one, the DSN's database.
	SearchPath []string
	// Timeout is the most that one statement may take, those of reading a range
	// aside that has no key to page by; ten minutes if zero.
	Timeout time.Duration
	Limits  Limits

	// Now is our clock, and Wait waits: for tests. Those of the system if nil.
	Now  func() time.Time
	Wait func(ctx context.Context, d time.Duration) error
}

// Limits are what a server is asked to bear. What is zero is as Careful has it.
type Limits struct {
	Connections   int
	RowsPerSecond int
	// Busy is how many threads (or backends) may run, BusyLag how far a replica may
	// be behind, before reading pauses; it goes on when both are below half.
	Busy    int
	BusyLag time.Duration
	// MaxLag is how far a replica may be behind at the end of a range at all.
	MaxLag time.Duration
	// Page is how long reading a page should take, PageRows and PageBytes the most
	// that it should hold.
	Page      time.Duration
	PageRows  int
	PageBytes int
	// Attempts is how often a range is begun, should errors that pass end it.
	Attempts int
}

// Careful are the limits that are meant unless others are set.
func Careful() Limits {
	return Limits{
		Connections: 2, RowsPerSecond: 50_000, Busy: 20, BusyLag: 30 * time.Second, MaxLag: 5 * time.Minute,
		Page: 2 * time.Second, PageRows: 100_000, PageBytes: 64 << 20, Attempts: 6,
	}
}

// WithDefaults sets what is zero.
func (o Options) WithDefaults() Options {
	c := Careful()
	set(&o.Limits.Connections, c.Connections)
	set(&o.Limits.RowsPerSecond, c.RowsPerSecond)
	set(&o.Limits.Busy, c.Busy)
	set(&o.Limits.BusyLag, c.BusyLag)
	set(&o.Limits.MaxLag, c.MaxLag)
	set(&o.Limits.Page, c.Page)
	set(&o.Limits.PageRows, c.PageRows)
	set(&o.Limits.PageBytes, c.PageBytes)
	set(&o.Limits.Attempts, c.Attempts)
	set(&o.Application, "cooper")
	set(&o.Timeout, 10*time.Minute)
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Wait == nil {
		o.Wait = wait
	}
	return o
}

func set[T comparable](v *T, to T) {
	var zero T
	if *v == zero {
		*v = to
	}
}

func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
