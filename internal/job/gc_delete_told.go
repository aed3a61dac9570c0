package job

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"cooper"
	"cooper/internal/gc"
	"cooper/internal/gcop"
	"cooper/internal/gcstate"
	"cooper/internal/manifest"
	"cooper/internal/plan"
	"cooper/internal/query"
)

// archiveTells is what manifests of the archive, and the state, tell, where the engine can read it.
type archiveTells struct {
	*deleting
	db    query.Engine
	dir   string
	sound bool // by the inventory something may be absent
	// tables are SQL, by name.
	copies, handles, states, wanted string
}

// toldCopy is a copy of which a manifest tells, toldHandle a handle of one; statused a record of the state.
type (
	toldCopy struct {
		At       string `json:"place"` // its key in the archive
		Version  string `json:"version"`
		Bucket   string `json:"bucket"`
		Key      string `json:"key"`
		For      string `json:"plain"`
		Origin   string `json:"origin"`
		ETag     string `json:"etag"`
		When     int64  `json:"told"`
		Manifest string `json:"manifest"`
		Other    bool   `json:"other"` // of another collection of handles
	}
	toldHandle struct {
		At   string `json:"place"`
		Kind string `json:"kind"`
		ID   string `json:"id"`
	}
	statused struct {
		Kind   string         `json:"kind"`
		ID     string         `json:"id"`
		Status gcstate.Status `json:"status"`
		Since  int64          `json:"since"`
	}
)

// lines is a file of JSON lines.
type lines struct {
	file *os.File
	buf  *bufio.Writer
	enc  *json.Encoder
	rows int64
}

func (t *archiveTells) lines(name string) (*lines, error) {
	f, err := os.Create(filepath.Join(t.dir, name+".json"))
	if err != nil {
		return nil, putAside(err)
	}
	l := &lines{file: f, buf: bufio.NewWriterSize(f, 1<<18)}
	l.enc = json.NewEncoder(l.buf)
	l.enc.SetEscapeHTML(false)
	return l, nil
}

func putAside(err error) error {
	if err == nil {
		return nil
	}
	return &cooper.Error{Kind: cooper.KindInternal, Message: "what the archive tells cannot be put aside", Err: err}
}

func (l *lines) add(x any) error {
	l.rows++
	return putAside(l.enc.Encode(x))
}

// table ends the file, and is SQL for it, with columns and their types.
func (l *lines) table(columns ...[2]string) (string, error) {
	if err := errors.Join(l.buf.Flush(), l.file.Close()); err != nil {
		return "", putAside(err)
	}
	var types, empty []string
	for _, c := range columns {
		types = append(types, c[0]+": '"+c[1]+"'")
		empty = append(empty, "NULL::"+c[1]+" AS "+c[0])
	}
	if l.rows == 0 {
		return "(SELECT " + strings.Join(empty, ", ") + " WHERE false)", nil
	}
	return "read_json(" + query.Text(l.file.Name()) + ", format = 'newline_delimited', columns = {" + strings.Join(types, ", ") + "})", nil
}

// read puts aside what manifests tell, and which handles are ARCHIVED or DELETED. A manifest that cannot be read ends it: nobody
// knows of which handles it tells.
func (t *archiveTells) read(ctx context.Context, s gcstate.State) error {
	copies, err := t.lines("copies")
	if err != nil {
		return err
	}
	handles, err := t.lines("handles")
	if err != nil {
		return err
	}
	states, err := t.lines("states")
	if err != nil {
		return err
	}
	if err := t.manifests(ctx, copies, handles); err != nil {
		return err
	}
	err = s.Walk(ctx, t.forgetting.Scope, []gcstate.Status{gcstate.Archived, gcstate.Deleted}, func(r *gcstate.Record) error {
		return states.add(statused{r.Kind, r.ID, r.Status, int64(r.Since)})
	})
	if err != nil {
		return err
	}
	text := func(names ...string) (all [][2]string) {
		for _, n := range names {
			all = append(all, [2]string{n, "VARCHAR"})
		}
		return all
	}
	if t.copies, err = copies.table(append(text("place", "version", "bucket", "key", "plain", "origin", "etag", "manifest"), [2]string{"told", "BIGINT"}, [2]string{"other", "BOOLEAN"})...); err != nil {
		return err
	}
	if t.handles, err = handles.table(text("place", "kind", "id")...); err != nil {
		return err
	}
	if t.states, err = states.table(append(text("kind", "id", "status"), [2]string{"since", "BIGINT"})...); err != nil {
		return err
	}
	t.wanted, err = t.restores()
	return err
}

