package e2e_test

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"slices"
	"strings"
	"time"

	"thalassa/internal/testkit"
)

// The rows of the table, one after the other.

func (a *acceptance) maintainFence() {
	a.resource("fence")
	a.acts("Start maintenance", "fence is in maintenance")
	a.reads(`[aria-label="Configuration"]`, "maintenance", "true")
	a.has("fence", a.monitor("resource", "id", "fence"), "managed", "false")
	a.shot("maintenance")
	a.acts("End maintenance", "Maintenance of fence ended")
	a.has("fence", a.monitor("resource", "id", "fence"), "managed", "true")
}

func (a *acceptance) maintainNode() {
	a.follow(`[aria-label="Nodes and resources"] thead`, "n1", "n1")
	a.reads("main", "What runs there", "Attributes", "Operations", "Constraints")
	a.acts("Start maintenance", "n1 is in maintenance")
	a.reads(".head", "maintenance")
	a.has("n1", a.monitor("node", "name", "n1"), "maintenance", "true")
	a.acts("End maintenance", "Maintenance of n1 ended")
	a.reads(".head", "online")
	a.has("n1", a.monitor("node", "name", "n1"), "maintenance", "false", "online", "true")
}

func (a *acceptance) createPrimitive() {
	a.objects("primitives")
	a.click(a.button(".head", "New primitive"))
	a.write("#f-id", "dummy")
	a.write("#f-agent", "ocf:heartbeat:Dummy")
	a.click(a.button("dialog", "Add the agent's operations"))
	a.sees(`["start", "stop", "monitor"].every((name, i) => document.querySelector("#f-ops-" + i + "-name")?.value === name)`)
	a.write("#f-ops-0-timeout", "35s")
	a.write("#f-ops-1-timeout", "15s")
	a.choose("#f-ops-1-on-fail", "stop")
	a.write("#f-ops-2-timeout", "9s")
	a.write("#f-ops-2-interval", "13s")
	a.toBeStarted()
	a.shot("form")
	a.previewed("start dummy")
	a.sees(`(r => r.top > 0 && r.bottom < document.querySelector("dialog footer").getBoundingClientRect().top)(document.querySelector("[aria-label=Prediction]").getBoundingClientRect())`)
	a.shot("preview")
	a.settled("primitives/dummy is saved, and the cluster has settled")
	a.reads(`[aria-label="Objects"]`, "dummy", "ocf:heartbeat:Dummy")
	a.has("dummy", a.configured("primitive", "//primitive[@id='dummy']"), "class", "ocf", "provider", "heartbeat", "type", "Dummy")
	op := func(name string) map[string]string {
		return a.configured("op", "//primitive[@id='dummy']/operations/op[@name='"+name+"']")
	}
	a.has("start", op("start"), "timeout", "35s")
	a.has("stop", op("stop"), "timeout", "15s", "on-fail", "stop")
	a.has("monitor", op("monitor"), "timeout", "9s", "interval", "13s")
	a.has("target-role", a.configured("nvpair", "//primitive[@id='dummy']/meta_attributes/nvpair[@name='target-role']"), "value", "Started")
	a.has("dummy", a.monitor("resource", "id", "dummy"), "role", "Started", "active", "true")
}

// toBeStarted gives the resource of a form a target role.
func (a *acceptance) toBeStarted() {
	a.t.Helper()
	a.click(a.button("dialog", "Add to meta attributes"))
	a.write("#f-meta-0-name", "target-role")
	a.choose("#f-meta-target-role", "Started")
}

func (a *acceptance) copyOf() {
	a.objects("primitives")
	a.click(`[aria-label="Edit dummy"]`)
	a.click(a.button("dialog footer", "Copy"))
	a.reads("dialog h2", "Copy primitives/dummy")
	a.previewed("start dummy-2")
	a.settled("primitives/dummy is copied to dummy-2")
	a.reads(`[aria-label="Objects"]`, "dummy", "dummy-2")
	a.resource("dummy-2")
	a.reads(`[aria-label="Where it runs"]`, "started")
	a.acts("Stop", "dummy-2 is stopped")
	a.reads(`[aria-label="Where it runs"]`, "nowhere")
	a.has("dummy-2", a.monitor("resource", "id", "dummy-2"), "role", "Stopped")
	a.follow(".head", "Edit", "Configuration")
	a.click(a.button("dialog footer", "Rename"))
	a.reads("dialog h2", "Rename primitives/dummy-2")
	a.write("#f-to", "other")
	a.previewed()
	a.settled("primitives/dummy-2 is other now")
	a.reads(`[aria-label="Objects"]`, "other")
	a.sees(`!document.querySelector('[aria-label="Objects"]').innerText.includes("dummy-2")`)
	a.is(false, "primitive", "//primitive[@id='dummy-2']")
	a.is(true, "primitive", "//primitive[@id='other']")
	a.click(`[aria-label="Edit other"]`)
	a.click(a.button("dialog footer", "Delete"))
	a.reads("dialog h2", "Delete primitives/other")
	a.previewed()
	a.settled("primitives/other is deleted")
	a.sees(`!document.querySelector('[aria-label="Edit other"]') && !document.querySelector("dialog")`)
	a.is(false, "primitive", "//primitive[@id='other']")
}

