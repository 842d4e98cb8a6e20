package pacemaker

import (
	"strings"
	"testing"

	"thalassa/cluster"
)

// A verdictCase is a cluster that is ok but for one thing.
type verdictCase struct {
	change func(v *cluster.Status, x *situation)
	state  string
	reason string
}

// well is a cluster in which HAProxy and its address run.
func well(t *testing.T, policy string) (cluster.Status, situation) {
	t.Helper()
	cib, err := ParseCIB([]byte(`<cib admin_epoch="0" epoch="1" num_updates="1"><configuration><crm_config><cluster_property_set id="p">
		<nvpair id="q" name="no-quorum-policy" value="` + policy + `"/></cluster_property_set></crm_config></configuration></cib>`))
	if err != nil {
		t.Fatal(err)
	}
	on := []cluster.Placement{{Node: "a", State: "started"}}
	v := cluster.Status{
		DC: "a", Quorum: true, Fencing: cluster.Fencing{Enabled: true, Devices: []string{"f"}},
		Nodes: []cluster.Node{{Name: "a", Type: "member", State: "online"}, {Name: "g", Type: "guest", Host: "vm", State: "online"}},
		Resources: []cluster.Resource{
			{ID: "haproxy", Agent: thalassaAgent, State: "started", Managed: true, Places: on},
			{ID: "vip", State: "started", Managed: true, Places: on},
			{ID: "vm", State: "started", Managed: true, Places: on},
		},
		FloatingIPs: []cluster.FloatingIP{{Resource: "vip", Address: "192.0.2.1/24", Node: "a", Nodes: []string{"a"}, HAProxy: true}},
	}
	return v, situation{cib: cib, running: true, withheld: map[string]bool{}}
}

// stop stops a resource of well.
func stop(v *cluster.Status, i int, state string) {
	v.Resources[i].State, v.Resources[i].Places = state, nil
	if v.Resources[i].ID == "vip" {
		v.FloatingIPs[0].Node, v.FloatingIPs[0].Nodes = "", nil
	}
}

