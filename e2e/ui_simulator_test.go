package e2e_test

import (
	"testing"

	"thalassa/api/apitest"
	"thalassa/cluster/config"
	"thalassa/internal/testkit"
)

// A user supposes an event, collects a change in a draft, looks at both, and commits it.
func TestSimulatorPage(t *testing.T) {
	testkit.Tool(t, "chromium")
	c := apitest.NewCluster()
	p := openPage(t, inMemory(t, c), "/simulator", look{})
	p.reads("h1", "Simulator")
	p.reads("nav [aria-current]", "Cluster")
	p.reads(`[aria-label="Decisions"]`, "move", "vip", "n1 → n2", "node availability")
	p.reads(`[aria-label="Transition"]`, "2 steps one after the other, up to 2 at the same time")
	// The stop comes before the start of the same resource, and another start beside it.
	p.sees(`document.querySelectorAll(".drawing .step").length === 3 && document.querySelectorAll(".drawing .wait").length === 1`)
	p.reads(`[aria-label="Scores"]`, "Scores and capacities")
	p.shot("simulator")
	p.barriers(axe(t), "the simulator", allRules)

	p.click(`[aria-label="Add an event"] button[type="submit"]`)
	p.reads(`[aria-label="Suppose"]`, "node n1 is unclean")
	p.click(`[aria-label="Suppose"] .button.primary`)
	p.reads(`[aria-label="Decisions"]`, "Supposed: node n1 fails.")

	// A draft.
	p.click(p.button(".head", "Draft"))
	p.reads("dialog", "New draft of the cluster's configuration")
	p.write("#f-message", "the new address")
	p.click("dialog .primary")
	p.reads(".batch", "Draft 1", "the new address", "0 edits")
	p.write("#f-edit-id", "web")
	p.write("#f-edit-text", `{"agent": "systemd:web"}`)
	p.click(`[aria-label="Add an edit"] button[type="submit"]`)
	p.reads(".batch", "1 edit, 1 object")
	p.reads(`[aria-label="Edits"]`, "PUT /cluster/config/primitives/web")
	p.reads(`[aria-label="Changes"]`, "primitives/web", "new")
	p.click(`[aria-label="Add an event"] button[type="submit"]`)
	p.reads(`[aria-label="Suppose"]`, "node n1 fails")
	p.shot("simulator-draft")
	p.barriers(axe(t), "a draft of the cluster", allRules)
	// What is wrong is told in its place.
	p.write("#f-edit-id", "bad")
	p.write("#f-edit-text", `{"agent": "nonsense"}`)
	p.excuse("400")
	p.click(`[aria-label="Add an edit"] button[type="submit"]`)
	p.reads(`[aria-label="Edits"]`, "edits[0].body.agent")

	if configuration, _, err := c.Configuration(); err != nil || config.Find(configuration, config.Primitives, "web") != nil {
		t.Fatalf("it is configured before the commit (%v)", err)
	}
	p.click(p.button(".batch", "Commit…"))
	p.reads("dialog", "Commit draft 1?", "primitives/web")
	p.click("dialog .primary")
	p.reads(".toasts", "Draft 1 is committed")
	p.sees(`!document.querySelector(".batch")`)
	if configuration, _, err := c.Configuration(); err != nil || config.Find(configuration, config.Primitives, "web") == nil {
		t.Errorf("it is not configured after the commit (%v)", err)
	}
}
