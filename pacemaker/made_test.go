package pacemaker_test

import (
	"encoding/json"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"thalassa/cluster"
)

// seen is a status on a CIB, with its resources, addresses and nodes by name.
type seen struct {
	cluster.Status
	resources map[string]cluster.Resource
	addresses map[string]cluster.FloatingIP
	nodes     map[string]cluster.Node
}

func see(t *testing.T, file string, change ...string) seen {
	t.Helper()
	c, path := onFile(t, file)
	if len(change) > 0 {
		tool(t, path, change[0], change[1:]...)
	}
	v, err := c.Now(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s := seen{v, map[string]cluster.Resource{}, map[string]cluster.FloatingIP{}, map[string]cluster.Node{}}
	for _, r := range v.Resources {
		s.resources[r.ID] = r
	}
	for _, ip := range v.FloatingIPs {
		s.addresses[ip.Resource] = ip
	}
	for _, n := range v.Nodes {
		s.nodes[n.Name] = n
	}
	return s
}

// The view has every resource and node that crm_mon has.
func TestViewIsComplete(t *testing.T) {
	for _, file := range []string{"pcs.xml", "crmsh.xml", "failed.xml"} {
		v := see(t, file)
		cmd := exec.CommandContext(t.Context(), "/usr/sbin/crm_mon", "-1", "--output-as=xml")
		cmd.Env = []string{"CIB_file=testdata/" + file}
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`<resource id="([^":]+)`).FindAllStringSubmatch(string(out), -1) {
			if _, ok := v.resources[m[1]]; !ok {
				t.Errorf("%s: the resource %s is missing", file, m[1])
			}
		}
		for _, m := range regexp.MustCompile(`<node name="([^"]+)" id="[^"]*" online`).FindAllStringSubmatch(string(out), -1) {
			if _, ok := v.nodes[m[1]]; !ok {
				t.Errorf("%s: the node %s is missing", file, m[1])
			}
		}
	}
}

// What pcs 0.11 makes: bundles, groups in clones, roles, a cloned address, a ticket, a
// ban, a guest and a remote node.
func TestViewOfAClusterMadeByPcs(t *testing.T) {
	v := see(t, "pcs.xml")
	if got := v.resources["one"]; !slices.Equal(got.Containers, []string{"inner-clone", "inner"}) || got.In != "inner-clone" || !got.Clone || got.Utilization["cpu"] != "2" {
		t.Errorf("a member of a cloned group: %+v", got)
	}
	if got := v.resources["httpd"]; !slices.Equal(got.Containers, []string{"web"}) {
		t.Errorf("the primitive of a bundle: %+v", got)
	}
	if got := v.addresses["web-ip-192.0.2.101"]; got.Address != "192.0.2.101" || got.Node == "" {
		t.Errorf("the address of a replica: %+v", got)
	}
	if got := v.addresses["shared"]; !got.Shared || len(got.Nodes) < 2 || strings.Contains(strings.Join(v.Reasons, "\n"), "192.0.2.20/24 is on") {
		t.Errorf("an address that is cloned on purpose: %+v, %q", got, v.Reasons)
	}
	roles := map[string]int{}
	for _, p := range v.resources["db"].Places {
		roles[p.Role]++
	}
	if roles["unpromoted"]+roles["promoted"] != len(v.resources["db"].Places) || len(roles) == 0 {
		t.Errorf("roles of a promotable clone: %v", roles)
	}
	if g, e := v.nodes["g1"], v.nodes["edge"]; g.Type != "guest" || g.Host != "guest" || e.Type != "remote" || v.nodes["n1"].Type != "member" || v.nodes["n1"].Utilization["cpu"] != "4" {
		t.Errorf("nodes: %+v", v.nodes)
	}
	if i := slices.IndexFunc(v.Bans, func(b cluster.Ban) bool { return b.Resource == "shared-clone" && b.Node == "n3" }); i < 0 {
		t.Errorf("bans: %+v", v.Bans)
	}
	if got := v.resources["vip"].Why; !slices.Equal(got, []string{"the ticket site-a is not granted"}) || v.State == cluster.StateOK {
		t.Errorf("why vip is stopped: %q; state %s", got, v.State)
	}
}

// What crmsh 4.4 makes: templates, an opt-in cluster, utilization, scores.
func TestWhyInAClusterMadeByCrmsh(t *testing.T) {
	v := see(t, "crmsh.xml")
	for id, want := range map[string]string{
		"big":   "n1 has too little cpu: 8 needed, 4 free",
		"lost":  "the constraint lost-never keeps it off n2",
		"small": "its target-role is Stopped",
		"vip":   "big, which it needs, does not run (constraint vip-with-big)",
	} {
		if got := v.resources[id].Why; !slices.Contains(got, want) {
			t.Errorf("%s is %s because %q, expected %q", id, v.resources[id].State, got, want)
		}
	}
	if got := v.addresses["vip"].Address; got != "192.0.2.10/24" {
		t.Errorf("an address whose prefix is in a template: %s", got)
	}
	if !v.Fencing.Works() {
		t.Errorf("a device from a template: %+v", v.Fencing)
	}
	text, err := json.Marshal(v.Status)
	if err != nil || !strings.Contains(strings.Join(v.Reasons, "\n"), "resource big is stopped: ") {
		t.Errorf("%q in %s, %v", v.Reasons, text, err)
	}
}

// A device that is disabled fences nobody; a watchdog does without a device.
func TestFencingThatHasAnEffect(t *testing.T) {
	v := see(t, "crmsh.xml", "crm_resource", "--meta", "-r", "fence", "-p", "target-role", "-v", "Stopped")
	if v.Fencing.Works() != (len(v.resources["fence"].Places) > 0) {
		t.Errorf("a disabled device: %+v", v.Fencing)
	}
	c, path := onFile(t, "failed.xml")
	for name, value := range map[string]string{"stonith-enabled": "true", "have-watchdog": "true", "stonith-watchdog-timeout": "10s"} {
		tool(t, path, "crm_attribute", "-t", "crm_config", "-n", name, "-v", value)
	}
	if v, err := c.Now(t.Context()); err != nil || !v.Fencing.Works() || !v.Fencing.Watchdog {
		t.Errorf("SBD without a disk: %+v, %v", v.Fencing, err)
	}
	tool(t, path, "crm_attribute", "-t", "crm_config", "-n", "stonith-watchdog-timeout", "-v", "0")
	if v, err := c.Now(t.Context()); err != nil || v.Fencing.Works() {
		t.Errorf("a watchdog without a timeout: %+v, %v", v.Fencing, err)
	}
}

// What Pacemaker does not manage, or is to stop, is not ok.
func TestUnmanagedIsNotOK(t *testing.T) {
	v := see(t, "failed.xml", "crm_resource", "--meta", "-r", "vip", "-p", "is-managed", "-v", "false")
	if v.resources["vip"].Managed || !strings.Contains(strings.Join(v.Reasons, "\n"), "resource vip is not managed by Pacemaker: is-managed of vip is false") {
		t.Errorf("unmanaged: %q", v.Reasons)
	}
	v = see(t, "failed.xml", "crm_attribute", "-t", "crm_config", "-n", "stop-all-resources", "-v", "true")
	if !v.StopAll || !strings.Contains(strings.Join(v.Reasons, "\n"), "stop-all-resources is set") {
		t.Errorf("stop-all-resources: %q", v.Reasons)
	}
}
