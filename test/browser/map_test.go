package browser

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"cooper/internal/report"
)

const (
	tiles   = ".map .layer > .tile"
	pressed = ` button[aria-pressed="true"]`
)

// rect is where something is on the page.
type rect struct{ X, Y, W, H float64 }

func (r rect) area() float64 { return r.W * r.H }

// rects gives the places of all that a selector finds.
func (p *tab) rects(selector string) []rect {
	p.t.Helper()
	return eval[[]rect](p, fmt.Sprintf(`[...document.querySelectorAll(%q)].map(e => {
		const r = e.getBoundingClientRect();
		return { X: r.x, Y: r.y, W: r.width, H: r.height };
	})`, selector))
}

// fills checks that tiles lie in the whole, side by side, and leave nothing free.
func fills(t *testing.T, whole rect, parts []rect) {
	t.Helper()
	const off = 0.2 // px: browsers place things in 64ths
	sum := 0.0
	for i, a := range parts {
		sum += a.area()
		if a.X < whole.X-off || a.Y < whole.Y-off || a.X+a.W > whole.X+whole.W+off || a.Y+a.H > whole.Y+whole.H+off {
			t.Errorf("tile %d leaves the map: %+v in %+v", i, a, whole)
		}
		for j, b := range parts[:i] {
			w := min(a.X+a.W, b.X+b.W) - max(a.X, b.X)
			h := min(a.Y+a.H, b.Y+b.H) - max(a.Y, b.Y)
			if w > off && h > off {
				t.Errorf("tiles %d and %d overlap by %.2f × %.2f", j, i, w, h)
			}
		}
	}
	if math.Abs(sum-whole.area()) > 0.002*whole.area() {
		t.Errorf("tiles cover %.0f px², the map has %.0f", sum, whole.area())
	}
}

// TestAreasSayWhatTheyShould: by each measure the areas are in proportion to the
// figures, and nothing is left out.
func TestAreasSayWhatTheyShould(t *testing.T) {
	r := sample()
	p := open(t, r, look{width: 1280, height: 900})
	for by, of := range map[string]func(p *report.Part) float64{
		"bytes":      func(p *report.Part) float64 { return float64(allBytes(p)) },
		"objects":    func(p *report.Part) float64 { return float64(p.Current.Count) },
		"noncurrent": func(p *report.Part) float64 { return float64(p.Noncurrent.Bytes) },
		"cost":       func(p *report.Part) float64 { return p.Current.Cost + p.Noncurrent.Cost },
	} {
		p.click(fmt.Sprintf(`#map button[data-value=%q]`, by))
		if by == "noncurrent" { // there is a colour of that name too
			want(t, "measure", p.text(`[aria-label="What the area means"]`+pressed), "Noncurrent")
		}
		whole, parts := p.rects(".map")[0], p.rects(tiles)
		fills(t, whole, parts)
		var values []float64
		for _, c := range r.Tree.Children {
			if v := of(&c.Part); v > 0 {
				values = append(values, v)
			}
		}
		slices.SortFunc(values, func(a, b float64) int { return cmp.Compare(b, a) })
		total := of(&r.Tree.Part)
		for i, v := range values {
			share := v / total
			if share*whole.area() < 100 {
				break // drawn with the smaller ones
			}
			if got := parts[i].area() / whole.area(); math.Abs(got-share) > 0.003 {
				t.Errorf("%s: tile %d takes %.4f of the map, its share is %.4f", by, i, got, share)
			}
		}
	}
	p.click(`#map button[data-value="bytes"]`)
	want(t, "rests", len(p.rects(tiles+".rest")), 1)
}

// TestInsideAndOut walks the map by mouse.
func TestInsideAndOut(t *testing.T) {
	p := open(t, sample(), look{width: 1280, height: 900, motion: true})
	before := p.rects("main")[0]
	p.click(tiles + `[aria-label^="raw/"]`)
	want(t, "place", p.text(".crumbs [aria-current]"), "raw/")
	fills(t, p.rects(".map")[0], p.rects(tiles))
	p.click(tiles + `[aria-label^="sub-003/"]`)
	want(t, "place", strings.Join(p.texts(".crumbs li"), " "), "neuro-archive raw/ sub-003/")
	// A key has nothing below: a click shows what it is, and stays.
	p.click(tiles + `[aria-label^="run-"]`)
	want(t, "place", p.text(".crumbs [aria-current]"), "sub-003/")
	if d := p.text(".detail"); !strings.HasPrefix(d, "Keyraw/sub-003/run-") {
		t.Errorf("detail: %q", d)
	}
	want(t, "first of the table", strings.HasPrefix(p.text("#map tbody th"), "run-"), true)
	p.click(".crumbs li:first-child button")
	want(t, "place", p.text(".crumbs [aria-current]"), "neuro-archive")
	// Looking about must not move what one looks at.
	after := p.rects("main")[0]
	want(t, "width and place of the page", [2]float64{after.X, after.W}, [2]float64{before.X, before.W})
	top := p.rects("#distributions")[0].Y - p.rects("#map")[0].Y
	over := p.rects(tiles + `[aria-label^="derivatives/"] .inner`)[0]
	p.do(chromedp.MouseEvent("mouseMoved", over.X+over.W/2, over.Y+over.H/2))
	p.settle()
	want(t, "what the mouse is over", strings.HasPrefix(p.text(".detail"), "Prefixderivatives/sub-"), true)
	want(t, "next section", p.rects("#distributions")[0].Y-p.rects("#map")[0].Y, top)
	// And by the table.
	p.click(`#map tbody tr:nth-child(2) button`)
	want(t, "place", p.text(".crumbs [aria-current]"), "derivatives/")
}

