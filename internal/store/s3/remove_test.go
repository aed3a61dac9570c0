package s3

import (
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"cooper"
	"cooper/internal/permit"
	"cooper/internal/store"
)

// answering is a server that says what it is told to every removal.
func answering(t *testing.T, answer func(n int64, keys []string) (status int, body string)) (b *Bucket, asked *atomic.Int64) {
	t.Helper()
	asked = new(atomic.Int64)
	url := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !r.URL.Query().Has("delete") {
			return
		}
		var doc struct{ Object []struct{ Key string } }
		text, _ := io.ReadAll(r.Body)
		if err := xml.Unmarshal(text, &doc); err != nil || r.Header.Get("Content-Md5") == "" {
			t.Errorf("%v: %s", err, text)
		}
		var keys []string
		for _, o := range doc.Object {
			keys = append(keys, o.Key)
		}
		status, body := answer(asked.Add(1), keys)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}))
	return openTest(t, url), asked
}

func rows(parts ...string) string {
	return `<?xml version="1.0"?><DeleteResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">` + strings.Join(parts, "") + `</DeleteResult>`
}

func deleted(key, version string) string {
	return fmt.Sprintf("<Deleted><Key>%s</Key><VersionId>%s</VersionId></Deleted>", key, version)
}

func refusedRow(key, version, code string) string {
	return fmt.Sprintf("<Error><Key>%s</Key><VersionId>%s</VersionId><Code>%s</Code><Message>so</Message></Error>", key, version, code)
}

func TestAnswersToRemovals(t *testing.T) {
	a, b := deleted("a", "1"), deleted("b", "1")
	for name, c := range map[string]struct {
		answers []string // the last one is repeated
		want    string   // the kinds for a@1 and b@1
		asked   int64    // 0: does not matter
	}{
		"done":                        {[]string{rows(a, b)}, " ", 1},
		"one is denied":               {[]string{rows(a, refusedRow("b", "1", "AccessDenied"))}, " denied", 1},
		"one was not there":           {[]string{rows(a, refusedRow("b", "1", "NoSuchVersion"))}, " ", 1},
		"one fails, then not":         {[]string{rows(a, refusedRow("b", "1", "InternalError")), rows(b)}, " ", 2},
		"one is throttled, then not":  {[]string{rows(a, refusedRow("b", "1", "SlowDown")), rows(b)}, " ", 2},
		"one fails for ever":          {[]string{rows(a, refusedRow("b", "1", "InternalError")), rows(refusedRow("b", "1", "InternalError"))}, " store", 0},
		"no word of one, then done":   {[]string{rows(a), rows(b)}, " ", 2},
		"no word of one, ever":        {[]string{rows(a), rows()}, " invalid", 0},
		"word of another":             {[]string{rows(a, b, deleted("c", "1"))}, "", 0},
		"word of another version":     {[]string{rows(a, deleted("b", "2"))}, "invalid invalid", 0},
		"no id, but only one version": {[]string{rows(a, "<Deleted><Key>b</Key></Deleted>")}, " ", 1},
		"both done and refused":       {[]string{rows(a, b, refusedRow("b", "1", "AccessDenied"))}, " denied", 1},
		"a code that is empty":        {[]string{rows(a, refusedRow("b", "1", ""))}, " invalid", 1},
		"an unknown code":             {[]string{rows(a, refusedRow("b", "1", "Whatever"))}, " invalid", 1},
		"a marker was written":        {[]string{rows(a, "<Deleted><Key>b</Key><VersionId>1</VersionId><DeleteMarker>true</DeleteMarker><DeleteMarkerVersionId>9</DeleteMarkerVersionId></Deleted>")}, " refused", 1},
		"the marker was removed":      {[]string{rows(a, "<Deleted><Key>b</Key><VersionId>1</VersionId><DeleteMarker>true</DeleteMarker><DeleteMarkerVersionId>1</DeleteMarkerVersionId></Deleted>")}, " ", 1},
		"no XML":                      {[]string{"<html>"}, "invalid invalid", 0},
		"an error as a success":       {[]string{"<Error><Code>InternalError</Code></Error>", rows(a, b)}, " ", 2},
		"a denial as a success":       {[]string{"<Error><Code>AccessDenied</Code></Error>"}, "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			bucket, asked := answering(t, func(n int64, _ []string) (int, string) {
				return http.StatusOK, c.answers[min(int(n), len(c.answers))-1]
			})
			errs := bucket.Remove(t.Context(), permit.Issue("r"), []store.Removal{{Key: "a", VersionID: "1"}, {Key: "b", VersionID: "1"}})
			got := string(cooper.KindOf(errs[0])) + " " + string(cooper.KindOf(errs[1]))
			if c.want != "" && got != c.want {
				t.Errorf("kinds %q, want %q: %v", got, c.want, errs)
			}
			if c.want == "" && errs[0] == nil && errs[1] == nil {
				t.Error("no error")
			}
			if c.asked != 0 && asked.Load() != c.asked {
				t.Errorf("asked %d times, want %d", asked.Load(), c.asked)
			}
		})
	}
}

