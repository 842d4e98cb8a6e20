package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/labstack/echo/v4"

	"thalassa/auth"
	"thalassa/live"
	"thalassa/stream"
	"thalassa/ui"
)

// Bounds of a connection. A handler that works for longer than writeTimeout is
// no matter: every answer gets that time for itself.
const (
	headerTimeout = 10 * time.Second
	readTimeout   = 30 * time.Second // header and body
	writeTimeout  = 30 * time.Second
	idleTimeout   = 2 * time.Minute
	maxHeader     = 64 << 10
	// shutdownGrace is what requests under way get when the server ends.
	shutdownGrace = 15 * time.Second
)

// A Server answers requests. It is an http.Handler for any number of
// goroutines; Serve is its way onto a listener.
type Server struct {
	cfg     Config
	echo    *echo.Echo
	site    *ui.Site
	hosts   []string // names that a Host header may hold beside addresses; nil: any
	origins http.CrossOriginProtection

	sessions  *auth.Sessions
	limiter   authLimiter      // with those who try tokens
	coalescer *statusCoalescer // after how HAProxy stands
	refused   atomic.Int64     // when a connection had no rights last, in seconds
	hub       *stream.Hub
	topics    topics
	metrics   *metrics
	live      *live.Server // the websockets
}

// New makes a Server. It starts nothing.
func New(cfg Config) *Server {
	s := &Server{cfg: cfg.withDefaults(), echo: echo.New(), site: ui.New(), coalescer: newStatusCoalescer()}
	s.sessions = auth.NewSessions(s.cfg.Tokens, s.cfg.Now)
	s.openTopics()
	s.live = live.New(s.liveConfig())
	s.metrics = s.newMetrics()
	if cfg.Loopback && cfg.Tokens == nil {
		s.hosts = []string{"", "localhost"} // HTTP/1.0 knows no Host; browsers always send one
		for _, host := range cfg.AllowedHosts {
			s.hosts = append(s.hosts, hostOnly(host))
		}
	}
	s.echo.HTTPErrorHandler = s.fail
	s.echo.Use(s.observe, s.rescue, harden, s.checkHost, s.checkOrigin, s.pages)
	for _, r := range s.routes() {
		s.echo.Add(r.method, echoPath(r.path), s.guarded(r))
		if r.method == http.MethodGet {
			s.echo.Add(http.MethodHead, echoPath(r.path), s.guarded(r))
		}
	}
	return s
}

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.echo.ServeHTTP(w, r) }

// Serve answers requests from l until ctx ends, which is no error. Then
// requests that merely wait are answered at once, those that do something get
// 15 seconds to end, and l is closed. Without that, the error is l's.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	base, cut := context.WithCancel(context.WithValue(context.WithoutCancel(ctx), closing{}, ctx))
	defer cut()
	server := &http.Server{
		Handler:           s,
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		ConnContext:       withAdmission,
		BaseContext:       func(net.Listener) context.Context { return base },
		ErrorLog:          slog.NewLogLogger(s.cfg.Logger.Handler(), slog.LevelDebug),
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	select {
	case err := <-served:
		return fmt.Errorf("serving the API: %w", err)
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(base, shutdownGrace)
	defer cancel()
	s.live.Close(grace)
	err := server.Shutdown(grace)
	if errors.Is(err, context.DeadlineExceeded) {
		s.cfg.Logger.WarnContext(base, "requests under way were cut off", "grace", shutdownGrace)
		cut()
		err = server.Close()
	}
	if end := <-served; !errors.Is(end, http.ErrServerClosed) {
		err = errors.Join(err, end)
	}
	if err != nil {
		return fmt.Errorf("closing the API's listener: %w", err)
	}
	return nil
}

// closing is the key under which a request's context holds the context whose
// end is the end of the server. The request's own context lives on then, so
// that a change under way is not torn apart.
type closing struct{}

// isClosing reports whether the server that the request came through ends.
func isClosing(ctx context.Context) bool {
	end, ok := ctx.Value(closing{}).(context.Context)
	return ok && end.Err() != nil
}

// waiting is ctx for something that merely waits: it ends with the server, too.
func waiting(ctx context.Context) (context.Context, context.CancelFunc) {
	out, cancel := context.WithCancel(ctx)
	end, ok := ctx.Value(closing{}).(context.Context)
	if !ok {
		return out, cancel
	}
	stop := context.AfterFunc(end, cancel)
	return out, func() { stop(); cancel() }
}
