package settings

import (
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"strings"
	"time"

	"thalassa/haproxy"
	"thalassa/lb"
)

// Port returns an error that names the setting when port is not between least and
// 65535; least is 0 where the system may choose the port.
func Port(name string, port, least int) error {
	if port >= least && port <= 65535 {
		return nil
	}
	return fmt.Errorf("%s: %d is not a port, expected 1 to 65535", name, port)
}

// A checker collects what is wrong with settings. Each text begins with the name of the
// setting and says what was expected.
type checker struct {
	settings *Agent
	problems []error
}

func (c *checker) bad(format string, args ...any) {
	c.problems = append(c.problems, fmt.Errorf(format, args...))
}

// check finds mistakes that no single flag can know, and completes the paths of
// sockets. Errors name the setting.
func check(s *Agent) error {
	if err := validate(s); err != nil {
		return err
	}
	if s.noHAProxy = s.IsConsole(); s.noHAProxy {
		return nil
	}
	return s.complete()
}

// validate finds mistakes that no single flag can know. Errors name the setting.
func validate(s *Agent) error {
	c := checker{settings: s, problems: []error{Port("port", s.port, 0), Port("service-reg-port", s.consulPort, 1)}} // nil where all is well
	c.checkAPI()
	c.checkConnections()
	c.checkAudit()
	c.checkConsul()
	c.checkMode()
	c.checkHAProxy()
	c.checkReloads()
	c.checkNatives()
	c.checkRoutes()
	c.checkACME()
	c.checkClusters()
	if err := errors.Join(c.problems...); err != nil {
		return Error{err}
	}
	return nil
}

func (c *checker) checkAPI() {
	s := c.settings
	if !s.Loopback() && s.tokenFile == "" && s.accessFile == "" && !s.insecureNoAuth {
		c.bad("host: %s is not a loopback address; set token-file or access-file, or insecure-no-auth to serve without tokens", s.host)
	}
	c.checkTLS()
	c.checkV1()
	c.checkSessions()
	if a, err := netip.ParseAddr(s.dashboard); s.dashboard != "" && (err != nil || a.Zone() != "") {
		c.bad("v1-dashboard: %q is not an IP address", s.dashboard)
	}
	if s.statsInterval < 100*time.Millisecond || s.statsInterval > time.Minute {
		c.bad("stats-interval: %s is out of range, expected 100ms to 1m", s.statsInterval)
	}
	if s.logFormat != "text" && s.logFormat != "json" {
		c.bad("log-format: %q is not known, expected text or json", s.logFormat)
	}
}

// checkSessions is about sessions that hold on all nodes of a cluster.
func (c *checker) checkSessions() {
	s := c.settings
	if s.sessionKey != "" && s.tokenFile == "" && s.accessFile == "" {
		c.bad("session-key-file: is set, but neither access-file nor token-file is, so that nobody logs in")
	}
	c.checkPrefix("session-kv-prefix", s.sessionPrefix, "thalassa/sessions/")
	if s.acme.prefix != "" {
		c.checkPrefix("acme-kv-prefix", s.acme.prefix, defaultOrderPrefix)
	}
	if a, b := s.acme.prefix, s.sessionPrefix; a != "" && (strings.HasPrefix(a, b) || strings.HasPrefix(b, a)) {
		c.bad("acme-kv-prefix: %q and session-kv-prefix %q have keys in common, expected two that have none", a, b)
	}
}

// checkPrefix is about keys in Consul.
func (c *checker) checkPrefix(setting, p, example string) {
	const most = 200
	if p == "" || p == "/" || p[0] == '/' || p[len(p)-1] != '/' || len(p) > most || strings.Contains(p, "//") ||
		strings.ContainsFunc(p, func(r rune) bool {
			return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("._-/", r))
		}) || strings.Contains("/"+p, "/../") || strings.Contains("/"+p, "/./") {
		c.bad("%s: %q is not valid, expected one such as %s of at most %d characters out of A-Z a-z 0-9 . _ - /", setting, p, example, most)
	}
}

