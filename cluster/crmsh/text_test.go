package crmsh_test

import (
	"strings"
	"testing"

	"thalassa/cluster/cibxml"
	"thalassa/cluster/crmsh"
)

// Single objects: what crmsh can say, and what is shown as XML.
func TestStatements(t *testing.T) {
	for xml, want := range map[string]string{
		`<nodes><node id="1" uname="n1" type="remote"/></nodes>`:                                                                                                             "node 1: n1:remote\n",
		`<resources><primitive id="a" class="stonith" type="external/ipmi" description="say &quot;a\b&quot;"/></resources>`:                                                  "primitive a stonith:external/ipmi \\\n\tdescription=\"say \\\"a\\\\b\\\"\"\n",
		`<resources><bundle id="b"><podman image="i"/></bundle></resources>`:                                                                                                 "xml <bundle id=\"b\"> \\\n  <podman image=\"i\"/> \\\n</bundle>\n",
		`<resources><primitive id="a" class="ocf" type="x"/></resources>`:                                                                                                    "xml <primitive id=\"a\" class=\"ocf\" type=\"x\"/>\n",
		`<resources><primitive id="a" class="lsb" type="x"><instance_attributes id="s"><nvpair id="p" name="k" value="b  c"/></instance_attributes></primitive></resources>`: "primitive a lsb:x \\\n\tparams k=\"b  c\"\n",
		`<resources><primitive id="a" class="lsb" type="x" odd="b  c"/></resources>`:                                                                                         "xml <primitive id=\"a\" class=\"lsb\" type=\"x\" odd=\"b &#x20;c\"/>\n",
		`<constraints><rsc_location id="l" rsc="a" node="n1"/></constraints>`:                                                                                                "xml <rsc_location id=\"l\" rsc=\"a\" node=\"n1\"/>\n",
		`<constraints><rsc_location id="l" rsc="a" node="n1" score="+INFINITY"/></constraints>`:                                                                              "location l a +inf: n1\n",
		`<constraints><rsc_order id="o" first="a" then="b" score="0"/></constraints>`:                                                                                        "xml <rsc_order id=\"o\" first=\"a\" then=\"b\" score=\"0\"/>\n",
		`<constraints><rsc_colocation id="c" score="5"><resource_set id="s"><resource_ref id="a"/></resource_set></rsc_colocation></constraints>`:                            "colocation c 5: _rsc_set_ a\n",
		`<constraints><rsc_ticket id="t" ticket="a:b" rsc="a"/></constraints>`:                                                                                               "xml <rsc_ticket id=\"t\" ticket=\"a:b\" rsc=\"a\"/>\n",
		`<fencing-topology><fencing-level id="f" target="n1" index="2" devices="a"/></fencing-topology>`:                                                                     "xml <fencing-topology> \\\n  <fencing-level id=\"f\" target=\"n1\" index=\"2\" devices=\"a\"/> \\\n</fencing-topology>\n",
		`<acls><acl_role id="r"><acl_permission id="p" kind="read" xpath="/cib" reference="a"/></acl_role></acls>`:                                                           "xml <acl_role id=\"r\"> \\\n  <acl_permission id=\"p\" kind=\"read\" xpath=\"/cib\" reference=\"a\"/> \\\n</acl_role>\n",
		`<acls><acl_user id="u"/></acls>`:      "xml <acl_user id=\"u\"/>\n",
		`<other><login password="x"/></other>`: "xml <login password=\"x\"/>\n",
		`<rsc_defaults/>`:                      "",
	} {
		configuration, err := cibxml.Parse([]byte("<configuration>" + xml + "</configuration>"))
		if err != nil {
			t.Fatal(err)
		}
		if got := crmsh.Text(configuration); got != want {
			t.Errorf("%s\nis\n%s\nexpected\n%s", xml, got, want)
		}
	}
}

// Objects come in the order of crmsh, those in others before them.
func TestOrderOfTheText(t *testing.T) {
	configuration, err := cibxml.Parse([]byte(`<configuration><crm_config><cluster_property_set id="z"/><cluster_property_set id="b"/></crm_config>
		<resources><clone id="c"><group id="g"><primitive id="b" class="lsb" type="x"/></group></clone><primitive id="a" class="lsb" type="x"/></resources>
		<constraints><rsc_order id="o" first="c" then="a"/><rsc_location id="l" rsc="a" node="n" score="1"/></constraints><tags><tag id="t"><obj_ref id="a"/></tag></tags></configuration>`))
	if err != nil {
		t.Fatal(err)
	}
	want := "primitive a lsb:x\nprimitive b lsb:x\ngroup g b\nclone c g\ntag t a\nlocation l a 1: n\norder o c a\nproperty z:\nproperty b:\n"
	if got := crmsh.Text(configuration); got != want {
		t.Errorf("got\n%s\nexpected\n%s", got, want)
	}
	if strings.Contains(crmsh.Text(cibxml.New("configuration")), "\n") {
		t.Error("an empty configuration has text")
	}
}
