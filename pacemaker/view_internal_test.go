package pacemaker

import (
	"encoding/xml"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"thalassa/cluster"
	"thalassa/cluster/cibxml"
	"thalassa/lb"
)

// viewOf reads the output of crm_mon over a CIB with one floating IP.
func viewOf(t *testing.T, monitor, self string) cluster.Status {
	t.Helper()
	cib, err := ParseCIB([]byte(`<cib admin_epoch="1" epoch="2" num_updates="3" have-quorum="0"><configuration><crm_config/><resources>
		<primitive id="fence" class="stonith" type="x"/>
		<primitive id="vip" class="ocf" provider="heartbeat" type="IPaddr2"><instance_attributes id="i">
			<nvpair id="a" name="ip" value="192.0.2.10"/></instance_attributes></primitive>
		</resources></configuration><status/></cib>`))
	if err != nil {
		t.Fatal(err)
	}
	m := monitorXML{running: true}
	if err := xml.Unmarshal([]byte("<pacemaker-result>"+monitor+"</pacemaker-result>"), &m); err != nil {
		t.Fatal(err)
	}
	return view(cib, m, planned{}, self)
}

const (
	dc    = `<summary><current_dc present="true" name="a" with_quorum="true" version="3.0.0-1.el9"/><cluster_options maintenance-mode="false"/></summary>`
	nodes = `<nodes><node name="a" online="true" is_dc="true"/><node name="b" online="true"/></nodes>`
	onA   = `<resource id="vip" resource_agent="ocf:heartbeat:IPaddr2" role="Started" active="true" managed="true"><node name="a"/></resource>`
)

func TestStatesAndRoles(t *testing.T) {
	vip := func(attributes, places string) string {
		return `<resources><resource id="vip" resource_agent="ocf:heartbeat:IPaddr2" managed="true" ` + attributes + `>` + places + `</resource></resources>`
	}
	for name, tc := range map[string]struct {
		monitor, state, reason, role string
	}{
		"well":              {dc + nodes + `<resources>` + onA + `</resources>`, cluster.StateOK, "", "active"},
		"two holders":       {dc + nodes + vip(`active="true" role="Started"`, `<node name="a"/><node name="b"/>`), cluster.StateErrors, "is on a and b", "active"},
		"no holder":         {dc + nodes + vip(`role="Stopped"`, ""), cluster.StateErrors, "is on no node", "idle"},
		"blocked":           {dc + nodes + vip(`active="true" blocked="true"`, `<node name="a"/>`), cluster.StateErrors, "vip is blocked", "active"},
		"a node is missing": {dc + `<nodes><node name="a" online="true"/><node name="b" online="false"/></nodes><resources>` + onA + `</resources>`, cluster.StateErrors, "node b is offline", "active"},
		"an unclean one":    {dc + `<nodes><node name="a" online="true"/><node name="b" online="false" unclean="true"/></nodes><resources>` + onA + `</resources>`, cluster.StateErrors, "node b is unclean", "active"},
		"no DC":             {nodes + `<resources>` + onA + `</resources>`, cluster.StateNoQuorum, "no DC", "active"},
		"no quorum":         {strings.Replace(dc, `with_quorum="true"`, `with_quorum="false"`, 1) + nodes + `<resources>` + onA + `</resources>`, cluster.StateNoQuorum, "no quorum", "active"},
		"maintenance":       {strings.Replace(dc, `mode="false"`, `mode="true"`, 1) + nodes + `<resources>` + onA + `</resources>`, cluster.StateMaintenance, "in maintenance", "active"},
		"standby here":      {dc + `<nodes><node name="a" online="true" standby="true"/></nodes>` + vip(`role="Stopped"`, ""), cluster.StateErrors, "on no node", "standby"},
		"ready": {
			dc + nodes + `<resources><clone id="c"><resource id="haproxy:0" resource_agent="ocf:thalassa:haproxy" active="true" managed="true"><node name="a"/></resource></clone>` +
				strings.Replace(onA, `"a"`, `"b"`, 1) + `</resources>`, cluster.StateOK, "", "ready",
		},
	} {
		v := viewOf(t, tc.monitor, "a")
		if v.State != tc.state || v.Role != tc.role || !strings.Contains(strings.Join(v.Reasons, "\n"), tc.reason) {
			t.Errorf("%s: state %s, role %s, %q", name, v.State, v.Role, v.Reasons)
		}
		if v.State == cluster.StateOK && len(v.Reasons) > 0 {
			t.Errorf("%s: reasons %q", name, v.Reasons)
		}
	}
}

