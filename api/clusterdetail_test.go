package api_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"thalassa/cluster"
)

const detailed = `<configuration>
  <nodes><node id="1" uname="n1"><instance_attributes id="na"><nvpair id="na1" name="standby" value="on"/></instance_attributes></node><node id="2" uname="n2"/></nodes>
  <resources><clone id="haproxy-clone"><primitive id="haproxy" class="ocf" provider="thalassa" type="haproxy"><instance_attributes id="p"><nvpair id="p1" name="passwd" value="topsecret7"/></instance_attributes></primitive></clone>
    <primitive id="vip" class="ocf" provider="heartbeat" type="IPaddr2"/></resources>
  <constraints><rsc_location id="cli-ban-vip-on-n2" rsc="vip" node="n2" score="-INFINITY"/><rsc_colocation id="with" rsc="vip" with-rsc="haproxy-clone" score="INFINITY"/></constraints>
</configuration>`

type detail struct {
	ID, Kind    string
	Object      map[string]any
	Containers  []string
	Resources   []cluster.Resource
	Constraints []struct {
		Kind, Through string
		Object        map[string]any
	}
	Operations []cluster.OperationResult
	Failures   []cluster.Failure
	FailCounts []cluster.FailCount
	Bans       []cluster.Ban
	Fencing    []cluster.FenceEvent
	Actions    []string
	Node       cluster.Node
}

func TestDetailOfAResourceAndOfANode(t *testing.T) {
	s, c := clustered(t)
	if err := c.SetConfiguration(detailed); err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	c.SetOperations(
		cluster.OperationResult{Node: "n1", Resource: "haproxy:0", Name: "start", Meaning: "ok", Time: at},
		cluster.OperationResult{Node: "n2", Resource: "haproxy:1", Name: "monitor", Code: 7, Failed: true, Meaning: "not running", Time: at.Add(time.Second)},
		cluster.OperationResult{Node: "n1", Resource: "vip", Name: "start", Meaning: "ok", Time: at.Add(2 * time.Second)})
	c.Change(func(v *cluster.Status) {
		v.FailCounts = []cluster.FailCount{{Resource: "haproxy", Node: "n2", Count: 2, Threshold: 3}}
		v.Bans = []cluster.Ban{{ID: "cli-ban-vip-on-n2", Resource: "vip", Node: "n2", Score: "-INFINITY"}}
		v.FenceHistory = []cluster.FenceEvent{{Node: "n2", Action: "reboot", Status: "success"}, {Node: "n1", Action: "off", Status: "failed"}}
	})

	var d detail
	r := s.get("/cluster/resources/haproxy")
	r.wants(t, 200, &d)
	if r.header.Get("ETag") != `"0:12"` || d.Kind != "primitives" || !slices.Equal(d.Containers, []string{"haproxy-clone"}) || len(d.Resources) != 1 || len(d.FailCounts) != 1 || len(d.Failures) != 1 || len(d.Bans) != 0 {
		t.Errorf("%s %+v", r.header.Get("ETag"), d)
	}
	if len(d.Operations) != 2 || d.Operations[0].Name != "monitor" || d.Operations[0].Meaning != "not running" {
		t.Errorf("operations: %+v", d.Operations)
	}
	if len(d.Constraints) != 1 || d.Constraints[0].Through != "haproxy-clone" || d.Constraints[0].Kind != "colocations" || d.Constraints[0].Object["score"] != "INFINITY" {
		t.Errorf("constraints: %+v", d.Constraints)
	}
	if strings.Contains(string(r.body), "topsecret7") || !slices.Contains(d.Actions, cluster.Stop) || slices.Contains(d.Actions, cluster.Clear) {
		t.Errorf("%s", r.body)
	}
	d = detail{}
	s.get("/cluster/resources/haproxy-clone").wants(t, 200, &d)
	if d.Kind != "clones" || len(d.Resources) != 1 || len(d.Operations) != 2 || d.Object["member"] != "haproxy" {
		t.Errorf("the clone: %+v", d)
	}
	d = detail{}
	s.get("/cluster/resources/vip").wants(t, 200, &d)
	if len(d.Bans) != 1 || len(d.Operations) != 1 || !slices.Contains(d.Actions, cluster.Clear) {
		t.Errorf("the address: %+v", d)
	}

	d = detail{}
	s.get("/cluster/nodes/n2").wants(t, 200, &d)
	if d.Node.Name != "n2" || len(d.Operations) != 1 || len(d.FailCounts) != 1 || len(d.Fencing) != 1 || d.Fencing[0].Action != "reboot" || len(d.Constraints) != 1 || !slices.Contains(d.Actions, cluster.Standby) {
		t.Errorf("n2: %+v", d)
	}
	d = detail{}
	s.get("/cluster/nodes/n1").wants(t, 200, &d)
	if d.Object["uname"] != "n1" || !slices.Contains(d.Actions, cluster.Online) || slices.Contains(d.Actions, cluster.Standby) {
		t.Errorf("n1: %+v", d)
	}
	for _, path := range []string{"/cluster/nodes/n9", "/cluster/resources/n1", "/cluster/resources/with"} {
		s.get(path).refused(t, 404, "not_found")
	}
	newFixture(t).get("/cluster/nodes/n1").refused(t, 404, "not_found")
}
