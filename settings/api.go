package settings

import (
	"net"
	"net/netip"
	"strconv"
	"time"
)

// apiSettings say where the API is and who may use it.
type apiSettings struct {
	host           string
	port           int
	label          string
	location       string
	tls            string
	tlsCert        string
	tlsKey         string
	tlsNames       []string
	ownOrder       ownOrder
	clientCA       string
	tokenFile      string
	accessFile     string
	sessionKey     string // file
	sessionPrefix  string
	audit          auditSettings
	allowedHosts   []string
	insecureNoAuth bool
	statsInterval  time.Duration
	metricsOpen    bool
	dashboard      string
	v1             v1Settings
	maxConns       int
	maxPerAddress  int
	maxWebsockets  int
	routes         routeList
}

// AccessFile is the file of users, tokens and certificates; empty: there is none.
func (s *apiSettings) AccessFile() string { return s.accessFile }

// TokenFile is the file of the API's bearer tokens; empty: everybody who reaches the
// API may do everything.
func (s *apiSettings) TokenFile() string { return s.tokenFile }

// Loopback reports whether only this machine can reach the API.
func (s *apiSettings) Loopback() bool {
	if s.host == "localhost" {
		return true
	}
	a, err := netip.ParseAddr(s.host)
	return err == nil && a.IsLoopback()
}

// Listen is the address of the API, host:port.
func (s *apiSettings) Listen() string { return net.JoinHostPort(s.host, strconv.Itoa(s.port)) }

// Reach is where this machine reaches the API, host:port; empty: the system chooses
// the port.
func (s *apiSettings) Reach() string {
	if s.port == 0 {
		return ""
	}
	host := s.host
	if a, err := netip.ParseAddr(host); err == nil && a.IsUnspecified() {
		host = map[bool]string{true: "127.0.0.1", false: "::1"}[a.Unmap().Is4()]
	}
	return net.JoinHostPort(host, strconv.Itoa(s.port))
}
