package api

import (
	"context"
	"net/http"
	"slices"

	"github.com/labstack/echo/v4"

	"thalassa/api/node"
	"thalassa/lb"
)

// stateHandlers show the state of the node.
type stateHandlers struct {
	agent    *Agent
	failures *failures
	// problems say why the log is not written now, and why nothing can be stored; "": it
	// is, and can.
	problems []func() string
	// hangs says which loop of the agent hangs.
	hangs    func() []string
	canaries func(context.Context) []node.Canary // that are under way
	tls      func() *node.TLS
}

func (h stateHandlers) status(c echo.Context) error {
	status, err := h.agent.Status(c.Request().Context())
	if err != nil {
		return err
	}
	out := node.NewStatus(status)
	out.Canaries, out.TLS = h.canaries(c.Request().Context()), h.tls()
	return respond(c, http.StatusOK, out)
}

// healthz answers 200 unless a loop of the agent hangs, regardless of HAProxy; otherwise 503. The
// reasons are sentences that anybody may read.
func (h stateHandlers) healthz(c echo.Context) error {
	var out struct {
		Healthy bool     `json:"healthy"`
		Reasons []string `json:"reasons,omitempty"`
	}
	out.Reasons = h.hangs()
	if out.Healthy = len(out.Reasons) == 0; !out.Healthy {
		return respond(c, http.StatusServiceUnavailable, out)
	}
	return respond(c, http.StatusOK, out)
}

// readyz answers 200 while HAProxy runs the requested configuration, else 503. The reasons also
// name backends without members: they do not make the node unready, because its other backends
// work. Where some callers do not see all objects, the reasons name none.
func (h stateHandlers) readyz(c echo.Context) error {
	out := readiness{Warnings: h.warnings()}
	if status, err := h.agent.Status(c.Request().Context()); err == nil {
		if h.agent.authority.HidesSome() {
			status = nameless(status)
		}
		out.Ready, out.Reasons = status.Ready()
		for _, e := range status.Empty {
			out.Reasons = append(out.Reasons, e.Brief())
		}
		out.Stale, out.Lost = status.Stale(), status.HAProxy.Lost
	} else {
		out.Reasons = []string{h.failures.of(err, c).Message}
	}
	return h.answer(c, out)
}

// readiness is the answer of /readyz.
type readiness struct {
	Ready   bool     `json:"ready"`
	Reasons []string `json:"reasons"`
	Stale   []string `json:"stale,omitempty"`
	Lost    string   `json:"lost,omitempty"`
	// Warnings are sentences that anybody may read: they name no file.
	Warnings []string `json:"warnings,omitempty"`
}

func (h stateHandlers) warnings() []string {
	var out []string
	if len(h.agent.authority.Problems()) > 0 {
		out = []string{formerTokens}
	}
	if len(h.agent.sessionProblems()) > 0 {
		out = append(out, "logins do not hold on all nodes of the cluster; GET /status says why")
	}
	for _, problem := range h.problems {
		if text := problem(); text != "" {
			out = append(out, text)
		}
	}
	return out
}

// answer answers with a readiness, and with 503 if it is not ready.
func (h stateHandlers) answer(c echo.Context, out readiness) error {
	out.Reasons = orEmpty(out.Reasons)
	if !out.Ready {
		c.Response().Header().Set(echo.HeaderRetryAfter, retryAfter)
		return respond(c, http.StatusServiceUnavailable, out)
	}
	return respond(c, http.StatusOK, out)
}

// nameless is the status without names, for nodes where not everybody may know all objects.
func nameless(s lb.Status) lb.Status {
	if s.Problem != "" {
		s.Problem = "the newest configuration is not in effect"
	}
	if len(s.Empty) > 0 {
		s.Empty = []lb.EmptyBackend{{ID: "a backend", Reason: "GET /status names it"}}
	}
	isStale := slices.ContainsFunc(s.Discovery, func(d lb.ServiceStatus) bool { return d.Stale != "" })
	s.Discovery = nil
	if isStale {
		s.Discovery = []lb.ServiceStatus{{Service: "a service", Stale: "Consul does not confirm it; GET /status names it"}}
	}
	if s.HAProxy.Lost != "" {
		s.HAProxy.Lost = "a socket does not lead to HAProxy any more"
	}
	return s
}
