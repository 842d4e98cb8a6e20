package pacemaker

import (
	"regexp"
	"slices"
	"strings"
)

// masked stands where a secret was.
const masked = "********"

// holdsSecret matches what has a secret somewhere in it: options of a mount, the
// address of an API.
const holdsSecret = `(?i)(pass(w|wd|word|phrase)?|secret|token) *=|://[^/@ ]*:[^/@ ]*@`

// Masked is the CIB as XML without secrets: the value of each name-value pair
// whose name says that it is one, or whose value holds one under such a name,
// wherever it stands. lrm_rsc_op has hashes of parameters only.
func (c *CIB) Masked() []byte {
	root := c.root.clone()
	within := regexp.MustCompile(holdsSecret)
	for _, p := range root.all("nvpair") {
		if value := p.attr("value"); value != "" && (isSecret(p.attr("name")) || within.MatchString(value)) {
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
	return slices.ContainsFunc([]string{"_pass", "_key", "_pwd", "_kg"}, func(end string) bool { return strings.HasSuffix(name, end) })
}
