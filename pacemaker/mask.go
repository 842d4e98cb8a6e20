package pacemaker

import "strings"

// masked stands where a secret was.
const masked = "********"

// Masked is the CIB as XML without secrets: the value of each name-value pair
// whose name says that it is one, wherever it stands. lrm_rsc_op has hashes of
// parameters only.
func (c *CIB) Masked() []byte {
	root := c.root.clone()
	for _, p := range root.all("nvpair") {
		if p.attr("value") != "" && isSecret(p.attr("name")) {
			p.set("value", masked)
		}
	}
	return root.bytes()
}

// isSecret reports whether a parameter of that name is kept from view:
// Pacemaker's own list for its log is passw*, too; the others are those of
// fence agents and of cloud agents.
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
	return strings.HasSuffix(name, "_pass") || strings.HasSuffix(name, "_key") || strings.HasSuffix(name, "_pwd")
}
