package ledger

import (
	"context"

	"github.com/parquet-go/parquet-go"

	"cooper"
	"cooper/internal/ledger/sealed"
)

// outcomeRow is a row of the table outcome. Empty text, unknown instants and
// absent hashes are NULL. The columns of Outcome.Check and Outcome.At are called
// checked and ended: CHECK and AT are reserved words of SQL.
type outcomeRow struct {
	Run          string `parquet:"run,dict"`
	Shard        int32  `parquet:"shard,delta"`
	Plan         string `parquet:"plan,dict"`
	Target       string `parquet:"target,dict"`
	Action       int64  `parquet:"action,delta"`
	Verb         string `parquet:"verb,dict"`
	Key          string `parquet:"key,delta"`
	VersionID    string `parquet:"version_id,optional"`
	ETag         string `parquet:"etag,optional"`
	Size         int64  `parquet:"size"`
	LastModified int64  `parquet:"last_modified,optional,timestamp(millisecond)"`
	Status       string `parquet:"status,dict"`
	Kind         string `parquet:"kind,optional,dict"`
	Message      string `parquet:"message,optional"`
	Ended        int64  `parquet:"ended,optional,timestamp(millisecond)"`
	Bytes        int64  `parquet:"bytes"`
	Requests     int64  `parquet:"requests"`
	Checked      string `parquet:"checked,optional,dict"`
	Method       string `parquet:"method,optional,dict"`
	Hash         []byte `parquet:"hash,optional"`
}

func outcomeRowOf(o *cooper.Outcome, run string, shard int, plan, target string) outcomeRow {
	return outcomeRow{
		Run: run, Shard: int32(shard), Plan: plan, Target: text(target),
		Action: o.Action, Verb: o.Verb,
		Key: text(o.Key), VersionID: text(o.VersionID), ETag: text(o.ETag), Size: o.Size, LastModified: int64(o.LastModified),
		Status: string(o.Status), Kind: string(o.Kind), Message: text(o.Message), Ended: int64(o.At),
		Bytes: o.Bytes, Requests: o.Requests,
		Checked: string(o.Check), Method: text(o.Method), Hash: o.Hash,
	}
}

// contentRow is a row of the table content. What is not known is NULL: empty
// text, absent hashes, unknown instants, the size of a plain content that was
// not read to its end.
type contentRow struct {
	Run                string     `parquet:"run,dict"`
	Shard              int32      `parquet:"shard,delta"`
	Plan               string     `parquet:"plan,dict"`
	Target             string     `parquet:"target,dict"`
	Action             int64      `parquet:"action,delta"`
	Verb               string     `parquet:"verb,dict"`
	Status             string     `parquet:"status,dict"`
	Key                string     `parquet:"key,delta"`
	VersionID          string     `parquet:"version_id,optional"`
	ETag               string     `parquet:"etag,optional"`
	Size               int64      `parquet:"size"`
	LastModified       int64      `parquet:"last_modified,optional,timestamp(millisecond)"`
	Ended              int64      `parquet:"ended,optional,timestamp(millisecond)"`
	State              string     `parquet:"state,dict"`
	Reason             string     `parquet:"reason,optional,dict"`
	PlainSize          *int64     `parquet:"plain_size,optional"`
	StoredSize         int64      `parquet:"stored_size"`
	SHA256             []byte     `parquet:"sha256,optional"`
	SHA1               []byte     `parquet:"sha1,optional"`
	Codec              string     `parquet:"codec,optional,dict"`
	Format             string     `parquet:"format,optional,dict"`
	StoredKey          string     `parquet:"stored_key,delta"`
	StoredVersionID    string     `parquet:"stored_version_id,optional"`
	StoredETag         string     `parquet:"stored_etag,optional"`
	StoredLastModified int64      `parquet:"stored_last_modified,optional,timestamp(millisecond)"`
	Trials             []trialRow `parquet:"trials,list"`
}

type trialRow struct {
	Codec  string `parquet:"codec,dict"`
	Stored int64  `parquet:"stored_size"`
	Nanos  int64  `parquet:"nanos"`
}

func contentRowOf(o *cooper.Outcome, run string, shard int, plan, target string) contentRow {
	c := o.Content
	r := contentRow{
		Run: run, Shard: int32(shard), Plan: plan, Target: text(target),
		Action: o.Action, Verb: o.Verb, Status: string(o.Status),
		Key: text(o.Key), VersionID: text(o.VersionID), ETag: text(o.ETag), Size: o.Size, LastModified: int64(o.LastModified), Ended: int64(o.At),
		State: string(c.State), Reason: text(c.Reason), StoredSize: c.StoredSize, SHA256: c.SHA256, SHA1: c.SHA1,
		Codec: text(c.Codec), Format: text(c.Format),
		StoredKey: text(c.Stored.Key), StoredVersionID: text(c.Stored.VersionID), StoredETag: text(c.Stored.ETag), StoredLastModified: int64(c.Stored.LastModified),
	}
	if c.PlainSize >= 0 {
		r.PlainSize = &c.PlainSize
	}
	for _, t := range c.Trials {
		r.Trials = append(r.Trials, trialRow{Codec: text(t.Codec), Stored: t.Stored, Nanos: t.Nanos})
	}
	return r
}

// runRow is a row of the table run.
type runRow struct {
	ID       string `parquet:"run"`
	Plan     string `parquet:"plan,optional"`
	Mission  string `parquet:"mission,optional"`
	Target   string `parquet:"target,optional"`
	Began    int64  `parquet:"began,optional,timestamp(millisecond)"`
	Ended    int64  `parquet:"ended,optional,timestamp(millisecond)"`
	Status   string `parquet:"status"`
	Counts   string `parquet:"counts"`
	Bytes    int64  `parquet:"bytes"`
	Requests int64  `parquet:"requests"`
	Message  string `parquet:"message,optional"`
}

// Absent bytes stay nil: the library gives empty ones where a row before had
// some, and would write them as not NULL.
func (r *outcomeRow) tidy() { r.Hash = present(r.Hash) }
func (r *contentRow) tidy() { r.SHA256, r.SHA1 = present(r.SHA256), present(r.SHA1) }

func present(b []byte) []byte {
	if len(b) == 0 {
		return nil
	}
	return b
}

// readShards is readRows for the tables that have files for shards.
func readShards[T any, P interface {
	*T
	tidy()
}](ctx context.Context, name string, each func([]T) error) error {
	return readRows(ctx, name, func(rows []T) error {
		for i := range rows {
			P(&rows[i]).tidy()
		}
		return each(rows)
	})
}

// readRows hands all rows of a file to each, in batches that are good during the
// call.
func readRows[T any](ctx context.Context, name string, each func([]T) error) error {
	return withFile(name, func(pq *parquet.File) error { return sealed.Rows(ctx, name, pq, writeBatch, each) })
}

// withFile opens a Parquet file for f, and gives no byte of it unchecked.
func withFile(name string, f func(*parquet.File) error) error {
	return sealed.With(name, func(in *sealed.File) error {
		pq, err := open(in)
		if err != nil {
			return err
		}
		return f(pq)
	})
}
