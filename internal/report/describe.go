package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"cooper"
	"cooper/internal/inventory"
)

// describe makes a report of what was counted.
func describe(a *aggregate, meta *inventory.Meta, opt *Options) (*Report, error) {
	if opt.Prefix != "" && a.rows == 0 {
		return nil, &cooper.Error{
			Kind: cooper.KindUsage, Where: meta.ID, Message: fmt.Sprintf("the snapshot has no key below %s", cooper.Quote(opt.Prefix)),
			Remedy: "Prefixes end at a slash or are whole keys. See `cooper report " + meta.ID + " --by prefix`.",
		}
	}
	r := &Report{
		Snapshot: about(meta), Prefix: opt.Prefix, Now: meta.TakenAt, Prices: opt.Prices.Name(),
		Total: a.root.part, Tree: a.root.export(opt.Depth), Classes: a.classes.rows(),
		Ages: ranged(ageRanges, a.ages[:]), Sizes: ranged(sizeRanges, a.sizes[:]),
	}
	var exact bool
	r.Suffixes, exact = a.suffixes.rows()
	r.Notes = notes(a, meta, opt, exact)
	return r, nil
}

func about(m *inventory.Meta) Snapshot {
	return Snapshot{
		ID: m.ID, Bucket: m.Bucket, Source: m.Source, TakenAt: m.TakenAt, Complete: m.Complete,
		CurrentOnly: m.Scope.CurrentOnly, Prefix: m.Scope.Prefix, Rejected: m.Rejected,
	}
}

// notes say what the figures leave out.
func notes(a *aggregate, meta *inventory.Meta, opt *Options, exact bool) []string {
	var notes []string
	add := func(format string, args ...any) { notes = append(notes, fmt.Sprintf(format, args...)) }
	if !meta.Complete {
		add("The snapshot is incomplete: there is more in the bucket than is counted here.")
	}
	if meta.Scope.CurrentOnly {
		add("The inventory lists current versions only: noncurrent versions and delete markers are not counted.")
	}
	if meta.Scope.Prefix != "" {
		add("The snapshot speaks of keys below %s only.", cooper.Quote(meta.Scope.Prefix))
	}
	if meta.Rejected > 0 {
		add("%d rows of the inventory made no sense and are not counted.", meta.Rejected)
	}
	if meta.Ambiguous > 0 {
		add("%d keys of the snapshot have several latest versions; each counts as the inventory has it.", meta.Ambiguous)
	}
	var strange []string
	var unnamed, unknown int64
	for _, c := range a.classes.all() {
		switch n := c.All().Count; {
		case c.known || n == 0:
		case c.name == "":
			unnamed += n
		default:
			unknown += n
			strange = append(strange, cooper.Quote(c.name))
		}
	}
	if unnamed > 0 {
		add("The inventory tells no storage class for %d versions: they are priced as STANDARD.", unnamed)
	}
	if unknown > 0 {
		slices.Sort(strange)
		add("%d versions are in classes without a price (%s): they are priced as STANDARD.", unknown, strings.Join(strange[:min(3, len(strange))], ", "))
	}
	if n := a.stale[ageUnknown].Count; n > 0 {
		add("Noncurrent versions of which it is not known when they were superseded: %d. No rule is taken to apply to them.", n)
	}
	if !exact {
		add("There are more than %d different suffixes: a rare one may have more than its line says, the rest is under other.", maxSuffixes)
	}
	what := "storage alone"
	if opt.Prices.Rules == nil {
		what = "bytes alone (the table has no rules about small objects and monitoring)"
	}
	add("Costs are those of %s, at the prices of %s.", what, opt.Prices.Name())
	return notes
}

// Growth gives a point for each of metas that is about the same bucket and scope as
// of, the oldest first. What is incomplete is left out.
func Growth(metas []inventory.Meta, of inventory.Meta) []Point {
	points := []Point{}
	for _, m := range metas {
		if m.Bucket != of.Bucket || m.Scope != of.Scope || !m.Complete && m.ID != of.ID {
			continue
		}
		points = append(points, Point{
			ID: m.ID, TakenAt: m.TakenAt, Versions: m.Versions, DeleteMarkers: m.DeleteMarkers, Bytes: m.Bytes,
			Latest: m.Latest, LatestBytes: m.LatestBytes,
		})
	}
	slices.SortFunc(points, func(a, b Point) int {
		return cmp.Or(cmp.Compare(a.TakenAt, b.TakenAt), cmp.Compare(a.ID, b.ID))
	})
	return points
}
