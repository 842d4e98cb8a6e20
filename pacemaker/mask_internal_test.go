package pacemaker

import (
	"strings"
	"testing"

	"thalassa/cluster/cibxml"
)

// TestUnknownValuesAreMasked has a secret in every place of a CIB that an operator can
// write something into.
func TestUnknownValuesAreMasked(t *testing.T) {
	cib, err := ParseCIB([]byte(`<cib admin_epoch="1" epoch="2" num_updates="3"><configuration>
<crm_config><cluster_property_set id="p"><nvpair id="p1" name="cluster-name" value="kept-cluster"/><nvpair id="p2" name="my-note" value="hunter2"/></cluster_property_set></crm_config>
<nodes><node id="1" uname="kept-node"><instance_attributes id="n"><nvpair id="n1" name="site" value="kept-site"/><nvpair id="n2" name="rack_login" value="hunter2"/><nvpair id="n3" name="standby" value="on"/></instance_attributes></node></nodes>
<resources>
 <primitive id="r" class="ocf" provider="acme" type="api" description="log in with hunter2">
  <instance_attributes id="i"><nvpair id="i1" name="pin" value="hunter2"/><nvpair id="i2" name="url" value="https://user:hunter2@host/"/><nvpair id="i3" name="ip" value="192.0.2.7"/><nvpair id="i4" name="env" value="A=1 B=hunter2"/></instance_attributes>
  <operations><op id="o" name="monitor" interval="10s"><instance_attributes id="oi"><nvpair id="oi1" name="OCF_CHECK_LEVEL" value="10"/><nvpair id="oi2" name="query" value="hunter2"/></instance_attributes></op></operations>
 </primitive>
 <bundle id="b"><podman image="registry.example/kept-image:1" options="-e DB_PASSWORD=hunter2" run-command="/run --key hunter2" replicas="2"/>
  <storage><storage-mapping id="s" source-dir="/kept-dir" target-dir="/d" options="ro"/></storage></bundle>
</resources>
<constraints><rsc_location id="l" rsc="r"><rule id="ru" score="INFINITY"><expression id="e" attribute="rack_login" operation="eq" value="hunter2"/><expression id="e2" attribute="#uname" operation="eq" value="kept-uname"/></rule></rsc_location></constraints>
<alerts><alert id="a" path="/kept-path"><recipient id="rc" value="https://user:hunter2@hook.example/x"/><recipient id="rd" value="mail-hunter2"/></alert></alerts>
</configuration>
<status><node_state id="1" uname="kept-node"><transient_attributes id="1"><instance_attributes id="t"><nvpair id="t1" name="thalassa-check" value="kept-answer"/><nvpair id="t2" name="x" value="hunter2"/></instance_attributes></transient_attributes>
<lrm id="1"><lrm_resources><lrm_resource id="r"><lrm_rsc_op id="r_last_0" operation="monitor" op-digest="hunter2hash" op-secure-digest="hunter2" exit-reason="password=hunter2 refused" rc-code="1"/></lrm_resource></lrm_resources></lrm></node_state></status></cib>`))
	if err != nil {
		t.Fatal(err)
	}
	shown := string(cib.Masked())
	if strings.Contains(shown, "hunter2") {
		t.Errorf("a secret is shown:\n%s", shown)
	}
	for _, kept := range []string{"kept-cluster", "kept-node", "kept-site", "192.0.2.7", "kept-image", "kept-dir", "kept-path", "kept-uname", "kept-answer", `value="10"`, `name="standby" value="on"`, `options="ro"`} {
		if !strings.Contains(shown, kept) {
			t.Errorf("%s is gone:\n%s", kept, shown)
		}
	}
}

func TestSecretsInMessagesAreMasked(t *testing.T) {
	for text, want := range map[string]string{
		"cannot reach https://user:hunter2@host/x": "cannot reach https:********host/x",
		"bad option password=hunter2, exiting":     "bad option ********, exiting",
		"Authorization: Bearer hunter2 refused":    "******** refused",
		"cannot bind 10.0.0.5:80":                  "cannot bind 10.0.0.5:80",
		"node n1:2 is unclean":                     "node n1:2 is unclean",
	} {
		if got := cibxml.MaskText(text); got != want {
			t.Errorf("%q: %q, expected %q", text, got, want)
		}
	}
}
