package api

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"thalassa/auth"
	"thalassa/live"
	"thalassa/stats"
)

// historyLength is how many samples clients can fill a chart with.
const historyLength = stats.HistoryLength

// liveConfig configures the websockets.
func liveConfig(cfg Config) live.Config {
	out := live.Config{
		Hub: cfg.Hub, Version: cfg.Version, Label: cfg.Label, History: historyLength,
		MaxSubscribers: cfg.MaxWebsockets, MaxOfPeer: cfg.MaxWebsocketsOfCaller, Logger: cfg.Logger,
	}
	if cfg.Sampler != nil {
		out.Interval = cfg.Sampler.Interval()
	}
	return out
}

// streamHandlers open websockets.
type streamHandlers struct {
	live   *live.Server
	sights *sightStreams
	// refused is told why a websocket was refused.
	refused func(why string)
}

// open turns a request into a websocket, and returns: the websocket keeps nothing of the
// request.
func (h streamHandlers) open(c echo.Context) error {
	r := c.Request()
	if err := checkUpgrade(r); err != nil {
		return err
	}
	if h.live.IsFull() {
		return unavailableFailure("too many websockets are open, or Thalassa is shutting down")
	}
	end, ok := r.Context().Value(closing{}).(context.Context)
	if !ok {
		end = context.Background()
	}
	who, _ := c.Get(callerKey).(caller)
	peer := who.peer()
	if peer.Address = source(r); who.check != nil {
		peer.Token = who.Name
	}
	if why := h.live.Refuses(peer); why != "" {
		h.refused(why)
		return tooManyWebsockets(why)
	}
	if who.HidesRest() {
		var err error
		if peer.Hub, peer.Left, err = h.sights.join(who.Grant); err != nil {
			return err
		}
	}
	h.live.Accept(end, c.Response(), r, peer)
	return nil
}

// peer is the caller for package live.
func (c caller) peer() live.Peer {
	p := live.Peer{Name: c.Name, Session: sessionID(c.session)}
	if check := c.check; check != nil {
		p.Check = func() error {
			switch now, ok := check(); {
			case !ok:
				return sessionEnded()
			case !now.SeesSame(c.Grant):
				return live.ErrChanged
			}
			return nil
		}
	}
	return p
}

// checkUpgrade checks the headers that every websocket of this protocol must have.
func checkUpgrade(r *http.Request) error {
	if !hasToken(r.Header, "Connection", "upgrade") || !hasToken(r.Header, "Upgrade", "websocket") {
		return upgradeFailure("this is a websocket: connect with Upgrade: websocket and the sub-protocol " + live.Protocol)
	}
	if !hasToken(r.Header, "Sec-Websocket-Protocol", live.Protocol) {
		return invalidField("Sec-WebSocket-Protocol", "does not name the sub-protocol", live.Protocol)
	}
	// A browser always sends the origin of the page that opens the websocket.
	if origin := r.Header.Get("Origin"); origin != "" {
		u, err := url.Parse(origin)
		if err != nil || !strings.EqualFold(u.Host, r.Host) || isPlainPage(r) {
			return forbidden("a page of another site opens this websocket")
		}
	}
	return nil
}

// hasToken reports whether a header lists a token.
func hasToken(h http.Header, name, token string) bool {
	return slices.ContainsFunc(h.Values(name), func(value string) bool {
		return slices.ContainsFunc(strings.Split(value, ","), func(s string) bool {
			return strings.EqualFold(strings.TrimSpace(s), token)
		})
	})
}

// tooManyWebsockets answers a caller that has too many websockets.
func tooManyWebsockets(why string) *ResponseError {
	return &ResponseError{
		Status: http.StatusTooManyRequests, Code: "too_many", Message: why,
		Header: http.Header{echo.HeaderRetryAfter: {retryAfter}},
	}
}

// upgradeFailure answers requests that do not open a websocket.
func upgradeFailure(message string) *ResponseError {
	return &ResponseError{
		Status: http.StatusUpgradeRequired, Code: "upgrade_required", Message: message,
		Header: http.Header{"Upgrade": {"websocket"}, "Connection": {"Upgrade"}},
	}
}

// sessionID is a session's ID for lists; empty for none.
func sessionID(session string) string {
	if session == "" {
		return ""
	}
	return auth.SessionID(session)
}
