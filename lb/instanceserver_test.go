package lb_test

import (
	"fmt"
	"slices"
	"testing"

	"thalassa/lb"
)

// What HAProxy says of an instance is said for each backend that has it, with who asked
// for that.
func TestServersOfInstances(t *testing.T) {
	t.Parallel()
	service := lb.Service{Name: "web", Instances: []lb.Instance{instanceAt("a", "10.0.0.1", "1", "passing"), instanceAt("b", "10.0.0.2", "2", "passing"), instanceAt("c", "10.0.0.1", "3", "passing")}}
	first, second := service.Instances[0].Address, service.Instances[1].Address
	in := lb.Intent{Backends: map[lb.Name]lb.Backend{
		"live":   {Key: "live", Type: "dynamic", Service: "web", Version: "1"},
		"all":    {Key: "all", Type: "dynamic", Service: "web", Versions: lb.Split{{"1", 50}, {"2", 50}}},
		"drain":  {Key: "drain", Type: "dynamic", Service: "web", Version: "1"},
		"other":  {Key: "other", Type: "dynamic", Service: "till", Version: "1"},
		"static": {Key: "static", Type: "static"},
	}}
	snap := lb.Snapshot{
		Services: map[lb.Name]lb.Service{"web": service},
		Overrides: lb.NewOverrides([]lb.Override{
			{Backend: "all", Member: second, State: lb.StateMaint, Reason: "new\ndisk", Origin: lb.Origin{Author: "ops"}},
			{Backend: "drain", Member: first, State: lb.StateDrain, Reason: "new disk"},
			{Backend: "all", Member: first, State: lb.StateReady, Weight: lb.Weighting{IsSet: true, Value: 5}},
		}),
	}
	health := map[lb.Name][]lb.ServerHealth{
		"live":   {{Address: first, Status: "DOWN", Check: "L4CON", Output: "Connection refused"}, {Address: second, Status: "DOWN"}},
		"all":    {{Address: first, Status: "UP"}, {Address: second, Status: "MAINT"}},
		"drain":  {{Address: first, Status: "UP"}},
		"other":  {{Address: first, Status: "DOWN"}},
		"static": {{Address: first, Status: "DOWN"}},
	}
	servers := lb.ServersOf("web", in, snap, func(b lb.Name) []lb.ServerHealth { return health[b] })
	for i, want := range [][]string{
		{"all UP: ", "drain UP: it has weight 0, so it gets only requests of sessions that it has; an operator asked for drain: new disk", "live DOWN: HAProxy finds it down: L4CON (connection failed): Connection refused"},
		{"all MAINT: HAProxy has it in maintenance (MAINT); ops asked for maint: new disk"},
		nil, // which only has the address of the first
	} {
		var got []string
		for _, s := range servers[i] {
			got = append(got, fmt.Sprintf("%s %s: %s", s.Backend, s.Status, s.Reason()))
		}
		if !slices.Equal(got, want) {
			t.Errorf("instance %d: %q, want %q", i, got, want)
		}
	}
	if down := lb.Populate(in.Backends["live"], snap).Unused(snap, health["live"])[0]; down.ID != "a" || down.HAProxy == nil {
		t.Errorf("the member that is down is %+v", down)
	}
	for _, known := range [][]lb.ServerHealth{health["drain"], nil} {
		list := lb.Populate(in.Backends["drain"], snap).Unused(snap, known)
		if len(list) != 3 || list[0].ID != "a" || list[0].Kind != lb.UnusedWeight || (list[0].HAProxy == nil) != (known == nil) {
			t.Errorf("of a drained member, with %v: %+v", known, list)
		}
	}
	unused := lb.Populate(in.Backends["all"], snap).Unused(snap, health["all"])
	if len(unused) != 2 || unused[0].ID != "b" || unused[0].Reason != "HAProxy has it in maintenance (MAINT); ops asked for maint: new disk" {
		t.Errorf("unused %+v", unused)
	}
}
