package settings

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"thalassa/api"
	"thalassa/auth"
	"thalassa/haproxy"
	"thalassa/routes"
)

// routeList is the setting routes: a list in YAML, of which JSON is a part.
type routeList []routes.Entry

const routeListType = "routes"

// Type is the name of the type.
func (l *routeList) Type() string { return routeListType }

// String is the list as JSON; empty for no route.
func (l *routeList) String() string {
	if len(*l) == 0 {
		return ""
	}
	data, err := json.Marshal(*l)
	if err != nil {
		panic(err) // strings and numbers
	}
	return string(data)
}

// Set replaces the list. Unknown keys are errors.
func (l *routeList) Set(text string) error {
	var list []routes.Entry
	d := yaml.NewDecoder(bytes.NewReader([]byte(text)))
	d.KnownFields(true)
	if err := d.Decode(&list); err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("expected a list such as [{path: /img/, files: /srv/images}]: %w", err)
	}
	*l = list
	return nil
}

// Routes are the files and applications behind the address of the API, with HAProxy's own
// statistics page.
func (s *Agent) Routes() []routes.Route {
	list, err := routes.Parse(s.routes, api.OwnPaths())
	if err != nil {
		panic(err) // check has refused them
	}
	if s.pageSocket != "" {
		list = append(list, routes.HAProxyStats(s.pageSocket))
	}
	return list
}

// checkRoutes refuses routes that take paths of Thalassa's own, or give clients the agent's rights.
func (c *checker) checkRoutes() {
	list, err := routes.Parse(c.settings.routes, api.OwnPaths())
	if err != nil {
		for line := range strings.SplitSeq(err.Error(), "\n") {
			c.bad("routes: %s", line)
		}
		return
	}
	for _, r := range list {
		if r.Files != "" {
			c.checkRouteFiles(r)
		} else {
			c.checkRouteTarget(r)
		}
	}
}

// checkRouteFiles refuses a directory with a secret of the agent's own in it.
func (c *checker) checkRouteFiles(r routes.Route) {
	dir := resolved(r.Files)
	for _, own := range append(c.settings.secretPaths(), auth.SecretFiles(c.settings.accessFile)...) {
		for _, path := range []string{own, resolved(own)} {
			if path == dir || strings.HasPrefix(path, strings.TrimSuffix(dir, "/")+"/") || strings.HasPrefix(dir, path+"/") {
				c.bad("routes: %s: files: %s has %s in it or above it, which readers must not get", r.Path, r.Files, own)
				return
			}
		}
	}
}

// resolved is a path without symbolic links, as far as it exists.
func resolved(path string) string {
	if path, err := filepath.EvalSymlinks(path); err == nil {
		return path
	}
	return filepath.Clean(path)
}

// secretPaths are files and directories that routes never serve.
func (s *Agent) secretPaths() []string {
	all := []string{
		s.tokenFile, s.accessFile, s.sessionKey, s.audit.file, s.tlsKey, s.keyFile, s.consulToken, s.consulKey, s.dbPath, s.persistence,
		s.statsSocket, s.masterSocket, s.peersSocket, s.file, s.v1.credentials,
	}
	all = append(all, s.acme.secretFiles()...)
	all = append(all, s.clusterFiles()...)
	if s.cfgPath != "" {
		all = append(all, haproxy.CertificateDir(s.cfgPath))
	}
	all = slices.DeleteFunc(all, func(path string) bool { return path == "" })
	for i, path := range all {
		if absolute, err := filepath.Abs(path); err == nil {
			all[i] = absolute
		}
	}
	return all
}

// SecretFiles are files that routes never serve, not even by another name (a link). The access file
// may name more.
func (s *Agent) SecretFiles() []string {
	all := append(s.secretPaths(), s.Sessions(), s.SharedSessions(), s.cfgPath)
	for _, name := range []string{"thalassa.db", "tls/api.key"} {
		all = append(all, filepath.Join(s.dbPath, name))
	}
	return all
}

// checkRouteTarget refuses HAProxy's sockets and, for readers, Consul.
func (c *checker) checkRouteTarget(r routes.Route) {
	s := c.settings
	if r.Proxy.Network == "unix" && slices.ContainsFunc([]string{s.statsSocket, s.masterSocket, s.peersSocket}, func(own string) bool {
		return own != "" && resolved(own) == resolved(r.Proxy.Address)
	}) {
		c.bad("routes: %s: proxy: %s is a socket by which HAProxy is controlled", r.Path, r.Proxy.Address)
	}
	if r.Role != auth.Admin && s.isConsul(r.Proxy) {
		c.bad("routes: %s: role: is %s, and the application is Consul, which would lend its rights to every caller of that role; expected %s", r.Path, r.Role, auth.Admin)
	}
}

// isConsul reports whether a target is Consul's address by the settings or by its defaults. Other
// names of the same address are detected when the agent connects.
func (s *consulSettings) isConsul(t routes.Target) bool {
	scheme, rest, found := strings.Cut(s.Consul(), "://")
	if !found {
		scheme, rest = "http", s.Consul()
	}
	if t.Network == "unix" {
		return scheme == "unix" && resolved(rest) == resolved(t.Address)
	}
	host, port, err := net.SplitHostPort(t.Address)
	if err != nil {
		return false
	}
	if port == "8500" || port == "8501" { // of Consul's HTTP and HTTPS API, by default
		return true
	}
	u, err := url.Parse(scheme + "://" + rest)
	return err == nil && scheme != "unix" && strings.EqualFold(u.Hostname(), host) && u.Port() == port
}