// manifests reads those of the archive.
func (t *archiveTells) manifests(ctx context.Context, copies, handles *lines) error {
	return manifest.Each(ctx, t.archive, func(key string, h *manifest.Head, m *manifest.Line) error {
		at := gcop.ArchiveKey(m.Bucket, m.Version.Key)
		for _, x := range m.Handles {
			if err := handles.add(toldHandle{at, x.Kind, x.ID}); err != nil {
				return err
			}
		}
		if m.Key == "" { // a delete marker
			return nil
		}
		return copies.add(toldCopy{At: at, Version: m.VersionID, Bucket: m.Bucket, Key: m.Version.Key, For: m.For, Origin: m.Version.VersionID, ETag: m.Version.ETag, When: int64(h.Time), Manifest: key, Other: h.Scope != t.forgetting.Scope})
	})
}

// mostRestoreAge is for how long the plan of a restore that was not carried out keeps what it would bring back.
const mostRestoreAge = 30 * 24 * time.Hour

// restores is SQL for the keys of objects that plans would bring back, and have not.
func (t *archiveTells) restores() (string, error) {
	ids, err := t.recallsSince(t.forgetting.Bucket, cooper.InstantOf(t.Clock().Add(-mostRestoreAge)))
	if err != nil || len(ids) == 0 {
		return "(SELECT NULL::VARCHAR AS place WHERE false)", err
	}
	var quoted []string
	for _, id := range ids {
		quoted = append(quoted, query.Text(id))
	}
	in := " IN (" + strings.Join(quoted, ", ") + ")"
	return "(SELECT a.key AS place FROM action a ANTI JOIN (SELECT plan, action FROM outcome WHERE plan" + in + " AND status = 'done') o ON o.plan = a.plan AND o.action = a.id WHERE a.plan" + in + " AND a.verb = " + query.Text(gcop.Recall) + ")", nil
}

// recallsSince are the plans that bring back from an archive and were made since a time.
func (w *work) recallsSince(bucket string, since cooper.Instant) (some []string, err error) {
	ids, err := w.ws.Plans()
	if err != nil {
		return nil, err
	}
	for _, id := range slices.Backward(ids) {
		p, err := plan.Open(w.ws.PlanDir(id))
		if err != nil {
			return nil, err
		}
		h := p.Header()
		if r, err := gcop.RecallingOf(&h); err == nil && r.Bucket == bucket && h.Created >= since {
			some = append(some, id)
		}
	}
	return some, nil
}

// named adds common tables: object, of which manifests tell; named, the handles that name each, by the scans that count.
func (t *archiveTells) common() string {
	var scans []string
	for _, s := range t.detection.Scans {
		scans = append(scans, query.Text(s))
	}
	return `WITH copy AS (SELECT * FROM ` + t.copies + `), handle AS (SELECT DISTINCT * FROM ` + t.handles + `),
		object AS MATERIALIZED (SELECT place, any_value(bucket) AS bucket, any_value(key) AS key, max(plain) AS plain FROM copy GROUP BY place),
		filed AS MATERIALIZED (SELECT DISTINCT kind, id, bucket, key FROM gc_handle WHERE scan IN (` + strings.Join(scans, ", ") + `) AND bucket IS NOT NULL AND key IS NOT NULL),
		own AS MATERIALIZED (SELECT o.place, f.kind, f.id FROM object o JOIN filed f ON f.bucket = o.bucket AND f.key = o.key),
		made AS (SELECT place, bucket, CASE WHEN plain <> '' THEN plain ELSE left(key, -4) END AS key FROM object WHERE plain <> '' OR ends_with(key, '.zst') AND place NOT IN (SELECT place FROM own)),
		named AS MATERIALIZED (SELECT place, kind, id FROM own UNION SELECT o.place, f.kind, f.id FROM made o JOIN filed f ON f.bucket = o.bucket AND f.key = o.key)
	`
}

