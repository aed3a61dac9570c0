package database

import (
	"net"
	"net/url"
	"regexp"
	"strings"
)

// Spelled is the URL for an address that is written in a form of others: that of Go's driver
// for MySQL (USER:PASSWORD@tcp(HOST)/NAME), of libpq (host=HOST dbname=NAME), of JDBC and of
// SQLAlchemy. It is for a person to see: no password is in it, nor what is not understood.
// Empty where it is none of them, and where it is a URL already.
func Spelled(address string) string {
	if m := goForm.FindStringSubmatch(strings.TrimPrefix(address, "mysql://")); m != nil {
		a := spelled{engine: "mysql", user: m[1], secret: m[2] != "", host: m[4], name: m[5]}
		if m[3] == "unix" {
			a.host, a.socket = "localhost", m[4]
		}
		return a.url()
	}
	if m := otherScheme.FindStringSubmatch(address); m != nil {
		engine := "postgres"
		if name := m[1] + m[2]; name == "mysql" || name == "mariadb" {
			engine = "mysql"
		}
		u, err := url.Parse(engine + "://" + m[3])
		if err != nil {
			return spelled{engine: engine}.url()
		}
		_, secret := u.User.Password()
		q := u.Query()
		a := spelled{engine: engine, user: u.User.Username(), secret: secret || q.Has("password"), host: u.Host, name: strings.TrimPrefix(u.Path, "/")}
		if a.user == "" {
			a.user = q.Get("user")
		}
		return a.url()
	}
	if strings.Contains(address, "://") || !keyword.MatchString(address) {
		return ""
	}
	words := map[string]string{}
	for _, m := range keyword.FindAllStringSubmatch(address, -1) {
		words[m[1]] = strings.NewReplacer(`\\`, `\`, `\'`, "'").Replace(strings.TrimSuffix(strings.TrimPrefix(m[2], "'"), "'"))
	}
	a := spelled{engine: "postgres", user: words["user"], host: words["host"], name: words["dbname"]}
	_, a.secret = words["password"]
	switch {
	case a.host == "":
		a.host = words["hostaddr"]
	case strings.HasPrefix(a.host, "/"):
		a.host, a.socket = "", a.host
	}
	if port := words["port"]; port != "" && a.host != "" {
		a.host = net.JoinHostPort(a.host, port)
	}
	return a.url()
}

var (
	goForm = regexp.MustCompile(`^(?:([^:@/]*)(:.*)?@)?(tcp6?|unix)\(([^()]*)\)/([^?/]*)(?:\?.*)?$`)
	// Schemes of JDBC and SQLAlchemy, which name a driver besides.
	otherScheme = regexp.MustCompile(`^(?:jdbc:(mysql|mariadb|postgresql)|(mysql|mariadb|postgres|postgresql)\+[a-z0-9]+)://(.*)$`)
	keyword     = regexp.MustCompile(`(?:^|\s)(host|hostaddr|port|dbname|user|password)\s*=\s*('(?:[^'\\]|\\.)*'|\S*)`)
	// What may be shown: nothing else can be a name alone.
	showable = regexp.MustCompile(`^[A-Za-z0-9._:\[\]/ -]+$`)
)

// spelled is an address, taken apart.
type spelled struct {
	engine, user, host, name, socket string
	secret                           bool
}

func (a spelled) url() string {
	for text, otherwise := range map[*string]string{&a.user: "USER", &a.host: "HOST", &a.name: "DATABASE", &a.socket: ""} {
		if !showable.MatchString(*text) {
			*text = otherwise
		}
	}
	if a.secret {
		a.user += ":PASSWORD"
	}
	if a.engine == "postgres" && a.socket != "" {
		a.host = ""
	}
	s := a.engine + "://" + a.user + "@" + a.host + "/" + a.name
	if a.socket != "" {
		s += map[string]string{"mysql": "?socket=", "postgres": "?host="}[a.engine] + a.socket
	}
	return s
}
