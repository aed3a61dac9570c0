package shell

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"cooper"
	"cooper/internal/job"
	"cooper/internal/term"
)

// TestReportBesideFailures: that objects failed has been told; what else went wrong has not.
func TestReportBesideFailures(t *testing.T) {
	list := &cooper.Error{Kind: cooper.KindInternal, Where: "--deleted x", Err: os.ErrNotExist, Remedy: "The ledger has it."}
	for name, c := range map[string]struct {
		err  error
		code int
		want string
	}{
		"objects alone":        {job.ErrSomeFailed, ExitSomeFailed, ""},
		"objects, wrapped":     {fmt.Errorf("report 1: %w", job.ErrSomeFailed), ExitSomeFailed, ""},
		"the list alone":       {list, ExitFailed, "error: " + list.Error() + "\n next: The ledger has it.\n"},
		"objects and the list": {errors.Join(errors.Join(job.ErrSomeFailed, nil), list), ExitSomeFailed, "error: " + list.Error() + "\n next: The ledger has it.\n"},
	} {
		var said strings.Builder
		s := &Shell{Stderr: term.Plain(&said)}
		s.Report(c.err)
		if code := ExitCode(c.err); said.String() != c.want || code != c.code {
			t.Errorf("%s: exit code %d, %q", name, code, said.String())
		}
	}
}
