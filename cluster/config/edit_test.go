package config_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"thalassa/cluster/cibxml"
	"thalassa/cluster/config"
	"thalassa/lb"
)

const example = `<configuration>
  <crm_config><cluster_property_set id="cib-bootstrap-options"><nvpair id="o1" name="stonith-enabled" value="true"/></cluster_property_set></crm_config>
  <nodes><node id="1" uname="n1"/><node id="2" uname="n2"/></nodes>
  <resources>
    <group id="web">
      <primitive id="vip" class="ocf" provider="heartbeat" type="IPaddr2">
        <instance_attributes id="vip-instance_attributes"><nvpair id="vip-instance_attributes-ip" name="ip" value="192.0.2.9"/></instance_attributes>
        <operations><op id="vip-monitor-10s" name="monitor" interval="10s"/></operations>
      </primitive>
      <primitive id="haproxy" class="systemd" type="haproxy"/>
    </group>
    <primitive id="fence" class="stonith" type="fence_ipmilan">
      <instance_attributes id="fence-instance_attributes">
        <nvpair id="fence-instance_attributes-passwd" name="passwd" value="topsecret7"/>
        <nvpair id="fence-instance_attributes-ip" name="ip" value="192.0.2.77"/>
      </instance_attributes>
    </primitive>
    <primitive id="spare" class="ocf" provider="pacemaker" type="Dummy"/>
  </resources>
  <constraints>
    <rsc_location id="l1" rsc="spare" node="n1" score="100"/>
    <rsc_order id="o" kind="Mandatory"><resource_set id="o-0"><resource_ref id="web"/><resource_ref id="spare"/></resource_set></rsc_order>
  </constraints>
  <fencing-topology><fencing-level id="fl" target="n1" index="1" devices="fence,spare"/></fencing-topology>
  <tags><tag id="t"><obj_ref id="spare"/><obj_ref id="vip"/></tag></tags>
</configuration>`

