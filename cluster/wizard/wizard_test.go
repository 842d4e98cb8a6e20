package wizard_test

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"thalassa/cluster"
	"thalassa/cluster/cibxml"
	"thalassa/cluster/config"
	"thalassa/cluster/wizard"
	"thalassa/lb"
)

const lab = `<configuration>
  <crm_config><cluster_property_set id="o"><nvpair id="o1" name="stonith-enabled" value="false"/></cluster_property_set></crm_config>
  <nodes><node id="1" uname="n1"/><node id="2" uname="n2"/></nodes>
  <resources>
    <group id="shop"><primitive id="app" class="ocf" provider="pacemaker" type="Dummy"/></group>
    <clone id="all"><primitive id="inner" class="ocf" provider="pacemaker" type="Dummy"/></clone>
    <clone id="db"><meta_attributes id="m"><nvpair id="m1" name="promotable" value="true"/></meta_attributes><primitive id="data" class="ocf" provider="pacemaker" type="Stateful"/></clone>
    <clone id="gs"><group id="g"><primitive id="gi" class="ocf" provider="pacemaker" type="Dummy"/></group></clone>
    <template id="t" class="ocf" provider="heartbeat" type="IPaddr2"/>
    <primitive id="old" template="t"><instance_attributes id="oi"><nvpair id="oip" name="ip" value="192.0.2.9"/></instance_attributes></primitive>
    <primitive id="www" class="ocf" provider="heartbeat" type="apache"><instance_attributes id="w"><nvpair id="wc" name="configfile" value="/etc/a.conf"/></instance_attributes></primitive>
    <primitive id="f1" class="stonith" type="fence_x"/>
  </resources>
</configuration>`

func agents() map[string]cluster.Agent {
	timed := func(name string, parameters ...cluster.AgentParameter) cluster.Agent {
		return cluster.Agent{Name: name, Parameters: parameters, Actions: []cluster.AgentAction{
			{Name: "start", Timeout: "40s"},
			{Name: "stop", Timeout: "60s"},
			{Name: "monitor", Role: "Promoted", Interval: "9s"},
			{Name: "monitor", Depth: "0", Interval: "15s", Timeout: "30s"},
			{Name: "monitor", Depth: "10", Interval: "30s", Timeout: "45s"},
		}}
	}
	list := []cluster.Agent{
		timed("ocf:heartbeat:IPaddr2", cluster.AgentParameter{Name: "ip", Unique: true, Required: true}), timed("ocf:heartbeat:nginx"), timed("ocf:heartbeat:pgsql"),
		timed("ocf:heartbeat:Filesystem"), timed("ocf:heartbeat:apache", cluster.AgentParameter{Name: "configfile", Unique: true}),
		{Name: "stonith:fence_x", Actions: []cluster.AgentAction{{Name: "monitor"}, {Name: "start", Timeout: "20s"}}, Parameters: []cluster.AgentParameter{
			{Name: "ip", Type: "string", Required: true, Short: "Address of the device"},
			{Name: "ipaddr", Type: "string", Required: true, Deprecated: true},
			{Name: "password", Type: "string", Secret: true},
			{Name: "plug", Type: "string", Required: true},
			{Name: "login_timeout", Type: "integer"},
			{Name: "lanplus", Type: "boolean"},
			{Name: "method", Type: "select", Required: true, Default: "onoff", Options: []string{"onoff", "cycle"}},
		}},
	}
	out := map[string]cluster.Agent{}
	for _, a := range list {
		out[a.Name] = a
	}
	return out
}

