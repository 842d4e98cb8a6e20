package lb_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"thalassa/lb"
)

func instanceAt(id, host, version, status string) lb.Instance {
	return lb.Instance{
		ID: id, Node: "n", Address: lb.HostPort{Host: lb.Host(host), Port: 80}, Version: lb.Version(version), Weight: 1,
		Status: status, Healthy: status == "passing",
	}
}

// Everything of a service is either used or listed with a reason.
func TestUnused(t *testing.T) {
	t.Parallel()
	refused := instanceAt("f", "10.0.0.6", "1", "passing")
	refused.Healthy, refused.Refused = false, "its address administers this node"
	tagged := instanceAt("t", "10.0.0.9", "", "passing")
	tagged.Tags = []string{"blue", "x\ny"}
	service := lb.Service{
		Name: "web",
		Instances: []lb.Instance{
			instanceAt("a", "10.0.0.1", "1", "passing"), instanceAt("b", "10.0.0.2", "1", "critical"), instanceAt("c", "10.0.0.3", "1", "warning"),
			instanceAt("d", "10.0.0.4", "1", "maintenance"), instanceAt("e", "10.0.0.5", "2", "passing"), refused,
			instanceAt("g", "10.0.0.1", "1", "passing"), instanceAt("h", "10.0.0.7", "1", "passing"), tagged,
			instanceAt("i", "10.0.0.10", "", "passing"),
		},
		Faults: []lb.Fault{
			{ID: "b", Node: "n", Checks: []lb.Check{{ID: "w", Status: "warning"}, {ID: "c", Name: "http", Status: "critical", Output: "connect:\nrefused"}}},
			{ID: "i", Node: "n", Version: "1 0", Problem: `version: "1 0" is bad`},
			{ID: "z", Node: "n", Address: "10.0.0.8:0", Problem: "port: 0 is not a port"},
		},
	}
	b := lb.Backend{Key: "live", Type: "dynamic", Service: "web", Version: "1"}
	snap := lb.Snapshot{Services: map[lb.Name]lb.Service{"web": service}}
	health := []lb.ServerHealth{
		{Address: lb.HostPort{Host: "10.0.0.1", Port: 80}, Status: "UP 1/3", Check: "L4CON"},
		{Address: lb.HostPort{Host: "10.0.0.7", Port: 80}, Status: "DOWN", Check: "L7STS", Code: 503, Output: "Service Unavailable"},
	}
	var got []string
	for _, u := range lb.Populate(b, snap).Unused(snap, health) {
		got = append(got, fmt.Sprintf("%s %s: %s", u.Kind, u.ID, u.Reason))
	}
	want := []string{
		"invalid z: port: 0 is not a port",
		"haproxy h: HAProxy finds it down: L7STS 503 (error response): Service Unavailable",
		`consul b: check "http" is critical: connect: refused (and 1 more)`,
		"consul c: Consul's status is warning; that is not accepted (setting accept-warning)",
		"consul d: Consul's status is maintenance",
		"refused f: its address administers this node",
		"duplicate g: instance a has the same address",
		`invalid i: version: "1 0" is bad`,
		"version e: has version 2; the backend uses 1",
		"version t: has no version, and the tags blue, x y; the backend uses 1",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if why := service.WhyNone([]lb.Version{"1"}); !strings.HasPrefix(why, `b on n: check "http" is critical`) || !strings.Contains(why, "z on n: port: 0") {
		t.Errorf("why: %s", why)
	}
	if why := service.WhyNone([]lb.Version{"2"}); strings.Contains(why, "b on n") {
		t.Errorf("why not 2: %s", why)
	}
}

// HAProxy's word is understood in every form that it has (show stat, "status").
func TestServerHealth(t *testing.T) {
	t.Parallel()
	for status, want := range map[string]string{
		"UP": "up", "UP 1/3": "up", "no check": "up", "": "up", "unknown": "up", "DOWN": "down", "DOWN 1/2": "down", "DOWN (agent)": "down",
		"NOLB": "drain", "NOLB 1/2": "drain", "DRAIN": "drain", "DRAIN (agent)": "drain", "MAINT": "maint", "MAINT (via web/a)": "maint", "MAINT (resolution)": "maint",
	} {
		h := lb.ServerHealth{Status: status}
		var got strings.Builder
		for word, is := range map[string]bool{"up": h.IsUp(), "down": h.IsDown(), "drain": h.IsDraining(), "maint": h.IsMaintenance()} {
			if is {
				got.WriteString(word)
			}
		}
		if got.String() != want || h.IsUp() != (h.Reason() == "") {
			t.Errorf("%q is %q (%s), want %q", status, got.String(), h.Reason(), want)
		}
	}
	for _, code := range []string{"UNK", "INI", "SOCKERR", "L4OK", "L4TOUT", "L4CON", "L6OK", "L6TOUT", "L6RSP", "L7OK", "L7OKC", "L7TOUT", "L7RSP", "L7STS", "PROCERR", "PROCTOUT", "PROCOK", "* L4CON"} {
		if lb.CheckMeaning(code) == "" {
			t.Errorf("%s is not explained", code)
		}
	}
}
