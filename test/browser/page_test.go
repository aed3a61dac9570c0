package browser

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"cooper/internal/report"
	"cooper/internal/words"
)

// TestNumbersAreThoseOfTheTerminal: the same figure looks the same everywhere.
func TestNumbersAreThoseOfTheTerminal(t *testing.T) {
	p := open(t, sample(), look{width: 800, height: 600})
	script, err := os.ReadFile("../../internal/report/page/js/number.js")
	if err != nil {
		t.Fatal(err)
	}
	var ns []int64
	for n := int64(1); n < 1e15; n = n*7 + 3 {
		ns = append(ns, n, -n)
	}
	ns = append(ns, 0, 999, 1000, 9994, 9995, 99949, 99950, 999499, 999500, 999999, 12345678901234)
	for _, f := range []struct {
		name string
		of   func(int64) string
	}{{"bytes", words.Bytes}, {"count", words.Count}} {
		got := eval[[]string](p, fmt.Sprintf(`(() => { %s; return %s.map(%s); })()`, script, list(ns), f.name))
		for i, n := range ns {
			if g := strings.ReplaceAll(got[i], "−", "-"); g != f.of(n) {
				t.Errorf("%s(%d): the page says %q, the terminal %q", f.name, n, g, f.of(n))
			}
		}
	}
	dollars := eval[[]string](p, fmt.Sprintf(`(() => { %s; return [0, 0.0032, 0.01, 12.345, -3, 1e-9].map(dollars); })()`, script))
	want(t, "dollars", strings.Join(dollars, " "), "$0 $0.0032 $0.01 $12.35 −$3.00 <$0.0001")
}

func list(ns []int64) string { return strings.Join(strings.Fields(fmt.Sprint(ns)), ",") }

// TestSquarify: whatever the values, tiles fill the whole and keep proportion.
func TestSquarify(t *testing.T) {
	p := open(t, sample(), look{width: 800, height: 600})
	script, err := os.ReadFile("../../internal/report/page/js/squarify.js")
	if err != nil {
		t.Fatal(err)
	}
	for name, values := range map[string]string{
		"one": "[5]", "two": "[1, 1]", "falling": "[1e15, 1e9, 1e3, 1]", "the last is the largest": "[3, 2, 1, 500]",
		"many": "Array.from({ length: 400 }, (_, i) => 1 / (i + 1))", "equal": "Array(97).fill(3)",
	} {
		for _, space := range []string{"{ x: 0, y: 0, w: 1168, h: 522 }", "{ x: 7, y: 3, w: 40, h: 900 }"} {
			bad := eval[[]string](p, fmt.Sprintf(`(() => { %s
				const values = %s, space = %s, bad = [], tiles = squarify(values, space);
				const total = values.reduce((a, b) => a + b, 0), off = 1e-6 * space.w * space.h;
				let sum = 0;
				tiles.forEach((t, i) => {
					sum += t.w * t.h;
					if (Math.abs(t.w * t.h - values[i] / total * space.w * space.h) > off) bad.push('area of ' + i);
					if (!(t.w >= 0 && t.h >= 0) || t.x < space.x - 1e-6 || t.x + t.w > space.x + space.w + 1e-6 || t.y + t.h > space.y + space.h + 1e-6) bad.push('place of ' + i);
				});
				if (tiles.length !== values.length || Math.abs(sum - space.w * space.h) > off) bad.push('sum');
				return bad;
			})()`, script, values, space))
			if len(bad) > 0 {
				t.Errorf("%s in %s: %v", name, space, bad)
			}
		}
	}
}

// TestTablesSort sorts by mouse and by keyboard.
func TestTablesSort(t *testing.T) {
	p := open(t, sample(), look{width: 1280, height: 900})
	first := func() string { return p.text("#savings tbody tr:first-child th span:first-child") }
	sorted := func() string {
		return eval[string](p, `[...document.querySelectorAll('#savings th')].map(h => h.ariaSort).filter(Boolean).join()`)
	}
	want(t, "the most first", strings.HasPrefix(first(), "Move latest"), true)
	want(t, "sort", sorted(), "descending")
	p.click("#savings thead th.number button")
	want(t, "sort", sorted(), "ascending")
	want(t, "the least first", first(), "Compress what compresses")
	eval[bool](p, `(document.querySelector('#savings thead th button').focus(), true)`)
	p.press(kb.Enter)
	names := p.texts("#savings tbody th > span:first-child")
	want(t, "by name", slices.IsSorted(names), true)
	want(t, "what loses is marked", strings.Join(p.texts("#savings .badge"), ""), "deletes versions")
	// Ranges keep their order when sorted by name: 2-5 y comes before 30-90 d in letters alone.
	p.click("#distributions .panel:first-child thead th button")
	want(t, "ages", p.texts("#distributions .panel:first-child tbody th")[0], "< 1 d")

	p.click(`#distributions button[data-value="cost"]`)
	want(t, "bars of cost", p.texts("#distributions .panel:first-child tbody td.number")[2], "$8.75")
	p.click(".panel:first-child + .panel thead .number button")
	rows := eval[[]int](p, `[...document.querySelectorAll('#map tbody')].map(b => b.rows.length)`)
	want(t, "rows of the map's table", rows[0], 9)
	p.click(tiles + `[aria-label^="raw/"]`)
	want(t, "rows at first", eval[int](p, `document.querySelector('#map tbody').rows.length`), 12)
	p.click("#map .more")
	want(t, "all rows", eval[int](p, `document.querySelector('#map tbody').rows.length`), 24)
}

