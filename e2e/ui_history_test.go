package e2e_test

import (
	"encoding/base64"
	"fmt"
	"testing"
	"time"

	"thalassa/api/apitest"
	"thalassa/cluster"
	"thalassa/internal/testkit"
)

// A user asks why an address failed, and what had been changed before: three clicks.
func TestHistoryPage(t *testing.T) {
	testkit.Tool(t, "chromium")
	c := apitest.NewCluster()
	if _, _, err := c.Do(t.Context(), cluster.Action{Kind: cluster.Standby, Node: "n1"}, cluster.Order{Author: "ann"}); err != nil {
		t.Fatal(err)
	}
	p := openPage(t, inMemory(t, c), "/cluster", look{})
	p.click(`a[href="/history"]`)
	p.reads("h1", "History")
	p.reads("nav [aria-current]", "Cluster")
	p.reads(`[aria-label="Transitions"]`, "warning", "ann: configure primitives/vip", "root: crm_resource on n2", "recover vip on n1", "(the scheduler has not been asked yet)")
	p.sees(`document.querySelectorAll(".timeline .dot").length === 2`)
	p.shot("history")
	p.barriers(axe(t), "the history", allRules)

	p.click(`[aria-label="Transitions"] tbody tr:first-child a`)
	p.reads(`[aria-label="The past"]`, "warning", "DC n2", "pe-warn-1.bz2", "Next")
	p.reads(`[aria-label="What led to it"]`, "monitor of vip failed on n1", "not running, gone", "ann: configure primitives/vip", "root with crm_resource on n2")
	p.reads(`[aria-label="Decisions"]`, "move", "vip", "n1 → n2")
	p.click(p.button(".tabs", "Operations"))
	p.reads(`[aria-label="Operations"]`, "n1", "vip", "monitor every 5 s", "gone")
	p.click(p.button(".tabs", "Configuration"))
	p.reads(`[aria-label="Configuration"]`, "ann: configure primitives/vip", "by the agent of n1", "root with crm_resource on n2", "primitives/vip")
	p.click(`[aria-label="Who"] a[href*="job="]`)
	p.reads(`[aria-label="Job"]`, "ann: standby", "n1", "done")
	p.shot("history-configuration")
	p.barriers(axe(t), "who changed the configuration", allRules)
	p.click(p.button(".tabs", "Logs"))
	p.reads(`[aria-label="Logs"]`, "n1", "pacemaker-schedulerd", "Unexpected result of monitor", "Some logs are missing, because these agents have not sent them: n2", "journal was not read")
	p.barriers(axe(t), "the logs", allRules)
	p.click(p.button(".tabs", "Explanation"))
	p.reads(`[aria-label="Explanation"]`, "The monitor of vip failed on n1", "Detection", "between", "Scheduler", "not recorded itself", "vip on n1", "3 s", "agents have not sent them: n2")
	p.reads(`[aria-label="Advice"]`, "slow-start", "at most 5 s", "monitor-interval")
	p.sees(`document.querySelectorAll("tr .waterfall").length === 4 && document.querySelectorAll(".waterfall .certain").length > 0`)
	p.shot("history-explanation")
	p.barriers(axe(t), "a failover explained", allRules)
	p.look(look{width: 390, height: 844, phone: true})
	p.sees(`document.documentElement.scrollWidth <= 390`) // the tabs are in two lines
	p.look(look{})
	p.click(p.button(".tabs", "State"))
	p.reads("main", "This is the past")
	p.reads(`[aria-label="Nodes and resources"]`, "haproxy", "n2")
	p.sees(`![...document.querySelectorAll("main button")].some((b) => b.textContent.includes("Standby"))`)
	p.shot("history-state")
	p.barriers(axe(t), "a state of the past", allRules)

	p.excuse("data:image/svg+xml") // the icon in Chromium's own field for a time
	// Any instant is one field away, and has an address of its own.
	p.sees(`(() => { const i = document.querySelector('[aria-label="Any instant"] input'); i.value = new Date(new Date("2026-11-29T12:00:30Z") - new Date("2026-11-29T12:00:30Z").getTimezoneOffset() * 60000).toISOString().slice(0, 19); i.dispatchEvent(new Event("input", { bubbles: true })); return true; })()`)
	p.click(`[aria-label="Any instant"] button`)
	p.reads(`[aria-label="The past"]`, "This is the past", "30 s before", "ann, configure primitives/vip", "Transition after")
	p.reads(`[aria-label="Nodes and resources"]`, "haproxy", "n2")
	p.sees(`location.search.includes("at=2026-11-29T12%3A00%3A30Z")`)
	p.shot("history-instant")
	p.barriers(axe(t), "an instant of the past", allRules)
	p.click(p.button(`[aria-label="The past"]`, "Close"))
	p.reads(`[aria-label="The past"]`, "warning", "Next")

	// The tab stays, and the address is a link to just this.
	p.click(`[aria-label="The past"] a.button`)
	p.reads(`[aria-label="The past"]`, "input", "pe-input-1.bz2")
	p.sees(`location.search.includes("tab=state") && location.search.includes("input-1-")`)
	p.click(p.button(".tabs", "Configuration"))
	p.reads(`[aria-label="Configuration"]`, "No transition before this one is known")
}

