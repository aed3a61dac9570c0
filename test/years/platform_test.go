package years

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	_ "modernc.org/sqlite" // the driver of the owner's program

	"cooper/internal/codec"
	"cooper/internal/store/mem"
)

const (
	lab   = "lab"
	depot = "depot"
)

// file is a row of the owner's index of files.
type file struct {
	id     int64
	tenant int
	key    string
	body   []byte // what its reader is to get
}

// place is where something leads to a file.
type place struct {
	table string // posts, notes, pins
	id    int64
}

// rows are what is in the owner's database, written apart.
type rows struct {
	files    map[int64]*file
	links    map[place]int64 // to files
	holds    map[int64]bool  // of files
	variants map[int64]int64 // derived files, and their sources
	pins     bool            // the table of that name is there
	wide     int             // columns that were added
}

func (r *rows) clone() rows {
	c := rows{files: map[int64]*file{}, links: maps.Clone(r.links), holds: maps.Clone(r.holds), variants: maps.Clone(r.variants), pins: r.pins, wide: r.wide}
	for id, f := range r.files {
		x := *f
		c.files[id] = &x
	}
	return c
}

// linked are the files that somebody may ask for: by a link, or since they were made of such a one.
func (r *rows) linked() map[int64]bool {
	all := map[int64]bool{}
	for _, id := range r.links {
		all[id] = r.files[id] != nil
	}
	for again := true; again; {
		again = false
		for of, source := range r.variants {
			if all[source] && r.files[of] != nil && !all[of] {
				all[of], again = true, true
			}
		}
	}
	for id, is := range all {
		if !is {
			delete(all, id)
		}
	}
	return all
}

// backup is a copy of the owner's database.
type backup struct {
	path string
	rows rows
}

// platform is the owner's: his database, his program, and what he knows.
type platform struct {
	rows
	w       *world
	path    string
	db      *sql.DB
	tx      *sql.Conn // his program's transaction, while one is open
	serial  int64
	backups []*backup
	words   words
}

// words are what the column of statuses has.
type words map[string]string

func (w words) of(value string) string {
	for status, v := range w {
		if v == value && status != "ARCHIVING" && status != "RESTORING" && status != "DELETED" {
			return status
		}
	}
	for status, v := range w {
		if v == value {
			return status
		}
	}
	return value
}

func newPlatform(w *world, dir string) *platform {
	p := &platform{w: w, path: filepath.Join(dir, "lab.db"), rows: rows{files: map[int64]*file{}, links: map[place]int64{}, holds: map[int64]bool{}, variants: map[int64]int64{}}}
	p.words = words{"AVAILABLE": "ok", "UNLINKED": "idle", "ARCHIVED": "away"}
	if w.kind.values {
		maps.Copy(p.words, words{"ARCHIVING": "closing", "RESTORING": "coming", "DELETED": "gone"})
	}
	var err error
	p.db, err = sql.Open("sqlite", p.path+"?_pragma=journal_mode(wal)&_pragma=synchronous(off)&_pragma=busy_timeout(200)")
	w.must(err)
	p.db.SetMaxOpenConns(2)
	for _, s := range []string{
		"CREATE TABLE files (id INTEGER PRIMARY KEY, key TEXT NOT NULL, size BIGINT NOT NULL, at DATETIME NOT NULL, state TEXT NOT NULL DEFAULT 'ok')", "CREATE INDEX files_key ON files (key)",
		"CREATE TABLE posts (id INTEGER PRIMARY KEY, file_id INTEGER REFERENCES files)", "CREATE INDEX posts_file ON posts (file_id)",
		"CREATE TABLE notes (id INTEGER PRIMARY KEY, body TEXT)",
		"CREATE TABLE holds (id INTEGER PRIMARY KEY, file_id INTEGER REFERENCES files)", "CREATE INDEX holds_file ON holds (file_id)",
		"CREATE TABLE variants (derived INTEGER PRIMARY KEY, source INTEGER)", "CREATE INDEX variants_source ON variants (source)",
	} {
		_, err := p.db.Exec(s)
		w.must(err)
	}
	return p
}

// yaml is what he declares.
func (p *platform) yaml(pins bool) string {
	k := &p.w.kind
	values := "AVAILABLE: ok, UNLINKED: idle, ARCHIVED: away"
	if k.values {
		values += ", ARCHIVING: closing, RESTORING: coming, DELETED: gone"
	}
	text := "version: 1\ndatabase: sqlite:lab.db\nbuckets: [lab]\n" +
		"handles: {table: files, id: id, bucket: =lab, key: key, size: size, modified: at, status: {column: state, write: true, values: {" + values + "}}}\n" +
		"derived: {variant: {sql: \"SELECT derived, source FROM variants\"}}\nprotect: [{table: holds, handle: file_id}]\nwaive: [variants.derived]\n" +
		"associations:\n  posts: {table: posts, object: id, handle: file_id}\n"
	if k.notes {
		text += "  notes: {table: notes, object: id, value: body, as: [json], at: .file}\n"
	}
	if pins {
		text += "  pins: {table: pins, object: id, handle: file_id}\n"
	}
	return text + "detect: {scans: 2, apart: 20h, unmodified: 10d, settle: 1h, jump: 50x}\narchive: {bucket: depot, class: " + k.class + ", after: 30d, smallest: 16B}\n"
}

