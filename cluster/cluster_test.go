package cluster_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"thalassa/cluster"
	"thalassa/lb"
)

func TestClusterEpoch(t *testing.T) {
	for _, bad := range []string{"", "1", "1:2", "1:2:3:4", "a:b:c", "-1:0:0", "1:2: 3", "1:2:99999999999999999999"} {
		if e, err := cluster.ParseEpoch(bad); err == nil {
			t.Errorf("%q is taken for %s", bad, e)
		}
	}
	e, err := cluster.ParseEpoch("1:20:300")
	if err != nil || e != (cluster.Epoch{Admin: 1, Epoch: 20, Updates: 300}) || e.String() != "1:20:300" || e.Configuration() != "1:20" {
		t.Errorf("%+v, %v", e, err)
	}
	ascending := []string{"0:0:0", "0:0:1", "0:0:10", "0:1:0", "0:9:9", "1:0:0"}
	for i := range ascending[1:] {
		a, _ := cluster.ParseEpoch(ascending[i])
		b, _ := cluster.ParseEpoch(ascending[i+1])
		if a.Compare(b) >= 0 || b.Compare(a) <= 0 {
			t.Errorf("%s is not older than %s", a, b)
		}
	}
	data, err := json.Marshal(e)
	var back cluster.Epoch
	if err != nil || json.Unmarshal(data, &back) != nil || back != e || string(data) != `"1:20:300"` {
		t.Errorf("%s, %v, %s", data, err, back)
	}
	if err := json.Unmarshal([]byte(`"nonsense"`), &back); err == nil {
		t.Error("nonsense is an epoch")
	}
}

func TestSentences(t *testing.T) {
	got := cluster.Summarize([]cluster.Consequence{
		{Action: "fence", Node: "c"},
		{Action: "start", Resource: "haproxy", Node: "b"},
		{Action: "start", Resource: "haproxy", Node: "a"},
		{Action: "move", Resource: "vip", From: "a", Node: "b"},
		{Action: "stop", Resource: "haproxy", Node: "c", Reason: "node availability"},
	})
	want := []string{"will fence node c", "will start haproxy on a, b", "will move vip from a to b", "will stop haproxy on c"}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if none := cluster.Summarize(nil); none == nil || len(none) != 0 {
		t.Errorf("%#v", none)
	}
}

func TestClusterActionSaysWhatItNeeds(t *testing.T) {
	sound := []cluster.Action{
		{Kind: cluster.Standby, Node: "n1"},
		{Kind: cluster.Online, Node: "n1"},
		{Kind: cluster.Fence, Node: "n1"},
		{Kind: cluster.Move, Node: "n1"},
		{Kind: cluster.Move, Node: "n1", Resource: "vip"},
		{Kind: cluster.StartMaintenance},
		{Kind: cluster.StartMaintenance, Node: "n1"},
		{Kind: cluster.EndMaintenance, Resource: "vip"},
		{Kind: cluster.Cleanup},
		{Kind: cluster.Cleanup, Node: "n1", Resource: "vip"},
		{Kind: cluster.Start, Resource: "vip"},
		{Kind: cluster.Stop, Resource: "vip"},
		{Kind: cluster.Restart, Resource: "vip"},
		{Kind: cluster.Promote, Resource: "db"},
		{Kind: cluster.Demote, Resource: "db"},
		{Kind: cluster.KeepOff, Resource: "vip", Node: "n1"},
		{Kind: cluster.Clear, Resource: "vip"},
		{Kind: cluster.Clear, Resource: "vip", Node: "n1"},
		{Kind: cluster.Manage, Resource: "vip"},
		{Kind: cluster.Unmanage, Resource: "vip"},
		{Kind: cluster.Refresh},
		{Kind: cluster.Refresh, Resource: "vip", Node: "n1"},
		{Kind: cluster.ClearState, Node: "n1"},
		{Kind: cluster.Standby, Ticket: "T"},
		{Kind: cluster.Grant, Ticket: "T"},
		{Kind: cluster.Revoke, Ticket: "T"},
		{Kind: cluster.Activate, Ticket: "T"},
		{Kind: cluster.Startup},
		{Kind: cluster.Shutdown, Node: "n1"},
		{Kind: cluster.Leave, Node: "n1"},
		{Kind: cluster.Forget, Nodes: []string{"n1", "n2"}, Down: true},
	}
	kinds := map[string]bool{}
	for _, a := range sound {
		kinds[a.Kind] = true
		if err := a.Check(); err != nil {
			t.Errorf("%+v: %v", a, err)
		}
	}
	for _, kind := range cluster.ActionKinds() {
		if !kinds[kind] {
			t.Errorf("%s has no example", kind)
		}
	}
	for field, a := range map[string]cluster.Action{
		"action":    {Kind: "explode"},
		"node":      {Kind: cluster.Standby},
		"resource":  {Kind: cluster.Stop},
		"node ":     {Kind: cluster.Stop, Resource: "vip", Node: "n1"},
		"nodes":     {Kind: cluster.Forget},
		"nodes ":    {Kind: cluster.Leave, Node: "n1", Nodes: []string{"n2"}},
		"nodes[1]":  {Kind: cluster.Forget, Nodes: []string{"n1", "n1"}},
		"nodes[0]":  {Kind: cluster.Forget, Nodes: []string{"-n1"}},
		"down":      {Kind: cluster.Shutdown, Down: true},
		"node  ":    {Kind: cluster.Move, Node: "-n"},
		"node   ":   {Kind: cluster.Move, Node: "a b"},
		"node    ":  {Kind: cluster.Standby, Node: "n1", Ticket: "T"},
		"ticket":    {Kind: cluster.Grant},
		"ticket ":   {Kind: cluster.Stop, Resource: "vip", Ticket: "T"},
		"resource ": {Kind: cluster.KeepOff, Node: "n1"},
	} {
		invalid, ok := errors.AsType[*lb.InvalidError](a.Check())
		if !ok || invalid.Fields[0].Path != strings.TrimSpace(field) {
			t.Errorf("%+v: %v", a, invalid)
		}
	}
}

