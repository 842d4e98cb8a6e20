package e2e_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp/kb"

	"thalassa/api"
	"thalassa/api/apitest"
	"thalassa/cluster"
	"thalassa/internal/testkit"
	"thalassa/lb"
)

// An admin of a node that is in no cluster has it join one, with the keyboard alone and on a phone. What
// will happen is shown first, and the steps at the end. Others are not let.
func TestJoinOnTheClusterPage(t *testing.T) {
	testkit.Tool(t, "chromium")
	c, members := apitest.NewCluster(), &apitest.ClusterMembers{}
	c.Change(func(v *cluster.Status) {
		*v = cluster.Status{State: cluster.StateOffline, Reasons: []string{"Pacemaker does not run here"}, Nodes: []cluster.Node{}, Resources: []cluster.Resource{}, FloatingIPs: []cluster.FloatingIP{}, Failures: []cluster.Failure{}}
	})
	_, cfg := apitest.Prepare(t, apitest.InCluster(c), apitest.Guarded(t), func(cfg *api.Config) { cfg.ClusterMembers = members })
	n, r := recorded(t, cfg)
	logIn := func(token string, l look) *page {
		p := loginWith(t, n, token, "/cluster", l)
		p.reads("[aria-label='Join a cluster']", "Get a code on a member's page Cluster")
		return p
	}

	operator := logIn(apitest.OperateToken, look{})
	operator.click(operator.button("[aria-label='Join a cluster']", "Join a cluster…"))
	operator.reads(".toasts", "This needs the role admin")
	operator.sees(`!document.querySelector("dialog")`)
	r.mu.Lock()
	if len(r.forbidden) > 0 || len(r.sent) > 0 {
		t.Errorf("an operator's page was forbidden %q, and has asked for %q", r.forbidden, r.sent)
	}
	r.mu.Unlock()

	p := logIn(apitest.AdminToken, look{})
	p.sees(`(document.querySelector("[aria-label='Join a cluster'] button").focus(), true)`)
	p.press("\r")
	p.reads("dialog", "Join a cluster?", "This will happen:", "Wait until this node is online and has quorum.", "a node that is in one is refused")
	p.sees(`document.querySelector("dialog .primary").disabled`)
	p.shot("cluster-join")
	p.press(kb.Escape)
	p.sees(`!document.querySelector("dialog")`)
	p.press("\r") // the focus is back
	p.write("#f-code", "GG60008-4W8QG")
	members.Refuse(&lb.InvalidError{Fields: []lb.FieldError{{Path: "code", Problem: "is not right", Expected: "the one that was shown"}}})
	p.excuse("400", "409")
	p.press("\r")
	p.reads("dialog .field-error", "expected the one that was shown")
	members.Refuse(&lb.ConflictError{ID: "cluster", Reason: "starting pacemaker: it does not start; undone: corosync, corosync.conf, authkey"})
	p.press("\r")
	p.reads("dialog .problem", "undone: corosync, corosync.conf, authkey")
	members.Refuse(nil)
	p.press("\r")
	p.reads(".toasts", "This node has joined the cluster.")
	p.reads("[aria-label='Join a cluster']", "This node has joined", "Wait until the node is online and has quorum.")
	p.sees(`!document.documentElement.innerHTML.includes("GG60008")`)

	phone := logIn(apitest.AdminToken, look{width: 360, height: 740, phone: true, dark: true})
	phone.click(phone.button("[aria-label='Join a cluster']", "Join a cluster…"))
	phone.write("#f-code", "GG60008-4W8QG")
	phone.click("dialog summary")
	phone.write("#f-node", "n7")
	phone.write("#f-addresses", "192.0.2.7, 198.51.100.7")
	phone.shot("cluster-join-phone")
	phone.click("dialog .primary")
	phone.reads("[aria-label='Join a cluster']", "n7 has joined")
	phone.sees(`document.documentElement.scrollWidth <= innerWidth`)

	r.mu.Lock()
	changes := slices.DeleteFunc(slices.Clone(r.sent), func(s string) bool { return !strings.Contains(s, "/cluster/join") })
	r.mu.Unlock()
	if len(changes) != 4 {
		t.Errorf("asked for %q", changes)
	}
	want := []cluster.Joining{{Code: "GG60008-4W8QG"}, {Code: "GG60008-4W8QG", Node: "n7", Addresses: []string{"192.0.2.7", "198.51.100.7"}}}
	if got := members.Asked(); len(got) != 2 || got[0].Code != want[0].Code || got[0].Node != "" || len(got[0].Addresses) != 0 || got[1].Node != want[1].Node || !slices.Equal(got[1].Addresses, want[1].Addresses) {
		t.Errorf("joined by %+v, expected %+v", got, want)
	}
}

