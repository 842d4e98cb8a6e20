package e2e_test

import (
	"fmt"
	"testing"

	"thalassa/api/apitest"
	"thalassa/cluster/config"
	"thalassa/internal/testkit"
)

const formConfiguration = `<configuration>
  <crm_config><cluster_property_set id="o"><nvpair id="o1" name="stonith-enabled" value="true"/></cluster_property_set></crm_config>
  <nodes><node id="1" uname="n1"/><node id="2" uname="n2"/></nodes>
  <resources><primitive id="vip" class="ocf" provider="heartbeat" type="IPaddr2"><instance_attributes id="p"><nvpair id="p1" name="ip" value="192.0.2.9"/></instance_attributes>
    <meta_attributes id="night"><rule id="nr" score="1"><expression id="ne" attribute="#uname" operation="eq" value="n1"/></rule><nvpair id="n1" name="priority" value="7"/></meta_attributes></primitive>
    <primitive id="web" class="ocf" provider="pacemaker" type="Dummy"><instance_attributes id="w"><nvpair id="w1" name="passwd" value="topsecret7"/></instance_attributes></primitive></resources>
  <constraints><rsc_location id="l" rsc="vip" node="n1" score="100"/></constraints>
</configuration>`

// A user creates, edits and deletes objects in forms, at once or in a draft; nothing that a form
// does not draw is lost, and nobody's change is.
func TestClusterObjectsPage(t *testing.T) {
	testkit.Tool(t, "chromium")
	c := apitest.NewCluster()
	if err := c.SetConfiguration(formConfiguration); err != nil {
		t.Fatal(err)
	}
	param := func(id, name string) string {
		t.Helper()
		configuration, _, err := c.Configuration()
		e := config.Find(configuration, config.Primitives, id)
		if err != nil || e == nil {
			return "(no " + id + ")"
		}
		return e.Pair("instance_attributes", name)
	}
	p := openPage(t, inMemory(t, c), "/cluster", look{})
	p.excuse("400", "409", "412")
	p.click(`.head a[href="/cluster/config"]`)
	p.reads("h1", "Configuration")
	p.reads(`[aria-label="Objects"]`, "vip", "ocf:heartbeat:IPaddr2", "ip=192.0.2.9", "passwd=********")
	p.sees(`document.querySelectorAll('[aria-label="Kind"] option').length === 19`)

	// Edited: a preview first, and the rule that no field draws stays.
	p.click(`[aria-label="Edit vip"]`)
	p.reads("dialog h2", "Edit primitive vip")
	p.reads("dialog .help", "Manages virtual addresses")
	p.reads("dialog", "IPv4 or IPv6 address (required, unique)")
	p.shot("form")
	p.barriers(axe(t), "the form of a primitive", allRules)
	others := func(want bool) {
		t.Helper()
		p.sees(fmt.Sprintf(`(b => b.length === 3 && b.every((x) => x.disabled === %t))([...document.querySelectorAll("dialog .others button")])`, !want))
	}
	others(true)
	p.write("#f-params-ip", "192.0.2.10") // another dialog would drop that
	p.reads("dialog .others", "Save or cancel first")
	others(false)
	p.write("#f-params-ip", "192.0.2.9")
	others(true)
	p.write("#f-params-ip", "192.0.2.10")
	p.click("dialog .primary")
	p.reads(`[aria-label="Prediction"]`, "Pacemaker predicts")
	p.sees(`(r => r.top > 0 && r.bottom < document.querySelector("dialog footer").getBoundingClientRect().top)(document.querySelector("[aria-label=Prediction]").getBoundingClientRect())`)
	if got := param("vip", "ip"); got != "192.0.2.9" {
		t.Errorf("the preview has changed it: %s", got)
	}
	p.click(p.button("dialog", "Save"))
	p.reads(".toasts", "primitives/vip is saved")
	p.reads(`[aria-label="Objects"]`, "ip=192.0.2.10")
	configuration, _, _ := c.Configuration()
	if configuration.ByID("nr") == nil || configuration.ByID("ne") == nil {
		t.Error("the rule that the form does not draw is gone")
	}

	// Somebody else was faster.
	p.click(`[aria-label="Edit web"]`)
	p.write("#f-description", "mine")
	theirs := configuration.Clone()
	theirs.ByID("web").Set("description", "theirs")
	if err := c.SetConfiguration(string(theirs.Bytes())); err != nil {
		t.Fatal(err)
	}
	p.click("dialog .primary")
	p.reads("dialog .conflict", "Somebody else changed this object")
	p.reads("dialog .conflict tbody", "description", "not set", "********")
	p.shot("conflict")
	p.click(p.button("dialog .conflict", "Overwrite theirs with mine"))
	p.reads(".toasts", "primitives/web is saved")
	if got := param("web", "passwd"); got != "topsecret7" {
		t.Errorf("the password that nobody has changed is %q", got)
	}
	p.sees(`!document.querySelector("dialog") && !document.body.innerText.includes("topsecret7")`)

	// What is wrong is told at its field.
	p.click(p.button(".head", "New primitive"))
	p.click("dialog .primary")
	p.reads("#f-id-error", "Is missing")
	p.write("#f-id", "web2")
	p.write("#f-agent", "nonsense")
	p.click("dialog .primary")
	p.reads("#f-agent-error", "class:provider:type")
	p.click("dialog [aria-label=Close]")

	// In a draft: nothing is in effect before its commit.
	p.ask(choose(`[aria-label="Changes"]`, "+"), new(any))
	p.write("#f-message", "tags")
	p.click("dialog .primary")
	p.reads(".batch", "Draft 1", "0 edits")
	p.ask(choose(`[aria-label="Kind"]`, "tags"), new(any))
	p.click(p.button(".head", "New tag"))
	p.write("#f-id", "shop")
	p.write("#f-objects", "vip, web")
	p.click(p.button("dialog", "Add to the draft"))
	p.reads(".toasts", "tags/shop is in draft 1")
	p.reads(".batch", "1 edit")
	p.reads(`[aria-label="Objects"]`, "shop", "vip, web")
	if now, _, _ := c.Configuration(); now.ByID("shop") != nil {
		t.Error("the draft is in effect before its commit")
	}
	p.look(look{width: 390, height: 800, phone: true, dark: true})
	p.sees("document.documentElement.scrollWidth <= innerWidth")
	p.shot("draft-phone")
	p.barriers(axe(t), "the objects", allRules)
	p.look(look{})
	p.click(p.button(".batch", "Commit…"))
	p.click("dialog .primary")
	p.reads(".toasts", "Draft 1 is committed")
	p.sees(`!document.querySelector(".batch")`)
	if now, _, _ := c.Configuration(); now.ByID("shop") == nil {
		t.Error("the draft is not in effect after its commit")
	}

	// Deletion: a constraint stands against it, or goes with it.
	p.ask(choose(`[aria-label="Kind"]`, "primitives"), new(any))
	p.click(`[aria-label="Delete vip"]`)
	p.click(p.button("dialog", "Preview"))
	p.reads("dialog .problem", "refers to it")
	p.click("#f-cascade")
	p.click(p.button("dialog", "Preview"))
	p.click(p.button("dialog", "Delete"))
	p.reads(".toasts", "primitives/vip is deleted")
	if got := param("vip", "ip"); got != "(no vip)" {
		t.Errorf("it is still there: %s", got)
	}
}
