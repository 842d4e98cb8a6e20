package routes_test

import (
	"net/http"
	"strings"
	"testing"

	"thalassa/routes"
)

// Whatever applications of all kinds take for the word of a proxy about the user, or about
// where the request comes from, a client cannot send.
func TestAClientCannotSayWhoItIs(t *testing.T) {
	t.Parallel()
	s := site(t, routes.Config{}, routes.Entry{Path: "/app/", Proxy: application(t)})
	names := strings.Fields(`
		X-Username X-User-Name X-User-Id X-User X-UserInfo X-Role X-Roles X-User-Roles X-Group X-Groups X-Email X-Consumer-Username X-Consumer-Id
		X-Anonymous-Consumer X-Credential-Identifier X-Scope-OrgID X-Amzn-Oidc-Data X-Amzn-Oidc-Identity X-Client-Cert X-Client-Certificate
		X-SSL-Client-Cert X-SSL-Client-S-DN SSL-Client-Cert SSL_CLIENT_S_DN Client-Cert Client-Cert-Chain X-Forwarded-Client-Cert X-Tls-Client-Cert
		X-MS-Client-Principal X-MS-Client-Principal-Name X-MS-Token-AAD-Id-Token X-Goog-Authenticated-User-Email X-Goog-Iap-Jwt-Assertion
		X-Endpoint-API-UserInfo Cf-Access-Authenticated-User-Email Cf-Access-Jwt-Assertion CF-Connecting-IPv6 Tailscale-User-Login Tailscale-Name
		X-Vouch-User X-Vouch-IdP-Claims-Sub X-Pomerium-Jwt-Assertion X-Pomerium-Claim-Email X-Sso-Name X-Sso-Session Impersonate-User Impersonate-Group
		Impersonate-Uid Impersonate-Extra-Scopes Fastly-Client-IP X-Envoy-External-Address X-Envoy-Internal X-Azure-ClientIP X-Azure-SocketIP
		X-Appengine-User-Ip X-Script-Name Script-Name X-Auth-Name X-Auth-Request-Preferred-Username X-Remote-Name X-WebAuth-Name True-Client-IP
		X-Authentik-Name Remote-Name X-JWT-Assertion X-Jwt-Claim-Sub X-Token-Subject X-ID-Token OIDC_CLAIM_name Mellon-Name Shib-Session-Id SM_UNIVERSALID
		SMUSER iv-creds iv-user EPPN X-Tenant X-Tenant-Id X-Account X-Admin X-Is-Admin X-Permissions X-Scopes X-Rewrite-URL X-Original-URL X-Originating-IP
		X-Real-Ip X-RealIP X-Client-IP X-Cluster-Client-Ip X-ProxyUser-Ip WL-Proxy-Client-IP WL-Proxy-SSL $WSRU X-Accel-Mapping X-Sendfile-Type
		X-Scheme X-Url-Scheme X-Proto X-Host X-Port Front-End-Https X-Hasura-Role X-Grafana-User Proxy-Name X-Authenticated-Name X-Principal X-Identity
		X-Logged-In-As X-Redmine-Switch-User Forwarded
		X-Client-Verify Client-Verify X-Verified X-Jwt Jwt X-On-Behalf-Of X-Actor Sudo X-Sudo X-Mail Mail X-Cn X-Ldap-Cn GivenName X-Given-Name Affiliation
		Entitlement X-Entitlements X-Privileges X-Employee X-Employee-Number X-Person X-Is-Staff X-Is-Superuser X-Subscriber-Id X-Kerberos X-Whoami Persistent-Id
		X-Spnego GAP-Auth X-Nickname`)
	for _, spell := range []func(string) string{
		func(name string) string { return name }, strings.ToLower, strings.ToUpper,
		func(name string) string { return strings.ReplaceAll(name, "-", "_") },
		func(name string) string { return strings.ReplaceAll(name, "-", ".") },
	} {
		sent := make([]string, len(names))
		for i, name := range names {
			sent[i] = spell(name) + ": FORGED"
		}
		_, body := get(t, s, "/app/", sent...)
		for line := range strings.SplitSeq(body, "\n") {
			if strings.Contains(line, "FORGED") {
				t.Errorf("the application gets %s", line)
			}
		}
	}
}

