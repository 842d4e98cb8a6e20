package api

import (
	"context"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"thalassa/auth"
	"thalassa/lb"
)

// A listedSession is a session as JSON.
type listedSession struct {
	ID      string    `json:"id"`
	Name    string    `json:"name"`
	Subject string    `json:"subject,omitempty"` // of a user of a provider
	Role    string    `json:"role"`
	On      []string  `json:"on,omitempty"` // patterns that the role is limited to
	Kind    string    `json:"kind"`         // what began it: token, password, oidc or pam
	From    string    `json:"from,omitempty"`
	Node    string    `json:"node,omitempty"` // of the cluster, where it began
	Begun   time.Time `json:"begun"`
	Used    time.Time `json:"used"`
	Expires time.Time `json:"expires"`
	Own     bool      `json:"own"` // the request's
}

// list lists the caller's sessions, and for an admin everybody's.
func (h sessionHandlers) list(c echo.Context) error {
	who, _ := c.Get(callerKey).(caller)
	own := sessionID(who.session)
	list := h.guard.sessions.List(ownerOf(who))
	out := make([]listedSession, 0, len(list))
	for _, s := range list {
		out = append(out, listedSession{
			ID: s.ID, Name: s.Name, Subject: s.Subject, Role: s.Role.String(), On: s.Patterns(), Kind: string(s.Kind), From: s.From, Node: s.Node,
			Begun: s.Begun.UTC(), Used: s.Used.UTC(), Expires: s.Expires.UTC(), Own: s.ID == own,
		})
	}
	return respond(c, http.StatusOK, out)
}

// endListed ends a session of the caller, and for an admin anybody's.
func (h sessionHandlers) endListed(c echo.Context) error {
	who, _ := c.Get(callerKey).(caller)
	id := c.Param("id")
	ended, err := h.guard.sessions.EndListed(id, ownerOf(who))
	if !ended {
		return &lb.NotFoundError{ID: "session/" + shown(id)}
	}
	h.live.EndSession(id)
	h.guard.logger.InfoContext(c.Request().Context(), "session ended", "session", id, "by", who.Name)
	if err != nil {
		return endsForNow(err)
	}
	return respond(c, http.StatusOK, endedDocument{"session/" + id, h.nodes(c.Request())})
}

// ownerOf is whose sessions a caller may see and end; empty: everybody's.
func ownerOf(who caller) string {
	if who.Allows(auth.Admin, auth.TheNode) {
		return ""
	}
	return who.Owner(who.how)
}

// recheck asks the provider or the system, by the kind of sessions, every few minutes about the users of sessions, until ctx
// ends, which is no error. It asks again within seconds about those whom nobody has answered about.
// Sessions of users who no longer exist end, with their websockets.
func (s *Server) recheck(ctx context.Context, kind auth.ProofKind) error {
	every, again := time.NewTicker(s.cfg.RecheckEvery), time.NewTicker(min(auth.RecheckAgain, s.cfg.RecheckEvery))
	defer every.Stop()
	defer again.Stop()
	ended := func(gone auth.Session, why string) {
		s.live.EndSession(gone.ID)
		s.cfg.Logger.InfoContext(ctx, "session ended", "why", why, "name", gone.Name, "kind", string(gone.Kind))
	}
	unanswered := false
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-every.C:
			unanswered = s.guard.sessions.Recheck(ctx, kind, ended)
		case <-again.C:
			if unanswered {
				unanswered = s.guard.sessions.RecheckUnanswered(ctx, kind, ended)
			}
		}
	}
}

// sweep ends the sessions that the files no longer allow, also those that nobody uses, until ctx
// ends, which is no error.
func (s *Server) sweep(ctx context.Context) error {
	tick := time.NewTicker(min(auth.RecheckAgain, s.cfg.RecheckEvery))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		for _, gone := range s.guard.sessions.Sweep() {
			s.SessionEnded(gone)
		}
	}
}
