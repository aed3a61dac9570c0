// Package mysqltest runs a server of MariaDB, or MySQL's own, for tests: a real one, of its
// own, in a temporary directory, reached through a Unix socket.
//
// It promises that nothing is left of it after Stop. Where none is installed, Start and
// StartMySQL say so with ErrMissing, and tests skip.
package mysqltest

import (
	"bytes"
	"context"
	sqldriver "database/sql/driver"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"

	driver "github.com/go-sql-driver/mysql"
)

// ErrMissing is the error where no such server is installed.
var ErrMissing = errors.New("the server is not installed")

// The user whose password must never be seen, it, and an empty database. The user
// may do all.
const (
	User     = "lab"
	Password = "s3cret-Pa55/word"
	Name     = "lab"
)

// Server is a running server.
type Server struct {
	dir   string
	cmd   *exec.Cmd // nil unless it runs
	ended chan error
	said  bytes.Buffer
}

// Start makes and starts a MariaDB server, with further options of mariadbd.
func Start(ctx context.Context, options ...string) (*Server, error) {
	daemon, install, err := mariadb()
	if err != nil {
		return nil, err
	}
	return start(ctx, daemon, options, install, "--auth-root-authentication-method=normal", "--skip-test-db")
}

// StartMySQL makes and starts one of MySQL, with further options of mysqld.
func StartMySQL(ctx context.Context, options ...string) (*Server, error) {
	daemon := os.Getenv("COOPER_MYSQLD")
	if daemon == "" {
		return nil, fmt.Errorf("%w: MySQL (scripts/mysql DIR, then COOPER_MYSQLD=DIR/mysqld)", ErrMissing)
	}
	return start(ctx, daemon, append([]string{"--mysqlx=0", "--secure-file-priv="}, options...), daemon, "--initialize-insecure", "--secure-file-priv=")
}

// start has files made by a command with some words, and a server started on them.
func start(ctx context.Context, daemon string, options []string, install string, words ...string) (s *Server, err error) {
	s = &Server{}
	if s.dir, err = os.MkdirTemp("", "mysql"); err != nil {
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
	data := filepath.Join(s.dir, "data")
	made := exec.CommandContext(ctx, install, append([]string{"--no-defaults", "--datadir=" + data, "--skip-name-resolve"}, words...)...) //nolint:gosec // a server that a test starts
	made.SysProcAttr, made.Dir = attr, s.dir
	if out, err := made.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%s: %w: %s", install, err, out)
	}
	args := []string{
		"--no-defaults", "--datadir=" + data, "--socket=" + s.Socket(), "--pid-file=" + filepath.Join(s.dir, "pid"), "--skip-networking", "--character-set-server=utf8mb4",
		"--tmpdir=" + s.dir, // a server that starts removes the temporary tables of others
		"--innodb-flush-log-at-trx-commit=0", "--innodb-buffer-pool-size=64M", "--general-log-file=" + s.Log(), "--max-allowed-packet=64M",
	}
	s.cmd = exec.CommandContext(context.WithoutCancel(ctx), daemon, append(args, options...)...) //nolint:gosec // a server that a test starts
	s.cmd.SysProcAttr, s.cmd.Dir, s.cmd.Stderr = attr, s.dir, &s.said
	if err := s.cmd.Start(); err != nil {
		s.cmd = nil
		return nil, err
	}
	s.ended = make(chan error, 1)
	go func() { s.ended <- s.cmd.Wait() }()
	return s, s.ready(ctx)
}

// own gives the directory to a user who may run a server: root should not.
func (s *Server) own() (*syscall.SysProcAttr, error) {
	// Should the tests be killed, so is the server.
	attr := &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	if os.Getuid() != 0 {
		return attr, nil
	}
	u, err := user.Lookup("mysql")
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

// ready makes the database and the user as soon as the server answers.
func (s *Server) ready(ctx context.Context) error {
	config := driver.NewConfig()
	config.User, config.Net, config.Addr, config.Logger, config.MultiStatements = "root", "unix", s.Socket(), &driver.NopLogger{}, true
	connector, err := driver.NewConnector(config)
	if err != nil {
		return err
	}
	for {
		conn, err := connector.Connect(ctx)
		if err == nil {
			_, err = conn.(sqldriver.ExecerContext).ExecContext(ctx, fmt.Sprintf("CREATE DATABASE %s; CREATE USER %s IDENTIFIED BY '%s'; GRANT ALL ON *.* TO %s WITH GRANT OPTION", Name, User, Password, User), nil)
			return errors.Join(err, conn.Close())
		}
		select {
		case werr := <-s.ended:
			s.cmd = nil
			return fmt.Errorf("the server ended: %w: %s", werr, s.said.String())
		case <-ctx.Done():
			return err
		default:
		}
	}
}

// Socket is where it answers.
func (s *Server) Socket() string { return filepath.Join(s.dir, "socket") }

// Log is the file of the general log, which SET GLOBAL general_log turns on.
func (s *Server) Log() string { return filepath.Join(s.dir, "general.log") }

// URL names the database, with the password.
func (s *Server) URL() string { return s.As(User, Password) }

// As is the URL for another user.
func (s *Server) As(name, password string) string {
	u := url.URL{Scheme: "mysql", User: url.UserPassword(name, password), Host: "localhost", Path: "/" + Name, RawQuery: url.Values{"socket": {s.Socket()}}.Encode()}
	return u.String()
}

// Stop ends the server and removes its directory.
func (s *Server) Stop() error {
	var err error
	if s.cmd != nil {
		err = errors.Join(s.cmd.Process.Signal(syscall.SIGTERM), <-s.ended)
		s.cmd = nil
	}
	return errors.Join(err, os.RemoveAll(s.dir))
}

// mariadb finds the server and what makes its files.
func mariadb() (daemon, install string, err error) {
	missing := fmt.Errorf("%w: MariaDB (Debian: apt-get install mariadb-server)", ErrMissing)
	if daemon, err = exec.LookPath("mariadbd"); err != nil {
		if daemon, err = exec.LookPath("/usr/sbin/mariadbd"); err != nil {
			return "", "", missing
		}
	}
	if install, err = exec.LookPath("mariadb-install-db"); err != nil {
		return "", "", missing
	}
	return daemon, install, nil
}
