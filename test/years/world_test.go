package years

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"cooper"
	"cooper/internal/job"
	"cooper/internal/query"
	"cooper/internal/store/mem"
)

// kind is how the platform of a world is.
type kind struct {
	versioning, archive string // of the two buckets
	class               string // of what is archived
	notes               bool   // there are links that no look finds, as they are packed in values
	values              bool   // the column has a value for every status
	every               int    // days from one look to the next
}

func kindOf(seed uint64) kind {
	r := by(seed, "kind")
	k := kind{class: "STANDARD_IA", notes: r.IntN(2) == 0, values: r.IntN(3) > 0, every: 7 + r.IntN(8)}
	k.versioning, k.archive = []string{"", "Enabled"}[r.IntN(2)], []string{"", "", "Enabled"}[r.IntN(3)]
	if r.IntN(4) == 0 {
		k.class = "DEEP_ARCHIVE"
	}
	return k
}

// world is a platform, Cooper, and the store that both use.
type world struct {
	seed          uint64
	tenants, only int
	without       map[string]bool // what does not happen
	until         int             // the last day
	day           int
	kind          kind
	dir, yaml     string
	store         *mem.Server
	endpoint      string
	env           *job.Env
	p             *platform
	watch         watch

	clockMu              sync.Mutex
	at                   time.Time
	ours, owners, stores time.Duration // by how much clocks are ahead

	calm, hurt bool
	runs       map[string]int
	unpacked   map[*byte][]byte
	declared   bool // the table pins

	again    map[string]bool          // keys whose place in the archive may be taken
	asked    map[int64]cooper.Instant // by a guard, when last
	toAsk    []int64                  // and not written down yet
	guard    int
	kept     map[int64]bool
	wanted   map[int64]bool
	stranded map[int64]bool // files whose old rows were put back when they were in the archive
	loose    map[int64]bool // files whose column does not agree, and nothing mends that
	records  map[int64]record
	apart    map[int64]int // how often in a row the column and the state did not agree
	scope    string
	scanned  cooper.Instant // when the newest complete scan began

	faults             []fault
	traces             map[int64][]string
	log                []string
	failures, counts   map[string]int
	kills, busy        int
	archives, restored int
}

// fault is what must not be.
type fault struct {
	day    int
	tenant int
	id     int64
	text   string
	trace  string
}

// broken ends a world whose test itself cannot go on.
type broken struct{ err error }

func (w *world) must(errs ...error) {
	if err := errors.Join(errs...); err != nil {
		panic(broken{err})
	}
}

// with tells whether such things happen in this world.
func (w *world) with(what string) bool { return !w.without[what] }

func (w *world) ran(what string) { w.counts[what]++ }

// did notes what happened to a file, say what to all.
func (w *world) did(id int64, format string, args ...any) {
	w.traces[id] = append(w.traces[id], fmt.Sprintf("%s day %d: ", w.real().Format("2006-01-02 15:04:05"), w.day)+fmt.Sprintf(format, args...))
}

func (w *world) say(format string, args ...any) {
	w.log = append(w.log, fmt.Sprintf("%s day %d: ", w.real().Format("2006-01-02 15:04:05"), w.day)+fmt.Sprintf(format, args...))
}

func (w *world) fault(f *file, format string, args ...any) {
	if len(w.faults) > 20 {
		return
	}
	x := fault{day: w.day, tenant: -1, text: fmt.Sprintf(format, args...)}
	if f != nil {
		x.tenant, x.id = f.tenant, f.id
		x.text = fmt.Sprintf("file %d (%s) %s", f.id, f.key, x.text)
	}
	w.faults = append(w.faults, x)
}

func newWorld(dir string, seed uint64, tenants int) *world {
	w := &world{
		seed: seed, tenants: tenants, only: -1, until: days, kind: kindOf(seed), dir: dir, yaml: filepath.Join(dir, "cooper.yaml"), at: time.Date(2027, 1, 1, 1, 0, 0, 0, time.UTC),
		without: map[string]bool{}, runs: map[string]int{}, unpacked: map[*byte][]byte{}, again: map[string]bool{}, asked: map[int64]cooper.Instant{}, kept: map[int64]bool{}, wanted: map[int64]bool{},
		stranded: map[int64]bool{}, loose: map[int64]bool{}, records: map[int64]record{}, apart: map[int64]int{}, traces: map[int64][]string{}, failures: map[string]int{}, counts: map[string]int{},
	}
	w.watch.w, w.watch.thawing = w, map[cooper.Identity]bool{}
	w.store = mem.New(mem.Options{Clock: w.storeNow, MinPartSize: 1})
	w.store.CreateBucket(lab, w.kind.versioning)
	w.store.CreateBucket(depot, w.kind.archive)
	return w
}

