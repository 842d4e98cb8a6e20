package pacemaker_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"thalassa/cluster"
	"thalassa/cluster/failover"
	"thalassa/pacemaker"
)

// cibWith is a CIB of three nodes with sections of its configuration and the states of n1 and n2.
func cibWith(t *testing.T, options, resources, constraints, n1, n2 string) *pacemaker.CIB {
	t.Helper()
	cib, err := pacemaker.ParseCIB(fmt.Appendf(nil, `<cib admin_epoch="0" epoch="1" num_updates="0"><configuration>
<crm_config><cluster_property_set id="o">%s</cluster_property_set></crm_config>
<nodes><node id="1" uname="n1"/><node id="2" uname="n2"/><node id="3" uname="n3"/></nodes>
<resources>%s</resources><constraints>%s</constraints></configuration>
<status><node_state id="1" uname="n1" %s/><node_state id="2" uname="n2" %s/></status></cib>`, options, resources, constraints, n1, n2))
	if err != nil {
		t.Fatal(err)
	}
	return cib
}

func TestFailoverSettings(t *testing.T) {
	const resources = `<clone id="hac"><primitive id="ha" class="ocf" provider="thalassa" type="haproxy"/></clone>
<group id="g"><primitive id="vip" class="ocf" provider="heartbeat" type="IPaddr2"/><primitive id="web" class="ocf" provider="heartbeat" type="nginx"/></group>
<group id="free"><meta_attributes id="m"><nvpair id="mo" name="ordered" value="false"/></meta_attributes><primitive id="a" class="ocf" provider="pacemaker" type="Dummy"/><primitive id="b" class="ocf" provider="pacemaker" type="Dummy"/></group>`
	const constraints = `<rsc_order id="o1" first="hac" then="g"/><rsc_order id="o2" kind="Optional" first="vip" then="a"/><rsc_order id="o3" first="a" then="vip" first-action="stop"/><rsc_order id="o4" score="0" first="a" then="vip"/>
<rsc_order id="o5"><resource_set id="s1" sequential="false"><resource_ref id="a"/><resource_ref id="b"/></resource_set><resource_set id="s2"><resource_ref id="vip"/></resource_set></rsc_order>`
	for delay, want := range map[string]time.Duration{"2s": 2 * time.Second, "250ms": 250 * time.Millisecond, "3": 3 * time.Second, "1min": time.Minute, "PT2S": 0, "": 0} {
		got := cibWith(t, `<nvpair id="d" name="transition-delay" value="`+delay+`"/>`, resources, constraints, "", "").FailoverSettings()
		if got.TransitionDelay != want || got.Nodes != 3 || !slices.Equal(got.Addresses, []string{"vip"}) || !slices.Equal(got.HAProxy, []string{"ha"}) {
			t.Errorf("%q: %+v", delay, got)
		}
		orders := []string{}
		for _, o := range got.Orders {
			orders = append(orders, fmt.Sprint(o.ID, " ", o.First, " ", o.Then, " ", o.Group))
		}
		if want := "[g vip web true o1 ha vip false o1 ha web false o5 a vip false o5 b vip false]"; fmt.Sprint(orders) != want {
			t.Errorf("orders %v, expected %s", orders, want)
		}
	}
}

// A node is lost that was a member and is none now, unless it was asked to leave.
func TestNodesLostSince(t *testing.T) {
	const up, since = `in_ccm="true" crmd="online" expected="member"`, `in_ccm="1795953000" crmd="1795953001" expected="member"`
	for name, row := range map[string]struct {
		before, now string
		lost        bool
	}{
		"stays":          {up, up, false},
		"lost":           {up, `in_ccm="false" crmd="offline" expected="member"`, true},
		"lost, numbers":  {since, `in_ccm="0" crmd="0" expected="member"`, true},
		"its controller": {up, `in_ccm="true" crmd="offline" expected="member"`, true},
		"lost, unsaid":   {up, `in_ccm="false" crmd="offline"`, true},
		"leaves":         {up, `in_ccm="false" crmd="offline" expected="down"`, false},
		"was away":       {`in_ccm="false" crmd="offline" expected="member"`, `in_ccm="false" crmd="offline" expected="member"`, false},
	} {
		now := cibWith(t, "", "", "", row.now, up)
		if lost := now.LostSince(nil, "n1"); (len(lost) == 1 && lost[0] == "n1") != (row.lost || row.before == row.now && row.now != up) || len(now.LostSince(nil, "")) > 0 {
			t.Errorf("%s: of before nothing is known: %v", name, lost)
		}
		got := now.LostSince(cibWith(t, "", "", "", row.before, up), "n2")
		if slices.Contains(got, "n1") != row.lost || slices.Contains(got, "n2") {
			t.Errorf("%s: lost %v", name, got)
		}
	}
}

// What Pacemaker's own tests have is explained, too: without a contradiction, and without a
// secret.
func TestExplanationsOfSchedulerCases(t *testing.T) {
	cibs, _, _ := corpus(t)
	step := 1
	if testing.Short() {
		step = 4
	}
	kinds := map[string]int{}
	for i, name := range slices.Sorted(maps.Keys(cibs)) {
		if i%step != 0 {
			continue
		}
		cib, err := pacemaker.ParseCIB([]byte(cibs[name]))
		if err != nil {
			continue
		}
		results := cib.Operations()
		for _, n := range []int{0, len(results) / 2, len(results) - 1} {
			if n < 0 || n >= len(results) {
				continue
			}
			run := cluster.Transition{ID: name, Time: results[n].Time, Operations: results, File: "pe-input-1.bz2", DC: "n1", Decisions: []cluster.Consequence{{Action: "move", Resource: results[n].Resource, From: "x", Node: results[n].Node}}}
			e := failover.Explain(failover.Case{ID: name, Run: []cluster.Transition{run}, Results: results, Settings: cib.FailoverSettings()})
			kinds[e.Kind]++
			consistent(t, name, e)
			text, err := json.Marshal(e)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range secretPair.FindAllStringSubmatch(cibs[name], -1) {
				if strings.Contains(string(text), `"`+m[1]+`"`) {
					t.Errorf("%s: a secret in %s", name, text)
				}
			}
		}
	}
	if kinds[failover.KindMove] < 10 || kinds[failover.KindFailure] < 10 {
		t.Errorf("explained %v", kinds)
	}
	t.Log(kinds)
}

// consistent checks that no instant ends before it begins, and no cost is negative.
func consistent(t *testing.T, name string, e failover.Explanation) {
	t.Helper()
	for _, p := range e.Phases {
		for _, i := range []failover.Instant{p.Begin, p.End} {
			if i.Known() && i.Latest.Before(i.Earliest) {
				t.Errorf("%s: %s: %+v", name, p.Name, i)
			}
		}
		if p.Took.MinMS < 0 || p.Took.MaxMS < p.Took.MinMS && p.Took.MaxMS != -1 || len(p.Sources) == 0 {
			t.Errorf("%s: %+v", name, p)
		}
	}
	for _, a := range e.Advice {
		if a.CostMS < 0 || a.Text == "" {
			t.Errorf("%s: %+v", name, a)
		}
	}
}
