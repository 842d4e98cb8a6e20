package config_test

import (
	"slices"
	"testing"

	"thalassa/cluster"
	"thalassa/cluster/cibxml"
	"thalassa/cluster/config"
)

const related = `<configuration>
  <nodes><node id="1" uname="n1"/></nodes>
  <resources>
    <template id="base" class="ocf" provider="pacemaker" type="Stateful"><meta_attributes id="bm"><nvpair id="bm1" name="priority" value="7"/></meta_attributes></template>
    <clone id="c"><meta_attributes id="cm"><nvpair id="cm1" name="promotable" value="true"/><nvpair id="cm2" name="target-role" value="Stopped"/></meta_attributes>
      <group id="g"><meta_attributes id="gm"><nvpair id="gm1" name="target-role" value="Started"/></meta_attributes>
        <primitive id="db" template="base"><instance_attributes id="dp"><nvpair id="dp1" name="passwd" value="topsecret7"/></instance_attributes></primitive>
        <primitive id="ip" class="ocf" provider="heartbeat" type="IPaddr2"/></group></clone>
    <primitive id="other" class="ocf" provider="pacemaker" type="Dummy"/>
  </resources>
  <constraints>
    <rsc_location id="l-self" rsc="db" node="n1" score="5"/>
    <rsc_location id="cli-ban-c-on-n1" rsc="c" node="N1" score="-INFINITY"/>
    <rsc_location id="l-pattern" rsc-pattern="^d.$"><rule id="r" score="1"><expression id="x" attribute="#uname" operation="eq" value="n1"/></rule></rsc_location>
    <rsc_location id="l-sibling" rsc="ip" node="n2" score="1"/>
    <rsc_colocation id="co" rsc="other" with-rsc="c" score="INFINITY"/>
    <rsc_order id="o"><resource_set id="s"><resource_ref id="marked"/><resource_ref id="other"/></resource_set></rsc_order>
    <rsc_ticket id="t" rsc="other" ticket="T"/>
  </constraints>
  <tags><tag id="marked"><obj_ref id="g"/></tag><tag id="own"><obj_ref id="db"/></tag></tags>
  <rsc_defaults><meta_attributes id="rd"><nvpair id="rd1" name="resource-stickiness" value="100"/><nvpair id="rd2" name="priority" value="1"/></meta_attributes>
    <meta_attributes id="night"><rule id="nr"/><nvpair id="n1" name="is-managed" value="false"/></meta_attributes></rsc_defaults>
</configuration>`

func TestDescriptionOfAResource(t *testing.T) {
	configuration, err := cibxml.Parse([]byte(related))
	if err != nil {
		t.Fatal(err)
	}
	d, found := config.Describe(configuration, "db")
	if !found || d.Kind != config.Primitives || !d.Promotable || !slices.Equal(d.Containers, []string{"c", "g"}) || !slices.Equal(d.Primitives, []string{"db"}) || !slices.Equal(d.Tags, []string{"own"}) {
		t.Errorf("%t %+v", found, d)
	}
	for name, want := range map[string]string{"target-role": "Started", "priority": "7", "resource-stickiness": "100", "promotable": "true", "is-managed": ""} {
		if d.Meta[name] != want {
			t.Errorf("%s is %q, expected %q", name, d.Meta[name], want)
		}
	}
	through := map[string]string{}
	for _, c := range d.Constraints {
		through[c.Object["id"].(string)] = c.Through
	}
	want := map[string]string{"l-self": "", "cli-ban-c-on-n1": "c", "l-pattern": "", "co": "c", "o": "marked"}
	if len(through) != len(want) {
		t.Errorf("constraints %v, expected %v", through, want)
	}
	for id, by := range want {
		if got, has := through[id]; !has || got != by {
			t.Errorf("%s: through %q (%t), expected %q", id, got, has, by)
		}
	}
	if d, _ = config.Describe(configuration, "c"); d.Kind != config.Clones || !slices.Equal(d.Primitives, []string{"db", "ip"}) || len(d.Constraints) != 6 {
		t.Errorf("the clone: %+v", d)
	}
	for _, id := range []string{"base", "n1", "l-self", "cm", "", "gone"} {
		if d, found := config.Describe(configuration, id); found {
			t.Errorf("%q is no resource: %+v", id, d)
		}
	}
	var at []string
	for _, l := range config.LocationsOf(configuration, "n1") {
		at = append(at, l.Object["id"].(string))
	}
	if !slices.Equal(at, []string{"l-self", "cli-ban-c-on-n1", "l-pattern"}) {
		t.Errorf("locations of n1: %v", at)
	}
}

