package pacemaker

import (
	"regexp"
	"slices"
	"strings"
)

// masked replaces a value that may be a secret.
const masked = "********"

// Masked returns the CIB as XML without secrets. It keeps structure, and values that are
// known to be harmless: by their place, by the name of their parameter, or by their form,
// such as numbers. Everything else is masked: parameters of unknown agents, the options of
// containers, recipients of alerts, free text. Digests of parameters are masked as well,
// because short secrets can be guessed from them.
func (c *CIB) Masked() []byte {
	root := c.root.clone()
	maskElement(root, "")
	return root.bytes()
}

// maskElement masks what stands in an element; set is the set of name-value pairs that it
// belongs to.
func maskElement(e *element, set string) {
	if slices.Contains(pairSets(), e.name) && set != "transient_attributes" {
		set = e.name
	}
	if strings.TrimSpace(e.text) != "" {
		e.text = masked
	}
	for i, a := range e.attrs {
		if a.Value != "" && !isHarmless(e, set, a.Name.Local, a.Value) {
			e.attrs[i].Value = masked
		}
	}
	e.children = e.elements() // comments are free text
	for _, child := range e.children {
		maskElement(child, set)
	}
}

// pairSets are the elements that hold name-value pairs.
func pairSets() []string {
	return []string{"instance_attributes", "meta_attributes", "utilization", "cluster_property_set", "rsc_defaults", "op_defaults", "transient_attributes"}
}

// isHarmless reports whether an attribute may be shown.
func isHarmless(e *element, set, name, value string) bool {
	switch {
	case name == "description":
		return value == mark
	case holdsSecret.MatchString(value):
		return false
	case strings.HasSuffix(name, "digest"), name == "options", name == "run-command":
		return isPlainOption(value)
	case e.name == "nvpair" && name == "value":
		return isHarmlessPair(set, e.attr("name"), value)
	case name == "value" && e.name == "expression":
		return strings.HasPrefix(e.attr("attribute"), "#") || hasPlainForm(value)
	case name == "value": // of a recipient, and of what is not known
		return hasPlainForm(value)
	}
	return true
}

func isHarmlessPair(set, name, value string) bool {
	if isSecret(name) {
		return false
	}
	switch {
	case set == "utilization", set == "cluster_property_set", strings.HasSuffix(set, "_defaults"), set == "meta_attributes":
		return hasPlainForm(value) || isPacemakers(name)
	case set == "transient_attributes":
		return hasPlainForm(value) || strings.HasPrefix(name, "thalassa-") || strings.HasPrefix(name, "fail-count-") || strings.HasPrefix(name, "last-failure-")
	}
	return isPlainParameter(name) || strings.HasSuffix(name, "options") && isPlainOption(value) || !strings.ContainsAny(name, "_-") && isSwitch(value)
}

// isSwitch reports whether a value is a boolean.
func isSwitch(value string) bool {
	return isTrue(value) && value != "1" || isFalse(value) && value != "0"
}

// plainForm matches booleans, numbers with a unit, and scores.
var plainForm = regexp.MustCompile(`(?i)^([-+]?(\d{1,12}(\.\d+)?(ms|s|sec|us|m|min|h|hr|%)?|infinity)|true|false|yes|no|on|off)$`)

func hasPlainForm(value string) bool { return plainForm.MatchString(value) }

// isPlainOption reports whether a comma-separated list has only flags of mounts.
func isPlainOption(value string) bool {
	flags := strings.Fields("rw ro z Z defaults noatime nodiratime relatime nosuid nodev noexec nofail bind soft hard tcp udp _netdev")
	for option := range strings.SplitSeq(value, ",") {
		if !slices.Contains(flags, option) {
			return false
		}
	}
	return true
}

// isPacemakers reports whether a name is that of an option or meta attribute of Pacemaker
// whose values are words, or of the programs that write the CIB.
func isPacemakers(name string) bool {
	return slices.Contains(strings.Fields(`cluster-infrastructure cluster-name dc-version have-watchdog no-quorum-policy
		stonith-action fence-reaction placement-strategy node-health-strategy symmetric-cluster stop-all-resources
		maintenance-mode cluster-recheck-interval dc-deadtime election-timeout shutdown-escalation transition-delay
		crmd-transition-delay target-role is-managed maintenance multiple-active on-fail requires interleave notify
		ordered globally-unique promotable allow-migrate critical remote-node remote-addr container-attribute-target
		resource-stickiness migration-threshold failure-timeout priority timeout interval record-pending standby`), name)
}

// isPlainParameter reports whether a name is that of a parameter of a usual agent whose
// value is no secret.
func isPlainParameter(name string) bool {
	if strings.HasPrefix(name, "pcmk_") {
		return true
	}
	return slices.Contains(strings.Fields(`ip ipv6addr cidr_netmask netmask nic iflabel broadcast nodad lvs_support
		clusterip_hash arp_interval arp_count arp_bg arp_sender send_arp_opts flush_routes preferred_lft
		config binary stats_socket master_socket pidfile startup_log user open_files drain_time agent_url check_url generation
		OCF_CHECK_LEVEL trace_ra state fake op_sleep host_list multiplier dampen attempts name interface
		ipaddr ip_address ipport port plug action method delay power_timeout power_wait power_off_mode lanplus login username
		hostlist host nodename devices directory fstype device mountpoint configfile statusurl socket volgrpname
		vg_access_mode pgctl pgdata rep_mode node_list master_ip drbd_resource site standby`), name)
}

// holdsSecret matches values that contain a secret, such as mount options or the address
// of an API.
var holdsSecret = regexp.MustCompile(secretPattern)

const secretPattern = `(?i)\b\w*(pass(w|wd|word|phrase)?|pwd|secret|token|api_?key|credentials?) *[=:] *[^\s,;&'"]+|//[^/@\s]*:[^/@\s]*@|authorization: *\S+ +\S+|-----BEGIN`

// maskText masks the secrets in a message of a tool or of a resource agent.
func maskText(text string) string { return holdsSecret.ReplaceAllString(text, masked) }

// isSecret reports whether a parameter of that name is masked. passw* is Pacemaker's
// own list for its log; the others are parameters of fence agents and cloud agents.
func isSecret(name string) bool {
	name = strings.ToLower(name)
	for _, word := range []string{"passw", "passphrase", "secret", "token", "credential", "private", "community", "api_key", "apikey", "access_key", "login_key", "auth_key", "snmp_priv", "snmp_auth"} {
		if strings.Contains(name, word) {
			return true
		}
	}
	switch name {
	case "passwd", "pwd", "pass", "key", "identity":
		return true
	}
	return slices.ContainsFunc([]string{"_pass", "_key", "_pwd", "_kg"}, func(end string) bool { return strings.HasSuffix(name, end) })
}
