package routes

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/http/httputil"
	"net/netip"
	"syscall"
	"time"
)

const (
	dialTime          = 5 * time.Second
	idleTime          = time.Minute
	idleConnections   = 16
	maxAnswerHeader   = 64 << 10
	expectContinueFor = time.Second
)

// A proxy forwards requests of a route to its application.
type proxy struct {
	route     Route
	transport *http.Transport
	reverse   *httputil.ReverseProxy
	logger    *slog.Logger
	told      said // what has been logged
}

// exchangeKey is where the context of a request holds its *exchange.
type exchangeKey struct{}

// An exchange is one forwarded request.
type exchange struct {
	by     Caller
	answer http.Header // that the client gets
	failed error       // nothing was written then
}

func exchangeOf(r *http.Request) *exchange {
	x, _ := r.Context().Value(exchangeKey{}).(*exchange)
	return x
}

// newProxy makes the proxy of a route. socket is where the application listens; nil: it
// listens at an address.
func newProxy(cfg Config, route Route, socket *watchedPath) *proxy {
	dialer := &net.Dialer{Timeout: dialTime, ControlContext: func(_ context.Context, network, address string, _ syscall.RawConn) error {
		return refuse(cfg, route, network, address)
	}}
	p := &proxy{route: route, logger: cfg.Logger}
	p.transport = &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			connect := func(address string) (net.Conn, error) { return dialer.DialContext(ctx, route.Proxy.Network, address) }
			if socket == nil {
				return connect(route.Proxy.Address)
			}
			conn, err := socket.dial(cfg.secrets(), connect)
			if (errors.Is(err, errLinked) || errors.Is(err, errNoSocket)) && p.told.isNew(err.Error()) {
				cfg.Logger.WarnContext(ctx, "socket of a route not used", "route", route.Path, "socket", route.Proxy.Address, "reason", err)
			}
			return conn, err
		},
		MaxIdleConnsPerHost: idleConnections, IdleConnTimeout: idleTime, ResponseHeaderTimeout: route.Timeout,
		ExpectContinueTimeout: expectContinueFor, MaxResponseHeaderBytes: maxAnswerHeader, DisableCompression: true,
	}
	p.reverse = &httputil.ReverseProxy{
		Transport: finalAnswers{p.transport}, FlushInterval: -1, Rewrite: p.rewrite, ModifyResponse: p.modify,
		ErrorHandler: func(_ http.ResponseWriter, r *http.Request, err error) { exchangeOf(r).failed = err },
		ErrorLog:     slog.NewLogLogger(cfg.Logger.Handler(), slog.LevelDebug),
	}
	return p
}

// finalAnswers passes on no informational answers (1xx): what is behind the API takes the
// first status for the last one, and their headers would not be cleaned. Nor does it pass on
// trailers, which come when the headers that they would change have gone (RFC 9110, 6.5.1,
// lets it discard them).
type finalAnswers struct{ http.RoundTripper }

func (f finalAnswers) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := f.RoundTripper.RoundTrip(r.WithContext(untraced{r.Context()})) //nolint:contextcheck // that of the request
	if err != nil {
		return nil, err
	}
	final := *res // the transport writes trailers into the original
	final.Trailer = nil
	return &final, nil
}

// untraced is a context without the trace by which the reverse proxy learns of informational
// answers.
type untraced struct{ context.Context } //nolint:containedctx // it is one

func (u untraced) Value(key any) any {
	v := u.Context.Value(key)
	if _, isTrace := v.(*httptrace.ClientTrace); isTrace {
		return nil
	}
	return v
}

// refuse is asked for each address that a name resolves to.
func refuse(cfg Config, route Route, network, address string) error {
	if cfg.Refuses == nil || network == "unix" {
		return nil
	}
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return err
	}
	if why := cfg.Refuses(to, route); why != "" {
		return &ServeError{Status: http.StatusForbidden, Code: "forbidden", Message: route.Path + " is refused: " + why}
	}
	return nil
}

// serve forwards a request, and sends the answer back.
func (p *proxy) serve(w http.ResponseWriter, r *http.Request, by Caller) error {
	if !r.ProtoAtLeast(1, 1) || len(r.TransferEncoding) > 0 && r.ProtoMajor == 1 {
		// The following bytes on the connection may belong to this request.
		w.Header().Set("Connection", "close")
	}
	x := &exchange{by: by, answer: w.Header()}
	r = withoutOtherUpgrade(r.WithContext(context.WithValue(r.Context(), exchangeKey{}, x)))
	p.reverse.ServeHTTP(w, r)
	if b, ok := r.Body.(*patientBody); ok && b.broken.Load() && x.failed != nil {
		return invalid("the body is incomplete")
	}
	if x.failed != nil {
		return p.asFailure(x.failed)
	}
	return nil
}

// forget removes the headers that the API has set for its own answers. They are needed if the
// request fails.
func forget(h http.Header) {
	for _, name := range []string{"Cache-Control", "X-Content-Type-Options", "Content-Security-Policy", "Cross-Origin-Resource-Policy"} {
		h.Del(name)
	}
}

// rewrite makes the request that the application gets.
func (p *proxy) rewrite(pr *httputil.ProxyRequest) {
	by := exchangeOf(pr.In).by
	out := pr.Out
	out.URL.Scheme, out.URL.Host = "http", "application"
	out.Host = pr.In.Host
	out.Trailer = nil // else it would be announced, and not come
	p.route.cleanRequest(out.Header, by)
	if p.route.Strip {
		out.URL.Path, out.URL.RawPath = stripped(out.URL.Path, p.route.Path), stripped(out.URL.RawPath, p.route.Path)
		out.Header.Set("X-Forwarded-Prefix", p.route.Path[:len(p.route.Path)-1])
	}
	pr.SetXForwarded()
	if by.Name != "" {
		out.Header.Set("X-Forwarded-User", by.Name)
		out.Header.Set("X-Forwarded-Role", by.Role.String())
	}
}

// stripped is a path without that of its route; an empty one stays empty.
func stripped(path, route string) string {
	if len(path) < len(route) {
		return path
	}
	return path[len(route)-1:]
}

// modify changes the answer of the application.
func (p *proxy) modify(res *http.Response) error {
	forget(exchangeOf(res.Request).answer)
	p.cleanResponse(res)
	return nil
}

// gatewayFailure says that an application does not answer.
func (p *proxy) gatewayFailure(err error) *ServeError {
	f := &ServeError{Status: http.StatusBadGateway, Code: "unavailable", Message: "the application behind " + p.route.Path + " does not answer"}
	var timeout net.Error
	switch {
	case p.route.page != nil && errors.Is(err, fs.ErrNotExist):
		return &ServeError{Status: http.StatusNotFound, Code: "not_found", Message: p.route.page.absent}
	case errors.As(err, &timeout) && timeout.Timeout(), errors.Is(err, context.DeadlineExceeded):
		f.Status, f.Message = http.StatusGatewayTimeout, f.Message+" in time"
	}
	return f
}

// asFailure is the *ServeError of an error of a connection to an application.
func (p *proxy) asFailure(err error) *ServeError {
	if own, ok := errors.AsType[*ServeError](err); ok {
		return own
	}
	return p.gatewayFailure(err)
}
