package facts

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"cooper"
	"cooper/internal/cli/shell"
	"cooper/internal/job"
	"cooper/internal/query"
	"cooper/internal/stats"
	"cooper/internal/term"
	"cooper/internal/words"
)

// statsFlags say what to count.
type statsFlags struct {
	by, prefix string
	depth      int
	duplicates bool
}

func (a family) statsCmd() *cobra.Command {
	var f statsFlags
	cmd := &cobra.Command{
		Use:   "stats [s3://BUCKET]",
		Short: "What contents come to, plain and compressed, and which are there twice",
		Long: `Counts what runs have learnt of contents, by compressing them or by measuring those
that were compressed already: how many bytes they are, plain and as stored, what
was saved, and why others were left alone.

These are facts of the workspace: nothing is read from the bucket, and what was
uploaded, overwritten or deleted since is not known. study, participant and stream
are those of Beiwe's keys.`,
		Example: `  cooper stats
  cooper stats s3://bucket --by stream
  cooper stats s3://bucket --by prefix --depth 2 --prefix CHUNKED_DATA/
  cooper stats --duplicates
  cooper stats --by study --json | jq -r '.rows[] | [.name, .plain_bytes, .stored_bytes] | @tsv'`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			address := ""
			if len(args) > 0 {
				address = args[0]
			}
			return a.stats(cmd.Context(), address, &f)
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&f.by, "by", "", "tell apart by "+strings.Join(stats.Views, ", "))
	fl.IntVar(&f.depth, "depth", 1, "how many folders a prefix has, with --by prefix")
	fl.StringVar(&f.prefix, "prefix", "", "only keys below this prefix")
	fl.BoolVar(&f.duplicates, "duplicates", false, "also contents that are there more than once, by the hash of what is plain")
	shell.Values(cmd, "by", stats.Views...)
	cmd.AddCommand(a.statsExportCmd())
	return cmd
}

func (a family) stats(ctx context.Context, address string, f *statsFlags) error {
	opt := stats.Options{By: f.by, Depth: f.depth, Duplicates: f.duplicates}
	var err error
	if opt.Bucket, opt.Prefix, err = placeOf(address, f.prefix); err != nil {
		return err
	}
	if f.depth < 0 {
		return shell.Usage(fmt.Sprintf("--depth %d: depths begin at 0", f.depth), "1 is the topmost prefixes.")
	}
	return a.ask(ctx, job.Question{}, func(db query.Engine) error {
		s, err := stats.Take(ctx, db, opt)
		if err != nil {
			return err
		}
		if a.JSON {
			return a.Emit(s)
		}
		a.showStats(s)
		return nil
	})
}

// placeOf is the bucket and prefix that an address and --prefix name.
func placeOf(address, prefix string) (bucket, below string, err error) {
	if address == "" {
		return "", prefix, nil
	}
	bucket, key, err := cooper.ParseURL(address)
	if err == nil && key != "" && prefix != "" {
		err = shell.Usage("both the address and --prefix name a prefix", "Leave out one of the two.")
	}
	return bucket, cmp.Or(key, prefix), err
}

// The words for the states of contents.
var stateNames = map[string]string{"rewritten": "compressed", "found": "compressed before", "left": "left as they are"}

// statsHeads are of figures that follow from each other: RATIO is PLAIN by
// STORED. What is stored but not known plain stands apart, where there is any.
var statsHeads = []string{"CONTENTS", "PLAIN", "STORED", "RATIO", "SAVED", "UNKNOWN"}

// statsTable is a table of parts of a whole.
type statsTable struct {
	shell.Bars
	whole *stats.Part
}

func newStatsTable(out term.Out, whole *stats.Part) *statsTable {
	t := &statsTable{whole: whole}
	t.Out, t.Heads, t.Measures = out, append([]string{""}, statsHeads...), "OF STORED"
	if !t.apart() {
		t.Heads = t.Heads[:len(statsHeads)]
	}
	return t
}

// apart tells whether the plain size of some contents is unknown.
func (t *statsTable) apart() bool { return t.whole.Known < t.whole.Contents }

