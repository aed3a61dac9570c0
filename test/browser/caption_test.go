package browser

import "testing"

// TestCaptionsFit: no caption is wider than its tile, or says next to nothing.
func TestCaptionsFit(t *testing.T) {
	p := open(t, sample(), look{width: 1280, height: 900})
	if n := len(p.texts(".map .caption")); n < 50 {
		t.Errorf("only %d captions", n)
	}
	for _, bad := range eval[[]string](p, `[...document.querySelectorAll('.map .caption')].filter(e =>
		e.scrollWidth > e.clientWidth + 1 || [...e.children].some(c => c.scrollWidth > c.clientWidth + 1) || e.textContent.length < 4)
		.map(e => e.textContent)`) {
		t.Errorf("%q", bad)
	}
}
