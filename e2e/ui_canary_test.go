package e2e_test

import (
	"net/http"
	"testing"
)

// A canary is seen while it is under way, with both versions side by side, and can be
// paused and ended by a click.
func TestCanaryOnThePages(t *testing.T) {
	n := loaded(t)
	p := openPage(t, n, "/overview", look{width: 1280, height: 1100})
	p.reads(`[aria-label="Backend live"]`, "live")
	p.sees(`!document.querySelector("[aria-label='Backend live']").innerText.includes("canary")`)
	n.call(200, http.MethodPost, "/backends/live/canary", `{"version":"1.1.0","steps":[20,100],"every":"1h"}`)
	p.reads(`[aria-label="Backend live"]`, "canary 20%")
	p.visit("/overview/backends/live")
	p.reads(`[aria-label="Canary"]`, "Canary of 1.1.0", "running at 20%", "5xx>1%,errors>1%", "1.1.0 new", "1.0.0 old", "Mean response")
	p.sees(`Number(document.querySelector("[aria-label='Canary'] tbody td").textContent) > 5`)
	p.shot("canary")
	p.click(`[aria-label="Canary"] .canary-actions button`)
	p.reads(`[aria-label="Canary"]`, "paused at 20%", "Resume")
	p.click(`[aria-label="Canary"] .canary-actions button.danger`)
	p.reads(`[aria-label="Canary"]`, "went back at 20%", "It was interrupted by")
	p.sees(`!document.querySelector("[aria-label='Canary'] .canary-actions")`)
	p.look(look{width: 390, height: 844, phone: true})
	p.sees(`document.documentElement.scrollWidth <= document.documentElement.clientWidth`)
	p.reads(`[aria-label="Canary"]`, "Scroll for more columns")
	p.shot("canary-phone")
}
