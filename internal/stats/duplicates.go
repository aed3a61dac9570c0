package stats

import (
	"context"
	"encoding/hex"
	"fmt"

	"cooper/internal/query"
)

// Duplicates are contents that are there more than once, by the SHA-256 of what
// is plain. Empty ones do not count.
type Duplicates struct {
	// Contents are different ones that are there more than once; Copies are those
	// beyond the first of each, Plain and Stored what these come to.
	Contents int64 `json:"contents"`
	Copies   int64 `json:"copies"`
	Plain    int64 `json:"plain_bytes"`
	Stored   int64 `json:"stored_bytes"`
	// Largest are those whose copies come to most.
	Largest []Group `json:"largest"`
}

// Group is one content that is there more than once.
type Group struct {
	SHA256 string   `json:"sha256"`
	Copies int64    `json:"copies"` // all of them
	Plain  int64    `json:"plain_size"`
	Keys   []string `json:"keys"` // some of them
}

const (
	mostGroups = 10
	mostKeys   = 3
)

// duplicates finds candidates by 64 bits of each hash, among all facts, and groups
// only the latest ones of those, by all of it.
func duplicates(ctx context.Context, db query.Engine, opt Options) (*Duplicates, error) {
	sql, args := latest(opt.Bucket, opt.Prefix, "plain_size, sha256, stored_key, state, codec")
	sql += fmt.Sprintf(`, twice AS MATERIALIZED (SELECT s FROM (SELECT hash(sha256) AS s FROM facts WHERE sha256 IS NOT NULL AND plain_size > 0) GROUP BY s HAVING count(*) > 1),
		copies AS MATERIALIZED (
			SELECT sha256, count(*) AS n, any_value(plain_size) AS plain, sum(stored_size) - max(stored_size) AS stored, min(stored_key, %d) AS keys
			FROM latest JOIN twice ON s = hash(sha256) WHERE sha256 IS NOT NULL AND plain_size > 0 GROUP BY sha256 HAVING count(*) > 1)
		SELECT count(*) OVER (), sum(n - 1) OVER (), sum(plain * (n - 1)) OVER (), sum(stored) OVER (), sha256, n, plain, keys
		FROM copies ORDER BY plain * (n - 1) DESC, sha256 LIMIT %d`, mostKeys, mostGroups)
	d := &Duplicates{Largest: []Group{}}
	err := query.Each(ctx, db, sql, args, func(v []any) error {
		d.Contents, d.Copies, d.Plain, d.Stored = number(v[0]), number(v[1]), number(v[2]), number(v[3])
		hash, _ := v[4].([]byte)
		g := Group{SHA256: hex.EncodeToString(hash), Copies: number(v[5]), Plain: number(v[6])}
		keys, _ := v[7].([]any)
		for _, k := range keys {
			g.Keys = append(g.Keys, word(k))
		}
		d.Largest = append(d.Largest, g)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return d, nil
}
