package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/spf13/cobra"

	"cooper"
	"cooper/internal/apply"
	"cooper/internal/backup"
	"cooper/internal/plan"
	"cooper/internal/term"
	"cooper/internal/tree"
	"cooper/internal/tree/audit"
	"cooper/internal/tree/catalog"
	"cooper/internal/words"
)

type verifyFlags struct {
	content bool
	repair  bool
	prefix  string
	apply   applyFlags
}

func (a *app) backupVerifyCmd() *cobra.Command {
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
			return a.backupVerify(cmd.Context(), args[0], &f)
		},
	}
	fl := cmd.Flags()
	fl.BoolVar(&f.content, "content", false, "read and hash every byte")
	fl.BoolVar(&f.repair, "repair", false, "fetch again what is missing or damaged, move foreign files aside")
	fl.StringVar(&f.prefix, "prefix", "", "only keys below this prefix")
	f.apply.register(cmd)
	a.runFlags(cmd)
	return cmd
}

// verified is what verify prints as JSON, after a line for each finding.
type verified struct {
	audit.Result
	Applied *apply.Summary `json:"repair,omitempty"`
	// Refused are files that could not be moved aside, or given their time back: the
	// file system did not let them.
	Refused int64 `json:"refused,omitempty"`
}

func (a *app) backupVerify(ctx context.Context, dir string, f *verifyFlags) error {
	// The lock keeps a run from moving files while they are looked at.
	use := readTree
	if f.repair {
		use = changeTree
	}
	return a.withTree(ctx, dir, "backup verify", use, &f.apply, func(ctx context.Context, d *drive) error {
		var read *justRead
		if f.content {
			var err error
			if read, err = d.readFirst(ctx, f.prefix); err != nil {
				return err
			}
		}
		mend, err := a.newMending(d, f.repair)
		if err != nil {
			return err
		}
		defer mend.w.Abort()
		res, err := a.audit(ctx, d.tree, f, read, mend.found)
		if err = errors.Join(err, read.close()); err != nil {
			return err
		}
		v := verified{Result: res}
		if f.repair && len(res.Problems) > 0 {
			sum, err := mend.repair(ctx, d)
			if err != nil {
				return err
			}
			v.Applied, v.Refused = &sum, mend.refused
		}
		if err := a.showVerified(v, dir, f.content); err != nil {
			return err
		}
		if v.broken() {
			return errSomeFailed
		}
		return nil
	})
}

// broken tells whether something is wrong still.
func (v *verified) broken() bool {
	if v.Applied == nil {
		return len(v.Problems) > 0
	}
	return v.Applied.Count(cooper.Failed)+v.Applied.Count(cooper.Deferred)+v.Problems[audit.Unreadable]+v.Problems[audit.Shared]+v.Refused > 0
}

func (a *app) audit(ctx context.Context, t *tree.Tree, f *verifyFlags, read *justRead, found func(audit.Finding) error) (audit.Result, error) {
	count := a.countersFor(nil)
	count.Phase("verify")
	state := t.State()
	if len(state.Runs) > 0 && f.prefix == "" {
		var rows int64
		for i := range state.Runs {
			rows = max(rows, state.Runs[i].Rows())
		}
		count.Expect(rows, 0)
	}
	stop := a.follow(count)
	defer stop()
	opt := audit.Options{Content: f.content, Doubtful: f.repair, Prefix: f.prefix, Workers: f.apply.jobs, Progress: count}
	if read != nil {
		opt.Judged = read.has
	}
	return audit.Run(ctx, t, opt, func(x audit.Finding) error {
		stop()
		if err := a.showFinding(x); err != nil {
			return err
		}
		return found(x)
	})
}

func (a *app) showFinding(x audit.Finding) error {
	key := ""
	version := ""
	if x.Row != nil {
		key, version = x.Row.Key, x.Row.VersionID
	}
	if a.json {
		return a.emit(map[string]string{"problem": string(x.Problem), "path": x.Path, "key": key, "version_id": version, "detail": x.Detail})
	}
	name := x.Path
	if name == "" {
		name = key + " (" + version + ")"
	}
	a.say("%s  %s  %s", a.stdout.Style(term.Red, fmt.Sprintf("%-8s", x.Problem)), term.Clean(name), a.stdout.Style(term.Faint, term.Clean(x.Detail)))
	return nil
}

