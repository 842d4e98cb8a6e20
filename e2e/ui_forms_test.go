package e2e_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

const arrowRight = kb.ArrowRight

var goBack = chromedp.NavigateBack()

func TestCreateEditAndDeleteByForms(t *testing.T) {
	n := loaded(t)
	p := openPage(t, n, "/overview?new=backend", look{width: 1280, height: 1000})
	p.excuse("400", "409", "412", "422")
	p.reads("dialog", "New backend", "roundrobin")

	// Every service in Consul is suggested, watched or not.
	p.sees(`["consul", "shop"].every(name => [...document.querySelectorAll("#f-name-list option")].some(o => o.value === name))`)

	// Every missing field is named at once, and the page need not be searched for them.
	p.click("dialog .primary")
	p.reads("#f-key-error", "Is missing")
	p.reads("#f-name-error", "Is missing")
	p.reads("#f-version-error", "Is missing")
	p.reads("dialog .problem", "3 fields need a correction")
	p.sees(`document.activeElement.id === "f-key"`)
	p.shot("form-missing")

	// The API's errors stand at their fields.
	p.write("#f-key", "files")
	p.ask(choose("#f-type", "static"), new(any))
	p.write("#f-members-0-host", "no host")
	p.write("#f-members-0-port", "http")
	p.click("dialog .primary")
	p.reads("#f-members-0-port-error", "whole number")
	p.write("#f-members-0-port", "8080")
	p.click("dialog .primary")
	p.reads("#f-members-0-host-error", "no host")
	p.sees(`document.querySelector("#f-members-0-host").getAttribute("aria-invalid") === "true"`)
	p.sees(`document.querySelector("#f-members-0-host").getAttribute("aria-describedby").includes("f-members-0-host-error")`)
	p.shot("form-errors")
	p.write("#f-members-0-host", "127.0.0.1")
	p.click("dialog .primary")
	p.sees(`location.pathname === "/overview/backends/files" && !document.querySelector("dialog")`)
	p.reads(".toast", "backend/files is in effect")

	// Somebody else was faster.
	p.click(".head .button:nth-last-child(2)")
	p.reads("dialog", "Edit backend files")
	p.sees(`document.querySelector("#f-balance")`) // it is loaded
	n.call(200, http.MethodPut, "/backends/files", `{"type":"static","balance":"source","members":[{"host":"127.0.0.1","port":8081}]}`)
	p.write("#f-balance", "leastconn")
	p.click("dialog .primary")
	p.reads(".conflict", "Somebody else changed this backend", "balance", "source", "8081")
	p.shot("conflict")
	p.click(".conflict .danger")
	p.sees(`!document.querySelector("dialog")`)
	if got := fmt.Sprint(n.call(200, http.MethodGet, "/backends/files", "")["balance"]); got != "leastconn" {
		t.Errorf("saved over theirs, the balance is %s", got)
	}

	// HAProxy's own words, when it refuses.
	p.visit("/overview/frontends/web?edit=1")
	p.click(".more-fields:last-of-type summary")
	p.write("#f-natives", "no-such-keyword at all")
	p.click("dialog .primary")
	p.reads(".problem pre", "no-such-keyword")
	p.sees(`(r => r.top >= 0 && r.bottom <= innerHeight)(document.querySelector(".problem pre").getBoundingClientRect())`)
	p.shot("refused")
	p.write("#f-natives", "option forwardfor")
	p.click("dialog .primary")
	p.reads(".toasts", "frontend/web is in effect")

	// What is used cannot be deleted; what is not, can.
	p.visit("/overview/backends/live")
	p.click(".head .danger")
	p.click("dialog .danger")
	p.reads("dialog .problem", "still routed to by frontend/web")
	p.visit("/overview/backends/files")
	p.click(".head .danger")
	p.reads("dialog", "Delete backend/files?")
	n.call(200, http.MethodPut, "/backends/files", `{"type":"static","balance":"first","members":[{"host":"127.0.0.1","port":8081}]}`)
	p.reads("main", "Static · first") // which is not what the question was about
	p.click("dialog .danger")
	p.reads("dialog .problem", "has changed")
	p.click("dialog [aria-label=Close]")
	p.click(".head .danger")
	p.click("dialog .danger")
	p.sees(`location.pathname === "/overview"`)
	p.sees(`document.querySelector("[aria-label='Backend live']") && !document.querySelector("[aria-label='Backend files']")`)
}

// The form leaves a backend without members only if the user insists, and the overview says so.
func TestFormAsksBeforeABackendIsEmpty(t *testing.T) {
	n := loaded(t)
	p := openPage(t, n, "/overview/backends/live?edit=1", look{width: 1280, height: 1000})
	p.excuse("409")
	p.write("#f-version", "9")
	p.click("dialog .primary")
	p.reads("dialog .problem", "version 9 of service shop has no healthy instance")
	p.shot("form-empty")
	if got := n.call(200, http.MethodGet, "/backends/live", "")["version"]; got != "1.0.0" {
		t.Errorf("the version is %v", got)
	}
	p.click("dialog .body .danger")
	p.reads(".toasts", "backend/live is in effect", "has no member")
	p.visit("/overview")
	p.reads(".notices", "1 backend without members", "backend/live, used by frontend/web", "Version 9 of service shop has no healthy instance")
	p.shot("empty")
}

// choose picks an option as a person does, with the event that follows.
func choose(selector, value string) string {
	return fmt.Sprintf(`(e => { e.value = %q; e.dispatchEvent(new Event("change", {bubbles: true})); })(document.querySelector(%q))`, value, selector)
}