func parse(t *testing.T) *cibxml.Element {
	t.Helper()
	e, err := cibxml.Parse([]byte(example))
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// get is an object as JSON; empty: there is none.
func get(t *testing.T, configuration *cibxml.Element, k config.Kind, id string) string {
	t.Helper()
	for _, o := range config.List(configuration, k) {
		if o.ID == id {
			text, err := json.Marshal(o.Document(k))
			if err != nil {
				t.Fatal(err)
			}
			return string(text)
		}
	}
	return ""
}

func TestApply(t *testing.T) {
	const version = "0:7"
	cases := []struct {
		name  string
		edits []config.Edit
		// kind, id, and what is there afterwards; empty: nothing
		want [][3]string
	}{
		{
			"a new primitive gets ids for its parts",
			[]config.Edit{{Op: config.Put, Kind: config.Primitives, ID: "db", Body: []byte(`{"agent":"ocf:heartbeat:pgsql","params":{"pgport":5432},"ops":[{"name":"monitor","interval":"20s"}],"meta":{"priority":1}}`)}},
			[][3]string{{"primitives", "db", `{"agent":"ocf:heartbeat:pgsql","id":"db","meta":{"priority":"1"},"ops":[{"id":"db-monitor-20s","interval":"20s","name":"monitor"}],"params":{"pgport":"5432"}}`}},
		},
		{
			"an operation that is done once has the interval that the CIB requires, and keeps its id when it is written without",
			[]config.Edit{
				{Op: config.Put, Kind: config.Primitives, ID: "db", Body: []byte(`{"agent":"ocf:heartbeat:pgsql","ops":[{"id":"own","name":"start","interval":"0","timeout":"9s"},{"name":"stop","on-fail":"stop"}]}`)},
				{Op: config.Put, Kind: config.Primitives, ID: "db", Body: []byte(`{"agent":"ocf:heartbeat:pgsql","ops":[{"name":"start","timeout":"35s"},{"name":"stop"}]}`)},
			},
			[][3]string{{"primitives", "db", `{"agent":"ocf:heartbeat:pgsql","id":"db","ops":[{"id":"own","interval":"0s","name":"start","timeout":"35s"},{"id":"db-stop-0s","interval":"0s","name":"stop"}]}`}},
		},
		{
			"a merge patch changes and removes fields",
			[]config.Edit{{Op: config.Patch, Kind: config.Primitives, ID: "vip", Body: []byte(`{"params":{"ip":"192.0.2.10","nic":"eth0"},"ops":null}`)}},
			[][3]string{{"primitives", "vip", `{"agent":"ocf:heartbeat:IPaddr2","id":"vip","params":{"ip":"192.0.2.10","nic":"eth0"}}`}},
		},
		{
			"a mask keeps the secret",
			[]config.Edit{{Op: config.Patch, Kind: config.Primitives, ID: "fence", Body: []byte(`{"params":{"passwd":"********","ip":"192.0.2.78"}}`)}},
			[][3]string{{"primitives", "fence", `{"agent":"stonith:fence_ipmilan","id":"fence","params":{"ip":"192.0.2.78","passwd":"topsecret7"}}`}},
		},
		{
			"members are moved into a group, out of it, and around",
			[]config.Edit{{Op: config.Put, Kind: config.Groups, ID: "web", Body: []byte(`{"members":["haproxy","spare"]}`)}},
			[][3]string{{"groups", "web", `{"id":"web","members":["haproxy","spare"]}`}, {"primitives", "vip", get(t, parse(t), config.Primitives, "vip")}},
		},
		{
			"members change their order",
			[]config.Edit{{Op: config.Put, Kind: config.Groups, ID: "web", Body: []byte(`{"members":["haproxy","vip"]}`)}},
			[][3]string{{"groups", "web", `{"id":"web","members":["haproxy","vip"]}`}},
		},
		{
			"a clone takes a primitive, and leaves it when it is deleted",
			[]config.Edit{
				{Op: config.Put, Kind: config.Clones, ID: "spares", Body: []byte(`{"member":"spare","meta":{"clone-max":2}}`)},
				{Op: config.Delete, Kind: config.Clones, ID: "spares"},
			},
			[][3]string{{"clones", "spares", ""}, {"primitives", "spare", `{"agent":"ocf:pacemaker:Dummy","id":"spare"}`}},
		},
		{
			"references follow a new id, and so do the ids of parts",
			[]config.Edit{{Op: config.Rename, Kind: config.Primitives, ID: "spare", To: "reserve"}, {Op: config.Rename, Kind: config.Primitives, ID: "vip", To: "address"}},
			[][3]string{
				{"locations", "l1", `{"id":"l1","node":"n1","rsc":"reserve","score":"100"}`},
				{"orders", "o", `{"id":"o","kind":"Mandatory","sets":[{"id":"o-0","resources":["web","reserve"]}]}`},
				{"fencing", "fl", `{"devices":"fence,reserve","id":"fl","index":"1","target":"n1"}`},
				{"tags", "t", `{"id":"t","objects":["reserve","address"]}`},
				{"groups", "web", `{"id":"web","members":["address","haproxy"]}`},
				{"primitives", "address", `{"agent":"ocf:heartbeat:IPaddr2","id":"address","ops":[{"id":"address-monitor-10s","interval":"10s","name":"monitor"}],"params":{"ip":"192.0.2.9"}}`},
			},
		},
		{
			"a copy has ids of its own",
			[]config.Edit{{Op: config.Copy, Kind: config.Primitives, ID: "vip", To: "vip2"}},
			[][3]string{{"primitives", "vip2", `{"agent":"ocf:heartbeat:IPaddr2","id":"vip2","ops":[{"id":"vip2-monitor-10s","interval":"10s","name":"monitor"}],"params":{"ip":"192.0.2.9"}}`}},
		},
		{
			"what refers to a resource goes with it when that is asked for",
			[]config.Edit{{Op: config.Delete, Kind: config.Primitives, ID: "spare", Cascade: true}},
			[][3]string{
				{"primitives", "spare", ""},
				{"locations", "l1", ""},
				{"tags", "t", `{"id":"t","objects":["vip"]}`},
				{"orders", "o", `{"id":"o","kind":"Mandatory","sets":[{"id":"o-0","resources":["web"]}]}`},
				{"fencing", "fl", `{"devices":"fence","id":"fl","index":"1","target":"n1"}`},
			},
		},
		{
			"edits may need each other",
			[]config.Edit{
				{Op: config.Put, Kind: config.Locations, ID: "l2", Body: []byte(`{"rsc":"new","node":"n2","score":"INFINITY"}`)},
				{Op: config.Put, Kind: config.Primitives, ID: "new", Body: []byte(`{"agent":"systemd:new"}`)},
			},
			[][3]string{{"locations", "l2", `{"id":"l2","node":"n2","rsc":"new","score":"INFINITY"}`}},
		},
		{
			"a rule is a field",
			[]config.Edit{{Op: config.Put, Kind: config.Locations, ID: "l1", Body: []byte(`{"rsc":"spare","rules":[{"score":"-INFINITY","expressions":[{"attribute":"#uname","operation":"eq","value":"n2"}]}]}`)}},
			[][3]string{{"locations", "l1", `{"id":"l1","rsc":"spare","rules":[{"expressions":[{"attribute":"#uname","id":"l1-rule-expression","operation":"eq","value":"n2"}],"id":"l1-rule","score":"-INFINITY"}]}`}},
		},
		{
			"options are set, and others stay",
			[]config.Edit{{Op: config.Patch, Kind: config.Properties, ID: "cib-bootstrap-options", Body: []byte(`{"values":{"maintenance-mode":true}}`)}},
			[][3]string{{"properties", "cib-bootstrap-options", `{"id":"cib-bootstrap-options","ids":{"values/stonith-enabled":"o1"},"values":{"maintenance-mode":"true","stonith-enabled":"true"}}`}},
		},
		{
			"a node is known by its name",
			[]config.Edit{{Op: config.Patch, Kind: config.Nodes, ID: "n2", Body: []byte(`{"attributes":{"standby":"on"}}`)}},
			[][3]string{{"nodes", "2", `{"attributes":{"standby":"on"},"id":"2","uname":"n2"}`}},
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			configuration := parse(t)
			if err := config.Apply(configuration, version, c.edits); err != nil {
				t.Fatal(err)
			}
			for _, w := range c.want {
				if got := get(t, configuration, config.Kind(w[0]), w[1]); got != w[2] {
					t.Errorf("%s %s is\n%s, want\n%s", w[0], w[1], got, w[2])
				}
			}
		})
	}
}

