package pacemaker

import (
	"regexp"
	"slices"
	"strings"
)

// masked replaces a secret.
const masked = "********"

// holdsSecret matches values that contain a secret, such as mount options or the
// address of an API.
const holdsSecret = `(?i)(pass(w|wd|word|phrase)?|secret|token) *=|://[^/@ ]*:[^/@ ]*@`

// Masked returns the CIB as XML without secrets. It masks every name-value pair whose
// name is that of a secret, or whose value contains such a name. lrm_rsc_op only has
// hashes of parameters.
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
