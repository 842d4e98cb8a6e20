package e2e_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// lowContrast lists the texts and placeholders of a page that differ from what they stand
// on by less than 4.5 to 1 (WCAG 2.2, 1.4.3), as the browser has them: with opacity, and
// with every translucent surface below. Texts of disabled controls count as well.
const lowContrast = `(() => {
	const context = Object.assign(document.createElement("canvas"), {width: 1, height: 1}).getContext("2d", {willReadFrequently: true});
	const seen = new Map();
	const rgba = (color) => {
		if (!seen.has(color)) {
			context.clearRect(0, 0, 1, 1);
			context.fillStyle = color;
			context.fillRect(0, 0, 1, 1);
			const [r, g, b, a] = context.getImageData(0, 0, 1, 1).data;
			seen.set(color, [r, g, b, a / 255]);
		}
		return seen.get(color);
	};
	const over = (top, below, opacity = 1) => [0, 1, 2].map(i => top[i] * top[3] * opacity + below[i] * (1 - top[3] * opacity)).concat(1);
	const grayed = (c, amount) => {
		const level = 0.2126 * c[0] + 0.7152 * c[1] + 0.0722 * c[2];
		return [0, 1, 2].map(i => c[i] + (level - c[i]) * amount).concat(1);
	};
	const lightness = (c) => [0.2126, 0.7152, 0.0722].reduce((sum, part, i) => {
		const v = c[i] / 255;
		return sum + part * (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
	}, 0);
	const ratio = (a, b) => { const [x, y] = [lightness(a), lightness(b)]; return (Math.max(x, y) + 0.05) / (Math.min(x, y) + 0.05); };
	// What an element and its text look like on what is below it: a translucent group is
	// mixed as a whole.
	const painted = (e, text) => {
		const chain = [];
		for (let at = e; at; at = at.parentElement) chain.unshift(getComputedStyle(at));
		const paint = (i, below) => {
			if (i === chain.length) return [below, over(text, below)];
			const surface = over(rgba(chain[i].backgroundColor), below);
			const inside = paint(i + 1, surface), opacity = Number(chain[i].opacity);
			const gray = Number(/^grayscale\(([\d.]+)\)$/.exec(chain[i].filter)?.[1] ?? 0);
			return inside.map(c => over(grayed(c, gray), below, opacity));
		};
		return paint(0, [255, 255, 255, 1]);
	};
	const found = [];
	let count = 0;
	const judge = (e, color, words) => {
		count++;
		const [surface, text] = painted(e, rgba(color)), got = ratio(text, surface);
		if (got < 4.5) found.push(got.toFixed(2) + " " + e.tagName.toLowerCase() + "." + e.className + ": " + words.trim().slice(0, 60));
	};
	for (const e of document.querySelectorAll("body *")) {
		if (!e.checkVisibility({opacityProperty: true, visibilityProperty: true}) || e.closest(".hidden, .skip:not(:focus)")) continue;
		const style = getComputedStyle(e);
		if (e.placeholder) {
			const p = getComputedStyle(e, "::placeholder"), c = rgba(p.color);
			judge(e, "rgb(" + c.slice(0, 3).join(" ") + " / " + c[3] * Number(p.opacity) + ")", "placeholder " + e.placeholder);
		}
		if (e.matches("select, textarea, input:not([type=range], [type=checkbox], [type=radio])")) judge(e, style.color, "value of " + (e.id || e.name || e.type));
		const words = [...e.childNodes].filter(n => n.nodeType === Node.TEXT_NODE && n.data.trim()).map(n => n.data).join(" ");
		if (words && e.tagName !== "OPTION") judge(e, e.closest("svg") ? style.fill : style.color, words);
	}
	return {count, found: [...new Set(found)]};
})()`

// legible checks every text of the page, in light and dark.
func (p *page) legible(where string, size look) {
	p.tb.Helper()
	for _, dark := range []bool{false, true} {
		size.dark = dark
		p.look(size)
		var result struct {
			Count int
			Found []string
		}
		p.ask(lowContrast, &result)
		if result.Count < 5 {
			p.tb.Errorf("%s: only %d texts", where, result.Count)
		}
		if len(result.Found) > 0 {
			p.tb.Errorf("%s, dark %v: of %d texts, these have less contrast than 4.5 to 1:\n%s", where, dark, result.Count, strings.Join(result.Found, "\n"))
		}
	}
}

// Every text can be read, also placeholders, which accessibility checkers do not judge.
func TestTextsHaveContrast(t *testing.T) {
	n := loaded(t)
	n.call(200, http.MethodPut, "/backends/files", `{"type":"static","members":[{"host":"127.0.0.1","port":9}]}`)
	n.call(200, http.MethodPost, "/backends/live/canary", `{"version":"1.1.0","steps":[20,100],"every":"1h"}`)
	p := openPage(t, n, "/overview", look{})
	p.excuse("404") // of the page that does not exist
	size := look{width: 1280, height: 900}
	for _, c := range []struct{ path, ready string }{
		{"/overview", `[aria-label="Backend live"] td .badge.good`},
		{"/overview?q=nobody", ".empty"},
		{"/overview/backends/live", ".chart canvas"},
		{"/overview/backends/files", "table.unused"},
		{"/overview/frontends/web", ".chart canvas"},
		{"/activity", ".event summary"},
		{"/config?n=2&diff=1", ".code.added"},
		{"/config", ".t-keyword"},
		{"/overview?new=backend", "#f-key"},
		{"/overview?new=frontend", "#f-key"},
		{"/nowhere", "main h1"},
	} {
		p.visit(c.path)
		p.sees(fmt.Sprintf("document.querySelector(%q)", c.ready))
		p.ask(`document.querySelectorAll("details").forEach(d => { d.open = true; })`, new(any))
		p.legible(c.path, size)
	}
	p.visit("/overview")
	p.sees(`document.querySelector("[aria-label='Backend live'] td .badge.good")`)
	p.ask(`document.querySelector(".page").classList.add("lost")`, new(any))
	p.legible("without an agent", size)
	p.click(`[title^="Switch live"]`)
	p.sees(`document.querySelector("dialog .primary")`)
	p.legible("the switch", size)
	p.look(look{width: 390, height: 844, phone: true})
	p.visit("/overview/backends/live")
	p.sees(`document.querySelector(".chart canvas")`)
	p.legible("on a phone", look{width: 390, height: 844, phone: true})

	// The measure itself.
	p.visit("/overview")
	p.sees(`document.querySelector("[aria-label='Backend live'] td .badge.good")`)
	for _, rule := range []string{"input::placeholder { opacity: .5 !important }", "h2 { color: #777 }", ".badge { opacity: .4 }", "h2 { background: rgb(128 128 128 / 50%) }"} {
		p.ask(fmt.Sprintf("document.styleSheets[0].insertRule(%q, document.styleSheets[0].cssRules.length)", rule), new(any))
	}
	var result struct{ Found []string }
	p.ask(lowContrast, &result)
	for _, want := range []string{"placeholder Search", "h2.: ", ".badge"} {
		if !strings.Contains(strings.Join(result.Found, "\n"), want) {
			t.Errorf("%q is not among the texts of low contrast: %q", want, result.Found)
		}
	}
}
