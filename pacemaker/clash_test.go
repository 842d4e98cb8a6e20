package pacemaker_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"thalassa/cluster"
	"thalassa/lb"
	"thalassa/ocf"
	"thalassa/pacemaker"
)

// with puts XML at the end of a section of the CIB in a file.
func with(t *testing.T, path, section, xml string) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Replace(string(data), "<"+section+"/>", "<"+section+"></"+section+">", 1)
	if !strings.Contains(text, "</"+section+">") {
		t.Fatalf("the CIB has no %s", section)
	}
	text = strings.Replace(text, "</"+section+">", xml+"</"+section+">", 1)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// checked is a cluster in a file that knows the parameters of Thalassa's agent.
func checked(t *testing.T) (*pacemaker.Cluster, string) {
	t.Helper()
	_, path := onFile(t, "empty.xml")
	return pacemaker.New(pacemaker.Config{File: path, CheckParameters: ocf.CheckParameters, Defaults: ocf.Defaults()}), path
}

// TestAddressThatSomebodyHolds refuses an address of another resource, however the CIB
// says it.
func TestAddressThatSomebodyHolds(t *testing.T) {
	const address = `<instance_attributes id="x"><nvpair id="x1" name="ip" value="192.0.2.10"/><nvpair id="x2" name="cidr_netmask" value="32"/></instance_attributes>`
	for name, xml := range map[string]string{
		"a primitive":   `<primitive id="theirs" class="ocf" provider="heartbeat" type="IPaddr2">` + address + `</primitive>`,
		"in a group":    `<group id="g"><primitive id="theirs" class="ocf" provider="heartbeat" type="IPaddr2">` + address + `</primitive></group>`,
		"in a clone":    `<clone id="c"><primitive id="theirs" class="ocf" provider="heartbeat" type="IPaddr2">` + address + `</primitive></clone>`,
		"of a template": `<template id="t" class="ocf" provider="heartbeat" type="IPaddr2">` + address + `</template><primitive id="theirs" template="t"/>`,
		"by reference": `<primitive id="other" class="ocf" provider="heartbeat" type="Dummy">` + address + `</primitive>` +
			`<primitive id="theirs" class="ocf" provider="heartbeat" type="IPaddr2"><instance_attributes id-ref="x"/></primitive>`,
	} {
		c, path := checked(t)
		with(t, path, "resources", xml)
		_, err := c.Plan(t.Context(), pacemaker.Description{Addresses: prefixes(t, "192.0.2.10/24")})
		if conflict, ok := errors.AsType[*lb.ConflictError](err); !ok || conflict.ID != "resource/theirs" || !strings.Contains(conflict.Reason, "192.0.2.10") {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := c.Plan(t.Context(), pacemaker.Description{Addresses: prefixes(t, "192.0.2.11/24")}); err != nil {
			t.Errorf("%s, another address: %v", name, err)
		}
	}
}

// TestSecondHAProxyNeedsItsOwnFiles: two resources with the same sockets are taken for one.
func TestSecondHAProxyNeedsItsOwnFiles(t *testing.T) {
	c, path := checked(t)
	with(t, path, "resources", `<primitive id="first" class="ocf" provider="thalassa" type="haproxy"/>`)
	d := pacemaker.Description{Name: "second", Addresses: prefixes(t, "192.0.2.10/24"), Parameters: map[string]string{}}
	for _, name := range []string{"config", "stats_socket", "master_socket", "pidfile", "startup_log"} {
		_, err := c.Plan(t.Context(), d)
		if conflict, ok := errors.AsType[*lb.ConflictError](err); !ok || conflict.ID != "resource/first" || !strings.Contains(conflict.Reason, name) {
			t.Errorf("without %s: %v", name, err)
		}
		d.Parameters[name] = "/srv/second/" + name
	}
	if _, err := c.Plan(t.Context(), d); err != nil {
		t.Error(err)
	}
}

func TestParametersAreChecked(t *testing.T) {
	c, path := checked(t)
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for parameter, value := range map[string]string{
		"drain_time": "banana", "drain-time": "9s", "open_files": "-1", "config": "haproxy.cfg", "agent_url": "localhost", "generation": "3", "": "x",
	} {
		_, err := c.Plan(t.Context(), pacemaker.Description{Addresses: prefixes(t, "192.0.2.10/24"), Parameters: map[string]string{parameter: value}})
		if invalid, ok := errors.AsType[*lb.InvalidError](err); !ok || !strings.HasPrefix(invalid.Fields[0].Path, "parameters") {
			t.Errorf("%s=%s: %v", parameter, value, err)
		}
	}
	after, err := os.ReadFile(path)
	if err != nil || string(before) != string(after) {
		t.Errorf("the CIB has changed: %v", err)
	}
}

// TestWhatWasThereBeforeIsNotRefused: only errors that the change brings are.
func TestWhatWasThereBeforeIsNotRefused(t *testing.T) {
	for name, tc := range map[string]struct{ section, xml, warning string }{
		"a deprecated option": {"crm_config", `<cluster_property_set id="zz"><nvpair id="zz1" name="stonith-action" value="poweroff"/></cluster_property_set>`, "poweroff"},
		"a bad number": {"resources", `<primitive id="old" class="ocf" provider="heartbeat" type="Dummy"><meta_attributes id="om"><nvpair id="om1" ` +
			`name="migration-threshold" value="banana"/></meta_attributes></primitive>`, "banana"},
		"two equal monitors": {"resources", `<primitive id="old" class="ocf" provider="heartbeat" type="Dummy"><operations>` +
			`<op id="o1" name="monitor" interval="10s"/><op id="o2" name="monitor" interval="10s"/></operations></primitive>`, "duplicate"},
	} {
		c, path := checked(t)
		with(t, path, tc.section, tc.xml)
		p, err := c.Plan(t.Context(), pacemaker.Description{Addresses: prefixes(t, "192.0.2.10/24"), Agent: "ocf:heartbeat:Dummy"})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		found := false
		for _, w := range p.Warnings {
			found = found || strings.HasPrefix(w, "before this change: ") && strings.Contains(w, tc.warning)
		}
		if !found {
			t.Errorf("%s is not among the warnings %q", name, p.Warnings)
		}
	}
}

// TestTwoResourcesWithOneAddress is a problem of the cluster.
func TestTwoResourcesWithOneAddress(t *testing.T) {
	c, path := onFile(t, "failed.xml")
	with(t, path, "resources", `<primitive id="twin" class="ocf" provider="heartbeat" type="IPaddr2"><instance_attributes id="tw">`+
		`<nvpair id="tw1" name="ip" value="10.77.0.100"/></instance_attributes></primitive>`)
	v, err := c.Now(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if v.State != cluster.StateErrors || !strings.Contains(strings.Join(v.Reasons, "\n"), "both hold the address 10.77.0.100") {
		t.Errorf("%s: %q", v.State, v.Reasons)
	}
}

// TestOtherCIB works on a file or a shadow CIB, as Pacemaker's own tools do.
func TestOtherCIB(t *testing.T) {
	data, err := os.ReadFile(filepath.Join("testdata", "empty.xml"))
	if err != nil {
		t.Fatal(err)
	}
	_, _ = onFile(t, "empty.xml") // skips where Pacemaker is missing
	dir := t.TempDir()
	for name, tc := range map[string]struct {
		file        string
		environment map[string]string
	}{
		"a file":   {"cib.xml", map[string]string{"CIB_file": filepath.Join(dir, "cib.xml")}},
		"a shadow": {"shadow.trial", map[string]string{"CIB_shadow": "trial", "CIB_shadow_dir": dir, "CIB_file": "/nowhere"}},
	} {
		path := filepath.Join(dir, tc.file)
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		variables, said := pacemaker.OtherCIB(func(name string) string { return tc.environment[name] })
		if !strings.Contains(said, strings.TrimPrefix(tc.file, "shadow.")) {
			t.Errorf("%s is called %q", name, said)
		}
		c := pacemaker.New(pacemaker.Config{OtherCIB: variables})
		p, err := c.Plan(t.Context(), pacemaker.Description{Addresses: prefixes(t, "192.0.2.10/24"), Agent: "ocf:heartbeat:Dummy"})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if _, err := c.Apply(t.Context(), p, 0); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := c.Do(t.Context(), cluster.Action{Kind: cluster.StartMaintenance}); err != nil {
			t.Errorf("%s, maintenance: %v", name, err)
		}
		for _, kind := range []string{cluster.Fence, cluster.Cleanup, cluster.Move} {
			if _, err := c.Do(t.Context(), cluster.Action{Kind: kind, Node: "n1"}); !errors.As(err, new(*lb.ConflictError)) {
				t.Errorf("%s, %s: %v", name, kind, err)
			}
		}
		written, err := os.ReadFile(path)
		if err != nil || !strings.Contains(string(written), `id="haproxy-clone"`) || !strings.Contains(string(written), "maintenance-mode") {
			t.Errorf("%s was not changed: %v", name, err)
		}
	}
	if variables, said := pacemaker.OtherCIB(func(string) string { return "" }); variables != nil || said != "" {
		t.Errorf("without variables: %q, %q", variables, said)
	}
}

// TestMoveTakesOnlyHAProxysAddresses leaves those of other services where they are.
func TestMoveTakesOnlyHAProxysAddresses(t *testing.T) {
	c, path := onFile(t, "failed.xml")
	with(t, path, "resources", `<group id="database"><primitive id="db-ip" class="ocf" provider="heartbeat" type="IPaddr2"><instance_attributes id="dbset">`+
		`<nvpair id="dbset1" name="ip" value="10.77.0.200"/></instance_attributes></primitive><primitive id="db" class="ocf" provider="heartbeat" type="Dummy"/></group>`)
	seen, err := c.Predict(t.Context(), cluster.Action{Kind: cluster.Move, Node: "n3"})
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Join(seen.Text, "\n")
	if !strings.Contains(text, "vip from n2 to n3") || strings.Contains(text, "db-ip on n3") || strings.Contains(text, "db-ip from") {
		t.Errorf("a move would %s", text)
	}
	v, err := c.Now(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, ip := range v.FloatingIPs {
		if ip.HAProxy != (ip.Resource == "vip") {
			t.Errorf("%+v", ip)
		}
	}
}

// TestAnotherTopologyOfARunningCluster: the HAProxys of the clone still run when the group
// is planned, which is no error of the configuration.
func TestAnotherTopologyOfARunningCluster(t *testing.T) {
	c, _ := onFile(t, "failed.xml")
	p, err := c.Plan(t.Context(), pacemaker.Description{Addresses: prefixes(t, "10.77.0.100/24"), Agent: "ocf:heartbeat:Dummy", Topology: pacemaker.Group})
	if err != nil || !strings.Contains(strings.Join(p.Changes, "\n"), "create group haproxy-group") {
		t.Errorf("%q, %v", p.Changes, err)
	}
}
