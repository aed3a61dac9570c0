package inventory

import (
	"strings"
	"unsafe"

	"cooper"
	"cooper/internal/inventory/ident"
)

// batchRows is how many rows share the memory of their strings: who keeps one
// string of a version keeps those of so many.
const batchRows = 1 << 10

// decode reads the next rows, as many as there is room for.
func (c *columns) decode(rows []cooper.Version) {
	n := len(rows)
	c.list[colKey].keys(rows)
	if c.omit&FieldVersionID == 0 {
		identifiers(&c.list[colVersionID], &c.list[colVersionText], rows, ident.VersionIDSize, ident.AppendVersionID,
			func(v *cooper.Version, s string) { v.VersionID = s })
	}
	if c.omit&FieldETag == 0 {
		identifiers(&c.list[colETag], &c.list[colETagText], rows, ident.ETagSize, ident.AppendETag,
			func(v *cooper.Version, s string) { v.ETag = s })
	}
	sizes := c.list[colSize].numbers(n)
	times := c.list[colLastModified].numbers(n)
	latest, deleted := c.list[colIsLatest].values.Boolean(), c.list[colDeleteMarker].values.Boolean()
	for i := range rows {
		v := &rows[i]
		v.Size, v.LastModified = sizes[i], 0
		if !c.list[colLastModified].null(i) {
			v.LastModified, times = cooper.Instant(times[0]), times[1:]
		}
		v.Latest = c.list[colIsLatest].flag(latest, i)
		v.DeleteMarker = c.list[colDeleteMarker].flag(deleted, i)
	}
	c.classes(rows)
}

func (c *columns) classes(rows []cooper.Version) {
	storage, tier := &c.list[colStorageClass], &c.list[colTier]
	encryption, checksum := &c.list[colEncryption], &c.list[colChecksum]
	s, t, e, k := storage.indexes(), tier.indexes(), encryption.indexes(), checksum.indexes()
	for i := range rows {
		v := &rows[i]
		v.StorageClass = storage.dictionary[s[i]]
		v.Tier = tier.dictionary[t[i]]
		v.Encryption = encryption.dictionary[e[i]]
		v.Checksum = checksum.dictionary[k[i]]
	}
}

// keys fills in the keys.
func (c *column) keys(rows []cooper.Version) {
	data, offsets := c.texts(len(rows))
	base := offsets[0]
	all := string(data[base:offsets[len(rows)]])
	for i := range rows {
		rows[i].Key = all[offsets[i]-base : offsets[i+1]-base]
	}
}

// identifiers fills in what ident split into two columns.
func identifiers(bin, text *column, rows []cooper.Version, size int,
	join func(dst, bin []byte, text string) []byte, set func(*cooper.Version, string),
) {
	n := len(rows)
	fixed := bin.fixed(n, size)
	data, offsets := text.texts(n)
	// Exactly as much as is appended: a slab that moved would be kept twice.
	room := 32*bin.present(n) + int(offsets[text.present(n)]-offsets[0])
	slab := make([]byte, 0, room)
	for i := range rows {
		at := len(slab)
		if !bin.null(i) {
			slab = join(slab, fixed[:size], "")
			fixed = fixed[size:]
		}
		if !text.null(i) {
			slab = append(slab, data[offsets[0]:offsets[1]]...)
			offsets = offsets[1:]
		}
		set(&rows[i], view(slab[at:]))
	}
}

// view is b as a string without copying. b must never change again.
func view(b []byte) string {
	if len(b) == 0 {
		return ""
	}
	return unsafe.String(unsafe.SliceData(b), len(b))
}

// selects tells whether a sorted file or group that begins with key first and
// ends with key last can hold keys that o selects, and whether those behind it
// can.
func (o *IterOptions) selects(first, last string) (here, behind bool) {
	behind = last < o.Prefix || strings.HasPrefix(last, o.Prefix)
	here = last >= o.Prefix && (first <= o.Prefix || strings.HasPrefix(first, o.Prefix))
	return here && last >= o.From && (o.To == "" || first < o.To), behind && (o.To == "" || last < o.To)
}

// holds tells whether o selects key.
func (o *IterOptions) holds(key string) bool {
	return cooper.HasPrefix(key, o.Prefix) && key >= o.From && (o.To == "" || key < o.To)
}
