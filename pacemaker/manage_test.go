package pacemaker_test

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"thalassa/cluster"
	"thalassa/lb"
	"thalassa/pacemaker"
)

// managed is HAProxy with a management endpoint.
func managed(tb testing.TB) pacemaker.Description {
	tb.Helper()
	return pacemaker.Description{Addresses: prefixes(tb, "192.0.2.10/24"), Manage: netip.MustParsePrefix("192.0.2.20/24")}
}

// apply applies a Description to a CIB in a file, and returns the changes.
func apply(t *testing.T, c *pacemaker.Cluster, d pacemaker.Description) []string {
	t.Helper()
	p, err := c.Plan(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Apply(t.Context(), p, time.Millisecond); err != nil && !cluster.IsKind(err, cluster.KindTimedOut) { // nothing settles in a file
		t.Fatal(err)
	}
	return p.Changes
}

// The endpoint comes and goes with the Description, apart from HAProxy.
func TestManagementEndpoint(t *testing.T) {
	c, _ := onFile(t, "empty.xml")
	changes := strings.Join(apply(t, c, managed(t)), "\n")
	for _, want := range []string{
		"create clone thalassa-agent-clone", "create primitive manage-ip", "create rsc_colocation haproxy-thalassa-manage-with", "create rsc_order haproxy-thalassa-manage-after",
	} {
		if !strings.Contains(changes, want) {
			t.Errorf("the changes lack %q: %s", want, changes)
		}
	}
	if again := apply(t, c, managed(t)); len(again) > 0 {
		t.Errorf("a second time it changes %q", again)
	}
	v, err := c.Now(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, ip := range v.FloatingIPs {
		if ip.HAProxy != (ip.Resource == "vip") {
			t.Errorf("%s belongs to HAProxy: %t", ip.Resource, ip.HAProxy)
		}
	}
	if len(v.FloatingIPs) != 2 {
		t.Errorf("floating IPs: %+v", v.FloatingIPs)
	}

	moved := managed(t)
	moved.Manage, moved.ManagePort = netip.MustParsePrefix("2001:db8::20/64"), 7630
	if changes := strings.Join(apply(t, c, moved), "\n"); !strings.Contains(changes, "2001:db8::20") || !strings.Contains(changes, "7630") || strings.Contains(changes, "haproxy-clone") {
		t.Errorf("another address: %s", changes)
	}
	without := managed(t)
	without.Manage = netip.Prefix{}
	changes = strings.Join(apply(t, c, without), "\n")
	for _, want := range []string{"remove clone thalassa-agent-clone", "remove primitive manage-ip", "remove rsc_colocation haproxy-thalassa-manage-with"} {
		if !strings.Contains(changes, want) {
			t.Errorf("left out, the changes lack %q: %s", want, changes)
		}
	}

	apply(t, c, managed(t))
	p, err := c.PlanDestroy(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"remove clone thalassa-agent-clone", "remove primitive manage-ip", "remove clone haproxy-clone"} {
		if !slices.Contains(p.Changes, id) {
			t.Errorf("destroy lacks %q: %q", id, p.Changes)
		}
	}
}

// Where the agent has failed, the address is not.
func TestManagementEndpointFollowsTheAgent(t *testing.T) {
	c, path := onFile(t, "empty.xml")
	d := managed(t)
	d.Nodes = []string{"n1", "n2"}
	apply(t, c, d)
	tool(t, path, "crm_simulate", "-x", path, "-S", "-O", path)
	where := func() string {
		t.Helper()
		v, err := c.Now(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, ip := range v.FloatingIPs {
			if ip.Resource == "manage-ip" {
				return ip.Node
			}
		}
		return ""
	}
	first := where()
	if first != "n1" && first != "n2" {
		t.Fatalf("the address is on %q", first)
	}
	tool(t, path, "crm_simulate", "-x", path, "-S", "-O", path, "-i", "thalassa-agent_monitor_2000@"+first+"=1")
	if second := where(); second == first || second == "" {
		t.Errorf("after the failure of the agent on %s, the address is on %q", first, second)
	}
}

func TestManagementEndpointIsChecked(t *testing.T) {
	for field, change := range map[string]func(*pacemaker.Description){
		"manage-ip":   func(d *pacemaker.Description) { d.Manage = netip.MustParsePrefix("192.0.2.0/24") },
		"manage-port": func(d *pacemaker.Description) { d.ManagePort = 70000 },
	} {
		d := managed(t)
		change(&d)
		_, err := d.Complete()
		if invalid, ok := errors.AsType[*lb.InvalidError](err); !ok || invalid.Fields[0].Path != field {
			t.Errorf("%s: %v", field, err)
		}
	}
	for _, same := range []string{"192.0.2.10/24", "fe80::1/64", "127.0.0.1/8"} {
		d := managed(t)
		d.Manage = netip.MustParsePrefix(same)
		if _, err := d.Complete(); err == nil {
			t.Errorf("%s is accepted", same)
		}
	}
	// Another resource has the address.
	c, _ := onFile(t, "failed.xml")
	d := managed(t)
	d.Name, d.Manage = "edge", netip.MustParsePrefix("10.77.0.100/24")
	d.Parameters = map[string]string{"config": "/x", "stats_socket": "/s", "master_socket": "/m", "pidfile": "/p", "startup_log": "/l"}
	if _, err := c.Plan(t.Context(), d); !errors.As(err, new(*lb.ConflictError)) || !strings.Contains(err.Error(), "10.77.0.100") {
		t.Errorf("an address in use: %v", err)
	}
}
