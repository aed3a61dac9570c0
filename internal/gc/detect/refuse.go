package detect

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"

	"cooper"
	"cooper/internal/gcstate"
	"cooper/internal/ledger/gcfacts"
	"cooper/internal/words"
)

// past is what earlier detections of the same handles came to.
type past struct {
	// baseline is the last whose candidates were let through: nothing was refused, or they were marked
	// all the same. Empty: there is none.
	baseline string
	// fresh are how many candidates were new in the last that were let through.
	fresh []int64
}

// judgedBy is how many detections the next is judged by.
const judgedBy = 3

// before reads the earlier detections. One whose refusal stands is none to judge others by: what it
// found is as new as ever.
func (d *detection) before(ctx context.Context) error {
	ours := slices.DeleteFunc(slices.Clone(d.Past), func(p gcfacts.Detection) bool { return p.Scope != d.Scope || p.Waits != "" || p.ID == d.ID })
	slices.SortStableFunc(ours, func(a, b gcfacts.Detection) int { return cmp.Compare(a.Made, b.Made) })
	for i := range ours {
		p := &ours[i]
		through := len(p.Refusals) == 0
		if !through {
			until := cooper.Instant(math.MaxInt64)
			if i+1 < len(ours) {
				until = ours[i+1].Made
			}
			err := d.ask(ctx, "SELECT count(*) > 0 FROM gc_transition WHERE scope = $1 AND to_status = $2 AND epoch_ms(since) >= $3 AND epoch_ms(since) < $4",
				[]any{d.Scope, string(gcstate.Unlinked), int64(p.Made), int64(until)}, func(f *fields) error {
					through = f.flag()
					return nil
				})
			if err != nil {
				return err
			}
		}
		if !through {
			continue
		}
		if d.past.baseline != "" { // in the first all is new
			for _, f := range p.Figures {
				if f.Name == FigureNew {
					d.past.fresh = append(d.past.fresh, f.Count)
				}
			}
		}
		d.past.baseline = p.ID
	}
	d.past.fresh = d.past.fresh[max(0, len(d.past.fresh)-judgedBy):]
	return nil
}

// overlap asks whether links and handles speak of the same things. Of very many it looks at some: always
// the same ones, on both sides.
func (d *detection) overlap(ctx context.Context) error {
	const enough = 1 << 20
	var links int64
	newest := text(d.looked.newest)
	err := d.ask(ctx, "SELECT CAST(count(*) AS BIGINT) FROM gc_link WHERE scan = "+newest, nil, func(f *fields) error {
		links = f.number()
		return nil
	})
	if err != nil {
		return err
	}
	every := links/enough + 1
	for _, b := range d.size.branches {
		x := b.form.column + " AS x"
		what := "ids that links name"
		if b.name != "" {
			what = "ids of " + b.name + " that links name"
		}
		if err := d.share(ctx, what, d.named("x", b.of(gcfacts.Links, x+", shard, reading, preference", d.looked.newest), b.of(gcfacts.Handles, x, d.looked.newest), every)); err != nil {
			return err
		}
	}
	if !d.size.byKey {
		return nil
	}
	at := " WHERE scan = " + newest + " AND bucket IS NOT NULL"
	return d.share(ctx, "keys that links name", d.named("bucket, key_bytes", "SELECT bucket, key_bytes, shard, reading, preference FROM gc_link"+at, "SELECT bucket, key_bytes FROM gc_handle"+at, every))
}

// named asks how many of what links name is there, and how many there are: of all or, of very many, of one in
// so many. A value that can be read in several ways names what is there, or, where none is, what its first reading says.
func (d *detection) named(columns, links, handles string, every int64) string {
	some, part := "true", "true"
	if every > 1 {
		some, part = fmt.Sprintf("hash(%s) %% %d = 0", columns, every), fmt.Sprintf("hash(shard, reading) %% %d = 0", every)
	}
	plain := "SELECT DISTINCT " + columns + " FROM (" + links + ") WHERE " + some
	there := "SELECT * FROM (" + handles + ") WHERE " + some
	if d.size.readings {
		there = handles
		plain += " AND reading IS NULL UNION SELECT " + columns + " FROM (SELECT r.*, h.there IS NOT NULL AS known FROM (SELECT * FROM (" + links + ") WHERE reading IS NOT NULL AND " + part + ") r LEFT JOIN (SELECT DISTINCT " + columns + ", true AS there FROM (" + handles + ")) h USING (" + columns + `)
			QUALIFY known OR preference = 0 AND NOT bool_or(known) OVER (PARTITION BY shard, reading))`
	}
	return "WITH l AS MATERIALIZED (" + plain + ") SELECT (SELECT count(*) FROM l SEMI JOIN (" + there + ") h USING (" + columns + ")), (SELECT count(*) FROM l)"
}