// days are two years.
const days = 730

// run lets the years go by, and then everything come to rest.
func (w *world) run() (err error) {
	defer func() {
		if x, ok := recover().(broken); ok {
			err = x.err
		} else if x := recover(); x != nil {
			panic(x)
		}
	}()
	server := httptest.NewServer(&w.watch)
	defer server.Close()
	w.endpoint = server.URL
	pool := &engines{dir: filepath.Join(w.dir, "duckdb")}
	defer func() { err = errors.Join(err, pool.close()) }()
	w.env = &job.Env{Workspace: filepath.Join(w.dir, "ws"), Clock: w.clock, Memory: memory, Stores: &job.S3{Endpoint: w.endpoint}, Engine: pool.open, Listener: quiet{}}
	w.p = newPlatform(w, w.dir)
	defer func() { err = errors.Join(err, w.p.db.Close()) }()
	w.declare(false)
	first := w.at
	for w.day = 0; w.day < w.until && len(w.faults) == 0; w.day++ {
		if next := first.Add(time.Duration(w.day) * 24 * time.Hour); next.After(w.real()) {
			w.later(next.Sub(w.real()))
		}
		w.passes()
	}
	if w.until == days && len(w.faults) == 0 {
		w.rest()
	}
	for i := range min(3, len(w.faults)) {
		w.faults[i].trace = w.trace(&w.faults[i])
	}
	return nil
}

// declare writes the configuration, as of now by our clock.
func (w *world) declare(pins bool) {
	w.declared = pins
	w.must(os.WriteFile(w.yaml, []byte(w.p.yaml(pins)), 0o600))
	at := w.tick()
	w.must(os.Chtimes(w.yaml, at, at))
}

// passes is a day.
func (w *world) passes() {
	w.lives("day", 16)
	w.happens()
	w.asksGuard()
	w.thaws()
	w.later(4 * time.Hour)
	if w.day%w.kind.every == 0 {
		n := w.day / w.kind.every
		if fine := w.cycle(n%2 == 1); fine && !w.hurt {
			w.agree()
		}
		w.hurt = false
		if n%2 == 0 {
			w.restores()
		}
	}
}

// happens is what happens to all of a platform, now and then.
func (w *world) happens() {
	once := func(what string, in int) bool { return w.with(what) && by(w.seed, what, w.day).IntN(in) == 0 }
	if once("clocks", 25) {
		r := by(w.seed, "clock", w.day)
		jump := func() time.Duration {
			return []time.Duration{0, 0, time.Minute, -time.Minute, time.Hour, -time.Hour, 3 * 24 * time.Hour, -3 * 24 * time.Hour}[r.IntN(8)]
		}
		w.ours, w.owners, w.stores = jump(), jump(), jump()
		w.say("clocks: ours %s, the owner's %s, the store's %s ahead", w.ours, w.owners, w.stores)
	} else if w.with("clocks") && by(w.seed, "right", w.day).IntN(6) == 0 {
		w.ours, w.owners, w.stores = 0, 0, 0
	}
	if once("backups", 10) {
		w.p.save()
	}
	if once("bring", 150) && len(w.p.backups) > 0 {
		w.brings()
	}
	if once("columns", 200) {
		w.p.wide++
		_, err := w.p.db.Exec(fmt.Sprintf("ALTER TABLE files ADD COLUMN extra%d TEXT", w.p.wide))
		w.must(err)
		w.say("a column was added")
	}
	if once("pins", 200) && !w.p.pins {
		_, err := w.p.db.Exec("CREATE TABLE pins (id INTEGER PRIMARY KEY, file_id INTEGER REFERENCES files)")
		w.must(err)
		_, err = w.p.db.Exec("CREATE INDEX pins_file ON pins (file_id)")
		w.must(err)
		w.p.pins = true
		w.say("there is a table pins")
	}
	if w.p.pins && !w.declared && by(w.seed, "declares", w.day).IntN(8) == 0 {
		w.declare(true)
		w.say("it is declared")
	}
	if once("malformed", 60) && w.kind.notes {
		w.p.within(func() { w.malforms(by(w.seed, "malforms", w.day).IntN(1 << 30)) })
	} else if once("mended", 15) {
		w.p.within(w.p.mend)
	}
	if once("keeps", 20) {
		w.keeps()
	}
	if once("compress", 60) {
		w.compresses()
	}
}

