package detect

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"os"
	"slices"
	"time"

	"cooper"
	"cooper/internal/gcstate"
	"cooper/internal/ledger/gcfacts"
)

// What becomes of an object of which a handle may be archived, in gcfacts.Ripe.Verdict.
const (
	MayGo    = "archive" // all of its handles may be archived, or are
	Delayed  = "delayed" // others still need it
	TooSmall = "small"   // in the archive it would cost more
	NoObject = "missing" // its bucket does not have it
	NotTold  = "unknown" // the inventory cannot tell of it

	// Of one that is in the archive alone, and of which a handle has been there for archive.keep:
	MayBeDeleted = "delete"         // all of its handles have
	StaysThere   = "delete-delayed" // something keeps one of them, or something is in its place
)

// Verdicts are all of them.
var Verdicts = []string{MayGo, Delayed, TooSmall, NoObject, NotTold, MayBeDeleted, StaysThere}

// FigureOf is the name of the figure that has how many objects there are of which something is so, and their bytes.
func FigureOf(verdict string) string { return "ripe-" + verdict }

// margin is how long after a handle was closed a scan must have begun, so that it has seen all links
// that were made before: transactions are waited for, and clocks differ.
const margin = 20 * time.Minute

// ripeRow is a handle without a link that may be archived, or is.
type ripeRow struct {
	Kind    string         `json:"kind"`
	ID      string         `json:"id"`
	Status  gcstate.Status `json:"status"`
	Changed int64          `json:"changed"` // it, its status, or its object
	// Expired: it has been ARCHIVED for archive.keep, and nothing keeps it.
	Expired bool `json:"expired"`
}

// ripening keeps handles that may be archived until it is asked about their objects.
type ripening struct {
	file *os.File
	buf  *bufio.Writer
	enc  *json.Encoder
	rows int64
}

// open makes the place where they are kept; done removes it.
func (r *ripening) open(dir string) (done func() error, err error) {
	if r.file, err = os.CreateTemp(dir, "cooper-ripe-*.json"); err != nil {
		return nil, local(err)
	}
	r.buf = bufio.NewWriterSize(r.file, 1<<16)
	r.enc = json.NewEncoder(r.buf)
	return func() error { return local(errors.Join(r.file.Close(), os.Remove(r.file.Name()))) }, nil
}

// ripen notes a handle without a link that is not AVAILABLE, if it may be archived, or is.
func (d *detection) ripen(h *handle, status gcstate.Status) error {
	row := ripeRow{Kind: h.branch.name, ID: h.id, Status: status, Changed: int64(h.changed)}
	is := false
	switch status {
	case gcstate.Unlinked:
		is = d.unripe(h, d.looked.ago(d.Config.Archive.After)) == ""
	case gcstate.Archiving: // it was ripe; what was found since is found again. A key that was written since is another object
		is = d.unripe(h, cooper.Instant(1)<<62) == "" && h.written < d.looked.ago(d.Config.Archive.After)
	case gcstate.Archived:
		is = h.flags&wasLinked == 0
		if keep := d.Config.Archive.Keep; keep > 0 {
			row.Expired = d.unripe(h, d.looked.ago(keep)) == ""
		}
	case gcstate.Deleted:
		is = h.flags&wasLinked == 0
	}
	if !is {
		return nil
	}
	d.ripe.rows++
	return local(d.ripe.enc.Encode(row))
}

