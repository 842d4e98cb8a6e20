package api

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/coder/websocket"
	"github.com/labstack/echo/v4"
)

// The sizes of a websocket's buffers. What is written through one is at most a
// frame without a text, of 127 bytes.
const (
	readBuffer  = 128
	writeBuffer = 128
)

// streams turns a request into a websocket. The handler returns then: what
// serves the websocket keeps nothing of the request.
func (s *Server) streams(c echo.Context) error {
	r := c.Request()
	who, _ := c.Get(callerKey).(caller)
	if err := s.checkUpgrade(r); err != nil {
		return err
	}
	if s.followers.isFull(s.cfg.MaxFollowers) {
		return unavailableFailure("there are too many websockets open, or Thalassa is shutting down")
	}
	f := &follower{server: s, who: who}
	conn, err := websocket.Accept(frugal{c.Response(), &f.wire}, r, &websocket.AcceptOptions{
		Subprotocols: []string{Protocol}, InsecureSkipVerify: true, // checkUpgrade has looked
		OnPongReceived: func(context.Context, []byte) { f.asked.Store(false) },
	})
	if err != nil {
		s.cfg.Logger.DebugContext(r.Context(), "websocket not opened", "error", err)
		return nil // Accept has answered
	}
	conn.SetReadLimit(maxSubscription)
	end, ok := r.Context().Value(closing{}).(context.Context)
	if !ok {
		end = context.Background()
	}
	ctx, dismiss := context.WithCancelCause(context.WithoutCancel(end))
	f.conn, f.dismiss, f.ctx = conn, dismiss, func() context.Context { return ctx }
	f.client = s.hub.JoinFunc(f.tell)
	if !s.followers.add(ctx, f, s.cfg.MaxFollowers) {
		f.client.Leave()
		_ = conn.Close(websocket.StatusTryAgainLater, "too many websockets")
	}
	return nil
}

// frugal gives a connection small buffers: a websocket that is open keeps them,
// reads little, and writes its texts past them.
type frugal struct {
	*echo.Response
	wire **wire // is set to the connection
}

// Hijack takes the connection over, with what was read of it.
func (f frugal) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := f.Response.Hijack()
	if err != nil {
		return nil, nil, err
	}
	early, err := rw.Peek(rw.Reader.Buffered())
	if err != nil {
		return nil, nil, errors.Join(err, conn.Close())
	}
	rest := io.MultiReader(bytes.NewReader(bytes.Clone(early)), conn)
	// Accept reads what is buffered, so that nothing of it may be left behind.
	reader := bufio.NewReaderSize(rest, max(readBuffer, len(early)))
	if _, err := reader.Peek(len(early)); err != nil {
		return nil, nil, errors.Join(err, conn.Close())
	}
	w := newWire(conn)
	*f.wire = w
	return w, bufio.NewReadWriter(reader, bufio.NewWriterSize(w, writeBuffer)), nil
}

// checkUpgrade looks at what every websocket of this protocol must say.
func (s *Server) checkUpgrade(r *http.Request) error {
	if !holds(r.Header, "Connection", "upgrade") || !holds(r.Header, "Upgrade", "websocket") {
		return upgradeFailure("this is a websocket: connect with Upgrade: websocket and the sub-protocol " + Protocol)
	}
	if !holds(r.Header, "Sec-Websocket-Protocol", Protocol) {
		return invalidField("Sec-WebSocket-Protocol", "does not name the sub-protocol", Protocol)
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