func (d *detection) share(ctx context.Context, what, sql string) error {
	return d.ask(ctx, sql, nil, func(f *fields) error {
		d.shares = append(d.shares, share{what, f.number(), f.number()})
		return nil
	})
}

// What is small is told, and not stopped.
const (
	fewHandles = 1000
	fewBytes   = 10_000_000_000
	// mostMissing is the share of handles, one in so many, that may be without an object, and mostNew that of
	// all bytes that may be new.
	mostMissing = 100
	mostNew     = 100
)

// conclude says what the detection comes to, and what it refuses.
func (d *detection) conclude() {
	f := &d.found
	f.ID, f.Scope, f.Clock, f.Scans, f.Waits = d.ID, d.Scope, d.looked.clock, d.Standing.Counted, d.Standing.Waits
	g := &d.figures
	f.Figures = []gcfacts.Figure{
		{Name: FigureHandles, Count: d.size.handles, Bytes: d.size.bytes},
		{Name: FigureUnlinked, Count: g.unlinked, Bytes: -1},
		{Name: FigureCandidates, Count: g.candidates.count, Bytes: g.candidates.bytes},
		{Name: FigureNew, Count: g.fresh.count, Bytes: g.fresh.bytes},
		{Name: FigureUnsettled, Count: g.unsettled, Bytes: -1},
		{Name: FigureStrange, Count: g.strange, Bytes: -1},
		{Name: FigureNear, Count: g.near, Bytes: -1},
		{Name: FigureGone, Count: g.gone, Bytes: -1},
		{Name: FigureAsked, Count: g.asked, Bytes: -1},
		{Name: FigureTold, Count: g.told, Bytes: -1},
	}
	for _, v := range Verdicts {
		if n := g.ripe[v]; n.count > 0 {
			f.Figures = append(f.Figures, gcfacts.Figure{Name: FigureOf(v), Count: n.count, Bytes: n.bytes})
		}
	}
	refuse := func(what, format string, args ...any) {
		f.Refusals = append(f.Refusals, gcfacts.Refusal{What: what, Why: fmt.Sprintf(format, args...)})
	}
	judged := g.settled - g.away
	if judged > 0 {
		d.shares = append(d.shares, share{"keys of handles that an inventory should have", judged - g.missing, judged})
	}
	for _, s := range d.shares {
		if s.found*2 < s.all {
			refuse(Overlap, "these do not speak of the same things: of %s %s, the other side knows %s", words.Count(s.all), s.what, words.Count(s.found))
		}
	}
	if g.missing*mostMissing > judged {
		refuse(Lost, "%s of %s handles have no object: over 1 %%", words.Count(g.missing), words.Count(judged))
	}
	d.jump(refuse)
}

func (d *detection) jump(refuse func(what, format string, args ...any)) {
	fresh := d.figures.fresh
	if d.past.baseline == "" {
		if fresh.count >= fewHandles || fresh.bytes >= fewBytes {
			refuse(First, "nothing was marked before: %s handles, %s", words.Count(fresh.count), words.Bytes(fresh.bytes))
		}
		return
	}
	usual := median(d.past.fresh)
	if most := d.Config.Detect.Jump * float64(usual); fresh.count > fewHandles && float64(fresh.count) > most {
		refuse(Jump, "%s handles are new since the detection %s; usual are %s", words.Count(fresh.count), d.past.baseline, words.Count(usual))
	}
	if fresh.bytes > d.size.bytes/mostNew {
		refuse(Jump, "%s are new since the detection %s: over 1 %% of %s", words.Bytes(fresh.bytes), d.past.baseline, words.Bytes(d.size.bytes))
	}
}

// median of some numbers; 0 of none.
func median(of []int64) int64 {
	if len(of) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(of))
	if n := len(s); n%2 == 0 {
		return (s[n/2-1] + s[n/2]) / 2
	}
	return s[len(s)/2]
}
