package tree

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"

	"cooper"
	"cooper/internal/permit"
	"cooper/internal/tree/catalog"
	"cooper/internal/tree/journal"
)

// Commit carries out a batch and marks its shard done. It gives the outcomes
// as they ended: a change that something foreign stands in the way of, or
// whose bytes are not where they should be, is left out but for what it says of
// the bucket, and its outcome becomes failed (conflict, missing or changed). If a version cannot be placed in the
// mirror, the one it was to replace stays, and that outcome becomes deferred.
//
// An error means that the shard is not done. KindFull: no room is left. After
// an error that came too late to take everything back, every further Commit
// fails until Recover has been called, by this process or a later one.
//
// The order of the steps, and why a crash (of the process or the machine)
// between any two of them is harmless:
//
//  0. What is staged is synced. Before this, nothing but staging was written to;
//     staged bytes are checked before they are used again.
//  1. The journal, with every change and every outcome, is written under another
//     name, synced, renamed and synced. Before the renaming is on disk there is
//     no journal and nothing was moved. From then on the shard is completed or
//     undone: all that it needs is durable, in the journal, in staging (0), and
//     in mirror and history.
//  2. Files are renamed, never over others. A renaming is on disk or not; for each
//     change one can tell which from where the file is (see precheck), so
//     completing and undoing may begin anywhere and be repeated.
//  3. The catalog's delta is written, and everything is synced. The delta is in no
//     list yet: it is written anew when the shard is completed.
//  4. The catalog's pointer is replaced: rows and "shard done" appear together.
//     Before, the journal's generation is the catalog's and the shard is completed
//     (its renamings are found made). After, the generation has moved on: the
//     shard is done, the journal holds its facts for the ledger.
//  5. What step 2 held back is let go of: pruned files are deleted, damaged ones
//     set aside, and that is synced. Until the pointer has moved they are a
//     renaming away from where they were, so the shard can be undone; from then on
//     no row speaks of them, nothing undoes the shard, and the journal, which is
//     still there, names what is left to delete: recovery does the rest.
//  6. Settled, called once the facts are in the ledger, removes the journal. If
//     that is lost, the facts are given again; whoever writes them knows them.
//     It cannot come back once another shard has begun (step 0 syncs the
//     removal), so it never speaks of files that a later shard holds back.
func (t *Tree) Commit(ctx context.Context, p permit.Permit, b Batch) ([]cooper.Outcome, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.mayCommit(ctx, p, &b); err != nil {
		return nil, err
	}
	// Now, and not after the commit, where a failure would come too late.
	if err := t.catalog.Merge(ctx, p); err != nil {
		t.recovered = false // the pointer may have moved
		return nil, err
	}
	if err := t.syncStaged(); err != nil { // step 0
		return nil, err
	}
	entry, err := t.prepare(ctx, &b)
	if err != nil {
		return nil, err
	}
	entry.Run = p.Run()
	if err := t.writeJournal(entry); err != nil { // step 1
		return nil, err
	}
	// From here on the shard is finished even if the run is to end: stopping
	// now would only leave it to Recover.
	t.recovered = false
	if err := t.complete(context.WithoutCancel(ctx), p, entry); err != nil { // steps 2 to 5
		return nil, err
	}
	t.recovered = true
	t.await(entry)
	return finalOutcomes(entry), nil
}

// syncStaged brings staged bytes to the disk. A failing disk tells so only once:
// the next sync would succeed, and the bytes be gone. So they are not kept.
func (t *Tree) syncStaged() error {
	err := t.fs.SyncAll()
	if err == nil || cooper.KindOf(err) == cooper.KindFull {
		return err
	}
	t.recovered = false
	return errors.Join(err, t.Staging().clear())
}

func (t *Tree) mayCommit(ctx context.Context, p permit.Permit, b *Batch) error {
	if err := t.may(p); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	if !t.recovered {
		return &cooper.Error{Kind: cooper.KindInternal, Where: t.dir, Message: "the tree has an interrupted shard",
			Remedy: "run again: it is completed first (or undone, with --undo)"}
	}
	run := t.State().Run
	if run == nil || run.Plan != b.Plan || b.Shard >= run.Shards || run.Done.Has(b.Shard) {
		return internal(fmt.Sprintf("shard %d of plan %s is not to be done now", b.Shard, b.Plan))
	}
	return b.check()
}

