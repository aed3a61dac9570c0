package job

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"cooper"
)

// kept is the file of a consumer.
type kept struct {
	Format int             `json:"format"`
	Places placesOfTelling `json:"places"`
}

// load reads how far a consumer was told, and keeps others from being the same one.
func (t *telling) load(path string) (release func() error, err error) {
	local := func(err error) error {
		return &cooper.Error{Kind: cooper.KindInternal, Where: path, Message: "how far this consumer was told cannot be read", Err: err, Remedy: "To be told everything again, remove the file."}
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil { //nolint:gosec // as all of the workspace
		return nil, local(err)
	}
	lock, err := os.OpenFile(path+".lock", os.O_RDWR|os.O_CREATE, 0o644) //nolint:gosec // as all of the workspace
	if err != nil {
		return nil, local(err)
	}
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil { //nolint:gosec // it is a file's number
		return nil, errors.Join(&cooper.Error{Kind: cooper.KindLocked, Where: t.g.Consumer, Message: "this consumer is being told already", Remedy: "Name another, or stop the other process."}, lock.Close())
	}
	text, err := os.ReadFile(path) //nolint:gosec // its name was checked
	if errors.Is(err, os.ErrNotExist) {
		t.path = path
		return lock.Close, nil
	}
	var k kept
	if err == nil {
		err = json.Unmarshal(text, &k)
	}
	if err == nil && (k.Format != 1 || k.Places == nil) {
		err = fmt.Errorf("it has the format %d", k.Format)
	}
	if err != nil {
		return nil, errors.Join(local(err), lock.Close())
	}
	t.path, t.at = path, k.Places
	return lock.Close, nil
}

// save writes down how far the consumer was told.
func (t *telling) save() (err error) {
	t.moved = 0
	if t.path == "" {
		return nil
	}
	text, err := json.Marshal(kept{1, t.at})
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(t.path), "."+filepath.Base(t.path)+".*")
	if err == nil {
		_, err = f.Write(append(text, '\n'))
		if err == nil {
			err = f.Sync()
		}
		if err = errors.Join(err, f.Close()); err == nil {
			err = os.Rename(f.Name(), t.path)
		}
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}
	if err != nil {
		return &cooper.Error{Kind: cooper.KindInternal, Where: t.path, Message: "how far the consumer was told cannot be written down: some events will come again", Err: err}
	}
	return nil
}