// unripe is why a handle that is UNLINKED may not be archived yet, or one that is ARCHIVED not be deleted; empty if it
// may. It must have been so, and unchanged, since before a time.
func (d *detection) unripe(h *handle, before cooper.Instant) string {
	said := d.said(h)
	c := d.kind(h.branch.name)
	switch why := d.protects(h); {
	case why != "":
		return why
	case d.Asked != nil && d.Asked(h.branch.name, h.id):
		return AskedFor
	case h.changed == 0:
		return TimeUnknown
	case h.changed >= before:
		return Young
	case h.flags&isKept != 0:
		return KeptByHand
	case d.Incomplete != nil && d.Incomplete(h.branch.name, h.created):
		return RegistryLacks
	case h.flags&wasLinked != 0:
		return NotInAllScans
	case c != nil && c.Status != nil && c.Status.Write && said == gcstate.Available:
		return Contradicted
	case c != nil && c.Status != nil && h.status == "" && c.Status.Changed != nil && (c.Modified == nil || c.Status.Changed.Column != c.Modified.Column):
		return TimeUnknown // since when it is UNLINKED stands in a column that no scan reads
	}
	return ""
}

// said is what the owner says of a handle.
func (d *detection) said(h *handle) gcstate.Status {
	if h.flags&isOther == 0 {
		return gcstate.Available
	}
	if c := d.kind(h.branch.name); c != nil && c.Status != nil {
		return gcstate.Status(c.Status.State(h.said))
	}
	return gcstate.Available
}

