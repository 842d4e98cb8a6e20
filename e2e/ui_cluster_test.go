package e2e_test

import (
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/chromedp/chromedp/kb"

	"thalassa/api"
	"thalassa/api/apitest"
	"thalassa/cluster"
	"thalassa/internal/testkit"
)

// Where Pacemaker wants HAProxy elsewhere nobody is alarmed that it does not run.
func TestOverviewOfANodeWithoutItsHAProxy(t *testing.T) {
	testkit.Tool(t, "chromium")
	n := newNode(t, testkit.Consul(t).Address(), "--haproxy", "pacemaker", "--cluster", "off")
	n.start()
	n.call(200, http.MethodPut, "/backends/files", `{"type":"static","members":[{"host":"127.0.0.1","port":9}]}`)
	p := openPage(t, n, "/overview", look{})
	p.reads(".tiles", "HAProxy not active here", "Revision 1 in effect")
	p.sees(`!document.querySelector(".notice.bad") && !document.querySelector(".tiles .badge.bad")`)
	p.shot("idle")
	p.barriers(axe(t), "an idle node", allRules)
}

// The page on a node whose cluster is in memory: a browser cannot get into the
// fixture's namespaces.
func TestClusterPage(t *testing.T) {
	c := apitest.NewCluster()
	n := inMemory(t, c)
	p := openPage(t, n, "/cluster", look{})
	p.reads("h1", "lab")
	p.reads("nav [aria-current]", "Cluster")
	p.reads(`[aria-label="Floating IPs"]`, "192.0.2.10/24", "on n1")
	p.sees(`document.querySelectorAll(".matrix tbody tr").length === 2 && document.querySelectorAll(".matrix tbody .badge.good").length === 3`)
	p.reads(`[aria-label="Failures"]`, "n2", "haproxy", "monitor", "not running")
	p.reads(`[aria-label="Which node may I lose?"]`, "Any one node: no.", "n2: the address 192.0.2.10/24 is lost; vip runs nowhere.", "n1: yes", "n2: no")
	p.shot("cluster")
	p.barriers(axe(t), "the cluster", allRules)

	// What is changed elsewhere is there without being asked for.
	c.Change(func(v *cluster.Status) {
		v.Epoch.Updates++
		v.State, v.Reasons = cluster.StateErrors, []string{"node n2 is unclean"}
		v.Nodes[1].State = "unclean"
	})
	p.reads(".notices", "Node n2 is unclean.")
	p.sees(`document.querySelector(".matrix thead .badge.bad")`)
	c.Change(func(v *cluster.Status) {
		v.Epoch.Updates++
		v.State, v.Reasons = cluster.StateOK, []string{}
		v.Nodes[1].State = "online"
	})

	// Where there is no cluster there is no link to it. The page may still be asking which
	// nodes may be lost, because a node has just come back.
	p.excuse("/cluster/losses")
	links := `[...document.querySelectorAll("nav a")].filter((a) => a.textContent === "Cluster").length`
	c.Change(func(v *cluster.Status) { v.State = cluster.StateNone })
	p.sees(links + " === 0")
	p.reads("main", "This node is not in a cluster")
	c.Change(func(v *cluster.Status) { v.State = cluster.StateOK })
	p.sees(links + " === 1")

	// The consequence stands there before the click counts.
	p.click(`[aria-label="Move here: n2"]`)
	p.reads("dialog", "Pacemaker predicts", "will move vip from n1 to n2")
	if len(c.Done()) != 0 {
		t.Fatalf("done before the click: %+v", c.Done())
	}
	p.barriers(axe(t), "the question", allRules)
	p.shot("cluster-move")
	p.click("dialog .primary")
	p.reads(".toasts", "The floating IP is on n2.")
	if done := c.Done(); len(done) != 1 || done[0].Kind != cluster.Move || done[0].Node != "n2" {
		t.Errorf("done %+v", done)
	}
	p.sees(`!document.querySelector("dialog")`)

	// One that has been down since the agent's start says so.
	var nodes []cluster.Node
	c.Change(func(v *cluster.Status) {
		v.Epoch.Updates++
		nodes, v.Nodes = v.Nodes, []cluster.Node{}
		v.State, v.Reasons = cluster.StateOffline, []string{"crm_mon: Pacemaker does not run"}
	})
	p.reads(".empty", "Pacemaker does not answer on this node", "Pacemaker does not run")
	p.sees(links + " === 1")
	c.Change(func(v *cluster.Status) {
		v.Epoch.Updates++
		v.Nodes, v.State, v.Reasons = nodes, cluster.StateOK, []string{}
	})

	// One that somebody has shut down is no alarm, and is started here.
	p.click(`[aria-label="Shut down the cluster"]`)
	p.reads("dialog", "Shut down the cluster?", "All nodes stop Pacemaker and corosync.")
	p.barriers(axe(t), "the shutdown", allRules)
	p.click("dialog .danger")
	p.reads(".toasts", "The cluster is shut down.")
	if done := c.Done(); len(done) != 2 || done[1].Kind != cluster.Shutdown || done[1].Node != "" {
		t.Errorf("done %+v", done)
	}
	c.Change(func(v *cluster.Status) {
		v.Epoch.Updates++
		v.ShutDown = &cluster.ShutDown{By: "ann", Job: "4bfe0fa0a9a1f1b6c3d2", Time: time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)}
		v.State, v.Reasons = cluster.StateOffline, []string{v.ShutDown.Sentence()}
	})
	p.reads(".head", "shut down")
	p.reads(".notices", "The cluster was shut down by ann at 2026-11-30 12:00:00 UTC (job 4bfe0fa0a9a1f1b6c3d2).")
	p.sees(`!document.querySelector(".head .badge.bad") && !document.querySelector(".notices .bad")`)
	p.shot("cluster-shut-down")
	p.barriers(axe(t), "a cluster that is shut down", allRules)
	p.click(`[aria-label="Start the cluster"]`)
	p.reads("dialog", "Start the cluster?")
	p.click("dialog .primary")
	p.reads(".toasts", "The cluster is online.")
	if done := c.Done(); len(done) != 3 || done[2].Kind != cluster.Startup {
		t.Errorf("done %+v", done)
	}
	c.Change(func(v *cluster.Status) {
		v.Epoch.Updates++
		v.State, v.Reasons, v.ShutDown = cluster.StateOK, []string{}, nil
	})

	// What cannot be is told in its place.
	c.Fail(&cluster.Error{Tool: "crm_simulate", Kind: cluster.KindNotConnected, Code: 102})
	p.excuse("503")
	p.click(`[aria-label="Standby n1"]`)
	p.reads("dialog", "Pacemaker does not run on this node")
	p.sees(`document.querySelector("dialog .primary").disabled`)
}

