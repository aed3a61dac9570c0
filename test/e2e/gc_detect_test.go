package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"strings"

	"cooper/test/e2etest"
)

var found = map[string]string{
	"candidates": "candidates.tsv", "kept": "kept.tsv", "relinked": "relinked.tsv", "missing": "missing.tsv", "unindexed": "unindexed.tsv", "unindexed-kept": "unindexed_kept.tsv",
}

// detected goes on after two scans: nothing is marked after these, what the makers say after
// three, nothing by a second look, and what is linked again goes back.
func (p *platform) detected() {
	p.t.Helper()
	declared, err := os.ReadFile(p.config)
	if err != nil {
		p.t.Fatal(err)
	}
	soon := strings.Replace(string(declared), "settle: 0h", "settle: 0h, apart: 0s", 1)
	// The lists of rails call a prefix protected which its proposal calls in flight, and those of
	// platform one in flight that is declared in the same way: no rule makes both.
	soon = strings.Replace(soon, "in_flight: [{prefix: s3://example-legacy/tmp/}]\n", "", 1)
	soon = strings.Replace(soon, "of: blob}]\n", "of: blob}, {prefix: s3://example-legacy/tmp/}]\n", 1)
	if err := os.WriteFile(p.config, []byte(soon), 0o600); err != nil {
		p.t.Fatal(err)
	}
	if out := p.gc(0, "detect", "--yes"); !regexp.MustCompile(`(?m)^  missing +unknown *$`).MatchString(out) || !strings.Contains(out, "one more complete scan") {
		p.t.Errorf("after two scans, without an inventory:\n%s", out)
	}
	p.same("marked after two scans", p.transitions())
	p.gc(0, "scan")
	buckets := map[string][]string{"platform": {"example-data"}, "rails": {"example-app", "example-legacy"}}[p.set]
	for _, b := range buckets {
		p.cooper(0, "snapshot", "s3://"+b, "--inventory", p.given("inventory/"+b+"/daily"))
	}
	p.gc(4, "detect") // nobody is there to ask
	p.compare(found)
	p.same("marked unasked", p.transitions())
	p.gc(0, "detect", "--yes")
	p.compare(found)
	marked := p.transitions()
	for i, line := range p.rows("SELECT concat_ws(' ', kind, id) AS x FROM gc_candidate WHERE detection = (SELECT max(detection) FROM gc_detection) ORDER BY kind, id") {
		if i >= len(marked) || marked[i] != line+" AVAILABLE UNLINKED no link in 3 complete scans" {
			p.t.Fatalf("of the candidate %s: %v", line, marked)
		}
	}
	if out := p.gc(0, "detect", "--yes"); !strings.Contains(out, "Nothing is to be marked.") {
		p.t.Errorf("a second look:\n%s", out)
	}
	p.same("marked by a second look", p.transitions(), marked...)
	p.counted()

	p.explained(marked)
	if out := p.gc(0, "unindexed"); !strings.Contains(out, "objects that no handle names") {
		p.t.Error(out)
	}

	// Another client makes a link.
	var back string
	if p.set == "rails" {
		back = strings.Fields(marked[0])[1]
		p.database("INSERT INTO active_storage_attachments VALUES (99999999, 'late', 'Post', 1, " + back + ", now())")
		back = "blob " + back
	} else {
		back = strings.Fields(marked[0])[0]
		p.database("INSERT INTO MESSAGE_CONTENT VALUES (99999999, " + back + ", 1)")
	}
	p.gc(0, "scan")
	p.gc(0, "detect", "--yes")
	if out := p.gc(0, "list", "relinked", "--tsv"); !strings.Contains(out, strings.Replace(back, " ", ":", 1)+"\tUNLINKED\n") {
		p.t.Errorf("relinked: %s", out)
	}
	after := p.transitions()
	if last := after[len(after)-1]; len(after) != len(marked)+1 || !strings.HasPrefix(last, back+" UNLINKED AVAILABLE linked in p-") {
		p.t.Errorf("%d transitions, the last: %s", len(after), last)
	}
}