// prepare makes the journal's entry of what passes the check.
func (t *Tree) prepare(ctx context.Context, b *Batch) (*journal.Entry, error) {
	entry := &journal.Entry{Plan: b.Plan, Shard: b.Shard, Generation: t.State().Generation, Outcomes: slices.Clone(b.Outcomes)}
	problems, err := t.newMover(ctx, b.Changes).precheck(b.Changes)
	if err != nil {
		return nil, err
	}
	arrived := arrivals(b.Changes, func(i int) bool { return problems[i] != nil })
	for i := range b.Changes {
		c := &b.Changes[i]
		if p := problems[i]; p != nil {
			blame(&entry.Outcomes[c.Outcome], p.kind, p.message)
			left := Change{Op: Record, Old: c.Old, New: unmoved(c, arrived), Outcome: c.Outcome}
			if p.kind == cooper.KindMissing && c.Op == Record && c.Old.VersionID == "" && c.New.VersionID != "" {
				left.New = lost(c)
			}
			entry.Changes = append(entry.Changes, left)
			continue
		}
		entry.Changes = append(entry.Changes, *c)
	}
	return entry, nil
}

// blame turns the outcome of a change that was left out.
func blame(o *cooper.Outcome, kind cooper.Kind, message string) {
	o.Status, o.Kind, o.Message = cooper.Failed, kind, message
	if kind == kindKept {
		o.Status, o.Kind = cooper.Deferred, cooper.KindConflict
	}
}

// finalOutcomes are an entry's outcomes after its amendments.
func finalOutcomes(entry *journal.Entry) []cooper.Outcome {
	out := slices.Clone(entry.Outcomes)
	for _, a := range entry.Amendments {
		blame(&out[entry.Changes[a.Change].Outcome], a.Kind, a.Message)
	}
	return out
}

// complete takes an entry that is in the journal from wherever it stands to
// the end.
func (t *Tree) complete(ctx context.Context, p permit.Permit, entry *journal.Entry) error {
	if err := t.makeMoves(ctx, entry); err != nil { // step 2
		return err
	}
	rows := newRows(entry) // step 3
	if err := t.keepTold(ctx, entry, rows); err != nil {
		return err
	}
	delta, err := t.catalog.Append(p, rows)
	if err != nil {
		return err
	}
	if err := t.fs.SyncAll(); err != nil {
		return err
	}
	next := t.State() // step 4
	if delta != nil {
		next.Runs = append(slices.Clone(next.Runs), *delta)
	}
	run := *next.Run
	run.Done = run.Done.With(entry.Shard)
	next.Run = &run
	next.Forgotten = max(next.Forgotten, forgotten(entry))
	if err := t.catalog.Publish(p, next); err != nil {
		return err
	}
	return t.release(entry) // step 5
}

// forgotten is the newest instant at which a version whose row goes for good was
// superseded, or shown by a snapshot: one that was uploaded in parts is dated by
// their beginning, and so may have superseded another before that was last shown.
func forgotten(entry *journal.Entry) (at cooper.Instant) {
	left := leftOut(entry)
	for i := range entry.Changes {
		c := &entry.Changes[i]
		if !c.New.Dropped || left[i] {
			continue
		}
		at = max(at, c.New.Superseded)
		if n := len(c.New.Shown); n > 0 {
			at = max(at, cooper.Instant(c.New.Shown[n-1]))
		}
	}
	return at
}

// arrivals are the keys of which a change that is made brings a version to the
// mirror.
func arrivals(changes []Change, left func(i int) bool) map[string]bool {
	keys := map[string]bool{}
	for i := range changes {
		if c := &changes[i]; !left(i) && arrives(c) {
			keys[c.New.Key] = true
		}
	}
	return keys
}

// unmoved is the row after a change that was left out. The bytes are where they
// were; but when the bucket showed the version, and listed it, is so all the
// same: without it the tree would later tell something else of that day.
//
// Where another version of the key arrived in the mirror, this one's place was
// empty: it has no bytes. Else two rows would claim one file.
func unmoved(c *Change, arrived map[string]bool) catalog.Row {
	row, was := c.New, &c.Old
	if was.Key != "" { // its path in history follows from its identity
		row.Identity = was.Identity
	}
	if was.Place == catalog.Mirror && arrived[was.Key] {
		was = &catalog.Row{}
	}
	row.Place, row.Reason, row.Superseded = was.Place, was.Reason, was.Superseded
	row.Check, row.Method, row.Hash = was.Check, was.Method, was.Hash
	row.Dropped = false
	return row
}

