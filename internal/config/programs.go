package config

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"cooper"
)

// Programs are the files behind the commands that values are given to, each with the sum of
// what it has: the program, and whatever among its arguments is a file. A program that has
// changed finds other links. One that is not there has none; without commands there are none.
func (c *Config) Programs() (sums []string, err error) {
	for _, a := range c.Associations {
		for _, step := range a.Unpack.As {
			if step.Name != "exec" {
				continue
			}
			for i, arg := range step.Args {
				sum, err := c.sum(arg, i == 0)
				if err != nil {
					return nil, &cooper.Error{Kind: cooper.KindUsage, Where: a.PlaceOf("as"), Message: "the program " + cooper.Quote(arg) + " cannot be read, and so nobody knows whether it is the same as last time",
						Err: err, Remedy: "Let the user that scans read it."}
				}
				sums = append(sums, sum)
			}
		}
	}
	return sums, nil
}

// sum is that of the file which an argument names; empty if it names none.
func (c *Config) sum(arg string, program bool) (string, error) {
	path := arg
	switch {
	case program && !strings.ContainsRune(arg, filepath.Separator):
		found, err := exec.LookPath(arg)
		if errors.Is(err, exec.ErrNotFound) {
			return "", nil
		} else if err != nil {
			return "", err
		}
		path = found
	case !filepath.IsAbs(arg):
		path = filepath.Join(c.Dir, arg)
	}
	// What is no file, a pipe for instance, must not be opened: it might never end.
	if info, err := os.Stat(path); err != nil && (program && !errors.Is(err, fs.ErrNotExist)) {
		return "", err
	} else if err != nil || !info.Mode().IsRegular() {
		return "", nil //nolint:nilerr // it names no file
	}
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	sum := sha256.New()
	_, err = io.Copy(sum, f)
	return hex.EncodeToString(sum.Sum(nil)), errors.Join(err, f.Close())
}
