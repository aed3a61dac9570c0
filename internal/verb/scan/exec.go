package scan

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"time"

	"cooper"
	"cooper/internal/unpack"
)

const (
	// execRows is how many rows' values a command is given at once.
	execRows = 1000
	// execTime is how long it may take for them.
	execTime = 5 * time.Minute
	// execFailures is how many runs of a command in a range may come to nothing: it is the
	// command then, and not the values.
	execFailures = 100
	// saidBytes is how much of what a command complains of is kept.
	saidBytes = 2048
)

// run gives what was found in values to a command, a line for each, and takes what it makes
// of them, as many lines: for each value a list of texts. A value of which it makes nothing
// is malformed.
//
// Texts of columns are lines as they are. Columns of bytes, and what was unpacked before, are
// in base64.
func (f *forms) run(ctx context.Context, s *stage, from []any, results []unpack.Result) ([]any, error) {
	var lines []string
	var of []int // the value of each
	for i := range results {
		encoded := s.binary || ofBytes(from[i])
		for _, v := range results[i].Values {
			line := v.Text
			switch {
			case encoded:
				line = base64.StdEncoding.EncodeToString([]byte(line))
			case strings.ContainsAny(line, "\r\n\x00"):
				results[i].Malformed = "a line break in what is given to a command"
				continue
			}
			lines, of = append(lines, line), append(of, i)
		}
	}
	lists := make([][]any, len(results))
	err := f.some(ctx, s, lines, func(n int, out []byte, why string) {
		if r := &results[of[n]]; why != "" && r.Malformed == "" {
			r.Malformed = why
		} else if why == "" {
			lists[of[n]] = append(lists[of[n]], string(out))
		}
	})
	values := make([]any, len(results))
	for i := range values {
		if lists[i] != nil {
			values[i] = lists[i]
		}
	}
	return values, err
}

// some runs the command on lines. Where it does not give as many, each half is tried by
// itself, to find which it is.
func (f *forms) some(ctx context.Context, s *stage, lines []string, yield func(n int, out []byte, why string)) error {
	if len(lines) == 0 {
		return nil
	}
	out, why, err := f.command(ctx, s.command, lines)
	switch {
	case err != nil:
		return err
	case why == "":
		for i, line := range out {
			if int64(len(line)) > f.limit() {
				yield(i, nil, unpack.TooMuch)
				continue
			}
			yield(i, line, "")
		}
		return nil
	}
	if f.failed++; f.failed > execFailures {
		return &cooper.Error{Kind: cooper.KindInvalid, Where: f.a.Name, Message: fmt.Sprintf("the command %s came to nothing %d times, the last time: %s", cooper.Quote(s.command[0]), f.failed, why),
			Remedy: "Try it by hand: it is given lines, and has to answer with as many."}
	}
	if len(lines) == 1 {
		yield(0, nil, "command: "+why)
		return nil
	}
	half := len(lines) / 2
	if err := f.some(ctx, s, lines[:half], yield); err != nil {
		return err
	}
	return f.some(ctx, s, lines[half:], func(n int, out []byte, why string) { yield(half+n, out, why) })
}

func (f *forms) limit() int64 {
	if n := f.s.opt.Config.Limits.Unpacked; n > 0 {
		return n
	}
	return 16 << 20
}

// command runs it once; why says why what it gave is not believed.
func (f *forms) command(ctx context.Context, command, lines []string) (out [][]byte, why string, err error) {
	limited, cancel := context.WithTimeout(ctx, execTime)
	defer cancel()
	cmd := exec.CommandContext(limited, command[0], command[1:]...) //nolint:gosec // of a file that nobody else can have written
	cmd.Dir, cmd.WaitDelay = f.s.opt.Config.Dir, 5*time.Second
	cmd.Stdin = strings.NewReader(strings.Join(lines, "\n") + "\n")
	said := &most{left: saidBytes}
	// As much as all lines may have, and no value of a range is larger: it does not grow for ever.
	got := &most{left: 4 * f.limit(), strict: true}
	cmd.Stdout, cmd.Stderr = got, said
	err = cmd.Run()
	switch {
	case ctx.Err() != nil:
		return nil, "", context.Cause(ctx)
	case cmd.Process == nil:
		return nil, "", &cooper.Error{Kind: cooper.KindUsage, Where: f.a.PlaceOf("as"), Message: "the command cannot be run", Err: err}
	case limited.Err() != nil:
		return nil, "it takes too long", nil
	case got.over:
		return nil, unpack.TooMuch, nil
	case err != nil:
		if first, _, _ := strings.Cut(strings.TrimSpace(said.String()), "\n"); first != "" {
			return nil, err.Error() + ": " + first, nil
		}
		return nil, err.Error(), nil
	}
	data := bytes.TrimSuffix(got.Bytes(), []byte("\n"))
	if got.Len() > 0 {
		out = bytes.Split(data, []byte("\n"))
	}
	if len(out) != len(lines) {
		return nil, fmt.Sprintf("it gave %d lines for %d", len(out), len(lines)), nil
	}
	return out, "", nil
}

// most keeps so many bytes; strict ends what writes more.
type most struct {
	bytes.Buffer
	left         int64
	strict, over bool
}

func (m *most) Write(p []byte) (int, error) {
	if int64(len(p)) > m.left {
		m.over = true
		if m.strict {
			return 0, io.ErrShortWrite
		}
	}
	n := int(min(int64(len(p)), m.left))
	m.left -= int64(n)
	m.Buffer.Write(p[:n])
	return len(p), nil
}
