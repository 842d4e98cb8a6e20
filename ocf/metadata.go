package ocf

import (
	"encoding/xml"
	"fmt"
	"slices"
	"strings"
)

// metadataHead uses the old document type, and declares what ocf-tester's copy of it
// lacks of API 1.1.
const metadataHead = `<?xml version="1.0"?>
<!DOCTYPE resource-agent SYSTEM "ra-api-1.dtd" [
<!ATTLIST parameter reloadable (1|0) "0" unique-group CDATA #IMPLIED>
<!ATTLIST action name CDATA #REQUIRED>
]>
<resource-agent name=%q version="1.0">
<version>1.1</version>
<longdesc lang="en">
%s
</longdesc>
<shortdesc lang="en">%s</shortdesc>
<parameters>
`

// metadataLong is the long description of the resource agent of HAProxy.
const metadataLong = `Runs HAProxy with the configuration of a thalassa agent, which keeps it up to date with Consul. On every node, the agent (thalassa agent
--haproxy pacemaker) watches Consul, renders and validates the configuration, and stores it on disk. This resource starts HAProxy with it
where Pacemaker wants it. After a failover, the new node serves the current members at once. The resource does not need a running agent.

Run it as a clone on all nodes. Colocate the floating IP with it, and order the floating IP after it: a failover then only moves the
address. HAProxy must then bind a wildcard address, or one that the node does not have (net.ipv4.ip_nonlocal_bind=1).

Start returns when HAProxy answers. Stop first ends HAProxy gracefully, then kills it, within its timeout. The resource only controls a
process that was started with its master socket, runs HAProxy's program and belongs to root, the user or the owner of the configuration.
It does not use the socket of another user. If HAProxy refuses a reload, it keeps running with the previous configuration, and the
monitor reports that. At depth 0, the monitor checks that HAProxy answers. At depth 10, it also connects to every frontend, and asks the
thalassa agent whether it and Consul keep the configuration up to date. At depth 20, it also validates the file on disk and requests
check_url.`

// metadataActions has the operations with their suggested timeouts and intervals.
const metadataActions = `</parameters>
<actions>
<action name="start" timeout="30s"/>
<action name="stop" timeout="30s"/>
<action name="monitor" timeout="10s" interval="1s" depth="0"/>
<action name="monitor" timeout="20s" interval="10s" depth="10"/>
<action name="monitor" timeout="30s" interval="60s" depth="20"/>
<action name="reload" timeout="30s"/>
<action name="reload-agent" timeout="30s"/>
<action name="validate-all" timeout="20s"/>
<action name="meta-data" timeout="5s"/>
</actions>
</resource-agent>
`

// Metadata describes the resource agent of HAProxy, for Pacemaker and for its users
// (resource agent API 1.1).
func Metadata() string {
	return describe("haproxy", metadataLong, "HAProxy, kept up to date with Consul by Thalassa", parameters(), metadataActions)
}

// describe is the metadata of a resource agent. actions ends the document.
func describe(name, long, short string, list []parameter, actions string, required ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, metadataHead, name, long, short)
	for _, p := range list {
		kind := p.kind
		if kind == "time" {
			kind = "string" // the API has no type for a time
		}
		need := "0"
		if slices.Contains(required, p.name) {
			need = "1"
		}
		fmt.Fprintf(&b, "<parameter name=%q required=%q unique=\"0\"", p.name, need)
		if p.reloadable {
			b.WriteString(` reloadable="1"`)
		}
		fmt.Fprintf(&b, ">\n<longdesc lang=\"en\">\n%s\n</longdesc>\n<shortdesc lang=\"en\">%s</shortdesc>\n", escape(p.long), escape(p.short))
		fmt.Fprintf(&b, "<content type=%q default=%q/>\n</parameter>\n", kind, p.fallback)
	}
	b.WriteString(actions)
	return b.String()
}

func escape(text string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(text)) // a Builder returns no error
	return strings.NewReplacer("&#xA;", "\n", "&#34;", `"`, "&#39;", "'").Replace(b.String())
}
