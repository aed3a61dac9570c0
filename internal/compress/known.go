package compress

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"cooper"
	"cooper/internal/bucketop"
	"cooper/internal/codec"
	"cooper/internal/query"
)

// Told is what a fact says of a version.
type Told string

// What facts say.
const (
	ToldLeft     Told = "left"     // it was read, and is not worth it
	ToldHeld     Told = "held"     // what it holds is known: it is compressed
	ToldReplaced Told = "replaced" // its content is stored anew, under another key
)

// Fact is what the ledger knows of the content of a version.
type Fact struct {
	Key, VersionID, ETag string
	Size                 int64
	Told                 Told
}

// Known are facts, sorted by key, bytewise; io.EOF comes after the last.
type Known interface {
	Next() (Fact, error)
	Close() error
}

// knownSQL has a row for each version that something is known of. What was left
// for a reason that passes, or that depends on the mode, is not among them; nor
// is what was left while it was read otherwise: encrypted contents are noise to
// whoever takes them for plain.
const knownSQL = `
SELECT key, version_id, etag, size, told FROM (
  SELECT key, version_id, etag, size, CASE state WHEN 'left' THEN 'left' ELSE 'replaced' END AS told, target
  FROM content WHERE status = 'done' AND (state = 'left' AND coalesce(reason, '') NOT IN ($3, $4, $5) AND NOT ($7 AND starts_with(coalesce(reason, ''), $8)) AND coalesce(codec, 'none') = $6 OR state = 'rewritten' AND stored_key <> key)
  UNION ALL
  SELECT stored_key, stored_version_id, stored_etag, stored_size, 'held', target
  FROM content WHERE status = 'done' AND state IN ('rewritten', 'found'))
WHERE starts_with(target, $1) AND starts_with(key, $2)
ORDER BY key, told`

// FromLedger asks the ledger what is known of the contents of a bucket below a
// prefix, where the application encrypts with cipher. ranged says that what was
// left as it is read by ranges is not to stay. Close it when done.
func FromLedger(ctx context.Context, e query.Engine, bucket, prefix string, cipher codec.Cipher, ranged bool) (Known, error) {
	rows, err := e.Query(ctx, knownSQL, "s3://"+bucket+"/", prefix, bucketop.ReasonLocked, bucketop.ReasonNoRoom, bucketop.ReasonLongKey, codec.Chain{Encrypt: cipher}.String(), ranged, bucketop.ReasonRanged)
	if err != nil {
		return nil, err
	}
	return &facts{rows}, nil
}

type facts struct{ rows query.Rows }

func (f *facts) Next() (Fact, error) {
	row, err := f.rows.Next()
	if err != nil {
		return Fact{}, err
	}
	var text [4]string // NULL stands for nothing
	for i, at := range []int{0, 1, 2, 4} {
		text[i], _ = row[at].(string)
	}
	size, ok := row[3].(int64)
	if !ok {
		return Fact{}, &cooper.Error{Kind: cooper.KindInternal, Where: "ledger, table content", Message: fmt.Sprintf("a size that is no number: %v", row[3])}
	}
	return Fact{Key: text[0], VersionID: text[1], ETag: text[2], Size: size, Told: Told(text[3])}, nil
}

func (f *facts) Close() error { return f.rows.Close() }

// knower walks facts beside a snapshot. Of a key it holds one fact for each
// version that there is one of.
type knower struct {
	from Known // nil: nothing is known
	next Fact
	more bool
	here map[version]Told
}

// version tells versions of one key apart. What a store names by an id it never
// writes again; a null version may have been overwritten, by the same bytes at
// most if ETag and size are the same.
type version struct {
	id, etag string
	size     int64
}

func newKnower(from Known) (*knower, error) {
	k := &knower{from: from, here: map[version]Told{}}
	if from == nil {
		return k, nil
	}
	return k, k.step()
}

func (k *knower) step() (err error) {
	before := k.next.Key
	k.next, err = k.from.Next()
	k.more = err == nil
	if errors.Is(err, io.EOF) {
		return nil
	}
	if err == nil && k.next.Key < before {
		return &cooper.Error{Kind: cooper.KindInternal, Where: cooper.Quote(k.next.Key), Message: "the facts are not sorted"}
	}
	return err
}

// at goes on to a key of the snapshot.
func (k *knower) at(key string) error {
	clear(k.here)
	for k.more && k.next.Key < key {
		if err := k.step(); err != nil {
			return err
		}
	}
	for k.more && k.next.Key == key {
		f := &k.next
		k.here[version{orNull(f.VersionID), strings.Trim(f.ETag, `"`), f.Size}] = f.Told
		if err := k.step(); err != nil {
			return err
		}
	}
	return nil
}

// of is what is known of a version of the key at hand; empty for nothing.
func (k *knower) of(v *cooper.Version) Told {
	return k.here[version{orNull(v.VersionID), v.ETag, v.Size}]
}

// orNull is a version id that can be compared: an inventory that tells of none
// lists null versions.
func orNull(id string) string {
	if id == "" {
		return cooper.NullVersion
	}
	return id
}
