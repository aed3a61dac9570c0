package gcfacts

import (
	"github.com/parquet-go/parquet-go"
)

// The columns of the tables of a shard. Each id is three of them, of which one has a value: number,
// UUID, text. A key is text, or bytes where it is no UTF-8.

type handleColumns struct {
	Scan      string   `parquet:"scan,dict"`
	Shard     int32    `parquet:"shard,delta"`
	Kind      string   `parquet:"kind,dict"`
	IDNumber  int64    `parquet:"id_number,optional,delta"`
	IDUUID    [16]byte `parquet:"id_uuid,optional,uuid"`
	IDText    string   `parquet:"id_text,optional,delta"`
	Bucket    string   `parquet:"bucket,optional,dict"`
	Key       string   `parquet:"key,optional,delta"`
	KeyBytes  []byte   `parquet:"key_bytes,optional"`
	Size      int64    `parquet:"size,optional"`
	Modified  int64    `parquet:"modified,optional,delta,timestamp(millisecond)"`
	Created   int64    `parquet:"created,optional,delta,timestamp(millisecond)"`
	Status    string   `parquet:"status,optional,dict"`
	Candidate bool     `parquet:"candidate"`
}

func (p *page) handle(scan string, shard int, h *Handle) {
	p.must(scan)
	p.small(shard)
	p.must(text(h.Kind))
	p.id(h.ID)
	p.text(text(h.Bucket))
	p.key(h.Key)
	p.natural(h.Size)
	p.instant(h.Modified)
	p.instant(h.Created)
	p.text(text(h.Status))
	p.flag(h.Candidate)
}

type derivedColumns struct {
	Scan         string   `parquet:"scan,dict"`
	Shard        int32    `parquet:"shard,delta"`
	Name         string   `parquet:"name,dict"`
	Kind         string   `parquet:"kind,dict"`
	IDNumber     int64    `parquet:"id_number,optional,delta"`
	IDUUID       [16]byte `parquet:"id_uuid,optional,uuid"`
	IDText       string   `parquet:"id_text,optional,delta"`
	SourceNumber int64    `parquet:"source_number,optional,delta"`
	SourceUUID   [16]byte `parquet:"source_uuid,optional,uuid"`
	SourceText   string   `parquet:"source_text,optional,delta"`
}

func (p *page) derived(scan string, shard int, d *Derived) {
	p.must(scan)
	p.small(shard)
	p.must(text(d.Name))
	p.must(text(d.Kind))
	p.id(d.ID)
	p.id(d.Source)
}

type holdColumns struct {
	Scan     string   `parquet:"scan,dict"`
	Shard    int32    `parquet:"shard,delta"`
	Role     string   `parquet:"role,dict"`
	Table    string   `parquet:"table_name,dict"`
	Kind     string   `parquet:"kind,dict"`
	IDNumber int64    `parquet:"id_number,optional,delta"`
	IDUUID   [16]byte `parquet:"id_uuid,optional,uuid"`
	IDText   string   `parquet:"id_text,optional,delta"`
}

func (p *page) hold(scan string, shard int, h *Hold) {
	p.must(scan)
	p.small(shard)
	p.must(h.Role)
	p.must(text(h.Table))
	p.must(text(h.Kind))
	p.id(h.ID)
}

type linkColumns struct {
	Scan         string   `parquet:"scan,dict"`
	Shard        int32    `parquet:"shard,delta"`
	Association  string   `parquet:"association,dict"`
	ObjectNumber int64    `parquet:"object_number,optional,delta"`
	ObjectUUID   [16]byte `parquet:"object_uuid,optional,uuid"`
	ObjectText   string   `parquet:"object_text,optional,delta"`
	Kind         string   `parquet:"kind,dict"`
	IDNumber     int64    `parquet:"id_number,optional,delta"`
	IDUUID       [16]byte `parquet:"id_uuid,optional,uuid"`
	IDText       string   `parquet:"id_text,optional,delta"`
	Bucket       string   `parquet:"bucket,optional,dict"`
	Key          string   `parquet:"key,optional,delta"`
	KeyBytes     []byte   `parquet:"key_bytes,optional"`
	Reading      int64    `parquet:"reading,optional,delta"`
	Preference   int32    `parquet:"preference,delta"`
}

