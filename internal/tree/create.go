package tree

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"syscall"

	"cooper"
	"cooper/internal/seal"
	"cooper/internal/tree/catalog"
	"cooper/internal/tree/keypath"
	"cooper/internal/tree/safefs"
)

// treeFormat is that of trees that are made, and of all once a run has worked on
// them. Those of format 1 had no checksums.
const treeFormat = 2

// lostFound is what file systems put into their root.
const lostFound = "lost+found"

// versionFile is what .cooper/VERSION holds.
type versionFile struct {
	Format int            `json:"format"`
	Layout keypath.Layout `json:"layout"`
}

func openRoot(dir string, create bool) (safefs.FS, error) {
	if create {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return nil, &cooper.Error{Kind: cooper.KindUsage, Where: dir, Message: "cannot make the directory", Err: err,
				Remedy: "name a directory that can be made"}
		}
	}
	fsys, err := safefs.Open(dir)
	if cooper.KindOf(err) == cooper.KindMissing {
		return nil, noTree(dir)
	}
	return fsys, err
}

func noTree(dir string) error {
	return &cooper.Error{Kind: cooper.KindUsage, Where: dir, Message: "there is no backup tree here",
		Remedy: "check the path; `cooper backup run` makes a tree in a new or empty directory"}
}

// workspaceText begins the VERSION of a workspace, which by default is a .cooper,
// too.
const workspaceText = "cooper workspace "

// notWorkspace refuses a directory whose .cooper is a workspace.
func (t *Tree) notWorkspace() error {
	b, err := t.versionText()
	if err != nil || !bytes.HasPrefix(b, []byte(workspaceText)) {
		return nil //nolint:nilerr // whoever reads it next tells
	}
	return &cooper.Error{Kind: cooper.KindUsage, Where: t.dir, Message: "no backup tree is or can be here: " + metaDir + " is a workspace, and the two cannot share a directory",
		Remedy: "name another DIR; for a tree here, move " + metaDir + " elsewhere, and name it with --workspace"}
}

func (t *Tree) versionText() ([]byte, error) {
	f, err := t.fs.Open(versionPath)
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(io.LimitReader(f, 4096))
	return b, errors.Join(err, f.Close())
}

// readVersion reads what kind of tree this is; KindUsage if it is none (yet).
func (t *Tree) readVersion() error {
	b, err := t.versionText()
	if cooper.KindOf(err) == cooper.KindMissing {
		return t.withoutVersion(err)
	}
	if errors.Is(err, syscall.ENOTDIR) {
		return &cooper.Error{Kind: cooper.KindRefused, Where: t.dir + "/" + metaDir, Message: "this is no directory, and stands where Cooper's own files would be",
			Remedy: "move it away, if it is none of a tree", Err: err}
	}
	if err != nil {
		return err
	}
	v, err := parseVersion(b)
	if err != nil {
		return t.badVersion("this is damaged", err)
	}
	if v.Format < 1 || v.Format > treeFormat || !v.Layout.Known() {
		return &cooper.Error{Kind: cooper.KindRefused, Where: t.dir, Remedy: "use the program that made the tree, or a newer one",
			Message: fmt.Sprintf("the tree has format %d and layout %q; this program knows %d, and %q and %q", v.Format, v.Layout, treeFormat, keypath.Sidecar, keypath.Inline)}
	}
	t.layout, t.format = layout{v.Layout}, v.Format
	return nil
}

// withoutVersion tells a tree that lost its version file from what is none, or is being
// made: in a tree something happened after that.
func (t *Tree) withoutVersion(err error) error {
	c, unread := catalog.OpenFS(t.fs)
	if unread != nil || c.State().Generation <= catalog.FirstGeneration {
		return noTree(t.dir)
	}
	return t.badVersion("the file that says which layout the tree has is gone", err)
}

func (t *Tree) badVersion(message string, err error) error {
	return &cooper.Error{Kind: cooper.KindCorrupt, Where: t.dir + "/" + versionPath, Message: message, Err: err,
		Remedy: fmt.Sprintf(`write {"format":1,"layout":%q} to the file, or %q for a tree without mirror and history; the next run seals it`, keypath.Sidecar, keypath.Inline)}
}

// parseVersion reads a version file. One of format 1, or written by hand, has no
// seal. Of a newer format nothing but that is told.
func parseVersion(b []byte) (v versionFile, err error) {
	err = seal.Decode(b, 2, treeFormat, &v)
	if newer := (*seal.Newer)(nil); errors.As(err, &newer) {
		return versionFile{Format: newer.Format}, nil
	}
	return v, err
}

