package e2e_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"thalassa/internal/testkit"
)

// axe is the source of axe-core, which looks for what keeps people out.
func axe(t *testing.T) string {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile(filepath.Join(cache, "thalassa/ui-tools/node_modules/axe-core/axe.min.js"))
	if err != nil {
		testkit.Missing(t, "axe-core is not there; make setup fetches it")
	}
	return string(source)
}

const allRules = `["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]`

// barriers runs axe-core on the page as it is, with these rules.
func (p *page) barriers(source, where, rules string) {
	p.tb.Helper()
	var found []struct {
		ID, Help string
		Nodes    []struct {
			HTML, FailureSummary string
		}
	}
	if _, err := chromedp.Run(p.ctx, chromedp.Evaluate[int](source+"; 1")); err != nil {
		p.tb.Fatal(err)
	}
	p.ask(`axe.run(document, {resultTypes: ["violations"], runOnly: `+rules+`}).then(r => r.violations)`, &found)
	for _, f := range found {
		for _, n := range f.Nodes {
			p.tb.Errorf("%s: %s (%s)\n%.300s\n%s", where, f.ID, f.Help, n.HTML, n.FailureSummary)
		}
	}
}

// Labels, roles, contrast in both colors, and what else can be told by a program.
func TestNobodyIsKeptOut(t *testing.T) {
	source := axe(t)
	n := loaded(t)
	n.call(200, http.MethodPut, "/backends/files", `{"type":"static","members":[{"host":"127.0.0.1","port":9}]}`)
	n.call(200, http.MethodPost, "/backends/live", `{"versions":{"1.0.0":90,"1.1.0":10}}`)
	p := openPage(t, n, "/overview", look{})
	for path, ready := range map[string]string{
		"/overview":                    `[aria-label="Backend live"] td .badge.good`,
		"/overview/backends/live":      ".chart canvas",
		"/overview/frontends/web":      ".chart canvas",
		"/activity":                    ".event summary",
		"/config":                      ".t-keyword",
		"/config?n=2&diff=1":           ".code.added",
		"/overview?new=backend":        "dialog select",
		"/overview?new=frontend":       "dialog select",
		"/overview/backends/live?edit": "dialog select",
	} {
		p.visit(path)
		p.sees("document.querySelector(`" + ready + "`)")
		p.look(look{})
		p.barriers(source, path, allRules)
		p.look(look{dark: true})
		p.barriers(source, path+" in the dark", `["color-contrast", "link-in-text-block"]`)
	}
	p.visit("/overview")
	p.click(`[title^="Switch live"]`)
	p.sees(`document.querySelector("dialog .slider")`)
	p.barriers(source, "the switch", allRules)
}

// What has the focus can be seen whichever way it came: the bar covers none of it.
func TestFocusIsNotCovered(t *testing.T) {
	n := loaded(t)
	for i := range 30 {
		n.call(200, http.MethodPost, "/backends/live", fmt.Sprintf(`{"version":"1.%d.0"}`, i%2))
	}
	p := openPage(t, n, "/activity", look{width: 640, height: 400})
	rows := `[...document.querySelectorAll(".event summary")].filter((e) => e.checkVisibility())`
	p.sees(rows + ".length >= 15")
	covered := `(e => { const r = e.getBoundingClientRect(); return r.top < document.querySelector(".bar").getBoundingClientRect().bottom || r.bottom > innerHeight; })(document.activeElement)`
	for _, l := range []look{{width: 640, height: 400}, {width: 390, height: 500, phone: true}} {
		p.look(l)
		p.ask(rows+".at(14).focus()", new(any))
		for range 12 {
			p.do(chromedp.KeyEvent("\t", chromedp.KeyModifiers(chromedp.ModifierShift)))
			var hidden bool
			if p.ask(covered, &hidden); hidden {
				var what string
				p.ask(`document.activeElement.innerText`, &what)
				t.Fatalf("at %d pixels the focus cannot be seen: %q", l.width, what)
			}
		}
	}
}

// Everything can be done with the keyboard, in the order of the page.
func TestKeyboard(t *testing.T) {
	n := loaded(t)
	p := openPage(t, n, "/overview", look{})
	p.reads(`[aria-label="Backend live"]`, "2/2")
	focused := `(e => (e.getAttribute("aria-label") || e.innerText || e.tagName).trim().split("\n")[0])(document.activeElement)`
	var order []string
	for len(order) < 17 {
		p.press("\t")
		var name string
		p.ask(focused, &name)
		if name == "Cluster" { // only where there is one
			continue
		}
		order = append(order, name)
		var ring string
		p.ask(`getComputedStyle(document.activeElement).outlineStyle`, &ring)
		if ring == "none" {
			t.Errorf("the focus on %q cannot be seen", name)
		}
	}
	got := strings.Join(order, " | ")
	want := "Skip to content | Thalassa | Overview | Activity | Config | Certificates | Drafts | API | Colors: system. Change to light | Backend | Frontend | " +
		"Search frontends and backends | All | With problems | From Consul | Static | web"
	if got != want {
		t.Errorf("the focus goes\n%s, expected\n%s", got, want)
	}

	// A window holds the focus, Escape closes it, and the focus is back.
	p.ask(`document.querySelector("[title^='Switch live']").focus()`, new(any))
	p.press("\r")
	p.sees(`document.activeElement.matches("dialog input[type=radio]:not(:checked)")`)
	p.press("\x1b")
	p.sees(`!document.querySelector("dialog") && document.activeElement.matches("[title^='Switch live']")`)
	p.press("\r")
	p.sees(`document.activeElement.matches("dialog input[type=radio]:not(:checked)")`)
	p.ask(`document.querySelector("dialog input[value='1.1.0']").focus()`, new(any))
	p.press(" ")
	p.press("\r")
	p.reads(".toast", "live now goes to 1.1.0")
}