// Each cell of the table of nodes and resources has a menu of what may be done there: with the
// mouse, with the keyboard, and on a phone.
func TestTheMenuOfACell(t *testing.T) {
	testkit.Tool(t, "chromium")
	c := apitest.NewCluster()
	if err := c.SetConfiguration(detailConfiguration); err != nil {
		t.Fatal(err)
	}
	const items = `[...document.querySelectorAll('.cell-menu [role="menuitem"]')].map(b => b.innerText).join(" ")`
	const cell = `.matrix tbody tr:nth-child(2) td:nth-child(3)` // vip on n2
	p := openPage(t, inMemory(t, c), "/cluster", look{})
	p.click(cell)
	p.reads(".cell-menu", "vip is not on n2", "Stop…", "Restart…", "Start maintenance…", "Move here…", "Keep off n2…", "Clear…", "Clean up…", "Details")
	p.sees(`!` + items + `.includes("Start…") && document.activeElement.innerText === "Stop…"`)
	p.shot("cell-menu")
	p.barriers(axe(t), "the menu of a cell", allRules)
	p.click(p.button(".cell-menu", "Move here…"))
	p.reads("dialog", "Move vip to n2?", "Pacemaker predicts", "will move vip from n1 to n2")
	p.sees(`!document.querySelector(".cell-menu")`)
	p.click("dialog .primary")
	p.reads(".toasts", "vip is moved to n2.")
	if done := c.Done(); len(done) != 1 || done[0].Kind != cluster.Move || done[0].Resource != "vip" || done[0].Node != "n2" {
		t.Errorf("done %+v", done)
	}

	// The focus is on the cell again. Arrows go from cell to cell, and in the menu.
	p.sees(`document.activeElement === document.querySelector("` + cell + `")`)
	p.press(kb.ArrowLeft)
	p.press(kb.ArrowUp)
	p.sees(`document.activeElement === document.querySelector(".matrix tbody tr:nth-child(1) td:nth-child(2)") && document.querySelectorAll('.matrix td[tabindex="0"]').length === 1`)
	p.press(kb.Enter)
	p.reads(".cell-menu", "haproxy on n1", "Move away…")
	p.sees(`document.activeElement.innerText === "Stop…"`)
	p.press(kb.ArrowUp)
	p.sees(`document.activeElement.innerText === "Details"`)
	p.press(kb.Escape)
	p.sees(`!document.querySelector(".cell-menu") && document.activeElement === document.querySelector(".matrix tbody tr:nth-child(1) td:nth-child(2)")`)
	c.Change(func(v *cluster.Status) { // the cell that has the focus is drawn again
		v.Epoch.Updates++
		v.Resources[0].State, v.Resources[0].Places = "stopped", []cluster.Placement{}
	})
	p.sees(`document.querySelector(".matrix tbody tr:nth-child(1)").innerText.includes("stopped")`)
	p.press(kb.Enter)
	p.reads(".cell-menu", "haproxy is not on n1", "Start…", "Move here…")
	p.sees(`!` + items + `.includes("Stop…")`)
	p.click("h1")
	p.sees(`!document.querySelector(".cell-menu")`)

	p.look(look{width: 390, height: 800, phone: true, dark: true})
	p.tap(`.matrix tbody tr:nth-child(2) td:nth-child(2)`)
	p.reads(".cell-menu", "vip on n1", "Move away…")
	p.sees(`(r => r.left === 0 && Math.abs(r.bottom - innerHeight) < 1 && [...document.querySelectorAll(".cell-menu button")].every(b => b.getBoundingClientRect().height >= 44))(document.querySelector(".cell-menu").getBoundingClientRect())`)
	p.sees("document.documentElement.scrollWidth <= innerWidth")
	p.shot("cell-menu-phone")
	p.barriers(axe(t), "the menu of a cell on a phone", allRules)
	p.tap(p.button(".cell-menu", "Details"))
	p.reads("h1", "vip")
}