func (t *statsTable) cells(p *stats.Part) []string {
	cells := []string{words.Count(p.Contents), "", "", "", "", ""}
	if p.Known > 0 {
		cells[1], cells[2] = words.Bytes(p.Plain), words.Bytes(p.KnownStored)
	}
	if r := p.Ratio(); r > 0 {
		cells[3] = fmt.Sprintf("%.2f", r)
	}
	if p.Saved != 0 {
		cells[4] = words.Bytes(p.Saved)
	}
	if p.Known < p.Contents {
		cells[5] = words.Bytes(p.Stored - p.KnownStored)
	}
	return cells[:len(t.Heads)-1]
}

// of adds a part, with a bar of how much of what is stored it is.
func (t *statsTable) of(level int, name string, p *stats.Part) {
	share := 0.
	if t.whole.Stored > 0 {
		share = float64(p.Stored) / float64(t.whole.Stored)
	}
	t.Row(level, name, share, t.cells(p)...)
}

// sum adds a row that sums up others.
func (t *statsTable) sum(name string, p *stats.Part) { t.More(0, name, t.cells(p)...) }

// mostStats is how many rows a screen shows.
const mostStats = 50

func (a family) showStats(s *stats.Stats) {
	if s.Total.Contents == 0 {
		a.Say("nothing is known of contents yet")
		a.Note("Compress something, or measure it: cooper compress run and cooper compress estimate.")
		return
	}
	var places []string
	for _, b := range s.Buckets {
		places = append(places, "s3://"+term.Clean(b))
	}
	place := strings.Join(places, ", ")
	if s.Prefix != "" {
		place += ", below " + term.Clean(s.Prefix)
	}
	a.Say("%s as of %s", a.Stdout.Style(term.Bold, place), s.AsOf)
	t := newStatsTable(a.Stdout, &s.Total)
	for i := range s.States {
		r := &s.States[i]
		t.of(0, cmp.Or(stateNames[r.Name], r.Name), &r.Part)
		if r.Name != string(cooper.Left) {
			continue
		}
		for i := range s.Left {
			t.of(1, s.Left[i].Name, &s.Left[i].Part)
		}
	}
	t.sum("total", &s.Total)
	statsRows(t, s)
	t.Flush()
	if t.apart() {
		a.Say("%s", a.Stdout.Style(term.Faint, a.Fold("UNKNOWN is what contents are stored in whose plain size was not measured; PLAIN, STORED and RATIO leave them out.", 0, 2)))
	}
	if s.Unfinished.Contents > 0 {
		a.Say("%s", a.Stdout.Style(term.Yellow, a.Fold(fmt.Sprintf("of %s the original was still there when a run was done with it: run compress again", words.Plural(s.Unfinished.Contents, "content")), 0, 2)))
	}
	if s.Duplicates != nil {
		a.showCopies(s.Duplicates)
	}
}

// statsRows adds what contents are told apart by.
func statsRows(t *statsTable, s *stats.Stats) {
	if s.By == "" {
		return
	}
	t.Part("by " + s.By)
	var rest stats.Others
	if s.Others != nil {
		rest = *s.Others
	}
	for i := range s.Rows {
		r := &s.Rows[i]
		if i >= mostStats {
			rest.Rows++
			rest.Add(&r.Part)
			continue
		}
		t.of(0, cmp.Or(r.Name, "(none)"), &r.Part)
	}
	if rest.Rows > 0 {
		t.sum(words.Count(rest.Rows)+" more", &rest.Part)
	}
}

func (a family) showCopies(d *stats.Duplicates) {
	if d.Contents == 0 {
		a.Say("no duplicates: no two contents are the same")
		return
	}
	exist := "contents are"
	if d.Contents == 1 {
		exist = "content is"
	}
	a.Say("%s %s there more than once; the %s beyond the first come to %s, stored in %s", a.Stdout.Style(term.Bold, words.Count(d.Contents)), exist, words.Count(d.Copies), words.Bytes(d.Plain), words.Bytes(d.Stored))
	for _, g := range d.Largest {
		a.Say("  %s", a.Stdout.Style(term.Faint, fmt.Sprintf("%s × %s  %s", words.Count(g.Copies), words.Bytes(g.Plain), g.SHA256)))
		for _, k := range g.Keys {
			a.Say("    %s", term.Shorten(term.Clean(k), a.Stdout.Width()-5))
		}
	}
}