// showVerified sums up. What only --content finds, only --content repairs.
func (a *app) showVerified(v verified, dir string, content bool) error {
	if a.json {
		return a.emit(v)
	}
	if len(v.Problems) == 0 {
		how := "all there with the right size and time"
		if v.Verified+v.Unverifiable > 0 {
			how = fmt.Sprintf("%s verified, %s unverifiable", words.Count(v.Verified), words.Count(v.Unverifiable))
		}
		a.say("%s %s, %s, %s; none foreign", a.stdout.Style(term.Green, "sound:"), words.Plural(v.Files, "file"), words.Bytes(v.Bytes), how)
		return nil
	}
	for _, p := range slices.Sorted(maps.Keys(v.Problems)) {
		a.say("%s %s", words.Count(v.Problems[p]), p)
	}
	if v.Applied == nil {
		flags := "--repair"
		if content {
			flags = "--content --repair"
		}
		a.say("Mend it with: cooper backup verify %s %s", term.Clean(dir), flags)
		return nil
	}
	a.say("repaired: %s fetched again; what was damaged there, and what is foreign, is in .cooper/aside", words.Count(v.Applied.Count(cooper.Done)))
	for _, f := range v.Applied.Failures {
		a.say("%s %s (%s): %s; what is there stays as it is", a.stdout.Style(term.Red, string(f.Kind)), term.Clean(f.Key), term.Clean(f.VersionID), term.Clean(f.Message))
	}
	if more := v.Applied.Count(cooper.Failed) - int64(len(v.Applied.Failures)); more > 0 {
		a.say("and %s more: cooper ledger sql \"SELECT key, kind, message FROM outcome WHERE run = '%s' AND status = 'failed'\"", words.Count(more), v.Applied.Run)
	}
	return nil
}

// mending turns findings into a repair: foreign files are moved aside, and a
// plan fetches what is missing or damaged.
type mending struct {
	on    bool
	w     *plan.Writer
	plan  *backup.Mender
	aside []string // paths of foreign files; kept in memory, as so many are no repair
	fetch bool
	// refused counts files that could not be touched.
	refused int64
	note    func(format string, args ...any)
	tree    *tree.Tree
	// time gives a version's file its time back.
	time func(row *catalog.Row) error
}

func (a *app) newMending(d *drive, on bool) (*mending, error) {
	id := d.ws.NewID("p")
	w, err := plan.Create(d.ws.PlanDir(id), id, plan.Limits{})
	if err != nil {
		return nil, err
	}
	m, err := backup.NewMender(backup.Repair{Catalog: d.tree.Catalog(), Dir: d.tree.Dir(), Policy: backup.Careful(), ID: id, Now: cooper.InstantOf(a.clock())}, w)
	return &mending{on: on, w: w, plan: m, time: d.mendTime, note: a.note, tree: d.tree}, err
}

func (m *mending) found(x audit.Finding) error {
	if !m.on {
		return nil
	}
	if x.Problem == audit.Unreadable || x.Problem == audit.Shared {
		return nil // it may be sound; nobody can tell
	}
	if x.Sound {
		// Perhaps the only copy there is: nothing but its time is touched.
		return m.pass(m.time(x.Row))
	}
	if x.Row == nil {
		m.aside = append(m.aside, x.Path)
		return nil
	}
	m.fetch = true
	return m.plan.Fetch(x.Row)
}

// pass notes a file that the file system does not let be touched, and goes on.
func (m *mending) pass(err error) error {
	if cooper.KindOf(err) != cooper.KindDenied {
		return err
	}
	m.refused++
	m.note("left as it is: %s", term.Clean(err.Error()))
	return nil
}

// repair moves aside and fetches. A damaged file stays where it is until what
// replaces it was fetched and checked: the commit exchanges them.
func (m *mending) repair(ctx context.Context, d *drive) (apply.Summary, error) {
	// Foreign is what the whole catalog does not know, not a part of it.
	if err := audit.Confirm(ctx, m.tree, m.aside); err != nil {
		return apply.Summary{}, err
	}
	for _, path := range m.aside {
		if err := m.pass(d.moveAside(path)); err != nil {
			return apply.Summary{}, err
		}
	}
	if !m.fetch {
		return apply.Summary{}, nil
	}
	h, err := m.plan.Finish()
	if err != nil {
		return apply.Summary{}, err
	}
	return d.apply(ctx, h.ID)
}