// stored are the objects of which manifests tell, by their key in the archive.
func (t *archiveTells) stored(ctx context.Context) iter.Seq2[gc.Stored, error] {
	type row struct {
		at, bucket, key, plain string
		gc.StoredCopy
		gc.StoredHandle
		handle, returning, other bool
	}
	sql := t.common() + `, ready AS MATERIALIZED (SELECT bucket, key, kind, id, bool_or(cleared) AS cleared FROM gc_ripe WHERE detection = $1 AND verdict = 'delete' GROUP BY ALL),
		each AS (SELECT coalesce(n.place, h.place) AS place, coalesce(n.kind, h.kind) AS kind, coalesce(n.id, h.id) AS id, h.place IS NOT NULL AS told, n.place IS NOT NULL AS named
			FROM named n FULL JOIN handle h ON h.place = n.place AND h.kind = n.kind AND h.id = n.id),
		spelled AS (SELECT place, bucket, key FROM object UNION SELECT place, bucket, plain FROM object WHERE plain <> '' UNION SELECT place, bucket, left(key, -4) FROM object WHERE ends_with(key, '.zst')),
		due AS (SELECT s.place, r.kind, r.id, bool_or(r.cleared) AS cleared FROM spelled s JOIN ready r ON r.bucket = s.bucket AND r.key = s.key GROUP BY ALL),
		judged AS (SELECT e.place, e.kind, e.id, e.told, e.named, d.place IS NOT NULL AS expired, coalesce(d.cleared, false) AS cleared
			FROM each e SEMI JOIN object o ON o.place = e.place LEFT JOIN due d ON d.place = e.place AND d.kind = e.kind AND d.id = e.id),
		asked AS (SELECT place FROM ` + t.wanted + `), wanted AS (SELECT o.place FROM object o SEMI JOIN asked a ON a.place = o.place
			UNION SELECT o.place FROM object o SEMI JOIN asked a ON a.place = o.bucket || '/' || o.plain WHERE o.plain <> '')
		SELECT place, bucket, key, plain, version, origin, etag, manifest, told, NULL, NULL, NULL, NULL, NULL, NULL, false, place IN (SELECT place FROM wanted), other FROM copy
		UNION ALL SELECT place, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, kind, id, told, named, expired, cleared, true, false, false FROM judged
		ORDER BY ALL`
	rows := rowsOf(ctx, t.db, func(cols []any) (r row, err error) {
		var when int64
		err = filled(cols, &r.at, &r.bucket, &r.key, &r.plain, &r.VersionID, &r.Origin, &r.ETag, &r.Manifest, &when, &r.Kind, &r.ID, &r.Told, &r.Named, &r.Expired, &r.Cleared, &r.handle, &r.returning, &r.other)
		r.At = cooper.Instant(when)
		return r, err
	}, sql, t.detection.ID)
	return func(yield func(gc.Stored, error) bool) {
		var x gc.Stored
		at := ""
		for r, err := range rows {
			if err != nil {
				yield(x, err)
				return
			}
			if r.at != at {
				if at != "" && !yield(x, nil) {
					return
				}
				x, at = gc.Stored{}, r.at
			}
			if r.handle {
				x.Handles = append(x.Handles, r.StoredHandle)
				continue
			}
			x.Bucket, x.Key, x.Returning, x.Other = r.bucket, r.key, x.Returning || r.returning, x.Other || r.other
			if r.plain != "" {
				x.For = r.plain
			}
			x.Copies = append(x.Copies, r.StoredCopy)
		}
		if at != "" {
			yield(x, nil)
		}
	}
}

