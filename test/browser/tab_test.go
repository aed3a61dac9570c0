package browser

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"go.uber.org/goleak"

	"cooper/internal/report"
	reportpage "cooper/internal/report/page"
)

// One Chromium serves all tests; each has a tab of its own, which shares nothing
// with the others.
var browser struct {
	once sync.Once
	ctx  context.Context
	err  error
	end  []func()
}

func TestMain(m *testing.M) {
	code := m.Run()
	for i := len(browser.end) - 1; i >= 0; i-- {
		browser.end[i]()
	}
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

func startBrowser() {
	path, err := exec.LookPath("chromium")
	if err != nil {
		browser.err = err
		return
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path),
		// Root and containers have no sandbox; the pages are our own.
		chromedp.NoSandbox,
		chromedp.Flag("disable-dev-shm-usage", true),
		chromedp.Flag("force-device-scale-factor", "1"))
	alloc, end := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, endBrowser := chromedp.NewContext(alloc)
	browser.ctx = ctx
	browser.end = append(browser.end, end, endBrowser, func() {
		if err := chromedp.Cancel(ctx); err != nil {
			fmt.Fprintln(os.Stderr, "chromium does not end:", err)
		}
	})
	if err := chromedp.Do(ctx); err != nil {
		browser.err = fmt.Errorf("chromium does not start: %w", err)
	}
}

// look says how a page is looked at.
type look struct {
	width, height int64
	dark, motion  bool
	media         string // print; empty for a screen
	hash          string
}

// tab is a page in the browser.
type tab struct {
	t   *testing.T
	ctx context.Context
	url string

	mu       sync.Mutex
	troubles []string // what no page may do: errors, dialogs, requests
}

// open writes the page of r and opens it.
func open(t *testing.T, r *report.Report, l look) *tab {
	t.Helper()
	return openPage(t, func(w io.Writer) error { return reportpage.Write(w, r) }, l)
}

// openPage opens the page that write writes. At the end of the test nothing may
// have gone wrong in it, and nothing been asked of any network.
func openPage(t *testing.T, write func(io.Writer) error, l look) *tab {
	t.Helper()
	if testing.Short() {
		t.Skip("short: no browser")
	}
	browser.once.Do(startBrowser)
	if browser.err != nil {
		if browser.ctx == nil {
			t.Skip(browser.err)
		}
		t.Fatal(browser.err)
	}
	path := filepath.Join(t.TempDir(), "report.html")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := write(f); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	p := &tab{t: t, url: "file://" + path}
	ctx, end := chromedp.NewContext(browser.ctx, chromedp.WithNewBrowserContext(), chromedp.WithListener(p.watch))
	p.ctx = ctx
	t.Cleanup(func() {
		if err := chromedp.Cancel(ctx); err != nil {
			t.Error(err)
		}
		end()
		p.mu.Lock()
		defer p.mu.Unlock()
		for _, trouble := range p.troubles {
			t.Error(trouble)
		}
	})
	call(p, network.Enable, network.EnableParams{})
	call(p, log.Enable, cdp.Empty{})
	p.as(l)
	p.do(chromedp.Navigate(p.url + l.hash))
	p.settle()
	return p
}

// as makes the page be looked at in another way. Unless motion is wanted there is
// none, so that what is measured stands still.
func (p *tab) as(l look) {
	p.t.Helper()
	scheme, motion := "light", "reduce"
	if l.dark {
		scheme = "dark"
	}
	if l.motion {
		motion = "no-preference"
	}
	call(p, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Media: l.media, Features: []*emulation.MediaFeature{
		{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: motion}}})
	p.do(chromedp.EmulateViewport(l.width, l.height))
}

// watch notes what a page must not do.
func (p *tab) watch(event any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	note := func(format string, args ...any) { p.troubles = append(p.troubles, fmt.Sprintf(format, args...)) }
	switch e := event.(type) {
	case *runtime.EventConsoleAPICalled:
		for _, arg := range e.Args {
			note("console.%s: %s", e.Type, arg.Value)
		}
	case *runtime.EventExceptionThrown:
		note("exception: %s %v", e.ExceptionDetails.Text, e.ExceptionDetails.Exception)
	case *log.EventEntryAdded:
		note("%s: %s", e.Entry.Level, e.Entry.Text)
	case *page.EventJavascriptDialogOpening:
		note("dialog: %s", e.Message)
	case *network.EventRequestWillBeSent:
		if url := e.Request.URL; url != p.url && url != "data:," {
			note("request: %s", url)
		}
	}
}

func (p *tab) do(actions ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	if err := chromedp.Do(p.ctx, actions...); err != nil {
		p.t.Fatal(err)
	}
}

// call gives the browser a command of its protocol.
func call[P, R any](p *tab, command cdp.Command[P, R], params P) R {
	p.t.Helper()
	answer, err := chromedp.Call(p.ctx, command, params)
	if err != nil {
		p.t.Fatal(err)
	}
	return answer
}

// eval runs a script and gives what it says.
func eval[T any](p *tab, script string) T {
	p.t.Helper()
	out, err := chromedp.Run(p.ctx, chromedp.Evaluate[T](script, chromedp.EvalAwaitPromise))
	if err != nil {
		p.t.Fatalf("%s: %v", script, err)
	}
	return out
}

// goTo follows a link to another place in the same page.
func (p *tab) goTo(hash string) {
	p.t.Helper()
	eval[bool](p, fmt.Sprintf(`new Promise(done => { addEventListener('popstate', () => done(true), { once: true }); location.hash = %q; })`, hash))
	p.settle()
}

// settle waits until two frames have been drawn and nothing moves.
func (p *tab) settle() {
	p.t.Helper()
	eval[bool](p, `new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))
		.then(() => Promise.all(document.getAnimations().map(a => a.finished))).then(() => true)`)
}

// click clicks the middle of what a selector finds.
func (p *tab) click(selector string) {
	p.t.Helper()
	if len(p.rects(selector)) == 0 { // the library would wait for it
		p.t.Fatalf("nothing to click: %s", selector)
	}
	p.do(chromedp.ScrollIntoView(chromedp.CSS(selector)), chromedp.Click(chromedp.CSS(selector)))
	p.settle()
}

// press presses keys, one after the other.
func (p *tab) press(keys ...string) {
	p.t.Helper()
	for _, k := range keys {
		p.do(chromedp.KeyEvent(k))
	}
	p.settle()
}

// texts gives the text of all that a selector finds.
func (p *tab) texts(selector string) []string {
	p.t.Helper()
	return eval[[]string](p, fmt.Sprintf(`[...document.querySelectorAll(%q)].map(e => e.textContent)`, selector))
}

func (p *tab) text(selector string) string {
	p.t.Helper()
	return strings.Join(p.texts(selector), "\n")
}

// want compares what is with what should be.
func want[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}
