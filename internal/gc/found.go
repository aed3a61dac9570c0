package gc

import (
	"context"
	"strings"

	"cooper/internal/query"
)

// ways are those in which a link leads to a handle: which links they are of, and what of link
// and handle has to be the same. Numbers are compared as numbers, which takes the least.
var ways = []struct{ of, same string }{
	{"id_number IS NOT NULL", "id_number, kind"},
	{"id_uuid IS NOT NULL", "id_uuid, kind"},
	{"id_number IS NULL AND id_uuid IS NULL AND id IS NOT NULL", "id, kind"},
	{"id IS NULL AND kind = ''", "key_bytes, bucket"},
	{"id IS NULL AND kind <> ''", "key_bytes, bucket, kind"},
}

// leading are the links of a scan, $1, that lead to a handle of it, each once, and of which
// a condition is true: their association, shard and reading.
func leading(condition string) string {
	var all []string
	for _, w := range ways {
		all = append(all, "SELECT association, shard, reading FROM (SELECT association, shard, reading, "+w.same+" FROM gc_link WHERE scan = $1 AND "+condition+" AND "+w.of+
			") SEMI JOIN (SELECT "+w.same+" FROM gc_handle WHERE scan = $1) USING ("+w.same+")")
	}
	return strings.Join(all, " UNION ALL ")
}

// foundOf counts, for each association of a scan, the links that lead to its handles: a value
// that can be read in several ways is one if any of them does.
func foundOf(ctx context.Context, e query.Engine, scan string) (map[string]int64, error) {
	found := map[string]int64{}
	// What is named once is not written down in between.
	for _, sql := range []string{
		"SELECT association, count(*) FROM (" + leading("reading IS NULL") + ") GROUP BY association",
		"SELECT association, count(*) FROM (SELECT DISTINCT association, shard, reading FROM (" + leading("reading IS NOT NULL") + ")) GROUP BY association",
	} {
		if err := ask(ctx, e, sql, []any{scan}, func(f *fields) { found[f.text()] += f.number() }); err != nil {
			return nil, err
		}
	}
	return found, nil
}