// What would have happened? The simulator is two clicks from the history, on the state of that time.
func TestPastIsSupposed(t *testing.T) {
	testkit.Tool(t, "chromium")
	p := openPage(t, inMemory(t, apitest.NewCluster()), "/history", look{})
	p.excuse("data:image/svg+xml") // the icon in Chromium's own field for a time
	p.click(`[aria-label="Transitions"] tbody tr:first-child a`)
	p.reads(`[aria-label="What if?"]`, "Suppose something else")
	p.click(`[aria-label="What if?"] a.button`)
	p.reads(`[aria-label="The past"]`, "This is the past", "DC n2")
	p.reads(`[aria-label="Decisions"]`, "move", "vip", "n1 → n2")
	p.sees(`location.search === "?past=` + apitest.SecondTransition + `" && !document.querySelector("#f-cib") && !document.querySelector(".tabs")`)
	p.click(`[aria-label="Add an event"] button[type="submit"]`)
	p.click(`[aria-label="Suppose"] .button.primary`)
	p.reads(`[aria-label="Decisions"]`, "Supposed: node n1 fails.")
	p.shot("supposed")
	p.barriers(axe(t), "a simulation of the past", allRules)
	p.legible("a simulation of the past", look{})
	p.look(look{width: 390, height: 844, phone: true})
	p.shot("supposed-phone")
	p.look(look{})
	p.visit("/simulator?past=" + apitest.SecondTransition + "&suppose=n2%3Donline")
	p.reads(`[aria-label="Decisions"]`, "Supposed: node n2")
	p.click(`[aria-label="The past"] a.button`)
	p.reads(`[aria-label="The past"]`, "warning", "pe-warn-1.bz2")
}

// The past of another cluster comes in a file. A band says whose it is, until it is left.
func TestImportedHistoryPage(t *testing.T) {
	testkit.Tool(t, "chromium")
	c := apitest.NewCluster()
	n := inMemory(t, c)
	file := apitest.HistoryFile(t, apitest.ClusterHistory{Cluster: c})
	p := openPage(t, n, "/history", look{})
	p.excuse("400", "data:image/svg+xml") // the refusal, and the icon in Chromium's own field for a time
	p.reads("h1", "History")
	p.exports(t)
	p.click(p.button(".toolbar", "Import"))
	p.reads("dialog", "Imported histories", "crm report")
	p.chooseFile("#f-history", "bad.tar.gz", "no archive")
	p.click(`dialog button[type="submit"]`)
	p.reads("dialog", "is no tar archive")
	p.chooseBytes("#f-history", "berlin.tar.gz", file)
	p.shot("history-import")
	p.barriers(axe(t), "the dialog of imports", allRules)
	p.click(`dialog button[type="submit"]`)
	p.reads(`[aria-label="Imported"]`, "imported past of berlin, not this cluster's", "n1, n2", "from an export")
	p.reads(`[aria-label="Transitions"]`, "warning", "recover vip on n1")
	p.sees(`[...document.querySelectorAll(".toolbar button")].every(b => b.innerText !== "Export…")`)
	p.shot("history-imported")
	p.barriers(axe(t), "an imported past", allRules)
	p.legible("an imported past", look{})
	p.shot("history-imported-dark")
	p.legible("an imported past on a phone", look{width: 390, height: 844, phone: true})
	p.look(look{width: 390, height: 844, phone: true})
	p.shot("history-imported-phone")
	p.look(look{})
	p.click(`[aria-label="Transitions"] tbody tr:first-child a`)
	p.reads(`[aria-label="Decisions"]`, "move", "vip")
	p.click(p.button(".tabs", "Logs"))
	p.reads(`[aria-label="Logs"]`, "n1", "Unexpected result of monitor")
	p.sees(`!document.querySelector('[aria-label="Logs"]').textContent.includes("Some logs are missing")`)
	p.click(p.button(".tabs", "Explanation"))
	p.reads(`[aria-label="Explanation"]`, "Resources were moved off n1")
	p.click(p.button(".tabs", "State"))
	p.reads("main", "This is the past")
	p.click(p.button(`[aria-label="Imported"]`, "Back to this cluster"))
	p.sees(`document.querySelector('[aria-label="Imported"]') === null && !location.search.includes("import=")`)
	p.choose(`select[aria-label="Past of"]`, p.text(`select[aria-label="Past of"] option:last-child`, "value"))
	p.reads(`[aria-label="Imported"]`, "berlin")
	p.click(p.button(".toolbar", "Import"))
	p.click(`dialog [aria-label="Imports"] button`)
	p.sees(`document.querySelector('dialog [aria-label="Imports"]') === null && document.querySelector('[aria-label="Imported"]') === null`)
}