// lost is the row of a version whose id became known and whose file is not there:
// it has no bytes. Under its id a later plan can fetch it; without, nothing could.
func lost(c *Change) catalog.Row {
	row := c.New
	row.Place, row.Reason, row.Superseded = catalog.Nowhere, "", 0
	row.Check, row.Method, row.Hash = "", "", nil
	return row
}

// newRows are the catalog's new rows.
func newRows(entry *journal.Entry) []catalog.Row {
	left := leftOut(entry)
	arrived := arrivals(entry.Changes, func(i int) bool { return left[i] })
	rows := make([]catalog.Row, 0, len(entry.Changes))
	for i := range entry.Changes {
		c := &entry.Changes[i]
		if left[i] {
			rows = append(rows, unmoved(c, arrived))
			continue
		}
		if c.Old.Key != "" && c.Old.Identity != c.New.Identity {
			gone := c.Old
			gone.Dropped = true
			rows = append(rows, gone)
		}
		rows = append(rows, c.New)
	}
	return rows
}

// keepTold lets rows whose identity becomes another keep what a store told of the version;
// under the same identity the catalog itself sees to that.
func (t *Tree) keepTold(ctx context.Context, entry *journal.Entry, rows []catalog.Row) error {
	if s := t.State(); !s.Tells() {
		return nil
	}
	was := map[cooper.Identity]cooper.Identity{} // by what it is now
	for i := range entry.Changes {
		if c := &entry.Changes[i]; c.Old.Key != "" && c.Old.Identity != c.New.Identity {
			was[c.New.Identity] = c.Old.Identity
		}
	}
	for i := range rows {
		old, ok := was[rows[i].Identity]
		if !ok || rows[i].Dropped || rows[i].Told != nil {
			continue
		}
		before, err := t.catalog.Lookup(ctx, old.Key)
		if err != nil {
			return err
		}
		for j := range before {
			if before[j].Identity == old {
				rows[i].Told = before[j].Told
			}
		}
	}
	return nil
}

func leftOut(entry *journal.Entry) map[int]bool {
	left := map[int]bool{}
	for _, a := range entry.Amendments {
		left[a.Change] = true
	}
	return left
}

// makeMoves makes the moves that are not made yet: first out of the mirror,
// then into it. What cannot be made after all, because something came in
// between, or the file system refuses it, is added to the journal as an amendment before
// the catalog learns of the rest, so that the facts and the catalog agree after a crash too.
func (t *Tree) makeMoves(ctx context.Context, entry *journal.Entry) error {
	m := t.newMover(ctx, entry.Changes)
	left := leftOut(entry)
	stuck := map[string]*problem{} // keys whose version could not leave the mirror
	var amendments []journal.Amendment
	leave := func(i int, p *problem) {
		left[i] = true
		amendments = append(amendments, journal.Amendment{Change: i, Kind: p.kind, Message: p.message})
	}
	for _, retirements := range []bool{true, false} {
		emptied := map[string]bool{} // directories that may be empty now
		for i := range entry.Changes {
			c := &entry.Changes[i]
			if left[i] || !m.moves(c) || (m.from(c).in == inMirror) != retirements {
				continue
			}
			p := stuck[c.New.Key]
			if p == nil || !arrives(c) {
				var err error
				if p, err = excused(m.make(c)); err != nil {
					return err
				}
			}
			if m.from(c).in != inStaging {
				emptied[parentOf(m.from(c).path())] = true
			}
			if mendsInto(c) {
				emptied[parentOf(m.damaged(c).path())] = true
			}
			if p == nil {
				continue
			}
			leave(i, p)
			emptied[parentOf(m.to(c).path())] = true
			if retirements && refusal(p) {
				stuck[c.Old.Key] = &problem{p.kind, "what it replaces cannot be moved away: " + p.message}
			} else if arrives(c) && refusal(p) {
				if err := m.giveBack(entry, c.New.Key, left, leave, emptied); err != nil {
					return err
				}
			}
		}
		// Between the two, so that a file can take the place of a directory.
		if err := m.pruneAll(emptied); err != nil {
			return err
		}
	}
	if len(amendments) == 0 {
		return nil
	}
	entry.Amendments = append(entry.Amendments, amendments...)
	return t.amendJournal(entry, amendments)
}