func parsed(t *testing.T) *cibxml.Element {
	t.Helper()
	e, err := cibxml.Parse([]byte(lab))
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// run is the configuration after a wizard, or its error. A wizard changes nothing but by edits.
func run(t *testing.T, name string, v wizard.Values) (*cibxml.Element, error) {
	t.Helper()
	configuration := parsed(t)
	names, err := wizard.Agents(name, v)
	if err != nil {
		return nil, err
	}
	installed := map[string]cluster.Agent{}
	for _, n := range names {
		if a, ok := agents()[n]; ok {
			installed[n] = a
		}
	}
	edits, err := wizard.Edits(name, wizard.Request{Values: v, Configuration: configuration, Agents: installed})
	if !configuration.Equal(parsed(t)) {
		t.Errorf("%s %v: the configuration was changed", name, v)
	}
	if err != nil {
		return nil, err
	}
	if err := config.Apply(configuration, "0:1", edits); err != nil {
		t.Fatalf("%s %v: the edits are refused: %v", name, v, err)
	}
	return configuration, nil
}

// added are the objects that differ from lab, by KIND/ID, as XML without spaces between elements.
func added(t *testing.T, after *cibxml.Element) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, d := range config.Differences(parsed(t), after) {
		var lines []string
		for line := range strings.Lines(d.After) {
			lines = append(lines, strings.TrimSpace(line))
		}
		out[d.Object] = strings.Join(lines, "")
	}
	return out
}

func TestWizardsMakeObjects(t *testing.T) {
	for _, c := range []struct {
		name string
		v    wizard.Values
		want map[string][]string // parts of the XML of each object
	}{
		{"floating-ip", wizard.Values{"ip": "192.0.2.10/24"}, map[string][]string{
			"primitives/vip": {`type="IPaddr2"`, `name="ip" value="192.0.2.10"`, `name="cidr_netmask" value="24"`, `interval="10s" name="monitor" timeout="30s"`, `interval="0s" name="start" timeout="40s"`, `interval="0s" name="stop" timeout="60s"`},
		}},
		{"floating-ip", wizard.Values{"id": "a", "ip": "2001:db8::1", "interface": "eth0", "group": "shop", "interval": "500ms"}, map[string][]string{
			"primitives/a": {`value="2001:db8::1"`, `name="nic" value="eth0"`, `name="nodad" value="true"`, `interval="500ms"`}, "groups/shop": {`<primitive id="app"/><primitive id="a"/>`},
		}},
		{"floating-ip", wizard.Values{"ip": "192.0.2.10/24", "with": "all", "group": ""}, map[string][]string{
			"primitives/vip": nil, "colocations/vip-with-all": {`rsc="vip"`, `with-rsc="all"`, `score="INFINITY"`},
		}},
		{"web-server", wizard.Values{"ip": "192.0.2.10/24"}, map[string][]string{
			"primitives/web": {`type="apache"`, `interval="15s" name="monitor" timeout="30s"`}, "primitives/web-ip": nil, "groups/web-group": {`<primitive id="web-ip"/><primitive id="web"/>`},
		}},
		{"web-server", wizard.Values{
			"id": "s", "server": "nginx", "ip": "192.0.2.10/24", "device": "/dev/drbd0", "directory": "/srv", "fstype": "ext4", "database": "pgsql", "database-directory": "/srv/pg", "config": "/srv/n.conf",
			"status-url": "http://127.0.0.1/status",
		}, map[string][]string{
			"primitives/s":    {`type="nginx"`, `name="configfile" value="/srv/n.conf"`, `name="status10url" value="********"`, `interval="30s" name="monitor" timeout="45s"`, `name="OCF_CHECK_LEVEL" value="10"`},
			"primitives/s-db": {`type="pgsql"`, `name="pgdata" value="/srv/pg"`}, "primitives/s-fs": {`name="device" value="/dev/drbd0"`, `name="fstype" value="ext4"`}, "primitives/s-ip": nil,
			"groups/s-group": {`<primitive id="s-fs"/><primitive id="s-db"/><primitive id="s-ip"/><primitive id="s"/>`},
		}},
		{"fence-device", wizard.Values{"agent": "stonith:fence_x", "nodes": "n1, n2", "params.ip": "192.0.2.99", "params.password": "topsecret7", "params.pcmk_delay_max": "5s"}, map[string][]string{
			"primitives/fence": {`class="stonith" type="fence_x"`, `name="pcmk_host_list" value="n1,n2"`, `name="password" value="********"`, `name="pcmk_delay_max" value="5s"`, `interval="60s" name="monitor"`},
		}},
		{"fence-device", wizard.Values{"agent": "stonith:fence_x", "nodes": "n1", "params.ip": "192.0.2.99", "enable-fencing": "yes"}, map[string][]string{
			"primitives/fence": nil, "properties/o": {`name="stonith-enabled" value="true"`},
		}},
		{"ticket", wizard.Values{"ticket": "site-a", "rsc": "shop"}, map[string][]string{
			"tickets/ticket-site-a-shop": {`ticket="site-a"`, `rsc="shop"`, `loss-policy="stop"`},
		}},
		{"ticket", wizard.Values{"ticket": "t", "rsc": "db", "role": "Promoted", "loss-policy": "demote", "id": "x"}, map[string][]string{
			"tickets/x": {`rsc-role="Promoted"`, `loss-policy="demote"`},
		}},
	} {
		after, err := run(t, c.name, c.v)
		if err != nil {
			t.Errorf("%s %v: %v", c.name, c.v, err)
			continue
		}
		got := added(t, after)
		if !slices.Equal(slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(c.want))) {
			t.Errorf("%s %v has changed %v", c.name, c.v, got)
		}
		for object, parts := range c.want {
			for _, part := range parts {
				if !strings.Contains(got[object], part) {
					t.Errorf("%s %v: %s has no %s:\n%s", c.name, c.v, object, part, got[object])
				}
			}
		}
		if strings.Contains(got["primitives/fence"], `name="start"`) {
			t.Errorf("a fence device has the operation start: %s", got["primitives/fence"])
		}
	}
}

