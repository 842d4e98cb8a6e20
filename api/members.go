package api

import (
	"context"
	"net/http"
	"net/url"

	"github.com/labstack/echo/v4"

	"thalassa/api/node"
	"thalassa/lb"
)

// MemberChanger changes single members. When a call returns, the
// change is in effect, or its Applied says why not. Errors: *lb.NotFoundError,
// *lb.PreconditionError, *lb.RefusedError, *lb.UnavailableError.
type MemberChanger interface {
	SetMember(ctx context.Context, c lb.MemberChange) (lb.Member, lb.Applied, error)
	// RestoreMembers makes a change that turns the intent into wanted, restores overrides of
	// members with it, and returns the restored ones; see lb.Overrides.Restored. The error is that
	// of the change.
	RestoreMembers(ctx context.Context, list []lb.Override, wanted lb.Intent, by lb.Origin, change func() (lb.Applied, error)) ([]lb.Override, lb.Applied, error)
}

// setMember drains a member, takes it out of use, or gives it another weight.
func (h backendHandlers) setMember(c echo.Context) error {
	key, data, err := document(c)
	if err != nil {
		return err
	}
	id, err := url.PathUnescape(c.Param("id"))
	if err != nil || c.Request().URL.RawPath == "" {
		id = c.Param("id") // decoded already
	}
	change, err := node.ParseMemberChange(key, id, data)
	if err != nil {
		return err
	}
	var ifNew bool
	if change.IfMatch, ifNew, err = conditionsOf(c, h.agent, lb.Backend{Key: key}.ID()); err != nil {
		return err
	}
	switch {
	case ifNew:
		return h.refuseNew(c)
	case h.changeMember == nil:
		return &lb.UnavailableError{What: "members cannot be changed"}
	}
	change.Origin = h.agent.Origin(c)
	member, applied, err := h.changeMember.SetMember(c.Request().Context(), change)
	if err != nil {
		return err
	}
	if applied, err = seenApplied(c.Request().Context(), h.agent, applied); err != nil {
		return err
	}
	in, err := h.agent.Intent(c.Request().Context())
	if err != nil {
		return err
	}
	c.Response().Header().Set(headerETag, in.Backends[key].ETag())
	return respond(c, http.StatusOK, changed{node.NewMember(member), applied})
}