func TestApplyRefuses(t *testing.T) {
	put := func(k config.Kind, id, body string) config.Edit {
		return config.Edit{Op: config.Put, Kind: k, ID: id, Body: []byte(body)}
	}
	cases := map[string]struct {
		edit config.Edit
		want string
	}{
		"no JSON":                       {put(config.Primitives, "x", `{`), "body: is not a JSON object"},
		"an unknown field":              {put(config.Primitives, "x", `{"agent":"systemd:x","parms":{}}`), "parms: is not a field of <primitive>"},
		"no agent":                      {put(config.Primitives, "x", `{}`), "agent: is missing"},
		"an agent of no form":           {put(config.Primitives, "x", `{"agent":"IPaddr2"}`), `agent: is "IPaddr2"`},
		"an id that is no name":         {put(config.Primitives, "1x", `{"agent":"systemd:x"}`), `id: is "1x"`},
		"an id that is taken":           {put(config.Primitives, "l1", `{"agent":"systemd:x"}`), "primitives/l1: this id is taken by rsc_location l1"},
		"another id":                    {put(config.Primitives, "vip", `{"id":"x","agent":"systemd:x"}`), "id: is not the one of the path"},
		"a list that is none":           {put(config.Primitives, "x", `{"agent":"systemd:x","ops":{}}`), "ops: is not a list"},
		"a part's field":                {put(config.Primitives, "x", `{"agent":"systemd:x","ops":[{"name":"start"},{"titel":"stop"}]}`), "ops[1].titel: is not a field of <op>"},
		"a mask of nothing":             {put(config.Primitives, "x", `{"agent":"systemd:x","params":{"p":"********"}}`), "stands for a secret"},
		"a member elsewhere":            {put(config.Clones, "c", `{"member":"vip"}`), `member: is "vip", expected the id of a primitive or group that is in nothing else`},
		"a monitor without an interval": {put(config.Primitives, "x", `{"agent":"systemd:x","ops":[{"name":"start"},{"name":"monitor","timeout":"9s"}]}`), "ops[1].interval: is missing, expected the time between two checks, such as 10s"},
		"an operation without a name":   {put(config.Primitives, "x", `{"agent":"systemd:x","ops":[{"name":"start"},{"interval":"10s"}]}`), "ops[1].name: is missing"},
		"all that is missing": {
			put(config.Locations, "1", `{"rules":[{"score":"1"},{"expressions":[{"value":"1"},{"element":"rule","expressions":[{"element":"op_expression"}]}]}]}`),
			`id: is "1", expected letters, digits and . _ - beginning with a letter or _; rsc: is missing, expected the id of a resource; ` +
				`rules[0].expressions: is missing, expected a list of expressions; rules[1].expressions[0].attribute: is missing, expected the name of a node attribute such as #uname; ` +
				`rules[1].expressions[0].operation: is missing, expected a comparison such as eq; rules[1].expressions[1].expressions[0].name: is missing`,
		},
		"a bundle of nothing":      {put(config.Bundles, "x", `{"container":{"replicas":"2"},"network":{"ports":[{}]},"storage":[{"source-dir":"/a"}]}`), "container.image: is missing, expected the name of an image; network.ports[0].port: is missing, expected a port, or a range of them; storage[0].target-dir: is missing"},
		"a set of nothing":         {put(config.Orders, "x", `{"sets":[{"sequential":"false"}]}`), "sets[0].resources: is missing"},
		"a set's rule":             {put(config.Primitives, "x", `{"agent":"systemd:x","metaSets":[{"rules":[{"score":"1"}],"values":{"priority":"1"}}]}`), "metaSets[0].rules[0].expressions: is missing"},
		"a right to nothing":       {put(config.Roles, "x", `{"permissions":[{"kind":"read"}]}`), "permissions[0].xpath: is missing"},
		"a group of nobody":        {put(config.Groups, "g", `{"members":[]}`), "members: is missing"},
		"a resource twice":         {put(config.Groups, "web", `{"members":["vip","vip"]}`), "members[1]: is \"vip\", as is one before it"},
		"a reference to nothing":   {put(config.Locations, "l9", `{"rsc":"none","node":"n1","score":"1"}`), `rsc: is "none", which does not exist`},
		"a score":                  {put(config.Locations, "l9", `{"rsc":"vip","node":"n1","score":"much"}`), `score: is "much"`},
		"broken XML":               {put(config.Locations, "l1", `{"rsc":"vip","node":"n1","score":"1","extra":["<rule"]}`), "extra[0]: is not XML"},
		"a control character":      {put(config.Locations, "l1", `{"rsc":"vip","node":"n\u00011","score":"1"}`), "node: has a character that XML cannot express"},
		"an id of parts twice":     {put(config.Primitives, "x", `{"agent":"systemd:x","ops":[{"id":"vip-monitor-10s","name":"monitor","interval":"10s"}]}`), "two elements would have this id"},
		"deleting what is used":    {config.Edit{Op: config.Delete, Kind: config.Primitives, ID: "spare"}, "primitives/spare: rsc_location l1 refers to it"},
		"deleting nothing":         {config.Edit{Op: config.Delete, Kind: config.Primitives, ID: "none"}, "primitives/none does not exist"},
		"a new name that is taken": {config.Edit{Op: config.Rename, Kind: config.Primitives, ID: "vip", To: "web"}, "primitives/web: this id is taken by group web"},
		"a node's name":            {config.Edit{Op: config.Rename, Kind: config.Nodes, ID: "1", To: "n9"}, "nodes/1: a node's name"},
		"another version":          {config.Edit{Op: config.Delete, Kind: config.Locations, ID: "l1", IfMatch: []string{`"0:6"`}}, "locations/l1 has changed"},
		"what must not exist":      {config.Edit{Op: config.Put, Kind: config.Locations, ID: "l1", IfNone: true, Body: []byte(`{}`)}, "locations/l1 has changed"},
		"what must exist":          {config.Edit{Op: config.Put, Kind: config.Locations, ID: "l9", IfMatch: []string{"*"}, Body: []byte(`{}`)}, "locations/l9 does not exist"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := config.Apply(parse(t), "0:7", []config.Edit{c.edit})
			if edit, ok := errors.AsType[*lb.EditError](err); !ok || edit.Index != 0 || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
}

// The tag of an object changes with it, and with nothing else unless it has secrets, of
// which it must tell nothing.
func TestTag(t *testing.T) {
	tag := func(k config.Kind, id, version, from, to string) string {
		e, err := cibxml.Parse([]byte(strings.ReplaceAll(example, from, to)))
		if err != nil {
			t.Fatal(err)
		}
		return config.Tag(k, e.ByID(id), version)
	}
	before := tag(config.Primitives, "vip", "0:7", "", "")
	for name, c := range map[string]struct {
		got  string
		same bool
	}{
		"another version": {tag(config.Primitives, "vip", "0:8", "", ""), true},
		"another object":  {tag(config.Primitives, "vip", "0:7", `score="100"`, `score="200"`), true},
		"its parameter":   {tag(config.Primitives, "vip", "0:7", "192.0.2.9", "192.0.2.8"), false},
		"its operation":   {tag(config.Primitives, "vip", "0:7", `interval="10s"`, `interval="11s"`), false},
	} {
		if (c.got == before) != c.same {
			t.Errorf("%s: the tag is %s, and was %s", name, c.got, before)
		}
	}
	secret := tag(config.Primitives, "fence", "0:7", "", "")
	if other := tag(config.Primitives, "fence", "0:7", "topsecret7", "guess"); other != secret {
		t.Error("the tag depends on a secret")
	}
	if other := tag(config.Primitives, "fence", "0:8", "topsecret7", "guess"); other == secret {
		t.Error("the tag of an object with a secret is the same after a change of the configuration")
	}
	if group := tag(config.Groups, "web", "0:7", "", ""); group != tag(config.Groups, "web", "0:7", "192.0.2.9", "192.0.2.8") {
		t.Error("the tag of a group changes with its member")
	}
}