// malforms has links made that the owner's program can read, and Cooper cannot.
func (w *world) malforms(n int) {
	statuses := w.p.statuses()
	var all []int64 // rather those that may go soon
	for _, id := range slices.Sorted(maps.Keys(w.p.files)) {
		if s := statuses[id]; s == "UNLINKED" || s == "AVAILABLE" && id%16 == 0 {
			all = append(all, id)
		}
	}
	for i := range min(len(all), 8) {
		f, at := w.p.files[all[(n+i*37)%len(all)]], place{"notes", -w.p.next()}
		w.p.exec("INSERT INTO notes VALUES (?, ?)", at.id, fmt.Sprintf(`{"file": %d`, f.id))
		w.p.links[at] = f.id
		w.did(f.id, "linked in note %d, which cannot be read", at.id)
	}
	w.say("notes cannot be read")
}

// brings puts an old database back: what its rows lead to may be in the archive.
func (w *world) brings() {
	r := by(w.seed, "brings", w.day)
	b := w.p.backups[max(0, len(w.p.backups)-1-r.IntN(4))]
	if !w.p.bring(b) {
		return
	}
	w.say("the database is the one of %s", filepath.Base(b.path))
	for _, id := range slices.Sorted(maps.Keys(w.p.files)) {
		f := w.p.files[id]
		switch at := w.inPlace(f); {
		case w.readable(f):
		case at != nil: // the object is another by now, under the same name
			f.body = at
		case w.inArchive(f):
			w.stranded[id] = true
			w.did(id, "its old row is back")
		default: // its object was deleted since: the owner takes the row out again
			w.p.within(func() { w.p.remove(f, false) })
		}
	}
	w.loosen("an old database")
}

// loosen notes the files of which the column and the state do not say the same any more, by something that nothing mends
// yet: see the comment of the package.
func (w *world) loosen(why string) {
	now, statuses := w.state(), w.p.statuses()
	for id := range w.p.files {
		if !w.same(now[id].status, statuses[id]) {
			w.loose[id] = true
			w.did(id, "the column does not agree: %s", why)
		}
	}
}

// same tells whether the state and the column say the same.
func (w *world) same(ours, column string) bool {
	switch {
	case ours == "":
		ours = "AVAILABLE"
	case column == "ARCHIVED" && !w.kind.values && (ours == "ARCHIVING" || ours == "RESTORING" || ours == "DELETED"):
		return true
	}
	return ours == column
}

// inArchive tells whether the archive has what belongs to a file.
func (w *world) inArchive(f *file) bool {
	for _, v := range w.store.Versions(depot) {
		key := strings.TrimPrefix(v.Key, lab+"/")
		if key != f.key && key != f.key+".zst" || v.DeleteMarker {
			continue
		}
		if b, _ := w.store.Body(depot, v.Key, v.VersionID); bytes.Equal(b, f.body) || len(b) > 0 && key != f.key && bytes.Equal(w.plain(b), f.body) {
			return true
		}
	}
	return false
}

// trace is what is known of a fault: all that happened to the file, and what happened to all shortly before.
func (w *world) trace(f *fault) string {
	all := slices.Clone(w.traces[f.id])
	err := job.Ask(context.Background(), w.env, job.Question{}, func(db query.Engine) error {
		return query.Each(context.Background(), db, "SELECT CAST(since AS VARCHAR), from_status, to_status, reason, run FROM gc_transition WHERE id = $1 ORDER BY since", []any{fmt.Sprint(f.id)}, func(row []any) error {
			all = append(all, fmt.Sprintf("%.19s told: %v -> %v, %v (%v)", row...))
			return nil
		})
	})
	if err != nil {
		all = append(all, err.Error())
	}
	slices.Sort(all)
	var some []string
	for _, line := range w.log {
		var d int
		if _, err := fmt.Sscanf(line[len("2006-01-02 15:04:05 "):], "day %d:", &d); err == nil && d >= f.day-2*w.kind.every-2 {
			some = append(some, line)
		}
	}
	return strings.Join(all, "\n  ") + "\nto all:\n  " + strings.Join(some, "\n  ")
}

func TestMain(m *testing.M) {
	if text := os.Getenv(childName); text != "" {
		if err := live(text); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	for name, value := range map[string]string{
		"AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull, "AWS_EC2_METADATA_DISABLED": "true",
		"AWS_ACCESS_KEY_ID": "access", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "us-east-1",
	} {
		if err := os.Setenv(name, value); err != nil {
			panic(err)
		}
	}
	goleak.VerifyTestMain(m)
}
