package e2e_test

import (
	"testing"

	"thalassa/api/apitest"
	"thalassa/internal/testkit"
)

// A user makes objects with wizards: in a new draft, whose prediction is shown, then in the same
// one. What is wrong is told at its field, and nothing is in effect before the commit.
func TestClusterWizardPage(t *testing.T) {
	testkit.Tool(t, "chromium")
	c := apitest.NewCluster()
	p := openPage(t, inMemory(t, c), "/cluster/config", look{})
	p.excuse("400")
	has := func(id string) bool {
		t.Helper()
		configuration, _, err := c.Configuration()
		if err != nil {
			t.Fatal(err)
		}
		return configuration.ByID(id) != nil
	}

	// A floating IP, in a new draft.
	p.click(p.button(".head", "Wizard…"))
	p.reads("dialog h2", "Wizard")
	p.reads("dialog", "Floating IP", "An address that is on one node at a time")
	p.sees(`document.querySelector("#f-id").value === "vip" && document.querySelector("#f-interval").value === "10s"`)
	p.click("dialog .primary")
	p.reads("#f-ip-error", "Is missing", "192.0.2.10/24")
	p.write("#f-ip", "192.0.2.77/24")
	p.click("dialog .primary")
	p.reads("#f-id-error", `"vip" is the id of a primitive already`)
	p.barriers(axe(t), "the form of a wizard", allRules)
	p.shot("wizard")
	p.write("#f-id", "shop")
	p.write("#f-ip", "192.0.2.66/24")
	p.write("#f-with", "vip")
	p.click("dialog .primary")
	p.reads(".toasts", "primitives/shop", "in draft 1", "Nothing is in effect yet", "the agent of shop says: not configured: findif failed")
	p.reads("h1", "Simulator")
	p.reads(".batch", "Draft 1", "Floating IP", "2 edits")
	p.reads(`[aria-label="Edits"]`, "PUT /cluster/config/primitives/shop", "PUT /cluster/config/colocations/shop-with-vip")
	p.reads("main", "primitives/shop", "Decisions", "Transition")
	if has("shop") {
		t.Error("the draft is in effect before its commit")
	}

	// A fence device in the same draft, on a phone, with the keyboard: the parameters of the agent
	// that was chosen.
	p.visit("/cluster/config?draft=1&wizard=1")
	p.look(look{width: 390, height: 800, phone: true, dark: true})
	p.reads("dialog", "Wizard in draft 1", "What to make")
	p.ask(choose("#f-wizard", "fence-device"), new(any))
	p.write("#f-agent", "stonith:external/ipmi")
	p.reads("dialog", "The agent requires: hostname, passwd")
	p.write("#f-nodes", "n1 n3")
	p.click(p.button("dialog", "Add to parameters"))
	p.write("#f-params-hostname", "n1")
	p.click(p.button("dialog", "Add to parameters"))
	p.click("dialog .primary")
	p.reads("#f-nodes-error", `Is "n3"; expected some of n1, n2`)
	p.reads("#f-params-passwd-error", "Is missing")
	p.barriers(axe(t), "a wizard on a phone", allRules)
	p.sees("document.documentElement.scrollWidth <= innerWidth")
	p.shot("wizard-phone")
	p.write("#f-params-passwd", "topsecret7")
	p.write("#f-nodes", "n1 n2")
	p.press("\r")
	p.reads(".batch", "Draft 1", "3 edits")
	p.sees(`!document.querySelector("dialog") && !document.body.innerText.includes("topsecret7")`)
	p.look(look{})
	p.click(p.button(".batch", "Commit…"))
	p.click("dialog .primary")
	p.reads(".toasts", "Draft 1 is committed")
	configuration, _, err := c.Configuration()
	if err != nil || !has("shop") || !has("shop-with-vip") {
		t.Fatal("the draft is not in effect after its commit", err)
	}
	fence := configuration.ByID("fence")
	if fence.Pair("instance_attributes", "passwd") != "topsecret7" || fence.Pair("instance_attributes", "pcmk_host_list") != "n1,n2" {
		t.Errorf("the fence device is %s", fence.Bytes())
	}
}