func TestVerdict(t *testing.T) {
	for name, tc := range map[string]verdictCase{
		"well":            {func(*cluster.Status, *situation) {}, cluster.StateOK, ""},
		"quorum":          {func(v *cluster.Status, _ *situation) { v.Quorum = false }, cluster.StateDegraded, "no-quorum-policy=ignore"},
		"no DC":           {func(v *cluster.Status, _ *situation) { v.DC = "" }, cluster.StateErrors, "no DC"},
		"no DC in a file": {func(v *cluster.Status, x *situation) { v.DC, x.running = "", false }, cluster.StateOK, ""},
		"a node joins":    {func(v *cluster.Status, _ *situation) { v.Nodes[0].State = "pending" }, cluster.StateChanging, "joins"},
		"a lost guest":    {func(v *cluster.Status, _ *situation) { v.Nodes[1].State = "offline" }, cluster.StateErrors, "node g is offline"},
		"a stopped guest": {func(v *cluster.Status, x *situation) {
			v.Nodes[1].State, x.withheld["vm"] = "offline", true
			stop(v, 2, "disabled")
		}, cluster.StateOK, ""},
		"stopped by nobody": {func(v *cluster.Status, _ *situation) { stop(v, 2, "stopped") }, cluster.StateErrors, "resource vm is stopped"},
		"starting": {func(v *cluster.Status, x *situation) {
			stop(v, 1, "stopped")
			x.next = planned{{Action: "start", Resource: "vip", Node: "a"}}
		}, cluster.StateChanging, "will start vip on a"},
		"no answer": {func(_ *cluster.Status, x *situation) { x.late = true }, cluster.StateDegraded, "scheduler did not answer in time"},
		"cannot start": {func(v *cluster.Status, x *situation) {
			x.next = planned{{Action: cannot + "start", Resource: "vm", Node: "a"}}
		}, cluster.StateErrors, "will not be able to start vm"},
		"cannot start as an operator wants it": {func(v *cluster.Status, x *situation) {
			stop(v, 2, "stopped")
			x.withheld["vm"], x.next = true, planned{{Action: cannot + "start", Resource: "vm", Node: "a"}}
		}, cluster.StateOK, ""},
		"an address is nowhere": {func(v *cluster.Status, _ *situation) { stop(v, 1, "stopped") }, cluster.StateErrors, "192.0.2.1/24 is on no node"},
		"HAProxy's address was stopped": {func(v *cluster.Status, x *situation) {
			stop(v, 1, "disabled")
			x.withheld["vip"], v.Resources[1].Why = true, []string{"its target-role is Stopped"}
		}, cluster.StateMaintenance, "192.0.2.1/24 is on no node: its target-role is Stopped"},
		"another address was stopped": {func(v *cluster.Status, x *situation) {
			stop(v, 1, "disabled")
			x.withheld["vip"], v.FloatingIPs[0].HAProxy = true, false
		}, cluster.StateOK, ""},
		"an unknown address": {func(v *cluster.Status, _ *situation) {
			stop(v, 1, "stopped")
			v.FloatingIPs[0].Address = ""
		}, cluster.StateErrors, "the floating IP of vip is on no node"},
		"two holders": {func(v *cluster.Status, _ *situation) {
			v.Resources = append(v.Resources, cluster.Resource{ID: "other", State: "started", Managed: true, Places: v.Resources[0].Places})
			v.FloatingIPs = append(v.FloatingIPs, cluster.FloatingIP{Resource: "other", Address: "192.0.2.1/25", Node: "a"})
		}, cluster.StateErrors, "vip and other both hold the address 192.0.2.1"},
		"degraded": {func(v *cluster.Status, _ *situation) {
			v.Failures = []cluster.Failure{{Resource: "haproxy", Node: "a", Operation: "monitor", Code: 190, Reason: "old file"}}
		}, cluster.StateDegraded, "resource haproxy on a is degraded: old file"},
		"a failure": {func(v *cluster.Status, _ *situation) {
			v.Failures = []cluster.Failure{{Resource: "haproxy", Node: "a", Operation: "monitor", Code: 1, Meaning: "error"}}
		}, cluster.StateErrors, "monitor of haproxy failed on a: error"},
		"blocked": {func(v *cluster.Status, _ *situation) {
			v.Resources[2].State, v.Resources[2].Managed = "blocked", false
		}, cluster.StateErrors, "resource vm is blocked"},
		"frozen": {func(v *cluster.Status, x *situation) {
			v.Resources[2].State, v.Resources[2].Managed, x.withheld["vm"] = "blocked", false, true
		}, cluster.StateMaintenance, "resource vm is left as it is"},
		"unmanaged": {func(v *cluster.Status, _ *situation) { v.Resources[2].Managed = false }, cluster.StateMaintenance, "vm is not managed"},
	} {
		v, x := well(t, "ignore")
		tc.change(&v, &x)
		state, reasons := assess(v, x)
		if text := strings.Join(reasons, "\n"); state != tc.state || !strings.Contains(text, tc.reason) || len(reasons) > 2 || (state == cluster.StateOK) != (len(reasons) == 0) {
			t.Errorf("%s: state %s, expected %s; %q, expected %q", name, state, tc.state, reasons, tc.reason)
		}
	}
	v, x := well(t, "stop")
	v.Quorum = false
	if state, reasons := assess(v, x); state != cluster.StateNoQuorum {
		t.Errorf("without quorum: %s, %q", state, reasons)
	}
}

// What an operator or a ticket stops is withheld, with what depends on it.
func TestWithheld(t *testing.T) {
	cib, err := ParseCIB([]byte(`<cib admin_epoch="0" epoch="1" num_updates="1"><configuration><resources>
		<template id="kind" class="ocf" provider="heartbeat" type="Dummy"/>
		<group id="g"><primitive id="first"/><primitive id="second"/></group>
		<primitive id="byTicket" template="kind"/><primitive id="byTag"/><primitive id="after"/><primitive id="free"/></resources>
		<tags><tag id="all"><obj_ref id="byTag"/></tag></tags>
		<constraints><rsc_ticket id="t1" rsc="kind" ticket="A"/><rsc_ticket id="t2" rsc="all" ticket="A"/>
		<rsc_order id="o" first="second" then="after"/></constraints></configuration></cib>`))
	if err != nil {
		t.Fatal(err)
	}
	v := cluster.Status{Quorum: true}
	for _, id := range []string{"first", "second", "byTicket", "byTag", "after", "free"} {
		r := cluster.Resource{ID: id, State: "stopped", Managed: true}
		if id == "first" || id == "second" {
			r.In, r.Containers = "g", []string{"g"}
		}
		v.Resources = append(v.Resources, r)
	}
	v.Resources[0].State = "disabled"
	got := explain(&v, cib, nil)
	if len(got) != 5 || got["free"] {
		t.Errorf("withheld %v", got)
	}
}
