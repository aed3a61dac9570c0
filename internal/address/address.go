// Package address reads addresses of objects, alone or in texts: s3://, Amazon's hosts in
// all their forms, and hosts that were declared to stand for a bucket.
//
// It promises that whatever an address may mean is among its places: punctuation behind
// it, brackets around it, escapes of JSON, HTML and Markdown in it can be read in more
// than one way, and every way is given. To count one too many costs money, to miss one
// costs data; so the caller asks for each place whether the key exists, and counts all
// that do. In s3:// the key is as written; in http and https it is percent-encoded, a plus
// is a plus, and query and fragment do not belong to it. Hosts do not care for case, keys
// do. Addresses in buckets that nobody declared are none of anybody's business and are
// left out, broken ones too.
package address

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// A Place is where an address may lead.
type Place struct{ Bucket, Key string }

// A Found is one address. Places is never empty unless the address cannot be read.
type Found struct {
	// Raw is the address as it stands there, as far as it most likely goes.
	Raw string
	// Places are all readings, the likeliest first: that one is named where none exists.
	Places []Place
	// Bad says why the likeliest reading cannot be read; others may stand in Places all
	// the same.
	Bad string
	// Guess: a host without a scheme, or an address inside another one's query. It is a
	// link where the key exists, and nothing at all where it does not.
	Guess bool
}

// Hosts knows which hosts stand for which buckets.
type Hosts struct {
	// exact are the buckets that count, folded those by their name in lower case, as in
	// the name of a host; both are nil where all buckets count.
	exact  map[string]bool
	folded map[string][]string
	// declared are hosts in lower case, with a port or without.
	declared map[string]base
	// dotless: a declared host has no dot, so that any word may be one.
	dotless bool
}

// base is what a declared host stands for.
type base struct{ bucket, prefix string }

// New takes the buckets whose addresses count (nil for all of them), and the declared
// hosts: HOST to BUCKET or BUCKET/PREFIX.
func New(buckets []string, hosts map[string]string) (*Hosts, error) {
	h := &Hosts{declared: map[string]base{}}
	if buckets != nil {
		h.exact, h.folded = map[string]bool{}, map[string][]string{}
		for _, b := range buckets {
			if !h.exact[b] {
				h.exact[b] = true
				h.folded[strings.ToLower(b)] = append(h.folded[strings.ToLower(b)], b)
			}
		}
	}
	for _, host := range slices.Sorted(maps.Keys(hosts)) {
		name := strings.TrimSuffix(strings.ToLower(host), ".")
		if !hostForm.MatchString(name) {
			return nil, fmt.Errorf("address: %q is no name of a host: write it without scheme and path", host)
		}
		bucket, prefix, _ := strings.Cut(strings.TrimPrefix(hosts[host], "s3://"), "/")
		if bucket == "" {
			return nil, fmt.Errorf("address: host %s: %q names no bucket", host, hosts[host])
		}
		if _, ok := h.declared[name]; ok {
			return nil, fmt.Errorf("address: host %s is declared twice: hosts do not care for case", host)
		}
		if prefix != "" && !strings.HasSuffix(prefix, "/") {
			prefix += "/"
		}
		h.declared[name] = base{bucket, prefix}
		h.dotless = h.dotless || !strings.Contains(name, ".")
	}
	return h, nil
}

var hostForm = regexp.MustCompile(`^[a-z0-9_-]+(\.[a-z0-9_-]+)*(:[0-9]+)?$`)

// counts tells whether a bucket, named exactly so, is one whose addresses count.
func (h *Hosts) counts(bucket string) bool {
	return bucket != "" && (h.exact == nil || h.exact[bucket])
}

// A leader is what stands before the key: which buckets a host names, or that the path
// begins with one.
type leader struct {
	buckets []string
	prefix  string // before every key
	path    bool   // the bucket is the first part of the path
	plain   bool   // as in s3://: nothing is percent-encoded
}

// amazon is the form of S3's hosts, from the right: domain, region, kind of endpoint, and
// before them, in virtual hosts, the bucket. A VPC's endpoint has a name of its own between.
// https://docs.aws.amazon.com/general/latest/gr/s3.html
var amazon = regexp.MustCompile(`^(?:(.+)\.)?` +
	`s3(?:express-[a-z0-9-]+|-external-[0-9]|-accelerate|-website|-fips)?` +
	`(?:[.-]dualstack)?(?:[.-](?:[a-z]+(?:-[a-z]+)+-[0-9]+|eu))?(?:\.vpce)?` +
	`\.(?:amazonaws\.com(?:\.cn)?|amazonaws\.eu|api\.aws|c2s\.ic\.gov|sc2s\.sgov\.gov|cloud\.adc-e\.uk|csp\.hci\.ic\.gov)$`)

// vpce is what stands before an endpoint of a VPC: the bucket, perhaps, and a name.
var vpce = regexp.MustCompile(`^(?:(.+)\.)?(?:bucket\.)?vpce-[a-z0-9-]+$`)

// host says what a host stands for; false where it is nobody's that is known.
func (h *Hosts) host(name, port string) (leader, bool) {
	name = strings.ToLower(strings.Trim(name, "."))
	for _, n := range []string{name + ":" + port, name} {
		if b, ok := h.declared[n]; ok {
			return leader{buckets: []string{b.bucket}, prefix: b.prefix}, h.counts(b.bucket)
		}
	}
	if !strings.Contains(name, "s3") { // as in nearly every word
		return leader{}, false
	}
	m := amazon.FindStringSubmatch(name)
	if m == nil {
		return leader{}, false
	}
	bucket := m[1]
	if strings.Contains(name, ".vpce.") {
		v := vpce.FindStringSubmatch(bucket)
		if v == nil {
			return leader{}, false
		}
		bucket = strings.TrimSuffix(v[1], ".bucket")
		if bucket == "bucket" {
			bucket = ""
		}
	}
	if bucket == "" {
		return leader{path: true}, true
	}
	if h.exact == nil {
		return leader{buckets: []string{bucket}}, true
	}
	bs := h.folded[bucket]
	return leader{buckets: bs}, len(bs) > 0
}
