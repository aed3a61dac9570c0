package backup

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"cooper"
	"cooper/internal/inventory"
	"cooper/internal/plan"
	"cooper/internal/tree/catalog"
)

var update = flag.Bool("update", false, "rewrite what the scenarios expect")

// TestScenarios plays the stories in testdata. Each is a list of commands, and
// below each command's dashes what came of it:
//
//	snapshot T [incomplete] [current-only] [prefix=P]    then the listed rows:
//	    KEY VERSION ETAG SIZE LASTMODIFIED [latest] [marker] [CLASS | sse=E]
//	    rejected KEY
//	plan [prefix=P] [match=M] [archived=restore] [share=F] [forward] [older] [fail=KEY]
//	rollback T [prefix=P] [fetch]
//	prune NOW older=AGE [keep=N] [prefix=P] [match=M] [share=F] [fail=KEY]
//	restore [at=T] [version=V] [key=K] [prefix=P] [to=DEST]
//	at KEY T
//	tree
//
// A VERSION or ETAG of "-" is empty. plan, rollback and prune are carried out at
// once; fail makes the downloads of that key fail, or their deletion.
func TestScenarios(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no scenarios", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			old, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			played := play(t, string(old))
			if *update {
				if err := os.WriteFile(file, []byte(played), 0o644); err != nil {
					t.Fatal(err)
				}
			} else if played != string(old) {
				t.Errorf("the story went differently:\n%s", played)
			}
		})
	}
}

// stage is where a scenario plays.
type stage struct {
	tree *model
	snap *snap
}

