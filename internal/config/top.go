package config

import (
	"cmp"
	"strings"
	"time"

	"cooper"
)

// defaults are what holds where a file says nothing.
func defaults() *Config {
	return &Config{
		Lag:         5 * time.Minute,
		Limits:      Limits{Unpacked: 16 << 20, Connections: 2, RowsPerSecond: 50_000},
		Busy:        Busy{ThreadsRunning: 20, ActiveBackends: 20, ReplicaLag: 30 * time.Second},
		Detect:      Detect{Scans: 3, Unmodified: 30 * 24 * time.Hour, Jump: 2, Apart: 24 * time.Hour, Settle: 48 * time.Hour},
		Acknowledge: Acknowledge{For: 90 * 24 * time.Hour},
	}
}

func (c *Config) fields(r *reader) []field {
	const later = "Leave it out."
	reserved := func(name string) field {
		return field{key: name, empty: true, read: func(n *node) {
			r.fault(n, later, "%s is reserved for what this version of Cooper does not do yet", name)
		}}
	}
	return []field{
		{key: "version", must: true, read: func(n *node) { c.Version = r.version(n) }},
		{key: "database", must: true, read: func(n *node) { c.Database = r.database(n) }},
		{key: "replica", read: func(n *node) { d := r.database(n); c.Replica = &d }},
		{key: "lag", read: func(n *node) { c.Lag = r.duration(n) }},
		{key: "buckets", must: true, read: func(n *node) { c.Buckets = r.buckets(n) }},
		{key: "reads", read: func(n *node) { c.Reads = r.buckets(n) }},
		{key: "addresses", read: func(n *node) { c.Addresses = r.addresses(n) }},
		{key: "handles", must: true, read: func(n *node) { c.Handles = r.handles(n) }},
		{key: "derived", read: func(n *node) { c.Derived = r.derived(n) }},
		{key: "protect", read: func(n *node) { c.Protect = r.guards(n, &c.Place, "protect") }},
		{key: "in_flight", read: func(n *node) { c.InFlight = r.guards(n, &c.Place, "in_flight") }},
		{key: "waive", read: func(n *node) {
			r.list(n, &c.Place, "waive", func(n *node) { c.Waive = append(c.Waive, r.waiver(n)) })
		}},
		{key: "associations", must: !r.bare, empty: true, read: func(n *node) {
			if null(n) || n.Kind == mapping && len(n.Content) == 0 {
				if r.bare || has(r.root, "registry") {
					return
				}
				r.fault(n, "Declare them, or let gc init find them.", "there are no associations: to Cooper nothing would be linked")
				return
			}
			c.Associations = r.associations(n)
		}},
		{key: "registry", read: func(n *node) { c.Registry = r.registry(n) }},
		{key: "limits", read: func(n *node) { r.block(n, &c.Limits.Place, "limits", c.Limits.fields(r)) }},
		{key: "busy", read: func(n *node) { r.block(n, &c.Busy.Place, "busy", c.Busy.fields(r)) }},
		{key: "detect", read: func(n *node) { r.block(n, &c.Detect.Place, "detect", c.Detect.fields(r)) }},
		{key: "archive", read: func(n *node) { c.Archive = r.archive(n) }},
		{key: "acknowledge", read: func(n *node) {
			r.block(n, &c.Acknowledge.Place, "acknowledge", c.Acknowledge.fields(r))
		}},
		reserved("stores"), reserved("jobs"),
	}
}

func (r *reader) version(n *node) int {
	if s := r.text(n); s != "1" && !r.faulted(pos(n)) {
		r.fault(n, "Write version: 1, or take the Cooper that the file was written for.", "version %s of this file is not known", quote(s))
	}
	return 1
}

func (l *Limits) fields(r *reader) []field {
	return []field{
		{key: "unpacked", read: func(n *node) {
			if l.Unpacked = r.size(n); l.Unpacked == 0 && !r.faulted(pos(n)) {
				r.fault(n, "Write 16MiB.", "a limit of nothing leaves no value readable")
			}
		}},
		{key: "connections", read: func(n *node) { l.Connections = r.integer(n, 1, 64) }},
		{key: "rows_per_second", read: func(n *node) { l.RowsPerSecond = r.integer(n, 1, 100_000_000) }},
	}
}

