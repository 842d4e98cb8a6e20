package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"
	"golang.org/x/sync/errgroup"

	"thalassa/auth"
	"thalassa/live"
	"thalassa/ui"
)

// Bounds of a connection. A handler may work for longer than writeTimeout, which only
// bounds the writing of an answer.
const (
	headerTimeout = 10 * time.Second
	readTimeout   = 30 * time.Second // header and body
	writeTimeout  = 30 * time.Second
	idleTimeout   = 2 * time.Minute
	maxHeader     = 64 << 10
	// shutdownGrace is the time that requests under way get when the server ends.
	shutdownGrace = 15 * time.Second
)

// A Server answers requests. It is an http.Handler for any number of goroutines; Serve serves a
// listener.
type Server struct {
	cfg      Config
	echo     *echo.Echo
	dialects []Dialect // the node dialect is the last one
	agent    *Agent
	guard    *guard
	failures *failures
	bodies   *budget  // of all requests under way
	answers  *answers // that are made and written
	// draftTurns bounds the drafts that requests have in memory.
	draftTurns draftTurns
	site       *ui.Site
	publisher  *publisher
	sights     *sightStreams
	live       *live.Server // the websockets
}

// New makes a Server. It starts nothing.
func New(cfg Config) *Server {
	cfg = cfg.withDefaults()
	s := &Server{cfg: cfg, echo: echo.New(), agent: newAgent(cfg), guard: newGuard(cfg), failures: &failures{cfg.Logger}, site: ui.New()}
	s.bodies, s.answers = newBudget("large bodies", cfg.BodyBytes), newAnswers(cfg.AnswerBytes)
	s.draftTurns = newDraftTurns()
	metrics := newMetrics(cfg, newScraper(cfg, s.agent, func() uint64 { return s.live.Refused() }, func() int { return s.sights.clients() }).read)
	metrics.isNameless = func(r *http.Request) bool {
		return cfg.OpenMetrics && cfg.Authority.HidesSome() && !s.guard.seesEverything(r)
	}
	s.publisher = newPublisher(cfg, s.agent, metrics.count)
	s.sights = newSightStreams(cfg, s.agent, s.publisher.stats)
	s.live = live.New(liveConfig(cfg))
	s.echo.HTTPErrorHandler = s.fail
	s.echo.Use(s.observe, s.rescue, harden, s.requireTLS, s.checkHost, s.checkOrigin, s.routed, s.pages, s.meter)
	for _, d := range cfg.Dialects {
		s.add(d)
	}
	s.add(&nodeDialect{
		cfg: cfg, metrics: metrics, failures: s.failures, answers: s.answers,
		sessions: sessionHandlers{guard: s.guard, live: s.live, sso: newSSOLogin(cfg)}, streams: streamHandlers{s.live, s.sights, cfg.Refused},
	})
	return s
}

// Follow keeps the topics of the websocket up to date until ctx ends, which is no
// error.
func (s *Server) Follow(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return s.publisher.run(ctx) })
	g.Go(func() error { return s.sights.run(ctx) })
	g.Go(func() error { return s.live.Run(ctx) })
	for _, kind := range []auth.ProofKind{auth.ByOpenID, auth.ByAccount} { // a slow one does not delay the other
		g.Go(func() error { return s.recheck(ctx, kind) })
	}
	g.Go(func() error { return s.sweep(ctx) })
	return g.Wait()
}

// Shared has the sessions that are valid on all nodes of the cluster; nil: sessions are valid only
// on this node.
func (s *Server) Shared() *auth.SharedSessions { return s.guard.shared }

// SessionEnded closes the websockets of a session that has ended other than by a request.
func (s *Server) SessionEnded(session auth.Session) {
	s.live.EndSession(session.ID)
	s.cfg.Logger.Info("session ended", "session", session.ID, "name", session.Name)
}

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.echo.ServeHTTP(w, r) }

// Serve answers requests from l until ctx ends, which is no error. Then
// requests that only wait are answered at once, other requests get
// 15 seconds to end, and l is closed. An error of l before that is returned.
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
		ConnState:         s.cfg.ConnState,
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
		s.cfg.Logger.WarnContext(base, "requests under way aborted", "grace", shutdownGrace)
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

// closing is the key under which the context of a request holds the context whose end is the end of
// the server. The request's own context lasts until the end of shutdownGrace, so that a change in
// progress is completed.
type closing struct{}

// isClosing reports whether the server of the request is ending.
func isClosing(ctx context.Context) bool {
	end, ok := ctx.Value(closing{}).(context.Context)
	return ok && end.Err() != nil
}