// within has the owner's program do something in a transaction. Where the file is locked by others, it does nothing.
func (p *platform) within(f func()) {
	ctx := context.Background()
	conn, err := p.db.Conn(ctx)
	p.w.must(err)
	defer func() { p.w.must(conn.Close()) }()
	if _, err := conn.ExecContext(ctx, "BEGIN IMMEDIATE"); err != nil {
		p.w.busy++
		return
	}
	p.tx = conn
	f()
	p.tx = nil
	_, err = conn.ExecContext(ctx, "COMMIT")
	p.w.must(err)
}

func (p *platform) exec(text string, args ...any) {
	_, err := p.tx.ExecContext(context.Background(), text, args...)
	p.w.must(err)
}

// status is what his column says of a file, as his program asks before it links.
func (p *platform) status(id int64) string {
	var s string
	p.w.must(p.tx.QueryRowContext(context.Background(), "SELECT state FROM files WHERE id = ?", id).Scan(&s))
	return p.words.of(s)
}

// statuses are those of some files, or of all.
func (p *platform) statuses(some ...int64) map[int64]string {
	all := map[int64]string{}
	text := "SELECT id, state FROM files"
	if len(some) > 0 && len(some) < 1000 {
		text += " WHERE id IN (" + strings.ReplaceAll(strings.Trim(fmt.Sprint(some), "[]"), " ", ", ") + ")"
	}
	r, err := p.db.Query(text)
	p.w.must(err)
	for r.Next() {
		var id int64
		var s string
		p.w.must(r.Scan(&id, &s))
		all[id] = p.words.of(s)
	}
	p.w.must(r.Err(), r.Close())
	return all
}

func (p *platform) next() int64 {
	p.serial++
	return p.serial
}

func (p *platform) now() string { return p.w.ownerNow().Format(time.DateTime) }

// upload makes a file with an object.
func (p *platform) upload(tenant int, key string, body []byte) *file {
	f := &file{id: p.next(), tenant: tenant, key: key, body: body}
	p.w.store.Put(lab, key, body, mem.PutOptions{Metadata: map[string]string{"by": fmt.Sprint(tenant)}})
	p.exec("INSERT INTO files (id, key, size, at) VALUES (?, ?, ?, ?)", f.id, key, len(body), p.now())
	p.files[f.id] = f
	p.w.did(f.id, "uploaded as %s", key)
	return f
}

// alias makes another handle of the same object.
func (p *platform) alias(of *file) {
	f := &file{id: p.next(), tenant: of.tenant, key: of.key, body: of.body}
	p.exec("INSERT INTO files (id, key, size, at) VALUES (?, ?, ?, ?)", f.id, f.key, len(f.body), p.now())
	p.files[f.id] = f
	p.w.did(f.id, "another handle of the object of %d", of.id)
}

// may is the owner's one rule: what is linked has to be AVAILABLE or UNLINKED, in the transaction of the link.
func (p *platform) may(f *file) bool {
	s := p.status(f.id)
	return s == "AVAILABLE" || s == "UNLINKED"
}

func (p *platform) link(f *file, table string) bool {
	if !p.may(f) {
		return false
	}
	at := place{table, p.next()}
	p.write(at, f.id)
	p.links[at] = f.id
	p.w.did(f.id, "linked in %s %d", table, at.id)
	return true
}

func (p *platform) write(at place, id int64) {
	if at.table == "notes" {
		p.exec("INSERT INTO notes VALUES (?, ?)", at.id, fmt.Sprintf(`{"file": %d}`, id))
		return
	}
	p.exec("INSERT INTO "+at.table+" VALUES (?, ?)", at.id, id)
}

func (p *platform) unlink(at place) {
	p.exec("DELETE FROM "+at.table+" WHERE id = ?", at.id)
	p.w.did(p.links[at], "no longer linked in %s %d", at.table, at.id)
	delete(p.links, at)
}

// mend writes what cannot be read as it should be.
func (p *platform) mend() {
	for at, id := range p.links {
		if at.id < 0 && at.table == "notes" {
			p.exec("UPDATE notes SET body = body || '}' WHERE id = ? AND body NOT LIKE '%}'", at.id)
			p.w.did(id, "note %d can be read", at.id)
		}
	}
}

// move has a link stand elsewhere.
func (p *platform) move(at place, table string) {
	id := p.links[at]
	f := p.files[id]
	if f == nil || !p.may(f) {
		return
	}
	p.unlink(at)
	p.link(f, table)
}

// of are the handles of a key.
func (p *platform) of(key string) (all []*file) {
	for _, f := range p.files {
		if f.key == key {
			all = append(all, f)
		}
	}
	slices.SortFunc(all, func(a, b *file) int { return int(a.id - b.id) })
	return all
}