func (b *Busy) fields(r *reader) []field {
	return []field{
		{key: "threads_running", read: func(n *node) { b.ThreadsRunning = r.integer(n, 1, 1_000_000) }},
		{key: "active_backends", read: func(n *node) { b.ActiveBackends = r.integer(n, 1, 1_000_000) }},
		{key: "replica_lag", read: func(n *node) { b.ReplicaLag = r.duration(n) }},
	}
}

func (d *Detect) fields(r *reader) []field {
	return []field{
		{key: "scans", read: func(n *node) { d.Scans = r.integer(n, 1, 100) }},
		{key: "unmodified", read: func(n *node) { d.Unmodified = r.duration(n) }},
		{key: "jump", read: func(n *node) { d.Jump = r.factor(n) }},
		{key: "apart", read: func(n *node) { d.Apart = r.duration(n) }},
		{key: "settle", read: func(n *node) { d.Settle = r.duration(n) }},
	}
}

func (a *Archive) fields(r *reader) []field {
	return []field{
		{key: "bucket", must: true, read: func(n *node) { a.Bucket = r.bucketName(n, r.name(n)) }},
		{key: "class", read: func(n *node) { a.Class = r.class(n) }},
		{key: "after", read: func(n *node) { a.After = r.duration(n) }},
		{key: "smallest", read: func(n *node) { a.Smallest = r.size(n) }},
		{key: "keep", read: func(n *node) { a.Keep = r.duration(n) }},
		{key: "links", read: func(n *node) { a.Locked = r.locked(n) }},
	}
}

func (r *reader) archive(n *node) *Archive {
	a := &Archive{Class: "STANDARD_IA", After: 30 * 24 * time.Hour, Smallest: 128 << 10}
	r.block(n, &a.Place, "archive", a.fields(r))
	return a
}

// locked reads how the owner's program checks a status before it links a handle.
func (r *reader) locked(n *node) bool {
	switch s := r.name(n); s {
	case "locked":
		return true
	case "checked":
	default:
		r.fault(n, "Write locked if the handle's row is locked by the check (FOR SHARE), or else checked.", "%s is no way to check a status", quote(s))
	}
	return false
}

