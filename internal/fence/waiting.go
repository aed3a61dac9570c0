package fence

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"cooper"
	"cooper/internal/database"
)

// often is how long Settle waits between two looks.
const often = 200 * time.Millisecond

// Mark notes the transactions that are open: what was closed before may not be known to them. Those of
// earlier marks that are still open stay noted.
func (f *Fence) Mark(ctx context.Context) error {
	if a := f.opt.Config.Archive; a != nil && a.Locked {
		return nil // whoever has checked the status has locked the row: closing it has waited for him
	}
	open, err := f.transactions(ctx)
	if err != nil {
		return err
	}
	for id, begun := range f.open {
		if open[id] != begun {
			delete(f.open, id)
		}
	}
	if f.open == nil {
		f.open = map[string]string{}
	}
	maps.Copy(f.open, open)
	return nil
}

// Settle returns once each transaction that was open at the last Mark has ended. After the patience it is
// KindTimeout, and names one that has not.
func (f *Fence) Settle(ctx context.Context) error {
	for until := f.opt.Clock().Add(f.opt.Patience); ; {
		if len(f.open) == 0 {
			return nil
		}
		now, err := f.transactions(ctx)
		if err != nil {
			return err
		}
		for id, begun := range f.open {
			if now[id] != begun {
				delete(f.open, id)
			}
		}
		if len(f.open) > 0 && !f.opt.Clock().Before(until) {
			one := ""
			for id := range f.open {
				one = max(one, id)
			}
			return &cooper.Error{Kind: cooper.KindTimeout, Where: f.opt.Config.Database.PlaceOf(""),
				Message: fmt.Sprintf("%d transactions that began before handles were closed have not ended in %s; one is %s, since %s", len(f.open), f.opt.Patience, one, f.open[one]),
				Remedy:  "See what it waits for, or end it; then give the command again."}
		}
		if len(f.open) == 0 {
			return nil
		}
		if err := f.opt.Wait(ctx, often); err != nil {
			return err
		}
	}
}

// transactions are those that are open, without our own: when each began, as the server writes it.
// A thread or process that has ended one and begun another is seen by that.
//
// SQLite has none that matter: who wrote the status had the file to himself, and one that has read before
// cannot write any more.
func (f *Fence) transactions(ctx context.Context) (map[string]string, error) {
	var sql string
	switch f.server.Engine {
	case database.SQLite:
		return nil, nil
	case database.PostgreSQL:
		rows, err := f.ask(ctx, "SELECT pg_has_role(current_user, 'pg_read_all_stats', 'USAGE')")
		if err != nil {
			return nil, err
		}
		if len(rows) != 1 || rows[0][0].String() != "true" && rows[0][0].String() != "t" {
			return nil, &cooper.Error{Kind: cooper.KindDenied, Where: f.opt.Config.Database.PlaceOf(""), Message: "the user cannot see the transactions of others",
				Remedy: "GRANT pg_read_all_stats TO the user; or have the owner's program lock the handle's row when it checks its status, and declare archive: {links: locked}."}
		}
		sql = "SELECT 'process ' || pid, xact_start::text FROM pg_stat_activity WHERE xact_start IS NOT NULL AND pid <> pg_backend_pid() AND (datname IS NULL OR datname = current_database())" +
			" AND backend_type NOT IN ('autovacuum worker', 'autovacuum launcher', 'walsender', 'checkpointer')" +
			" UNION ALL SELECT 'prepared ' || gid, prepared::text FROM pg_prepared_xacts WHERE database = current_database()"
	default:
		return f.innodb(ctx)
	}
	rows, err := f.ask(ctx, sql)
	if err != nil {
		return nil, err
	}
	return each(rows), nil
}

// each maps who has a transaction to when it began.
func each(rows [][]database.Value) map[string]string {
	open := map[string]string{}
	for _, row := range rows {
		open[row[0].String()] = row[1].String()
	}
	return open
}

// How long InnoDB shows its transactions as they were, and how often one looks again.
const (
	stale = 110 * time.Millisecond
	looks = 100
)

// innodb asks InnoDB. What it shows is a copy, made anew only if nobody has read it for 100 ms (CACHE_MIN_IDLE_TIME_NS in
// trx0i_s.cc of MySQL and MariaDB): whoever reads it more often keeps it old. It is of now only if our own question
// stands in it.
func (f *Fence) innodb(ctx context.Context) (map[string]string, error) {
	for range looks {
		f.asked++
		mark := fmt.Sprintf("cooper %d %d", f.opt.Clock().UnixNano(), f.asked)
		rows, err := f.ask(ctx, "SELECT CASE WHEN trx_mysql_thread_id = 0 THEN CONCAT('transaction ', trx_id) ELSE CONCAT('thread ', trx_mysql_thread_id) END, trx_started,"+
			" trx_mysql_thread_id = CONNECTION_ID(), trx_mysql_thread_id = CONNECTION_ID() AND trx_query LIKE '%"+mark+"%' FROM information_schema.INNODB_TRX")
		if cooper.KindOf(err) == cooper.KindDenied || err != nil && strings.Contains(err.Error(), "PROCESS") {
			return nil, &cooper.Error{Kind: cooper.KindDenied, Where: f.opt.Config.Database.PlaceOf(""), Message: "the user cannot see the transactions of others", Err: err,
				Remedy: "GRANT PROCESS ON *.* TO the user; or have the owner's program lock the handle's row when it checks its status, and declare archive: {links: locked}."}
		}
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(rows, func(row []database.Value) bool { return row[3].String() == "1" }) {
			return each(slices.DeleteFunc(rows, func(row []database.Value) bool { return row[2].String() == "1" })), nil
		}
		if err := pass(ctx, stale); err != nil {
			return nil, err
		}
	}
	return nil, &cooper.Error{Kind: cooper.KindTimeout, Where: f.opt.Config.Database.PlaceOf(""), Message: "the server shows no transactions as they are now: somebody reads information_schema.INNODB_TRX all the time, which keeps it old",
		Remedy: "Have whatever watches the server ask less often than ten times a second, then give the command again."}
}
