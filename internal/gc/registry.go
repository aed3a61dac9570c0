package gc

import (
	"context"

	"cooper"
	"cooper/internal/config"
	"cooper/internal/query"
)

// Unregistered gives the links that a scan has found by other associations than the registry, and
// that the registry does not have under the association's name as its type: association, object, and the handle, as
// lists write it.
func Unregistered(ctx context.Context, e query.Engine, scan string, f func(association, object, handle string) error) error {
	const sql = resolved + `SELECT DISTINCT f.association, f.object, f.handle FROM found f WHERE f.association <> '` + config.RegistryName + `'
		AND NOT EXISTS (SELECT 1 FROM found r WHERE r.association = '` + config.RegistryName + `' AND r.handle = f.handle AND r.object = f.association || '/' || f.object) ORDER BY ALL`
	return query.Each(ctx, e, sql, []any{scan}, func(row []any) error {
		x := &fields{row: row}
		association, object, handle := x.text(), x.text(), x.text()
		if x.err != nil {
			return x.err
		}
		return f(association, object, handle)
	})
}

// Disagreed gives the handles to which, by a scan, either the registry alone has a link or the other
// associations alone have one.
func Disagreed(ctx context.Context, e query.Engine, scan string, f func(handle string, registry bool) error) error {
	const sql = resolved + `SELECT handle, bool_and(association = '` + config.RegistryName + `') FROM found GROUP BY handle
		HAVING bool_and(association = '` + config.RegistryName + `') OR bool_and(association <> '` + config.RegistryName + `') ORDER BY ALL`
	return query.Each(ctx, e, sql, []any{scan}, func(row []any) error {
		x := &fields{row: row}
		handle, registry := x.text(), take[bool](x)
		if x.err != nil {
			return x.err
		}
		return f(handle, registry)
	})
}

// BeganToRead is the database's clock when the first range of a scan was begun.
func BeganToRead(ctx context.Context, e query.Engine, scan string) (began cooper.Instant, err error) {
	err = ask(ctx, e, "SELECT min(clock) FROM gc_range WHERE scan = $1", []any{scan}, func(f *fields) { began = f.moment() })
	if err == nil && began <= 0 {
		err = &cooper.Error{Kind: cooper.KindInvalid, Where: scan, Message: "the scan does not say when it began", Remedy: "Scan anew: cooper gc scan"}
	}
	return began, err
}