// deletes deletes an object from the list of its kind.
func (a *acceptance) deletes(kind, id string, words ...string) {
	a.t.Helper()
	a.objects(kind)
	a.click(`[aria-label="Delete ` + id + `"]`)
	a.previewed(words...)
	a.settled(kind + "/" + id + " is deleted")
	a.sees(`!document.querySelector('[aria-label="Edit ` + id + `"]')`)
}

func (a *acceptance) deleteFromList() {
	a.deletes("primitives", "dummy", "stop dummy")
	if a.configured("primitive", "//primitive[@id='dummy']") != nil || a.monitor("resource", "id", "dummy") != nil {
		a.t.Error("the cluster still has dummy")
	}
}

func (a *acceptance) cloneFence() {
	a.objects("clones")
	a.click(a.button(".head", "New clone"))
	a.write("#f-id", "fence-clone")
	a.write("#f-member", "fence")
	a.toBeStarted()
	a.previewed("fence")
	a.settled("clones/fence-clone is saved, and the cluster has settled")
	a.visit("/cluster/resources/fence-clone")
	a.reads(`[aria-label="Where it runs"]`, "n1", "n2", "n3", "started")
	a.is(true, "primitive", "//clone[@id='fence-clone']/primitive[@id='fence']")
	if a.monitor("clone", "id", "fence-clone") == nil {
		a.t.Error("the cluster does not show fence-clone")
	}
	a.deletes("clones", "fence-clone")
	a.is(false, "clone", "//clone[@id='fence-clone']")
	a.is(true, "primitive", "//resources/primitive[@id='fence']")
	a.resource("fence")
	a.reads(`[aria-label="Where it runs"]`, "started")
}

func (a *acceptance) groupFence() {
	a.objects("groups")
	a.click(a.button(".head", "New group"))
	a.write("#f-id", "fence-group")
	a.write("#f-members", "fence")
	a.previewed()
	a.settled("groups/fence-group is saved, and the cluster has settled")
	a.reads(`[aria-label="Objects"]`, "fence-group")
	a.is(true, "primitive", "//group[@id='fence-group']/primitive[@id='fence']")
	a.deletes("groups", "fence-group")
	a.is(false, "group", "//group[@id='fence-group']")
	a.is(true, "primitive", "//resources/primitive[@id='fence']")
	a.resource("fence")
	a.reads(`[aria-label="Where it runs"]`, "started")
}

// properties are the options of a daemon of Pacemaker by its metadata: whether each is for advanced
// use, and its legal values.
func (a *acceptance) properties() map[string]property {
	a.t.Helper()
	out := map[string]property{}
	for _, daemon := range []string{"schedulerd", "controld", "based"} {
		var doc struct {
			Parameters []struct {
				Name    string `xml:"name,attr"`
				Short   string `xml:"shortdesc"`
				Content struct {
					Type    string `xml:"type,attr"`
					Options []struct {
						Value string `xml:"value,attr"`
					} `xml:"option"`
				} `xml:"content"`
				Advanced  bool `xml:"advanced,attr"`
				Generated bool `xml:"generated,attr"`
			} `xml:"parameters>parameter"`
		}
		text := a.asks("sh", "-c", "/usr/libexec/pacemaker/pacemaker-"+daemon+" metadata 2>/dev/null || /usr/lib/pacemaker/pacemaker-"+daemon+" metadata")
		if err := xml.NewDecoder(strings.NewReader(text)).Decode(&doc); err != nil {
			a.t.Fatalf("the metadata of %s: %v: %.300s", daemon, err, text)
		}
		for _, x := range doc.Parameters {
			p := property{advanced: x.Advanced || x.Generated || strings.Contains(x.Short, "Advanced Use Only")}
			for _, o := range x.Content.Options {
				p.values = append(p.values, o.Value)
			}
			if x.Content.Type == "boolean" {
				p.values = []string{"false", "true"}
			}
			out[x.Name] = p
		}
	}
	return out
}

type property struct {
	advanced bool
	values   []string // legal ones; nil: any
}

