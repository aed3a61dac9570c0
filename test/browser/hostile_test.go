package browser

import (
	"fmt"
	"strings"
	"testing"
	"unicode"

	"cooper/internal/report"
)

// Names that somebody could have given to a key, a bucket, an upload, to get out
// of the text and into the page, or to look like something else.
var hostile = []string{
	`</script><script>pwned()</script>`,
	`<!--<script>pwned()`,
	`<img src=x onerror=pwned()>`,
	`"><svg onload=pwned()>`,
	`' onmouseover='pwned()`,
	`javascript:pwned()`,
	`{{.}}${pwned()}` + "`",
	`]]>&lt;b&gt;&amp;</title></style>`,
	"nul\x00bell\x07esc\x1b[31mdel\x7fcr\rlf\nls\u2028ps\u2029",
	"rtl\u202egnp.exe\u202c\u2066isolate",
	"zero\u200bwidth\ufeffmark\u00adsoft\U000e0041tag",
	"שלום/עולם",
	"emoji🧠 한국어 e\u0301",
	"../../etc/passwd", "#at=x&by=y?%41%", "__proto__", "constructor", "\\u{202e}",
	"$& $1 $`", "https://example.invalid/x.png", strings.Repeat("w", 1000),
}

// TestHostileNames: whatever a name says, it is shown, and nothing else happens.
// (Any error, dialog or request fails the test: see open.)
func TestHostileNames(t *testing.T) {
	root := &report.Node{}
	r := around(root)
	for i, name := range hostile {
		leaf := &report.Node{Name: name, Key: true, Newest: now, Part: report.Part{Current: report.Amount{Count: 1, Bytes: int64(1e9 + i*1e7)}}}
		root.Children = append(root.Children, &report.Node{Name: name + "/", Children: []*report.Node{leaf}})
		row := report.Row{Name: name, Part: leaf.Part}
		r.Classes, r.Suffixes, r.Ages = append(r.Classes, row), append(r.Suffixes, row), append(r.Ages, row)
		r.Savings = append(r.Savings, report.Saving{ID: name, Title: name, Basis: name, PerMonth: 1})
		r.Duplicates.Largest = append(r.Duplicates.Largest, report.Group{ETag: name, Size: 1, Copies: 3, Keys: []string{name, name}})
		r.Uploads.Largest = append(r.Uploads.Largest, report.Upload{Key: name, UploadID: name})
		r.Compare.Prefixes = append(r.Compare.Prefixes, report.PrefixChanges{Prefix: name})
		r.Growth[i%20].ID = name
		r.Notes = append(r.Notes, name)
	}
	sum(root)
	all := strings.Join(hostile, "")
	r.Snapshot.Bucket, r.Snapshot.ID, r.Snapshot.Source, r.Snapshot.Prefix, r.Prices = all, all, all, all, all
	r.Compare.With.ID, r.Uploads.Seen = all, true
	p := open(t, r, look{width: 1280, height: 900})

	want(t, "scripts", eval[int](p, `document.scripts.length`), 1) // the data's element is taken away when read
	want(t, "foreign elements", eval[int](p, `document.querySelectorAll('img, iframe, object, embed, form, base, style ~ style, [onload], [onerror], [onmouseover], a:not([href^="#"])').length`), 0)
	want(t, "pwned", eval[string](p, `typeof pwned`), "undefined")

	// What is shown has nothing invisible in it, and says all there is.
	text := eval[string](p, `document.body.innerText + document.querySelector('#page').textContent
		+ [...document.querySelectorAll('[aria-label], [title]')].map(e => e.ariaLabel + e.title).join('')`)
	for _, c := range text {
		if c != '\n' && c != '\t' && c != ' ' && !unicode.IsPrint(c) {
			t.Errorf("U+%04X is shown as it is", c)
		}
	}
	for _, name := range []string{`</script><script>pwned()</script>`, `rtl\u{202e}gnp.exe\u{202c}\u{2066}isolate`, `esc\u{1b}[31m`, "שלום/עולם", "emoji🧠 한국어 e\u0301"} {
		if !strings.Contains(text, name) {
			t.Errorf("not shown: %q", name)
		}
	}

	// Going in and finding work for each, and the address names each.
	for i := range hostile {
		if i >= 12 {
			p.click("#map .more")
		}
		p.click(fmt.Sprintf("#map tbody tr:nth-child(%d) button", i+1))
		name := hostile[len(hostile)-1-i] // the largest first
		want(t, "address of "+name, eval[string](p, `new URLSearchParams(location.hash.slice(1)).get('at')`), name+"/")
		p.click(".crumbs button")
	}
}

// TestBigReport: twenty thousand prefixes are a small file that opens at once.
func TestBigReport(t *testing.T) {
	root := &report.Node{}
	for i := range 20_000 {
		root.Children = append(root.Children, &report.Node{Name: fmt.Sprintf("sub-%05d/", i), Newest: now - 1,
			Part: report.Part{Current: report.Amount{Count: int64(i), Bytes: int64(1e15) / int64(i+1), Cost: 1 / float64(i+1)}}})
	}
	sum(root)
	p := open(t, around(root), look{width: 1280, height: 900})
	t.Logf("drawn after %.0f ms", eval[float64](p, `performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd`))
	parts := p.rects(tiles)
	if len(parts) < 50 || len(parts) > 401 {
		t.Errorf("%d tiles", len(parts))
	}
	fills(t, p.rects(".map")[0], parts)
	last := parts[len(parts)-1]
	for i, r := range parts[:len(parts)-1] {
		if r.area() < 30 {
			t.Errorf("tile %d has %.1f px²", i, r.area())
		}
	}
	want(t, "rest", strings.Contains(p.texts(tiles + ".rest")[0], "smaller") || last.W < 44, true)
	want(t, "rows", eval[int](p, `document.querySelector('#map tbody').rows.length`), 12)
	if n := eval[int](p, `document.querySelectorAll('*').length`); n > 6000 {
		t.Errorf("%d elements for one level", n)
	}
	p.click(".finder input")
	p.press("1", "9", "9", "9", "9")
	want(t, "found", strings.Join(p.texts(".found bdi"), " "), "sub-19999/")
}
