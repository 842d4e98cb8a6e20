package routes

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"thalassa/auth"
	"thalassa/lb"
)

// Defaults and bounds of an Entry.
const (
	defaultConnections = 256
	mostConnections    = 10_000
	defaultTimeout     = time.Minute
	leastTimeout       = time.Second
	mostTimeout        = time.Hour
	// MaxRoutes is the maximum number of routes.
	MaxRoutes = 100
)

// An Entry is a route as the settings have it.
type Entry struct {
	Path        string `json:"path"                  yaml:"path"`        // "/grafana/"
	Files       string `json:"files,omitempty"       yaml:"files"`       // directory; absolute
	Proxy       string `json:"proxy,omitempty"       yaml:"proxy"`       // http://host:port or unix:/path
	Role        string `json:"role,omitempty"        yaml:"role"`        // read, deploy, operate or admin; empty: read
	Strip       bool   `json:"strip,omitempty"       yaml:"strip"`       // of a proxy
	Scripts     bool   `json:"scripts,omitempty"     yaml:"scripts"`     // of files
	Connections int    `json:"connections,omitempty" yaml:"connections"` // maximum number; 0: 256
	Timeout     string `json:"timeout,omitempty"     yaml:"timeout"`     // of a proxy; empty: 1m
	// Of a proxy: headers of a request that the application does not get, and those that it
	// gets although they may name a user or an address. A name may end with *.
	DropHeaders []string `json:"dropHeaders,omitempty" yaml:"dropHeaders"`
	PassHeaders []string `json:"passHeaders,omitempty" yaml:"passHeaders"`
}

// A Route is files or an application at a path. It is immutable.
type Route struct {
	// Path begins and ends with a slash.
	Path string
	// Role is what a caller needs.
	Role auth.Role
	// Connections is the maximum number of requests under way, with websockets.
	Connections int

	// Files is the absolute path of a directory; empty: the route is a proxy.
	Files string
	// Scripts lets browsers run scripts of Files.
	Scripts bool

	// Proxy is where the application listens.
	Proxy Target
	// Strip leaves Path out of the paths that the application gets.
	Strip bool
	// Timeout is how long the application may take to begin its answer.
	Timeout time.Duration
	// DropHeaders are removed from requests, and PassHeaders are not, whatever they name.
	DropHeaders, PassHeaders HeaderNames

	// page makes the route read-only; nil: it is not.
	page *page
}

// A page is an application of which only GET and HEAD requests are served.
type page struct {
	policy string // Content-Security-Policy
	absent string // the error message if its socket does not exist
}

// A Target is the address of an application.
type Target struct {
	Network string // "tcp" or "unix"
	Address string // host:port, or an absolute path
}

// HAProxyStats is the route of HAProxy's own statistics page, which its workers serve at a
// unix socket.
func HAProxyStats(socket string) Route {
	return Route{
		Path: lb.StatsPath, Role: auth.Read, Connections: defaultConnections, Timeout: defaultTimeout,
		Proxy: Target{Network: "unix", Address: socket},
		page: &page{
			policy: "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'",
			absent: "haproxy.cfg has no statistics page at " + socket + "; a template of your own needs a section with {{.Page.Bind}}",
		},
	}
}

// Parse makes routes from entries. own are the first segments of paths that routes must not use,
// without slashes. The error joins the errors of all entries; each names its path.
func Parse(entries []Entry, own []string) ([]Route, error) {
	var problems []error
	if len(entries) > MaxRoutes {
		return nil, fmt.Errorf("has %d entries, expected at most %d", len(entries), MaxRoutes)
	}
	out := make([]Route, 0, len(entries))
	for i, e := range entries {
		r, err := e.parse(own)
		if err == nil && slices.ContainsFunc(out, func(o Route) bool { return o.Path == r.Path }) {
			err = errors.New("path: is set twice")
		}
		if err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", cmp.Or(e.Path, "["+strconv.Itoa(i)+"]"), err))
			continue
		}
		out = append(out, r)
	}
	return out, errors.Join(problems...)
}

