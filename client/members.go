package client

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// A MemberRequest sets the state or the weight of one member.
type MemberRequest struct {
	State string // "ready", "drain" or "maint"; empty: as it is
	// Weight in the place of the member's own: "20", or "50%" of it; empty: its own.
	Weight string
	For    time.Duration // how long; 0: until somebody ends it
	Reason string
}

// SetMember drains a member of a backend, takes it out of use, or gives it another
// weight, and returns when that is in effect. A member is named by "HOST:PORT" or its id.
func (c *Client) SetMember(ctx context.Context, backend, member string, q MemberRequest, conditions ...Condition) (Member, Applied, error) {
	body := struct {
		State  string          `json:"state,omitempty"`
		Weight json.RawMessage `json:"weight,omitempty"`
		For    string          `json:"for,omitempty"`
		Reason string          `json:"reason,omitempty"`
	}{State: q.State, Reason: q.Reason}
	if q.Weight != "" {
		body.Weight = json.RawMessage(q.Weight)
		if _, err := strconv.Atoi(q.Weight); err != nil {
			body.Weight = json.RawMessage(strconv.QuoteToASCII(q.Weight))
		}
	}
	if q.For != 0 {
		body.For = q.For.String()
	}
	var m Member
	applied, _, err := c.transport.change(ctx, call{
		method: http.MethodPost, path: object("backends", backend) + "/members/" + url.PathEscape(member), body: body, conditions: conditions,
	}, &m)
	return m, applied, err
}
