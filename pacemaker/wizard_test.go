package pacemaker_test

import (
	"errors"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"thalassa/cluster"
	"thalassa/cluster/cibxml"
	"thalassa/cluster/config"
	"thalassa/cluster/wizard"
	"thalassa/internal/testkit"
	"thalassa/lb"
	"thalassa/pacemaker"
)

// TestHAProxyEditsAreThePlan compares what a wizard adds with what Apply writes.
func TestHAProxyEditsAreThePlan(t *testing.T) {
	for _, h := range []wizard.HAProxy{
		{Addresses: []string{"192.0.2.10/24"}},
		{Addresses: []string{"192.0.2.10/24", "2001:db8::5/64"}, Name: "edge", Order: "mandatory", Prefer: []string{"n2"}, Interface: "eth0"},
		{Addresses: []string{"192.0.2.10/24"}, Manage: "192.0.2.20/24", ManagePort: "7630"},
		{Addresses: []string{"192.0.2.10/24"}, Topology: "group", Parameters: map[string]string{"config": "/etc/x.cfg"}},
	} {
		for _, hasOptions := range []bool{true, false} {
			c, path := checked(t)
			if !hasOptions {
				withoutOptions(t, path)
			}
			before, err := c.Query(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			edits, err := c.HAProxyEdits(before.Configuration(), h)
			if err != nil {
				t.Errorf("%+v: %v", h, err)
				continue
			}
			byEdits := before.Configuration().Clone()
			if err := config.Apply(byEdits, "0:1", edits); err != nil {
				t.Errorf("%+v: the edits are refused: %v", h, err)
				continue
			}
			d := pacemaker.Description{Name: h.Name, Addresses: prefixes(t, h.Addresses...), Order: h.Order, Prefer: h.Prefer, Interface: h.Interface, Topology: h.Topology, Parameters: h.Parameters}
			if h.Manage != "" {
				d.Manage, d.ManagePort = netip.MustParsePrefix(h.Manage), 7630
			}
			plan, err := c.Plan(t.Context(), d)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := c.Apply(t.Context(), plan, time.Millisecond); !cluster.IsKind(err, cluster.KindTimedOut) { // nothing settles in a file
				t.Fatal(err)
			}
			after, err := c.Query(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if found := config.Differences(after.Configuration(), byEdits); len(found) > 0 || len(edits) < 2 {
				t.Errorf("%+v: the edits make something else: %+v", h, found)
			}
			// What exists is not replaced, also not by the same.
			_, err = c.HAProxyEdits(after.Configuration(), wizard.HAProxy{Name: h.Name, Addresses: []string{"192.0.2.77/24"}})
			if invalid, ok := errors.AsType[*lb.InvalidError](err); !ok || invalid.Fields[0].Path != "name" {
				t.Errorf("%+v again: %v", h, err)
			}
		}
	}
}

// withoutOptions removes the options from the CIB in a file.
func withoutOptions(t *testing.T, path string) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	root, err := cibxml.Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	root.Child("configuration", "crm_config").Children = nil
	if err := os.WriteFile(path, root.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestHAProxyEditsRefuse(t *testing.T) {
	configuration, err := cibxml.Parse([]byte(`<configuration><nodes><node id="1" uname="lb1"/></nodes><resources>
		<primitive id="haproxy-clone" class="ocf" provider="pacemaker" type="Dummy"/>
		<primitive id="a" class="ocf" provider="heartbeat" type="IPaddr2"><instance_attributes id="i"><nvpair id="p" name="ip" value="192.0.2.9"/></instance_attributes></primitive>
		</resources></configuration>`))
	if err != nil {
		t.Fatal(err)
	}
	c, _ := checked(t)
	for _, q := range []struct {
		field, text string
		h           wizard.HAProxy
	}{
		{"name", `"haproxy-clone" is the id of a primitive`, wizard.HAProxy{Addresses: []string{"192.0.2.10/24"}}},
		{"name", "a letter", wizard.HAProxy{Name: "9", Addresses: []string{"192.0.2.10/24"}}},
		{"ip", "prefix length", wizard.HAProxy{Name: "x", Addresses: []string{"192.0.2.10"}}},
		{"ip", "is missing", wizard.HAProxy{Name: "x"}},
		{"ip", "set twice", wizard.HAProxy{Name: "x", Addresses: []string{"192.0.2.10/24", "192.0.2.10/24"}}},
		{"ip", "first or last", wizard.HAProxy{Name: "x", Addresses: []string{"192.0.2.255/24"}}},
		{"topology", "clone or group", wizard.HAProxy{Name: "x", Topology: "y", Addresses: []string{"192.0.2.10/24"}}},
		{"nodes", "lb1", wizard.HAProxy{Name: "x", Nodes: []string{"lb9"}, Addresses: []string{"192.0.2.10/24"}}},
		{"parameters.nope", "one of", wizard.HAProxy{Name: "x", Addresses: []string{"192.0.2.10/24"}, Parameters: map[string]string{"nope": "1"}}},
	} {
		_, err := c.HAProxyEdits(configuration, q.h)
		invalid, ok := errors.AsType[*lb.InvalidError](err)
		if !ok || !slices.ContainsFunc(invalid.Fields, func(f lb.FieldError) bool { return f.Path == q.field && strings.Contains(f.Error(), q.text) }) {
			t.Errorf("%+v: %v, expected %s: %s", q.h, err, q.field, q.text)
		}
	}
	_, err = c.HAProxyEdits(configuration, wizard.HAProxy{Name: "x", Addresses: []string{"192.0.2.9/24"}})
	if conflict, ok := errors.AsType[*lb.ConflictError](err); !ok || conflict.ID != "resource/a" {
		t.Errorf("an address that is taken: %v", err)
	}
}

// TestPacemakerTakesWhatWizardsMake has the agents' own metadata, and Pacemaker's check and
// scheduler.
func TestPacemakerTakesWhatWizardsMake(t *testing.T) {
	c, path := onFile(t, "empty.xml")
	with(t, path, "resources", `<group id="shop"><primitive id="app" class="ocf" provider="pacemaker" type="Dummy"/></group>
		<clone id="db"><meta_attributes id="m"><nvpair id="m1" name="promotable" value="true"/></meta_attributes><primitive id="data" class="ocf" provider="pacemaker" type="Stateful"/></clone>`)
	agents := pacemaker.NewAgents(pacemaker.New(pacemaker.Config{}), time.Now)
	cib, err := c.Query(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, q := range []struct {
		name   string
		values wizard.Values
		change string // one of those that Pacemaker's tools find
	}{
		{"floating-ip", wizard.Values{"ip": "192.0.2.10/24", "group": "shop"}, "add primitives/vip"},
		{"floating-ip", wizard.Values{"ip": "2001:db8::5/64", "with": "db"}, "add colocations/vip-with-db"},
		{"haproxy", wizard.Values{"ip": "192.0.2.10/24 192.0.2.11/24", "nodes": "n1 n2", "prefer": "n2"}, "add clones/haproxy-clone"},
		{"web-server", wizard.Values{
			"server": "nginx", "ip": "192.0.2.10/24", "status-url": "http://127.0.0.1/status", "device": "/dev/drbd0", "directory": "/srv", "fstype": "ext4",
			"database": "pgsql", "database-directory": "/srv/pg",
		}, "add groups/web-group"},
		{"web-server", wizard.Values{"ip": "192.0.2.10/24", "database": "mysql", "status-url": "http://127.0.0.1/server-status"}, "add primitives/web-db"},
		{"fence-device", wizard.Values{"id": "watchdog", "agent": "stonith:fence_watchdog", "nodes": "n1 n2"}, "add primitives/watchdog"},
		{"ticket", wizard.Values{"ticket": "site-a", "rsc": "db", "role": "Promoted", "loss-policy": "demote"}, "add tickets/ticket-site-a-db"},
	} {
		names, err := wizard.Agents(q.name, q.values)
		if err != nil {
			t.Errorf("%s %v: %v", q.name, q.values, err)
			continue
		}
		installed := map[string]cluster.Agent{}
		for _, name := range names {
			a, err := agents.Agent(t.Context(), name)
			if errors.As(err, new(*lb.NotFoundError)) {
				testkit.Missing(t, name+" is not installed; make setup installs resource-agents")
			}
			if err != nil {
				t.Fatal(err)
			}
			installed[name] = a
		}
		edits, err := wizard.Edits(q.name, wizard.Request{Values: q.values, Configuration: cib.Configuration(), Agents: installed, HAProxy: c.HAProxyEdits})
		if err != nil {
			t.Errorf("%s %v: %v", q.name, q.values, err)
			continue
		}
		out, err := c.PlanEdits(t.Context(), edits)
		if err != nil || !slices.Contains(out.Changes, q.change) {
			t.Errorf("%s %v: %v, changes %q", q.name, q.values, err, out.Changes)
		}
	}
}