// checkTLS is about the certificate of the API.
func (c *checker) checkTLS() {
	s := c.settings
	switch s.tls {
	case "", tlsOff, tlsAuto, tlsFiles, tlsACME, tlsShared:
	default:
		c.bad("tls: %q is not known, expected %s, %s, %s, %s or %s", s.tls, tlsOff, tlsAuto, tlsShared, tlsFiles, tlsACME)
	}
	c.checkOwnOrder()
	switch files := s.TLS().Mode() == tlsFiles; {
	case files && s.tlsCert == "":
		c.bad("tls-cert: is not set, expected the PEM file of the API's certificate")
	case files && s.tlsKey == "":
		c.bad("tls-key: is not set, expected the PEM file of the key of %s", s.tlsCert)
	case !files && s.tlsCert != "":
		c.bad("tls-cert: is set, but tls is %s, expected %s", s.tls, tlsFiles)
	case !files && s.tlsKey != "":
		c.bad("tls-key: is set, but tls is %s, expected %s", s.tls, tlsFiles)
	}
	if s.TLS().Mode() == tlsShared && s.sessionKey == "" {
		c.bad("tls: is %s, but session-key-file is not set, expected the file of the key that the agents share", tlsShared)
	}
	if s.clientCA != "" && s.TLS().Mode() == tlsOff {
		c.bad("client-ca: is set, but tls is off, expected auto, shared, files or acme")
	}
	if s.clientCA != "" && s.accessFile == "" {
		c.bad("client-ca: is set, but access-file is not, which says whom a certificate is for")
	}
	for _, name := range s.tlsNames {
		if _, err := lb.ParseHost(name); err != nil {
			c.bad("tls-names: %v", err)
		}
	}
}

func (c *checker) checkConsul() {
	s := c.settings
	if s.consulMaxConns < 12 {
		c.bad("consul-max-connections: %d is too few, expected 12 or more", s.consulMaxConns)
	}
	if s.holdShare <= 0 || s.holdShare > 1 {
		c.bad("hold-share: %v is out of range, expected more than 0 and at most 1", s.holdShare)
	}
	if s.holdMin < 1 {
		c.bad("hold-min: %d is too few, expected 1 or more", s.holdMin)
	}
	if s.holdTime < time.Second {
		c.bad("hold-time: %v is too short, expected 1s or more", s.holdTime)
	}
}

// checkMode is about who starts HAProxy.
func (c *checker) checkMode() {
	s := c.settings
	switch haproxy.Mode(s.haproxy) {
	case haproxy.Managed:
	case haproxy.Pacemaker, haproxy.External:
		if s.stopHAProxy {
			c.bad("stop-haproxy: HAProxy is stopped by whoever starts it, which is %s", s.haproxy)
		}
		if s.haproxy == string(haproxy.Pacemaker) && s.sudo {
			c.bad("sudo: Pacemaker starts HAProxy, without sudo")
		}
	default:
		c.bad("haproxy: %q is not known, expected managed, pacemaker or external", s.haproxy)
	}
	if s.cluster != "auto" && s.cluster != "on" && s.cluster != "off" {
		c.bad("cluster: %q is not known, expected auto, on or off", s.cluster)
	}
}

func (c *checker) checkHAProxy() {
	s := c.settings
	if s.haproxyStats != "" {
		if _, err := lb.ParseBind(s.haproxyStats); err != nil {
			c.bad("haproxy-stats-bind: %v", err)
		}
	}
	if s.hardStopAfter < 0 {
		c.bad("haproxy-hard-stop-after: %s is negative, expected 0s (no limit) or more", s.hardStopAfter)
	}
	if s.maxServers < 1 {
		c.bad("haproxy-max-servers: %d is too few, expected 1 or more", s.maxServers)
	}
	if s.maxconn < 0 {
		c.bad("haproxy-maxconn: %d is negative, expected 1 or more, or 0 to let HAProxy choose", s.maxconn)
	}
	for name, text := range map[string]string{
		"haproxy-user": s.haproxyUser, "haproxy-group": s.haproxyGroup, "haproxy-log": s.haproxyLog,
		"haproxy-socket-path": s.statsSocket, "haproxy-master-socket-path": s.masterSocket,
		"haproxy-peers-socket-path": s.peersSocket,
	} {
		if strings.ContainsAny(text, "\n\r\"'\\#") {
			c.bad("%s: %q contains a line break, quote, backslash or #, which haproxy.cfg does not allow here", name, text)
		}
	}
}

func (c *checker) checkReloads() {
	s := c.settings
	if s.reloadJitter < 0 {
		c.bad("reload-jitter: %s is negative, expected 0s or more", s.reloadJitter)
	}
	if s.reloadEvery <= 0 {
		c.bad("reload-every: %s is too short, expected more than 0s", s.reloadEvery)
	}
	if s.reloadBurst < 1 {
		c.bad("reload-burst: %d is too few, expected 1 or more", s.reloadBurst)
	}
}

// checkNatives is about raw lines.
func (c *checker) checkNatives() {
	s := c.settings
	if s.allowNatives != nativesFiles && s.allowNatives != nativesAny {
		c.bad("allow-natives: %q is not known, expected %s or %s", s.allowNatives, nativesFiles, nativesAny)
	}
	for _, dir := range s.nativesDirs {
		if !filepath.IsAbs(dir) {
			c.bad("natives-dirs: %q is not the absolute path of a directory, expected one such as /etc/haproxy", dir)
		}
	}
}
