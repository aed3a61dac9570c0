package browser

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"unicode"

	"cooper"
	"cooper/internal/job"
	reportpage "cooper/internal/report/page"
)

func openHandle(t *testing.T, h *job.GCHandle, l look) *tab {
	t.Helper()
	return openPage(t, func(w io.Writer) error { return reportpage.WriteHandle(w, h.Handle, h) }, l)
}

// candidate is a handle that lost its link, came back once, and has lost it again.
func candidate() *job.GCHandle {
	const day cooper.Instant = 864e5
	seen := func(n int, at cooper.Instant, there bool, links ...job.GCLinkFrom) job.GCSeen {
		return job.GCSeen{Scan: fmt.Sprintf("p-2026112%dT010000Z-4c54", n), Began: at, Complete: n != 1, There: there, Links: len(links), From: links}
	}
	return &job.GCHandle{
		Handle: "blob:5001934", There: true, Bucket: "neuro-archive", Key: "raw/sub-018/func/run-03_bold.nii.gz", Size: 331_350_016,
		Modified: now - 400*day, Created: now - 420*day, Status: "AVAILABLE", Since: now - 60*day, Reason: "a link leads to it again", Owner: "AVAILABLE",
		Scans: []job.GCSeen{
			seen(4, now, true), seen(3, now-7*day, true), seen(2, now-14*day, true),
			seen(1, now-70*day, true, job.GCLinkFrom{Association: "FileEntity", Object: "syn1042"}, job.GCLinkFrom{Association: "WikiAttachment", Object: "syn77/3", ByKey: true}),
			seen(0, now-77*day, false),
		},
		Sources:  []job.GCDerived{{Rule: "preview", Handle: "blob:5001900"}},
		Derived:  []job.GCDerived{{Rule: "preview", Handle: "blob:5001935"}, {Rule: "thumbnail", Handle: "blob:5001936"}},
		Siblings: []job.GCSibling{{Handle: "legacy:00000000-0000-4000-a000-00000000000a", Links: 0}},
		Holds:    []job.GCHeldBy{{Role: "in_flight", Table: "uploads"}},
		History: []job.GCChange{
			{From: "AVAILABLE", To: "UNLINKED", Since: now - 80*day, Reason: "no link in three complete scans", Run: "r-20260901T010000Z-0001"},
			{From: "UNLINKED", To: "AVAILABLE", Since: now - 60*day, Reason: "a link leads to it again", Run: "r-20260921T010000Z-0001"},
		},
		Verdict: job.GCVerdict{Detection: "d-20261120T020000Z-4c54", Is: "candidate", Why: "no link in 3 complete scans, and nothing keeps it", ToChange: []string{"Link to it, or keep it: cooper gc keep blob:5001934"}},
		Unknown: []string{"when it was modified: it counts as young"},
	}
}

// TestHandle: the page of a handle says all that is told of it.
func TestHandle(t *testing.T) {
	h := candidate()
	p := openHandle(t, h, look{width: 1280, height: 900})
	shown := p.text("#page")
	for _, text := range []string{
		h.Handle, "s3://neuro-archive/raw/sub-018/func/run-03_bold.nii.gz", "331 MB", "2025-10-16", "2025-09-26", h.Status, h.Verdict.Detection, h.Verdict.Is, h.Verdict.Why, h.Verdict.ToChange[0],
		"FileEntity of syn1042", "WikiAttachment of syn77/3, by its key", "not when it ended", "not there", "uploads", "in_flight",
		"blob:5001900", "blob:5001935", "thumbnail", "legacy:00000000-0000-4000-a000-00000000000a", "no link in three complete scans", "r-20260901T010000Z-0001", h.Unknown[0],
	} {
		if !strings.Contains(shown, text) {
			t.Errorf("not shown: %q", text)
		}
	}
	want(t, "times", strings.Join(p.texts(".times b"), ", "), "UNLINKED, not there, 2 links, AVAILABLE, no link, no link, no link")
	want(t, "mood", eval[string](p, `document.querySelector('.verdict').className`), "verdict bad")
	for _, dark := range []bool{false, true} {
		p.as(look{width: 1280, height: 900, dark: dark})
		p.settle()
		want(t, "contrast", strings.Join(eval[[]string](p, contrast), "\n"), "")
		want(t, "nameless", strings.Join(eval[[]string](p, nameless), "\n"), "")
	}
	for _, width := range []int64{380, 800} {
		p.as(look{width: width, height: 900})
		p.settle()
		want(t, fmt.Sprintf("overflow at %d", width), eval[bool](p, `document.documentElement.scrollWidth > document.documentElement.clientWidth`), false)
	}
	// The barest one: nothing has been detected, and the newest scan does not have it.
	bare := openHandle(t, &job.GCHandle{Handle: "1", Size: -1, Scans: []job.GCSeen{{Scan: "p-20261120T010000Z-4c54", Began: now, Complete: true}}, Verdict: job.GCVerdict{Is: "not there", Why: "the newest scan has no such handle"}},
		look{width: 1280, height: 900})
	for _, text := range []string{"Nothing was detected yet", "No row holds it", "Never, as far as the ledger knows.", "not there", "Sizeunknown"} {
		if !strings.Contains(bare.text("#page"), text) {
			t.Errorf("not shown: %q", text)
		}
	}
}

// TestHostileHandle: whatever stands in a database is text.
func TestHostileHandle(t *testing.T) {
	all := strings.Join(hostile, "")
	h := &job.GCHandle{Handle: all, There: true, Bucket: all, Key: all, Status: all, Owner: all, Reason: all, Since: now, Verdict: job.GCVerdict{Detection: all, Is: all, Why: all, ToChange: hostile}, Unknown: hostile}
	seen := job.GCSeen{Scan: all, There: true, Links: 1000}
	for _, name := range hostile {
		seen.From = append(seen.From, job.GCLinkFrom{Association: name, Object: name})
		h.Holds = append(h.Holds, job.GCHeldBy{Role: name, Table: name})
		h.Sources, h.Derived = append(h.Sources, job.GCDerived{Rule: name, Handle: name}), append(h.Derived, job.GCDerived{Rule: name, Handle: name})
		h.Siblings = append(h.Siblings, job.GCSibling{Handle: name})
		h.History = append(h.History, job.GCChange{From: name, To: name, Reason: name, Run: name})
	}
	h.Scans = []job.GCSeen{seen}
	p := openHandle(t, h, look{width: 1280, height: 900})
	want(t, "scripts", eval[int](p, `document.scripts.length`), 1)
	want(t, "foreign elements", eval[int](p, `document.querySelectorAll('img, iframe, object, embed, form, base, style ~ style, [onload], [onerror], [onmouseover], a').length`), 0)
	want(t, "pwned", eval[string](p, `typeof pwned`), "undefined")
	text := eval[string](p, `document.querySelector('#page').textContent + [...document.querySelectorAll('[aria-label], [title]')].map(e => e.ariaLabel + e.title).join('')`)
	for _, c := range text {
		if c != '\n' && c != '\t' && c != ' ' && !unicode.IsPrint(c) {
			t.Errorf("U+%04X is shown as it is", c)
		}
	}
}