// The cluster comes while a node joins it: its nodes are seen long before the join has ended. The dialog,
// its error and the steps stay. A node that has left, or whose join was undone, is offered a join again,
// also while the page still shows the nodes of the cluster that does not answer.
func TestJoinWhileTheClusterComes(t *testing.T) {
	testkit.Tool(t, "chromium")
	c, members := apitest.NewCluster(), &apitest.ClusterMembers{}
	seen := apitest.NewCluster().View()
	show := func(state string, nodes bool) {
		c.Change(func(v *cluster.Status) {
			epoch := v.Epoch
			epoch.Updates++
			*v = seen
			v.State, v.Epoch, v.Reasons = state, epoch, []string{}
			if !nodes {
				v.Nodes, v.Resources, v.FloatingIPs, v.Failures = []cluster.Node{}, []cluster.Resource{}, []cluster.FloatingIP{}, []cluster.Failure{}
			}
		})
	}
	show(cluster.StateNone, false)
	_, cfg := apitest.Prepare(t, apitest.InCluster(c), func(cfg *api.Config) { cfg.ClusterMembers = members })
	n, _ := recorded(t, cfg)
	p := openPage(t, n, "/cluster", look{})
	p.excuse("404", "409")
	p.reads(".empty", "This node is not in a cluster")
	join := func() {
		p.click(p.button("[aria-label='Join a cluster']", "Join a cluster…"))
		p.write("#f-code", "GG60008-4W8QG")
	}
	comes := func() (release func()) {
		release = members.Hold()
		p.click("dialog .primary")
		p.reads("dialog [role=status]", "Joining.")
		show(cluster.StateOffline, false)
		p.reads(".empty", "Pacemaker does not answer on this node")
		p.reads("dialog [role=status]", "Joining.")
		show(cluster.StateOK, true)
		p.reads("table.matrix", "n1", "n2")
		p.reads("dialog [role=status]", "Joining.")
		p.sees(`document.querySelector("#f-code").value === "GG60008-4W8QG" && document.querySelectorAll("dialog:modal").length === 1`)
		return release
	}

	join()
	release := comes()
	members.Refuse(&lb.ConflictError{ID: "cluster", Reason: "waiting for quorum: there is none; undone: pacemaker, corosync, corosync.conf, authkey"})
	release()
	p.reads("dialog .problem", "undone: pacemaker, corosync, corosync.conf, authkey")
	show(cluster.StateNone, false)
	p.reads(".empty", "This node is not in a cluster")
	p.reads("dialog .problem", "undone: pacemaker, corosync, corosync.conf, authkey")
	p.shot("cluster-join-undone")

	members.Refuse(nil)
	release = comes()
	release()
	p.reads("[aria-label='Join a cluster']", "This node has joined", "Wait until the node is online and has quorum.")
	p.reads("table.matrix", "n1", "n2")
	p.sees(`!document.querySelector("dialog")`)
	p.shot("cluster-joined")
	p.click(p.button("[aria-label='Join a cluster']", "Close"))
	p.sees(`!document.querySelector("[aria-label='Join a cluster']")`)

	show(cluster.StateOffline, true)
	p.reads("[aria-label='Join a cluster']", "Join a cluster…")
	p.sees(`Boolean(document.querySelector(".head a[href='/cluster/jobs']"))`)
	join()
	p.click(p.button("dialog", "Cancel"))
	p.sees(`!document.querySelector("dialog")`)
}
