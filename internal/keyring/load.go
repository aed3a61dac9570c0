package keyring

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"os/exec"
	"strings"
	"time"

	"cooper"
)

// Command is what From begins with if the rest of it is a command.
const Command = "exec:"

// Options say where keys come from.
type Options struct {
	// From is a file, or Command and a shell command that writes what such a file
	// holds. It is run once.
	From string
	// Rows are keys from elsewhere, in place of From.
	Rows iter.Seq2[Row, error]
	// Expect are declarations PATTERN=CONTENT, such as "*/gps/=json". Several for
	// one pattern mean one of several.
	Expect []string
}

// Load reads all keys. The warnings are for a person, once.
func Load(ctx context.Context, opt Options) (r *Ring, warnings []string, err error) {
	b := newBuilder()
	for _, e := range opt.Expect {
		pat, declaration, err := splitExpect(e)
		if err != nil {
			return nil, nil, err
		}
		if err := b.declare(pat, []string{declaration}, "--expect "+cooper.Quote(e)); err != nil {
			return nil, nil, err
		}
	}
	switch command, isCommand := strings.CutPrefix(opt.From, Command); {
	case opt.Rows != nil:
		err = b.rows(opt.Rows)
	case isCommand:
		err = b.command(ctx, command)
	default:
		warnings, err = b.file(opt.From)
	}
	if err != nil {
		return nil, nil, err
	}
	if len(b.ring.locks) == 0 {
		return nil, nil, invalid(sourceName(opt), "there is not one key in it", "")
	}
	if r, err = b.finish(); err != nil {
		return nil, nil, err
	}
	return r, warnings, nil
}

// sourceName is how errors call a source; a command line might hold secrets.
func sourceName(opt Options) string {
	switch {
	case opt.Rows != nil:
		return "the rows of --keys-query"
	case strings.HasPrefix(opt.From, Command):
		return "the output of the command of --keys"
	}
	return opt.From
}

func (b *builder) rows(rows iter.Seq2[Row, error]) error {
	n := 0
	for row, err := range rows {
		if err != nil {
			return err
		}
		n++
		if err := b.add(row, fmt.Sprintf("row %d of --keys-query", n)); err != nil {
			return err
		}
	}
	return nil
}

func (b *builder) file(name string) (warnings []string, err error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, fileError(name, err)
	}
	defer func() {
		if cerr := f.Close(); err == nil && cerr != nil {
			err = fileError(name, cerr)
		}
	}()
	info, err := f.Stat()
	if err != nil {
		return nil, fileError(name, err)
	}
	if mode := info.Mode(); mode.IsRegular() && mode.Perm()&0o077 != 0 {
		warnings = append(warnings, fmt.Sprintf("%s may be read or written by others (mode %04o): it holds keys, so chmod 600 it", cooper.Quote(name), mode.Perm()))
	}
	return warnings, b.parse(f, name)
}

func fileError(name string, err error) error {
	e := &cooper.Error{Kind: cooper.KindInternal, Where: name, Message: "the keys cannot be read", Err: err}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		e.Kind, e.Err, e.Message, e.Remedy = cooper.KindUsage, nil, "there is no such file of keys", "Give --keys a file, exec:COMMAND or postgres://…"
	case errors.Is(err, fs.ErrPermission):
		e.Kind, e.Remedy = cooper.KindDenied, "Run cooper as the user who may read it."
	}
	return e
}

// killed is how long a command that was told to stop may hold its output open.
const killed = 5 * time.Second

// command parses what a command writes. What it says on its standard error is
// shown to nobody: it might tell keys, and logs are kept.
func (b *builder) command(ctx context.Context, command string) error {
	name := sourceName(Options{From: Command})
	cmd := exec.CommandContext(ctx, "sh", "-c", command)
	cmd.WaitDelay = killed
	out, err := cmd.StdoutPipe()
	if err != nil {
		return fileError(name, err)
	}
	if err := cmd.Start(); err != nil {
		return fileError(name, err)
	}
	perr := b.parse(out, name)
	if perr != nil {
		// It need not write on to somebody who reads no more.
		perr = errors.Join(perr, out.Close())
	}
	werr := cmd.Wait()
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case perr != nil:
		return perr
	case errors.As(werr, &exit):
		return &cooper.Error{Kind: cooper.KindUsage, Where: name, Message: "the command that gives the keys failed: " + exit.ProcessState.String(),
			Remedy: "Run it by hand to see what it says: that is not shown here, for it might tell keys."}
	case werr != nil:
		return fileError(name, werr)
	}
	return nil
}
