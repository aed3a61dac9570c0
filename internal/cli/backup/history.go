package backup

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"cooper"
	"cooper/internal/backup"
	"cooper/internal/cli/shell"
	"cooper/internal/term"
	"cooper/internal/tree"
	"cooper/internal/tree/catalog"
	"cooper/internal/words"
)

func (a family) historyCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "history DIR KEY",
		Short: "All versions of a key: when each was the latest, and where its bytes are",
		Long: `Tells of every version of a key that the tree knows, the newest first: what became
of it, from which snapshot on and until which one the bucket showed it as the latest,
where in the tree its bytes are, and how far they were verified. Delete markers are
versions too.

latest       the bucket shows it, as far as is known
replaced, deleted, vanished, rolled-back
             it was the latest, until another version, a delete marker or nothing was
older        it was not the latest when it was first seen
pending      its bytes have not arrived yet: archived, or failed
lost         gone from the bucket before its bytes could be fetched
pruned       its bytes were deleted by cooper backup prune`,
		Example: `  cooper backup history /data/backup images/cat.jpg
  cooper backup history /data/backup images/cat.jpg --json | jq -r '.path // empty'
  cooper backup restore /data/backup --key images/cat.jpg --version 3sL4kqtJlcpXroDTDmJ --to .`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.history(cmd.Context(), args[0], args[1])
		},
	}
}

// pastVersion is what --json says of one version.
type pastVersion struct {
	Key          string         `json:"key"`
	VersionID    string         `json:"version_id"`
	State        string         `json:"state"`
	DeleteMarker bool           `json:"delete_marker,omitempty"`
	Size         int64          `json:"size"`
	ETag         string         `json:"etag,omitempty"`
	LastModified cooper.Instant `json:"last_modified"`
	Shown        []backup.Span  `json:"shown"`
	FirstSeen    cooper.Instant `json:"first_seen,omitempty"`
	Superseded   cooper.Instant `json:"superseded,omitempty"`
	Place        string         `json:"place"`
	// Path is relative to the tree; Missing: no such file is there.
	Path    string       `json:"path,omitempty"`
	Missing bool         `json:"missing,omitempty"`
	Check   cooper.Check `json:"check,omitempty"`
	Method  string       `json:"method,omitempty"`
	SHA256  string       `json:"sha256,omitempty"`
}

func (a family) history(ctx context.Context, dir, key string) (err error) {
	t, err := a.openTree(dir)
	if err != nil {
		return err
	}
	defer shell.Finally(&err, t.Close)
	rows, err := t.Catalog().Lookup(ctx, key)
	if err != nil {
		return err
	}
	if len(rows) == 0 {
		return unknownKey(ctx, t.Catalog(), key)
	}
	var past []pastVersion
	for _, k := range backup.KnownVersions(rows) {
		p, err := pastOf(t, &k)
		if err != nil {
			return err
		}
		if a.JSON {
			if err := a.Emit(p); err != nil {
				return err
			}
		}
		past = append(past, p)
	}
	if a.JSON {
		return nil
	}
	if f := t.State().Forgotten; f != 0 {
		a.Note("versions superseded up to %s that were pruned, and are gone from the bucket, are not known any more", f)
	}
	return a.showHistory(key, past)
}

// pastOf looks where the bytes of a version are.
func pastOf(t *tree.Tree, k *backup.Known) (pastVersion, error) {
	r := k.Row
	p := pastVersion{
		Key: r.Key, VersionID: r.VersionID, State: k.State, DeleteMarker: r.DeleteMarker, Size: r.Size, ETag: r.ETag, LastModified: r.LastModified,
		Shown: k.Shown, FirstSeen: r.FirstSeen, Superseded: r.Superseded, Place: placeNames[r.Place],
		Check: r.Check, Method: r.Method, SHA256: hex.EncodeToString(r.Hash),
	}
	if p.Shown == nil {
		p.Shown = []backup.Span{}
	}
	if r.Place == catalog.Nowhere {
		return p, nil
	}
	var err error
	_, p.Path, err = t.StatRow(r)
	if cooper.KindOf(err) == cooper.KindMissing {
		p.Missing, err = true, nil
	}
	return p, err
}

