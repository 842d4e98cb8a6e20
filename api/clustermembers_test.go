package api_test

import (
	"strings"
	"testing"

	"thalassa/api"
	"thalassa/api/apitest"
	"thalassa/cluster"
	"thalassa/lb"
)

// withMembers makes an API that of a node whose membership can be changed.
func withMembers(m *apitest.ClusterMembers) func(*api.Config) {
	return func(cfg *api.Config) { cfg.ClusterMembers = m }
}

// A code is in one answer, and nowhere else: not in what shows the invitation, nor in the audit log,
// nor in the answer to the same request again.
func TestInvitations(t *testing.T) {
	t.Parallel()
	m := &apitest.ClusterMembers{}
	s := newFixture(t, apitest.Guarded(t), inCluster(apitest.NewCluster()), withMembers(m))
	admin := bearer(apitest.AdminToken)
	const key = "Idempotency-Key: 0123456789"
	var one cluster.Invitation
	r := s.do("POST", "/cluster/invitations", `{"for":"1h","nodes":2}`, "Content-Type: application/json", admin, key)
	r.wants(t, 201, &one)
	if one.Code != apitest.InvitationCode || one.Nodes != 2 || one.Expires.Format("15:04") != "13:00" || r.header.Get("Cache-Control") != "no-store" {
		t.Errorf("%+v %v", one, r.header)
	}
	again := s.do("POST", "/cluster/invitations", `{"for":"1h","nodes":2}`, "Content-Type: application/json", admin, key)
	again.wants(t, 200, nil)
	s.do("POST", "/cluster/invitations", "", admin).refused(t, 409, "conflict")
	var list []cluster.Invitation
	listed := s.get("/cluster/invitations", admin)
	listed.wants(t, 200, &list)
	audit := s.get("/audit", admin)
	ended := s.do("DELETE", "/cluster/invitations", "", admin)
	ended.wants(t, 200, nil)
	for name, text := range map[string]string{"again": string(again.body), "list": string(listed.body), "audit": string(audit.body), "end": string(ended.body)} {
		if strings.Contains(text, "SECRET") {
			t.Errorf("%s: the code is in %s", name, text)
		}
	}
	if len(list) != 1 || list[0].State != cluster.InvitationOpen || list[0].Author != one.Author || len(list[0].Steps) != 1 {
		t.Errorf("%+v", list)
	}
	s.do("DELETE", "/cluster/invitations", "", admin).refused(t, 404, "not_found")
	if text := string(s.get("/cluster/invitations", admin).body); strings.TrimSpace(text) != "[]" {
		t.Errorf("after the end: %s", text)
	}
	for body, field := range map[string]string{
		`{"for":"1s"}`: "for", `{"for":"25h"}`: "for", `{"for":"soon"}`: "for", `{"for":"10.5s"}`: "for", `{"nodes":-1}`: "nodes", `{"nodes":32}`: "nodes", `{"until":"1h"}`: "until",
	} {
		if r := s.do("POST", "/cluster/invitations", body, "Content-Type: application/json", admin); r.status != 400 || !strings.Contains(string(r.body), field) {
			t.Errorf("%s: %d %s", body, r.status, r.body)
		}
	}
	s.do("POST", "/cluster/invitations", "", admin, "Idempotency-Key: short").refused(t, 400, "invalid")
}

// What is wrong with a join is said by its field, and without the code.
func TestJoinCluster(t *testing.T) {
	t.Parallel()
	m := &apitest.ClusterMembers{}
	s := newFixture(t, inCluster(apitest.NewCluster()), withMembers(m))
	var got cluster.Membership
	s.do("POST", "/cluster/join", `{"code":"SECRET","node":"n9","addresses":["192.0.2.9","fd99::9"]}`).wants(t, 200, &got)
	if got.Node != "n9" || len(got.Steps) != 1 || len(m.Joins) != 1 || m.Joins[0].Code != "SECRET" || len(m.Joins[0].Addresses) != 2 {
		t.Errorf("%+v; %+v", got, m.Joins)
	}
	for body, field := range map[string]string{
		`{}`: "code", `{"code":""}`: "code", `{"code":{"a":"SECRET"}}`: "code", `{"code":"SECRET` + strings.Repeat("x", 300) + `"}`: "code",
		`{"code":"SECRET","node":"-x/y"}`: "node", `{"code":"SECRET","addresses":["n9"]}`: "addresses[0]",
		`{"code":"SECRET","addresses":["::1","::1","::1","::1","::1","::1","::1","::1","::1"]}`: "addresses", `{"code":"SECRET","force":true}`: "force",
	} {
		if r := s.do("POST", "/cluster/join", body); r.status != 400 || !strings.Contains(string(r.body), field) || strings.Contains(string(r.body), "SECRET") {
			t.Errorf("%.60s: %d %s", body, r.status, r.body)
		}
	}
	if len(m.Joins) != 1 {
		t.Errorf("joined by a wrong request: %+v", m.Joins)
	}
}

