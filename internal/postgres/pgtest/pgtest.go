// Package pgtest runs a PostgreSQL server for tests: a real one, of its own, in a
// temporary directory, reached through a Unix socket.
//
// It promises that nothing is left of it after Stop. Where no PostgreSQL is
// installed, Start says so with ErrMissing, and tests skip.
package pgtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"

	"github.com/jackc/pgx/v5"
)

// ErrMissing is Start's error where no PostgreSQL is installed.
var ErrMissing = errors.New("no PostgreSQL is installed (Debian: apt-get install postgresql)")

// The user whose password must never be seen, and it.
const (
	User     = "lab"
	Password = "s3cret-Pa55word"
)

// Server is a running server with an empty database, lab.
type Server struct {
	dir   string
	cmd   *exec.Cmd // nil unless it runs
	ended chan error
	log   bytes.Buffer
}

// Start makes and starts a server.
func Start(ctx context.Context) (s *Server, err error) {
	bin, err := binaries()
	if err != nil {
		return nil, err
	}
	s = &Server{}
	if s.dir, err = os.MkdirTemp("", "pg"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Stop())
		}
	}()
	attr, err := s.own()
	if err != nil {
		return nil, err
	}
	password := filepath.Join(s.dir, "password")
	if err := os.WriteFile(password, []byte(Password), 0o644); err != nil {
		return nil, err
	}
	data := filepath.Join(s.dir, "data")
	initdb := exec.CommandContext(ctx, filepath.Join(bin, "initdb"), "-D", data, "-U", User, "-A", "scram-sha-256", "--pwfile", password, "-E", "UTF8", "--locale", "C", "--no-sync")
	initdb.SysProcAttr, initdb.Dir = attr, s.dir
	if out, err := initdb.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("initdb: %w: %s", err, out)
	}
	s.cmd = exec.CommandContext(context.WithoutCancel(ctx), filepath.Join(bin, "postgres"), "-D", data, "-k", s.dir, "-c", "listen_addresses=", "-c", "fsync=off")
	s.cmd.SysProcAttr, s.cmd.Dir, s.cmd.Stderr = attr, s.dir, &s.log
	if err := s.cmd.Start(); err != nil {
		s.cmd = nil
		return nil, err
	}
	s.ended = make(chan error, 1)
	go func() { s.ended <- s.cmd.Wait() }()
	return s, s.ready(ctx)
}

// own gives the directory to a user who may run a server: root may not.
func (s *Server) own() (*syscall.SysProcAttr, error) {
	// SIGINT: should the tests be killed, so is the server.
	attr := &syscall.SysProcAttr{Pdeathsig: syscall.SIGINT}
	if os.Getuid() != 0 {
		return attr, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		u, err = user.Lookup("nobody")
	}
	if err != nil {
		return nil, err
	}
	uid, uerr := strconv.Atoi(u.Uid)
	gid, gerr := strconv.Atoi(u.Gid)
	if err := errors.Join(uerr, gerr); err != nil {
		return nil, err
	}
	attr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	return attr, os.Chown(s.dir, uid, gid)
}

// ready creates the database as soon as the server answers.
func (s *Server) ready(ctx context.Context) error {
	for {
		conn, err := pgx.Connect(ctx, s.url("postgres"))
		if err == nil {
			_, err = conn.Exec(ctx, "CREATE DATABASE "+User)
			return errors.Join(err, conn.Close(ctx))
		}
		select {
		case werr := <-s.ended:
			s.cmd = nil
			return fmt.Errorf("postgres ended: %w: %s", werr, s.log.String())
		case <-ctx.Done():
			return err
		default:
		}
	}
}

// URL names the database, with the password.
func (s *Server) URL() string { return s.url(User) }

func (s *Server) url(database string) string {
	u := url.URL{Scheme: "postgres", User: url.UserPassword(User, Password), Path: "/" + database, RawQuery: url.Values{"host": {s.dir}}.Encode()}
	return u.String()
}

// Stop ends the server and removes its directory.
func (s *Server) Stop() error {
	var err error
	if s.cmd != nil {
		err = errors.Join(s.cmd.Process.Signal(syscall.SIGINT), <-s.ended)
		s.cmd = nil
	}
	return errors.Join(err, os.RemoveAll(s.dir))
}

// Installed tells whether Start would find a server.
func Installed() bool {
	_, err := binaries()
	return err == nil
}

// binaries finds the directory of initdb and postgres, the newest version first.
func binaries() (string, error) {
	dirs, err := filepath.Glob("/usr/lib/postgresql/*/bin")
	if err != nil {
		return "", err
	}
	slices.Reverse(dirs)
	if path, err := exec.LookPath("initdb"); err == nil {
		dirs = append(dirs, filepath.Dir(path))
	}
	for _, d := range dirs {
		if _, err := os.Stat(filepath.Join(d, "postgres")); err == nil {
			return d, nil
		}
	}
	return "", ErrMissing
}
