package e2e_test

import (
	"net"
	"net/http"
	"net/http/httptest"
	"testing"

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

	// What cannot be is told in its place.
	c.Fail(&cluster.Error{Tool: "crm_simulate", Kind: cluster.KindNotConnected, Code: 102})
	p.excuse("503")
	p.click(`[aria-label="Standby n1"]`)
	p.reads("dialog", "Pacemaker does not run on this node")
	p.sees(`document.querySelector("dialog .primary").disabled`)
}

// inMemory is the agent of a node whose cluster is in memory.
func inMemory(t *testing.T, c *apitest.Cluster) *node {
	t.Helper()
	_, cfg := apitest.Prepare(t)
	cfg.Cluster, cfg.ClusterActions, cfg.ClusterConfiguration, cfg.ClusterJobs = c, c, c, c
	cfg.ClusterForesight, cfg.ClusterDrafts, cfg.ClusterHistory = c, &apitest.ClusterDrafts{}, apitest.ClusterHistory{Cluster: c}
	cfg.ClusterAgents, cfg.ClusterHAProxy = apitest.ClusterAgents{}, c
	handler := api.New(cfg)
	followed := make(chan error, 1)
	go func() { followed <- handler.Follow(t.Context()) }()
	server := httptest.NewServer(handler)
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
		if err := <-followed; err != nil {
			t.Error(err)
		}
	})
	return &node{tb: t, api: server.Listener.Addr().(*net.TCPAddr).Port}
}
