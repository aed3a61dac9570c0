package plan

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"unicode/utf8"

	"cooper"
	"cooper/internal/seal"
)

// Format is the version of the plan's files that this package writes, and the
// newest it reads. From sealed on the header has a seal, and files have sums.
const (
	Format = 2
	sealed = 2
)

const (
	headerName   = "plan.json"
	shardsAFile  = 256 // row groups in one Parquet file
	largestKept  = 10
	bufferedRows = 512 // rows handed to the Parquet writer at once
)

// Limits end a shard: at the first allowed cut after either is reached. Zero
// fields take their defaults.
type Limits struct {
	Actions int   // default 4096
	Bytes   int64 // of transfers; default 1 GiB
}

func (l Limits) withDefaults() Limits {
	if l.Actions <= 0 {
		l.Actions = 4096
	}
	if l.Bytes <= 0 {
		l.Bytes = 1 << 30
	}
	return l
}

// Sink takes a plan's actions in order, from a mission; *Writer is one. When planning fails,
// giving it up is left to the caller.
type Sink interface {
	Phase(name string) error
	Add(a cooper.Action, cut bool) error
	Finish(h Header) (Header, error)
}

// Writer builds a plan in a directory beside its final place; the plan appears
// under its name in Finish, whole, or never. Memory holds one shard. A Writer
// serves one goroutine; after an error only Abort makes sense.
type Writer struct {
	dir, tmp, id string
	lim          Limits
	transfers    map[string]bool // nil: every verb

	phases  []Phase
	files   []File
	totals  map[string]Tally
	largest []cooper.Action
	nextID  int64

	decision decision

	out        *output // the file being written, nil between files
	shards     int     // finished ones, over all phases
	shardCount int     // actions in the open shard
	shardBytes int64
	buf        []row
	args       []byte
	done       bool
}

// Create begins the plan id, to stand at dir, which must not exist yet.
func Create(dir, id string, lim Limits) (*Writer, error) {
	if _, err := os.Lstat(dir); err == nil {
		return nil, &cooper.Error{Kind: cooper.KindConflict, Where: dir, Message: "there is a plan of this name already"}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, local(dir, err)
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return nil, local(dir, err)
	}
	tmp, err := os.MkdirTemp(filepath.Dir(dir), filepath.Base(dir)+".tmp-*")
	if err != nil {
		return nil, local(dir, err)
	}
	// MkdirTemp makes it private; a plan is as readable as its neighbours.
	if err := os.Chmod(tmp, 0o755); err != nil {
		return nil, errors.Join(local(tmp, err), os.RemoveAll(tmp))
	}
	return &Writer{dir: dir, tmp: tmp, id: id, lim: lim.withDefaults(), totals: map[string]Tally{}, decision: newDecision()}, nil
}

// Transfers names the verbs that move the bytes of their version: they alone
// count towards Limits.Bytes and are listed in Header.Largest. Without it every
// verb does. Call it before the first Add.
func (w *Writer) Transfers(verbs ...string) {
	w.transfers = make(map[string]bool, len(verbs))
	for _, v := range verbs {
		w.transfers[v] = true
	}
}

// Circumstances tells which arguments say when, or from what, a plan was made, and
// not what is to happen: they are no part of its decision. Without it all are. Call
// it before the first Add.
func (w *Writer) Circumstances(is func(name, value string) bool) { w.decision.circumstance = is }

// Phase ends the phase before and begins the one called name.
func (w *Writer) Phase(name string) error {
	if name == "" || slices.ContainsFunc(w.phases, func(p Phase) bool { return p.Name == name }) {
		return &cooper.Error{Kind: cooper.KindInternal, Where: w.dir, Message: fmt.Sprintf("phase %q: a phase needs a name of its own", name)}
	}
	if err := w.endShard(); err != nil {
		return err
	}
	w.phases = append(w.phases, Phase{Name: name, First: w.shards})
	return nil
}

// Add appends an action to the current phase and gives it its ID. cut allows a
// shard to end before it; without, it stays in one shard with the action before.
func (w *Writer) Add(a cooper.Action, cut bool) error {
	if len(w.phases) == 0 {
		return &cooper.Error{Kind: cooper.KindInternal, Where: w.dir, Message: "an action before the first phase"}
	}
	if err := checkText(&a); err != nil {
		return err
	}
	if cut && (w.shardCount >= w.lim.Actions || w.shardBytes >= w.lim.Bytes) {
		if err := w.endShard(); err != nil {
			return err
		}
	}
	a.ID = w.nextID
	w.nextID++
	phase := &w.phases[len(w.phases)-1]
	size := a.Version.Size
	phase.Count++
	phase.Bytes = cooper.AddBytes(phase.Bytes, size)
	w.totals[a.Verb] = w.totals[a.Verb].Add(size)
	w.shardCount++
	if w.transfers == nil || w.transfers[a.Verb] {
		w.shardBytes = cooper.AddBytes(w.shardBytes, size)
		w.keepLargest(a)
	}
	w.args = appendArgs(w.args[:0], a.Args)
	w.decision.add(phase.Name, &a)
	w.buf = append(w.buf, rowOf(&a, string(w.args), phase.Name, w.shards))
	if len(w.buf) == bufferedRows {
		return w.flush()
	}
	return nil
}

