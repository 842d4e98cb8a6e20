package api_test

import (
	"strings"
	"testing"

	"thalassa/api/apitest"
	"thalassa/audit"
)

// Agents of other nodes need no token: the node itself judges their seal. What they have done is
// in the audit log with who wants it, and a look is not.
func TestAgentsOfOtherNodes(t *testing.T) {
	t.Parallel()
	s := newFixture(t, apitest.Guarded(t), inCluster(apitest.NewCluster()))
	before := len(s.audited(t, ""))
	s.do("POST", "/cluster/node/challenge", "").wants(t, 200, nil)
	s.do("POST", "/cluster/node/state", `{"seal":"good"}`).wants(t, 200, nil)
	s.do("POST", "/cluster/node/ping", `{"seal":"good"}`).wants(t, 200, nil)
	s.do("POST", "/cluster/node/drafts", `{"seal":"good","body":"`+strings.Repeat("A", 2<<20)+`"}`).wants(t, 200, nil) // larger than other questions
	if now := len(s.audited(t, "")); now != before {
		t.Errorf("looks are recorded: %d records, %d before", now, before)
	}
	if r := s.do("POST", "/cluster/node/stop", `{"seal":"good"}`); r.status != 200 || string(r.body) != `{"report":"{}","seal":"ok"}` {
		t.Errorf("stop: %d %s", r.status, r.body)
	}
	if got := s.audited(t, "?limit=1")[0]; got.Name != "ann on n1" || got.How != "node" || got.Job != "aaaaaaaaaaaaaaaaaaaa" || got.Action != audit.Change || got.Status != 200 {
		t.Errorf("%+v", got)
	}
	s.do("POST", "/cluster/node/stop", `{"seal":"bad"}`).refused(t, 403, "forbidden")
	if got := s.audited(t, "?limit=1")[0]; got.Name != "" || got.Status != 403 || got.Refusal != "forbidden" {
		t.Errorf("%+v", got)
	}
	s.do("POST", "/cluster/node/explode", `{"seal":"good"}`).refused(t, 404, "not_found")
	newFixture(t).do("POST", "/cluster/node/challenge", "").refused(t, 404, "not_found")
}
