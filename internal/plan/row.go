package plan

import (
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"syscall"

	"cooper"
	"cooper/internal/seal"
)

// row is one action as the Parquet files hold it: plain text, for reading.
// Empty text and the unknown instant are NULL.
type row struct {
	ID             int64  `parquet:"id,delta"`
	Phase          string `parquet:"phase,dict"`
	Shard          int32  `parquet:"shard,delta"`
	Verb           string `parquet:"verb,dict"`
	Key            string `parquet:"key,delta"`
	VersionID      string `parquet:"version_id,optional"`
	ETag           string `parquet:"etag,optional"`
	Size           int64  `parquet:"size"`
	LastModified   int64  `parquet:"last_modified,optional,timestamp(millisecond)"`
	IsLatest       bool   `parquet:"is_latest"`
	IsDeleteMarker bool   `parquet:"is_delete_marker"`
	StorageClass   string `parquet:"storage_class,optional,dict"`
	Tier           string `parquet:"tier,optional,dict"`
	Encryption     string `parquet:"encryption,optional,dict"`
	Checksum       string `parquet:"checksum,optional,dict"`
	Args           string `parquet:"args,optional"`
}

func rowOf(a *cooper.Action, args, phase string, shard int) row {
	v := &a.Version
	return row{
		ID: a.ID, Phase: phase, Shard: int32(shard), Verb: a.Verb,
		Key: v.Key, VersionID: v.VersionID, ETag: v.ETag, Size: v.Size, LastModified: int64(v.LastModified),
		IsLatest: v.Latest, IsDeleteMarker: v.DeleteMarker,
		StorageClass: v.StorageClass, Tier: v.Tier, Encryption: v.Encryption, Checksum: v.Checksum,
		Args: args,
	}
}

func (r *row) action() (cooper.Action, error) {
	a := cooper.Action{ID: r.ID, Verb: r.Verb, Version: cooper.Version{
		Identity: cooper.Identity{Key: r.Key, VersionID: r.VersionID, ETag: r.ETag, Size: r.Size, LastModified: cooper.Instant(r.LastModified)},
		Latest:   r.IsLatest, DeleteMarker: r.IsDeleteMarker,
		StorageClass: r.StorageClass, Tier: r.Tier, Encryption: r.Encryption, Checksum: r.Checksum,
	}}
	if r.Args != "" {
		if err := json.Unmarshal([]byte(r.Args), &a.Args); err != nil {
			return a, err
		}
	}
	return a, nil
}

// appendArgs writes args as a JSON object with sorted names, nothing if there
// are none. Millions of actions pass here, so it avoids reflection where the
// text allows.
func appendArgs(b []byte, args map[string]string) []byte {
	if len(args) == 0 {
		return b
	}
	var few [16]string
	names := slices.AppendSeq(few[:0], maps.Keys(args))
	slices.Sort(names)
	sep := byte('{')
	for _, n := range names {
		b = append(b, sep)
		b = appendText(b, n)
		b = append(b, ':')
		b = appendText(b, args[n])
		sep = ','
	}
	return append(b, '}')
}

func appendText(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c >= 0x7f || c == '"' || c == '\\' {
			q, _ := json.Marshal(s) // a string always can
			return append(b, q...)
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}

// local wraps an error of the file system.
func local(where string, err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return &cooper.Error{Kind: cooper.KindFull, Where: where, Message: "no space left", Remedy: "Make room, or choose another --workspace.", Err: err}
	}
	return &cooper.Error{Kind: cooper.KindInternal, Where: where, Err: err}
}

// invalid is about a plan that makes no sense.
func invalid(where, message string, err error) error {
	return &cooper.Error{Kind: cooper.KindInvalid, Where: where, Message: message, Remedy: "Make the plan anew; the directory of this one can be removed.", Err: seal.Cause(err)}
}