func (a family) showHistory(key string, past []pastVersion) error {
	var markers int64
	for i := range past {
		if past[i].DeleteMarker {
			markers++
		}
	}
	line := words.Plural(int64(len(past))-markers, "version")
	if markers > 0 {
		line += ", " + words.Plural(markers, "delete marker")
	}
	a.Say("%s  %s", a.Stdout.Style(term.Bold, term.Clean(key)), line)
	a.Say("%s", a.Stdout.Style(term.Faint, fmt.Sprintf("%-11s  %9s  %-19s  %-16s  %s", "STATE", "SIZE", "MODIFIED", "LATEST FROM", "UNTIL")))
	for i := range past {
		if err := a.showPast(&past[i]); err != nil {
			return err
		}
	}
	return nil
}

func (a family) showPast(p *pastVersion) error {
	size := words.Bytes(p.Size)
	if p.DeleteMarker {
		size = "marker"
	}
	from, until := "never seen", ""
	if n := len(p.Shown); n > 0 {
		from, until = untilMinute(p.Shown[n-1].From), untilMinute(p.Shown[n-1].Until)
		if p.Shown[n-1].Until == 0 {
			until = "now"
		}
	}
	row := strings.TrimRight(fmt.Sprintf("%-11s  %9s  %-19s  %-16s  %s", p.State, size, shell.ShortTime(p.LastModified), from, until), " ")
	if _, err := fmt.Fprintln(a.Stdout, row); err != nil {
		return err
	}
	a.Say("  version   %s", term.Clean(p.VersionID))
	for i := len(p.Shown) - 2; i >= 0; i-- {
		a.Say("  also      latest from %s until %s", untilMinute(p.Shown[i].From), untilMinute(p.Shown[i].Until))
	}
	switch {
	case p.Path != "" && p.Missing:
		a.Say("  bytes     %s", a.Stdout.Style(term.Red, term.Clean(p.Path)+" is not there: cooper backup verify --repair"))
	case p.Path != "":
		a.Say("  bytes     %s", term.Clean(p.Path))
		check := string(p.Check)
		if p.Method != "" {
			check += " (" + p.Method + ")"
		}
		a.Say("  check     %s", term.Clean(check))
	case !p.DeleteMarker:
		a.Say("  bytes     %s", a.Stdout.Style(term.Yellow, noBytes(p)))
	}
	return nil
}

// noBytes says why a version has none.
func noBytes(p *pastVersion) string {
	switch p.State {
	case backup.StateLatest, backup.StatePending:
		return "none yet: archived, or failed; the next run tries again"
	case backup.StateLost:
		return "none: gone from the bucket before they could be fetched"
	case catalog.Pruned:
		return "none: " + term.Clean(p.Method)
	}
	return "none"
}

// untilMinute is the instant of a snapshot as tables show it, in UTC.
func untilMinute(i cooper.Instant) string {
	if i == 0 {
		return ""
	}
	return i.Time().Format("2006-01-02 15:04")
}

// unknownKey says that a tree knows neither a key nor anything below it, and
// what may have been meant.
func unknownKey(ctx context.Context, c *catalog.Catalog, key string) error {
	e := &cooper.Error{Kind: cooper.KindUsage, Message: "the tree knows no key " + cooper.Quote(key), Remedy: "`cooper backup ls DIR` shows what there is."}
	it := c.Rows(ctx, key)
	_, err := it.Next()
	if closed := it.Close(); closed != nil {
		return errors.Join(err, closed)
	}
	switch {
	case err == nil:
		e.Message = cooper.Quote(key) + " is no key, but others lie below it"
		e.Remedy = "List them: `cooper backup ls DIR " + cooper.Quote(backup.Base(key)) + "`."
		return e
	case !errors.Is(err, io.EOF):
		return err
	}
	near, err := backup.Near(ctx, c, key, 3)
	if err != nil {
		return err
	}
	if len(near) > 0 {
		for i := range near {
			near[i] = cooper.Quote(near[i])
		}
		e.Remedy = "Did you mean " + strings.Join(near, ", or ") + "?"
	}
	return e
}
