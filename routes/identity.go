package routes

import (
	"fmt"
	"slices"
	"strings"
)

// Headers that applications take for the word of a proxy: who the user is, where the request
// comes from, or at which address the application is. Such headers have no register. So a name
// is judged by how it begins, or by the words that it has.

// identityPrefixes are beginnings of names that proxies and login servers use, as plainHeader
// has them.
func identityPrefixes() []string {
	return []string{
		"x-forwarded", "forwarded", "x-original", "x-originating-", "x-rewrite-", "x-script-name", "script-name", "path-info", "x-remote-", "remote-",
		"x-webauth-", "x-auth-", "auth-", "x-authenticated-", "x-authentik-", "x-authelia-", "x-jwt-", "x-id-token", "x-sso-", "x-vouch-", "x-pomerium-",
		"x-amzn-oidc-", "x-ms-client-", "x-ms-token-", "x-goog-iap-", "x-goog-authenticated-", "x-envoy-", "x-istio-", "x-azure-", "x-appengine-",
		"cf-", "fastly-", "akamai-", "incap-", "tailscale-", "impersonate-", "true-client-", "oidc-", "mellon-", "shib-", "sm-", "iv-", "wl-proxy-", "-ws",
		"ssl-", "x-ssl-", "proxy", "x-accel-", "x-sendfile-", "front-end-https",
	}
}

// identityNames are further whole names.
func identityNames() []string {
	return []string{
		"x-scheme", "x-url-scheme", "x-proto", "x-protocol", "x-host", "x-port", "x-prefix", "x-https", "x-org", "x-org-id", "x-logged-in-as", "smuser",
		"x-client-verify", "client-verify", "x-client-verified", "x-verified", "x-given-name", "given-name", "x-gap-auth", "gap-auth", "persistent-id", "targeted-id",
	}
}

// identityWords are words between hyphens, and identityParts also parts of words.
func identityWords() []string {
	return []string{
		"role", "roles", "group", "groups", "team", "teams", "member", "memberof", "account", "accounts", "admin", "login", "uid", "upn", "eppn",
		"subject", "sub", "claim", "claims", "scope", "scopes", "permission", "permissions", "credential", "credentials", "tenant", "tenants",
		"cert", "certificate", "dn", "ssl", "tls", "mtls", "sso", "saml", "oidc", "iap", "idp", "ip", "ips", "address", "addr", "remote", "displayname", "fullname",
		"mail", "cn", "givenname", "surname", "nickname", "affiliation", "entitlement", "entitlements", "privilege", "privileges", "jwt", "kerberos", "spnego",
		"behalf", "actor", "sudo", "superuser", "staff", "employee", "person", "subscriber", "whoami",
	}
}

func identityParts() []string {
	return []string{
		"user", "email", "principal", "identity", "impersonat", "authenticated", "consumer", "orgid", "clientcert", "clientip", "socketip", "realip",
		"remoteip", "remoteaddr", "tenantid",
	}
}

// plainHeader is the name of a header as applications may read it: for the interface that
// most follow (CGI, RFC 3875), case does not matter, and whatever is no letter or digit is
// the same.
func plainHeader(name string) string {
	return strings.Map(func(c rune) rune {
		switch {
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9':
			return c
		case 'A' <= c && c <= 'Z':
			return c + 'a' - 'A'
		}
		return '-'
	}, name)
}

// isIdentity reports whether a header of a request tells an application who the client is,
// or where it comes from. The name is one of plainHeader.
func isIdentity(name string) bool {
	begins := func(prefix string) bool { return strings.HasPrefix(name, prefix) }
	switch {
	case slices.ContainsFunc(identityPrefixes(), begins), slices.Contains(identityNames(), name):
		return true
	case slices.ContainsFunc([]string{"sec-", "accept", "access-control-", "content-"}, begins): // of browsers, about themselves
		return false
	case name == "x-datasource-uid", name == "x-dashboard-uid": // of Grafana's pages, not about users
		return false
	}
	// "User agent" is a program.
	name = strings.ReplaceAll(name, "user-agent", "")
	return slices.ContainsFunc(strings.Split(name, "-"), func(word string) bool {
		return slices.Contains(identityWords(), word) || slices.ContainsFunc(identityParts(), func(part string) bool { return strings.Contains(word, part) })
	})
}

// HeaderNames are names of headers, as plainHeader has them, with a comma before and after
// each. A * at the end of a name stands for any characters. The zero value has none.
type HeaderNames string

const (
	maxHeaderNames = 50
	maxHeaderName  = 100 // bytes
)

// parseHeaderNames makes HeaderNames of a list.
func parseHeaderNames(list []string) (HeaderNames, error) {
	if len(list) > maxHeaderNames {
		return "", fmt.Errorf("has %d names, expected at most %d", len(list), maxHeaderNames)
	}
	var names []string
	for _, name := range list {
		stem, isPrefix := strings.CutSuffix(name, "*")
		if stem == "" || len(name) > maxHeaderName || strings.ContainsFunc(stem, func(c rune) bool { return !isPlain(c) }) {
			return "", fmt.Errorf("%q is not the name of a header, expected one such as X-Acme-User or X-Acme-*", name)
		}
		if stem = plainHeader(stem); isPrefix {
			stem += "*"
		}
		names = append(names, stem)
	}
	if len(names) == 0 {
		return "", nil
	}
	return HeaderNames("," + strings.Join(names, ",") + ","), nil
}

// parsePassHeaders is parseHeaderNames for headers that clients may send. Those that the
// agent sets, and those with its own credentials, are none.
func parsePassHeaders(list []string) (HeaderNames, error) {
	names, err := parseHeaderNames(list)
	if err != nil {
		return "", err
	}
	for _, name := range list {
		stem, isPrefix := strings.CutSuffix(name, "*")
		stem = plainHeader(stem)
		for _, own := range []string{"x-forwarded", "forwarded", "authorization", "proxy", "cookie", "connection", "upgrade", "te", "trailer", "transfer-encoding", "host", "content-length"} {
			// A prefix may stand for a name, and the first two are prefixes themselves.
			isBelow := strings.HasPrefix(stem, own) && strings.HasSuffix(own, "forwarded")
			if stem == own || isBelow || isPrefix && strings.HasPrefix(own, stem) {
				return "", fmt.Errorf("%q may be a header that the agent sets or removes itself, expected another", name)
			}
		}
	}
	return names, nil
}

// has reports whether a name of plainHeader is one of them.
func (n HeaderNames) has(name string) bool {
	if n == "" {
		return false
	}
	if strings.Contains(string(n), ","+name+",") {
		return true
	}
	for one := range strings.SplitSeq(string(n), ",") {
		if stem, isPrefix := strings.CutSuffix(one, "*"); isPrefix && strings.HasPrefix(name, stem) {
			return true
		}
	}
	return false
}
