package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/labstack/echo/v4"

	"thalassa/auth"
	"thalassa/routes"
	"thalassa/ui"
)

const (
	// watchEvery is how often the caller of a routed request is identified again.
	watchEvery = time.Second
	// routedGrace is how many of these times a routed request has when the server ends.
	routedGrace = 2
)

// routed serves requests for files and applications at paths of the API's address.
func (s *Server) routed(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		r := c.Request()
		place := s.cfg.Routes.Find(r.URL.Path)
		if place == nil {
			return next(c)
		}
		return s.enterRoute(c, place)
	}
}

// enterRoute serves a request if the caller may use the route. Like sendToTLS, it is a separate
// function to keep the stacks of other requests small.
func (s *Server) enterRoute(c echo.Context, place *routes.Place) error {
	c.Set(placeKey, place)
	r := c.Request()
	if r.TLS != nil && !isOwnHost(s.cfg, r) { // applications make addresses of it
		return misdirected(r)
	}
	if err := s.checkWebsocketOrigin(r); err != nil {
		return err
	}
	who, by, err := s.guard.identifyRouted(r)
	if err != nil {
		if ui.WantsPage(r) && s.guard.authority != nil && isUnauthorized(err) {
			return c.Redirect(http.StatusSeeOther, "/login?next="+url.QueryEscape(r.URL.RequestURI()))
		}
		return err
	}
	c.Set(callerKey, who)
	if err := mayUse(who.Identity, place.Route()); err != nil {
		return err
	}
	return s.serveRoute(c, place, who, by)
}

// serveRoute serves a request until the caller loses the right to it, or the server ends.
func (s *Server) serveRoute(c echo.Context, place *routes.Place, who caller, by routes.Caller) error {
	ctx, cancel := context.WithCancel(c.Request().Context())
	defer cancel()
	go s.watchRouted(ctx, cancel, place.Route(), who)
	defer func() {
		if p := recover(); p != nil { // the answer was aborted, and the request may have changed something
			s.audit(c)
			countRouted(c, 0)
			panic(p)
		}
	}()
	err := place.Serve(c.Response(), c.Request().WithContext(ctx), by)
	if f, ok := errors.AsType[*routes.ServeError](err); ok {
		return &ResponseError{Status: f.Status, Code: f.Code, Message: f.Message, Header: f.Header}
	}
	return err
}

// watchRouted ends a request whose caller has lost the right to it. A websocket may be open
// for days.
func (s *Server) watchRouted(ctx context.Context, cancel context.CancelFunc, route routes.Route, who caller) {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	again := who.check
	if again == nil {
		again = func() (auth.Identity, bool) { return who.Identity, true }
	}
	for left := routedGrace; left > 0; {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if now, ok := again(); !ok || mayUse(now, route) != nil {
			break
		}
		if isClosing(ctx) {
			left--
		}
	}
	cancel()
}

// mayUse checks that a caller has the role of a route. Grants cannot be limited to routes.
func mayUse(who auth.Identity, route routes.Route) error {
	if !who.Role.Allows(route.Role) {
		return forbidden(fmt.Sprintf("%s has the role %s, but %s needs the role %s", who.Name, who.Role, route.Path, route.Role))
	}
	if !who.Allows(route.Role, auth.TheNode) {
		return outside(who.Grant, route.Path)
	}
	return nil
}

// checkWebsocketOrigin refuses a websocket that a page of another site opens. Browsers let
// any page do so.
func (s *Server) checkWebsocketOrigin(r *http.Request) error {
	if !routes.IsWebsocket(r) {
		return nil
	}
	unsafe := r.Clone(r.Context())
	unsafe.Method = http.MethodPost
	return s.guard.checkOrigin(unsafe)
}

// identifyRouted finds the caller of a routed request, and what may be passed to the application.
// The Authorization header is for the application if a session identifies the caller and the header
// has nothing that would identify anybody here.
func (g *guard) identifyRouted(r *http.Request) (caller, routes.Caller, error) {
	by := routes.Caller{Cookies: ownCookies(), Authorization: g.authority == nil}
	header := r.Header.Values(echo.HeaderAuthorization)
	if _, err := sessionOf(r); err == nil && g.authority != nil && len(header) == 1 {
		if whose := g.belonging(r); whose != forAPI {
			by.Authorization = whose == forApplication
			r = r.Clone(r.Context())
			r.Header.Del(echo.HeaderAuthorization)
		}
	}
	who, err := g.identify(r)
	if g.authority != nil {
		by.Name, by.Role = who.Name, who.Role
		if who.IsLimited() { // to objects of this API, of which no route is one
			by.Role = auth.Read
		}
	}
	return who, by, err
}

func isUnauthorized(err error) bool {
	f, ok := errors.AsType[*ResponseError](err)
	return ok && f.Status == http.StatusUnauthorized
}