// TestTheme: as the system has it, until one chooses.
func TestTheme(t *testing.T) {
	paper := func(p *tab) string { return eval[string](p, `getComputedStyle(document.body).backgroundColor`) }
	light := paper(open(t, sample(), look{width: 800, height: 600}))
	p := open(t, sample(), look{width: 800, height: 600, dark: true})
	dark := paper(p)
	if light == dark {
		t.Fatal("light is dark")
	}
	p.click(".theme")
	want(t, "chosen", paper(p), light)
	want(t, "the button offers the other", p.text(".theme"), "Dark theme")
	p.do(chromedp.Reload())
	p.settle()
	want(t, "remembered", paper(p), light)
	p.click(".theme")
	want(t, "and back", paper(p), dark)
	p.as(look{width: 800, height: 600})
	want(t, "with the system again", paper(p), light)
}

// TestGrowth reads the chart by keyboard, and says so if there is nothing to draw.
func TestGrowth(t *testing.T) {
	r := sample()
	p := open(t, r, look{width: 1280, height: 900})
	want(t, "the newest first", p.text(".readout b"), "2026-11-20")
	eval[bool](p, `(document.querySelector('.chart').focus(), true)`)
	p.press(kb.ArrowLeft)
	want(t, "one back", p.text(".readout b"), "2026-11-05")
	p.press(kb.Home)
	want(t, "the oldest", p.text(".readout"), "2026-02-08 7.11 TB current 889 GB noncurrent the first snapshot")
	if labels := p.texts(".chart text"); len(labels) < 8 || labels[0] != "0" || !strings.HasSuffix(labels[1], " TB") {
		t.Errorf("axes: %q", labels)
	}
	boxes := p.rects(".chart text")
	for i, a := range boxes {
		for _, b := range boxes[:i] {
			if a.X < b.X+b.W && b.X < a.X+a.W && a.Y < b.Y+b.H && b.Y < a.Y+a.H {
				t.Errorf("labels overlap: %+v %+v", a, b)
			}
		}
	}
	r.Growth = r.Growth[:1]
	p = open(t, r, look{width: 1280, height: 900})
	want(t, "charts", len(p.texts(".chart")), 0)
	want(t, "instead", strings.HasPrefix(p.text("#growth .about"), "This is the only snapshot"), true)
}

// TestBare: nothing but what every report has, and a bucket with nothing in it.
func TestBare(t *testing.T) {
	p := open(t, &report.Report{Snapshot: report.Snapshot{ID: "s", Bucket: "empty", TakenAt: now, CurrentOnly: true}, Now: now, Tree: &report.Node{}}, look{width: 800, height: 600})
	want(t, "map", p.text(".map"), "Nothing here to show by this measure.")
	want(t, "badges", strings.Join(p.texts(".masthead .badge"), "; "), "Incomplete: there is more than this; Noncurrent versions were not listed")
	want(t, "uploads", p.text("#uploads .about"), "Not looked at: the store was not asked.")
	want(t, "sections", strings.Join(p.texts("h2"), ", "), "Where it is, How it divides, Growth, What would cost less, Unfinished uploads")
}

// tooWide finds what makes the page too wide: without it, it is not.
const tooWide = `[...document.querySelectorAll('#page *')].filter(e => {
	e.style.display = 'none';
	const fits = document.documentElement.scrollWidth <= innerWidth;
	e.style.display = '';
	return fits;
}).map(e => e.outerHTML.slice(0, 60))`

// TestFitsEveryScreen: no page scrolls sideways; what is wide scrolls in itself.
func TestFitsEveryScreen(t *testing.T) {
	r := sample()
	long := strings.Repeat("long", 250)
	r.Tree.Children = append(r.Tree.Children, &report.Node{Name: long + "/", Part: report.Part{Current: report.Amount{Count: 1, Bytes: 5e12}}})
	r.Snapshot.Source, r.Notes, r.Savings[0].Basis = "s3://"+long, []string{long}, long
	r.Duplicates.Largest[0].Keys[0], r.Uploads.Largest[0].Key = long, long
	p := open(t, r, look{width: 1000, height: 800})
	for _, l := range []look{{width: 380}, {width: 620}, {width: 800}, {width: 960}, {width: 1280}, {width: 2560}, {width: 680, media: "print"}} {
		l.height = 800
		p.as(l)
		p.settle()
		if got := eval[int64](p, `document.documentElement.scrollWidth`); got > l.width {
			t.Errorf("at %d px %s the page is %d px wide for one of these: %q", l.width, l.media, got, eval[[]string](p, tooWide))
		}
		fills(t, p.rects(".map")[0], p.rects(tiles))
	}
}
