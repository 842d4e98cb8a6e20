package api

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"thalassa/auth"
	"thalassa/routes"
)

// inPlain are the paths that are answered without TLS, too: supervisors ask for them,
// and the answers name nothing that is secret.
func inPlain() []string { return []string{"/healthz", "/readyz"} }

// requireTLS sends plain requests to https, where the API is served with TLS. It refuses
// those that name another host, and those with a credential, which has been readable on
// the way.
func (s *Server) requireTLS(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		r := c.Request()
		if s.cfg.Certificate == nil || r.TLS != nil || s.mayBePlain(r) {
			return next(c)
		}
		return s.sendToTLS(c, r)
	}
}

// mayBePlain reports whether a request is answered without TLS although others need it.
func (s *Server) mayBePlain(r *http.Request) bool {
	return slices.Contains(inPlain(), r.URL.Path) && (r.Method == http.MethodGet || r.Method == http.MethodHead) && !hasCredential(r)
}

// sendToTLS answers a request without TLS. It is a separate function, because its variables would
// take a kilobyte of the stack of each waiting request.
func (s *Server) sendToTLS(c echo.Context, r *http.Request) error {
	if hasCredential(r) {
		return &ResponseError{
			Status: http.StatusBadRequest, Code: "tls_required", Header: http.Header{"Connection": {"close"}},
			Message: "this address is served with TLS, and the request sent a token, password or session without; others may have read it: replace it, and use https",
		}
	}
	if !isOwnHost(s.cfg, r) {
		return misdirected(r)
	}
	if !strings.HasPrefix(r.URL.RequestURI(), "/") { // it would continue the name of the host
		return &ResponseError{Status: http.StatusBadRequest, Code: "invalid", Message: "the request line names no path"}
	}
	status := http.StatusPermanentRedirect
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		status = http.StatusMovedPermanently
	}
	return c.Redirect(status, "https://"+securePort(r)+r.URL.RequestURI())
}

// misdirected refuses a request for another host.
func misdirected(r *http.Request) *ResponseError {
	return &ResponseError{
		Status: http.StatusMisdirectedRequest, Code: "misdirected",
		Message: "the Host header names " + shown(hostOnly(r.Host)) + ", which is no name of this agent; tls-names adds one",
	}
}

// hasCredential reports whether a request shows who sent it, in its header or as a login.
func hasCredential(r *http.Request) bool {
	if r.Header.Get(echo.HeaderAuthorization) != "" || r.Method == http.MethodPost && r.URL.Path == "/session" {
		return true
	}
	return routes.HasCookie(r, cookieName)
}

// isOwnHost reports whether the Host header is a name of this agent: one of its
// certificate, a configured one, or the address that the connection was made to.
func isOwnHost(cfg Config, r *http.Request) bool {
	host := hostOnly(r.Host)
	if _, port, err := net.SplitHostPort(r.Host); err == nil {
		if _, err := strconv.ParseUint(port, 10, 16); err != nil {
			return false
		}
	}
	if to, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr); ok {
		if host == "localhost" && to.IP.IsLoopback() {
			return true
		}
		if a, err := netip.ParseAddr(host); err == nil && a.Unmap() == to.AddrPort().Addr().Unmap().WithZone("") {
			return true
		}
	}
	is := func(name string) bool { return isNameOf(hostOnly(name), host) }
	return cfg.Certificate != nil && slices.ContainsFunc(cfg.Certificate().Names, is) || slices.ContainsFunc(cfg.AllowedHosts, is) ||
		isPublic(cfg.Authority, host) || cfg.Names != nil && slices.ContainsFunc(cfg.Names(), is)
}

// isNameOf reports whether a name, as a certificate has it, is that of a host. A star stands
// for the first label (RFC 9525, 6.3).
func isNameOf(name, host string) bool {
	if rest, ok := strings.CutPrefix(name, "*."); ok {
		_, domain, found := strings.Cut(host, ".")
		return found && domain == rest
	}
	return name == host
}

// isPublic reports whether a host is that of the address to which an identity provider sends
// browsers, as the access file has it.
func isPublic(authority *auth.Authority, host string) bool {
	o := authority.OpenID()
	if o == nil || o.Redirect == "" {
		return false
	}
	u, err := url.Parse(o.Redirect)
	return err == nil && hostOnly(u.Host) == host
}

// securePort is the host of a plain request with the port that it came to, which it does
// not name if that is http's.
func securePort(r *http.Request) string {
	if _, _, err := net.SplitHostPort(r.Host); err == nil {
		return r.Host
	}
	port := "80"
	if to, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr); ok {
		_, port, _ = net.SplitHostPort(to.String())
	}
	return net.JoinHostPort(strings.Trim(r.Host, "[]"), port)
}