// inMemory is the agent of a node whose cluster is in memory.
func inMemory(tb testing.TB, c *apitest.Cluster) *node {
	tb.Helper()
	_, cfg := apitest.Prepare(tb, apitest.Importing(tb), apitest.InCluster(c))
	return served(tb, cfg)
}

// served is the agent of an API in memory.
func served(tb testing.TB, cfg api.Config) *node {
	tb.Helper()
	handler := api.New(cfg)
	followed := make(chan error, 1)
	go func() { followed <- handler.Follow(tb.Context()) }()
	server := httptest.NewServer(handler)
	tb.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
		if err := <-followed; err != nil {
			tb.Error(err)
		}
	})
	return &node{tb: tb, api: server.Listener.Addr().(*net.TCPAddr).Port}
}

// A large cluster has thousands of cells: rows that cannot be seen are not drawn, but they are there
// for the keyboard, for readers and for searches, below the heads of their columns.
func TestLargeClusterPage(t *testing.T) {
	t.Parallel()
	c := apitest.NewCluster()
	n := inMemory(t, c)
	c.Change(func(v *cluster.Status) { largeStatus(v); v.Resources = v.Resources[:70] })
	p := openPage(t, n, "/cluster", look{})
	p.sees(`document.querySelectorAll(".matrix.large tbody tr").length === 70`)
	p.shot("large")
	p.barriers(axe(t), "a large cluster", allRules)
	c.Change(largeStatus)
	p.sees(`document.querySelectorAll(".matrix tbody tr").length === 500 && document.querySelectorAll(".matrix tbody td").length === 16000`)
	p.sees(`getComputedStyle(document.querySelector(".matrix tbody tr")).contentVisibility === "auto"`)
	const below = `(row, column) => { const head = document.querySelectorAll(".matrix thead th")[column].getBoundingClientRect(),
		cell = document.querySelectorAll(".matrix tbody tr")[row].children[column].getBoundingClientRect();
		return head.width > 100 && Math.abs(head.left - cell.left) < 1 && Math.abs(head.right - cell.right) < 1; }`
	for _, cell := range []string{"0, 0", "0, 1", "0, 32", "17, 20", "499, 0", "499, 32"} {
		p.sees("(" + below + ")(" + cell + ")")
	}
	p.sees("document.documentElement.scrollWidth <= innerWidth")

	// The keyboard goes to a row that was not drawn.
	p.ask(`(c => { c.tabIndex = 0; c.focus(); })(document.querySelector(".matrix tbody tr:nth-child(300) td"))`, new(any))
	p.press(kb.ArrowDown)
	p.press(kb.End)
	p.sees(`(e => e === document.querySelector(".matrix tbody tr:nth-child(301) td:last-child") && e.getBoundingClientRect().top > 0 && e.getBoundingClientRect().bottom < innerHeight)(document.activeElement)`)

	// One row changes, and no other element.
	p.ask(`(() => { window.changed = new Set(); new MutationObserver(all => all.forEach(m => window.changed.add((m.target.nodeType === 1 ? m.target : m.target.parentElement).closest("tr"))))
		.observe(document.querySelector(".matrix tbody"), {subtree: true, childList: true, characterData: true, attributes: true}); })()`, new(any))
	c.Change(func(v *cluster.Status) {
		v.Epoch.Updates++
		v.Resources[450].State, v.Resources[450].Places = "failed", []cluster.Placement{{Node: "n3", State: "failed"}}
	})
	p.sees(`document.querySelector(".matrix tbody tr:nth-child(451)").textContent.includes("failed") && document.querySelector(".matrix tbody tr:nth-child(451) td:nth-child(4) .badge.bad")`)
	p.sees(`window.changed.size === 1 && window.changed.has(document.querySelector(".matrix tbody tr:nth-child(451)"))`)
	c.Change(func(v *cluster.Status) { v.Epoch.Updates++; v.Resources = v.Resources[:499] })
	p.sees(`document.querySelectorAll(".matrix tbody tr").length === 499`)
}
