package api_test

import (
	"slices"
	"testing"

	"thalassa/cluster"
)

func TestAgentsOfTheCluster(t *testing.T) {
	s, _ := clustered(t)
	var list struct{ Agents []string }
	s.get("/cluster/agents").wants(t, 200, &list)
	if len(list.Agents) != 3 {
		t.Errorf("agents: %v", list.Agents)
	}
	s.get("/cluster/agents?class=stonith").wants(t, 200, &list)
	if !slices.Equal(list.Agents, []string{"stonith:external/ipmi"}) {
		t.Errorf("fence agents: %v", list.Agents)
	}
	for _, path := range []string{"ocf:heartbeat:IPaddr2", "stonith:external%2Fipmi"} {
		var a cluster.Agent
		s.get("/cluster/agents/"+path).wants(t, 200, &a)
		if len(a.Parameters) < 3 || !a.Parameters[0].Required {
			t.Errorf("%s: %+v", path, a)
		}
	}
	for path, status := range map[string]int{
		"?class=x": 400, "/IPaddr2": 400, "/-x:y": 400, "/ocf:..:x": 400, "/ocf:heartbeat:..%2F..%2Fx": 400, "/lsb:a%20b": 400, "/ocf:heartbeat:nope": 404,
	} {
		if r := s.get("/cluster/agents" + path); r.status != status {
			t.Errorf("%s: %d, expected %d: %s", path, r.status, status, r.body)
		}
	}
	const validate = "/cluster/agents/ocf:heartbeat:IPaddr2/validate"
	same(t, s.do("POST", validate, `{"params":{"ip":"192.0.2.77"}}`).body, `{"agent": "ocf:heartbeat:IPaddr2", "valid": true, "code": 0, "meaning": "ok"}`)
	same(t, s.do("POST", validate, `{"params":{"ip":"192.0.2.66"}}`).body, `{"agent": "ocf:heartbeat:IPaddr2", "valid": false, "code": 6, "meaning": "not configured", "reason": "findif failed for ip"}`)
	same(t, s.do("POST", validate, `{"params":{"ip":"192.0.2.77","passwd":"topsecret7"}}`).body, `{"agent": "ocf:heartbeat:IPaddr2", "valid": true, "code": 0, "meaning": "ok", "unchecked": ["passwd"]}`)
	for body, path := range map[string]string{`{}`: "params", `{"params":{"ip":[]}}`: "params.ip", `{"parameters":{}}`: "parameters"} {
		if f := s.do("POST", validate, body).refused(t, 400, "invalid"); f.Fields[0].Path != path {
			t.Errorf("%s: %+v", body, f)
		}
	}
	s.do("POST", "/cluster/agents/ocf:heartbeat:nope/validate", `{"params":{}}`).refused(t, 404, "not_found")
	s.do("POST", "/cluster/agents/nope/validate", `{"params":{}}`).refused(t, 400, "invalid")
	newFixture(t).get("/cluster/agents").refused(t, 404, "not_found")
}
