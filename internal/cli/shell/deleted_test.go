package shell

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"cooper"
)

// TestWriteTo: a file is there as a whole or as it was before, and nothing is left beside
// it; stdout has what came before an error.
func TestWriteTo(t *testing.T) {
	name := filepath.Join(t.TempDir(), "deleted.jsonl")
	broken := errors.New("broken")
	for _, c := range []struct {
		text string
		err  error
		want string
	}{{"one\n", nil, "one\n"}, {"two\n", broken, "one\n"}, {"three\n", nil, "three\n"}} {
		write := func(w io.Writer) error {
			_, err := io.WriteString(w, c.text)
			return errors.Join(err, c.err)
		}
		if err := writeTo(name, nil, write); !errors.Is(err, c.err) {
			t.Errorf("%q: %v", c.text, err)
		}
		if got, err := os.ReadFile(name); err != nil || string(got) != c.want {
			t.Errorf("%q: %q, %v", c.text, got, err)
		}
		if all, err := os.ReadDir(filepath.Dir(name)); err != nil || len(all) != 1 {
			t.Errorf("%q: %v, %v", c.text, all, err)
		}
		var out bytes.Buffer
		if err := writeTo(StdoutName, &out, write); !errors.Is(err, c.err) || out.String() != c.text {
			t.Errorf("%q to stdout: %q, %v", c.text, out.String(), err)
		}
	}
}

// TestDeletedFailed: a damaged ledger is not where the list is all the same.
func TestDeletedFailed(t *testing.T) {
	damaged := &cooper.Error{Kind: cooper.KindCorrupt, Message: "damaged"}
	if err := deletedFailed("x", damaged); !errors.Is(err, damaged) || ExitCode(err) != ExitFailed {
		t.Error(err)
	}
	err := deletedFailed("x", os.ErrPermission)
	if e := (*cooper.Error)(nil); !errors.As(err, &e) || e.Kind != cooper.KindInternal || e.Where != "--deleted x" || !errors.Is(err, os.ErrPermission) {
		t.Errorf("%#v", err)
	}
}