func TestPhone(t *testing.T) {
	n := loaded(t)
	p := openPage(t, n, "/overview", look{width: 390, height: 844, phone: true})
	p.reads(`[aria-label="Backend live"]`, "2/2", "requests/s")
	fits := `document.documentElement.scrollWidth <= document.documentElement.clientWidth`
	small := `[...document.querySelectorAll("button, .bar nav a, input, select")].filter(e => { const r = e.getBoundingClientRect(); return r.width && r.height < 28; }).map(e => e.outerHTML.slice(0, 90))`
	for _, path := range []string{"/overview", "/overview/backends/live", "/activity", "/config", "/certificates", "/overview?new=frontend", "/overview?new=backend"} {
		p.visit(path)
		p.sees(`document.querySelector(".pulse.live") && !document.querySelector("main .loading")`)
		p.sees(fits)
		var found []string
		if p.ask(small, &found); len(found) > 0 {
			t.Errorf("%s: too small for a finger: %v", path, found)
		}
		p.shot("phone" + strings.NewReplacer("/", "-", "?", "-", "=", "-").Replace(path))
	}
	p.excuse("404")
	for _, path := range []string{"/overview/backend/live", "/overwiew", "/activity/x"} {
		p.visit(path)
		p.reads("main", "Page not found", "Go to the overview")
		p.sees(fits)
	}
	p.visit("/overview")
	p.reads(`[aria-label="Backend live"]`, "2/2")
	p.tap(`[title^="Switch live"]`)
	p.reads("dialog", "1.1.0")
	p.sees(fits)
	p.shot("phone-switch")
}

// The longest names and versions that there may be are cut or broken within their
// places, on a phone and beside it, and at twice the size.
func TestLongNamesStayInTheirPlaces(t *testing.T) {
	testkit.Tool(t, "chromium")
	consul := testkit.Consul(t)
	n := newNode(t, consul.Address())
	n.start()
	name, version := strings.Repeat("x", 128), strings.Repeat("9", 128)
	for _, v := range []string{version, "1.0.0"} {
		consul.Register(testkit.Instance{ID: v, Service: name, Port: testkit.StartWeb(t, v).Port, Address: "127.0.0.1", Meta: map[string]string{"version": v}})
	}
	n.call(200, http.MethodPut, "/backends/"+name, `{"type":"dynamic","name":"`+name+`","version":"`+version+`"}`)
	n.call(200, http.MethodPut, "/frontends/"+name, fmt.Sprintf(`{"bind":"127.0.0.1:%d","backend":"%s"}`, n.web, name))
	n.call(200, http.MethodPut, "/backends/both", `{"type":"dynamic","name":"`+name+`","versions":{"`+version+`":1,"1.0.0":1}}`)
	n.call(201, http.MethodPost, "/drafts", `{"id":"`+name+`","message":"`+name+`"}`)
	n.call(200, http.MethodPut, "/backends/"+name+"?draft="+name, `{"type":"dynamic","name":"`+name+`","version":"1.0.0"}`)
	p := openPage(t, n, "/drafts", look{width: 390, height: 844, phone: true})
	p.click(p.button(".drafts", "Edit in this draft"))
	for _, path := range []string{"/drafts", "/drafts/" + name, "/config?view=revisions", "/overview"} {
		p.visit(path)
		p.sees(`document.querySelector(".strip.draft") && document.querySelector(".pulse.live") && !document.querySelector("main .loading")`)
		p.keepsTogether("in a draft, "+path, look{width: 390})
	}
	p.click(p.button(".strip.draft", "Leave"))
	for _, l := range []look{{width: 390, height: 844, phone: true}, {width: 640, height: 400}, {width: 820, height: 900}, {width: 1600, height: 900}} {
		p.look(l)
		for _, path := range []string{"/overview", "/overview/backends/" + name, "/overview/backends/both", "/overview/frontends/" + name, "/activity", "/config", "/certificates"} {
			p.visit(path)
			p.sees(`document.querySelector(".pulse.live") && !document.querySelector("main .loading")`)
			p.keepsTogether(path, l)
		}
		p.visit("/overview")
		p.click(`[title^="Switch x"]`)
		p.reads("dialog", "1 of 1 instance healthy", "current")
		p.keepsTogether("the switch", l)
		p.click(`dialog input[value="1.0.0"]`)
		p.reads("dialog footer", "Switch to 1.0.0")
		p.click(".tabs button:nth-child(2)")
		p.sees(`document.querySelector("dialog .slider")`)
		p.keepsTogether("the sliders", l)
	}
}

// keepsTogether demands that nothing stands out of the page to the right, and no
// text out of what holds it, unless that scrolls or cuts it.
func (p *page) keepsTogether(where string, l look) {
	p.tb.Helper()
	var out []string
	p.ask(`[...document.querySelectorAll("header, header *, main, main *, dialog, dialog *")].filter((e) => {
		if (!e.clientWidth || e.closest("svg, canvas, .hidden, .plot") || getComputedStyle(e).overflowX !== "visible") return false;
		if (e.scrollWidth > e.clientWidth + 1) return true;
		for (let up = e; (up = up.parentElement);) if (getComputedStyle(up).overflowX !== "visible") return false;
		return e.getBoundingClientRect().right > document.documentElement.clientWidth + 1;
	}).map((e) => e.outerHTML.slice(0, 90)).slice(0, 3)`, &out)
	if len(out) > 0 {
		p.shot(strconv.FormatInt(l.width, 10))
		p.tb.Errorf("%s at %d pixels: out of their places are %q", where, l.width, out)
	}
}
