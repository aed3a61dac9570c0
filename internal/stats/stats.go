// Package stats tells what is known of contents: how many there are, what they
// come to, plain and as they are stored, what compressing them has saved, and
// which are there more than once.
//
// It counts facts, not objects: the latest one about each content, as of when it
// became known. What was uploaded, overwritten or deleted since is not in it. It
// promises exact figures within the memory limit of the engine. How they look is
// left to others, and so is what handles the rows of an export.
package stats

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"cooper"
	"cooper/internal/beiwe"
	"cooper/internal/query"
)

// Views are what contents can be told apart by.
var Views = []string{"prefix", "study", "participant", "stream", "suffix", "codec"}

// Options say what to count.
type Options struct {
	// Bucket is the one whose contents count; empty for all.
	Bucket string
	// Prefix has the boundaries of prefixes.
	Prefix string
	// By is one of Views, or empty.
	By string
	// Depth is how many folders a prefix has at most.
	Depth int
	// Duplicates has contents counted that are there more than once.
	Duplicates bool
}

// Part is what some contents come to.
type Part struct {
	Contents int64 `json:"contents"`
	// Plain is how many bytes those come to of which that is known, and Known how
	// many these are.
	Known int64 `json:"known"`
	Plain int64 `json:"plain_bytes"`
	// Stored is how many bytes all are stored in, KnownStored those of Known.
	Stored      int64 `json:"stored_bytes"`
	KnownStored int64 `json:"known_stored_bytes"`
	// Saved is by how much replacements are smaller than what they replace.
	Saved int64 `json:"saved_bytes"`
}

// Ratio is plain to stored, of those of which both are known; 0 if there are none.
func (p *Part) Ratio() float64 {
	if p.KnownStored == 0 {
		return 0
	}
	return float64(p.Plain) / float64(p.KnownStored)
}

// Add adds what others come to.
func (p *Part) Add(q *Part) {
	p.Contents += q.Contents
	p.Known += q.Known
	p.Plain = cooper.AddBytes(p.Plain, q.Plain)
	p.Stored = cooper.AddBytes(p.Stored, q.Stored)
	p.KnownStored = cooper.AddBytes(p.KnownStored, q.KnownStored)
	p.Saved = cooper.AddBytes(p.Saved, q.Saved)
}

// Row is what the contents of one name come to.
type Row struct {
	Name string `json:"name"` // empty where there is none
	Part
}

// Stats are the figures.
type Stats struct {
	// AsOf is when the youngest fact became known.
	AsOf    cooper.Instant `json:"as_of,omitzero"`
	Buckets []string       `json:"buckets"`
	Prefix  string         `json:"prefix,omitempty"`
	Total   Part           `json:"total"`
	// States are parts of the total: rewritten, found, left.
	States []Row `json:"states"`
	// Left are those that were left, by reason.
	Left []Row `json:"left,omitempty"`
	// Unfinished are rewritten ones of which the original was still there.
	Unfinished Part   `json:"unfinished"`
	By         string `json:"by,omitempty"`
	// Rows are the largest by plain size; Others what the rest comes to.
	Rows       []Row       `json:"rows,omitempty"`
	Others     *Others     `json:"others,omitempty"`
	Duplicates *Duplicates `json:"duplicates,omitempty"`
}

// Others are rows left out.
type Others struct {
	Rows int64 `json:"rows"`
	Part
}

// mostRows is how many rows are kept.
const mostRows = 10_000

