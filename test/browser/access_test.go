package browser

import (
	"fmt"
	"testing"

	"cooper"
)

// contrast finds text that is hard to read: it gives the worst of each kind.
// Canvas turns whatever form a colour is written in into red, green and blue.
const contrast = `(() => {
	const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
	canvas.canvas.width = canvas.canvas.height = 1;
	const over = (colour, below) => {
		canvas.fillStyle = below; canvas.fillRect(0, 0, 1, 1);
		canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
		return canvas.getImageData(0, 0, 1, 1).data;
	};
	const light = ([r, g, b]) => [r, g, b].map(c => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
		.reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
	const ground = e => {
		const stack = [];
		for (; e; e = e.parentElement) stack.unshift(getComputedStyle(e).backgroundColor);
		return 'rgb(' + stack.reduce((below, c) => 'rgb(' + [...over(c, below)].slice(0, 3) + ')', 'white').slice(4);
	};
	const bad = new Set();
	const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
	while (walk.nextNode()) {
		const e = walk.currentNode.parentElement;
		if (!walk.currentNode.data.trim() || !e.checkVisibility() || e.matches('script, noscript, .unseen')) continue;
		const style = getComputedStyle(e), below = ground(e);
		const a = light(over(e.closest('svg') ? style.fill : style.color, below)), b = light(over(below, below));
		const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
		if (ratio < 4.5) bad.add(ratio.toFixed(2) + ' ' + (e.closest('[class]')?.className ?? '') + ' in ' + below);
	}
	return [...bad];
})()`

// nameless finds what a screen reader could not say.
const nameless = `(() => {
	const bad = [], said = e => (e.ariaLabel || e.textContent).trim();
	for (const e of document.querySelectorAll('button, a, input, [role], summary, th[scope="row"]')) {
		if (!said(e) && e.role !== 'status' && e.role !== 'listbox') bad.push(e.outerHTML.slice(0, 80));
	}
	for (const e of document.querySelectorAll('section')) {
		if (!document.getElementById(e.getAttribute('aria-labelledby'))) bad.push('section ' + e.id);
	}
	for (const e of document.querySelectorAll('[aria-controls], [aria-describedby]')) {
		if (!document.getElementById(e.getAttribute('aria-controls') || e.getAttribute('aria-describedby'))) bad.push(e.outerHTML.slice(0, 80));
	}
	const ids = [...document.querySelectorAll('[id]')].map(e => e.id);
	if (new Set(ids).size !== ids.length) bad.push('ids twice');
	const levels = [...document.querySelectorAll('h1, h2, h3')].map(e => Number(e.tagName[1]));
	levels.forEach((l, i) => { if (l > (levels[i - 1] ?? 0) + 1) bad.push('heading ' + i + ' skips a level'); });
	return bad;
})()`

// TestEverybodyCanRead checks contrast in both themes and both colourings, and
// that everything has a name.
func TestEverybodyCanRead(t *testing.T) {
	r := sample()
	// Every step of both scales is on the map.
	for i, c := range r.Tree.Children {
		c.Newest = now - 864e5*[]cooper.Instant{10, 60, 100, 300, 500, 1000, 4000, 10}[i%8]
		c.Part.Noncurrent.Bytes = c.Part.Current.Bytes * int64([]int{0, 1, 4, 10, 40, 90, 20, 0}[i%8]) / 20
		c.Children = nil
	}
	p := open(t, r, look{width: 1280, height: 900})
	for _, dark := range []bool{false, true} {
		p.as(look{width: 1280, height: 900, dark: dark})
		for _, colour := range []string{"age", "noncurrent"} {
			p.goTo(fmt.Sprintf("#at=&colour=%s&dark=%v", colour, dark)) // a new address each time
			steps := eval[int](p, `new Set([...document.querySelectorAll('.map .tile')].map(e => e.className)).size`)
			if steps < 6 {
				t.Errorf("only %d kinds of tile are checked", steps)
			}
			for _, bad := range eval[[]string](p, contrast) {
				t.Errorf("dark %v, %s: contrast %s", dark, colour, bad)
			}
			for _, bad := range eval[[]string](p, nameless) {
				t.Errorf("no name: %s", bad)
			}
		}
	}
}

// TestStepsDiffer: neighbours on a scale can be told apart by lightness alone.
func TestStepsDiffer(t *testing.T) {
	p := open(t, sample(), look{width: 800, height: 600})
	for _, dark := range []bool{false, true} {
		p.as(look{width: 800, height: 600, dark: dark})
		for _, scale := range []string{"age", "share"} {
			lights := eval[[]float64](p, `(() => {
				const of = i => { const e = document.createElement('i'); e.className = '`+scale+`' + i; document.body.append(e);
					const [r, g, b] = getComputedStyle(e).backgroundColor.match(/[\d.]+/g).map(Number); e.remove();
					const y = [r, g, b].map(c => (c / 255) ** 2.2).reduce((s, c, i) => s + c * [0.2126, 0.7152, 0.0722][i], 0);
					return 116 * Math.cbrt(y) - 16; };
				return Array.from({ length: '`+scale+`' === 'age' ? 7 : 6 }, (_, i) => of(i));
			})()`)
			rising := lights[1] > lights[0]
			for i := 1; i < len(lights); i++ {
				step := lights[i] - lights[i-1]
				if rising != (step > 0) || max(step, -step) < 5 {
					t.Errorf("dark %v, %s: lightness goes %.0f", dark, scale, lights)
					break
				}
			}
		}
	}
}
