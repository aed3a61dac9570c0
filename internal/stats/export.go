package stats

import (
	"context"
	"fmt"

	"cooper"
	"cooper/internal/beiwe"
	"cooper/internal/query"
)

// Fact is what an export tells of one content, as one run learnt it. Text that
// is not known is empty.
type Fact struct {
	// Path is the key without what compression adds to it: it stays the same
	// when the object is compressed. StoredPath is the key as it is.
	Path, StoredPath           string
	Study, Participant, Stream string
	At                         cooper.Instant
	SHA1, SHA256               []byte
	Plain                      int64 // bytes, -1 if not known
	Stored                     int64 // bytes
	Tier                       string
	Codec                      string
	State                      cooper.ContentState
	Run                        string
}

// Sink takes facts, in any order and any number of times: the youngest of each
// path counts.
type Sink interface {
	// Write gives how many of its rows have changed.
	Write(ctx context.Context, facts []Fact) (changed int64, err error)
}

// Exported sums up an export.
type Exported struct {
	Facts   int64 `json:"facts"`
	Changed int64 `json:"changed"`
}

// aPiece is how many facts are asked for at once, at least.
const aPiece = 200_000

// piece is a part of the facts: some shards of one run.
type piece struct {
	run, plan   string
	first, last int64
	facts       int64
}

// Export hands all facts about the contents of a bucket to a sink, the oldest
// run first, in batches. It may be ended at any moment, and begun again. What was
// only tried out is left out. progress is told how many facts there are, and how
// many are done.
func Export(ctx context.Context, db query.Engine, bucket string, batch int, to Sink, progress func(done, all int64)) (sum Exported, err error) {
	pieces, err := piecesOf(ctx, db, bucket)
	if err != nil {
		return sum, err
	}
	var all int64
	for _, p := range pieces {
		all += p.facts
	}
	facts := make([]Fact, 0, batch)
	flush := func() error {
		if len(facts) == 0 {
			return nil
		}
		changed, err := to.Write(ctx, facts)
		if err != nil {
			return err
		}
		sum.Facts += int64(len(facts))
		sum.Changed += changed
		facts = facts[:0]
		progress(sum.Facts, all)
		return nil
	}
	for _, p := range pieces {
		err := query.Each(ctx, db, factsSQL, []any{bucket, p.run, p.first, p.last, p.plan, p.first, p.last}, func(v []any) error {
			facts = append(facts, factOf(v))
			if len(facts) < batch {
				return nil
			}
			return flush()
		})
		if err != nil {
			return sum, err
		}
	}
	return sum, flush()
}

// Buckets lists those of whose contents something is known.
func Buckets(ctx context.Context, db query.Engine) (buckets []string, err error) {
	err = query.Each(ctx, db, "SELECT DISTINCT "+bucketOf+" AS bucket FROM content ORDER BY bucket", nil, func(v []any) error {
		buckets = append(buckets, word(v[0]))
		return nil
	})
	return buckets, err
}

func piecesOf(ctx context.Context, db query.Engine, bucket string) (pieces []piece, err error) {
	err = query.Each(ctx, db, "SELECT run, plan, shard, count(*) FROM content WHERE state <> 'sampled' AND "+bucketOf+" = ? GROUP BY ALL ORDER BY run, plan, shard", []any{bucket}, func(v []any) error {
		p := piece{word(v[0]), word(v[1]), number(v[2]), number(v[2]), number(v[3])}
		if n := len(pieces) - 1; n >= 0 && pieces[n].run == p.run && pieces[n].plan == p.plan && pieces[n].facts < aPiece {
			pieces[n].last = p.last
			pieces[n].facts += p.facts
			return nil
		}
		pieces = append(pieces, p)
		return nil
	})
	return pieces, err
}

// factsSQL asks for a piece. The plan knows the storage class, which replacements
// keep; where the plan is gone, it is not known.
var factsSQL = fmt.Sprintf(`
	SELECT object, stored_key, %s, %s, %s, ended, sha1, sha256, plain_size, stored_size, storage_class, codec, state, run
	FROM (SELECT %s AS object, * FROM content WHERE state <> 'sampled' AND %s = ? AND run = ? AND shard BETWEEN ? AND ?)
	LEFT JOIN (SELECT id, storage_class FROM action WHERE plan = ? AND shard BETWEEN ? AND ?) ON id = action`,
	beiwe.Study("object"), beiwe.Participant("object"), beiwe.Stream("object"), objectOf, bucketOf)

func factOf(v []any) Fact {
	f := Fact{
		Path: word(v[0]), StoredPath: word(v[1]), Study: word(v[2]), Participant: word(v[3]), Stream: word(v[4]), At: moment(v[5]),
		Plain: -1, Stored: number(v[9]), Tier: word(v[10]), Codec: word(v[11]), State: cooper.ContentState(word(v[12])), Run: word(v[13]),
	}
	f.SHA1, _ = v[6].([]byte)
	f.SHA256, _ = v[7].([]byte)
	if v[8] != nil {
		f.Plain = number(v[8])
	}
	return f
}
