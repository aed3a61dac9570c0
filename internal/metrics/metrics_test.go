package metrics

import (
	"flag"
	"io"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"cooper"
	"cooper/internal/progress"
	"cooper/internal/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var update = flag.Bool("update", false, "write the golden page")

func scrape(t *testing.T, url string) string {
	t.Helper()
	c := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := c.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%s: %v\n%s", res.Status, err, b)
	}
	return string(b)
}

// TestPage compares the page of a run with the golden one, without what is about
// the process.
func TestPage(t *testing.T) {
	s, err := Serve(t.Context(), ":0", Run{
		Command: "purge run", Version: "1.2.3", ID: "b-1", Began: time.UnixMilli(1_700_000_000_500),
		Plan: func() string { return "p-\xff" },
		Progress: func() (progress.Snapshot, bool) {
			return progress.Snapshot{
				Phase: "latest", Objects: 5, TotalObjects: 10, Bytes: 50, TotalBytes: 100, Moved: 60, InFlight: 3, Deferred: 1, Ignored: 2,
				Failed: map[cooper.Kind]int64{cooper.KindDenied: 4, cooper.KindConflict: 1}, ETA: 90 * time.Second, Until: time.Now(),
			}, true
		},
		Usage: func() store.Usage {
			return store.Usage{Get: 1, Head: 2, Put: 3, List: 4, Restore: 5, Delete: 6, Retries: 7, Throttled: 8, BytesIn: 9, BytesOut: 10}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(s.URL(), "http://127.0.0.1:") && !strings.HasPrefix(s.URL(), "http://[::1]:") {
		t.Errorf("a port alone is served at %s", s.URL())
	}
	page := scrape(t, s.URL())
	if !strings.Contains(page, "process_resident_memory_bytes") || !strings.Contains(page, "go_goroutines") {
		t.Error("nothing about the process")
	}
	var b strings.Builder
	for line := range strings.Lines(page) {
		if strings.Contains(line, "cooper_") {
			b.WriteString(line)
		}
	}
	const golden = "testdata/page.txt"
	if *update {
		if err := os.WriteFile(golden, []byte(b.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), b.String()); d != "" {
		t.Error(d)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// TestBeforeTheFirstPhase: nothing is made up while there is nothing to count.
func TestBeforeTheFirstPhase(t *testing.T) {
	s, err := Serve(t.Context(), "127.0.0.1:0", Run{
		Plan: func() string { return "" }, Usage: func() store.Usage { return store.Usage{} },
		Progress: func() (progress.Snapshot, bool) { return progress.Snapshot{}, false },
	})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if page := scrape(t, s.URL()); strings.Contains(page, "cooper_actions_total") || !strings.Contains(page, "cooper_run_info") {
		t.Error(page)
	}
	_, err = Serve(t.Context(), strings.TrimSuffix(strings.TrimPrefix(s.URL(), "http://"), "/metrics"), Run{})
	if cooper.KindOf(err) != cooper.KindUsage {
		t.Errorf("a port that is taken: %v", err)
	}
	for _, addr := range []string{"", "9200", "localhost", "a:b:c", ":99999"} {
		if _, err := Serve(t.Context(), addr, Run{}); cooper.KindOf(err) != cooper.KindUsage {
			t.Errorf("%q: %v", addr, err)
		}
	}
}

// TestDocumented: what the operations page names is there, and what is there is named.
func TestDocumented(t *testing.T) {
	page, err := os.ReadFile("testdata/page.txt")
	if err != nil {
		t.Fatal(err)
	}
	docs, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	name := regexp.MustCompile(`cooper_[a-z_]+`)
	in := func(text []byte) []string {
		names := name.FindAllString(string(text), -1)
		slices.Sort(names)
		return slices.Compact(names)
	}
	_, section, found := strings.Cut(string(docs), "\n### Prometheus\n")
	section, _, ended := strings.Cut(section, "\n### ")
	if !found || !ended {
		t.Fatal("the operations page has no such section")
	}
	if d := cmp.Diff(in(page), in([]byte(section))); d != "" {
		t.Error(d)
	}
}