func (a *acceptance) clusterSettings() {
	legal := a.properties()
	a.objects("properties")
	a.click(`[aria-label="Edit cib-bootstrap-options"]`)
	a.click(a.button("dialog", "Add to values"))
	var offered []string
	a.sees(`document.querySelector("dialog .item:last-of-type datalist")?.options.length > 20`)
	a.ask(`[...document.querySelector("dialog .item:last-of-type datalist").options].map(o => o.value)`, &offered)
	for _, name := range offered {
		if p, ok := legal[name]; !ok || p.advanced {
			a.t.Errorf("%s is offered, and is none of the properties, or for advanced use", name)
		}
	}
	var row int
	a.ask(`document.querySelectorAll("dialog .item").length - 1`, &row)
	name := fmt.Sprintf("#f-values-%d-name", row)
	for _, property := range []string{"no-quorum-policy", "stonith-action", "node-health-strategy", "placement-strategy", "maintenance-mode"} {
		a.write(name, property)
		var values []string
		a.sees(`document.querySelector("select#f-values-` + property + `")`)
		a.ask(`[...document.querySelector("#f-values-`+property+`").options].map(o => o.value).filter(Boolean)`, &values)
		if len(values) < 2 {
			a.t.Errorf("the values of %s are %q", property, values)
		}
		for _, v := range values {
			if !slices.Contains(legal[property].values, v) {
				a.t.Errorf("%s is offered for %s; legal are %q", v, property, legal[property].values)
			}
		}
	}
	a.write(name, "no-quorum-policy")
	a.choose("#f-values-no-quorum-policy", "freeze")
	a.shot("properties")
	a.previewed()
	a.settled("properties/cib-bootstrap-options is saved")
	a.has("no-quorum-policy", a.configured("nvpair", "//cluster_property_set[@id='cib-bootstrap-options']/nvpair[@name='no-quorum-policy']"), "value", "freeze")
}

func (a *acceptance) lists() {
	a.follow(".head", "Configuration", "Configuration")
	for _, list := range []struct{ kind, element string }{
		{"colocations", "rsc_colocation"},
		{"orders", "rsc_order"},
		{"nodes", "node"},
	} {
		id := a.configured(list.element, "//configuration//"+list.element)["id"]
		if list.element == "node" {
			id = "n3"
		}
		if id == "" {
			a.t.Errorf("the cluster has none of the %s", list.kind)
		}
		a.choose(`[aria-label="Kind"]`, list.kind)
		a.reads(`[aria-label="Objects"]`, id)
	}
	for _, list := range []struct{ kind, says string }{
		{"locations", "No location"},
		{"tickets", "No ticket constraint"},
		{"tags", "No tag"},
		{"alerts", "No alert"},
		{"fencing", "No fencing level"},
	} {
		a.choose(`[aria-label="Kind"]`, list.kind)
		a.reads("main", list.says)
	}
	a.choose(`[aria-label="Kind"]`, "orders")
}

func (a *acceptance) virtualIP() {
	a.follow(".head", "Configuration", "Configuration")
	a.click(a.button(".head", "Wizard…"))
	a.reads("dialog", "Floating IP")
	a.write("#f-id", "extra")
	a.write("#f-ip", vipAddress+"/24")
	a.shot("wizard")
	a.click("dialog footer > button:last-child")
	a.reads("h1", "Simulator")
	a.reads(".batch", "1 edit")
	a.reads(`[aria-label="Decisions"]`, "extra")
	a.shot("draft")
	a.click(a.button(".batch", "Commit…"))
	a.settled("is committed, and the cluster has settled")
	a.has("extra", a.monitor("resource", "id", "extra"), "role", "Started")

	// A login through the address, which needs the page of another browser.
	p := openPage(a.t, a.servedAt("client", vipAddress+":10000"), "/cluster", look{})
	p.excuse("401")
	p.signIn("ann", "/cluster")
	p.reads(`[aria-label="Floating IPs"]`, vipAddress+"/24")
	p.reads(`[aria-label="Nodes and resources"]`, "extra")
	p.shot("through the address")

	a.deletes("primitives", "extra", "stop extra")
	if a.configured("primitive", "//primitive[@id='extra']") != nil || a.monitor("resource", "id", "extra") != nil {
		a.t.Error("the cluster still has extra")
	}
	for _, n := range a.cluster.Up() {
		if out := n.Run("ip", "-brief", "address"); strings.Contains(out, vipAddress) {
			a.t.Errorf("%s still has the address: %s", n.Name, out)
		}
	}
}