// play runs a story and gives it with what came of it.
func play(t *testing.T, story string) string {
	var b strings.Builder
	s := &stage{tree: newModel()}
	sc := bufio.NewScanner(strings.NewReader(story))
	var command string
	var body []string
	flush := func() {
		if command != "" {
			fmt.Fprintf(&b, "----\n%s", s.run(t, command, body))
		}
		command, body = "", nil
	}
	skipping := false // over what came of the command last time
	for sc.Scan() {
		line := sc.Text()
		switch {
		case line == "":
			flush()
			skipping = false
			b.WriteString("\n")
		case skipping:
		case line == "----":
			skipping = true
		case strings.HasPrefix(line, "#"):
			b.WriteString(line + "\n")
		default:
			b.WriteString(line + "\n")
			if command == "" {
				command = line
			} else {
				body = append(body, line)
			}
		}
	}
	flush()
	if err := sc.Err(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func (s *stage) run(t *testing.T, command string, body []string) string {
	words := strings.Fields(command)
	opts := options(words[1:])
	switch words[0] {
	case "snapshot":
		s.snap = readSnapshot(t, words[1], opts, body)
		return ""
	case "plan":
		return s.plan(t, opts)
	case "rollback":
		return s.rollback(t, words[1], opts)
	case "prune":
		return s.prune(t, words[1], opts)
	case "restore":
		return s.restore(t, opts)
	case "at":
		rows := slices.DeleteFunc(s.tree.sorted(words[1]), func(r catalog.Row) bool { return r.Key != words[1] })
		row, exact := At(rows, instant(t, words[2]), s.tree.state.Observed)
		if row == nil {
			return fmt.Sprintf("nothing, exact: %v\n", exact)
		}
		return fmt.Sprintf("%s, exact: %v\n", describeRow(row), exact)
	case "corrupt": // as a verify found
		for id, r := range s.tree.rows {
			if id.Key == words[1] && id.VersionID == words[2] {
				r.Check = cooper.Corrupt
				s.tree.rows[id] = r
			}
		}
		return ""
	case "tree":
		var b strings.Builder
		for _, r := range s.tree.sorted("") {
			b.WriteString(describeRow(&r) + "\n")
		}
		return b.String()
	}
	t.Fatalf("no such command: %s", command)
	return ""
}

func options(words []string) map[string]string {
	opts := map[string]string{}
	for _, w := range words {
		name, value, _ := strings.Cut(w, "=")
		opts[name] = value
	}
	return opts
}

func has(opts map[string]string, name string) bool { _, ok := opts[name]; return ok }

func instant(t *testing.T, s string) cooper.Instant {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return cooper.Instant(n)
}

func readSnapshot(t *testing.T, at string, opts map[string]string, body []string) *snap {
	s := &snap{meta: inventory.Meta{
		ID: "s-" + at, Bucket: "b", TakenAt: instant(t, at), Complete: !has(opts, "incomplete"),
		Scope: inventory.Scope{Prefix: opts["prefix"], CurrentOnly: has(opts, "current-only")},
	}}
	if has(opts, "bucket") {
		s.meta.Bucket = opts["bucket"]
	}
	dash := func(w string) string { return strings.TrimPrefix(w, "-") }
	for _, line := range body {
		w := strings.Fields(line)
		if w[0] == "rejected" {
			s.rejected = append(s.rejected, w[1])
			continue
		}
		size, err := strconv.ParseInt(w[3], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		v := cooper.Version{Identity: cooper.Identity{Key: w[0], VersionID: dash(w[1]), ETag: dash(w[2]), Size: size, LastModified: instant(t, w[4])}}
		for _, x := range w[5:] {
			switch {
			case x == "latest":
				v.Latest = true
			case x == "marker":
				v.DeleteMarker = true
			case strings.HasPrefix(x, "sse="):
				v.Encryption = x[4:]
			default:
				v.StorageClass, v.Tier, _ = strings.Cut(x, "/")
			}
		}
		s.versions = append(s.versions, v)
	}
	return s
}

func (s *stage) policy(t *testing.T, opts map[string]string) Policy {
	p := Careful()
	p.Prefix, p.Match, p.Forward, p.Older = opts["prefix"], opts["match"], has(opts, "forward"), has(opts, "older")
	if has(opts, "archived") {
		p.Archived = opts["archived"]
	}
	// Small worlds retire large shares: only stories about the limit set it.
	p.ShareLimit = 1
	if has(opts, "share") {
		var err error
		if p.ShareLimit, err = strconv.ParseFloat(opts["share"], 64); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

func (s *stage) plan(t *testing.T, opts map[string]string) string {
	var rec recorder
	in := Inputs{Snapshot: s.snap, Catalog: s.tree, Dir: "/tree", Policy: s.policy(t, opts), ID: "p-1", Now: s.snap.meta.TakenAt + 5}
	h, err := Plan(context.Background(), in, &rec)
	return s.carryOut(t, h, rec, err, opts)
}

func (s *stage) rollback(t *testing.T, to string, opts map[string]string) string {
	var rec recorder
	in := Rollback{Catalog: s.tree, Dir: "/tree", Snapshot: "s-" + to, Policy: s.policy(t, opts), Fetch: has(opts, "fetch"), ID: "p-1", Now: 1000}
	h, err := PlanRollback(context.Background(), in, &rec)
	return s.carryOut(t, h, rec, err, opts)
}

func (s *stage) prune(t *testing.T, now string, opts map[string]string) string {
	var rec recorder
	in := Prune{Catalog: s.tree, Dir: "/tree", Policy: s.policy(t, opts), OlderThan: time.Duration(instant(t, opts["older"])) * time.Millisecond, ID: "p-1", Now: instant(t, now)}
	if has(opts, "keep") {
		in.KeepLast = int(instant(t, opts["keep"]))
	}
	h, err := PlanPrune(context.Background(), in, &rec)
	return s.carryOut(t, h, rec, err, opts)
}

func (s *stage) carryOut(t *testing.T, h plan.Header, rec recorder, err error, opts map[string]string) string {
	if err != nil {
		return describeError(err)
	}
	fail := func(a *cooper.Action) cooper.Kind {
		if a.Version.Key == opts["fail"] && (a.Verb == "fetch" || a.Verb == "prune") {
			return cooper.KindDenied
		}
		return ""
	}
	if err := s.tree.carryOut(h, rec.actions, fail); err != nil {
		t.Fatal(err)
	}
	return describePlan(h, rec)
}

func (s *stage) restore(t *testing.T, opts map[string]string) string {
	var rec recorder
	in := Restore{Catalog: s.tree, Dir: "/tree", Policy: s.policy(t, opts), Select: Select{Version: opts["version"]}, Dest: "/dest", ID: "p-1", Now: 1000}
	if has(opts, "at") {
		in.Select.At = instant(t, opts["at"])
	}
	if has(opts, "key") {
		in.Keys = strings.Split(opts["key"], ",")
	}
	if has(opts, "to") {
		in.Dest = opts["to"]
	}
	h, err := PlanRestore(context.Background(), in, &rec)
	if err != nil {
		return describeError(err)
	}
	return describePlan(h, rec)
}

func describeError(err error) string {
	var e *cooper.Error
	if !errors.As(err, &e) {
		return err.Error() + "\n"
	}
	return fmt.Sprintf("%s: %s\n  %s\n", e.Kind, e.Error(), e.Remedy)
}

func describePlan(h plan.Header, rec recorder) string {
	var b strings.Builder
	b.WriteString(describe(rec.actions, rec.cuts))
	fmt.Fprintf(&b, "unchanged %d; %d requests %d bytes", h.Unchanged.Count, sum(h.Estimate.Requests), h.Estimate.Bytes)
	for _, why := range slices.Sorted(maps.Keys(h.Skipped)) {
		fmt.Fprintf(&b, "; skipped %s %d", why, h.Skipped[why].Count)
	}
	if h.Share.Removed > 0 {
		fmt.Fprintf(&b, "; share %d/%d", h.Share.Removed, h.Share.Scope)
		if h.Share.Exceeded() {
			b.WriteString(" exceeded")
		}
	}
	if h.Partial {
		b.WriteString("; partial")
	}
	b.WriteString("\n")
	for _, w := range h.Warnings {
		b.WriteString("warning: " + w + "\n")
	}
	return b.String()
}

func sum(m map[string]int64) (n int64) {
	for _, x := range m {
		n += x
	}
	return n
}

func describeRow(r *catalog.Row) string {
	id := r.VersionID
	if id == "" {
		id = "(" + r.ETag + ")"
	}
	place := map[catalog.Place]string{catalog.Mirror: "mirror ", catalog.History: "history", catalog.Nowhere: "pending"}[r.Place]
	if r.Place == catalog.Nowhere && r.Reason == catalog.Pruned {
		place = "pruned "
	}
	if r.DeleteMarker {
		place = "marker "
	}
	s := fmt.Sprintf("%s %s %s", place, cooper.Quote(r.Key), id)
	if r.Reason != "" {
		s += fmt.Sprintf(" %s@%d", r.Reason, r.Superseded)
	}
	if len(r.Shown) > 0 {
		s += fmt.Sprintf(" shown=%v", r.Shown)
	}
	if r.AbsentSince != 0 {
		s += fmt.Sprintf(" absent=%d", r.AbsentSince)
	}
	if r.Gone != 0 {
		s += fmt.Sprintf(" gone=%d", r.Gone)
	}
	return s
}
