package ocf

import (
	"encoding/xml"
	"fmt"
	"strings"
)

// metadataHead declares, beside the old document type, what ocf-tester's copy of
// it does not know of API 1.1.
const metadataHead = `<?xml version="1.0"?>
<!DOCTYPE resource-agent SYSTEM "ra-api-1.dtd" [
<!ATTLIST parameter reloadable (1|0) "0" unique-group CDATA #IMPLIED>
<!ATTLIST action name CDATA #REQUIRED>
]>
<resource-agent name="haproxy" version="1.0">
<version>1.1</version>
<longdesc lang="en">
Runs the HAProxy that a thalassa agent keeps in step with Consul. On every node the agent (thalassa agent --haproxy pacemaker) has
discovery running and the configuration rendered, validated and on disk; this resource starts HAProxy with it where Pacemaker wants it,
so that a node that takes over serves the members that Consul knows now. The resource does not need the agent to be up.

Run it as a clone on all nodes, with the floating IP colocated with it and ordered after it: a failover then only moves the address.
HAProxy must bind a wildcard address then, or one that a node does not have (net.ipv4.ip_nonlocal_bind=1).

Start returns when HAProxy answers. Stop ends HAProxy gently, then firmly, and within its timeout. A process is taken for HAProxy only
when it was started with this resource's master socket, runs HAProxy's program and is root's, the user's or the owner's of the
configuration. A socket of another user is not asked. A reload that HAProxy
refuses leaves it running as before, and the monitor tells of it. The monitor asks HAProxy at depth 0; at depth 10 it also connects to every
frontend, and asks the thalassa agent whether it and Consul keep the configuration up to date; at depth 20 it also has the file on disk
checked and asks check_url.
</longdesc>
<shortdesc lang="en">HAProxy, kept in step with Consul by Thalassa</shortdesc>
<parameters>
`

// actions are the operations with their suggested times.
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

// Metadata describes the resource agent, for Pacemaker and for its users
// (resource agent API 1.1).
func Metadata() string {
	var b strings.Builder
	b.WriteString(metadataHead)
	for _, p := range parameters() {
		kind := p.kind
		if kind == "time" {
			kind = "string" // the API has no such type; API 1.1 tools know no other
		}
		fmt.Fprintf(&b, "<parameter name=%q required=\"0\" unique=\"0\"", p.name)
		if p.reloadable {
			b.WriteString(` reloadable="1"`)
		}
		fmt.Fprintf(&b, ">\n<longdesc lang=\"en\">\n%s\n</longdesc>\n<shortdesc lang=\"en\">%s</shortdesc>\n", escape(p.long), escape(p.short))
		fmt.Fprintf(&b, "<content type=%q default=%q/>\n</parameter>\n", kind, p.fallback)
	}
	b.WriteString(metadataActions)
	return b.String()
}

func escape(text string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(text)) // a Builder takes everything
	return strings.NewReplacer("&#xA;", "\n", "&#34;", `"`, "&#39;", "'").Replace(b.String())
}