// A node on which the switch is off says which one it is, and one that ignores Pacemaker that.
func TestMembershipIsOff(t *testing.T) {
	t.Parallel()
	off := &lb.ConflictError{ID: "cluster", Reason: "systemctl enable --now thalassa-membership.socket turns it on"}
	s := newFixture(t, inCluster(apitest.NewCluster()), withMembers(&apitest.ClusterMembers{Off: off}))
	for path, body := range map[string]string{"/cluster/invitations": "", "/cluster/join": `{"code":"x"}`} {
		if r := s.do("POST", path, body); r.status != 409 || !strings.Contains(string(r.body), "thalassa-membership.socket") {
			t.Errorf("%s: %d %s", path, r.status, r.body)
		}
		newFixture(t).do("POST", path, body).refused(t, 404, "not_found")
	}
	newFixture(t).get("/cluster/invitations").refused(t, 404, "not_found")
	newFixture(t).do("DELETE", "/cluster/invitations", "").refused(t, 404, "not_found")
}

// Taking nodes out needs the role admin, however its path is written.
func TestLeaveNeedsAdmin(t *testing.T) {
	t.Parallel()
	s := newFixture(t, apitest.Guarded(t), inCluster(apitest.NewCluster()))
	s.do("POST", "/cluster/actions/leave", `{"node":"n2"}`, "Content-Type: application/json", bearer(apitest.OperateToken)).refused(t, 403, "forbidden")
	for _, path := range []string{"/cluster/actions/l%65ave", "/cluster/actions/leave/", "/cluster/actions//leave"} {
		if r := s.do("POST", path, `{"node":"n2"}`, "Content-Type: application/json", bearer(apitest.OperateToken)); r.status < 400 {
			t.Errorf("%s: %d %s", path, r.status, r.body)
		}
	}
	s.do("POST", "/cluster/actions/forget", `{"nodes":["n2"]}`, "Content-Type: application/json", bearer(apitest.OperateToken)).refused(t, 403, "forbidden")
	for _, path := range []string{"/cluster/actions/f%6frget", "/cluster/actions/forget/", "/cluster/actions//forget"} {
		if r := s.do("POST", path, `{"nodes":["n2"]}`, "Content-Type: application/json", bearer(apitest.OperateToken)); r.status < 400 {
			t.Errorf("%s: %d %s", path, r.status, r.body)
		}
	}
	admin := bearer(apitest.AdminToken)
	for body, field := range map[string]string{
		`{}`: "nodes", `{"nodes":["n2","n2"]}`: "nodes[1]", `{"nodes":["n2"],"node":"n3"}`: "node", `{"nodes":"n2"}`: "nodes: has a wrong type (string), expected a list of strings", `{"nodes":["n2"],"force":true}`: "force: is not a field of an action, expected nodes, down or wait",
	} {
		if r := s.do("POST", "/cluster/actions/forget", body, "Content-Type: application/json", admin); r.status != 400 || !strings.Contains(string(r.body), field) {
			t.Errorf("%s: %d %s, expected %q", body, r.status, r.body, field)
		}
	}
	r := s.do("POST", "/cluster/actions/forget", `{"nodes":["n2"],"down":true}`, "Content-Type: application/json", admin)
	r.wants(t, 200, nil)
	s.do("POST", r.header.Get("Location")+"/cancel", "", bearer(apitest.OperateToken)).refused(t, 403, "forbidden")
	s.do("POST", "/cluster/actions/leave", `{}`, "Content-Type: application/json", admin).refused(t, 400, "invalid")
	r = s.do("POST", "/cluster/actions/leave", `{"node":"n2"}`, "Content-Type: application/json", admin)
	r.wants(t, 200, nil)
	cancel := r.header.Get("Location") + "/cancel"
	s.do("POST", cancel, "", bearer(apitest.OperateToken)).refused(t, 403, "forbidden")
	s.do("POST", cancel, "", admin).refused(t, 409, "conflict") // it is over
}
