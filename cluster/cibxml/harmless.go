package cibxml

import (
	"regexp"
	"slices"
	"strings"
)

// Mark is the attribute "description" of the resources made from a Description.
const Mark = "made by thalassa cluster apply"

// PairSets are the elements that hold name-value pairs.
func PairSets() []string {
	return []string{"instance_attributes", "meta_attributes", "utilization", "cluster_property_set", "rsc_defaults", "op_defaults", "transient_attributes"}
}

// IsHarmless reports whether an attribute of an element may be shown. set is the set of
// name-value pairs that the element belongs to.
func IsHarmless(e *Element, set, name, value string) bool {
	switch {
	case name == "exit-reason": // a text: see Hide
		return true
	case name == "description":
		return value == Mark
	case hasSecret(value):
		return false
	case e.Name == "nvpair" && name == "value":
		return isHarmlessPair(set, e.Attr("name"), value)
	case name == "options":
		return isPlainOption(value)
	case name == "value" && e.Name == "expression":
		return strings.HasPrefix(e.Attr("attribute"), "#") || HasPlainForm(value)
	case isPlainAttribute(name):
		return true
	case formOf(name) != nil:
		return formOf(name).MatchString(value)
	}
	// The value of a recipient, the arguments of a container, digests, and what is unknown.
	return HasPlainForm(value)
}

// isPlainAttribute reports whether an attribute of that name has the id or name of
// something, or a word of Pacemaker's.
func isPlainAttribute(name string) bool {
	switch name {
	case "id", "id-ref", "name", "uname", "type", "class", "provider", "template", "rsc", "rsc-role",
		"rsc-pattern", "rsc-instance", "with-rsc", "with-rsc-role", "with-rsc-instance", "first",
		"first-action", "first-instance", "then", "then-action", "then-instance", "node", "node-attribute",
		"role", "kind", "action", "operation", "operation_key", "ticket", "loss-policy", "score-attribute",
		"score-attribute-mangle", "boolean-op", "attribute", "value-source", "resource-discovery",
		"sequential", "require-all", "ordering", "symmetrical", "influence", "requires", "on-fail",
		"interval-origin", "target", "target-pattern", "target-attribute", "devices", "index", "object-type",
		"reference", "ref", "tag", "container", "remote_node", "on_node", "migrate_source", "migrate_target",
		"op-force-restart", "op-secure-params", "crm-debug-origin", "ha", "in_ccm", "crmd", "join", "expected",
		"owner", "host-interface", "start", "end", "validate-with", "crm_feature_set", "update-origin",
		"update-client", "update-user", "dc-uuid", "cib-last-written":
		return true
	}
	return false
}

var (
	pathForm    = regexp.MustCompile(`^/[\w./@:+-]*$`)
	imageForm   = regexp.MustCompile(`^[\w.:/-]+(@sha256:[0-9a-f]{64})?$`)
	networkForm = regexp.MustCompile(`^(host|bridge|none|private)$`)
	// AddressForm matches addresses and networks.
	AddressForm = regexp.MustCompile(`^[0-9a-fA-F.:/]+$`)
	rangeForm   = regexp.MustCompile(`^[0-9 ,-]+$`)
	xpathForm   = regexp.MustCompile(`^[\w/@*.\[\]:-]*$`)
	keyForm     = regexp.MustCompile(`^[0-9:;]*([0-9a-f]{8}|x{8})(-([0-9a-f]{4}|x{4})){3}-([0-9a-f]{12}|x{12})$`)
)

// formOf is the form of harmless values of an attribute; nil: there is none.
func formOf(name string) *regexp.Regexp {
	switch name {
	case "path", "source-dir", "source-dir-root", "target-dir":
		return pathForm
	case "image":
		return imageForm
	case "network":
		return networkForm
	case "ip-range-start", "host-netmask":
		return AddressForm
	case "port", "internal-port", "range", "hours", "monthdays", "weekdays", "yearsdays", "yeardays", "months", "weeks", "years", "weekyears", "moon", "days", "minutes", "seconds":
		return rangeForm
	case "xpath":
		return xpathForm
	case "transition-key", "transition-magic":
		return keyForm
	}
	return nil
}

func isHarmlessPair(set, name, value string) bool {
	if IsSecret(name) {
		return false
	}
	switch {
	case set == "utilization", set == "cluster_property_set", strings.HasSuffix(set, "_defaults"), set == "meta_attributes":
		return HasPlainForm(value) || isPacemakers(name, value)
	case set == "transient_attributes":
		return HasPlainForm(value) || strings.HasPrefix(name, "thalassa-")
	}
	return isPlainParameter(name, value) || strings.HasSuffix(name, "options") && isPlainOption(value) || !strings.ContainsAny(name, "_-") && isSwitch(value)
}

