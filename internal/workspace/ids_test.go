package workspace

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestNewIDOfLedger: an id keeps its letter whatever else is in the ledger, and a detection
// follows the ones that are there.
func TestNewIDOfLedger(t *testing.T) {
	dir := t.TempDir()
	w, err := Open(dir, Options{Clock: func() time.Time { return time.Date(2026, 11, 20, 1, 0, 0, 0, time.UTC) }, Rand: func() uint16 { return 1 }})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	for _, name := range []string{"run/r-20261120T010000Z-0001.parquet", "gc_detection/d-20261120T010000Z-0005/x"} {
		name = filepath.Join(w.LedgerDir(), name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for prefix, want := range map[string]string{"a": "a-20261120T010000Z-0001", "r": "r-20261120T010000Z-0003", "d": "d-20261120T010000Z-0007"} {
		if got := w.NewID(prefix); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}
