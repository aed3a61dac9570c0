package backup

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"cooper"
	"cooper/internal/backup"
	"cooper/internal/cli/shell"
	"cooper/internal/job"
	"cooper/internal/term"
	"cooper/internal/tree/catalog"
	"cooper/internal/words"
)

// lsFlags say what of a tree to list.
type lsFlags struct {
	at, match string
	recursive bool
}

func (a family) lsCmd() *cobra.Command {
	var f lsFlags
	cmd := &cobra.Command{
		Use:   "ls DIR [PREFIX]",
		Short: "List what the bucket showed, now or at any time",
		Long: `Lists what the bucket showed, as the tree's catalog knows it: as of the last
complete snapshot, or --at a time. Objects come with size, time, version id and
name; what lies deeper is counted under its directory.

A time between two snapshots is answered as well as one can tell, and so is it
said. Objects without bytes are those that the tree has not fetched (archived, or
failed), or that were pruned. Counting reads the catalog of everything below PREFIX.`,
		Example: `  cooper backup ls /data/backup
  cooper backup ls /data/backup images/ --at 2026-03-01
  cooper backup ls /data/backup --recursive --match '\.nii$' --json | jq -r '.key // empty'`,
		Args: cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			prefix := ""
			if len(args) == 2 {
				prefix = args[1]
			}
			return a.ls(cmd.Context(), args[0], prefix, &f)
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&f.at, "at", "", "a time: 2026-03-01T12:00:00Z, or 2026-03-01 for the beginning of that day (UTC); or a snapshot's id, for which the answer is exact")
	fl.StringVar(&f.match, "match", "", "only keys that match this regular expression (RE2)")
	fl.BoolVarP(&f.recursive, "recursive", "r", false, "list every object below PREFIX")
	return cmd
}

func (a family) ls(ctx context.Context, dir, prefix string, f *lsFlags) (err error) {
	in := backup.Browse{Prefix: prefix, Match: f.match, Recursive: f.recursive}
	if f.at != "" && !isSnapshotID(f.at) {
		if in.At, err = shell.ParseTime(f.at); err != nil {
			return err
		}
	}
	t, err := a.openTree(dir)
	if err != nil {
		return err
	}
	defer shell.Finally(&err, t.Close)
	if isSnapshotID(f.at) {
		if in.At, err = job.MomentOf(t.State(), f.at); err != nil {
			return err
		}
	}
	in.Catalog = t.Catalog()
	l, err := backup.NewListing(in)
	if err != nil {
		return err
	}
	defer shell.Finally(&err, a.Buffer())
	w := &lister{family: a, base: backup.Base(prefix)}
	if err := w.begin(l.Moment(), t.State(), f.at != ""); err != nil {
		return err
	}
	all, known, err := l.Each(ctx, w.entry)
	if err != nil {
		return err
	}
	if !known && prefix != "" {
		return unknownKey(ctx, t.Catalog(), prefix)
	}
	if all.Objects == 0 && prefix != "" && f.match == "" {
		a.Note("nothing is shown there, but the tree knows of keys: deleted, or not there yet at that time; `cooper backup history DIR KEY` tells of one")
	}
	return w.end(all)
}

// lister writes a listing line by line: a directory can have a million entries.
type lister struct {
	family
	base string
	head bool // the headings are written
}

// What the lines of --json hold: first one of type "listing", which says what the
// others rest on, then one for each entry.
type (
	listingLine struct {
		Type string `json:"type"` // listing
		backup.Moment
	}
	objectLine struct {
		Type         string         `json:"type"` // object
		Key          string         `json:"key"`
		Size         int64          `json:"size"`
		LastModified cooper.Instant `json:"last_modified"`
		VersionID    string         `json:"version_id"`
		ETag         string         `json:"etag"`
		Place        string         `json:"place"`
		Exact        bool           `json:"exact"`
	}
	directoryLine struct {
		Type string `json:"type"` // directory
		Key  string `json:"key"`
		backup.Count
	}
)

// placeNames are what the catalog's files call the places.
var placeNames = map[catalog.Place]string{catalog.Nowhere: "nowhere", catalog.Mirror: "mirror", catalog.History: "history"}

