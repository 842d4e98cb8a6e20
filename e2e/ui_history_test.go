package e2e_test

import (
	"testing"

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
	p.reads(`[aria-label="Transitions"]`, "warning", "ann, root", "recover vip on n1", "(the scheduler has not been asked yet)")
	p.sees(`document.querySelectorAll(".timeline .dot").length === 2`)
	p.shot("history")
	p.barriers(axe(t), "the history", allRules)

	p.click(`[aria-label="Transitions"] tbody tr:first-child a`)
	p.reads(`[aria-label="The past"]`, "warning", "DC n2", "pe-warn-1.bz2", "Next")
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
	p.reads(`[aria-label="Logs"]`, "Logs of n1", "pacemaker-schedulerd", "Unexpected result of monitor", "n2 are on those nodes", "journal was not read")
	p.barriers(axe(t), "the logs", allRules)
	p.click(p.button(".tabs", "Explanation"))
	p.reads(`[aria-label="Explanation"]`, "The monitor of vip failed on n1", "Detection", "between", "Scheduler", "not recorded itself", "vip on n1", "3 s", "n2 are on those nodes")
	p.reads(`[aria-label="Advice"]`, "slow-start", "at most 5 s", "monitor-interval")
	p.sees(`document.querySelectorAll("tr .waterfall").length === 4 && document.querySelectorAll(".waterfall .certain").length > 0`)
	p.shot("history-explanation")
	p.barriers(axe(t), "a failover explained", allRules)
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