// ShownPairs are name-value pairs with masks for those that may be secrets.
func ShownPairs(set string, pairs map[string]string) map[string]string {
	for name, value := range pairs {
		if value != "" && (hasSecret(value) || !isHarmlessPair(set, name, value)) {
			pairs[name] = Masked
		}
	}
	return pairs
}

// ShownAttributes are the transient attributes of a node without secrets.
func ShownAttributes(attributes map[string]string) map[string]string {
	return ShownPairs("transient_attributes", attributes)
}

// isSwitch reports whether a value is a boolean.
func isSwitch(value string) bool {
	return IsTrue(value) && value != "1" || IsFalse(value) && value != "0"
}

// plainForm matches booleans, numbers with a unit, and scores.
var plainForm = regexp.MustCompile(`(?i)^([-+]?(\d{1,12}(\.\d+)?(ms|s|sec|us|m|min|h|hr|%)?|infinity)|true|false|yes|no|on|off)$`)

// HasPlainForm reports whether a value is a boolean, a number with or without a unit, or a
// score.
func HasPlainForm(value string) bool { return plainForm.MatchString(value) }

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

// isPacemakers reports whether a value is a word, in an option or meta attribute of
// Pacemaker whose values are words or numbers, or a name in one that holds names. It may
// be a wrong word: then its error can be found.
func isPacemakers(name, value string) bool {
	switch name {
	case "cluster-name", "remote-node", "remote-addr":
		return nameForm.MatchString(value)
	case "thalassa-jobs":
		return markForm.MatchString(value)
	case "dc-version":
		return versionForm.MatchString(value)
	}
	return isWordOption(name) && wordForm.MatchString(value)
}

// isWordOption reports whether an option or meta attribute of that name has a word as its value.
func isWordOption(name string) bool {
	switch name {
	case "cluster-infrastructure", "have-watchdog", "no-quorum-policy", "stonith-action", "stonith-enabled",
		"fence-reaction", "placement-strategy", "node-health-strategy", "symmetric-cluster",
		"stop-all-resources", "maintenance-mode", "cluster-recheck-interval", "dc-deadtime",
		"election-timeout", "shutdown-escalation", "transition-delay", "crmd-transition-delay", "target-role",
		"is-managed", "maintenance", "multiple-active", "on-fail", "requires", "interleave", "notify",
		"ordered", "globally-unique", "promotable", "allow-migrate", "critical", "container-attribute-target",
		"clone-max", "clone-node-max", "promoted-max", "promoted-node-max", "resource-stickiness",
		"migration-threshold", "failure-timeout", "priority", "timeout", "interval", "record-pending",
		"standby":
		return true
	}
	return false
}

var (
	nameForm    = regexp.MustCompile(`^[\w .,;:@%/+-]*$`)
	markForm    = regexp.MustCompile(`^[0-9a-f. ]*$`) // of package pacemaker
	wordForm    = regexp.MustCompile(`^[A-Za-z_-]{1,20}$`)
	versionForm = regexp.MustCompile(`^[\d.]+(-[\w.-]{1,20})?$`)
	urlForm     = regexp.MustCompile(`^https?://[\w.:\[\]/-]*$`)
)

// isPlainParameter reports whether a parameter of that name of a usual agent is no secret,
// and the value has the form of one.
func isPlainParameter(name, value string) bool {
	switch name {
	case "ip", "ipv6addr", "cidr_netmask", "netmask", "broadcast", "ipaddr", "ip_address", "master_ip":
		return AddressForm.MatchString(value)
	case "agent_url", "check_url", "statusurl":
		return urlForm.MatchString(value)
	case "nodad", "lvs_support", "arp_interval", "arp_count", "arp_bg", "flush_routes", "preferred_lft",
		"open_files", "drain_time", "generation", "OCF_CHECK_LEVEL", "trace_ra", "fake", "op_sleep",
		"multiplier", "dampen", "attempts", "ipport", "port", "delay", "power_timeout", "power_wait",
		"lanplus":
		return HasPlainForm(value)
	case "nic", "iflabel", "clusterip_hash", "arp_sender", "send_arp_opts", "config", "binary",
		"stats_socket", "master_socket", "pidfile", "startup_log", "user", "state", "host_list", "name",
		"interface", "plug", "action", "method", "power_off_mode", "login", "username", "hostlist", "host",
		"nodename", "devices", "directory", "fstype", "device", "mountpoint", "configfile", "socket",
		"volgrpname", "vg_access_mode", "pgctl", "pgdata", "rep_mode", "node_list", "drbd_resource", "site",
		"standby":
		return nameForm.MatchString(value)
	}
	return fencingParameter.MatchString(name) && nameForm.MatchString(value)
}

// fencingParameter matches Pacemaker's own parameters of fence devices.
var fencingParameter = regexp.MustCompile(`^pcmk_(host_(map|list|check|argument)|delay_(max|base)|action_limit|(reboot|off|on|list|monitor|status|metadata)_(action|timeout|retries))$`)
