package lb_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"thalassa/lb"
)

func TestClusterEpoch(t *testing.T) {
	for _, bad := range []string{"", "1", "1:2", "1:2:3:4", "a:b:c", "-1:0:0", "1:2: 3", "1:2:99999999999999999999"} {
		if e, err := lb.ParseClusterEpoch(bad); err == nil {
			t.Errorf("%q is taken for %s", bad, e)
		}
	}
	e, err := lb.ParseClusterEpoch("1:20:300")
	if err != nil || e != (lb.ClusterEpoch{Admin: 1, Epoch: 20, Updates: 300}) || e.String() != "1:20:300" || e.Configuration() != "1:20" {
		t.Errorf("%+v, %v", e, err)
	}
	ascending := []string{"0:0:0", "0:0:1", "0:0:10", "0:1:0", "0:9:9", "1:0:0"}
	for i := range ascending[1:] {
		a, _ := lb.ParseClusterEpoch(ascending[i])
		b, _ := lb.ParseClusterEpoch(ascending[i+1])
		if a.Compare(b) >= 0 || b.Compare(a) <= 0 {
			t.Errorf("%s is not older than %s", a, b)
		}
	}
	data, err := json.Marshal(e)
	var back lb.ClusterEpoch
	if err != nil || json.Unmarshal(data, &back) != nil || back != e || string(data) != `"1:20:300"` {
		t.Errorf("%s, %v, %s", data, err, back)
	}
	if err := json.Unmarshal([]byte(`"nonsense"`), &back); err == nil {
		t.Error("nonsense is an epoch")
	}
}

func TestSentences(t *testing.T) {
	got := lb.Sentences([]lb.Consequence{
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
	if none := lb.Sentences(nil); none == nil || len(none) != 0 {
		t.Errorf("%#v", none)
	}
}

func TestClusterActionSaysWhatItNeeds(t *testing.T) {
	sound := []lb.ClusterAction{
		{Kind: lb.Standby, Node: "n1"},
		{Kind: lb.Online, Node: "n1"},
		{Kind: lb.Fence, Node: "n1"},
		{Kind: lb.Move, Node: "n1"},
		{Kind: lb.Move, Node: "n1", Resource: "vip"},
		{Kind: lb.Maintain},
		{Kind: lb.Maintain, Node: "n1"},
		{Kind: lb.EndMaintain, Resource: "vip"},
		{Kind: lb.Cleanup},
		{Kind: lb.Cleanup, Node: "n1", Resource: "vip"},
		{Kind: lb.StartIt, Resource: "vip"},
		{Kind: lb.StopIt, Resource: "vip"},
	}
	kinds := map[string]bool{}
	for _, a := range sound {
		kinds[a.Kind] = true
		if err := a.Check(); err != nil {
			t.Errorf("%+v: %v", a, err)
		}
	}
	for _, kind := range lb.ClusterActionKinds() {
		if !kinds[kind] {
			t.Errorf("%s has no example", kind)
		}
	}
	for field, a := range map[string]lb.ClusterAction{
		"action":   {Kind: "explode"},
		"node":     {Kind: lb.Standby},
		"resource": {Kind: lb.StopIt},
		"node ":    {Kind: lb.StopIt, Resource: "vip", Node: "n1"},
		"node  ":   {Kind: lb.Move, Node: "-n"},
		"node   ":  {Kind: lb.Move, Node: "a b"},
	} {
		invalid, ok := errors.AsType[*lb.InvalidError](a.Check())
		if !ok || invalid.Fields[0].Path != strings.TrimSpace(field) {
			t.Errorf("%+v: %v", a, invalid)
		}
	}
}

func TestClusterErrorTellsItsMeaning(t *testing.T) {
	err := error(&lb.ClusterError{Tool: "crm_resource", Kind: lb.ClusterForbidden, Code: 4, Said: "Permission denied"})
	if got := err.Error(); got != "crm_resource: permission denied; it takes root, or the group haclient: Permission denied (exit code 4)" {
		t.Error(got)
	}
	wrapped := errors.Join(errors.New("standby"), err)
	if !lb.IsCluster(wrapped, lb.ClusterForbidden) || lb.IsCluster(wrapped, lb.ClusterStale) || lb.IsCluster(nil, lb.ClusterForbidden) {
		t.Error("its kind is not found")
	}
}