// counted looks again, and sees that each list is as long as it is said to be.
func (p *platform) counted() {
	p.t.Helper()
	var r struct {
		Detected struct {
			Lists []struct {
				List string
				Rows int
			}
		}
	}
	if err := json.Unmarshal([]byte(p.gc(0, "detect", "--yes", "--json")), &r); err != nil {
		p.t.Fatal(err)
	}
	said := map[string]int{}
	for _, l := range r.Detected.Lists {
		said[l.List] = l.Rows
	}
	for _, name := range []string{"candidates", "kept", "relinked", "missing", "unindexed", "unindexed-kept", "near-misses", "archive", "archive-delayed", "archive-small", "archive-missing", "delete", "delete-delayed"} {
		if n := strings.Count(p.gc(0, "list", name, "--tsv"), "\n"); n != said[name] {
			p.t.Errorf("%s has %d rows, and is said to have %d", name, n, said[name])
		}
	}
}

// explained asks about a handle that was marked, one that is kept, and one that is linked.
func (p *platform) explained(marked []string) {
	p.t.Helper()
	fields := strings.Fields(marked[0])
	unlinked := fields[0]
	if p.set == "rails" {
		unlinked += ":" + fields[1]
	}
	if out := p.gc(0, "explain", unlinked); !strings.Contains(out, "UNLINKED since ") || strings.Count(out, "  no link") != 3 {
		p.t.Errorf("explained, of a handle that was marked:\n%s", out)
	}
	kept, _, _ := strings.Cut(p.gc(0, "list", "kept", "--tsv"), "\n")
	handle, reason, _ := strings.Cut(kept, "\t")
	if out := p.gc(0, "explain", handle); !strings.Contains(out, "kept: "+reason) || !strings.Contains(out, "next: ") {
		p.t.Errorf("explained, of one that is kept:\n%s", out)
	}
	if page := p.gc(0, "explain", handle, "--html", "-"); !strings.HasPrefix(page, "<!doctype html>") || !strings.Contains(page, `"handle":"`+handle+`"`) || !strings.Contains(page, `"is":"kept: `+reason+`"`) {
		p.t.Errorf("the page of one that is kept: %.400s", page)
	}
	link, _, _ := strings.Cut(p.gc(0, "list", "links", "--tsv"), "\n")
	parts := strings.Split(link, "\t")
	var x struct {
		Verdict struct{ Is string }
		Scans   []struct {
			From []struct{ Association, Object string }
		}
	}
	if err := json.Unmarshal([]byte(p.gc(0, "explain", parts[2], "--json")), &x); err != nil {
		p.t.Fatal(err)
	}
	seen := 0
	for _, s := range x.Scans {
		for _, f := range s.From {
			if f.Association == parts[0] && f.Object == parts[1] {
				seen++
				break
			}
		}
	}
	if x.Verdict.Is != "linked" || seen != 3 {
		p.t.Errorf("explained, of one with the link %v: %+v", parts, x)
	}
}

func (p *platform) same(what string, got []string, want ...string) {
	p.t.Helper()
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		p.t.Errorf("%s: %v", what, got)
		e2etest.Same(p.t, got, want)
	}
}

// transitions are the changes of statuses that were told.
func (p *platform) transitions() []string {
	p.t.Helper()
	return p.rows("SELECT concat_ws(' ', kind, id, from_status, to_status, reason) AS x FROM gc_transition ORDER BY to_status DESC, kind, id")
}

// rows are the answer to a question about facts, a column x of text. What is empty in front is
// left out.
func (p *platform) rows(sql string) (all []string) {
	p.t.Helper()
	for line := range strings.Lines(p.cooper(0, "ledger", "sql", "--json", sql)) {
		var row struct{ X string }
		if err := json.Unmarshal([]byte(line), &row); err != nil {
			p.t.Fatal(fmt.Errorf("%s: %w", line, err))
		}
		all = append(all, strings.TrimSpace(row.X))
	}
	return all
}
