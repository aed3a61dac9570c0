package mysql

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	driver "github.com/go-sql-driver/mysql"

	"cooper/internal/database"
	"cooper/internal/database/paging"
)

// text runs a query, and gives its rows as texts; NULL is empty.
func text(ctx context.Context, s paging.Session, sql string) (rows [][]string, err error) {
	err = s.Stream(ctx, sql, func(v []database.Value) error {
		row := make([]string, len(v))
		for i := range v {
			row[i] = string(v[i].Data)
		}
		rows = append(rows, row)
		return nil
	})
	return rows, err
}

// denied tells whether the user may not ask that.
func denied(err error) bool {
	var server *driver.MySQLError
	return errors.As(err, &server) && slices.Contains([]uint16{1044, 1142, 1143, 1227}, server.Number)
}

// Server tells who answers.
func (d *Database) Server(ctx context.Context) (server *database.Server, err error) {
	err = d.Do(ctx, "the server does not tell of itself", func(ctx context.Context, ps paging.Session) error {
		s := ps.(*session) // Open makes no other
		server = &database.Server{Engine: "MySQL"}
		identity := "SELECT @@version, @@server_uuid"
		if s.maria {
			// server_uid is a hash of network card and port, which virtual machines
			// share: what else tells servers apart goes with it.
			server.Engine = "MariaDB"
			identity = "SELECT @@version, CONCAT_WS(' ', @@server_uid, @@hostname, @@port, @@server_id, @@datadir)"
		}
		rows, err := text(ctx, s, identity)
		if err != nil {
			return err
		}
		server.Version, server.Identity = rows[0][0], strings.ToLower(server.Engine)+" "+rows[0][1]
		before := d.opts.Now()
		if server.Clock, err = s.clock(ctx); err != nil {
			return err
		}
		after := d.opts.Now()
		server.Skew = server.Clock.Sub(before.Add(after.Sub(before) / 2))
		server.Replica, _, err = s.replica(ctx)
		if err != nil {
			return err
		}
		g, err := s.grants(ctx)
		server.Writes = g.writes
		return err
	})
	return server, err
}

// Load is Threads_running and the replica's lag.
func (s *session) Load(ctx context.Context) (l database.Load, err error) {
	rows, err := text(ctx, s, "SHOW GLOBAL STATUS LIKE 'Threads_running'")
	if err != nil {
		return l, err
	}
	for _, r := range rows {
		n, err := strconv.Atoi(r[1])
		if err != nil {
			return l, err
		}
		l.Running = n - 1
	}
	l.Replica, l.Lag, err = s.replica(ctx)
	return l, err
}

// replica asks whether the server follows others, and how far it is behind the one
// that it is farthest behind; negative if one of them is stopped.
func (s *session) replica(ctx context.Context) (database.Replica, time.Duration, error) {
	if s.blind {
		return database.ReplicaUnknown, -1, nil
	}
	sql := "SHOW REPLICA STATUS"
	if s.maria {
		sql = "SHOW ALL SLAVES STATUS"
	}
	replica, lag := database.Primary, time.Duration(0)
	err := s.named(ctx, sql, func(get func(string) (string, bool)) error {
		replica = database.IsReplica
		behind, known := get("Seconds_Behind_Source")
		if s.maria {
			behind, known = get("Seconds_Behind_Master")
		}
		if !known || lag < 0 {
			lag = -1
			return nil
		}
		n, err := strconv.ParseInt(behind, 10, 64)
		if err != nil {
			return err
		}
		lag = max(lag, time.Duration(n)*time.Second)
		return nil
	})
	if denied(err) {
		s.blind = true
		return database.ReplicaUnknown, -1, nil
	}
	return replica, lag, err
}

// grants are the rights of the user and of its roles.
type grants struct {
	writes  []string
	process bool // sees all tables of InnoDB
	all     bool // reads all tables
}

// granted is how SHOW GRANTS writes a right, or a role (without ON).
var granted = regexp.MustCompile("^GRANT (.+?)(?: ON (.+))? TO (`(?:[^`]|``)*`(?:@`[^`]*`)?)")

// parenthesised are the columns that a right is confined to.
var parenthesised = regexp.MustCompile(` \([^)]*\)`)

// harmless are rights with which nothing can be changed.
var harmless = []string{
	"USAGE", "SELECT", "PROCESS", "SHOW DATABASES", "SHOW VIEW", "REPLICATION CLIENT", "BINLOG MONITOR", "SLAVE MONITOR", "REPLICA MONITOR", "REPLICATION SLAVE", "REPLICATION REPLICA",
	"SHOW CREATE ROUTINE", "SHOW_ROUTINE", "LOCK TABLES", "REFERENCES", "BACKUP_ADMIN", "XA_RECOVER_ADMIN", "PROXY",
}

func (s *session) grants(ctx context.Context) (g grants, err error) {
	// Without a name it shows also what roles give that are active.
	shown := map[string]bool{}
	for todo := []string{""}; len(todo) > 0; todo = todo[1:] {
		sql := "SHOW GRANTS"
		if role := todo[0]; role != "" {
			if shown[role] {
				continue
			}
			shown[role] = true
			sql += " FOR " + role
		}
		rows, err := text(ctx, s, sql)
		if denied(err) {
			g.writes = append(g.writes, "whatever the role "+todo[0]+" may do")
			continue
		}
		if err != nil {
			return g, err
		}
		for _, r := range rows {
			m := granted.FindStringSubmatch(r[0])
			if m == nil {
				continue
			}
			shown[m[3]] = true
			if m[2] != "" {
				g.add(m[1], m[2])
				continue
			}
			for _, role := range strings.Split(m[1], ",") {
				todo = append(todo, strings.TrimSpace(role))
			}
		}
	}
	return g, nil
}

func (g *grants) add(rights, on string) {
	var writes []string
	for _, r := range strings.Split(parenthesised.ReplaceAllString(rights, ""), ",") {
		r = strings.TrimSpace(r)
		all := strings.HasPrefix(r, "ALL PRIVILEGES")
		if on == "*.*" {
			g.process = g.process || all || r == "PROCESS"
			g.all = g.all || all || r == "SELECT"
		}
		if !slices.Contains(harmless, r) {
			writes = append(writes, r)
		}
	}
	if len(writes) > 0 {
		g.writes = append(g.writes, fmt.Sprintf("%s on %s", strings.Join(writes, ", "), on))
	}
}
