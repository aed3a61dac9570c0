package detect

import (
	"context"
	"strings"

	"cooper/internal/ledger/gcfacts"
)

// unindexed lists the objects of a bucket that no handle names.
func (d *detection) unindexed(ctx context.Context, b *bucket) error {
	q := &question{}
	handles := "gc_handle WHERE " + oneOf("scan", d.looked.now)
	q.inline("named", "SELECT key FROM "+handles+" AND bucket = "+text(b.name)+" AND key IS NOT NULL")
	q.inline("object", "SELECT key, version_id, size, epoch_ms(last_modified) AS made_at, is_delete_marker FROM version WHERE snapshot = "+text(b.id)+" AND is_latest")
	q.table("free", "SELECT key, min(version_id) AS version_id, max(size) AS size, max(made_at) AS made_at, count(*) AS latest FROM object ANTI JOIN named USING (key) GROUP BY key HAVING bool_or(NOT is_delete_marker)")
	q.inline("top", "SELECT DISTINCT CASE WHEN contains(key, '/') THEN left(key, strpos(key, '/')) ELSE '' END AS folder FROM named")
	q.inline("made", made(b.name))
	// What Cooper has made of an object: by the ledger, or by the name. It is kept whether or not the object is there,
	// too: beside it stands what was compressed by a run that keeps originals, or that did not come to its end.
	q.inline("indexed", "SELECT made.stored_key AS key FROM made SEMI JOIN named ON named.key = made.key WHERE made.stored_key <> made.key")
	q.inline("packed", "SELECT key, left(key, -4) AS plain FROM free WHERE ends_with(key, '"+suffix+"')")
	q.inline("of_handle", "SELECT packed.key FROM packed SEMI JOIN named ON named.key = packed.plain")
	sql := q.ask(`SELECT free.key, free.version_id, free.size, free.made_at, CAST(free.latest AS BIGINT), of_handle.key IS NOT NULL, top.folder IS NOT NULL
		FROM free ANTI JOIN indexed USING (key) LEFT JOIN of_handle USING (key)
		LEFT JOIN top ON top.folder = CASE WHEN contains(free.key, '/') THEN left(free.key, strpos(free.key, '/')) ELSE '' END
		ORDER BY free.key`)
	s := strangers{detection: d, b: b, known: share{what: "objects of " + b.name, found: b.meta.Latest, all: b.meta.Latest}}
	err := d.ask(ctx, sql, nil, func(f *fields) error {
		o := stranger{Unindexed: gcfacts.Unindexed{Bucket: b.name, Key: f.text(), Version: f.text(), Size: f.natural(), Modified: f.moment()}}
		latest, madeOf := f.number(), f.flag()
		if o.lived = f.flag(); f.err != nil {
			return f.err
		}
		o.why = d.leaves(b, &o.Unindexed, latest, madeOf)
		return s.add(ctx, &o)
	})
	if err == nil {
		err = s.flush(ctx)
	}
	d.shares = append(d.shares, s.known)
	return err
}

// stranger is an object that no handle names.
type stranger struct {
	gcfacts.Unindexed
	why   string // it is left alone; empty if it is not
	lived bool   // a handle lives in its folder
}

// strangers are told in batches: a store is asked about some at once.
type strangers struct {
	*detection
	b     *bucket
	known share // of the bucket's objects
	batch []stranger
}

func (s *strangers) add(ctx context.Context, o *stranger) error {
	if s.batch = append(s.batch, *o); len(s.batch) < batch {
		return nil
	}
	return s.flush(ctx)
}

func (s *strangers) flush(ctx context.Context) error {
	known, err := s.origins(ctx, s.b.name, s.batch)
	if err != nil {
		return err
	}
	for i := range s.batch {
		if o := &s.batch[i]; !known[o.Key] {
			if err := s.tell(o); err != nil {
				return err
			}
		}
	}
	s.batch = s.batch[:0]
	return nil
}

func (s *strangers) tell(o *stranger) error {
	s.known.found--
	if o.why != "" {
		if o.why != Young {
			s.known.all--
		}
		return s.to.UnindexedKept(gcfacts.UnindexedKept{Bucket: o.Bucket, Key: o.Key, Reason: o.why})
	}
	if !o.lived {
		o.How = NoHandleHere
		s.known.all--
	}
	return s.to.Unindexed(o.Unindexed)
}

// leaves is the first reason for which an object without a handle is left alone; empty if there is
// none.
func (d *detection) leaves(b *bucket, o *gcfacts.Unindexed, latest int64, madeOf bool) string {
	switch {
	case guarded(d.Config.Protect, b.name, o.Key):
		return ProtectedPrefix
	case guarded(d.Config.InFlight, b.name, o.Key):
		return InFlightPrefix
	case o.Modified == 0 || o.Modified >= d.looked.ago(d.Config.Detect.Unmodified):
		return Young
	case ours.MatchString(o.Key):
		return Ours
	case madeOf:
		return MadeOf
	case latest > 1, b.rejected[o.Key], b.meta.Unnamed > 0 && strings.ContainsRune(o.Key, '\uFFFD'):
		return Ambiguous
	}
	return ""
}