func (w *lister) begin(m backup.Moment, state catalog.State, asked bool) error {
	if w.JSON {
		return w.Emit(listingLine{"listing", m})
	}
	w.Say("%s", w.Stdout.Style(term.Bold, w.Stdout.Wrap(restsOn(m, state), 0)))
	for _, warning := range m.Warnings {
		w.Note("warning: %s", warning)
	}
	if p := state.Pinned; p != nil && !asked {
		w.Note("a rollback took the mirror back to %s of %s; give --at for that", p.Snapshot, p.TakenAt)
	}
	return nil
}

// restsOn says in a sentence which snapshots a listing belongs to.
func restsOn(m backup.Moment, state catalog.State) string {
	bucket := ""
	for _, o := range []*catalog.Observed{m.Before, m.After} {
		if bucket == "" && o != nil {
			bucket = "s3://" + term.Clean(o.Bucket) + " "
		}
	}
	const guess = "as well as one can tell"
	switch {
	case m.Exact:
		return fmt.Sprintf("%sas of %s (%s)", bucket, m.Before.TakenAt, m.Before.ID)
	case m.Before != nil && m.After != nil:
		return fmt.Sprintf("%sat %s, %s: between snapshots %s of %s and %s of %s", bucket, m.At, guess,
			m.Before.ID, m.Before.TakenAt, m.After.ID, m.After.TakenAt)
	case m.Before != nil:
		return fmt.Sprintf("%sat %s: as of the last snapshot, %s of %s", bucket, m.At, m.Before.ID, m.Before.TakenAt)
	case m.At == 0 && state.Run != nil:
		return "no snapshot was followed to its end yet: so far as the unfinished run has come"
	case m.At == 0:
		return "no complete snapshot was followed yet: what was seen so far"
	case m.After != nil:
		return fmt.Sprintf("%sat %s, %s: before the first snapshot, %s of %s, by the times versions were written", bucket, m.At, guess,
			m.After.ID, m.After.TakenAt)
	}
	return fmt.Sprintf("at %s, %s: no complete snapshot was followed yet", m.At, guess)
}

func (w *lister) entry(e *backup.Entry) error {
	if w.JSON {
		return w.Emit(jsonEntry(e))
	}
	if !w.head {
		w.head = true
		w.Say("%s", w.Stdout.Style(term.Faint, fmt.Sprintf("%9s  %-19s  %-12s  %s", "SIZE", "MODIFIED", "VERSION", "NAME")))
	}
	name := strings.TrimPrefix(e.Key, w.base)
	if name == "" || len(e.Key) < len(w.base) {
		name = e.Key // the key that is named as the prefix is
	}
	name = term.Clean(name)
	when, version := words.Plural(e.Below.Objects, "object"), ""
	if !e.Directory {
		when, version = shell.ShortTime(e.Row.LastModified), term.Shorten(term.Clean(e.Row.VersionID), 12)
	}
	mark := ""
	switch {
	case e.Below.Missing > 0 && e.Directory:
		mark = fmt.Sprintf("  (%s without bytes)", words.Count(e.Below.Missing))
	case e.Below.Missing > 0:
		mark = "  (no bytes)"
	}
	_, err := fmt.Fprintf(w.Stdout, "%9s  %-19s  %-12s  %s%s\n", words.Bytes(e.Below.Bytes), when, version, name, w.Stdout.Style(term.Yellow, mark))
	return err
}

func jsonEntry(e *backup.Entry) any {
	if e.Directory {
		return directoryLine{"directory", e.Key, e.Below}
	}
	r := e.Row
	return objectLine{
		Type: "object", Key: e.Key, Size: r.Size, LastModified: r.LastModified, VersionID: r.VersionID, ETag: r.ETag,
		Place: placeNames[r.Place], Exact: e.Exact,
	}
}

func (w *lister) end(all backup.Count) error {
	if w.JSON {
		return nil
	}
	w.Say("%s", w.Stdout.Style(term.Faint, fmt.Sprintf("%9s  %s", words.Bytes(all.Bytes), words.Plural(all.Objects, "object"))))
	if all.Missing > 0 {
		w.Note("%s without bytes in the tree: archived, not fetched yet, or pruned", words.Plural(all.Missing, "object"))
	}
	return nil
}