// TestBadValues names the field of each bad value.
func TestBadValues(t *testing.T) {
	good := map[string]wizard.Values{
		"floating-ip":  {"ip": "192.0.2.10/24"},
		"web-server":   {"ip": "192.0.2.10/24"},
		"fence-device": {"agent": "stonith:fence_x", "nodes": "n1", "params.ip": "192.0.2.99"},
		"ticket":       {"ticket": "t", "rsc": "shop"},
		"haproxy":      {"ip": "192.0.2.10/24"},
	}
	for _, c := range []struct {
		name  string
		v     wizard.Values
		field string // that the error names
		text  string // that it contains
	}{
		{"floating-ip", wizard.Values{"ip": ""}, "ip", "is missing"},
		{"floating-ip", wizard.Values{"ip": "somewhere"}, "ip", `"somewhere"`},
		{"floating-ip", wizard.Values{"ip": "192.0.2.10/33"}, "ip", "expected an IP address"},
		{"floating-ip", wizard.Values{"ip": "192.0.2.10/"}, "ip", "expected an IP address"},
		{"floating-ip", wizard.Values{"ip": "fe80::1%eth0"}, "ip", "expected an IP address"},
		{"floating-ip", wizard.Values{"ip": "::ffff:192.0.2.10"}, "ip", "expected an IP address"},
		{"floating-ip", wizard.Values{"ip": "fe80::1/64"}, "interface", "link-local"},
		{"floating-ip", wizard.Values{"ip": "192.0.2.0/24"}, "ip", "first or last"},
		{"floating-ip", wizard.Values{"ip": "127.0.0.1/8"}, "ip", "not the address of a host"},
		{"floating-ip", wizard.Values{"ip": "192.0.2.9/24"}, "ip", "is the address of old"},
		{"floating-ip", wizard.Values{"id": "old"}, "id", `"old" is the id of a primitive`},
		{"floating-ip", wizard.Values{"id": "n1 n2"}, "id", "letters, digits"},
		{"floating-ip", wizard.Values{"id": "-x"}, "id", "letters, digits"},
		{"floating-ip", wizard.Values{"interface": "a/b"}, "interface", "network interface"},
		{"floating-ip", wizard.Values{"interface": "a\nb"}, "interface", "control character"},
		{"floating-ip", wizard.Values{"interval": "soon"}, "interval", "10s"},
		{"floating-ip", wizard.Values{"interval": "0s"}, "interval", "10s"},
		{"floating-ip", wizard.Values{"group": "old"}, "group", "the id of a group: shop"},
		{"floating-ip", wizard.Values{"group": "g"}, "group", "expected gs"},
		{"floating-ip", wizard.Values{"with": "nothing"}, "with", "the id of a resource: all, app, db, gs, old, shop, www"},
		{"floating-ip", wizard.Values{"with": "inner"}, "with", "expected all"},
		{"floating-ip", wizard.Values{"with": "all", "group": "shop"}, "with", "one of them"},
		{"floating-ip", wizard.Values{"netmask": "24"}, "netmask", "one of id, ip, interface"},
		{"floating-ip", wizard.Values{"params.x": "24"}, "params.x", "one of id"},
		{"floating-ip", wizard.Values{"interface": strings.Repeat("x", 5000)}, "interface", "4096"},
		{"web-server", wizard.Values{"server": "iis"}, "server", "apache or nginx"},
		{"web-server", wizard.Values{"id": "old"}, "id", `"old" is the id`},
		{"web-server", wizard.Values{"config": "httpd.conf"}, "config", "begins with /"},
		{"web-server", wizard.Values{"config": "/etc/a.conf"}, "config", "is the same as of www"},
		{"web-server", wizard.Values{"device": "/dev/x", "directory": "/srv"}, "fstype", "is missing"},
		{"web-server", wizard.Values{"options": "ro"}, "device", "is missing"},
		{"web-server", wizard.Values{"directory": "srv"}, "directory", "begins with /"},
		{"web-server", wizard.Values{"status-url": "status"}, "status-url", "http://"},
		{"web-server", wizard.Values{"database": "mysql"}, "database", `"ocf:heartbeat:mysql" is not installed`},
		{"web-server", wizard.Values{"database-directory": "/srv"}, "database", "mysql or pgsql"},
		{"fence-device", wizard.Values{"agent": "ocf:heartbeat:IPaddr2"}, "agent", "stonith:TYPE"},
		{"fence-device", wizard.Values{"agent": "stonith:fence_y"}, "agent", "is not installed"},
		{"fence-device", wizard.Values{"nodes": "n1 n3"}, "nodes", `"n3", expected some of n1, n2`},
		{"fence-device", wizard.Values{"nodes": "n1,n1"}, "nodes", "twice"},
		{"fence-device", wizard.Values{"params.ip": ""}, "params.ip", "Address of the device"},
		{"fence-device", wizard.Values{"params.colour": "topsecret7"}, "params.colour", "one of ip, password, plug"},
		{"fence-device", wizard.Values{"params.login_timeout": "topsecret7"}, "params.login_timeout", "not an integer"},
		{"fence-device", wizard.Values{"params.lanplus": "topsecret7"}, "params.lanplus", "true or false"},
		{"fence-device", wizard.Values{"params.method": "topsecret7"}, "params.method", "onoff or cycle"},
		{"fence-device", wizard.Values{"params.pcmk_host_list": "n1"}, "params.pcmk_host_list", "nodes"},
		{"fence-device", wizard.Values{"params.": "x"}, "params.", "one of"},
		{"fence-device", wizard.Values{"id": "f1"}, "id", `"f1" is the id of a primitive`},
		{"ticket", wizard.Values{"ticket": ""}, "ticket", "is missing"},
		{"ticket", wizard.Values{"ticket": "a b"}, "ticket", "without spaces"},
		{"ticket", wizard.Values{"rsc": "nothing"}, "rsc", "the id of a resource"},
		{"ticket", wizard.Values{"rsc": "gi"}, "rsc", "expected gs"},
		{"ticket", wizard.Values{"loss-policy": "panic"}, "loss-policy", "stop or demote or fence or freeze"},
		{"ticket", wizard.Values{"loss-policy": "demote"}, "loss-policy", "not promotable"},
		{"ticket", wizard.Values{"role": "Promoted"}, "role", "not promotable"},
		{"ticket", wizard.Values{"id": "shop"}, "id", `"shop" is the id of a group`},
		{"haproxy", wizard.Values{"nodes": "n9"}, "nodes", "n1, n2"},
		{"haproxy", wizard.Values{"topology": "ring"}, "topology", "clone or group"},
	} {
		v := maps.Clone(good[c.name])
		maps.Copy(v, c.v)
		_, err := run(t, c.name, v)
		invalid, ok := errors.AsType[*lb.InvalidError](err)
		if !ok {
			t.Errorf("%s %v: %v, expected an InvalidError", c.name, c.v, err)
			continue
		}
		if i := slices.IndexFunc(invalid.Fields, func(f lb.FieldError) bool { return f.Path == c.field && strings.Contains(f.Error(), c.text) }); i < 0 {
			t.Errorf("%s %v: %v, expected %s: … %s", c.name, c.v, err, c.field, c.text)
		}
		if strings.Contains(err.Error(), "topsecret7") {
			t.Errorf("%s: the error has the value of a parameter: %v", c.name, err)
		}
	}
	many := wizard.Values{}
	for i := range 201 {
		many[strings.Repeat("x", i+1)] = "1"
	}
	if _, err := wizard.Agents("ticket", many); err == nil || !strings.Contains(err.Error(), "200 at most") {
		t.Errorf("201 values: %v", err)
	}
	if _, err := wizard.Edits("nope", wizard.Request{Configuration: parsed(t)}); !errors.As(err, new(*lb.NotFoundError)) {
		t.Errorf("no such wizard: %v", err)
	}
}

