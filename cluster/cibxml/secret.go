package cibxml

import (
	"regexp"
	"slices"
	"strings"
)

// holdsSecret matches values that contain a secret, such as mount options or the address
// of an API.
var holdsSecret = regexp.MustCompile(secretPattern)

const secretPattern = `(?i)\b\w*(pass(w|wd|word|phrase)?|pwd|secret|token|api_?key|credentials?) *[=:] *[^\s,;&'"]+|//[^/@\s]*:[^/@\s]*@|authorization: *\S+ +\S+|-----BEGIN`

// hasSecret reports whether a value contains a secret. Most values lack a character that each of the
// patterns needs: no pattern is tried on them.
func hasSecret(value string) bool {
	return (strings.ContainsAny(value, "=:") || strings.Contains(value, "-----")) && holdsSecret.MatchString(value)
}

// MaskText masks the secrets in a message of a tool or of a resource agent.
func MaskText(text string) string { return holdsSecret.ReplaceAllString(text, Masked) }

// IsSecret reports whether a parameter of that name is masked. passw* is Pacemaker's
// own list for its log; the others are parameters of fence agents and cloud agents.
func IsSecret(name string) bool {
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