func TestOffersOfAResource(t *testing.T) {
	on := func(roles ...string) []cluster.Resource {
		r := cluster.Resource{}
		for _, role := range roles {
			r.Places = append(r.Places, cluster.Placement{Node: "n1", State: "started", Role: role})
		}
		return []cluster.Resource{r}
	}
	always := []string{cluster.Move, cluster.KeepOff, cluster.Cleanup, cluster.Refresh}
	for name, tc := range map[string]struct {
		state     config.ResourceState
		has, lack []string
	}{
		"runs":           {config.ResourceState{Resources: on("started")}, []string{"stop", "restart", "maintenance", "unmanage"}, []string{"start", "promote", "demote", "clear", "ready", "manage"}},
		"runs nowhere":   {config.ResourceState{Resources: on()}, []string{"start"}, []string{"stop", "restart"}},
		"should run":     {config.ResourceState{Resources: on(), Meta: map[string]string{"target-role": "Started"}}, []string{"stop"}, []string{"start"}},
		"should stop":    {config.ResourceState{Resources: on("started"), Meta: map[string]string{"target-role": "stopped"}}, []string{"start"}, []string{"stop", "restart"}},
		"promoted":       {config.ResourceState{Resources: on("promoted", "unpromoted"), Promotable: true}, []string{"demote", "promote", "stop"}, nil},
		"all unpromoted": {config.ResourceState{Resources: on("unpromoted"), Promotable: true}, []string{"promote"}, []string{"demote"}},
		"no roles":       {config.ResourceState{Resources: on("unpromoted")}, nil, []string{"promote", "demote"}},
		"left alone":     {config.ResourceState{Meta: map[string]string{"maintenance": "yes", "is-managed": "off"}, Moved: true}, []string{"ready", "manage", "clear"}, []string{"maintenance", "unmanage"}},
	} {
		got := config.ResourceOffers(tc.state)
		for _, a := range append(tc.has, always...) {
			if !slices.Contains(got, a) {
				t.Errorf("%s: %s is not offered: %v", name, a, got)
			}
		}
		for _, a := range tc.lack {
			if slices.Contains(got, a) {
				t.Errorf("%s: %s is offered: %v", name, a, got)
			}
		}
	}
}

func TestOffersOfANode(t *testing.T) {
	fenced := cluster.Status{Fencing: cluster.Fencing{Enabled: true, Devices: []string{"f"}}}
	for name, tc := range map[string]struct {
		status     cluster.Status
		node       cluster.Node
		attributes map[string]string
		want       []string
	}{
		"online":      {fenced, cluster.Node{State: "online"}, nil, []string{"standby", "maintenance", "cleanup", "refresh", "fence", "shutdown"}},
		"no fencing":  {cluster.Status{}, cluster.Node{State: "online"}, nil, []string{"standby", "maintenance", "cleanup", "refresh", "shutdown"}},
		"standby":     {fenced, cluster.Node{State: "standby"}, nil, []string{"online", "maintenance", "cleanup", "refresh", "fence", "shutdown"}},
		"both":        {fenced, cluster.Node{State: "standby"}, map[string]string{"maintenance": "true", "standby": "on"}, []string{"online", "ready", "cleanup", "refresh", "fence", "shutdown"}},
		"lost":        {fenced, cluster.Node{State: "unclean"}, nil, []string{"standby", "maintenance", "cleanup", "refresh", "fence", "clearstate"}},
		"down":        {fenced, cluster.Node{State: "offline", Type: "member"}, nil, []string{"standby", "maintenance", "cleanup", "refresh", "fence", "clearstate", "startup"}},
		"guest":       {fenced, cluster.Node{State: "online", Type: "guest"}, nil, []string{"cleanup", "refresh"}},
		"remote node": {fenced, cluster.Node{State: "online", Type: "remote"}, nil, []string{"standby", "maintenance", "cleanup", "refresh", "fence"}},
	} {
		if got := config.NodeOffers(tc.status, tc.node, tc.attributes); !slices.Equal(got, tc.want) {
			t.Errorf("%s: %v, expected %v", name, got, tc.want)
		}
	}
}