// refusal tells whether it is the file system that does not let a file be moved.
func refusal(p *problem) bool { return p.kind == cooper.KindDenied || p.kind == cooper.KindInvalid }

// giveBack lets the version of a key return to the mirror if the one that was to take
// its place is refused there: the mirror must not lose a name over that.
func (m *mover) giveBack(entry *journal.Entry, key string, left map[int]bool, leave func(int, *problem), emptied map[string]bool) error {
	for i := range entry.Changes {
		c := &entry.Changes[i]
		if c.Op != Retire || left[i] || c.Old.Key != key {
			continue
		}
		p, err := excused(m.unmake(c))
		if err != nil {
			return err
		}
		if p == nil {
			leave(i, &problem{kindKept, "kept in the mirror, because what was to replace it could not be placed"})
			emptied[parentOf(m.to(c).path())] = true
		}
	}
	return nil
}

// make moves the file of a change unless that was done before.
func (m *mover) make(c *Change) (*problem, error) {
	if c.Op == Mend {
		return m.mend(c)
	}
	from, target := m.from(c), m.to(c)
	if from.in != inStaging && target.in != inMirror {
		// The mirror's path is shared by all versions of the key, and one in history
		// may be taken at once by the next: the free place where the file goes tells
		// whether it still has it.
		dst, _, there, err := find(m.fs, target)
		if err != nil {
			return nil, err
		}
		if there {
			return nil, m.dropSecondName(from, dst)
		}
	}
	src, info, there, err := find(m.fs, from)
	if err != nil {
		return nil, err
	}
	if there {
		return m.move(src, info, target)
	}
	if from.in != inMirror {
		if _, _, there, err := find(m.fs, target); there || err != nil {
			return nil, err
		}
	}
	return notThere(src, info), nil
}

// dropSecondName removes the name a file had before, if it still has it.
func (m *mover) dropSecondName(old spot, now string) error {
	before, _, there, err := find(m.fs, old)
	if err != nil || !there {
		return err
	}
	_, err = m.dropIfSame(before, now)
	return err
}

func journalPath(plan string, shard int) string {
	return journalDir + "/" + plan + "-" + strconv.Itoa(shard) + journalSuffix
}

const (
	journalSuffix = ".journal"
	tmpSuffix     = ".tmp"
)

// writeJournal makes an entry durable. If it fails, there is none.
func (t *Tree) writeJournal(entry *journal.Entry) error {
	path := journalPath(entry.Plan, entry.Shard)
	if err := t.writeSynced(path+tmpSuffix, journal.Encode(entry)); err != nil {
		return errors.Join(err, t.removeIfThere(path+tmpSuffix))
	}
	// A journal without its temporary name is whole.
	if err := t.fs.Move(path+tmpSuffix, path); err != nil {
		return errors.Join(err, t.removeIfThere(path+tmpSuffix))
	}
	if err := t.fs.SyncDir(journalDir); err != nil {
		t.recovered = false // it may be there or not
		return err
	}
	return nil
}

func (t *Tree) writeSynced(path string, b []byte) error {
	f, err := t.fs.OpenWrite(path)
	if err != nil {
		return err
	}
	err = f.Truncate(0)
	if err == nil {
		_, err = f.Write(b)
	}
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

func (t *Tree) removeIfThere(path string) error {
	err := t.fs.Remove(path)
	if cooper.KindOf(err) == cooper.KindMissing {
		return nil
	}
	return err
}

// amendJournal adds amendments behind what is whole of an entry's file.
func (t *Tree) amendJournal(entry *journal.Entry, as []journal.Amendment) error {
	f, err := t.fs.OpenWrite(journalPath(entry.Plan, entry.Shard))
	if err != nil {
		return err
	}
	b, err := io.ReadAll(f)
	if err == nil {
		var size int
		if _, size, err = journal.Decode(b); err == nil {
			err = f.Truncate(int64(size))
		}
	}
	if err == nil {
		_, err = f.Write(journal.EncodeAmendments(as))
	}
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}