// exports looks at the dialog that asks which interval goes into a file.
func (p *page) exports(t *testing.T) {
	t.Helper()
	link := func(test string) {
		p.tb.Helper()
		p.sees(`(l => ` + test + `)(new URL(document.querySelector("dialog a[download]").href))`)
	}
	p.click(p.button(".toolbar", "Export…"))
	p.reads("dialog", "The last hour", "It has no secrets")
	link(`l.pathname === "/cluster/history/export" && Math.abs(Date.now() - 3600000 - Date.parse(l.searchParams.get("from"))) < 60000 && !l.searchParams.has("to")`)
	p.barriers(axe(t), "the dialog of an export", allRules)
	p.choose("#f-interval", "all")
	link(`l.search === ""`)
	p.choose("#f-interval", "1")
	var asked string // by a click an hour later
	p.ask(`(() => { const now = Date.now, a = document.querySelector("dialog a[download]"); a.addEventListener("click", (e) => e.preventDefault());
		Date.now = () => now() + 3600000; a.click(); Date.now = now; return new URL(a.href).searchParams.get("from"); })()`, &asked)
	if from, err := time.Parse(time.RFC3339, asked); err != nil || time.Since(from).Abs() > time.Minute {
		t.Errorf("the last hour of a click an hour later begins %s, %v", asked, err)
	}
	p.sees(`!document.querySelector("dialog")`)
	p.click(p.button(".toolbar", "Export…"))
	p.choose("#f-interval", "own")
	p.write("#f-from", "yesterday")
	p.reads("#f-from-error", "Is not a time", "such as 2026-11-29 13:00")
	p.sees(`!document.querySelector("dialog a[download]") && document.querySelector("dialog .primary").disabled`)
	p.write("#f-from", "2026-11-29 13:00")
	p.write("#f-to", "2026-11-29 12:00")
	p.reads("#f-to-error", "Is not after the beginning")
	p.write("#f-to", "2026-11-29 14:00")
	link(`Date.parse(l.searchParams.get("to")) - Date.parse(l.searchParams.get("from")) === 3600000 && l.searchParams.get("from").endsWith("Z")`)
	p.press("\x1b")
	p.sees(`!document.querySelector("dialog")`)
}

// chooseBytes has a field for files hold one of any bytes.
func (p *page) chooseBytes(selector, name string, data []byte) {
	p.tb.Helper()
	p.ask(fmt.Sprintf(`(e => { const d = new DataTransfer(); d.items.add(new File([Uint8Array.from(atob(%q), (c) => c.charCodeAt(0))], %q)); e.files = d.files; e.dispatchEvent(new Event("change", {bubbles: true})); })(document.querySelector(%q))`, base64.StdEncoding.EncodeToString(data), name, selector), new(any))
}

// text is a property of an element.
func (p *page) text(selector, property string) (value string) {
	p.tb.Helper()
	p.ask(fmt.Sprintf(`document.querySelector(%q)[%q]`, selector, property), &value)
	return value
}