// TestByKeyboard walks the map without a mouse.
func TestByKeyboard(t *testing.T) {
	r := sample()
	largest := r.Tree.Children[0].Name
	p := open(t, r, look{width: 1280, height: 900})
	focused := func() string { return eval[string](p, `document.activeElement.getAttribute('aria-label') || ''`) }
	eval[bool](p, `(document.querySelector('.finder input').focus(), true)`)
	p.press(kb.Tab)
	want(t, "Tab comes to the largest tile", strings.HasPrefix(focused(), largest+": "), true)
	want(t, "tiles that Tab stops at", len(p.texts(tiles+`[tabindex="0"]`)), 1)

	// Each arrow goes that way, and there and back leads somewhere near.
	at := func() rect { return p.rects(tiles + ":focus")[0] }
	for _, step := range []struct {
		key string
		ok  func(a, b rect) bool
	}{
		{kb.ArrowRight, func(a, b rect) bool { return b.X >= a.X+a.W-1 }},
		{kb.ArrowDown, func(a, b rect) bool { return b.Y >= a.Y+a.H-1 }},
		{kb.ArrowUp, func(a, b rect) bool { return b.Y+b.H <= a.Y+1 }},
		{kb.ArrowLeft, func(a, b rect) bool { return b.X+b.W <= a.X+1 }},
	} {
		a := at()
		p.press(step.key)
		if b := at(); !step.ok(a, b) {
			t.Errorf("%q goes from %+v to %+v", step.key, a, b)
		}
	}
	p.press(kb.End)
	want(t, "End", strings.Contains(focused(), "smaller"), true)
	p.press(kb.Home, kb.Enter)
	want(t, "Enter goes in", p.text(".crumbs [aria-current]"), largest)
	want(t, "the focus goes along", strings.HasPrefix(focused(), "sub-"), true)
	child := focused()
	p.press(kb.Enter)
	want(t, "Enter goes in", len(p.texts(".crumbs li")), 3)
	p.press(kb.Backspace)
	want(t, "Backspace goes out, to where one was", focused(), child)
	p.press(kb.Escape)
	want(t, "Escape goes out, to where one was", strings.HasPrefix(focused(), largest+": "), true)
	p.press(kb.Escape)
	want(t, "not beyond the bucket", p.text(".crumbs [aria-current]"), "neuro-archive")
}

// TestAddress: the address keeps a place; going back goes back.
func TestAddress(t *testing.T) {
	r := sample()
	p := open(t, r, look{width: 1280, height: 900, hash: "#at=zarr%2Fsub-002%2F&by=noncurrent&colour=noncurrent"})
	want(t, "place", strings.Join(p.texts(".crumbs li"), " "), "neuro-archive zarr/ sub-002/")
	want(t, "choices", strings.Join(p.texts("#map"+pressed), " "), "Noncurrent Noncurrent share")
	p.click(".crumbs li:nth-child(2) button")
	p.click(`#map button[data-value="cost"]`)
	hash := eval[string](p, `location.hash`)
	want(t, "address", hash, "#at=zarr%2F&by=cost&colour=noncurrent")
	eval[bool](p, `new Promise(done => { addEventListener('popstate', () => done(true), { once: true }); history.back(); })`)
	p.settle()
	want(t, "back", p.text(".crumbs [aria-current]"), "sub-002/")

	p = open(t, r, look{width: 800, height: 600, hash: "#at=nowhere%2F"})
	for _, nonsense := range []string{"", "#at=zarr%2Fgone%2F&by=love", "#%00%ff&at=&by=__proto__&colour=constructor", "#growth", "#at"} {
		if nonsense != "" {
			p.goTo(nonsense)
		}
		fills(t, p.rects(".map")[0], p.rects(tiles))
		want(t, nonsense, p.text(`[aria-label="What the area means"]`+pressed), "Bytes")
	}
}

// TestFind finds a prefix by a part of its name.
func TestFind(t *testing.T) {
	p := open(t, sample(), look{width: 1280, height: 900})
	p.click(".finder input")
	p.press("E", "X", "P", "O")
	if got := p.texts(".found [role=option] bdi"); len(got) == 0 || got[0] != "exports/" {
		t.Fatalf("found %q", got)
	}
	p.press(kb.ArrowDown)
	second := p.texts(".found [role=option] bdi")[1]
	want(t, "pointed at", p.text(`.found [aria-selected="true"] bdi`), second)
	p.press(kb.Enter)
	want(t, "place", "exports/"+p.text(".crumbs [aria-current]"), second)
	want(t, "list", p.rects(".found")[0], rect{})

	// A key is shown in its prefix.
	p.click(".finder input")
	p.press("r", "e", "a", "d", "m", "e")
	p.click(".found [role=option]")
	want(t, "place", p.text(".crumbs [aria-current]"), "neuro-archive")
	if d := p.text(".detail"); !strings.HasPrefix(d, "KeyREADME.md") {
		t.Errorf("detail: %q", d)
	}
	p.click(".finder input")
	p.press("#", "#")
	want(t, "nothing", p.text(".found .about"), "No prefix in this report has that in its name.")
	p.press(kb.Escape)
	want(t, "emptied", eval[string](p, `document.querySelector('.finder input').value`), "")
}