func TestResourcesInsideOthers(t *testing.T) {
	v := viewOf(t, dc+nodes+`<resources>
		<clone id="outer"><group id="inner:0"><resource id="one:0" active="true" managed="true"><node name="b"/></resource></group>
			<group id="inner:1"><resource id="one:1" active="true" managed="true" pending="Starting"><node name="a"/></resource></group></clone>
		<group id="g"><resource id="two" active="true" managed="false"><node name="a"/></resource></group>
		<resource id="three" role="Stopped" managed="true" target_role="Stopped"/>`+onA+`</resources>`, "a")
	want := map[string]string{"one": "outer starting a,b", "two": "g unmanaged a", "three": " disabled ", "vip": " started a"}
	for _, r := range v.Resources {
		if got := r.In + " " + r.State + " " + strings.Join(r.Nodes(), ","); got != want[r.ID] {
			t.Errorf("%s: %q, expected %q", r.ID, got, want[r.ID])
		}
		delete(want, r.ID)
	}
	if len(want) > 0 || v.Settled || !v.Resources[slices.IndexFunc(v.Resources, func(r cluster.Resource) bool { return r.ID == "one" })].Clone {
		t.Errorf("missing %v; settled %t", want, v.Settled)
	}
	if v.Version != "3.0.0" || v.Nodes[0].Resources == nil || !v.Nodes[0].DC {
		t.Errorf("%+v", v)
	}
}

func TestFailuresAreReadInEveryForm(t *testing.T) {
	at := time.Date(2026, 1, 2, 15, 4, 5, 0, time.UTC)
	for form, f := range map[string]failureXML{
		"2.1":      {Key: "haproxy_monitor_2000", Task: "monitor", Interval: "2000", Changed: "2026-01-02 15:04:05Z"},
		"3.0":      {Key: "haproxy_monitor_2000", Task: "monitor", Interval: "2000ms", Changed: "2026-01-02 17:04:05 +02:00"},
		"ctime":    {Key: "haproxy:1_monitor_2000", Task: "monitor", Interval: "2000", Changed: "Fri Jan  2 15:04:05 2026"},
		"old task": {Key: "haproxy_monitor_2000", Interval: "2000", Changed: "2026-01-02 15:04:05Z"},
	} {
		got := f.failure(nil)
		if got.Resource != "haproxy" || got.Operation != "monitor" || got.Interval != 2000 || !got.Time.Equal(at) {
			t.Errorf("%s: %+v", form, got)
		}
	}
	got := failureXML{Key: "my_proxy_reload-agent_0", Task: "reload-agent", Changed: "some day"}.failure(nil)
	if got.Resource != "my_proxy" || got.Operation != "reload-agent" || !got.Time.IsZero() {
		t.Errorf("%+v", got)
	}
}