// archivable lists the objects of handles that may be archived, each with all of its handles; and those that are in the
// archive alone, and of which a handle has been there for long enough.
func (d *detection) archivable(ctx context.Context) error {
	a := d.Config.Archive
	if a == nil || d.ripe.rows == 0 {
		return nil
	}
	if err := d.ripe.buf.Flush(); err != nil {
		return local(err)
	}
	ripe := "read_json(" + text(d.ripe.file.Name()) + ", format = 'newline_delimited', columns = {kind: 'VARCHAR', id: 'VARCHAR', status: 'VARCHAR', changed: 'BIGINT', expired: 'BOOLEAN'})"
	q := &question{}
	q.table("ripe", "SELECT * FROM "+ripe)
	handles := "gc_handle WHERE scan = " + text(d.looked.newest) + " AND bucket IS NOT NULL AND key_bytes IS NOT NULL"
	q.table("object", "SELECT h.bucket, h.key, h.key_bytes, bool_and(r.expired) AS away FROM (SELECT * FROM "+handles+" AND candidate) h JOIN (SELECT * FROM ripe WHERE expired OR status IN ('"+string(gcstate.Unlinked)+"', '"+string(gcstate.Archiving)+"')) r ON r.kind = h.kind AND r.id = h.id GROUP BY ALL")
	var plain []string
	told := map[string]bool{}
	for _, c := range d.Config.Buckets {
		b := d.bucket(c.Name)
		if why := d.unknown(b, gcfacts.Missings); why != "" {
			d.found.Unknown = append(d.found.Unknown, gcfacts.Unknown{List: gcfacts.Ripes, Bucket: c.Name, Why: why})
			continue
		}
		told[c.Name] = true
		plain = append(plain, "SELECT "+text(b.name)+" AS bucket, key FROM ("+shown("key", b.id, "")+")")
	}
	q.table("wanted", "SELECT bucket, key FROM object UNION SELECT bucket, key || '"+suffix+"' FROM object UNION SELECT bucket, left(key, -4) FROM object WHERE ends_with(key, '"+suffix+"')")
	q.table("plain", "SELECT DISTINCT bucket, key FROM ("+union("SELECT NULL::VARCHAR AS bucket, NULL::VARCHAR AS key WHERE false", plain...)+") SEMI JOIN wanted USING (bucket, key)")
	q.table("there", "SELECT bucket, key FROM plain UNION SELECT bucket, left(key, -4) FROM plain WHERE ends_with(key, '"+suffix+"')")
	// Where KEY is gone and KEY.zst stands for it, handles of both names have these bytes alone.
	q.table("alike", `SELECT o.bucket, o.key, o.key_bytes, o.key || '`+suffix+`' AS other FROM object o WHERE NOT o.away AND (o.bucket, o.key) NOT IN (FROM plain) AND (o.bucket, other) IN (FROM plain)
		UNION ALL SELECT o.bucket, o.key, o.key_bytes, left(o.key, -4) FROM object o WHERE NOT o.away AND ends_with(o.key, '`+suffix+`') AND (o.bucket, o.key) IN (FROM plain) AND (o.bucket, left(o.key, -4)) NOT IN (FROM plain)`)
	// Handles of scans beside the newest, which may be younger, need their objects as well.
	scans := "(SELECT * FROM gc_handle WHERE " + oneOf("scan", d.looked.now) + ")"
	q.table("holder", "SELECT DISTINCT h.kind, h.id, h.bucket, h.key, h.key_bytes, o.away, false AS alike, max(h.size) AS size FROM "+scans+` h JOIN object o ON o.bucket = h.bucket AND o.key_bytes = h.key_bytes GROUP BY ALL
		UNION ALL SELECT DISTINCT h.kind, h.id, o.bucket, o.key, o.key_bytes, false, true, NULL FROM `+scans+" h JOIN alike o ON o.bucket = h.bucket AND o.other = h.key WHERE NOT EXISTS (SELECT 1 FROM ripe r WHERE r.kind = h.kind AND r.id = h.id AND r.status IN ('"+string(gcstate.Archived)+"', '"+string(gcstate.Deleted)+"'))")
	q.table("whole", `SELECT h.bucket, h.key, h.key_bytes, h.kind, h.id, r.status, r.changed AS since, h.away,
		CASE WHEN h.away THEN NOT coalesce(r.expired, false) ELSE h.alike OR r.kind IS NULL END AS delays, bool_or(delays) OVER each AS delayed, max(h.size) OVER each AS size, max(r.changed) OVER each AS changed
		FROM holder h LEFT JOIN ripe r ON r.kind = h.kind AND r.id = h.id WINDOW each AS (PARTITION BY h.bucket, h.key_bytes)`)
	sql := q.ask(`SELECT w.bucket, w.key_bytes, w.size, w.changed, w.away, w.delayed, w.delays, t.key IS NOT NULL, w.kind, w.id, w.status, w.since
		FROM whole w LEFT JOIN there t ON t.bucket = w.bucket AND t.key = w.key ORDER BY w.bucket, w.key_bytes, w.kind, TRY_CAST(w.id AS BIGINT), w.id`)
	d.figures.ripe = map[string]amount{}
	var last [2]string
	return d.ask(ctx, sql, nil, func(f *fields) error {
		r := gcfacts.Ripe{Bucket: f.text(), Key: string(f.bytes()), Size: f.natural()}
		changed, away, delayed, delays, there := f.moment(), f.flag(), f.flag(), f.flag(), f.flag()
		r.Delays, r.Kind, r.ID, r.Status, r.Since = delays, f.text(), f.text(), f.text(), f.moment()
		if f.err != nil {
			return f.err
		}
		b := d.bucket(r.Bucket)
		switch {
		case !told[r.Bucket]:
			r.Verdict = NotTold
		case away && (delayed || there || b.rejected[r.Key]):
			r.Verdict = StaysThere
		case away:
			r.Verdict = MayBeDeleted
		case !there && (changed > b.settled || b.rejected[r.Key]):
			r.Verdict = NotTold
		case !there:
			r.Verdict = NoObject
		case delayed:
			r.Verdict = Delayed
		case r.Size >= 0 && r.Size < a.Smallest:
			r.Verdict = TooSmall
		default:
			r.Verdict = MayGo
		}
		r.Cleared = slices.Contains([]gcstate.Status{gcstate.Archiving, gcstate.Archived}, gcstate.Status(r.Status)) && r.Since.Time().Add(margin).Before(d.looked.clock.Time())
		if at := [2]string{r.Bucket, r.Key}; at != last { // the rows of an object stand together
			last = at
			n := d.figures.ripe[r.Verdict]
			n.add(r.Size)
			d.figures.ripe[r.Verdict] = n
		}
		return d.to.Ripe(r)
	})
}