// TestHAProxyIsAsked hands the values over, and says whose fields are wrong.
func TestHAProxyIsAsked(t *testing.T) {
	var asked wizard.HAProxy
	q := wizard.Request{
		Configuration: parsed(t), Values: wizard.Values{"ip": "192.0.2.10/24 192.0.2.11/24", "prefer": "n2", "params.config": "/etc/x", "manage-ip": "192.0.2.20/24"},
		HAProxy: func(_ *cibxml.Element, h wizard.HAProxy) ([]config.Edit, error) {
			asked = h
			return nil, &lb.InvalidError{Fields: []lb.FieldError{{Path: "parameters.config", Problem: "is bad"}, {Path: "ip", Problem: "is bad"}}}
		},
	}
	_, err := wizard.Edits("haproxy", q)
	invalid, ok := errors.AsType[*lb.InvalidError](err)
	if !ok || len(invalid.Fields) != 2 || invalid.Fields[0].Path != "params.config" || invalid.Fields[1].Path != "ip" {
		t.Errorf("%v", err)
	}
	if asked.Name != "haproxy" || !slices.Equal(asked.Addresses, []string{"192.0.2.10/24", "192.0.2.11/24"}) || asked.Topology != "clone" ||
		!slices.Equal(asked.Prefer, []string{"n2"}) || asked.Parameters["config"] != "/etc/x" || asked.Manage != "192.0.2.20/24" || asked.ManagePort != "10000" {
		t.Errorf("%+v", asked)
	}
	q.HAProxy = nil
	if _, err := wizard.Edits("haproxy", q); !errors.As(err, new(*lb.UnavailableError)) {
		t.Errorf("without a cluster: %v", err)
	}
}

func TestListOfWizards(t *testing.T) {
	list := wizard.List(parsed(t), []string{"stonith:fence_x"})
	var names []string
	for _, w := range list {
		names = append(names, w.Name)
		for _, f := range w.Fields {
			if f.Label == "" || f.Kind == wizard.Choice && len(f.Choices) == 0 || f.Default != "" && f.Kind == wizard.Choice && !slices.Contains(f.Choices, f.Default) {
				t.Errorf("%s: %+v", w.Name, f)
			}
		}
	}
	if !slices.Equal(names, []string{"floating-ip", "haproxy", "web-server", "fence-device", "ticket"}) {
		t.Errorf("%v", names)
	}
	fence := list[3].Fields
	if !slices.Equal(fence[1].Choices, []string{"stonith:fence_x"}) || !slices.Equal(fence[2].Choices, []string{"n1", "n2"}) {
		t.Errorf("%+v", fence)
	}
	if got := list[0].Fields[3].Choices; !slices.Equal(got, []string{"shop"}) {
		t.Errorf("groups: %v", got)
	}
	if empty := wizard.List(cibxml.New("configuration"), nil); len(empty) != len(list) {
		t.Errorf("%v", empty)
	}
}
