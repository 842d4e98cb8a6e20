package e2e_test

import (
	"testing"
	"time"

	"thalassa/api/apitest"
	"thalassa/cluster"
	"thalassa/internal/testkit"
)

const detailConfiguration = `<configuration>
  <nodes><node id="1" uname="n1"><instance_attributes id="na"><nvpair id="na1" name="standby" value="off"/></instance_attributes></node><node id="2" uname="n2"/></nodes>
  <resources><clone id="haproxy-clone"><meta_attributes id="cm"><nvpair id="cm1" name="interleave" value="true"/></meta_attributes>
      <primitive id="haproxy" class="ocf" provider="thalassa" type="haproxy"><instance_attributes id="p"><nvpair id="p1" name="admin_password" value="topsecret7"/></instance_attributes>
        <operations><op id="m" name="monitor" interval="2s" timeout="10s"/></operations></primitive></clone>
    <primitive id="vip" class="ocf" provider="heartbeat" type="IPaddr2"/></resources>
  <constraints><rsc_location id="cli-ban-vip-on-n2" rsc="vip" node="n2" score="-INFINITY"/><rsc_colocation id="together" rsc="vip" with-rsc="haproxy-clone" score="INFINITY"/></constraints>
</configuration>`

// A user goes from the cluster to a resource and a node, reads why things are as they are, and
// acts there.
func TestClusterDetailPages(t *testing.T) {
	testkit.Tool(t, "chromium")
	c := apitest.NewCluster()
	if err := c.SetConfiguration(detailConfiguration); err != nil {
		t.Fatal(err)
	}
	at := time.Now().Add(-time.Minute)
	c.SetOperations(
		cluster.OperationResult{Node: "n1", Resource: "haproxy", Name: "start", Meaning: "ok", Time: at, DurationMS: 310},
		cluster.OperationResult{Node: "n2", Resource: "haproxy", Name: "monitor", IntervalMS: 2000, Code: 7, Failed: true, Meaning: "not running", Time: at, Reason: "no process"})
	c.Change(func(v *cluster.Status) {
		v.Epoch.Updates++
		v.FailCounts = []cluster.FailCount{{Resource: "haproxy", Node: "n2", Count: 1000000, Threshold: 3}}
		v.Bans = []cluster.Ban{{ID: "cli-ban-vip-on-n2", Resource: "vip", Node: "n2", Score: "-INFINITY"}}
	})
	p := openPage(t, inMemory(t, c), "/cluster", look{})
	p.click(`.matrix tbody a[href="/cluster/resources/haproxy"]`)
	p.reads("h1", "haproxy")
	p.reads("nav [aria-current]", "Cluster")
	p.reads(".head .sub", "Primitive of ocf:thalassa:haproxy, in haproxy-clone")
	p.reads(`[aria-label="Where it runs"]`, "n1", "n2", "started")
	p.reads(`[aria-label="HAProxy"]`, "Overview")
	p.reads(`[aria-label="Failures"]`, "not running (7)", "INFINITY", "3")
	p.reads(`[aria-label="Constraints"]`, "together", "vip with haproxy-clone", "INFINITY", "haproxy-clone")
	p.reads(`[aria-label="Operations"]`, "monitor every 2 s", "not running 7", "no process", "310 ms", "ok 0")
	p.reads(`[aria-label="Configuration"]`, "admin_password", "********", "monitor interval 2s, timeout 10s", "Inherited meta attributes", "interleave")
	p.sees(`!document.body.innerText.includes("topsecret7")`)
	p.shot("resource")
	p.barriers(axe(t), "a resource", allRules)

	// Its actions are those of its state, and a node is asked for before a move is foretold.
	p.sees(`(b => b.includes("Stop…") && b.includes("Restart…") && !b.includes("Start…") && !b.includes("Clear…"))([...document.querySelectorAll(".actions button")].map(b => b.innerText))`)
	p.click(p.button(".actions", "Move…"))
	p.reads("dialog", "Move haproxy?")
	p.sees(`document.querySelector("dialog .primary").disabled && !document.querySelector("dialog").innerText.includes("predicts")`)
	p.ask(choose("#f-node", "n2"), new(any))
	p.reads("dialog", "Pacemaker predicts", "will move vip from n1 to n2")
	p.click("dialog .primary")
	p.reads(".toasts", "haproxy is moved.")
	if done := c.Done(); len(done) != 1 || done[0].Kind != cluster.Move || done[0].Resource != "haproxy" || done[0].Node != "n2" {
		t.Errorf("done %+v", done)
	}

	// What happens meanwhile shows.
	c.SetOperations(cluster.OperationResult{Node: "n1", Resource: "haproxy", Name: "stop", Code: 1, Status: 2, Failed: true, Meaning: "timed out", Time: time.Now()})
	c.Change(func(v *cluster.Status) {
		v.Epoch.Updates++
		v.Resources[0].State, v.Resources[0].Places = "stopped", []cluster.Placement{}
	})
	p.reads(`[aria-label="Operations"]`, "stop", "timed out")
	p.reads(`[aria-label="Where it runs"]`, "nowhere")
	p.sees(`(b => b.includes("Start…") && !b.includes("Stop…"))([...document.querySelectorAll(".actions button")].map(b => b.innerText))`)

	p.click(`.head .sub a`)
	p.reads("h1", "haproxy-clone")
	p.reads(`[aria-label="Configuration"]`, "Has haproxy.", "interleave")
	p.visit("/cluster/resources/vip")
	p.sees(`[...document.querySelectorAll(".actions button")].some(b => b.innerText === "Clear…")`)
	p.reads(`[aria-label="Failures"]`, "vip is kept off n2", "cli-ban-vip-on-n2")

	p.click(`[aria-label="Where it runs"] a[href="/cluster/nodes/n1"]`)
	p.reads("h1", "n1")
	p.reads(`[aria-label="What runs there"]`, "haproxy", "vip")
	p.reads(`[aria-label="Attributes"]`, "Permanent", "standby", "off")
	p.look(look{width: 390, height: 800, phone: true, dark: true})
	p.sees("document.documentElement.scrollWidth <= innerWidth")
	p.shot("node-phone")
	p.barriers(axe(t), "a node", allRules)
	p.click(p.button(".actions", "Fence…"))
	p.reads("dialog", "turned off or restarted by force")
	p.press("\x1b")
	p.sees(`!document.querySelector("dialog")`)

	p.excuse("404")
	p.visit("/cluster/resources/gone")
	p.reads(".empty", "No resource gone")
}
