package e2e_test

import (
	"strings"
	"testing"
)

// The page of the API shows every operation, and makes requests with the rights of the
// session. One that changes something needs a click of its own.
func TestAPIPage(t *testing.T) {
	n := guarded(t)
	p := login(t, n, boss, "/openapi")
	p.sees(`document.querySelectorAll(".operation").length > 40`)
	p.write(".search input", "put backends")
	p.reads(".operations", "PUT", "/backends/{key}", "Create or replace a backend", "admin")
	p.sees(`document.querySelectorAll(".operation").length === 1`)
	p.click(".operation summary")
	p.reads(".operation .about", "If-Match", "health.uri", "412", "required")
	p.sees(`document.querySelector(".try textarea").value.includes('"type": "static"')`)
	key := "#f-putBackend-key"
	p.click(".try [type=submit]")
	p.reads(".try .problem", "Key is missing")
	p.write(key, "tried")
	p.reads(".try .address", "PUT /backends/tried")
	p.click(".try [type=submit]")
	p.reads(".ask", "PUT /backends/tried is carried out at once, with your rights")
	if out, _ := n.shell(boss).run(0, "", "export"); strings.Contains(out, "tried") {
		t.Error("the request was made before it was confirmed")
	}
	p.write(key, "tried.") // and the question is about something else now
	p.sees(`!document.querySelector(".ask")`)
	p.write(key, "tried")
	p.click(".try [type=submit]")
	p.click(p.button(".ask", "Send PUT"))
	p.reads(".answer", "200", `"applied": true`, `"key": "tried"`)
	p.shot("api")
	n.shell(boss).run(0, "", "backends", "get", "tried")

	// Errors are answers, too.
	p.excuse("400")
	p.ask(`(e => { e.value = '{"type": "none"}'; e.dispatchEvent(new Event("input", {bubbles: true})); })(document.querySelector(".try textarea"))`, new(any))
	p.click(".try [type=submit]")
	p.click(p.button(".ask", "Send PUT"))
	p.reads(".answer", "400", `"code": "invalid"`)

	p.visit("/openapi?op=listBackends")
	p.click(".try [type=submit]") // a GET is made at once
	p.reads(".answer", "200", "10.10.10.10")
	p.barriers(axe(t), "/openapi", allRules)
	p.look(look{width: 390, height: 844, phone: true, dark: true})
	p.keepsTogether("/openapi", look{width: 390})
	p.shot("api-phone")
	p.visit("/openapi?op=streams")
	p.reads(".operation .about", "This is a websocket")

	p = login(t, n, visitor, "/openapi?op=putBackend")
	p.reads(".try", "Send…")
	p.sees(`document.querySelector(".try [type=submit]").getAttribute("aria-disabled") === "true"`)
	p.click(".try [type=submit]")
	p.reads(".toasts", "This needs the role admin")
	p.sees(`!document.querySelector(".ask")`)
}