// checkRoots refuses a tree that links or mounts spread over several places:
// renaming would not work there, and syncing would not reach it.
func (t *Tree) checkRoots() error {
	root, err := t.fs.Lstat(".")
	if err != nil {
		return err
	}
	for _, name := range append(t.layout.ownDirs(), metaDir) {
		info, err := t.fs.Lstat(name)
		if err == nil && info.IsDir() && info.Dev == root.Dev {
			// What a link or a mount is, opening tells for sure.
			_, err = t.fs.Lstat(name + "/none")
			if err == nil || cooper.KindOf(err) == cooper.KindMissing {
				continue
			}
		}
		return &cooper.Error{Kind: cooper.KindRefused, Where: t.dir + "/" + name, Err: err,
			Message: "this is no directory on the tree's own file system",
			Remedy:  "it, like all at the top of a tree, must be directories of one file system, neither links nor mounts"}
	}
	return nil
}

// create makes the tree. The version file comes last: until it is there, the
// directory is no tree, and making one begins again.
func (t *Tree) create(want keypath.Layout) error {
	if want == "" {
		want = keypath.Sidecar
	}
	own := layout{want}.ownDirs()
	entries, err := t.fs.ReadDir(".")
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.Name != metaDir && e.Name != lostFound && !(e.IsDir() && slices.Contains(own, e.Name) && t.isEmpty(e.Name)) {
			return &cooper.Error{Kind: cooper.KindUsage, Where: t.dir, Message: "the directory is no backup tree, and holds other things, such as " + cooper.Quote(e.Name),
				Remedy: "name a tree, or a new or empty directory"}
		}
	}
	if err := t.mayMake(); err != nil {
		return err
	}
	for _, name := range append(own, stagingDir, journalDir, asideDir) {
		if err := t.fs.MkdirAll(name); err != nil {
			return err
		}
	}
	return t.whileMaking(func() error {
		return t.createLocked(want, func() error { return catalog.Create(t.fs) })
	})
}

// mayMake refuses a .cooper that holds anything an interrupted attempt to make a
// tree could not have left: in a tree it would be taken for Cooper's, and be
// overwritten or deleted.
func (t *Tree) mayMake() error {
	entries, err := t.fs.ReadDir(metaDir)
	if cooper.KindOf(err) == cooper.KindMissing {
		return nil
	} else if err != nil {
		return err
	}
	for _, e := range entries {
		name := metaDir + "/" + e.Name
		ours := false
		switch name {
		case stagingDir, journalDir, asideDir: // until there is a tree, nothing is put there
			name, ours, err = t.holdsOnly(e, name, func(safefs.Info) (bool, error) { return false, nil })
		case probeDir:
			name, ours, err = t.holdsOnly(e, name, func(f safefs.Info) (bool, error) {
				if !slices.Contains(probeNames, f.Name) {
					return false, nil
				}
				return t.isEmptyFile(probeDir + "/" + f.Name)
			})
		case catalog.Dir:
			name, ours, err = t.holdsOnly(e, name, func(f safefs.Info) (bool, error) { return f.IsFile() && catalog.Owns(f.Name), nil })
		case lockPath:
			ours, err = t.isEmptyFile(lockPath)
		case versionPath + tmpSuffix:
			ours, err = t.isVersionBegun(e)
		}
		if err != nil {
			return err
		}
		if !ours {
			return &cooper.Error{Kind: cooper.KindRefused, Where: t.dir + "/" + name, Message: "this is not Cooper's, and stands where its own files would be",
				Remedy: "move " + metaDir + " away, if it is none of a tree"}
		}
	}
	return nil
}

// holdsOnly tells whether a directory has nothing but what is ours, and else
// names the first other thing.
func (t *Tree) holdsOnly(dir safefs.Info, path string, ours func(safefs.Info) (bool, error)) (string, bool, error) {
	if !dir.IsDir() {
		return path, false, nil
	}
	entries, err := t.fs.ReadDir(path)
	if err != nil {
		return path, false, err
	}
	for _, e := range entries {
		if ok, err := ours(e); !ok || err != nil {
			return path + "/" + e.Name, false, err
		}
	}
	return path, true, nil
}

func (t *Tree) isEmptyFile(path string) (bool, error) {
	info, there, err := lstat(t.fs, path)
	return !there || info.IsFile() && info.Size == 0, err
}