func (e Entry) parse(own []string) (Route, error) {
	r := Route{Path: e.Path, Role: auth.Read, Connections: cmp.Or(e.Connections, defaultConnections), Scripts: e.Scripts, Strip: e.Strip, Timeout: defaultTimeout}
	if err := checkPath(e.Path, own); err != nil {
		return Route{}, fmt.Errorf("path: %w", err)
	}
	var err error
	if e.Role != "" {
		if r.Role, err = auth.ParseRole(e.Role); err != nil {
			return Route{}, fmt.Errorf("role: %w", err)
		}
	}
	if r.Connections < 1 || r.Connections > mostConnections {
		return Route{}, fmt.Errorf("connections: %d is out of range, expected 1 to %d", r.Connections, mostConnections)
	}
	switch {
	case (e.Files == "") == (e.Proxy == ""):
		return Route{}, errors.New("expected either files or proxy")
	case e.Files != "":
		return r.withFiles(e)
	}
	return r.withProxy(e)
}

func (r Route) withFiles(e Entry) (Route, error) {
	switch {
	case !filepath.IsAbs(e.Files):
		return Route{}, fmt.Errorf("files: %q is not the absolute path of a directory", e.Files)
	case e.Strip || e.Timeout != "" || len(e.DropHeaders)+len(e.PassHeaders) > 0:
		return Route{}, errors.New("strip, timeout, dropHeaders, passHeaders: are for a proxy, and this route has files")
	}
	r.Files = filepath.Clean(e.Files)
	return r, nil
}

func (r Route) withProxy(e Entry) (Route, error) {
	var err error
	if r.Proxy, err = parseTarget(e.Proxy); err != nil {
		return Route{}, fmt.Errorf("proxy: %w", err)
	}
	if e.Scripts {
		return Route{}, errors.New("scripts: is for files, and this route has a proxy")
	}
	if r.DropHeaders, err = parseHeaderNames(e.DropHeaders); err != nil {
		return Route{}, fmt.Errorf("dropHeaders: %w", err)
	}
	if r.PassHeaders, err = parsePassHeaders(e.PassHeaders); err != nil {
		return Route{}, fmt.Errorf("passHeaders: %w", err)
	}
	if e.Timeout != "" {
		r.Timeout, err = time.ParseDuration(e.Timeout)
		if err != nil || r.Timeout < leastTimeout || r.Timeout > mostTimeout {
			return Route{}, fmt.Errorf("timeout: %q is out of range, expected %s to %s", e.Timeout, leastTimeout, mostTimeout)
		}
	}
	return r, nil
}

// checkPath checks the path of a route, which must be in canonical form.
func checkPath(path string, own []string) error {
	const expected = "expected a path such as /grafana/"
	inner, begins := strings.CutPrefix(path, "/")
	inner, ends := strings.CutSuffix(inner, "/")
	if !begins || !ends || inner == "" || len(path) > 200 {
		return fmt.Errorf("%q does not begin and end with a slash around a name of at most 200 characters, %s", path, expected)
	}
	for segment := range strings.SplitSeq(inner, "/") {
		if segment == "" || segment[0] == '.' || strings.ContainsFunc(segment, func(c rune) bool { return !isPlain(c) }) {
			return fmt.Errorf("%q has a segment that is not of letters, digits and -_.~, %s", path, expected)
		}
	}
	if first, _, _ := strings.Cut(inner, "/"); slices.Contains(own, first) {
		return fmt.Errorf("%q belongs to Thalassa's own API and pages, expected another path than /%s/", path, first)
	}
	return nil
}

func isPlain(c rune) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.ContainsRune("-_.~", c)
}

// parseTarget accepts http://host:port and unix:/path.
func parseTarget(text string) (Target, error) {
	const expected = "expected http://host:port or unix:/path/to/socket"
	if path, ok := strings.CutPrefix(text, "unix:"); ok {
		const longest = 107 // of a unix socket's address
		if !filepath.IsAbs(path) || len(path) > longest {
			return Target{}, fmt.Errorf("%q has no absolute path of at most %d bytes, %s", text, longest, expected)
		}
		return Target{Network: "unix", Address: filepath.Clean(path)}, nil
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Path != "" && u.Path != "/" {
		return Target{}, fmt.Errorf("%q is not the address of an application, %s", redacted(u, text), expected)
	}
	host, err := lb.ParseHost(u.Hostname())
	if err != nil {
		return Target{}, fmt.Errorf("%q: %w", text, err)
	}
	port, err := strconv.ParseUint(cmp.Or(u.Port(), "80"), 10, 16)
	if err != nil || port == 0 {
		return Target{}, fmt.Errorf("%q has no port, %s", text, expected)
	}
	return Target{Network: "tcp", Address: net.JoinHostPort(string(host), strconv.FormatUint(port, 10))}, nil
}

// redacted is the text of an address without its password.
func redacted(u *url.URL, text string) string {
	if u == nil || u.User == nil {
		return text
	}
	return u.Redacted()
}
