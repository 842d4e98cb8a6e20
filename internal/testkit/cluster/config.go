package cluster

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// corosyncConf is corosync.conf(5) of all nodes.
func (l *Fixture) corosyncConf() string {
	var b strings.Builder
	fmt.Fprintf(&b, `totem {
    version: 2
    cluster_name: lab
    transport: knet
    crypto_cipher: aes256
    crypto_hash: sha256
    token: %d
    token_coefficient: 0
}
system {
    allow_knet_handle_fallback: yes
}
quorum {
    provider: corosync_votequorum
    %s
}
logging {
    to_logfile: yes
    logfile: /var/log/corosync/corosync.log
    to_syslog: no
    timestamp: hires
}
nodelist {
`, l.cfg.Token, map[bool]string{true: "two_node: 1"}[l.cfg.Nodes == 2])
	for _, n := range l.Nodes {
		fmt.Fprintf(&b, "    node {\n        ring0_addr: %s\n        name: %s\n        nodeid: %d\n    }\n", n.Address(), n.Name, n.number)
	}
	return b.String() + "}\n"
}

// firstCIB is the cluster's first configuration: the nodes elect a DC after two
// seconds rather than twenty, and have a fence device. Each sees the load of the
// whole machine, that of all nodes and of the test, and must not do one thing at a
// time for that.
func (l *Fixture) firstCIB() string {
	properties := map[string]string{"dc-deadtime": "2s", "stonith-enabled": "true", "cluster-name": "lab", "load-threshold": "1000%"}
	device := `<primitive id="fence" class="stonith" type="fence_fixture">
      <instance_attributes id="fence-params">
        <nvpair id="fence-list" name="pcmk_host_list" value="` + strings.Join(l.names(), " ") + `"/>
        <nvpair id="fence-check" name="pcmk_host_check" value="static-list"/>
      </instance_attributes>
    </primitive>`
	if l.cfg.NoFencing {
		properties["stonith-enabled"], device = "false", ""
	}
	maps.Copy(properties, l.cfg.Properties)
	return fmt.Sprintf(`<cib crm_feature_set="3.0.14" validate-with="pacemaker-3.9" admin_epoch="0" epoch="1" num_updates="0">
<configuration>
  <crm_config>
    <cluster_property_set id="cib-bootstrap-options">
%s    </cluster_property_set>
  </crm_config>
  <nodes/>
  <resources>
    %s
    %s
  </resources>
  <constraints>%s</constraints>
  <rsc_defaults><meta_attributes id="rsc-defaults">%s</meta_attributes></rsc_defaults>
</configuration>
<status/>
</cib>
`, Pairs("cib-bootstrap-options", properties), device, l.cfg.Resources, l.cfg.Constraints, Pairs("rsc-defaults", l.cfg.Defaults))
}

// Pairs writes attributes for a set of them with an id.
func Pairs(set string, values map[string]string) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(values)) {
		fmt.Fprintf(&b, "<nvpair id=\"%[1]s-%[2]s\" name=\"%[2]s\" value=\"%[3]s\"/>\n", set, name, values[name])
	}
	return b.String()
}

func (l *Fixture) names() []string {
	names := make([]string, 0, len(l.Nodes))
	for _, n := range l.Nodes {
		names = append(names, n.Name)
	}
	return names
}