// isVersionBegun tells whether a file is a version file, or the beginning of one;
// after a crash of the machine zeros can stand for what was not synced.
func (t *Tree) isVersionBegun(info safefs.Info) (bool, error) {
	if !info.IsFile() {
		return false, nil
	}
	f, err := t.fs.Open(metaDir + "/" + info.Name)
	if err != nil {
		return false, err
	}
	b, err := io.ReadAll(io.LimitReader(f, 4096))
	if err = errors.Join(err, f.Close()); err != nil {
		return false, err
	}
	for _, l := range []keypath.Layout{keypath.Sidecar, keypath.Inline} {
		whole, err := encodeVersion(l)
		if err != nil {
			return false, err
		}
		if len(b) <= len(whole) && bytes.HasPrefix(whole, bytes.TrimRight(b, "\x00")) {
			return true, nil
		}
	}
	return false, nil
}

// whileMaking keeps others from making a tree here meanwhile.
func (t *Tree) whileMaking(do func() error) error {
	lock, err := t.fs.OpenWrite(lockPath)
	if err != nil {
		return err
	}
	ok, err := tryLock(lock)
	if err == nil && !ok {
		err = &cooper.Error{Kind: cooper.KindLocked, Where: t.dir, Message: "another process makes a tree here", Remedy: "wait for it"}
	}
	if err == nil {
		err = do()
	}
	return errors.Join(err, lock.Close())
}

func (t *Tree) isEmpty(dir string) bool {
	infos, err := t.fs.ReadDir(dir)
	return err == nil && len(infos) == 0
}

func (t *Tree) createLocked(want keypath.Layout, makeCatalog func() error) error {
	// Another process may have made the tree, and filled it, since this one
	// looked: then an empty catalog would lose what it holds.
	if err := t.readVersion(); err == nil || cooper.KindOf(err) != cooper.KindUsage {
		return err
	}
	if err := t.probe(); err != nil {
		return err
	}
	if err := makeCatalog(); err != nil {
		return err
	}
	return t.writeVersion(want)
}

func encodeVersion(l keypath.Layout) ([]byte, error) {
	b, err := json.Marshal(versionFile{Format: treeFormat, Layout: l})
	if err != nil {
		return nil, err
	}
	return seal.Document(b)
}

// writeVersion makes a tree of the directory, once all else is on disk.
func (t *Tree) writeVersion(l keypath.Layout) error {
	b, err := encodeVersion(l)
	if err != nil {
		return err
	}
	const tmp = versionPath + tmpSuffix
	f, err := t.fs.OpenWrite(tmp)
	if err != nil {
		return err
	}
	err = f.Truncate(0)
	if err == nil {
		_, err = f.Write(b)
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := t.fs.SyncAll(); err != nil {
		return err
	}
	if err := t.fs.Replace(tmp, versionPath); err != nil {
		return err
	}
	t.layout, t.format = layout{l}, treeFormat
	return t.fs.SyncAll()
}

// probeNames are names that a file system which is not sensitive to all of them
// takes for one another, or refuses.
var probeNames = []string{"case", "CASE", "\u00e9", "e\u0301", "dot", "dot.", "blank ", "blank", `back\slash`, "colon:", "question?*|<>\""}

// probe makes sure that the file system tells apart whatever S3 tells apart,
// and keeps times.
func (t *Tree) probe() (err error) {
	const dir = probeDir
	if err := t.fs.MkdirAll(dir); err != nil {
		return err
	}
	for _, n := range probeNames { // of a probe that was interrupted
		if err := t.fs.Remove(dir + "/" + n); err != nil && cooper.KindOf(err) != cooper.KindMissing {
			return unsuitable(t.dir, "refuses the name "+cooper.Quote(n), err)
		}
	}
	defer func() {
		for _, n := range probeNames {
			if rerr := t.fs.Remove(dir + "/" + n); rerr != nil && err == nil {
				err = rerr
			}
		}
		if rerr := t.fs.RemoveDir(dir); rerr != nil && err == nil {
			err = rerr
		}
	}()
	const at = cooper.Instant(1234567890123)
	for _, n := range probeNames {
		f, err := t.fs.Create(dir + "/" + n)
		if err != nil {
			return unsuitable(t.dir, "takes "+cooper.Quote(n)+" for another name, or refuses it", err)
		}
		err = f.SetTime(at)
		if err = errors.Join(err, f.Close()); err != nil {
			return err
		}
	}
	info, err := t.fs.Lstat(dir + "/" + probeNames[0])
	if err != nil {
		return err
	}
	if !info.ModifiedAt(at) {
		return unsuitable(t.dir, "does not keep modification times to the second", nil)
	}
	return nil
}

func unsuitable(dir, why string, err error) error {
	return &cooper.Error{Kind: cooper.KindRefused, Where: dir, Err: err, Message: "the file system cannot hold a backup tree: it " + why,
		Remedy: "use a Linux file system that is sensitive to case, such as ext4 or XFS"}
}
