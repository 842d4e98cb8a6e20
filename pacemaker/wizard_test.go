package pacemaker_test

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"thalassa/cluster"
	"thalassa/cluster/cibxml"
	"thalassa/cluster/config"
	"thalassa/cluster/wizard"
	"thalassa/lb"
	"thalassa/pacemaker"
)

// TestHAProxyEditsAreThePlan compares what a wizard adds with what Apply writes.
func TestHAProxyEditsAreThePlan(t *testing.T) {
	for _, h := range []wizard.HAProxy{
		{Addresses: []string{"192.0.2.10/24"}},
		{Addresses: []string{"192.0.2.10/24", "2001:db8::5/64"}, Name: "edge", Order: "mandatory", Prefer: []string{"n2"}, Interface: "eth0"},
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