func TestConsequencesOfASimulation(t *testing.T) {
	var s simulationXML
	if err := xml.Unmarshal([]byte(`<pacemaker-result><actions>
		<node_action task="fence" node="c" reason="peer is no longer part of the cluster"/>
		<rsc_action action="start" resource="haproxy:1" node="b"/>
		<rsc_action action="move" resource="vip" source="a" dest="b"/>
		<rsc_action action="restart" resource="db" source="a" dest="a" reason="required vip start"/>
		<rsc_action action="start" resource="stuck" node="b" blocked="true"/>
	</actions><transition>
		<pseudo_action task="x"/>
		<rsc_action resource="vip" op="stop" node="a"/>
		<rsc_action resource="silent" op="stop" node="b"/>
		<rsc_action resource="haproxy" op="stop" node="c"/>
	</transition></pacemaker-result>`), &s); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"will fence node c", "will start haproxy on b", "will move vip from a to b", "will restart db on a",
		"will not be able to start stuck on b", "will stop silent on b",
	}
	if got := cluster.Summarize(s.consequences()); !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if !s.busy() || (simulationXML{}).busy() {
		t.Error("whether the cluster is at work")
	}
}

func TestRolloutAnswers(t *testing.T) {
	agree := cluster.NodeAnswer{Node: "a", Valid: true}
	if err := refusal(cluster.RolledOut{Nodes: []cluster.NodeAnswer{agree}}, "8"); err != nil {
		t.Error(err)
	}
	err := refusal(cluster.RolledOut{From: "7", To: "7", Nodes: []cluster.NodeAnswer{agree, {Node: "b", Reason: "no"}}}, "8")
	refused, ok := errors.AsType[*cluster.RolloutRefusedError](err)
	if !ok || refused.Rollout.Planned != "8" || refused.Rollout.From != "7" || len(refused.Rollout.Nodes) != 2 {
		t.Errorf("%v", err)
	}
	if cause, ok := errors.AsType[*lb.RefusedError](err); !ok || !strings.Contains(cause.Output, "b: no") || strings.Contains(cause.Output, "a: ") {
		t.Errorf("%v", err)
	}
	before := cluster.Status{Failures: []cluster.Failure{{Node: "a", Resource: "haproxy", Operation: "monitor", Call: 1}}}
	after := cluster.Status{Failures: append(before.Failures, cluster.Failure{Node: "a", Resource: "haproxy", Operation: "reload-agent", Call: 2, Reason: "broken"},
		cluster.Failure{Node: "a", Resource: "other", Operation: "monitor", Call: 3})}
	if got := failedSince(before, after, "haproxy"); !slices.Equal(got, []string{"reload-agent on a: broken"}) {
		t.Errorf("%q", got)
	}
	if got := oneLine("a\n  b\tc" + strings.Repeat("ü", 500)); strings.ContainsAny(got, "\n\t") || len(got) > maxReason+4 {
		t.Errorf("%q", got)
	}
	if got := oneLine("parsing '…' of Zürich\x00\xff"); got != "parsing '...' of Z?rich??" {
		t.Errorf("got %q", got)
	}
}

func TestXMLKeepsWhatItSays(t *testing.T) {
	const text = `<a x="1" y="&lt;&#34;&#xA;ü">
  <b id="1"/>
  <c>words &amp; more</c>
</a>
`
	e, err := cibxml.Parse([]byte(text))
	if err != nil || string(e.Bytes()) != text {
		t.Errorf("%s, %v", e.Bytes(), err)
	}
	c := e.Clone()
	if !c.Equal(e) {
		t.Error("a copy differs")
	}
	c.ByID("1").Set("id", "2")
	if c.Equal(e) || e.ByID("1") == nil {
		t.Error("a copy shares something")
	}
}

// A node on which Pacemaker stops on request is leaving, until it is offline.
func TestNodesThatLeave(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		`<node name="n1" online="true" shutdown="true"/>`:  true,
		`<node name="n1" online="false" shutdown="true"/>`: false,
		`<node name="n1" online="true" shutdown="false"/>`: false,
	} {
		var n nodeXML
		if err := xml.Unmarshal([]byte(text), &n); err != nil {
			t.Fatal(err)
		}
		if got := node(n, nil, nil, nil); got.Leaving != want {
			t.Errorf("%s: leaving %t, expected %t", text, got.Leaving, want)
		}
	}
}
