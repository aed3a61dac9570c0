package transact

import (
	"context"
	"strconv"
	"strings"
	"time"

	"cooper"
	"cooper/internal/ownerwrite"
)

// Most is how many links one statement fills in: an engine's limits on what is bound, and on how deep a
// condition may be, allow it, and the owner's program waits no longer than for these.
const Most = 250

// row is what stands for a link in a statement that notes one.
const row = "(:handle, :type, :object, :at)"

// Fill notes links that were there at a time.
func (r *registry) Fill(ctx context.Context, at time.Time, links []ownerwrite.Link) (ended int, err error) {
	const what = "links cannot be filled in"
	err = r.w.within(ctx, what, func(tx Tx) error {
		ended = 0
		for rest := links; len(rest) > 0; {
			n := min(Most, len(rest))
			some, err := r.fill(ctx, tx, at, rest[:n])
			if err != nil {
				return err
			}
			ended, rest = ended+some, rest[n:]
		}
		return nil
	})
	return ended, r.failed(err)
}

func (r *registry) fill(ctx context.Context, tx Tx, at time.Time, links []ownerwrite.Link) (ended int, err error) {
	var rows, each []string
	var args []any
	for i := range links {
		values, err := r.values(&links[i])
		if err != nil {
			return 0, err
		}
		// Both statements bind the same, in the same order.
		text, _ := r.bound(row, args, at, values...)
		rows = append(rows, text)
		text, args = r.bound(r.is(), args, at, values...)
		each = append(each, text)
	}
	fill := strings.Replace(r.sql.Fill, row, strings.Join(rows, ", "), 1)
	fill, _ = r.bound(fill, nil, at)
	if err := tx.Exec(ctx, fill, args...); err != nil {
		return 0, err
	}
	n, _, err := tx.Number(ctx, "SELECT COUNT(*) FROM "+r.name+" WHERE "+r.ended()+" AND ("+strings.Join(each, " OR ")+")", args...)
	return int(n), err
}

// values are what is bound for a link.
func (r *registry) values(l *ownerwrite.Link) ([]any, error) {
	for _, text := range []string{l.Handle, l.Type, l.Object} {
		if strings.IndexByte(text, 0) >= 0 {
			return nil, &cooper.Error{Kind: cooper.KindInvalid, Where: r.table.String(), Message: "a text with a NUL cannot be written: " + cooper.Quote(text)}
		}
	}
	if !r.whole {
		return []any{l.Handle, l.Type, l.Object}, nil
	}
	n, err := strconv.ParseInt(l.Handle, 10, 64)
	if err != nil {
		return nil, &cooper.Error{Kind: cooper.KindInvalid, Where: r.table.String(), Message: cooper.Quote(l.Handle) + " is no number, and the registry's handles are", Err: err}
	}
	return []any{n, l.Type, l.Object}, nil
}

// is is a condition on the row of a link.
func (r *registry) is() string {
	return "(" + r.c.Handle + " = :handle AND " + r.c.Type + " = :type AND " + r.c.Object + " = :object)"
}

func (r *registry) ended() string { return r.c.Unlinked + " > " + r.c.Linked }

// stand asks what the registry says of a link.
func (r *registry) stand(ctx context.Context, tx Tx, values []any) (ownerwrite.Stand, error) {
	text, args := r.bound("SELECT CASE WHEN "+r.ended()+" THEN 1 ELSE 0 END FROM "+r.name+" WHERE "+r.is()+r.w.d.Lock, nil, time.Time{}, values...)
	switch ended, there, err := tx.Number(ctx, text, args...); {
	case err != nil:
		return "", err
	case !there:
		return ownerwrite.Absent, nil
	case ended == 1:
		return ownerwrite.Ended, nil
	}
	return ownerwrite.Linked, nil
}

// Link notes a link that is made now.
func (r *registry) Link(ctx context.Context, l ownerwrite.Link) (ownerwrite.Change, error) {
	return r.change(ctx, &l, r.sql.Link, false)
}

// Unlink notes the end of one.
func (r *registry) Unlink(ctx context.Context, l ownerwrite.Link) (ownerwrite.Change, error) {
	return r.change(ctx, &l, r.sql.Unlink, true)
}

func (r *registry) change(ctx context.Context, l *ownerwrite.Link, statement string, there bool) (c ownerwrite.Change, err error) {
	values, err := r.values(l)
	if err != nil {
		return c, err
	}
	err = r.w.within(ctx, "the registry cannot be written to", func(tx Tx) (err error) {
		if c.Before, err = r.stand(ctx, tx, values); err != nil {
			return err
		}
		if c.Now = c.Before; there && c.Before == ownerwrite.Absent {
			return nil
		}
		text, args := r.bound(statement, nil, time.Time{}, values...)
		if err := tx.Exec(ctx, text, args...); err != nil {
			return err
		}
		c.Now, err = r.stand(ctx, tx, values)
		return err
	})
	return c, r.failed(err)
}
