package main

import (
	"bufio"
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// Files of the platform that nothing links to: one that somebody asks for all the same, one that is brought back, and
// one that somebody tries to link once it has gone.
const (
	wanted = 1042
	missed = 1101
	late   = 1150
)

const pageFiles = `CREATE TABLE page_files (page TEXT NOT NULL, file INTEGER NOT NULL REFERENCES files (id), PRIMARY KEY (file, page));
INSERT INTO page_files SELECT p.name, json_extract(i.value, '$.file') FROM pages AS p, json_each(p.body, '$.images') AS i`

// guarded has the triggers made that keep the owner's rule, and somebody ask for a file that nothing links to.
func (s *stage) guarded(ctx context.Context) error {
	s.tell("Who still asks?", "Nothing links to these files; they can still be read, and linked. Before any goes, the platform gets a table for the images of its pages: in JSON no database can look for an id.\n"+
		"Its database will refuse links to what is on its way into the archive; and whoever wants to read a file asks the guard.")
	if err := s.platform(ctx, pageFiles); err != nil {
		return err
	}
	name := filepath.Join(s.dir, "cooper.yaml")
	declared, err := os.ReadFile(name)
	if err == nil {
		err = os.WriteFile(name, bytes.Replace(declared, []byte(inJSON), []byte(inTable), 1), 0o644)
	}
	if err != nil {
		return err
	}
	fmt.Print("\n  ", inTable, "\n")
	out, err := s.output(ctx, "gc", "rule", "ddl")
	if err != nil {
		return err
	}
	var triggers []string
	for line := range strings.SplitSeq(out, "\n") {
		if strings.HasPrefix(line, "-- ") || strings.HasPrefix(line, "CREATE TRIGGER") {
			triggers = append(triggers, "  "+line)
		}
	}
	fmt.Println(strings.Join(triggers, "\n"))
	if err := s.platform(ctx, out); err != nil {
		return err
	}
	if err := s.alarm(ctx); err != nil {
		return err
	}
	if err := s.cooper(ctx, "gc", "history", fmt.Sprint(wanted)); err != nil {
		return err
	}
	fmt.Println("\nSomebody looks into it, and has it kept:")
	return s.cooper(ctx, "gc", "keep", fmt.Sprint(wanted), "--reason", "in the printed report of 2025")
}

// alarm runs a guard, and asks it.
func (s *stage) alarm(ctx context.Context) (err error) {
	cmd := s.command(ctx, "gc", "guard", "--listen", "127.0.0.1:0")
	cmd.Stdout = nil
	said, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	defer func() {
		err = errors.Join(err, cmd.Process.Signal(syscall.SIGTERM))
		_, e := io.Copy(io.Discard, said)
		err = errors.Join(err, e, cmd.Wait())
	}()
	var at struct{ Listening string }
	line, err := bufio.NewReader(said).ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, &at)
	}
	if err != nil {
		return err
	}
	for _, id := range []int{1, wanted} {
		url := fmt.Sprintf("%s/v1/resolve/%d", at.Listening, id)
		fmt.Printf("\n  $ curl -s %s\n", url)
		b, err := fetched(ctx, url)
		if err != nil {
			return err
		}
		var said struct {
			Handle, Status, Key, URL string
			Alarm                    bool
		}
		if err := json.Unmarshal(b, &said); err != nil {
			return err
		}
		alarm := "  no alarm"
		if said.Alarm {
			alarm = "  " + bold("ALARM")
		}
		fmt.Printf("%s  %s  %s%s\n", said.Handle, said.Status, said.Key, alarm)
		if said.Alarm != (id == wanted) {
			return fmt.Errorf("asked for %d: %s", id, b)
		}
		if b, err = fetched(ctx, said.URL); err != nil || len(b) != 1000+id {
			return errors.Join(err, fmt.Errorf("%d bytes are read at the address of %d", len(b), id))
		}
	}
	return nil
}

