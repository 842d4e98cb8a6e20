package api

import (
	"context"
	"encoding/json"
	"net/http"
	"net/netip"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"thalassa/cluster"
	"thalassa/internal/strictjson"
	"thalassa/lb"
)

// Paths of the membership of nodes.
const (
	invitationsPath = "/cluster/invitations"
	joinPath        = "/cluster/join"
)

// ClusterMembers changes which nodes the cluster has, as *nodes.Members does. That a node leaves is an
// action of ClusterActions.
type ClusterMembers interface {
	// Invite makes a code with which other nodes can join. A former invitation with the same
	// Idempotency-Key is the answer without its code.
	Invite(ctx context.Context, i cluster.Inviting, o cluster.Order) (cluster.Invitation, error)
	// Invitations are those of this node, without their codes.
	Invitations() []cluster.Invitation
	// EndInvitation ends the one that is open, *lb.NotFoundError.
	EndInvitation(ctx context.Context) (cluster.Invitation, error)
	// Join lets this node join a cluster, and returns when it has joined.
	Join(ctx context.Context, j cluster.Joining, o cluster.Order) (cluster.Membership, error)
}

// Bounds of requests about the membership.
const (
	defaultInvitation  = 15 * time.Minute
	shortestInvitation = 10 * time.Second
	longestInvitation  = 24 * time.Hour
	maxInvited         = 31
	maxCode            = 256 // bytes
	maxNodeAddresses   = 8
)

// memberHandlers change which nodes the cluster has.
type memberHandlers struct {
	members ClusterMembers // nil: the agent ignores Pacemaker
}

// there refuses where the agent ignores Pacemaker.
func (h memberHandlers) there() error {
	if h.members == nil {
		return &ResponseError{Status: http.StatusNotFound, Code: "not_found", Message: "the agent of this node takes no part in clusters: its setting cluster is off"}
	}
	return nil
}

// list answers with the invitations of this node.
func (h memberHandlers) list(c echo.Context) error {
	if err := h.there(); err != nil {
		return err
	}
	return respond(c, http.StatusOK, orEmpty(h.members.Invitations()))
}

// invite makes an invitation, and answers with its code.
func (h memberHandlers) invite(c echo.Context) error {
	if err := h.there(); err != nil {
		return err
	}
	data, err := body(c)
	if err != nil {
		return err
	}
	i, err := parseInviting(data)
	if err != nil {
		return err
	}
	o, err := order(c, i)
	if err != nil {
		return err
	}
	invitation, err := h.members.Invite(c.Request().Context(), i, o)
	if err != nil {
		return err
	}
	status := http.StatusCreated
	if invitation.Code == "" {
		status = http.StatusOK
	}
	c.Response().Header().Set(echo.HeaderCacheControl, "no-store")
	return respond(c, status, invitation)
}

// parseInviting reads the body of an invitation, which may be empty.
func parseInviting(data []byte) (cluster.Inviting, error) {
	out := cluster.Inviting{For: defaultInvitation, Nodes: 1}
	if len(data) == 0 {
		return out, nil
	}
	var in struct {
		For   string `json:"for"`
		Nodes int    `json:"nodes"`
	}
	if err := strictjson.Decode(data, &in); err != nil {
		return out, err
	}
	var fe lb.FieldErrors
	if in.For != "" {
		var err error
		if out.For, err = time.ParseDuration(in.For); err != nil || out.For < shortestInvitation || out.For > longestInvitation || out.For%time.Second != 0 {
			fe.Add("for", shown(in.For)+" is no time for a code", `a duration in seconds from 10s to 24h, e.g. "15m"`)
		}
	}
	if in.Nodes != 0 {
		if out.Nodes = in.Nodes; in.Nodes < 1 || in.Nodes > maxInvited {
			fe.Add("nodes", strconv.Itoa(in.Nodes)+" is no number of nodes that may join", "1 to "+strconv.Itoa(maxInvited))
		}
	}
	return out, fe.Err()
}

// end ends the open invitation.
func (h memberHandlers) end(c echo.Context) error {
	if err := h.there(); err != nil {
		return err
	}
	ctx, cancel := waiting(c.Request().Context())
	defer cancel()
	invitation, err := h.members.EndInvitation(ctx)
	if err != nil {
		return err
	}
	return respond(c, http.StatusOK, invitation)
}

// join lets this node join a cluster.
func (h memberHandlers) join(c echo.Context) error {
	if err := h.there(); err != nil {
		return err
	}
	data, err := body(c)
	if err != nil {
		return err
	}
	j, err := parseJoining(data)
	if err != nil {
		return err
	}
	o, err := order(c) // without the body, which has the code
	if err != nil {
		return err
	}
	ctx, cancel := waiting(c.Request().Context())
	defer cancel()
	m, err := h.members.Join(ctx, j, o)
	if err != nil {
		return err
	}
	return respond(c, http.StatusOK, m)
}

// parseJoining reads the body of a join. The error does not show the code.
func parseJoining(data []byte) (cluster.Joining, error) {
	var in struct {
		Code      json.RawMessage `json:"code"` // raw, so that no error shows what is in it
		Node      string          `json:"node"`
		Addresses []string        `json:"addresses"`
	}
	if err := strictjson.Decode(data, &in); err != nil {
		return cluster.Joining{}, err
	}
	var fe lb.FieldErrors
	out := cluster.Joining{Node: in.Node, Addresses: in.Addresses}
	if json.Unmarshal(in.Code, &out.Code) != nil || out.Code == "" || len(out.Code) > maxCode {
		fe.Add("code", "is no code", "the one that POST "+invitationsPath+" or thalassa cluster invite has shown")
	}
	if _, err := lb.ParseName(in.Node); err != nil && in.Node != "" {
		fe.Add("node", shown(in.Node)+" is no name of a node", "letters, digits and . _ -")
	}
	if len(in.Addresses) > maxNodeAddresses {
		fe.Add("addresses", "has "+strconv.Itoa(len(in.Addresses))+" addresses", "at most "+strconv.Itoa(maxNodeAddresses))
		return out, fe.Err()
	}
	for i, text := range in.Addresses {
		if _, err := netip.ParseAddr(text); err != nil {
			fe.Add("addresses["+strconv.Itoa(i)+"]", shown(text)+" is no address", "an IP address of this node")
		}
	}
	return out, fe.Err()
}