// TestOnlyWhatFailedIsSentAgain: the second request names nothing that is done.
func TestOnlyWhatFailedIsSentAgain(t *testing.T) {
	var second []string
	bucket, _ := answering(t, func(n int64, keys []string) (int, string) {
		var parts []string
		for i, key := range keys {
			if n == 1 && i%10 == 3 {
				parts = append(parts, refusedRow(key, "1", "SlowDown"))
			} else {
				parts = append(parts, deleted(key, "1"))
			}
		}
		if n == 2 {
			second = keys
		}
		return http.StatusOK, rows(parts...)
	})
	var rs []store.Removal
	for i := range 100 {
		rs = append(rs, store.Removal{Key: fmt.Sprint("k", i), VersionID: "1"})
	}
	for i, err := range bucket.Remove(t.Context(), permit.Issue("r"), rs) {
		if err != nil {
			t.Errorf("%s: %v", rs[i].Key, err)
		}
	}
	if got := strings.Join(second, " "); got != "k3 k13 k23 k33 k43 k53 k63 k73 k83 k93" {
		t.Errorf("sent again: %s", got)
	}
	if u := bucket.Usage(); u.Delete != 2 || u.Throttled == 0 {
		t.Errorf("usage %+v", u)
	}
}

func TestRemovalsThatAreRefusedAsAWhole(t *testing.T) {
	for _, c := range []struct {
		status int
		body   string
		want   cooper.Kind
	}{
		{http.StatusForbidden, "<Error><Code>AccessDenied</Code></Error>", cooper.KindDenied},
		{http.StatusBadRequest, "<Error><Code>ExpiredToken</Code></Error>", cooper.KindUsage},
		{http.StatusNotFound, "<Error><Code>NoSuchBucket</Code></Error>", cooper.KindMissing},
		{http.StatusInternalServerError, "", cooper.KindStore},
	} {
		bucket, _ := answering(t, func(int64, []string) (int, string) { return c.status, c.body })
		for _, err := range bucket.Remove(t.Context(), permit.Issue("r"), []store.Removal{{Key: "a", VersionID: "1"}, {Key: "b", VersionID: "1"}}) {
			if cooper.KindOf(err) != c.want {
				t.Errorf("%d %s: %v", c.status, c.body, err)
			}
		}
	}
}

func FuzzParseRemoved(f *testing.F) {
	f.Add(rows(deleted("a", "1"), refusedRow("b", "1", "AccessDenied")))
	f.Add("<Error><Code>InternalError</Code></Error>")
	f.Fuzz(func(t *testing.T, s string) {
		got, err := parseRemoved([]byte(s))
		if err != nil && len(got) > 0 {
			t.Error("rows beside an error")
		}
	})
}
