package e2e_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/cdproto/security"
	"github.com/chromedp/chromedp"

	"thalassa/internal/testkit"
)

// chromium is the one browser of this process; it ends with TestMain.
type chromium struct {
	mu    sync.Mutex
	ctx   context.Context //nolint:containedctx // a browser is its context to chromedp; nil: not started
	close context.CancelFunc
}

var browser chromium

// start starts the browser at the first call.
func (c *chromium) start(tb testing.TB) context.Context {
	tb.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ctx != nil {
		return c.ctx
	}
	flags := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(testkit.Tool(tb, "chromium")),
		chromedp.WSURLReadTimeout(2*patience), chromedp.DisableGPU, chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true))
	if os.Getuid() == 0 {
		flags = append(flags, chromedp.NoSandbox)
	}
	allocated, endAll := chromedp.NewExecAllocator(context.Background(), flags...)
	ctx, end := chromedp.NewContext(allocated)
	c.close = func() { end(); endAll() }
	if err := chromedp.Do(ctx); err != nil {
		c.close()
		tb.Fatalf("starting Chromium: %v", err)
	}
	c.ctx = ctx
	return ctx
}

func (c *chromium) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ctx != nil {
		c.close()
	}
}

// A page is a tab with cookies and storage of its own.
type page struct {
	tb   testing.TB
	ctx  context.Context //nolint:containedctx // a tab is its context to chromedp
	base string          // origin

	mu       sync.Mutex
	problems []string // errors on the console, requests to elsewhere
	excused  []string // parts of problems that are meant to be
}

// look tells how a page is looked at. The zero value is a window in the light.
type look struct {
	width, height int64 // 1280 by 800
	dark, phone   bool
}

// openPage opens a path of the node. At the test's end there must have been no
// error on the console and no request to another place.
func openPage(tb testing.TB, n *node, path string, l look) *page {
	tb.Helper()
	parent := browser.start(tb)
	ctx, cancel := chromedp.NewContext(parent, chromedp.WithNewBrowserContext())
	p := &page{tb: tb, ctx: ctx, base: fmt.Sprintf("http://127.0.0.1:%d", n.api)}
	tb.Cleanup(func() {
		if tb.Failed() {
			p.shot("failed")
		}
		cancel()
		p.mu.Lock()
		defer p.mu.Unlock()
		for _, problem := range p.problems {
			if !slices.ContainsFunc(p.excused, func(part string) bool { return strings.Contains(problem, part) }) {
				tb.Errorf("in the browser: %s", problem)
			}
		}
	})
	if err := errors.Join(chromedp.Do(ctx), chromedp.Listen(ctx, p.hear)); err != nil {
		tb.Fatal(err)
	}
	if n.secure {
		p.base = strings.Replace(p.base, "http://", "https://", 1)
		if _, err := chromedp.Call(p.ctx, security.SetIgnoreCertificateErrors, security.SetIgnoreCertificateErrorsParams{Ignore: true}); err != nil {
			tb.Fatal(err)
		}
	}
	p.look(l)
	p.visit(path)
	return p
}

// look changes how the page is looked at.
func (p *page) look(l look) {
	p.tb.Helper()
	if l.width == 0 {
		l.width, l.height = 1280, 800
	}
	scheme := "light"
	if l.dark {
		scheme = "dark"
	}
	size := []chromedp.EmulateViewportOption{}
	if l.phone {
		size = append(size, chromedp.EmulateMobile, chromedp.EmulateTouch)
	}
	p.do(chromedp.EmulateViewport(l.width, l.height, size...))
	_, err := chromedp.Call(p.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
		{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"},
	}})
	if err != nil {
		p.tb.Fatal(err)
	}
}

// hear keeps what must not happen.
func (p *page) hear(ev any) {
	switch ev := ev.(type) {
	case *runtime.EventExceptionThrown:
		text := ev.ExceptionDetails.Text
		if ev.ExceptionDetails.Exception != nil {
			text += ": " + ev.ExceptionDetails.Exception.Description
		}
		p.complain("exception: " + text)
	case *runtime.EventConsoleAPICalled:
		if ev.Type == "error" || ev.Type == "warning" || ev.Type == "assert" {
			var words []string
			for _, a := range ev.Args {
				words = append(words, string(a.Value)+a.Description)
			}
			p.complain("console: " + strings.Join(words, " "))
		}
	case *log.EventEntryAdded:
		if ev.Entry.Level == "error" || ev.Entry.Level == "warning" {
			p.complain("log: " + ev.Entry.Text + " " + ev.Entry.URL)
		}
	case *network.EventRequestWillBeSent:
		if !strings.HasPrefix(ev.Request.URL, p.base+"/") && !strings.HasPrefix(ev.Request.URL, "data:") { // such as an icon of Chromium's own
			p.complain("request to " + ev.Request.URL)
		}
	case *network.EventWebSocketCreated:
		if !strings.HasPrefix(ev.URL, strings.Replace(p.base, "http", "ws", 1)+"/") {
			p.complain("websocket to " + ev.URL)
		}
	}
}

