package pacemaker_test

import (
	"errors"
	"testing"

	"thalassa/lb"
	"thalassa/pacemaker"
)

// In an opt-in cluster, nothing runs where no constraint allows it.
func TestPlanInAnOptInCluster(t *testing.T) {
	c, path := onFile(t, "empty.xml")
	tool(t, path, "crm_attribute", "-t", "crm_config", "-n", "symmetric-cluster", "-v", "false")
	d := pacemaker.Description{Agent: "ocf:heartbeat:Dummy", Addresses: prefixes(t, "192.0.2.10/24")}
	_, err := c.Plan(t.Context(), d)
	if _, ok := errors.AsType[*lb.ConflictError](err); !ok {
		t.Errorf("nothing would run: %v", err)
	}
	d.Prefer = []string{"n1", "n2"}
	p, err := c.Plan(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range p.Consequences.After.Resources {
		if (r.ID == "haproxy" || r.ID == "vip") && len(r.Places) == 0 {
			t.Errorf("%s would not run: %q", r.ID, r.Why)
		}
	}
}