// class is a storage class; other stores than Amazon's have names of their own.
func (r *reader) class(n *node) string {
	s := r.name(n)
	for _, c := range s {
		if (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '_' {
			r.fault(n, "Write STANDARD_IA, GLACIER_IR, GLACIER, DEEP_ARCHIVE or INTELLIGENT_TIERING.", "%s is no storage class", quote(s))
			break
		}
	}
	return s
}

func (a *Acknowledge) fields(r *reader) []field {
	return []field{{key: "for", must: true, read: func(n *node) { a.For = r.duration(n) }}}
}

func (r *reader) bucketName(n *node, s string) string {
	if !bucketForm.MatchString(s) && !r.faulted(pos(n)) {
		r.fault(n, "Write the name alone, without s3:// and without a prefix.", "%s is no name of a bucket", quote(s))
	}
	return s
}

// buckets reads a list of names, or a map of names.
func (r *reader) buckets(n *node) (bs []*Bucket) {
	add := func(k *node) *Bucket {
		b := &Bucket{Place: r.placed(k), Name: r.bucketName(k, r.name(k))}
		if named(bs, b.Name) && b.Name != "" {
			r.fault(k, "Keep it once.", "bucket %s stands twice", quote(b.Name))
		}
		bs = append(bs, b)
		return b
	}
	if n.Kind != mapping {
		r.list(n, nil, "", func(n *node) { add(n) })
		return bs
	}
	if len(n.Content) == 0 {
		r.fault(n, "Name a bucket.", "an empty map names no bucket")
	}
	for k, v := range pairs(n) {
		b := add(k)
		if null(v) {
			continue
		}
		own := b.Place
		if r.block(v, &b.Place, "a bucket", b.fields(r)) {
			b.own = own.own
		}
	}
	return bs
}

func (b *Bucket) fields(r *reader) []field {
	return []field{{key: "inventory", read: func(n *node) {
		b.Inventory = r.name(n)
		if !strings.Contains(b.Inventory, "://") {
			return
		}
		if _, _, err := cooper.ParseURL(b.Inventory); err != nil || strings.ContainsAny(b.Inventory, "@?#") {
			r.fault(n, "Write s3://BUCKET/PREFIX or a folder.", "%s is no place of an inventory", cooper.QuoteURL(b.Inventory))
		}
	}}}
}

func (r *reader) addresses(n *node) (as []*Address) {
	if !r.isMap(n, "addresses") {
		return nil
	}
	seen := map[string]bool{}
	for k, v := range pairs(n) {
		a := &Address{Place: r.placed(k), Host: strings.ToLower(strings.TrimSuffix(k.Value, "."))}
		a.put("bucket", pos(v))
		switch {
		case !hostForm.MatchString(a.Host):
			r.fault(k, "Write files.example.org, without https:// and without a path.", "%s is no host", quote(k.Value))
		case seen[a.Host]:
			r.fault(k, "Keep one; hosts do not care for case.", "host %s stands twice", quote(a.Host))
		}
		seen[a.Host] = true
		bucket, prefix, _ := strings.Cut(r.name(v), "/")
		a.Bucket, a.Prefix = r.bucketName(v, bucket), prefix
		if prefix != "" && !strings.HasSuffix(prefix, "/") {
			a.Prefix += "/"
		}
		as = append(as, a)
	}
	return as
}

func (r *reader) derived(n *node) (ds []*Derived) {
	if !r.isMap(n, "derived") {
		return nil
	}
	for k, v := range pairs(n) {
		d := &Derived{Name: k.Value}
		if !kindForm.MatchString(d.Name) {
			r.fault(k, "Choose a word of letters, digits, dots, dashes and underscores.", "%s is no name for what is derived", quote(d.Name))
		}
		if r.block(v, &d.Place, "derived", d.fields(r)) {
			d.own = pos(k)
		}
		ds = append(ds, d)
	}
	return ds
}

func (d *Derived) fields(r *reader) []field {
	return []field{
		{key: "of", read: func(n *node) { d.Of = r.name(n) }},
		{key: "sql", must: true, read: func(n *node) { d.SQL = r.query(n) }},
	}
}

func (r *reader) guards(n *node, p *Place, key string) (gs []*Guard) {
	r.list(n, p, key, func(n *node) {
		g := &Guard{}
		gs = append(gs, g)
		if !r.block(n, &g.Place, key, g.fields(r)) || has(n, "prefix") && len(n.Content) == 2 {
			return
		}
		switch {
		case has(n, "prefix"):
			r.faultAt(&g.Place, "prefix", "Write two elements.", "prefix stands alone")
		case !has(n, "table") || !has(n, "handle"):
			r.fault(n, "Write {table: TABLE, handle: COLUMN}, or {prefix: PREFIX/}.", "what %s means is not said", cmp.Or(key, "this"))
		}
	})
	return gs
}

func (g *Guard) fields(r *reader) []field {
	return []field{
		{key: "table", read: func(n *node) { g.Table = r.table(n, true) }},
		{key: "handle", read: func(n *node) { g.Handle = r.sql(n) }},
		{key: "of", read: func(n *node) { g.Of = r.name(n) }},
		{key: "where", read: func(n *node) { g.Where = r.sql(n) }},
		{key: "prefix", read: func(n *node) { r.prefix(n, g) }},
	}
}

// prefix reads a prefix of every bucket, or s3://BUCKET/PREFIX.
func (r *reader) prefix(n *node, g *Guard) {
	g.Prefix = r.some(n)
	if rest, ok := strings.CutPrefix(g.Prefix, "s3://"); ok {
		g.Bucket, g.Prefix, _ = strings.Cut(rest, "/")
		r.bucketName(n, g.Bucket)
	} else if strings.Contains(g.Prefix, "://") {
		r.fault(n, "Write PREFIX/ or s3://BUCKET/PREFIX/.", "%s is no prefix of keys", cooper.QuoteURL(g.Prefix))
	}
}

// Holds tells whether an object lies under the prefix, with the boundaries that
// prefixes have: a/b holds a/b and a/b/c, never a/bc.
func (g *Guard) Holds(bucket, key string) bool {
	return !g.Table.Given() && (g.Bucket == "" || g.Bucket == bucket) && cooper.HasPrefix(key, g.Prefix)
}

// New is a configuration of nothing yet, with what holds where a file says nothing.
func New() *Config {
	c := defaults()
	c.Version = 1
	return c
}
