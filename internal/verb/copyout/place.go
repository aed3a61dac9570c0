package copyout

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"path"
	"strconv"

	"cooper"
	"cooper/internal/apply"
	"cooper/internal/checksum"
	"cooper/internal/permit"
	"cooper/internal/tree/keypath"
	"cooper/internal/tree/safefs"
)

// Do copies one version to the hidden place, unless its bytes are where they
// belong already.
func (d *Directory) Do(ctx context.Context, a *cooper.Action) cooper.Outcome {
	v, err := versionOf(a)
	if err != nil {
		return outcome(ctx, &v, checksum.Result{}, err)
	}
	file, err := d.from.OpenRow(&v.row)
	if err != nil {
		return outcome(ctx, &v, checksum.Result{}, err)
	}
	defer func() { _ = file.Close() }() // it was only read
	todo, there, err := d.look(ctx, &v, file)
	if err != nil || todo != nil {
		if err == nil && todo.touch != "" {
			d.keep(a.ID, *todo)
		}
		return outcome(ctx, &v, there, err)
	}
	temp := scratch + "/" + strconv.FormatInt(a.ID, 10)
	res, copied, err := d.copy(ctx, &v, file, temp)
	o := outcome(ctx, &v, res, err)
	if copied {
		o.Bytes = v.Size
		d.keep(a.ID, prepared{temp: temp})
	}
	return o
}

func (d *Directory) keep(action int64, p prepared) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ready[action] = p
}

func (d *Directory) take(action int64) (prepared, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	p, ok := d.ready[action]
	delete(d.ready, action)
	return p, ok
}

// look compares the destination with the bytes in the tree, and these with what
// is known of them. It gives nil if they must be copied, and a conflict if
// something else is in the way. Size and time tell nothing: versions of one
// second can have the same.
func (d *Directory) look(ctx context.Context, v *version, file safefs.File) (*prepared, checksum.Result, error) {
	var res checksum.Result
	at, info, err := d.find(v.Key)
	if err != nil || info == nil {
		return nil, res, err
	}
	if info.Size == v.Size {
		there, err := d.fs.Open(at)
		if err != nil {
			return nil, res, err
		}
		defer func() { _ = there.Close() }() // it was only read
		check := v.recheck()
		same, err := sameBytes(ctx, there, io.TeeReader(section(file, v), check))
		if err != nil {
			return nil, res, err
		}
		if same {
			res, ok := v.judge(check.Result())
			if res.Check != cooper.Corrupt {
				res.Method = alreadyThere
			}
			if !ok || info.ModifiedAt(v.LastModified) {
				return &prepared{}, res, nil
			}
			return &prepared{touch: at}, res, nil
		}
	}
	if v.replace {
		return nil, res, nil
	}
	return nil, res, conflict(cooper.Quote(at), "another file is there already")
}

// find gives the path at which a key's file belongs, and what is there; nil if
// nothing is. Where the plain path is a directory, the file steps aside.
func (d *Directory) find(key string) (at string, info *safefs.Info, err error) {
	plain, displaced := keypath.Mirror(key), keypath.Displaced(key)
	if d.inner != "" && (within(plain, d.inner) || within(d.inner, plain)) {
		return "", nil, conflict(cooper.Quote(plain), "the tree itself lies there")
	}
	first, err := d.stat(plain)
	if err != nil || first != nil && !first.IsDir() {
		return plain, first, err
	}
	second, err := d.stat(displaced)
	switch {
	case err != nil:
		return displaced, nil, err
	case second != nil && second.IsDir():
		return displaced, nil, conflict(cooper.Quote(displaced), "a directory is in the way")
	case second == nil && first == nil:
		return plain, nil, nil
	}
	return displaced, second, nil
}

// stat gives nil for what is not there: also where a file stands in the place
// of a directory above it, which is the commit's to settle. What is neither
// file nor directory is a conflict.
func (d *Directory) stat(name string) (*safefs.Info, error) {
	info, err := d.fs.Lstat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		if _, file := d.blocker(name); file {
			return nil, nil
		}
		return nil, err
	case !info.IsFile() && !info.IsDir():
		return nil, conflict(cooper.Quote(name), "something that is no file is in the way")
	}
	return &info, nil
}

// blocker finds the first thing above name that is no directory, and tells
// whether it is a regular file.
func (d *Directory) blocker(name string) (above string, file bool) {
	for i := range len(name) {
		if name[i] != '/' {
			continue
		}
		info, err := d.fs.Lstat(name[:i])
		if err != nil {
			return "", false
		}
		if !info.IsDir() {
			return name[:i], info.IsFile()
		}
	}
	return "", false
}

