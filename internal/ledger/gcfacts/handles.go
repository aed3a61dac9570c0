package gcfacts

import (
	"context"
	"path/filepath"
	"strconv"

	"github.com/parquet-go/parquet-go"

	"cooper"
)

// handleFiles are those of a scan's handles, in the order of its shards.
func (s *Store) handleFiles(scan string) ([]string, error) {
	if err := checkName(scan); err != nil {
		return nil, err
	}
	return filepath.Glob(filepath.Join(escape(s.scanDir(scan)), shardPrefix+"*", Handles+suffix))
}

// CountHandles tells how many handles a scan has so far.
func (s *Store) CountHandles(scan string) (n int64, err error) {
	names, err := s.handleFiles(scan)
	for _, name := range names {
		if err == nil {
			err = withFile(name, func(pq *parquet.File) error {
				n += pq.NumRows()
				return nil
			})
		}
	}
	return n, err
}

// EachHandle gives the handles that a scan has so far; one is good during the call.
func (s *Store) EachHandle(ctx context.Context, scan string, each func(*Handle) error) error {
	names, err := s.handleFiles(scan)
	if err != nil {
		return err
	}
	for _, name := range names {
		err := readRows(ctx, name, func(rows []handleRow) error {
			for i := range rows {
				if err := each(rows[i].handle()); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// handleRow is a row of handles, as it is read: what is absent is nil.
type handleRow struct {
	Kind      string `parquet:"kind"`
	IDNumber  *int64 `parquet:"id_number,optional"`
	IDUUID    string `parquet:"id_uuid,optional,uuid"`
	IDText    string `parquet:"id_text,optional"`
	Bucket    string `parquet:"bucket,optional"`
	Key       string `parquet:"key,optional"`
	KeyBytes  []byte `parquet:"key_bytes,optional"`
	Size      *int64 `parquet:"size,optional"`
	Modified  int64  `parquet:"modified,optional"`
	Created   int64  `parquet:"created,optional"`
	Status    string `parquet:"status,optional"`
	Candidate bool   `parquet:"candidate"`
}

func (c *handleRow) handle() *Handle {
	h := &Handle{
		Kind: c.Kind, ID: idText(c.IDNumber, c.IDUUID, c.IDText), Bucket: c.Bucket, Key: c.Key + string(c.KeyBytes), Size: -1, Modified: cooper.Instant(c.Modified), Created: cooper.Instant(c.Created),
		Status: c.Status, Candidate: c.Candidate,
	}
	if c.Size != nil {
		h.Size = *c.Size
	}
	return h
}

// idText is the id that is in one of three columns.
func idText(number *int64, uuid, text string) string {
	switch {
	case number != nil:
		return strconv.FormatInt(*number, 10)
	case uuid != "":
		return uuid
	}
	return text
}