// link puts one of the readings of a value; reading is negative where there is but one.
func (p *page) link(scan string, shard int, association, object string, t *Target, reading int64, preference int) {
	p.must(scan)
	p.small(shard)
	p.must(text(association))
	p.id(object)
	p.must(text(t.Kind))
	if t.ID == "" {
		p.null()
		p.null()
		p.null()
	} else {
		p.id(t.ID)
	}
	p.text(text(t.Bucket))
	p.key(t.Key)
	p.natural(reading)
	p.small(preference)
}

type malformedColumns struct {
	Scan        string `parquet:"scan,dict"`
	Shard       int32  `parquet:"shard,delta"`
	Association string `parquet:"association,dict"`
	Table       string `parquet:"table_name,dict"`
	Key         string `parquet:"key,delta"`
	Why         string `parquet:"why,dict"`
	Hash        []byte `parquet:"hash"`
}

func (p *page) malformed(scan string, shard int, m *Malformed) {
	p.must(scan)
	p.small(shard)
	p.must(text(m.Association))
	p.must(text(m.Table))
	p.must(text(m.Key))
	p.must(text(m.Why))
	p.must(string(m.Hash)) // a copy: the caller's bytes are good during the call
}

type rangeColumns struct {
	Scan      string `parquet:"scan,dict"`
	Shard     int32  `parquet:"shard,delta"`
	What      string `parquet:"what,dict"`
	Name      string `parquet:"name,dict"`
	Table     string `parquet:"table_name,dict"`
	Number    int32  `parquet:"number,delta"`
	Lower     string `parquet:"lower_bound,optional"`
	Upper     string `parquet:"upper_bound,optional"`
	Rows      int64  `parquet:"rows"`
	Handles   int64  `parquet:"handles"`
	Links     int64  `parquet:"links"`
	Malformed int64  `parquet:"malformed"`
	Silent    int64  `parquet:"silent"`
	Began     int64  `parquet:"began,optional,timestamp(millisecond)"`
	Ended     int64  `parquet:"ended,optional,timestamp(millisecond)"`
	Clock     int64  `parquet:"clock,optional,timestamp(millisecond)"`
	Server    string `parquet:"server,optional,dict"`
	Replica   bool   `parquet:"replica"`
	Lag       int64  `parquet:"lag_ms,optional"`
}

func (p *page) aRange(scan string, shard int, r *Range, c counts) {
	p.must(scan)
	p.small(shard)
	p.must(r.What)
	p.must(text(r.Name))
	p.must(text(r.Table))
	p.small(r.Number)
	p.text(text(r.Lower))
	p.text(text(r.Upper))
	p.number(r.Rows)
	p.number(c.handles)
	p.number(c.links)
	p.number(c.malformed)
	p.number(r.Silent)
	p.instant(r.Began)
	p.instant(r.Ended)
	p.instant(r.Clock)
	p.text(text(r.Server))
	p.flag(r.Replica)
	if r.Lag < 0 {
		p.natural(-1)
	} else {
		p.natural(r.Lag.Milliseconds())
	}
}

// schemas are those of files, by table.
var schemas = map[string]*parquet.Schema{
	Handles:    parquet.SchemaOf(handleColumns{}),
	Deriveds:   parquet.SchemaOf(derivedColumns{}),
	Holds:      parquet.SchemaOf(holdColumns{}),
	Links:      parquet.SchemaOf(linkColumns{}),
	Malformeds: parquet.SchemaOf(malformedColumns{}),
	Ranges:     parquet.SchemaOf(rangeColumns{}),

	Candidates:     parquet.SchemaOf(candidateColumns{}),
	Kepts:          parquet.SchemaOf(keptColumns{}),
	Relinkeds:      parquet.SchemaOf(relinkedColumns{}),
	Missings:       parquet.SchemaOf(missingColumns{}),
	Unindexeds:     parquet.SchemaOf(unindexedColumns{}),
	UnindexedKeeps: parquet.SchemaOf(unindexedKeptColumns{}),
	NearMisses:     parquet.SchemaOf(nearMissColumns{}),
	Ripes:          parquet.SchemaOf(ripeColumns{}),
	Transitions:    parquet.SchemaOf(transitionColumns{}),
	Askeds:         parquet.SchemaOf(askedColumns{}),
	KeptsByHand:    parquet.SchemaOf(keptByHandColumns{}),
	LinksByHand:    parquet.SchemaOf(linkedByHandColumns{}),

	Scans: parquet.SchemaOf(scanRow{}),
}
