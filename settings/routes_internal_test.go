package settings

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Each HAProxy has a socket of its own for its statistics page, if HAProxy can bind it.
func TestPageSocket(t *testing.T) {
	t.Parallel()
	long := "/" + strings.Repeat("x", 80)
	for stats, want := range map[string]string{
		"/run/thalassa/haproxy.sock": "/run/thalassa/haproxy.page.sock",
		"/run/b":                     "/run/b.page.sock",
		long:                         "",
	} {
		s, err := load(t, "", "--haproxy-socket-path", stats)
		if err != nil {
			t.Fatal(err)
		}
		list := s.Routes()
		if want == "" && len(list) > 0 || want != "" && (len(list) != 1 || list[0].Proxy.Address != want || s.Process().PageSocket != want) {
			t.Errorf("%s: routes %+v, socket %q, want %q", stats, list, s.Process().PageSocket, want)
		}
	}
}

// Settings with a route that takes what is Thalassa's own, or lends its rights, are refused.
func TestRoutesThatAreRefused(t *testing.T) {
	t.Parallel()
	base := []string{"--service-reg", "consul.example:7500", "--token-file", "/etc/thalassa/tokens", "--haproxy-socket-path", "/run/th/h.sock", "--key-file", "/srv/keys/secret"}
	for route, says := range map[string]string{
		`{path: /img/, files: /srv, nothing: 1}`:                     "field nothing not found",
		`{path: /streams/, files: /srv}`:                             "routes: /streams/: path:",
		`{path: /ui/x/, files: /srv}`:                                "routes: /ui/x/: path:",
		`{path: /overview/, files: /srv}`:                            "routes: /overview/: path:",
		`{path: /v1/, files: /srv}`:                                  "routes: /v1/: path:",
		`{path: /haproxy/stats/, files: /srv}`:                       "routes: /haproxy/stats/: path:",
		`{path: /a/, files: /}`:                                      "routes: /a/: files: / has ",
		`{path: /a/, files: /etc}`:                                   "has /etc/thalassa/tokens in it",
		`{path: /a/, files: /srv/keys}`:                              "has /srv/keys/secret in it",
		`{path: /a/, files: /var/lib/thalassa/tls}`:                  "has /var/lib/thalassa in it or above it",
		`{path: /a/, proxy: "unix:/run/th/h.sock", role: admin}`:     "routes: /a/: proxy: /run/th/h.sock is a socket by which HAProxy is controlled",
		`{path: /a/, proxy: "http://Consul.Example:7500"}`:           "routes: /a/: role: is read, and the application is Consul",
		`{path: /a/, proxy: "http://192.0.2.1:8500", role: operate}`: "routes: /a/: role: is operate, and the application is Consul",
		`{path: /a/, proxy: "http://192.0.2.1:8501", role: operate}`: "routes: /a/: role: is operate",
	} {
		_, err := load(t, "routes: ["+route+"]\n", base...)
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, want %q", route, err, says)
		}
	}
	dir := t.TempDir()
	access := filepath.Join(dir, "access.yaml")
	text := "oidc: {issuer: https://id.example.com, client-id: x, client-secret-file: " + dir + "/http/secret, groups: {ops: admin}}\n"
	if err := os.WriteFile(access, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := load(t, "routes: [{path: /a/, files: "+dir+"/http}]\n", "--access-file", access)
	if err == nil || !strings.Contains(err.Error(), "has "+dir+"/http/secret in it") {
		t.Errorf("the secret of an access file: %v", err)
	}
	if _, err := load(t, "routes: [{path: /a/, proxy: \"http://consul.example:7500\", role: admin}, {path: /b/, files: /srv/http}]\n", base...); err != nil {
		t.Error(err)
	}
}
