package e2e_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp/kb"

	"thalassa/api"
	"thalassa/api/apitest"
	"thalassa/cluster"
	"thalassa/internal/testkit"
	"thalassa/lb"
)

// An admin invites a node, sees the code once, withdraws the invitation, and takes nodes out, with the
// keyboard alone, and on a phone. Others are offered nothing, and nothing is asked for that they may not
// see.
func TestMembersOnTheClusterPage(t *testing.T) {
	testkit.Tool(t, "chromium")
	c, members := apitest.NewCluster(), &apitest.ClusterMembers{}
	c.Change(func(v *cluster.Status) {
		v.Nodes = append(v.Nodes,
			cluster.Node{Name: "n9", State: "unclean", Type: "member", Resources: []string{}, Attributes: map[string]string{}},
			cluster.Node{Name: "n8", State: "offline", Type: "member", Resources: []string{}, Attributes: map[string]string{}},
			cluster.Node{Name: "g1", State: "online", Type: "guest", Host: "vip", Resources: []string{}, Attributes: map[string]string{}})
	})
	_, cfg := apitest.Prepare(t, apitest.InCluster(c), apitest.Guarded(t), func(cfg *api.Config) { cfg.ClusterMembers = members })
	n, r := recorded(t, cfg)
	logIn := func(token string, l look) *page {
		p := loginWith(t, n, token, "/cluster", l)
		p.reads("h1", "lab")
		return p
	}

	operator := logIn(apitest.OperateToken, look{})
	operator.reads("[aria-label=Members]", "gives the key of the cluster")
	operator.sees(`((all) => all.length === 4 && all.every(b => b.getAttribute("aria-disabled") === "true"))([...document.querySelectorAll("[aria-label=Members] button")])`)
	operator.click("[aria-label=Members] .button-line button")
	operator.reads(".toasts", "This needs the role admin")
	r.mu.Lock()
	if len(r.forbidden) > 0 || len(r.sent) > 0 {
		t.Errorf("an operator's page was forbidden %q, and has asked for %q", r.forbidden, r.sent)
	}
	r.mu.Unlock()

	p := logIn(apitest.AdminToken, look{})
	p.reads("[aria-label=Members]", "n2", "n9", "unclean", "The page of another node can do that.")
	p.sees(`!document.querySelector("[aria-label=Members]").innerText.includes("g1")`)
	members.Refuse(&lb.ConflictError{ID: "cluster", Reason: "n2: systemctl enable --now thalassa-membership.socket turns it on"})
	p.excuse("409")
	p.click(p.button("[aria-label=Members]", "Invite a node…"))
	p.reads("dialog", "The code gives the key of the cluster to whoever has it.")
	p.write("#f-nodes", "0")
	p.reads("dialog .field-error", "expected 1 to 31")
	p.write("#f-nodes", "2")
	p.press("\r")
	p.reads("dialog .problem", "thalassa-membership.socket turns it on")
	members.Refuse(nil)
	p.press("\r")
	p.reads("[aria-label='Code of the invitation']", apitest.InvitationCode, "thalassa cluster join "+apitest.InvitationCode+" --agent")
	p.reads("[aria-label=Members]", "for 2 nodes", "valid until", "Waiting for 1 more node.")
	p.shot("members-code")

	// A request that fails is repeated, and a cluster that is not seen for a moment takes no code away.
	p.excuse("503")
	r.breaks("/cluster/invitations")
	p.reads("[aria-label=Members]", "agent answered with status 503")
	members.Step("n7", "It is online.")
	r.breaks("")
	p.reads("[aria-label=Members]", "n7", "It is online.")
	var seen []cluster.Node
	c.Change(func(v *cluster.Status) { seen, v.Nodes = v.Nodes, []cluster.Node{} })
	p.reads(".empty", "Pacemaker does not answer on this node")
	c.Change(func(v *cluster.Status) { v.Nodes = seen })
	p.reads("[aria-label='Code of the invitation']", apitest.InvitationCode)
	// The code of one invitation is not shown as that of another one, which somebody else makes.
	if _, err := members.EndInvitation(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := members.Invite(t.Context(), cluster.Inviting{For: 15 * time.Minute, Nodes: 3}, cluster.Order{Author: "bob"}); err != nil {
		t.Fatal(err)
	}
	p.reads("[aria-label=Members]", "made by bob", "for 3 nodes", "Its code was shown once")
	p.sees(`!document.documentElement.innerHTML.includes("` + apitest.InvitationCode + `")`)
	p.visit("/cluster")
	p.reads("[aria-label=Members]", "Its code was shown once")
	p.sees(`!document.documentElement.innerHTML.includes("` + apitest.InvitationCode + `")`)
	p.click(p.button("[aria-label=Members]", "Withdraw…"))
	p.reads("dialog", "A node that is joining is taken out again.")
	p.press(kb.Escape)
	p.sees(`!document.querySelector("dialog")`)
	p.click(p.button("[aria-label=Members]", "Withdraw…"))
	p.click("dialog .primary")
	p.reads("[aria-label=Members]", "Invite a node…")

	p.click(`[aria-label="Leave the cluster: n2"]`)
	p.reads("dialog", "What runs on n2 moves to other nodes.", "This will happen:")
	p.click("dialog .primary")
	p.reads(".toasts", "n2 has left the cluster.")
	phone := logIn(apitest.AdminToken, look{width: 360, height: 740, phone: true, dark: true})
	phone.click(`[aria-label="Forget: n9"]`)
	phone.reads("dialog", "Only if n9 is gone for good.", "I have seen that n9 is off")
	phone.click("#f-also-n8")
	phone.reads("dialog", "Forget n8 at the same time", "I have seen that n9, n8 are off")
	phone.click("#f-down")
	phone.shot("members-forget-phone")
	phone.click("dialog .primary")
	phone.reads(".toasts", "The cluster does not know n9, n8 any more.")
	phone.sees(`document.documentElement.scrollWidth <= innerWidth`)

	done := c.Done()
	if len(done) != 2 || done[0].Kind != cluster.Leave || done[0].Node != "n2" || done[1].Kind != cluster.Forget || !slices.Equal(done[1].Nodes, []string{"n9", "n8"}) || !done[1].Down {
		t.Errorf("%+v", done)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	changes := slices.DeleteFunc(slices.Clone(r.sent), func(s string) bool { return strings.Contains(s, "/simulate/") || strings.Contains(s, "/losses") })
	want := []string{"POST /cluster/invitations", "POST /cluster/invitations", "DELETE /cluster/invitations", "POST /cluster/actions/leave", "POST /cluster/actions/forget"}
	if !slices.Equal(changes, want) {
		t.Errorf("asked for %q, expected %q", changes, want)
	}
}