// copy writes the bytes to temp, comparing them with what is known of them; those
// that may not be copied do not stay there.
func (d *Directory) copy(ctx context.Context, v *version, file safefs.File, temp string) (res checksum.Result, copied bool, err error) {
	out, err := d.fs.Create(temp)
	if err != nil {
		return res, false, err
	}
	check := v.recheck()
	_, err = pump(ctx, io.MultiWriter(check, out), file)
	if err == nil {
		res, copied = v.judge(check.Result())
	}
	if err == nil && v.LastModified != 0 {
		err = out.SetTime(v.LastModified)
	}
	err = errors.Join(err, out.Close())
	if err != nil || !copied {
		return res, false, errors.Join(err, d.fs.Remove(temp))
	}
	return res, true, nil
}

// Commit gives the copies of a shard their names. First everything is synced,
// so that no name ever leads to bytes that are not there.
func (d *Directory) Commit(ctx context.Context, p permit.Permit, _ apply.Shard, actions []cooper.Action, outs []cooper.Outcome) ([]cooper.Outcome, error) {
	if !p.Valid() {
		return nil, &cooper.Error{Kind: cooper.KindInternal, Message: "a restore was committed without a permit"}
	}
	synced := false
	for i := range actions {
		todo, ok := d.take(actions[i].ID)
		if !ok {
			continue
		}
		if !synced {
			if err := d.fs.SyncAll(); err != nil {
				return nil, err
			}
			synced = true
		}
		err := d.finish(ctx, &actions[i], todo)
		switch kind := cooper.KindOf(err); kind {
		case "":
		case cooper.KindConflict, cooper.KindDenied, cooper.KindMissing:
			outs[i].Status, outs[i].Kind, outs[i].Message = cooper.Failed, kind, err.Error()
		default:
			return nil, err
		}
	}
	if synced {
		return outs, d.fs.SyncAll()
	}
	return outs, nil
}

// finish gives one copy its name, or one file its time.
func (d *Directory) finish(ctx context.Context, a *cooper.Action, todo prepared) error {
	if todo.touch != "" {
		f, err := d.fs.OpenWrite(todo.touch)
		if err != nil {
			return err
		}
		return errors.Join(f.SetTime(a.Version.LastModified), f.Close())
	}
	v, err := versionOf(a)
	if err == nil {
		err = d.place(ctx, &v, todo.temp)
	}
	if err == nil {
		return nil
	}
	if removed := d.fs.Remove(todo.temp); removed != nil && !errors.Is(removed, fs.ErrNotExist) {
		return errors.Join(err, removed)
	}
	return err
}

func (d *Directory) place(ctx context.Context, v *version, temp string) error {
	at, info, err := d.find(v.Key)
	if err != nil {
		return err
	}
	if info != nil {
		if !v.replace {
			return conflict(cooper.Quote(at), "another file has come to be there")
		}
		return d.fs.Replace(temp, at)
	}
	if above, file := d.blocker(at); file {
		if err := d.stepAside(ctx, above); err != nil {
			return err
		}
	}
	if dir := path.Dir(at); dir != "." {
		if err := d.fs.MkdirAll(dir); err != nil {
			return err
		}
	}
	return d.fs.Move(temp, at)
}

// stepAside moves the file of a key to its displaced form, because other keys
// lie under it. Only a file that was restored steps aside: one with the size
// and time of a version the tree knows.
func (d *Directory) stepAside(ctx context.Context, at string) error {
	info, err := d.fs.Lstat(at)
	if err != nil {
		return err
	}
	if key, displaced, ok := keypath.ParseMirror(at); ok && !displaced {
		rows, err := d.from.Catalog().Lookup(ctx, key)
		if err != nil {
			return err
		}
		for i := range rows {
			if r := &rows[i]; !r.DeleteMarker && r.Size == info.Size && info.ModifiedAt(r.LastModified) {
				return d.fs.Move(at, keypath.Displaced(key))
			}
		}
	}
	return conflict(cooper.Quote(at), "a file is in the way of a directory")
}

// sameBytes compares two files of equal size.
func sameBytes(ctx context.Context, a, b io.Reader) (bool, error) {
	x, y := buffers.Get().(*[]byte), buffers.Get().(*[]byte)
	defer buffers.Put(x)
	defer buffers.Put(y)
	for ctx.Err() == nil {
		n, err := io.ReadFull(a, *x)
		m, err2 := io.ReadFull(b, (*y)[:max(n, 1)])
		ended := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
		switch {
		case err != nil && !ended:
			return false, err
		case err2 != nil && !errors.Is(err2, io.EOF) && !errors.Is(err2, io.ErrUnexpectedEOF):
			return false, err2
		case n != m || !bytes.Equal((*x)[:n], (*y)[:m]):
			return false, nil
		case ended:
			return true, nil
		}
	}
	return false, context.Cause(ctx)
}