func (a *acceptance) commandLog() {
	a.follow(".head", "Jobs", "Jobs")
	a.reads(`[aria-label="Jobs"] tbody tr:first-child`, "ann", "remove primitives/extra", "done")
	a.reads(`[aria-label="Jobs"]`, "add primitives/dummy", "maintenance resource/fence", "ready node/n1", "stop resource/dummy-2", "add clones/fence-clone")
	a.shot("list")
	a.click(`[aria-label="Jobs"] tbody tr:first-child a`)
	a.reads(`[aria-label="Job"]`, "ann", "primitives/extra", "done", "extra")
	a.barriers(axe(a.t), "a job", allRules)
	a.look(look{width: 360, height: 740, phone: true})
	a.sees(`document.documentElement.scrollWidth <= innerWidth`)
	a.shot("phone")
	a.look(look{width: 1280, height: 1000})
}

// report is an hour of the history in a file, which is listed among the imports, and looked at.
func (a *acceptance) report() {
	a.follow(".head", "History", "History")
	a.reads(`[aria-label="Transitions"]`, "ann: configure primitives/dummy")
	a.click(a.button(".toolbar", "Export…"))
	a.reads("dialog", "The last hour")
	a.shot("export")
	var link string
	var file []byte
	a.ask(`document.querySelector("dialog a[download]").href`, &link)
	a.ask(`(() => { window.report = null; fetch(document.querySelector("dialog a[download]").href).then(async (r) => {
		window.report = btoa([...new Uint8Array(await r.arrayBuffer())].map((b) => String.fromCharCode(b)).join("")); }); })()`, new(any))
	testkit.Eventually(a.t, 3*time.Minute, func() error { // it takes a moment for each transition
		if err := a.try("window.report", &file); err != nil || len(file) == 0 {
			return fmt.Errorf("there is no report yet: %w", err)
		}
		return nil
	})
	if !bytes.HasPrefix(file, []byte{0x1f, 0x8b}) || !strings.Contains(link, "from=") {
		a.t.Fatalf("the report of %s is %.200q", link, file)
	}
	a.click("dialog [aria-label=Close]")
	a.click(a.button(".toolbar", "Import"))
	a.chooseBytes("#f-history", "hour.tar.gz", file)
	a.click(`dialog button[type="submit"]`)
	a.reads(`[aria-label="Imported"]`, "imported past")
	a.reads(`[aria-label="Transitions"]`, "primitives/dummy")
	a.click(`[aria-label="Transitions"] tbody tr:first-child a`)
	a.reads(`[aria-label="Decisions"]`, "Decisions")
	a.shot("imported")
	a.click(a.button(`[aria-label="Imported"]`, "Back to this cluster"))
	a.click(a.button(".toolbar", "Import"))
	a.click(`dialog [aria-label="Imports"] button`)
	a.sees(`!document.querySelector('dialog [aria-label="Imports"]')`)
}

// clearState has a node die that nobody can fence: the cluster does not know whether it is down until
// somebody says so.
func (a *acceptance) clearState() {
	a.resource("fence")
	a.acts("Stop", "fence is stopped")
	lost := a.cluster.Node("n3")
	lost.Kill()
	a.visit("/cluster")
	a.reads(`[aria-label="Nodes and resources"] thead`, "unclean")
	a.follow(`[aria-label="Nodes and resources"] thead`, "n3", "n3")
	a.shot("unclean")
	a.click(a.button(".actions", "Confirm it is down"))
	a.reads("dialog", "Look first", "Pacemaker predicts")
	a.shot("question")
	a.settled("The cluster takes n3 for down")
	a.reads(".head", "offline")
	a.has("n3", a.monitor("node", "name", "n3"), "unclean", "false", "online", "false")
	a.resource("fence")
	a.acts("Start", "fence is started")
	a.cluster.AwaitAll()
	a.visit("/cluster")
	a.sees(`document.querySelectorAll('[aria-label="Nodes and resources"] thead .badge.good').length === 3`)
}

func (a *acceptance) fenceNode() {
	begun := time.Now()
	a.follow(`[aria-label="Nodes and resources"] thead`, "n1", "n1")
	a.click(a.button(".actions", "Fence…"))
	a.reads("dialog", "turned off or restarted by force", "Pacemaker predicts")
	a.shot("question")
	a.settled("n1 was fenced")
	a.reads(".head", "offline")
	a.reads(`[aria-label="Fencing"]`, "success", "reboot")
	a.cluster.Fences(a.t, "n1", begun)
	a.has("n1", a.monitor("node", "name", "n1"), "online", "false", "unclean", "false")
	if out := a.asks("stonith_admin", "--history", "n1"); !strings.Contains(out, "n1") {
		a.t.Errorf("the history of fencing: %s", out)
	}
}
