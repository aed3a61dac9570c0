package config

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"cooper"
)

// Load reads a file. One that has commands run is refused unless nobody but the
// user and root can have written it.
func Load(path string) (*Config, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &cooper.Error{Kind: cooper.KindUsage, Where: path, Message: "there is no such file", Err: fs.ErrNotExist,
			Remedy: "cooper gc init writes one from the database's schema; --config names another."}
	}
	if err != nil {
		return nil, unread(path, err)
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil {
		return nil, unread(path, err)
	} else if !info.Mode().IsRegular() {
		return nil, &cooper.Error{Kind: cooper.KindUsage, Where: path, Message: "this is no ordinary file", Remedy: "Name a file of text by --config."}
	}
	src, err := io.ReadAll(io.LimitReader(f, maxSize+1))
	if err != nil {
		return nil, unread(path, err)
	}
	c, err := parse(filepath.Clean(path), src)
	if err != nil {
		return nil, err
	}
	c.Dir = filepath.Dir(path)
	if cs := c.Commands(); len(cs) > 0 {
		if err := trusted(path, f); err != nil {
			return nil, untrusted(cs[0], err)
		}
	}
	return c, nil
}

// Parse reads a file's text; name stands for it in errors. Commands are refused: of a
// text nobody knows who wrote it.
func Parse(name string, src []byte) (*Config, error) {
	c, err := parse(name, src)
	if err != nil {
		return nil, err
	}
	if cs := c.Commands(); len(cs) > 0 {
		return nil, untrusted(cs[0], errors.New("it was not read from a file"))
	}
	return c, nil
}

func parse(name string, src []byte) (*Config, error) {
	r := &reader{file: name}
	c := r.config(src)
	if len(r.faults) > 0 {
		return nil, inOrder(r.faults)
	}
	return c, nil
}

func (r *reader) config(src []byte) *Config {
	c := defaults()
	doc := r.document(src)
	if len(r.faults) > 0 {
		return c
	}
	if doc == nil || null(doc) {
		r.add(Pos{}, "cooper gc init writes one from the database's schema.", "the file is empty")
		return c
	}
	r.root = doc
	if r.block(doc, &c.Place, "cooper.yaml", c.fields(r)) {
		r.addRegistry(c)
		r.check(c)
	}
	return c
}

func unread(path string, err error) error {
	kind := cooper.KindInternal
	if errors.Is(err, fs.ErrPermission) {
		kind = cooper.KindUsage
	}
	return &cooper.Error{Kind: kind, Where: path, Message: "cannot be read", Err: err}
}

// doubt says why a file is not to be trusted, and what would make it so.
type doubt struct{ path, why, remedy string }

func (d *doubt) Error() string { return d.path + " " + d.why }

func untrusted(c Command, err error) error {
	remedy := "Leave commands out, or have Cooper read them from a file of your own."
	var d *doubt
	if errors.As(err, &d) {
		remedy = d.remedy
	}
	return &cooper.Error{Kind: cooper.KindUsage, Where: c.Where, Remedy: remedy, Err: err,
		Message: "the command " + quote(c.Args[0]) + " is not run from a file that somebody else can have written"}
}