func (p *page) complain(problem string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.problems = append(p.problems, problem)
}

// excuse says that problems with these words are what the test provokes.
func (p *page) excuse(parts ...string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.excused = append(p.excused, parts...)
}

func (p *page) do(steps ...chromedp.Action[chromedp.Void]) {
	p.tb.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		p.tb.Fatalf("in the browser: %v", err)
	}
}

func (p *page) visit(path string) {
	p.tb.Helper()
	p.do(chromedp.Navigate(p.base + path))
}

// click presses the mouse on what a selector finds first.
func (p *page) click(selector string) {
	p.tb.Helper()
	p.hit(selector, func(x, y float64) chromedp.Action[chromedp.Void] { return chromedp.MouseClickXY(x, y) })
}

// tap puts a finger there.
func (p *page) tap(selector string) {
	p.tb.Helper()
	p.hit(selector, chromedp.TapXY)
}

// hit does something where an element is, once that is there, rests, and nothing
// covers it; again where the page has moved just then.
func (p *page) hit(selector string, what func(x, y float64) chromedp.Action[chromedp.Void]) {
	p.tb.Helper()
	where := fmt.Sprintf(`(async () => {
		const e = document.querySelector(%q);
		if (!e || e.disabled) return null;
		e.scrollIntoView({block: "center", behavior: "instant"});
		const before = e.getBoundingClientRect();
		await new Promise(done => setTimeout(done, 60));
		const r = e.getBoundingClientRect(), x = r.x + r.width / 2, y = r.y + r.height / 2;
		if (!e.isConnected || r.x !== before.x || r.y !== before.y) return null;
		const hit = document.elementFromPoint(x, y);
		if (!hit || !(e.contains(hit) || hit.contains(e))) return null;
		window.missed = true;
		document.addEventListener("click", c => { if (c.target === hit || e.contains(c.target)) window.missed = false; }, {capture: true, once: true});
		return [x, y];
	})()`, selector)
	testkit.Eventually(p.tb, patience, func() error {
		var at []float64
		if err := p.try(where, &at); err != nil {
			return err
		}
		if at == nil {
			return fmt.Errorf("%s cannot be clicked", selector)
		}
		p.do(what(at[0], at[1]))
		var missed bool
		const wait = `(async () => {
			for (let i = 0; i < 40 && window.missed; i++) await new Promise(done => setTimeout(done, 50));
			return window.missed === true;
		})()`
		if p.try(wait, &missed) == nil && missed { // else the click has led to another page
			return fmt.Errorf("%s was missed", selector)
		}
		return nil
	})
}

// write replaces what a field holds, key by key.
func (p *page) write(selector, text string) {
	p.tb.Helper()
	p.click(selector)
	p.ask(fmt.Sprintf("document.querySelector(%q).select()", selector), new(any))
	p.press(text)
}

// press sends keys to whatever has the focus.
func (p *page) press(keys string) {
	p.tb.Helper()
	p.do(chromedp.KeyEvent(keys))
}

// ask evaluates JavaScript, or waits for what it promises, and decodes the value.
func (p *page) ask(script string, v any) {
	p.tb.Helper()
	if err := p.try(script, v); err != nil {
		p.tb.Fatalf("in the browser: %.200s: %v", script, err)
	}
}

func (p *page) try(script string, v any) error {
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	text, err := chromedp.Run(ctx, chromedp.Evaluate[string]("Promise.resolve("+script+").then(v => JSON.stringify(v ?? null))", chromedp.EvalAwaitPromise))
	if err != nil {
		return err
	}
	return json.Unmarshal([]byte(text), v)
}

// sees waits until an expression of JavaScript is true.
func (p *page) sees(script string) {
	p.tb.Helper()
	testkit.Eventually(p.tb, patience, func() error {
		var ok bool
		if err := p.try("Boolean("+script+")", &ok); err != nil {
			return err
		}
		if !ok {
			return fmt.Errorf("%s is not true", script)
		}
		return nil
	})
}

// reads waits until what a selector finds holds every one of the words.
func (p *page) reads(selector string, words ...string) {
	p.tb.Helper()
	testkit.Eventually(p.tb, patience, func() error {
		var text string
		if err := p.try(fmt.Sprintf("[...document.querySelectorAll(%q)].map(e => e.innerText).join('\\n')", selector), &text); err != nil {
			return err
		}
		for _, w := range words {
			if !strings.Contains(text, w) {
				return fmt.Errorf("%q is not in %s, which reads %.400q", w, selector, text)
			}
		}
		return nil
	})
}

// shot keeps a picture of what can be seen: go test -artifacts says where.
func (p *page) shot(name string) {
	p.tb.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	data, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
	if err != nil {
		p.tb.Logf("no screenshot %s: %v", name, err)
		return
	}
	if err := os.WriteFile(filepath.Join(testkit.Artifacts(p.tb), strings.ReplaceAll(p.tb.Name(), "/", "-")+"-"+name+".png"), data, 0o600); err != nil {
		p.tb.Error(err)
	}
}
