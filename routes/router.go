package routes

import (
	"context"
	"io/fs"
	"log/slog"
	"net/http"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"

	"thalassa/auth"
)

// Config is what a Router needs.
type Config struct {
	// Refuses says why a route must not connect to an address, as a clause; empty: it may.
	// nil: it may connect to any.
	Refuses func(to netip.AddrPort, r Route) string
	// Secrets are files, directories and sockets that no route serves or leads to, whatever
	// they are called there; nil: there are none.
	Secrets func() []string
	Logger  *slog.Logger // default: discards
}

// secrets are those of Secrets that there are now.
func (c Config) secrets() []fs.FileInfo {
	if c.Secrets == nil {
		return nil
	}
	var out []fs.FileInfo
	for _, path := range c.Secrets() {
		if info, err := os.Stat(path); err == nil {
			out = append(out, info)
		}
	}
	return out
}

// A Router serves routes. Make it with New; its methods may be called from any goroutine.
type Router struct {
	cfg     Config
	changes sync.Mutex // held by Replace
	current atomic.Pointer[[]*Place]
}

// New makes a Router of routes whose paths differ.
func New(cfg Config, all []Route) *Router {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	r := &Router{cfg: cfg}
	r.current.Store(&[]*Place{})
	r.Replace(all)
	return r
}

// Replace has other routes be served from now on. Requests and websockets of routes that
// are no longer there, or have changed, end. The symbolic links that are now in the paths of
// directories may be followed.
func (r *Router) Replace(all []Route) {
	r.changes.Lock()
	defer r.changes.Unlock()
	former := map[Route]*Place{}
	for _, p := range *r.current.Load() {
		former[p.route] = p
	}
	next := make([]*Place, 0, len(all))
	for _, route := range all {
		p := former[route]
		delete(former, route)
		switch {
		case p == nil:
			p = newPlace(r.cfg, route)
		case p.path != nil:
			p.path.look()
		}
		next = append(next, p)
	}
	r.current.Store(&next)
	for _, p := range former {
		p.close()
	}
}

// Find returns the place with the longest path that contains the decoded path of a request; nil:
// there is none. A nil Router has no places.
func (r *Router) Find(path string) *Place {
	if r == nil {
		return nil
	}
	p, _ := find(path, *r.current.Load(), func(p *Place) string { return p.route.Path })
	return p
}

// A Caller is who sent a request, and which parts of the request are credentials for the API.
type Caller struct {
	Name string // empty: the API needs no authentication
	Role auth.Role
	// Authorization reports that the header Authorization is for the application. Otherwise it is
	// not forwarded.
	Authorization bool
	// Cookies are the names of cookies that are never forwarded, and that an application cannot
	// set.
	Cookies []string
}

// A Place is a route in service, with its requests.
type Place struct {
	route Route
	free  chan struct{} // one slot for each request under way
	usage usage
	path  *watchedPath // nil: it has neither files nor a socket
	serve func(w http.ResponseWriter, r *http.Request, by Caller) error

	ended context.Context //nolint:containedctx // the end of the place, not of a call
	close context.CancelFunc
}

func newPlace(cfg Config, route Route) *Place {
	p := &Place{route: route, free: make(chan struct{}, route.Connections)}
	p.ended, p.close = context.WithCancel(context.Background())
	if route.Files != "" {
		p.path = watch(route.Files)
		p.serve = fileServer{route: route, cfg: cfg, dir: p.path, said: &said{}}.serve
		return p
	}
	if route.Proxy.Network == "unix" {
		p.path = watch(route.Proxy.Address)
	}
	proxy := newProxy(cfg, route, p.path)
	p.serve = proxy.serve
	context.AfterFunc(p.ended, proxy.transport.CloseIdleConnections)
	return p
}

// Route is the route of the place.
func (p *Place) Route() Route { return p.route }

// A ServeError is why a request was not served.
type ServeError struct {
	Status  int
	Code    string // for programs
	Message string // one sentence
	Header  http.Header
}

// Error is the sentence.
func (f *ServeError) Error() string { return f.Message }

func invalid(message string) *ServeError {
	return &ServeError{Status: http.StatusBadRequest, Code: "invalid", Message: message}
}

// Serve serves a request. The caller of Serve has checked the role of the route. Serve returns a
// *ServeError, with nothing written, if the request is refused or the application does not answer.
// It ends early if the route is removed or changed.
func (p *Place) Serve(w http.ResponseWriter, r *http.Request, by Caller) error {
	if r.URL.Path+"/" == p.route.Path {
		redirectToFolder(w, r, p.route.Path)
		return nil
	}
	if err := p.check(r); err != nil {
		return err
	}
	select {
	case p.free <- struct{}{}:
		defer func() { <-p.free }()
	default:
		return &ServeError{
			Status: http.StatusServiceUnavailable, Code: "unavailable", Header: http.Header{"Retry-After": {"1"}},
			Message: "too many requests to " + p.route.Path + " are under way",
		}
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(p.ended, cancel)() //nolint:contextcheck // both end the request
	r = r.WithContext(ctx)
	patient := newPatient(w)
	r.Body = patient.body(r)
	return p.serve(patient, r, by)
}

// check refuses requests that applications may interpret differently from this program.
func (p *Place) check(r *http.Request) error {
	if r.URL.Host != "" || r.URL.Scheme != "" {
		return invalid("the request line has a whole URL, and this is not a proxy for any host")
	}
	if len(r.Header.Values("Content-Length")) > 1 {
		return invalid("the request has two lengths")
	}
	if err := checkRequestPath(r.URL, p.route.Path); err != nil {
		return invalid(err.Error())
	}
	switch isRead := r.Method == http.MethodGet || r.Method == http.MethodHead; {
	case isRead:
	case p.route.Files != "" || p.route.page != nil:
		return methodFailure("GET, HEAD")
	case r.Method == http.MethodTrace || r.Method == http.MethodConnect:
		return methodFailure("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS")
	}
	return checkWebsocket(r)
}

func methodFailure(allow string) *ServeError {
	return &ServeError{
		Status: http.StatusMethodNotAllowed, Code: "method_not_allowed", Message: "the path does not have this method, only " + allow,
		Header: http.Header{"Allow": {allow}},
	}
}
