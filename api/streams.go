package api

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"thalassa/live"
)

// streams turns a request into a websocket. The handler returns then: what
// serves the websocket keeps nothing of the request.
func (s *Server) streams(c echo.Context) error {
	r := c.Request()
	if err := checkUpgrade(r); err != nil {
		return err
	}
	if s.live.IsFull() {
		return unavailableFailure("there are too many websockets open, or Thalassa is shutting down")
	}
	end, ok := r.Context().Value(closing{}).(context.Context)
	if !ok {
		end = context.Background()
	}
	who, _ := c.Get(callerKey).(caller)
	s.live.Accept(end, c.Response(), r, who.peer())
	return nil
}

// peer is the caller as the websockets know them.
func (c caller) peer() live.Peer {
	p := live.Peer{Name: c.Name, Session: c.session}
	if check := c.check; check != nil {
		p.Check = func() bool {
			_, ok := check()
			return ok
		}
	}
	return p
}

// checkUpgrade looks at what every websocket of this protocol must say.
func checkUpgrade(r *http.Request) error {
	if !holds(r.Header, "Connection", "upgrade") || !holds(r.Header, "Upgrade", "websocket") {
		return upgradeFailure("this is a websocket: connect with Upgrade: websocket and the sub-protocol " + live.Protocol)
	}
	if !holds(r.Header, "Sec-Websocket-Protocol", live.Protocol) {
		return invalidField("Sec-WebSocket-Protocol", "does not name the sub-protocol", live.Protocol)
	}
	// A browser always says which site's page opens the websocket.
	if origin := r.Header.Get("Origin"); origin != "" {
		u, err := url.Parse(origin)
		if err != nil || !strings.EqualFold(u.Host, r.Host) {
			return forbidden("a browser opens this websocket for a page of another site")
		}
	}
	return nil
}

// holds reports whether a header lists a token.
func holds(h http.Header, name, token string) bool {
	return slices.ContainsFunc(h.Values(name), func(value string) bool {
		return slices.ContainsFunc(strings.Split(value, ","), func(s string) bool {
			return strings.EqualFold(strings.TrimSpace(s), token)
		})
	})
}

// upgradeFailure is for requests that are no websocket's.
func upgradeFailure(message string) *failure {
	return &failure{
		status: http.StatusUpgradeRequired, Code: "upgrade_required", Message: message,
		header: http.Header{"Upgrade": {"websocket"}, "Connection": {"Upgrade"}},
	}
}
