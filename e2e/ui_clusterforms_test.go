package e2e_test

import (
	"strings"
	"testing"

	"thalassa/api/apitest"
	"thalassa/cluster/config"
	"thalassa/internal/testkit"
)

// A user fills in what the forms of the cluster have in parts: rules with dates and rules in them, a
// bundle, operations with parameters, sets of resources. All that is missing is named at once, at its
// field, and what a part does not draw stays.
func TestClusterForms(t *testing.T) {
	testkit.Tool(t, "chromium")
	c := apitest.NewCluster()
	if err := c.SetConfiguration(viewedConfiguration); err != nil {
		t.Fatal(err)
	}
	element := func(k config.Kind, id string) string {
		t.Helper()
		configuration, _, err := c.Configuration()
		if err != nil {
			t.Fatal(err)
		}
		e := config.Find(configuration, k, id)
		if e == nil {
			t.Fatalf("there is no %s/%s", k, id)
		}
		return strings.Join(strings.Fields(string(e.Bytes())), " ")
	}
	has := func(k config.Kind, id string, parts ...string) {
		t.Helper()
		text := element(k, id)
		for _, part := range parts {
			if !strings.Contains(text, part) {
				t.Errorf("%s/%s has no %s:\n%s", k, id, part, text)
			}
		}
	}
	p := openPage(t, inMemory(t, c), "/cluster/config?kind=locations&new=1", look{})
	p.excuse("400")
	add := func(title string) { p.click(p.button("dialog", title)) }
	save := func(name string) {
		p.click("dialog .primary")
		p.reads(`[aria-label="Prediction"]`, "Pacemaker predicts")
		p.click(p.button("dialog", "Save"))
		p.reads(".toasts", name+" is saved")
	}

	// A location with a rule.
	p.reads("dialog h2", "New location")
	add("Add a rule")
	add("Add an expression")
	p.click("dialog .primary")
	p.reads("#f-id-error", "Is missing")
	p.reads("#f-rsc-error", "Is missing", "the id of a resource")
	p.reads("#f-rules-0-expressions-0-attribute-error", "Is missing", "#uname")
	p.reads("#f-rules-0-expressions-0-operation-error", "Is missing")
	p.shot("missing")
	p.write("#f-id", "busy")
	p.write("#f-rsc", "vip")
	p.write("#f-rules-0-score", "-50")
	p.choose("#f-rules-0-boolean-op", "or")
	p.write("#f-rules-0-expressions-0-attribute", "load")
	p.choose("#f-rules-0-expressions-0-operation", "gt")
	p.write("#f-rules-0-expressions-0-value", "7")
	p.choose("#f-rules-0-expressions-0-type", "number")
	add("Add an expression")
	p.choose("#f-rules-0-expressions-1-element", "date_expression")
	p.sees(`!document.querySelector("#f-rules-0-expressions-1-attribute")`)
	p.choose("#f-rules-0-expressions-1-operation", "date_spec")
	p.ask(`document.querySelectorAll("dialog details").forEach((d) => { d.open = true; })`, new(any))
	p.write("#f-rules-0-expressions-1-date-spec-hours", "0-6")
	p.shot("rule")
	p.barriers(axe(t), "the form of a rule", allRules)
	p.look(look{width: 390, height: 800, phone: true, dark: true})
	p.sees(`document.documentElement.scrollWidth <= innerWidth && document.querySelector("dialog").scrollWidth <= innerWidth`)
	p.shot("rule-phone")
	p.barriers(axe(t), "the form of a rule on a phone", allRules)
	p.look(look{})
	save("locations/busy")
	has(config.Locations, "busy", `boolean-op="or"`, `score="-50"`, `attribute="load"`, `type="number"`, `<date_expression`, `operation="date_spec"`, `hours="0-6"`)

	// A bundle.
	p.visit("/cluster/config?kind=bundles&new=1")
	p.reads("dialog", "Container")
	add("Add a folder")
	add("Add a port")
	p.click("dialog .primary")
	p.reads("dialog", "container: is missing; expected an object with image")
	p.reads("#f-network-ports-0-port-error", "Is missing")
	p.reads("#f-storage-0-target-dir-error", "Is missing")
	p.write("#f-id", "box")
	p.choose("#f-container-element", "docker")
	p.write("#f-container-image", "shop:1")
	p.write("#f-container-replicas", "2")
	p.write("#f-network-ip-range-start", "192.0.2.100")
	p.write("#f-network-ports-0-port", "80")
	p.write("#f-storage-0-source-dir", "/srv")
	p.write("#f-storage-0-target-dir", "/data")
	p.shot("bundle")
	p.barriers(axe(t), "the form of a bundle", allRules)
	save("bundles/box")
	has(config.Bundles, "box", `<docker image="shop:1" replicas="2"/>`, `ip-range-start="192.0.2.100"`, `port="80"`, `source-dir="/srv" target-dir="/data"`)

	// Sets of resources of an order.
	p.visit("/cluster/config?kind=orders&new=1")
	p.write("#f-id", "chain")
	add("Add a set")
	p.write("#f-sets-0-resources", "vip shop")
	p.choose("#f-sets-0-sequential", "false")
	add("Add a set")
	p.write("#f-sets-1-resources", "db")
	p.choose("#f-sets-1-action", "promote")
	save("orders/chain")
	has(config.Orders, "chain", `sequential="false"`, `<resource_ref id="shop"/>`, `action="promote"`)

	// An operation with a parameter; what is not changed stays as it is.
	p.visit("/cluster/config?edit=vip")
	p.reads("dialog h2", "Edit primitive vip")
	p.sees(`document.querySelector("#f-ops-0-name")`)
	p.ask(`document.querySelectorAll("dialog details").forEach((d) => { d.open = true; })`, new(any))
	add("Add to parameters of the operation")
	p.write("#f-ops-0-params-0-name", "OCF_CHECK_LEVEL")
	p.write("#f-ops-0-params-OCF-CHECK-LEVEL", "10")
	p.choose("#f-ops-0-on-fail", "block")

	// The agents that are installed are suggested, and the chosen one checks its parameters.
	p.sees(`[...document.querySelectorAll("#f-agent-list option")].some((o) => o.value === "ocf:pacemaker:Dummy")`)
	p.write("#f-params-ip", "192.0.2.66")
	add("Let the agent check")
	p.reads("dialog .agent-check", "not configured", "The agent says: findif failed for ip")
	p.reads("#f-params-ip-error", "Is named by the agent: findif failed for ip")
	p.shot("checked")
	p.write("#f-params-ip", "192.0.2.11")
	p.sees(`!document.querySelector("#f-params-ip-error")`)
	add("Let the agent check")
	p.reads("dialog .agent-check", "accepted", "ocf:heartbeat:IPaddr2 accepts the parameters on this node")
	p.barriers(axe(t), "parameters that an agent has checked", allRules)
	save("primitives/vip")
	has(config.Primitives, "vip", `value="192.0.2.11"`, `<op id="vip-m"`, `on-fail="block"`, `timeout="20s"`, `name="OCF_CHECK_LEVEL" value="10"`)
	if strings.Contains(element(config.Locations, "prefer"), "rule") {
		t.Error("another object has changed")
	}

	// What may be a secret is not given to the agent.
	p.visit("/cluster/config?edit=web")
	p.reads("dialog h2", "Edit primitive web")
	add("Let the agent check")
	p.reads("dialog .agent-check", "accepted", "Not checked, because it may be a secret: passwd")
}