// A body that is no action is refused with the name of its bad field, for each kind.
func TestParseActionNamesTheBadField(t *testing.T) {
	for _, c := range []struct{ kind, body, words string }{
		{cluster.Forget, `{"noeds": ["n1"]}`, "noeds: is not a field of an action, expected nodes, down or wait"},
		{cluster.Forget, `{"nodes": "n1"}`, "nodes: has a wrong type (string), expected a list of strings"},
		{cluster.Forget, `{"nodes": ["n1"], "down": "yes"}`, "down: has a wrong type (string), expected true or false"},
		{cluster.Forget, `[]`, "body: is not an action, expected an object with the list nodes"},
		{cluster.Forget, `{`, "body: is not an action"},
		{cluster.Leave, `{"noed": "n1"}`, "noed: is not a field of an action, expected node, resource, ticket or wait"},
		{cluster.Leave, `{"node": 1}`, "node: has a wrong type (number), expected a string"},
		{cluster.Leave, `{"node": "n1", "wait": 5}`, "wait: has a wrong type (number), expected a string"},
		{cluster.Leave, `7`, "body: is not an action"},
	} {
		_, err := cluster.ParseAction(c.kind, []byte(c.body))
		if !errors.As(err, new(*lb.InvalidError)) || !strings.Contains(err.Error(), c.words) {
			t.Errorf("%s %s: %v, expected %q", c.kind, c.body, err, c.words)
		}
	}
	if a, err := cluster.ParseAction(cluster.Forget, []byte(`{"nodes": ["n1"], "down": true, "wait": "1m"}`)); err != nil || len(a.Nodes) != 1 || !a.Down {
		t.Errorf("%+v, %v", a, err)
	}
}

func TestClusterErrorTellsItsMeaning(t *testing.T) {
	err := error(&cluster.Error{Tool: "crm_resource", Kind: cluster.KindForbidden, Code: 4, Said: "Permission denied"})
	if got := err.Error(); got != "crm_resource: permission denied; root or membership in the group haclient is required: Permission denied (exit code 4)" {
		t.Error(got)
	}
	wrapped := errors.Join(errors.New("standby"), err)
	if !cluster.IsKind(wrapped, cluster.KindForbidden) || cluster.IsKind(wrapped, cluster.KindStale) || cluster.IsKind(nil, cluster.KindForbidden) {
		t.Error("its kind is not found")
	}
}
