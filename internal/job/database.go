package job

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"cooper"
	"cooper/internal/config"
	"cooper/internal/database"
	"cooper/internal/database/mysql"
	"cooper/internal/database/postgres"
	"cooper/internal/database/sqlite"
)

// openDatabase opens the database that a configuration names, to be read and within its
// limits: the replica, if there is one.
func (e *Env) openDatabase(ctx context.Context, c *config.Config) (database.Database, error) {
	return e.openAt(ctx, c, readFrom(c))
}

// openAt opens a database of a configuration, to be read and within its limits.
func (e *Env) openAt(ctx context.Context, c *config.Config, d *config.Database) (database.Database, error) {
	address, err := addressOf(ctx, c.Dir, d)
	if err != nil {
		return nil, err
	}
	if url := database.Spelled(address); url != "" {
		return nil, d.Fault("", "the database's address is no URL", "Write it so: "+url)
	}
	opt := database.Options{Now: e.Clock, Limits: database.Limits{
		Connections: c.Limits.Connections, RowsPerSecond: c.Limits.RowsPerSecond, BusyLag: c.Busy.ReplicaLag, MaxLag: c.Lag,
	}}
	switch {
	case mysql.IsURL(address) && d.Engine != "postgres" && d.Engine != config.SQLite:
		opt.Limits.Busy = c.Busy.ThreadsRunning
		return openedDatabase(mysql.Open(ctx, address, opt))
	case sqlite.IsURL(address) && (d.Engine == "" || d.Engine == config.SQLite):
		return openedDatabase(sqlite.Open(ctx, fileIn(c.Dir, address), opt))
	case postgres.IsURL(address) && d.Engine != "mysql" && d.Engine != config.SQLite:
		opt.Limits.Busy = c.Busy.ActiveBackends
		return openedDatabase(postgres.Open(ctx, address, opt))
	}
	// What it is instead is not shown: it may hold a password.
	engine := d.Engine
	if engine == "" {
		engine = "mysql, postgres or sqlite"
	}
	return nil, d.Fault("", "the address that it leads to is none of "+engine, "It begins with mysql://USER:PASSWORD@HOST/DATABASE or postgres://USER:PASSWORD@HOST/DATABASE; or is sqlite:PATH.")
}

// fileIn is the address of a file of SQLite, whose path may be relative to a folder.
func fileIn(dir, address string) string {
	engine, path, _ := strings.Cut(address, ":")
	if path == "" || filepath.IsAbs(path) {
		return address
	}
	return engine + ":" + filepath.Join(dir, path)
}

// openedDatabase keeps the nil of an error from becoming a database.
func openedDatabase[D database.Database](d D, err error) (database.Database, error) {
	if err != nil {
		return nil, err
	}
	return d, nil
}

// readFrom is the database that a scan reads.
func readFrom(c *config.Config) *config.Database {
	if c.Replica != nil {
		return c.Replica
	}
	return &c.Database
}

// addressTime is how long a command may take to tell an address.
const addressTime = time.Minute

// addressOf finds where a database is. No error shows what was found.
func addressOf(ctx context.Context, dir string, d *config.Database) (string, error) {
	switch {
	case d.Env != "":
		if v := strings.TrimSpace(os.Getenv(d.Env)); v != "" {
			return v, nil
		}
		return "", d.Fault("", "the variable "+d.Env+" of the environment is empty, or not set", "Set it to the database's address, as mysql://USER:PASSWORD@HOST/DATABASE.")
	case d.File != "":
		path := d.File
		if !filepath.IsAbs(path) {
			path = filepath.Join(dir, path)
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return "", &cooper.Error{Kind: cooper.KindUsage, Where: path, Message: "the database's address cannot be read", Err: err}
		}
		return firstLine(text), nil
	case len(d.Command) > 0:
		return told(ctx, dir, d)
	}
	return d.URL, nil
}

func firstLine(text []byte) string {
	s := bufio.NewScanner(bytes.NewReader(text))
	s.Scan() // a line that is too long is no address: it is empty then
	return strings.TrimSpace(s.Text())
}

// told runs the command that tells the address. What it says on its standard error is shown
// to nobody: it might tell passwords, and logs are kept.
func told(ctx context.Context, dir string, d *config.Database) (string, error) {
	within, cancel := context.WithTimeout(ctx, addressTime)
	defer cancel()
	cmd := exec.CommandContext(within, d.Command[0], d.Command[1:]...) //nolint:gosec // from a file that nobody else can have written
	cmd.Dir, cmd.WaitDelay = dir, 5*time.Second
	out, err := cmd.Output()
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return "", ctx.Err()
	case within.Err() != nil:
		return "", d.Fault("", "the command that tells the address takes longer than a minute", "Run it by hand.")
	case errors.As(err, &exit):
		return "", d.Fault("", "the command that tells the address failed: "+exit.String(), "Run it by hand to see what it says: that is not shown here, as it might tell passwords.")
	case err != nil:
		return "", d.Fault("", "the command that tells the address cannot be run: "+err.Error(), "Correct it.")
	}
	return firstLine(out), nil
}