// settled is how long before an inventory a handle must have been ARCHIVED to be missed in it: clocks differ, and what was just
// written may not be in it yet.
const settled = time.Hour

// gone are the handles whose copies the inventory does not have, or has again, by object.
func (t *archiveTells) gone(ctx context.Context) iter.Seq2[gc.Gone, error] {
	if !t.sound {
		return func(func(gc.Gone, error) bool) {}
	}
	taken := t.forgetting.Taken.Time()
	sql := t.common() + `, state AS MATERIALIZED (SELECT * FROM ` + t.states + `),
		there AS MATERIALIZED (SELECT key AS place, coalesce(version_id, 'null') AS version, epoch_ms(last_modified) AS written FROM version WHERE snapshot = $1 AND NOT is_delete_marker),
		places AS (SELECT s.kind, s.id, f.bucket, f.key, f.bucket || '/' || f.key AS place FROM state s JOIN filed f ON f.kind = s.kind AND f.id = s.id
			UNION SELECT s.kind, s.id, o.bucket, CASE WHEN o.plain <> '' THEN o.plain ELSE o.key END, o.place FROM state s JOIN handle h ON h.kind = s.kind AND h.id = s.id JOIN object o ON o.place = h.place),
		every AS (SELECT * FROM places UNION SELECT kind, id, bucket, key, place || '.zst' FROM places),
		gone AS (SELECT e.kind, e.id, min(struct_pack(bucket := e.bucket, key := e.key)) AS spot, bool_or(e.place IN (SELECT key FROM outcome WHERE verb = ` + query.Text(gcop.Forget) + ` AND status = 'done')) AS ours
			FROM every e JOIN state s ON s.kind = e.kind AND s.id = e.id LEFT JOIN (SELECT DISTINCT place FROM there) t ON t.place = e.place
			WHERE s.status = 'ARCHIVED' AND s.since < $2 GROUP BY e.kind, e.id HAVING count(t.place) = 0),
		again AS (SELECT s.kind, s.id, min(struct_pack(bucket := o.bucket, key := CASE WHEN o.plain <> '' THEN o.plain ELSE o.key END)) AS spot
			FROM state s JOIN handle h ON h.kind = s.kind AND h.id = s.id JOIN object o ON o.place = h.place JOIN copy c ON c.place = h.place
			JOIN there t ON t.place = c.place AND t.version = CASE WHEN c.version IN ('', 'null') THEN 'null' ELSE c.version END AND (t.version <> 'null' OR t.written <= c.told + 3600000)
			WHERE s.status = 'DELETED' AND s.since < $3 GROUP BY s.kind, s.id)
		SELECT spot.bucket AS b, spot.key AS k, kind, id, 'vanish' AS event, ours FROM gone UNION ALL SELECT spot.bucket, spot.key, kind, id, 'seen-again', false FROM again ORDER BY b, k, event, ours, kind, id`
	return rowsOf(ctx, t.db, func(cols []any) (g gc.Gone, err error) {
		var event string
		err = filled(cols, &g.Bucket, &g.Key, &g.Kind, &g.ID, &event, &g.Ours)
		g.Event = gcstate.Event(event)
		return g, err
	}, sql, t.forgetting.Snapshot, int64(cooper.InstantOf(taken.Add(-settled))), int64(t.forgetting.Taken))
}

// afterPlan refuses a plan that deletes once a restore was planned after it.
func (w *work) afterPlan(h *plan.Header, bucket string) error {
	since, err := w.recallsSince(bucket, h.Created)
	if err == nil && len(since) > 0 {
		err = &cooper.Error{Kind: cooper.KindRefused, Where: "plan " + h.ID, Message: fmt.Sprintf("a restore was planned since: %s", since[0]), Remedy: "Plan again: cooper gc plan delete"}
	}
	return err
}
