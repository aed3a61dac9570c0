package browser

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp"
)

// TestPictures takes pictures for a person to look at.
func TestPictures(t *testing.T) {
	dir := os.Getenv("COOPER_SCREENSHOTS")
	if dir == "" {
		t.Skip("COOPER_SCREENSHOTS is not set: no pictures")
	}
	r := pictured(t)
	deep := "#at=" + r.Tree.Children[1].Name + "&by=noncurrent&colour=noncurrent"
	for name, l := range map[string]look{
		"report":      {width: 1280, height: 1120},
		"dark":        {width: 1280, height: 900, dark: true},
		"deep":        {width: 1280, height: 1000, hash: deep},
		"deep-dark":   {width: 1280, height: 1000, hash: deep, dark: true},
		"narrow":      {width: 380, height: 800},
		"narrow-dark": {width: 380, height: 800, dark: true},
		"middle":      {width: 800, height: 900},
	} {
		p := open(t, r, l)
		p.save(filepath.Join(dir, name+".png"))
		// The whole page, a screen after the other.
		height := eval[int64](p, `document.documentElement.scrollHeight`)
		for i, y := 1, l.height-60; y < height && i < 12; i, y = i+1, y+l.height-60 {
			eval[bool](p, fmt.Sprintf(`(scrollTo({ top: %d, behavior: 'instant' }), true)`, y))
			p.settle()
			p.save(filepath.Join(dir, fmt.Sprintf("%s-%02d.png", name, i)))
		}
	}
	p := open(t, r, look{width: 794, height: 1123, media: "print"})
	p.save(filepath.Join(dir, "print.png"))
	for name, l := range map[string]look{
		"handle":        {width: 1280, height: 1400},
		"handle-dark":   {width: 1280, height: 1400, dark: true},
		"handle-narrow": {width: 380, height: 1600},
		"handle-print":  {width: 794, height: 1123, media: "print"},
	} {
		openHandle(t, candidate(), l).save(filepath.Join(dir, name+".png"))
	}
}

func (p *tab) save(path string) {
	p.t.Helper()
	png, err := chromedp.Run(p.ctx, chromedp.CaptureScreenshot())
	if err != nil {
		p.t.Fatal(err)
	}
	if err := os.WriteFile(path, png, 0o644); err != nil {
		p.t.Fatal(err)
	}
}
