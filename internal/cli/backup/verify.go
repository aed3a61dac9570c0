package backup

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/spf13/cobra"

	"cooper"
	"cooper/internal/cli/shell"
	"cooper/internal/job"
	"cooper/internal/term"
	"cooper/internal/tree/audit"
	"cooper/internal/words"
)

type verifyFlags struct {
	what  job.Verify
	apply shell.Apply
}

func (a family) verifyCmd() *cobra.Command {
	var f verifyFlags
	cmd := &cobra.Command{
		Use:   "verify DIR",
		Short: "Compare a tree with its catalog: missing, changed, corrupt and foreign files",
		Long: `Looks at every file of mirror and history: is it there, has it the size and time
of its version, does the catalog know it? With --content every byte is read and
hashed; of versions that nobody has looked at, as after an adoption, the catalog
learns how they are. With --repair what is missing or damaged is fetched again, and files whose
time alone is wrong get their time back. A damaged file is set aside, to
DIR/.cooper/aside, when another one is there to take its place; one that the bucket
does not have any more stays where it is, and is listed. Foreign files are set aside.

Exit code 3 tells that something was found and not repaired.`,
		Example: `  cooper backup verify /data/backup
  cooper backup verify /data/backup --content --prefix images/
  cooper backup verify /data/backup --repair`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			f.what.Dir = args[0]
			return a.verify(cmd.Context(), &f)
		},
	}
	fl := cmd.Flags()
	fl.BoolVar(&f.what.Content, "content", false, "read and hash every byte")
	fl.BoolVar(&f.what.Repair, "repair", false, "fetch again what is missing or damaged, move foreign files aside")
	fl.StringVar(&f.what.Prefix, "prefix", "", "only keys below this prefix")
	f.apply.Register(cmd)
	a.RunFlags(cmd)
	return cmd
}

func (a family) verify(ctx context.Context, f *verifyFlags) error {
	if err := f.apply.Check(); err != nil {
		return err
	}
	f.what.Options, f.what.Found = f.apply.Options, a.showFinding
	e, err := a.Env()
	if err != nil {
		return err
	}
	v, err := f.what.Run(ctx, e)
	if err != nil && !errors.Is(err, job.ErrSomeFailed) {
		return err
	}
	if shown := a.showVerified(&v, f.what.Dir, f.what.Content); shown != nil {
		return shown
	}
	return err
}

func (a family) showFinding(x audit.Finding) error {
	key := ""
	version := ""
	if x.Row != nil {
		key, version = x.Row.Key, x.Row.VersionID
	}
	if a.JSON {
		return a.Emit(map[string]string{"problem": string(x.Problem), "path": x.Path, "key": key, "version_id": version, "detail": x.Detail})
	}
	name := x.Path
	if name == "" {
		name = key + " (" + version + ")"
	}
	a.Say("%s  %s  %s", a.Stdout.Style(term.Red, fmt.Sprintf("%-8s", x.Problem)), term.Clean(name), a.Stdout.Style(term.Faint, term.Clean(x.Detail)))
	return nil
}

// showVerified sums up. What only --content finds, only --content repairs.
func (a family) showVerified(v *job.Verified, dir string, content bool) error {
	if a.JSON {
		return a.Emit(v)
	}
	if len(v.Problems) == 0 {
		how := "all there with the right size and time"
		if v.Verified+v.Unverifiable > 0 {
			how = fmt.Sprintf("%s verified, %s unverifiable", words.Count(v.Verified), words.Count(v.Unverifiable))
		}
		a.Say("%s %s, %s, %s; none foreign", a.Stdout.Style(term.Green, "sound:"), words.Plural(v.Files, "file"), words.Bytes(v.Bytes), how)
		return nil
	}
	for _, p := range slices.Sorted(maps.Keys(v.Problems)) {
		a.Say("%s %s", words.Count(v.Problems[p]), p)
	}
	if v.Applied == nil {
		flags := "--repair"
		if content {
			flags = "--content --repair"
		}
		a.Say("Mend it with: cooper backup verify %s %s", term.Clean(dir), flags)
		return nil
	}
	a.Say("repaired: %s fetched again; what was damaged there, and what is foreign, is in .cooper/aside", words.Count(v.Applied.Count(cooper.Done)))
	for _, f := range v.Applied.Failures {
		a.Say("%s %s (%s): %s; what is there stays as it is", a.Stdout.Style(term.Red, string(f.Kind)), term.Clean(f.Key), term.Clean(f.VersionID), term.Clean(f.Message))
	}
	if more := v.Applied.Count(cooper.Failed) - int64(len(v.Applied.Failures)); more > 0 {
		a.Say("and %s more: cooper ledger sql \"SELECT key, kind, message FROM outcome WHERE run = '%s' AND status = 'failed'\"", words.Count(more), v.Applied.Run)
	}
	return nil
}