// remove deletes the row of a file, with all that leads to it; and its object, if nothing else needs that.
func (p *platform) remove(f *file, object bool) {
	for _, at := range p.linksOf(f.id) {
		p.unlink(at)
	}
	p.exec("DELETE FROM holds WHERE file_id = ?", f.id)
	delete(p.holds, f.id)
	p.exec("DELETE FROM variants WHERE derived = ? OR source = ?", f.id, f.id)
	maps.DeleteFunc(p.variants, func(of, source int64) bool { return of == f.id || source == f.id })
	p.exec("DELETE FROM files WHERE id = ?", f.id)
	delete(p.files, f.id)
	p.w.did(f.id, "deleted, with its object: %t", object)
	if object && len(p.of(f.key)) == 0 {
		p.w.store.Delete(lab, f.key)
		p.w.store.Delete(lab, f.key+".zst")
	}
}

func (p *platform) linksOf(id int64) (all []place) {
	for at, of := range p.links {
		if of == id {
			all = append(all, at)
		}
	}
	slices.SortFunc(all, func(a, b place) int { return int(a.id - b.id) })
	return all
}

// overwrite writes an object anew, for all of its handles.
func (p *platform) overwrite(f *file, body []byte) {
	all := p.of(f.key)
	for _, x := range all {
		if !p.may(x) {
			return
		}
	}
	p.w.store.Put(lab, f.key, body, mem.PutOptions{})
	if p.w.has(f.key + ".zst") {
		p.w.store.Delete(lab, f.key+".zst")
	}
	for _, x := range all {
		x.body = body
		p.exec("UPDATE files SET size = ?, at = ? WHERE id = ?", len(body), p.now(), x.id)
		p.w.did(x.id, "its object was written anew")
	}
	p.w.again[f.key] = true
}

// rename moves an object, and its handles with it.
func (p *platform) rename(f *file, key string) {
	all := p.of(f.key)
	for _, x := range all {
		if !p.may(x) {
			return
		}
	}
	body := p.w.inPlace(f)
	if body == nil {
		return
	}
	old := f.key
	p.w.store.Put(lab, key, f.body, mem.PutOptions{})
	for _, x := range all {
		p.exec("UPDATE files SET key = ?, at = ? WHERE id = ?", key, p.now(), x.id)
		p.w.did(x.id, "moved from %s to %s", x.key, key)
		x.key = key
	}
	p.w.store.Delete(lab, old)
	p.w.store.Delete(lab, old+".zst")
}

// save keeps a copy of the database.
func (p *platform) save() {
	b := &backup{path: filepath.Join(p.w.dir, fmt.Sprintf("backup-%d.db", p.next())), rows: p.clone()}
	_, err := p.db.Exec("VACUUM INTO ?", b.path)
	p.w.must(err)
	p.backups = append(p.backups, b)
}

// bring puts a copy back: the old rows are there again, and nothing else. Their files may be anywhere.
func (p *platform) bring(b *backup) bool {
	if b.rows.pins != p.pins || b.rows.wide != p.wide {
		return false // of another form by now
	}
	ctx := context.Background()
	conn, err := p.db.Conn(ctx)
	p.w.must(err)
	defer func() { p.w.must(conn.Close()) }()
	tables := []string{"posts", "notes", "holds", "variants", "files"}
	if p.pins {
		tables = append(tables, "pins")
	}
	all := []string{"ATTACH '" + b.path + "' AS old", "BEGIN IMMEDIATE"}
	for _, t := range tables {
		all = append(all, "DELETE FROM main."+t)
	}
	for _, t := range tables {
		all = append(all, "INSERT INTO main."+t+" SELECT * FROM old."+t)
	}
	for _, s := range append(all, "COMMIT", "DETACH old") {
		_, err := conn.ExecContext(ctx, s)
		p.w.must(err)
	}
	p.rows = b.rows.clone()
	return true
}

// inPlace is what is read of a file in its place; nil: nothing.
func (w *world) inPlace(f *file) []byte {
	if b, ok := w.store.Body(lab, f.key, ""); ok {
		return b
	}
	b, ok := w.store.Body(lab, f.key+".zst", "")
	if !ok || len(b) == 0 {
		return nil
	}
	return w.plain(b)
}

// plain is what was compressed, unpacked once.
func (w *world) plain(b []byte) []byte {
	if p, ok := w.unpacked[&b[0]]; ok {
		return p
	}
	p, err := unpack(b)
	if err != nil {
		return nil
	}
	w.unpacked[&b[0]] = p
	return p
}

func unpack(b []byte) (_ []byte, err error) {
	s, err := (codec.Chain{Compress: codec.Compression{Method: codec.Zstd}}).Decode(bytes.NewReader(b), codec.DecodeOptions{})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	return io.ReadAll(s)
}

// readable tells whether who follows a link to a file gets what belongs to it.
func (w *world) readable(f *file) bool { return bytes.Equal(w.inPlace(f), f.body) }

// has tells whether the bucket shows an object.
func (w *world) has(key string) bool {
	_, ok := w.store.Body(lab, key, "")
	return ok
}