// What says nothing of that kind is passed on.
func TestOtherHeadersArePassedOn(t *testing.T) {
	t.Parallel()
	s := site(t, routes.Config{}, routes.Entry{Path: "/app/", Proxy: application(t)})
	names := strings.Fields(`
		User-Agent X-User-Agent X-Amz-User-Agent Accept Accept-Language Cache-Control Content-Type If-None-Match If-Match If-Modified-Since Origin Pragma
		Range Referer X-Requested-With X-CSRF-Token X-XSRF-Token X-Request-Id X-Api-Key X-Access-Token X-Vault-Token X-Emby-Authorization X-Grafana-Org-Id
		X-Grafana-Device-Id X-Datasource-Uid X-Panel-Id X-Dashboard-Uid Sec-Fetch-Site Sec-Fetch-User Sec-Ch-Ua Access-Control-Request-Headers Dnt Depth
		Destination Overwrite Lock-Token Last-Event-Id Traceparent Tracestate Baggage X-B3-Traceid X-Http-Method-Override Idempotency-Key Apollographql-Client-Name
		X-Controller X-Zip X-Description Grpc-Timeout Private-Token X-File-Name`)
	sent := make([]string, len(names))
	for i, name := range names {
		sent[i] = name + ": KEPT"
	}
	_, body := get(t, s, "/app/", sent...)
	for _, name := range names {
		if !strings.Contains(body, http.CanonicalHeaderKey(name)+": KEPT") {
			t.Errorf("the application does not get %s", name)
		}
	}
}

// A route may remove more headers, and let some through.
func TestHeadersOfARoute(t *testing.T) {
	t.Parallel()
	s := site(t, routes.Config{}, routes.Entry{
		Path: "/app/", Proxy: application(t), DropHeaders: []string{"X-Acme", "x_corp-*"}, PassHeaders: []string{"X-User-Id", "x-tenant-*"},
	})
	_, body := get(t, s, "/app/", "X_Acme: FORGED", "X-Corp-Name: FORGED", "X-Username: FORGED", "X-User-Id: KEPT1", "X-Tenant-Id: KEPT2", "X-Acme-Other: KEPT3")
	if strings.Contains(body, "FORGED") {
		t.Errorf("the application gets %s", body)
	}
	for _, want := range []string{"KEPT1", "KEPT2", "KEPT3"} {
		if !strings.Contains(body, want) {
			t.Errorf("%s is missing: %s", want, body)
		}
	}
}

// Only a proper opening of a websocket reaches an application as one.
func TestBrokenOpeningsOfWebsockets(t *testing.T) {
	t.Parallel()
	s := site(t, routes.Config{}, routes.Entry{Path: "/app/", Proxy: application(t)})
	client := s.Client().Transport.(*http.Transport).Clone()
	client.TLSClientConfig.NextProtos, client.ForceAttemptHTTP2 = []string{"http/1.1"}, false
	t.Cleanup(client.CloseIdleConnections)
	key, version := "Sec-Websocket-Key: AAAAAAAAAAAAAAAAAAAAAA==", "Sec-Websocket-Version: 13"
	upgrade, connection := "Upgrade: websocket", "Connection: keep-alive, Upgrade"
	for name, c := range map[string]struct {
		method  string
		status  int
		headers []string
	}{
		"proper":              {"GET", 200, []string{upgrade, connection, key, version}},
		"no key":              {"GET", 400, []string{upgrade, connection, version}},
		"empty key":           {"GET", 400, []string{upgrade, connection, "Sec-Websocket-Key: ", version}},
		"short key":           {"GET", 400, []string{upgrade, connection, "Sec-Websocket-Key: AAAA", version}},
		"long key":            {"GET", 400, []string{upgrade, connection, "Sec-Websocket-Key: AAAAAAAAAAAAAAAAAAAAAAAA", version}},
		"key of no base64":    {"GET", 400, []string{upgrade, connection, "Sec-Websocket-Key: !!!!!!!!!!!!!!!!!!!!!!==", version}},
		"two keys":            {"GET", 400, []string{upgrade, connection, key, key, version}},
		"no version":          {"GET", 426, []string{upgrade, connection, key}},
		"old version":         {"GET", 426, []string{upgrade, connection, key, "Sec-Websocket-Version: 8"}},
		"two versions":        {"GET", 400, []string{upgrade, connection, key, version, version}},
		"list of versions":    {"GET", 426, []string{upgrade, connection, key, "Sec-Websocket-Version: 13, 8"}},
		"no connection":       {"GET", 400, []string{upgrade, key, version}},
		"another connection":  {"GET", 400, []string{upgrade, "Connection: keep-alive", key, version}},
		"POST":                {"POST", 400, []string{upgrade, connection, key, version}},
		"HEAD":                {"HEAD", 400, []string{upgrade, connection, key, version}},
		"another protocol":    {"GET", 400, []string{"Upgrade: websocket, h2c", connection, key, version}},
		"a version of its":    {"GET", 400, []string{"Upgrade: websocket/13", connection, key, version}},
		"key, but no upgrade": {"GET", 200, []string{key, version}},
	} {
		r, err := http.NewRequestWithContext(t.Context(), c.method, s.URL+"/app/", nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, h := range c.headers {
			name, value, _ := strings.Cut(h, ": ")
			r.Header.Add(name, value)
		}
		res, err := client.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != c.status || c.status == 426 && (res.Header.Get("Sec-Websocket-Version") != "13" || res.Header.Get("Upgrade") != "websocket") {
			t.Errorf("%s: %d %v, want %d", name, res.StatusCode, res.Header, c.status)
		}
	}
}