func fetched(ctx context.Context, url string) (b []byte, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	a, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, a.Body.Close()) }()
	if b, err = io.ReadAll(a.Body); err == nil && a.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", a.Status, b)
	}
	return b, err
}

// archived moves what nobody wants any more, and has the platform try to link to what has gone.
func (s *stage) archived(ctx context.Context) error {
	s.tell("Into the archive", "Files that are UNLINKED for long enough go: in life 30 days, here none. They are closed in the platform's own database, looked for once more, copied and proven; only then they go.")
	if err := s.looked(ctx); err != nil {
		return err
	}
	if err := s.cooper(ctx, "gc", "run", "archive", "--yes", "--share-stop", "100%"); err != nil {
		return err
	}
	if err := s.moved(ctx); err != nil {
		return err
	}
	link := fmt.Sprintf("INSERT INTO papers VALUES (5000, 'a late one', %d)", late)
	err := s.platform(ctx, link)
	if err == nil || !strings.Contains(err.Error(), "cannot be linked") {
		return errors.Join(errors.New("a link to a file in the archive was let through"), err)
	}
	fmt.Printf("\nThe platform tries to link one that has gone:\n\n  sqlite> %s;\n  %s\n", link, err)
	return nil
}

// looked scans, as often as it takes by what is declared now, and detects, and says what may be archived.
func (s *stage) looked(ctx context.Context) error {
	for _, args := range [][]string{{"gc", "scan"}, {"gc", "scan"}, {"gc", "scan"}, {"gc", "detect", "--yes"}} {
		out, err := s.output(ctx, args...)
		if err != nil {
			return err
		}
		for line := range strings.SplitSeq(out, "\n") {
			if line = strings.TrimSpace(line); line == "complete" || strings.HasPrefix(line, "archive ") {
				fmt.Println("  " + line)
			}
		}
	}
	return nil
}

// moved sees that what nobody wants is in the archive, and all else where it was.
func (s *stage) moved(ctx context.Context) error {
	there, err := s.app.list(ctx, "")
	if err != nil {
		return err
	}
	copies, err := s.cold.list(ctx, "app/")
	if err != nil {
		return err
	}
	gone := files - withPages - 1
	if len(copies) != gone || len(there) != files+strays-gone {
		return fmt.Errorf("%d objects are in the archive, and %d stayed", len(copies), len(there))
	}
	fmt.Printf("\nIn the archive: %d files. Where they were: the %d that somebody links to, the one that was asked for, and %d that no row names.\n", len(copies), withPages, strays)
	return nil
}

// brought brings a file back.
func (s *stage) brought(ctx context.Context) error {
	s.tell("And back", "Somebody misses %d, and another links to it at once.", missed)
	if err := s.cooper(ctx, "gc", "restore", fmt.Sprint(missed), "--yes"); err != nil {
		return err
	}
	if err := s.platform(ctx, fmt.Sprintf("INSERT INTO papers VALUES (5001, 'a found one', %d)", missed)); err != nil {
		return err
	}
	key, want := object(missed)
	got, err := s.app.get(ctx, key)
	if err != nil {
		return err
	}
	if !bytes.Equal(got, want) {
		return fmt.Errorf("%s is not what it was", key)
	}
	fmt.Printf("\nByte for byte what was uploaded: %d bytes in s3://app/%s; and a paper links to it.\n", len(got), key)
	return s.cooper(ctx, "gc", "history", fmt.Sprint(missed))
}

// platform does something in the platform's database.
func (s *stage) platform(ctx context.Context, statements string) (err error) {
	db, err := sql.Open("sqlite", filepath.Join(s.dir, "platform.db"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	_, err = db.ExecContext(ctx, statements)
	return err
}

// output is what the binary says.
func (s *stage) output(ctx context.Context, args ...string) (string, error) {
	var b strings.Builder
	cmd := s.command(ctx, args...)
	cmd.Stdout, cmd.Stderr = &b, os.Stderr
	err := cmd.Run()
	return b.String(), err
}