// Take counts. The engine's views must have been made.
func Take(ctx context.Context, db query.Engine, opt Options) (*Stats, error) {
	if opt.By != "" && !slices.Contains(Views, opt.By) {
		return nil, &cooper.Error{Kind: cooper.KindUsage, Message: fmt.Sprintf("--by %s: there is no such view", cooper.Quote(opt.By)),
			Remedy: "Choose one of " + strings.Join(Views, ", ") + "."}
	}
	c := counter{stats: &Stats{Prefix: opt.Prefix, By: opt.By}, states: map[string]*Part{}, left: map[string]*Part{}, buckets: map[string]bool{}}
	sql, args := latest(opt.Bucket, opt.Prefix, "plain_size, state, status, reason, codec")
	err := query.Each(ctx, db, sql+`
		SELECT `+labelOf(opt.By, opt.Depth)+` AS label, bucket, state, status = 'failed' AS unfinished, CASE WHEN state = 'left' THEN reason END AS why,
			count(*), count(plain_size), `+query.SumOfBytes("plain_size")+", "+query.SumOfBytes("stored_size")+`, least(coalesce(sum(stored_size) FILTER (plain_size IS NOT NULL), 0), 9223372036854775807),
			greatest(least(coalesce(sum(CAST(size AS HUGEINT) - stored_size) FILTER (state = 'rewritten'), 0), 9223372036854775807), -9223372036854775807), max(ended)
		FROM latest GROUP BY ALL ORDER BY label`, args, c.row)
	if err != nil {
		return nil, err
	}
	c.finish()
	if opt.Duplicates {
		c.stats.Duplicates, err = duplicates(ctx, db, opt)
	}
	return c.stats, err
}

// labelOf is the expression that tells contents apart.
func labelOf(by string, depth int) string {
	switch by {
	case "prefix":
		return fmt.Sprintf(`regexp_extract(object, '^(?:[^/]*/){0,%d}')`, min(max(depth, 0), 1000))
	case "study":
		return beiwe.Study("object")
	case "participant":
		return beiwe.Participant("object")
	case "stream":
		return beiwe.Stream("object")
	case "suffix":
		return `lower(regexp_extract(object, '[^./](\.[A-Za-z0-9]{1,10})$', 1))`
	case "codec":
		return "codec"
	}
	return "NULL::VARCHAR"
}

// objectOf is the key without what compression adds to it.
const objectOf = `CASE WHEN state = 'rewritten' THEN key WHEN ends_with(stored_key, '.zst') AND starts_with(codec, 'zstd') THEN left(stored_key, -4) ELSE stored_key END`

// bucketOf is the bucket of a run's target; the name of an access point has a
// slash of its own.
const bucketOf = `regexp_extract(target, '^s3://(arn:[^/]*:accesspoint/[^/]+|[^/]+)', 1)`

// latest is SQL that makes a table of the latest fact about each content:
// bucket, object, size, stored_size, ended and columns. An object is called by
// its name without what compression adds, so that a fact about the original and
// one about its replacement are about one content.
//
// Nearly all contents have one fact. Those of several are found by a hash of 64
// bits, which is cheap to count by, and only they are sorted out, by name. (An
// anti join would say it better, and takes twice as long: the engine builds its
// table from the facts.)
func latest(bucket, prefix, columns string) (sql string, args []any) {
	where := "state <> 'sampled'"
	if bucket != "" {
		where += " AND " + bucketOf + " = ?"
		args = append(args, bucket)
	}
	names := `SELECT ` + bucketOf + ` AS bucket, ` + objectOf + ` AS object,
			size, stored_size, ended, run, shard, action, ` + columns + ` FROM content WHERE ` + where
	if prefix != "" {
		names = `SELECT * FROM (` + names + `) WHERE starts_with(object, ?) AND (ends_with(?, '/') OR length(object) = length(?) OR object[length(?) + 1] = '/')`
		args = append(args, prefix, prefix, prefix, prefix)
	}
	return `WITH facts AS (` + names + `),
		several AS MATERIALIZED (SELECT h FROM (SELECT hash(bucket, object) AS h FROM facts) GROUP BY h HAVING count(*) > 1),
		latest AS (
			SELECT facts.* FROM facts LEFT JOIN several ON h = hash(bucket, object) WHERE h IS NULL
			UNION ALL
			SELECT facts.* FROM facts SEMI JOIN several ON h = hash(bucket, object)
			QUALIFY row_number() OVER (PARTITION BY bucket, object ORDER BY ended DESC NULLS LAST, run DESC, shard DESC, action DESC) = 1)
		`, args
}
