package e2e_test

import (
	"testing"

	"thalassa/api/apitest"
	"thalassa/internal/testkit"
)

const viewedConfiguration = `<configuration>
  <crm_config><cluster_property_set id="cib-bootstrap-options"><nvpair id="o1" name="stonith-enabled" value="true"/></cluster_property_set></crm_config>
  <nodes><node id="1" uname="n1"/><node id="2" uname="n2"/></nodes>
  <resources>
    <primitive id="vip" class="ocf" provider="heartbeat" type="IPaddr2"><instance_attributes id="p"><nvpair id="p1" name="ip" value="192.0.2.9"/></instance_attributes>
      <operations><op id="vip-m" name="monitor" interval="10s" timeout="20s"/></operations></primitive>
    <group id="shop"><primitive id="web" class="ocf" provider="pacemaker" type="Dummy"><instance_attributes id="w"><nvpair id="w1" name="passwd" value="topsecret7"/></instance_attributes></primitive>
      <primitive id="files" class="ocf" provider="pacemaker" type="Dummy"/></group>
    <clone id="db"><meta_attributes id="db-m"><nvpair id="db-m1" name="promotable" value="true"/></meta_attributes><primitive id="state" class="ocf" provider="pacemaker" type="Stateful"/></clone>
  </resources>
  <constraints>
    <rsc_location id="prefer" rsc="vip" node="n1" score="100"/>
    <rsc_location id="off" rsc="shop"><rule id="off-r" score="-INFINITY"><expression id="off-e" attribute="rack" operation="eq" value="2"/></rule></rsc_location>
    <rsc_colocation id="with" rsc="vip" with-rsc="shop" score="INFINITY"/>
    <rsc_order id="first" first="db" first-action="promote" then="web" then-action="start"/>
    <rsc_ticket id="site-web" rsc="shop" ticket="site" loss-policy="stop"/>
  </constraints>
</configuration>`

// A user sees the whole configuration as text, as XML and as a graph, also of a draft and of the
// past, and gets from a constraint to its form.
func TestClusterConfigurationViews(t *testing.T) {
	testkit.Tool(t, "chromium")
	c := apitest.NewCluster()
	if err := c.SetConfiguration(viewedConfiguration); err != nil {
		t.Fatal(err)
	}
	p := openPage(t, inMemory(t, c), "/cluster/config", look{})
	tab := func(title string) string { return p.button(`[aria-label="View of the configuration"]`, title) }
	p.reads(`[aria-label="Objects"]`, "vip")
	p.click(tab("Text"))
	p.reads(`[aria-label="Configuration as text"] .source`, "primitive vip ocf:heartbeat:IPaddr2 \\", "params ip=192.0.2.9", "op monitor interval=10s timeout=20s",
		"group shop web files", `params passwd="********"`, "location prefer vip 100: n1", "rule -inf: rack eq", "order first db:promote web:start", "rsc_ticket site-web site: shop loss-policy=stop")
	p.sees(`location.search === "?view=text" && document.querySelectorAll(".t-section").length > 5 && !document.querySelector(".t-comment")`)
	p.shot("config-text")
	p.barriers(axe(t), "the configuration as text", allRules)

	// The address names the view; a copy is what is shown.
	p.visit("/cluster/config?view=xml")
	p.reads(`[aria-label="Configuration as XML"] .source`, "<configuration>", `<rsc_ticket id="site-web"`, `name="passwd" value="********"`)
	p.sees(`!document.body.innerText.includes("topsecret7")`)
	p.ask(`(navigator.clipboard.writeText = async (text) => { window.copied = text; }, true)`, new(any))
	p.click(p.button("main", "Copy"))
	p.reads(".toasts", "Copied")
	p.sees(`window.copied.startsWith("<configuration>") && window.copied.includes("rsc_ticket")`)
	p.shot("config-xml")

	// The graph: boxes of resources with what is in them, a line for each constraint.
	p.click(tab("Graph"))
	p.reads(`[aria-label="Graph"]`, "starts before")
	p.sees(`document.querySelectorAll(".drawing .resource").length === 3 && document.querySelectorAll(".drawing .cluster-node").length === 1 && document.querySelectorAll(".drawing .ticket").length === 1 && document.querySelectorAll(".drawing .rule").length === 1`)
	p.sees(`["order", "colocation", "location"].every((k) => document.querySelector(".drawing svg g." + k + " path"))`)
	p.sees(`["shop", "web (ocf:pacemaker:Dummy)", "promotable clone of", "n1", "100", "site"].every((w) => document.querySelector(".drawing svg[role=img]").textContent.includes(w))`)
	p.reads(`[aria-label="Constraints"]`, "vip with shop", "promote db, then start web", "shop needs ticket site; without it: stop")
	p.shot("config-graph")
	p.barriers(axe(t), "the graph of the configuration", allRules)
	p.look(look{width: 390, height: 800, phone: true, dark: true})
	p.sees("document.documentElement.scrollWidth <= innerWidth")
	p.shot("config-graph-phone")
	p.barriers(axe(t), "the graph on a phone", allRules)
	p.look(look{})
	p.click(p.button(`[aria-label="Constraints"]`, "with"))
	p.reads("dialog h2", "Edit colocation with")
	p.click("dialog [aria-label=Close]")

	// A draft shows in all views.
	p.visit("/cluster/config?view=text")
	p.reads(`[aria-label="Configuration as text"]`, "primitive vip")
	p.ask(choose(`[aria-label="Changes"]`, "+"), new(any))
	p.click("dialog .primary")
	p.reads(".batch", "Draft 1")
	p.click(tab("Table"))
	p.ask(choose(`[aria-label="Kind"]`, "tags"), new(any))
	p.click(p.button(".head", "New tag"))
	p.write("#f-id", "both")
	p.write("#f-objects", "vip, shop")
	p.click(p.button("dialog", "Add to the draft"))
	p.reads(".batch", "1 edit")
	p.click(tab("Text"))
	p.reads(`[aria-label="Configuration as text"]`, "tag both vip shop")

	// The past, which nobody changes.
	p.excuse("data:image/svg+xml") // the icon in Chromium's own field for a time
	p.visit("/history?id=" + apitest.SecondTransition + "&tab=diff")
	p.click(`[aria-label="Configuration"] a[href*="past="]`)
	p.reads(`[aria-label="The past"]`, "This is the past", apitest.SecondTransition)
	p.reads(`[aria-label="Configuration as text"]`, "primitive vip")
	p.sees(`!document.querySelector('[aria-label="Kind"]') && document.querySelectorAll('[aria-label="View of the configuration"] button').length === 2`)
	p.click(tab("XML"))
	p.reads(`[aria-label="Configuration as XML"]`, "<cib")
}
