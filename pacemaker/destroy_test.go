package pacemaker_test

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"thalassa/lb"
	"thalassa/pacemaker"
)

// foreign are resources of somebody else, with constraints and comments.
const (
	foreign = `<!-- do not touch: orders --><group id="db"><primitive id="db-ip" class="ocf" provider="heartbeat" type="IPaddr2">` +
		`<instance_attributes id="db-ip-i"><nvpair id="db-ip-1" name="ip" value="192.0.2.77"/></instance_attributes></primitive>` +
		`<!-- the database --><primitive id="db-server" class="ocf" provider="heartbeat" type="Dummy"/></group>`
	foreignConstraint = `<rsc_location id="db-home" rsc="db" node="n1" score="50"/>`
)

// written applies a description to a file.
func written(t *testing.T, c *pacemaker.Cluster, d pacemaker.Description) pacemaker.Plan {
	t.Helper()
	p, err := c.Plan(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = c.Apply(t.Context(), p, time.Millisecond) // nothing settles in a file
	return p
}

// configurationIn is the configuration in a file.
func configurationIn(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(data), "<configuration")
	text, _, _ := strings.Cut(rest, "</configuration>")
	return text
}

func TestDestroyTakesBackWhatApplyMade(t *testing.T) {
	for name, d := range map[string]pacemaker.Description{
		"clone": {Addresses: prefixes(t, "192.0.2.10/24", "2001:db8::10/64"), Prefer: []string{"n2"}, Nodes: []string{"n1", "n2"}, Watch: []string{"eth1", "192.0.2.1"}},
		"group": {Addresses: prefixes(t, "192.0.2.10/24"), Topology: pacemaker.Group, Name: "edge"},
	} {
		t.Run(name, func(t *testing.T) {
			c, path := checked(t)
			d.Agent = "ocf:heartbeat:Dummy"
			with(t, path, "resources", foreign)
			with(t, path, "constraints", foreignConstraint)
			tool(t, path, "crm_resource", "--ban", "-r", "db", "-N", "n3")
			before := configurationIn(t, path)
			written(t, c, d)
			if !strings.Contains(configurationIn(t, path), "do not touch: orders") || !strings.Contains(configurationIn(t, path), "the database") {
				t.Error("apply has removed comments")
			}
			tool(t, path, "crm_resource", "--ban", "-r", map[string]string{"clone": "vips", "group": "edge-group"}[name], "-N", "n3")
			p, err := c.PlanDestroy(t.Context(), d.Name)
			if err != nil {
				t.Fatal(err)
			}
			for _, line := range p.Changes {
				if strings.Contains(line, "db") {
					t.Errorf("it touches what is not its own: %q", p.Changes)
				}
			}
			_, _ = c.Destroy(t.Context(), p, time.Millisecond)
			if after := configurationIn(t, path); after != before {
				t.Errorf("after it\n%s\nexpected\n%s", after, before)
			}
			if _, err := c.PlanDestroy(t.Context(), d.Name); !errors.As(err, new(*lb.NotFoundError)) {
				t.Errorf("once more: %v", err)
			}
		})
	}
}

func TestDestroyRefusesWhatOthersNeed(t *testing.T) {
	for name, tc := range map[string]struct{ section, xml, words string }{
		"a colocation": {"constraints", `<rsc_colocation id="db-near" rsc="db" with-rsc="haproxy-clone" score="10"/>`, "rsc_colocation db-near refers to it"},
		"a set": {
			"constraints", `<rsc_order id="db-set" kind="Optional"><resource_set id="db-set-0"><resource_ref id="vip"/><resource_ref id="db"/></resource_set></rsc_order>`,
			"resource_set db-set-0 refers to it",
		},
		"unmanaged": {"crm_config", `<cluster_property_set id="zz"><nvpair id="zz1" name="maintenance-mode" value="true"/></cluster_property_set>`, "keep running on"},
		"orphans":   {"crm_config", `<cluster_property_set id="zz"><nvpair id="zz1" name="stop-orphan-resources" value="false"/></cluster_property_set>`, "keep running on"},
	} {
		c, path := onFile(t, "failed.xml")
		with(t, path, "resources", foreign)
		with(t, path, tc.section, tc.xml)
		_, err := c.PlanDestroy(t.Context(), "haproxy")
		if conflict, ok := errors.AsType[*lb.ConflictError](err); !ok || !strings.Contains(conflict.Reason, tc.words) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestChangesAreNamed(t *testing.T) {
	c, path := checked(t)
	d := pacemaker.Description{Addresses: prefixes(t, "192.0.2.10/24"), Prefer: []string{"3rdnode"}, Parameters: map[string]string{"check_url": "http://127.0.0.1/"}}
	written(t, c, d)
	for _, args := range [][]string{
		{"-r", "haproxy", "--meta", "-p", "resource-stickiness", "-v", "500"},
		{"-r", "haproxy", "-p", "user", "-v", "web"},
		{"-r", "vip", "-p", "nic", "-v", "eth7"},
		{"-r", "haproxy", "-d", "check_url"},
		{"-r", "haproxy-clone", "--meta", "-p", "clone-max", "-v", "2"},
	} {
		tool(t, path, "crm_resource", args...)
	}
	tool(t, path, "cibadmin", "-M", "-X", `<op id="haproxy-monitor-500ms" timeout="33s"/>`)
	p, err := c.Plan(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"set resource-stickiness of haproxy to 100, which is 500", "unset user of haproxy, which is web", "unset nic of vip, which is eth7",
		"set check_url of haproxy to http://127.0.0.1/", "unset clone-max of haproxy-clone, which is 2",
		"set timeout of monitor every 500ms of haproxy to 10s, which is 33s",
	} {
		if !slices.Contains(p.Changes, want) {
			t.Errorf("%q is not in %q", want, p.Changes)
		}
	}
	d.Parameters["check_url"] = "http://me:secret@127.0.0.1/"
	if p, err = c.Plan(t.Context(), d); err != nil || strings.Contains(strings.Join(p.Changes, " "), "secret") {
		t.Errorf("%q, %v", p.Changes, err)
	}
}