// checkText refuses what neither Parquet's text columns nor JSON can hold.
func checkText(a *cooper.Action) error {
	if !utf8.ValidString(a.Version.Key) {
		return &cooper.Error{Kind: cooper.KindInvalid, Where: cooper.Quote(a.Version.Key), Message: "the key is not UTF-8"}
	}
	for n, v := range a.Args {
		if !utf8.ValidString(n) || !utf8.ValidString(v) {
			return &cooper.Error{Kind: cooper.KindInvalid, Where: cooper.Quote(a.Version.Key), Message: fmt.Sprintf("argument %q is not UTF-8", n)}
		}
	}
	return nil
}

func (w *Writer) keepLargest(a cooper.Action) {
	if n := len(w.largest); n == largestKept && a.Version.Size <= w.largest[n-1].Version.Size || a.Version.Size == 0 {
		return
	}
	// Behind those of the same size: the first seen comes first.
	at, _ := slices.BinarySearchFunc(w.largest, a.Version.Size, func(b cooper.Action, size int64) int {
		if b.Version.Size >= size {
			return -1
		}
		return 1
	})
	w.largest = slices.Insert(w.largest, at, a)
	if len(w.largest) > largestKept {
		w.largest = w.largest[:largestKept]
	}
}

// endShard closes the open shard, if any, as one row group, and its file when
// that is full.
func (w *Writer) endShard() error {
	if w.shardCount == 0 {
		return nil
	}
	if err := w.flush(); err != nil {
		return err
	}
	if err := w.out.w.Flush(); err != nil {
		return local(w.tmp, err)
	}
	w.out.shards++
	w.shards++
	w.phases[len(w.phases)-1].Shards++
	w.shardCount, w.shardBytes = 0, 0
	if w.out.shards == shardsAFile {
		return w.endFile()
	}
	return nil
}

// Finish completes h (Format, ID, Phases, Files, Totals, Largest, Decision, Digest),
// makes everything durable, and lets the plan appear under its name. The header it
// returns is the one written.
//
// Order: files, header, their directory, then the rename, then the directory
// above. A crash before the rename leaves a directory that no plan's name
// matches; after it, the plan is whole.
func (w *Writer) Finish(h Header) (Header, error) {
	if w.done {
		return h, &cooper.Error{Kind: cooper.KindInternal, Where: w.dir, Message: "the plan is finished or aborted already"}
	}
	if err := w.endShard(); err != nil {
		return h, err
	}
	if err := w.endFile(); err != nil {
		return h, err
	}
	h.Format, h.ID = Format, w.id
	h.Phases, h.Files, h.Totals, h.Largest = w.phases, w.files, w.totals, w.largest
	var err error
	if h.Decision, err = w.decision.of(&h); err != nil {
		return h, err
	}
	if h.Digest, err = digest(h); err != nil {
		return h, err
	}
	b, err := json.MarshalIndent(h, "", "  ")
	if err == nil {
		b, err = seal.Document(b)
	}
	if err != nil {
		return h, invalid(w.dir, "the header cannot be written", err)
	}
	// What cannot be read back as it was must not become a plan.
	if _, err := decodeHeader(w.dir, b); err != nil {
		return h, err
	}
	if err := writeSynced(filepath.Join(w.tmp, headerName), b); err != nil {
		return h, err
	}
	if err := syncDir(w.tmp); err != nil {
		return h, err
	}
	if err := os.Rename(w.tmp, w.dir); err != nil {
		return h, local(w.dir, err)
	}
	w.done = true
	return h, syncDir(filepath.Dir(w.dir))
}

// Abort gives the plan up. After Finish it does nothing, so that it can be
// deferred. What it fails to remove never looks like a plan, and goes with the
// workspace's other leftovers.
func (w *Writer) Abort() {
	if w.done {
		return
	}
	w.done = true
	if w.out != nil {
		_ = w.out.f.Close()
		w.out = nil
	}
	_ = os.RemoveAll(w.tmp)
}

// digest is the SHA-256 of h's compact JSON with an empty Digest.
func digest(h Header) (string, error) {
	h.Digest = ""
	b, err := json.Marshal(h)
	if err != nil {
		return "", invalid(h.ID, "the header cannot be written", err)
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:]), nil
}
