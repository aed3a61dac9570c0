package duckdb

import (
	"testing"

	"go.uber.org/goleak"

	"cooper"
	"cooper/internal/query"
	"cooper/internal/query/querytest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t *testing.T, opt Options) query.Engine {
	t.Helper()
	e, err := Open(opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}

func TestEngine(t *testing.T) {
	querytest.Run(t, func(t *testing.T) query.Engine {
		return open(t, Options{Memory: 256 << 20, Threads: 2, TempDir: t.TempDir()})
	})
}

func TestMemoryLimitHolds(t *testing.T) {
	dir := t.TempDir()
	e := open(t, Options{Memory: 64 << 20, Threads: 1, TempDir: dir})
	// An answer larger than the limit is spilled.
	got := querytest.All(t, e, "SELECT count(*) FROM (SELECT md5(x::VARCHAR) AS m FROM range(100) r(x))")
	if got[0][0] != int64(100) {
		t.Errorf("got %v", got)
	}
	// What cannot be spilled ends the query, not the process.
	_, err := e.Query(t.Context(), "SELECT list(repeat(x::VARCHAR, 100)) FROM range(5000000) r(x)")
	if cooper.KindOf(err) != cooper.KindFull {
		t.Errorf("too large: %s, %v", cooper.KindOf(err), err)
	}
	if got := querytest.All(t, e, "SELECT 1"); len(got) != 1 {
		t.Error("the engine does not go on")
	}
}
